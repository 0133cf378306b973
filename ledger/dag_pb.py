"""Nodes of the DAG that IPFS makes of a file: which blocks one links to, and how many bytes of the file are under it.

What happens here: a DAG-PB node with a UnixFS file inside (protobuf) is read as far as an outline needs it. What may
never happen here: I/O, or belief. Whoever reads a node computes the CID of what it says again (`ledger.outline`), so
nothing that is overlooked here is overlooked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ledger.cid import LINKS_PER_NODE
from ledger.errors import BadInput

MAX_NODE_BYTES: Final = 64 * 1024
_LINKS, _DATA, _HASH, _FILE_SIZE = 2, 1, 1, 3
_VARINT, _BYTES = 0, 2
_MAX_VARINT_BYTES = 9


@dataclass(frozen=True, slots=True)
class Node:
    """`links`: the binary CIDs of the blocks below, in order. `file_bytes`: of the file, under it. Not verified."""

    links: tuple[bytes, ...]
    file_bytes: int


def read_node(raw: bytes) -> Node:
    """The node that `raw` spells. `BadInput` DAG_NODE for anything else, and for more than one node may hold."""
    if len(raw) > MAX_NODE_BYTES:
        raise _malformed(f"it has {len(raw)} bytes")
    links, sizes = [], []
    for number, value in _fields(raw):
        if number == _LINKS and isinstance(value, bytes):
            links += [each for at, each in _fields(value) if at == _HASH and isinstance(each, bytes)]
        elif number == _DATA and isinstance(value, bytes):
            sizes += [each for at, each in _fields(value) if at == _FILE_SIZE and isinstance(each, int)]
    if not 0 < len(links) <= LINKS_PER_NODE or len(sizes) != 1:
        raise _malformed(f"it has {len(links)} links and {len(sizes)} sizes")
    return Node(tuple(links), sizes[0])


def _fields(raw: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(raw):
        key, at = _varint(raw, at)
        number, kind = key >> 3, key & 7
        value, at = _varint(raw, at)
        if kind == _VARINT:
            yield number, value
        elif kind == _BYTES and at + value <= len(raw):
            yield number, raw[at : at + value]
            at += value
        else:
            raise _malformed(f"a field of kind {kind} at byte {at}")


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift, byte in enumerate(raw[at : at + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return value, at + shift + 1
    raise _malformed(f"a number without an end at byte {at}")


def _malformed(what: str) -> BadInput:
    return BadInput("DAG_NODE", f"This is no node of a file in IPFS: {what}.")
