"""The outline of an object: its length and the SHA-256 of each of its chunks, which together give its CID.

What happens here: whoever holds an object's outline can check any chunk of it alone. An `Outline` is one that was found
to give its CID; a `ClaimedOutline` is what somebody says. What may never happen here: I/O, a whole object in memory, or
an `Outline` made of numbers from outside without its CID being computed again.

As bytes: length (8, big-endian), then the digests, 32 bytes each, in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from ledger.cid import CHUNK_BYTES, chunk_starts, cid_of_leaves
from ledger.errors import BadInput, Refused

DIGEST_BYTES: Final = 32
_SIZE_BYTES = 8


@dataclass(frozen=True, slots=True)
class ClaimedOutline:
    """What somebody says about an object. Nothing in it is verified."""

    size: int
    digests: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Outline:
    """The verified outline of the object `cid`: made by `outline_of` from its bytes, or by `verify_outline`."""

    cid: str
    size: int
    digests: tuple[bytes, ...] = field(repr=False)

    def check(self, number: int, chunk: bytes | memoryview) -> None:
        """Return where `chunk` is the object's chunk of this number; `Refused` MEDIA_CORRUPT."""
        if sha256(chunk).digest() != self.digests[number]:
            raise corrupt(self.cid, f"chunk {number} of {len(self.digests)}")

    def chunk_bytes(self, number: int) -> int:
        """The length of the chunk of this number."""
        return min(CHUNK_BYTES, self.size - number * CHUNK_BYTES)

    def leaf_cid(self, number: int) -> str:
        """The name that the chunk of this number has as an object of its own."""
        return cid_of_leaves([self.digests[number]], self.chunk_bytes(number))

    def chunks_of(self, start: int, length: int) -> range:
        """The numbers of the chunks that hold `length` bytes from `start`; both are not negative."""
        end = min(start + length, self.size)
        return range(start // CHUNK_BYTES, -(-end // CHUNK_BYTES)) if start < end else range(0)

    def encode(self) -> bytes:
        """The outline as bytes, to be kept beside the object."""
        return self.size.to_bytes(_SIZE_BYTES, "big") + b"".join(self.digests)


def outline_of(pieces: Iterable[bytes | memoryview]) -> Outline:
    """The outline of the bytes that come in `pieces` of any length; one piece is held at a time."""
    size, digests, hasher, held = 0, [], sha256(), 0
    for piece in pieces:
        view = memoryview(piece)
        size += len(view)
        while held + len(view) >= CHUNK_BYTES:
            hasher.update(view[: CHUNK_BYTES - held])
            digests.append(hasher.digest())
            view, hasher, held = view[CHUNK_BYTES - held :], sha256(), 0
        hasher.update(view)
        held += len(view)
    if held or not digests:
        digests.append(hasher.digest())
    return Outline(cid_of_leaves(digests, size), size, tuple(digests))


def read_outline(raw: bytes) -> ClaimedOutline:
    """What `Outline.encode` wrote so. `BadInput` MEDIA_OUTLINE where the bytes are no outline of any object."""
    size = int.from_bytes(raw[:_SIZE_BYTES], "big")
    if len(raw) < _SIZE_BYTES or len(raw) != _SIZE_BYTES + DIGEST_BYTES * len(chunk_starts(size)):
        raise BadInput("MEDIA_OUTLINE", f"These {len(raw)} bytes are no outline of an object.")
    digests = (raw[at : at + DIGEST_BYTES] for at in range(_SIZE_BYTES, len(raw), DIGEST_BYTES))
    return ClaimedOutline(size, tuple(digests))


def verify_outline(claimed: ClaimedOutline, cid: str) -> Outline:
    """The outline, once it gives `cid`; `Refused` MEDIA_CORRUPT."""
    if len(claimed.digests) != len(chunk_starts(claimed.size)) or cid_of_leaves(claimed.digests, claimed.size) != cid:
        raise corrupt(cid, "its outline")
    return Outline(cid, claimed.size, claimed.digests)


def in_chunks(data: bytes | memoryview) -> Iterator[memoryview]:
    """The chunks of what is in memory, without a copy."""
    view = memoryview(data)
    return (view[at : at + CHUNK_BYTES] for at in chunk_starts(len(view)))


def corrupt(cid: str, what: str) -> Refused:
    """The one refusal of bytes that are not what their name says; `what`: which of them."""
    return Refused(
        "MEDIA_CORRUPT",
        f"the stored bytes are no longer what their name says: {what}",
        where=cid,
        cure="Restore this object from a copy; sending the same segment again repairs it.",
    )
