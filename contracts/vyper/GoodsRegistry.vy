# pragma version 0.4.3
"""
@title Goods registry (transaction chain): a goods key is reserved once, the first writer wins
@license Apache-2.0
@notice Keyed on the goods and not on any paper, so that the same pile cannot secure two loans under two receipts.
        It does not know what a goods key stands for, nor whether the goods exist.
"""

import application
import outcome
import instruction

initializes: application
initializes: instruction

exports: (application.owner, application.gateway, application.admit)


event GoodsReserved:
    goods_key: indexed(bytes32)
    loan_id: indexed(bytes32)

event ReservationRefused:
    goods_key: indexed(bytes32)
    loan_id: indexed(bytes32)

event GoodsReleased:
    goods_key: indexed(bytes32)
    loan_id: indexed(bytes32)

# The loan that holds a goods key, bound to the pledge registry that opened it; empty when free.
holders: public(HashMap[bytes32, bytes32])


@deploy
def __init__(gateway: address):
    """
    @notice Binds the registry to its gateway
    @param gateway The transaction chain's gateway
    """
    application.__init__(gateway)


@external
def receiveMessage(id: bytes32, sender: Bytes[58], payload: Bytes[1024]) -> (bytes4, bytes32):
    """
    @notice Reserves or releases a goods key for a loan (ERC-7786 recipient)
    @param id The message's id
    @param sender Interoperable address of the pledge registry
    @param payload An instruction
    @return The ERC-7786 magic value, and the outcome as text
    """
    application._authenticate(sender)
    wanted: instruction.Instruction = instruction._take(sender, payload)
    holder: bytes32 = keccak256(concat(keccak256(sender), wanted.loan_id))
    held_by: bytes32 = self.holders[wanted.goods_key]
    if wanted.action == instruction.SECURE:
        if held_by != empty(bytes32):
            log ReservationRefused(goods_key=wanted.goods_key, loan_id=wanted.loan_id)
            return application.RECEIVE, outcome.GOODS_TAKEN
        self.holders[wanted.goods_key] = holder
        log GoodsReserved(goods_key=wanted.goods_key, loan_id=wanted.loan_id)
        return application.RECEIVE, outcome.RESERVED
    assert wanted.action == instruction.RELEASE, "GoodsRegistry: goods are not handed over here"
    if held_by != holder:
        return application.RECEIVE, outcome.NOT_HELD
    self.holders[wanted.goods_key] = empty(bytes32)
    log GoodsReleased(goods_key=wanted.goods_key, loan_id=wanted.loan_id)
    return application.RECEIVE, outcome.RELEASED
