# pragma version 0.4.3
"""
@title Test only: the proof modules' internal functions, made callable
@license Apache-2.0
"""

import rlp
import state_proof
import trie_proof
import tx_receipt_proof


@external
@pure
def head(word: uint256) -> (bool, uint256, uint256):
    return rlp._head(word)


@external
@pure
def integer(word: uint256, length: uint256, longest: uint256) -> uint256:
    return rlp._integer(word, length, longest)


@external
@pure
def inline_list(word: uint256) -> uint256:
    return rlp._inline_list(word)


@external
@pure
def walk(root: bytes32, key: bytes32, nibbles: uint256, proof: Bytes[16384], start: uint256) -> trie_proof.Found:
    return trie_proof._walk(root, key, nibbles, proof, start)


@external
@pure
def storage(
    state_root: bytes32, account: address, slot: bytes32, proof: Bytes[8192], keeps_zero_leaves: bool
) -> (state_proof.Account, state_proof.Slot):
    return state_proof._storage(state_root, account, slot, proof, keeps_zero_leaves)


@external
@pure
def receipt_log(
    receipts_root: bytes32, tx_index: uint32, log_index: uint32, proof: Bytes[16384]
) -> tx_receipt_proof.Log:
    return tx_receipt_proof._log(receipts_root, tx_index, log_index, proof, 0)
