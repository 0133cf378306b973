"""Content identifiers: the name of some bytes, derived from nothing but those bytes.

What happens here: `cid_of` gives the CIDv1 that `ipfs add --cid-version=1 --raw-leaves` gives for the same bytes
(UnixFS file, SHA-256, chunks of 262,144 bytes, balanced DAG of at most 174 links a node), so that media kept in a
folder today can be moved into IPFS tomorrow under the same names.
What may never happen here: I/O, or trusting a CID that came from outside. `check_cid` says whether a text is a CID at
all, and is asked before a CID is ever made part of a path.

Formats: CID and multibase (multiformats), DAG-PB (PBNode: links first, then data), UnixFS v1 (Data message).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from ledger.errors import BadInput

CHUNK_BYTES = 262_144
LINKS_PER_NODE = 174

_RAW, _DAG_PB = 0x55, 0x70
_UNIXFS_FILE = 2
# 58 digits of 5 bits: version 1, raw or DAG-PB, SHA-256 of 32 bytes; then the digest, and two spare bits that are zero.
_TEXT = re.compile(r"baf(?:kre|ybe)i[a-h][a-z2-7]{50}[aeimquy4]", re.ASCII)
_CID_BYTES = 36
_SPARE_BITS = 2  # 58 digits of 5 bits hold two more than 36 bytes need; they are zero
_DIGITS = str.maketrans("abcdefghijklmnopqrstuvwxyz234567", "0123456789abcdefghijklmnopqrstuv")


@dataclass(frozen=True, slots=True)
class _Node:
    """One block of the DAG: its binary CID, the file bytes under it, and its size with everything it links to."""

    cid: bytes
    file_bytes: int
    dag_bytes: int


def cid_of(data: bytes | memoryview) -> str:
    """The CIDv1 of `data` as base32 text (59 characters, `bafkrei…` for one chunk, `bafybei…` for more)."""
    view = memoryview(data)
    return cid_of_leaves([sha256(view[at : at + CHUNK_BYTES]).digest() for at in chunk_starts(len(data))], len(data))


def chunk_starts(size: int) -> range:
    """Where each chunk of an object of `size` bytes begins; an empty object is one empty chunk."""
    return range(0, max(size, 1), CHUNK_BYTES)


def cid_of_leaves(digests: Sequence[bytes], size: int) -> str:
    """The CID of an object of `size` bytes whose chunks have these SHA-256 digests, one for each of `chunk_starts`."""
    lengths = (min(CHUNK_BYTES, size - at) for at in chunk_starts(size))
    nodes = [_Node(_binary(_RAW, digest), length, length) for digest, length in zip(digests, lengths, strict=True)]
    while len(nodes) > 1:
        nodes = [_parent(nodes[at : at + LINKS_PER_NODE]) for at in range(0, len(nodes), LINKS_PER_NODE)]
    return _text(nodes[0].cid)


def is_leaf(binary: bytes) -> bool:
    """Whether a binary CID names bytes of a file themselves, and not a node that links to more."""
    return len(binary) == 36 and binary[:4] == bytes([1, _RAW, 0x12, 0x20])


def name_of(binary: bytes) -> str:
    """The text of a binary CID. `BadInput` CID_SYNTAX for one that this project would not make."""
    text = _text(binary)
    check_cid(text)
    return text


def check_cid(text: str) -> None:
    """`BadInput` CID_SYNTAX unless this project could have made the CID.

    Only one spelling of each CID passes, so that two names never mean one object, and no character that means
    anything to a file system can get through.
    """
    if not _TEXT.fullmatch(text):
        raise BadInput(
            "CID_SYNTAX",
            "this is not a content id of this store",
            where=ascii(text[:80]),
            cure="Use the id exactly as the evidence names it: 59 characters beginning with bafkrei or bafybei.",
        )


def parse_cid(text: str) -> bytes:
    """The 36 binary bytes of a CID this project could have made. Raises as `check_cid`."""
    check_cid(text)
    return (int(text[1:].translate(_DIGITS), 32) >> _SPARE_BITS).to_bytes(_CID_BYTES, "big")


def _parent(children: list[_Node]) -> _Node:
    unixfs = b"\x08" + _varint(_UNIXFS_FILE) + b"\x18" + _varint(sum(child.file_bytes for child in children))
    unixfs += b"".join(b"\x20" + _varint(child.file_bytes) for child in children)
    block = b"".join(_field(2, _link(child)) for child in children) + _field(1, unixfs)
    return _Node(
        _binary(_DAG_PB, sha256(block).digest()),
        sum(child.file_bytes for child in children),
        len(block) + sum(child.dag_bytes for child in children),
    )


def _link(child: _Node) -> bytes:
    # The empty name is written out: leaving it away would be valid protobuf and another CID.
    return _field(1, child.cid) + _field(2, b"") + b"\x18" + _varint(child.dag_bytes)


def _field(number: int, payload: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _binary(codec: int, sha256_digest: bytes) -> bytes:
    return bytes([1, codec, 0x12, 0x20]) + sha256_digest


def _text(binary: bytes) -> str:
    return "b" + base64.b32encode(binary).decode("ascii").rstrip("=").lower()
