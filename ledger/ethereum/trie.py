"""What a Merkle-Patricia proof proves: that a key has this value, or that it has none.

The two answers are different types, so that nobody can take absence for an empty value. A proof has exactly
one form: from the root downwards, each node once, nothing between and nothing after (nodes shorter than 32
bytes stand inside their parent and are not listed). Nothing here is believed that the root does not commit
to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from ledger.errors import BadInput, Refused
from ledger.ethereum import rlp_strict
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.nodes import (
    HASH_BYTES,
    MAX_PATH_NIBBLES,
    Branch,
    Extension,
    Leaf,
    Node,
    Reference,
    decode_node,
    nibbles,
    read_node,
    reference_to,
)
from ledger.ethereum.partial_trie import EMPTY_TRIE_ROOT, PartialTrie

EMPTY_CODE_HASH = keccak256(b"")


@dataclass(frozen=True, slots=True)
class Present:
    """The trie holds `value` (never empty) under the key."""

    value: bytes


@dataclass(frozen=True, slots=True)
class Absent:
    """The trie holds nothing under the key."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account's leaf in the state trie (Yellow Paper 4.1); `balance` in wei."""

    nonce: int
    balance: int
    storage_root: bytes
    code_hash: bytes

    def rlp(self) -> bytes:
        """Its encoding in the leaf."""
        numbers = (rlp_strict.encode_int(self.nonce), rlp_strict.encode_int(self.balance))
        return rlp_strict.encode((*numbers, self.storage_root, self.code_hash))


EMPTY_ACCOUNT = Account(0, 0, EMPTY_TRIE_ROOT, EMPTY_CODE_HASH)


def prove(root: bytes, key: bytes, nodes: Sequence[bytes]) -> Present | Absent:
    """Say what `nodes` prove about `key` under the 32-byte `root`.

    `key` is the path itself: tries that hash their keys take `account_key` or `slot_key`. The empty trie
    proves absence with no node. Errors: PROOF_SUPERFLUOUS (`Refused`; a node that is not the next one
    needed: repeated, out of order, left over), PROOF_INVALID (`Refused`; a needed node is missing or
    another), PROOF_NODE (`BadInput`).
    """
    if len(nodes) > 2 * len(key) + 1:
        raise Refused("PROOF_SUPERFLUOUS", f"{len(nodes)} nodes for a path of at most {2 * len(key) + 1}")
    found, used = prove_first(root, key, nodes)
    if used != len(nodes):
        raise Refused("PROOF_SUPERFLUOUS", "nodes are left over", where=f"node {used}")
    return found


def prove_first(root: bytes, key: bytes, nodes: Sequence[bytes]) -> tuple[Present | Absent, int]:
    """As `prove`, where other nodes may follow: what is proven, and how many nodes that took."""
    if len(root) != HASH_BYTES or 2 * len(key) > MAX_PATH_NIBBLES:
        raise BadInput("PROOF_INVALID", f"a root of {len(root)} bytes or a key of {len(key)} bytes")
    walk = _Walk(nodes)
    reference: Reference = b"" if root == EMPTY_TRIE_ROOT else root
    path = nibbles(key)
    found: bytes | None = None
    while reference:
        node = walk.node(reference)
        if isinstance(node, Leaf):
            found = node.value if node.path == path else None
            break
        if isinstance(node, Extension):
            reference = node.child if path.startswith(node.path) else b""
            path = path[len(node.path) :]
        elif path:
            reference, path = node.children[path[0]], path[1:]
        else:
            found = node.value or None
            break
    return (Absent() if found is None else Present(found)), walk.used


class _Walk:
    """Hands out each listed node once, in order, against the hash that its parent (or the root) names."""

    def __init__(self, nodes: Sequence[bytes]) -> None:
        self._nodes = nodes
        self.used = 0

    def node(self, reference: Reference) -> Node:
        if isinstance(reference, tuple):
            return read_node(reference)
        if self.used == len(self._nodes):
            raise Refused("PROOF_INVALID", "the proof ends before the path does", where=f"node {self.used}")
        raw = self._nodes[self.used]
        if keccak256(raw) != reference:
            if any(keccak256(other) == reference for other in self._nodes):
                raise Refused("PROOF_SUPERFLUOUS", "the nodes are out of order", where=f"node {self.used}")
            raise Refused("PROOF_INVALID", "a node is not the one its parent names", where=f"node {self.used}")
        if self.used and len(raw) < HASH_BYTES:
            raise BadInput("PROOF_NODE", "a node that should stand inline is named by its hash")
        self.used += 1
        return decode_node(raw)


def account_key(address: bytes) -> bytes:
    """The state trie's key of a 20-byte address."""
    if len(address) != 20:
        raise BadInput("PROOF_INVALID", f"an address of {len(address)} bytes")
    return keccak256(address)


def slot_key(slot: int) -> bytes:
    """The storage trie's key of a slot, 0 to 2**256 - 1."""
    if not 0 <= slot < 2**256:
        raise BadInput("PROOF_INVALID", "a slot outside 256 bits")
    return keccak256(slot.to_bytes(32, "big"))


def decode_account(raw: bytes) -> Account:
    """Read an account from its leaf's value; `BadInput` ACCOUNT_INVALID or RLP_* when it is not one."""
    item = rlp_strict.decode(raw)
    if not isinstance(item, tuple) or len(item) != 4:
        raise BadInput("ACCOUNT_INVALID", "an account is a list of four items")
    nonce, balance, storage_root, code_hash = item
    for digest in (storage_root, code_hash):
        if not isinstance(digest, bytes) or len(digest) != HASH_BYTES:
            raise BadInput("ACCOUNT_INVALID", "an account's roots have 32 bytes")
    assert isinstance(storage_root, bytes)
    assert isinstance(code_hash, bytes)
    return Account(rlp_strict.decode_int(nonce, max_bytes=8), rlp_strict.decode_int(balance), storage_root, code_hash)


def trie_of(values: Mapping[bytes, bytes]) -> PartialTrie:
    """The whole trie of `values` (path key to non-empty value)."""
    trie = PartialTrie(EMPTY_TRIE_ROOT, {})
    for key, value in values.items():
        trie.set(key, value)
    return trie


def ordered_root(values: Sequence[bytes]) -> bytes:
    """The root a header holds for a list: transactions, receipts or withdrawals, keyed by the RLP of
    their index.
    """
    paths = sorted((nibbles(key), value) for key, value in _by_index(values).items())
    if not paths:
        return EMPTY_TRIE_ROOT
    if not all(value for _, value in paths):
        raise BadInput("PROOF_INVALID", "a trie holds no empty value")
    return keccak256(reference_to(_node_over(paths, 0))[1])


def ordered_proof(values: Sequence[bytes], index: int) -> list[bytes]:
    """The nodes with which `prove` shows what stands at `index` of the list (or that nothing does)."""
    trie = trie_of(_by_index(values))
    return trie.proof(index_key(index))


def index_key(index: int) -> bytes:
    """The key of the value at `index`, from 0."""
    return rlp_strict.encode(rlp_strict.encode_int(index))


def _node_over(paths: Sequence[tuple[bytes, bytes]], depth: int) -> Node:
    """The node over sorted paths that agree in their first `depth` nibbles: each node is made once, none is kept.

    No path is the beginning of another: of an index's RLP no encoding is.
    """
    (first, value), (last, _) = paths[0], paths[-1]
    if len(paths) == 1:
        return Leaf(first[depth:], value)
    parts = depth  # sorted: what the first and the last share, all share
    while first[parts] == last[parts]:
        parts += 1
    if parts > depth:
        return Extension(first[depth:parts], reference_to(_node_over(paths, parts))[0])
    below = {nibble: list(group) for nibble, group in groupby(paths, key=lambda each: each[0][depth])}
    children = (
        reference_to(_node_over(below[nibble], depth + 1))[0] if nibble in below else b"" for nibble in range(16)
    )
    return Branch(tuple(children), b"")


def _by_index(values: Sequence[bytes]) -> dict[bytes, bytes]:
    return {index_key(index): value for index, value in enumerate(values)}
