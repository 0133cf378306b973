# pragma version 0.4.3
"""
@title Test only: a source of headers that holds whatever it is told
@license Apache-2.0
"""

import IHeaders

implements: IHeaders

CHAIN_ID: immutable(uint256)
held: HashMap[uint64, bytes32]


@deploy
def __init__(chain_id: uint256):
    CHAIN_ID = chain_id


@external
def hold(height: uint64, block_hash: bytes32, state_root: bytes32, receipts_root: bytes32, timestamp: uint64):
    self.held[height] = keccak256(abi_encode(block_hash, state_root, receipts_root, timestamp))


@external
@view
def holds(
    height: uint64, block_hash: bytes32, state_root: bytes32, receipts_root: bytes32, timestamp: uint64
) -> bool:
    word: bytes32 = keccak256(abi_encode(block_hash, state_root, receipts_root, timestamp))
    assert self.held[height] == word, "HeaderBook: not held"
    return True


@external
@view
def chain_id() -> uint256:
    return CHAIN_ID


@external
@view
def genesis() -> bytes32:
    return keccak256("genesis")


@external
@view
def sealed() -> bool:
    return True
