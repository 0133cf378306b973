# pragma version 0.4.3
"""
@title What a gateway knows of the value its lanes carry: never more arrives than was sent
@license Apache-2.0
@notice A transfer's payload begins with three words: asset | quantity | total, where the total is all that was ever
        sent of this asset on this lane and generation, this transfer included. The origin gateway refuses another
        total than its own count; the destination gateway refuses to let more arrive than the largest total it has
        been shown. A non-fungible token is an asset of its own, of quantity one.
        This holds one direction. With a vault that releases no more than it locked and vouchers that burn no more
        than was minted, minted - burned <= locked - released follows for both.
        It counts what was sent, not what the sender keeps: that the vault really locked is the vault's own check.
"""

import message

# Quantities are bounded so that two of them share a word, and a sum of them never wraps.
MAX_UNITS: constant(uint256) = 2**112 - 1
MAX_TOTAL: constant(uint256) = 2**128 - 1
HEAD: constant(uint256) = 96  # bytes

struct Transfer:
    asset: bytes32
    quantity: uint256  # in the asset's smallest unit
    total: uint256

# keccak256(lane, generation) -> asset -> units ever sent from here
sent: HashMap[bytes32, HashMap[bytes32, uint256]]
# keccak256(lane, generation) -> asset -> units ever received here 128 | largest total shown 128
received: HashMap[bytes32, HashMap[bytes32, uint256]]


@external
@view
def units_sent(lane: bytes32, generation: uint32, asset: bytes32) -> uint256:
    """
    @notice How much was ever sent from here
    @param lane A lane out of this chain
    @param generation The lane's generation
    @param asset The asset
    @return Units
    """
    return self.sent[self._flow(lane, generation)][asset]


@external
@view
def units_received(lane: bytes32, generation: uint32, asset: bytes32) -> (uint256, uint256):
    """
    @notice How much ever arrived here, and the largest total that a proven message has shown
    @param lane A lane into this chain
    @param generation The lane's generation
    @param asset The asset
    @return Units received, units shown as sent
    """
    word: uint256 = self.received[self._flow(lane, generation)][asset]
    return word & MAX_TOTAL, word >> 128


@internal
@pure
def _flow(lane: bytes32, generation: uint32) -> bytes32:
    """
    @dev A generation begins its count anew, as it does its sequences
    """
    return keccak256(abi_encode(lane, generation))


@internal
@pure
def _read(payload: Bytes[1024]) -> Transfer:
    """
    @dev The head of a transfer's payload
    """
    assert len(payload) >= HEAD, "Gateway: transfer without a head"
    transfer: Transfer = Transfer(
        asset=extract32(payload, 0),
        quantity=convert(extract32(payload, 32), uint256),
        total=convert(extract32(payload, 64), uint256),
    )
    assert transfer.quantity != 0 and transfer.quantity <= MAX_UNITS, "Gateway: quantity"
    assert transfer.total <= MAX_TOTAL, "Gateway: total"
    return transfer


@internal
def _count_out(lane: bytes32, generation: uint32, payload: Bytes[1024]):
    """
    @dev Counts a transfer that leaves; its total must be this gateway's own count
    """
    transfer: Transfer = self._read(payload)
    flow: bytes32 = self._flow(lane, generation)
    total: uint256 = self.sent[flow][transfer.asset] + transfer.quantity
    assert transfer.total == total, "Gateway: total is not what was sent"
    self.sent[flow][transfer.asset] = total


@internal
def _count_in(lane: bytes32, generation: uint256, payload: Bytes[1024]) -> uint256:
    """
    @dev Counts a transfer that arrives, in whatever order; answers its quantity
    """
    transfer: Transfer = self._read(payload)
    flow: bytes32 = keccak256(abi_encode(lane, generation))
    word: uint256 = self.received[flow][transfer.asset]
    arrived: uint256 = unsafe_add(word & MAX_TOTAL, transfer.quantity)
    shown: uint256 = max(word >> 128, transfer.total)
    # What is shown is below 2**128, and so is what has arrived.
    assert arrived <= shown, "Gateway: value is not backed"
    self.received[flow][transfer.asset] = arrived | (shown << 128)
    return transfer.quantity
