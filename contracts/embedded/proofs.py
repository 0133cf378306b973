"""Reading Merkle-Patricia tries by walking them, keeping every node passed: account and storage proofs.

A walk that ends without a value has passed exactly the nodes that prove the absence. Nodes shorter than 32 bytes live
inside their parent and are no entries of their own, as in every node's `eth_getProof`. Pure apart from the database it
is given; a missing node is `KeyError`, because no trie of a stored block ever loses one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import rlp

from ledger.ethereum.keccak import keccak256 as keccak

EMPTY_TRIE_ROOT: Final = bytes(keccak(b"\x80"))
EMPTY_CODE_HASH: Final = bytes(keccak(b""))
BRANCH_ITEMS: Final = 17

NodeReader = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Walk:
    """The nodes passed from the root, each as RLP, and the value found (None: proven absent)."""

    nodes: tuple[bytes, ...]
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Account:
    """An account as the state trie holds it; the default is the account that does not exist."""

    nonce: int = 0
    balance: int = 0
    storage_root: bytes = EMPTY_TRIE_ROOT
    code_hash: bytes = EMPTY_CODE_HASH


def walk(read: NodeReader, root: bytes, key: bytes) -> Walk:
    """Follow `key` (the hashed one) from `root`. Errors: KeyError when `read` lacks a node."""
    if root == EMPTY_TRIE_ROOT:
        return Walk((), None)
    path = key.hex()
    nodes = [read(root)]
    node: Any = rlp.decode(nodes[0])
    while True:
        if len(node) == BRANCH_ITEMS:
            child = node[int(path[0], 16)] if path else node[16]
            if not path:
                return Walk(tuple(nodes), child or None)
            path = path[1:]
        else:
            shared, is_leaf = _compact(node[0])
            if is_leaf:
                return Walk(tuple(nodes), node[1] if path == shared else None)
            if not path.startswith(shared):
                return Walk(tuple(nodes), None)
            path, child = path[len(shared) :], node[1]
        if child == b"":
            return Walk(tuple(nodes), None)
        if isinstance(child, bytes):
            nodes.append(read(child))
            child = rlp.decode(nodes[-1])
        node = child


def read_account(read: NodeReader, state_root: bytes, address: bytes) -> Account:
    """The account at `address` under a state root."""
    return account_of(walk(read, state_root, keccak(address)))


def account_of(found: Walk) -> Account:
    """The account that a walk of the state trie ended at."""
    if found.value is None:
        return Account()
    nonce, balance, storage_root, code_hash = rlp.decode(found.value)
    return Account(int.from_bytes(nonce, "big"), int.from_bytes(balance, "big"), storage_root, code_hash)


def walk_storage(read: NodeReader, storage_root: bytes, slot: int) -> Walk:
    """Follow one storage slot under an account's storage root."""
    return walk(read, storage_root, keccak(slot.to_bytes(32, "big")))


def slot_value(found: Walk) -> int:
    """The number that a walk of a storage trie ended at; an absent slot is zero."""
    return 0 if found.value is None else int.from_bytes(rlp.decode(found.value), "big")


def _compact(encoded: bytes) -> tuple[str, bool]:
    """Hex-prefix decoding (Yellow Paper, appendix C): the nibbles, and whether the node is a leaf."""
    digits = encoded.hex()
    flag = int(digits[0], 16)
    return digits[1:] if flag & 1 else digits[2:], flag >= 2
