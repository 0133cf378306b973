"""The three kinds of Merkle-Patricia node and their encoding (Yellow Paper, appendix D; hex prefix,
appendix C).

A path is `bytes` of nibbles, one per byte, 0 to 15. A reference to a child is what the parent's encoding
holds: `b""` for none, 32 bytes for the Keccak-256 of the child, or, for a child shorter than 32 bytes, the
child itself as a decoded list. Nothing here follows a reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from ledger.errors import BadInput, Problem
from ledger.ethereum import rlp_strict
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.rlp_strict import Rlp

HASH_BYTES = 32
MAX_PATH_NIBBLES = 2 * 64  # keys are at most 32 bytes on a chain; the vectors go a little further

Reference: TypeAlias = Rlp


@dataclass(frozen=True, slots=True)
class Leaf:
    """The end of a path, and its value (never empty)."""

    path: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Extension:
    """A stretch of path, never empty, that all keys below share."""

    path: bytes
    child: Reference


@dataclass(frozen=True, slots=True)
class Branch:
    """Sixteen children by nibble, and the value of the key that ends here (`b""` for none)."""

    children: tuple[Reference, ...]
    value: bytes


Node: TypeAlias = Leaf | Extension | Branch

_TO_NIBBLE = bytes(int(chr(c), 16) if chr(c) in "0123456789abcdef" else 0 for c in range(256))


def nibbles(key: bytes) -> bytes:
    """The path of a key: two nibbles for each byte."""
    return key.hex().encode("ascii").translate(_TO_NIBBLE)


def decode_node(raw: bytes) -> Node:
    """Decode one node; `BadInput` PROOF_NODE when it is not the one canonical encoding of a node."""
    try:
        item = rlp_strict.decode(raw)
    except Problem as error:
        raise BadInput("PROOF_NODE", f"a trie node is not RLP: {error.what}") from error
    return read_node(item)


def read_node(item: Rlp) -> Node:
    """Read a node from its decoded list, as an inline child stands in its parent. Errors as `decode_node`."""
    if isinstance(item, tuple) and len(item) == 17:
        value = item[16]
        if not isinstance(value, bytes):
            raise _malformed("a branch's value is a list")
        for child in item[:16]:
            _check_reference(child)
        return Branch(item[:16], value)
    if not isinstance(item, tuple) or len(item) != 2 or not isinstance(item[0], bytes):
        raise _malformed("a trie node is neither a branch of 17 items nor a pair")
    path, is_leaf = _read_path(item[0])
    if is_leaf:
        if not isinstance(item[1], bytes) or not item[1]:
            raise _malformed("a leaf has no value")
        return Leaf(path, item[1])
    if not path or item[1] == b"":
        raise _malformed("an extension leads nowhere")
    _check_reference(item[1])
    return Extension(path, item[1])


def node_item(node: Node) -> Rlp:
    """The list that stands for the node in its parent (when short) or under its hash."""
    if isinstance(node, Branch):
        return (*node.children, node.value)
    if isinstance(node, Leaf):
        return (_write_path(node.path, is_leaf=True), node.value)
    return (_write_path(node.path, is_leaf=False), node.child)


def reference_to(node: Node) -> tuple[Reference, bytes]:
    """How a parent refers to this node, and the node's encoding."""
    item = node_item(node)
    raw = rlp_strict.encode(item)
    return (item if len(raw) < HASH_BYTES else keccak256(raw)), raw


def _check_reference(child: Rlp) -> None:
    if isinstance(child, bytes):
        if len(child) not in (0, HASH_BYTES):
            raise _malformed(f"a reference of {len(child)} bytes")
    elif not child or len(rlp_strict.encode(child)) >= HASH_BYTES:
        raise _malformed("an empty child, or one of 32 bytes or more, stands inline")


def _read_path(compact: bytes) -> tuple[bytes, bool]:
    if not compact or compact[0] >= 0x40:
        raise _malformed("a path has no hex prefix")
    flag, path = compact[0] >> 4, nibbles(compact)
    if flag & 1:
        return path[1:], flag >= 2
    if path[1]:
        raise _malformed("an even path is padded with something else than zero")
    return path[2:], flag >= 2


def _write_path(path: bytes, *, is_leaf: bool) -> bytes:
    flag = 2 if is_leaf else 0
    padded = bytes((flag + 1,)) + path if len(path) % 2 else bytes((flag, 0)) + path
    return bytes(high << 4 | low for high, low in zip(padded[::2], padded[1::2], strict=True))


def _malformed(why: str) -> BadInput:
    return BadInput("PROOF_NODE", f"a trie node is malformed: {why}")
