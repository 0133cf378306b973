# pragma version 0.4.3
"""
@title Test only: a contract that is administered by orders
@license Apache-2.0
"""

import order

initializes: order

exports: (order.announce, order.order_due, order.order_delay)

SET: constant(bytes32) = keccak256("pledgetrail/order/Ordered.set")
RELEASE: constant(bytes32) = keccak256("pledgetrail/order/Ordered.release")

held: public(uint256)
released: public(uint256)


@deploy
def __init__(committee: address, delay: uint256):
    order.__init__(committee, delay)


@external
def set(amount: uint256, salt: bytes32):
    order._take(keccak256(abi_encode(SET, amount)), salt)
    self.held = amount


@external
def release(amount: uint256, salt: bytes32, epoch: uint64, signatures: Bytes[6600]):
    order._approve(keccak256(abi_encode(RELEASE, amount)), salt, epoch, signatures)
    self.released += amount
