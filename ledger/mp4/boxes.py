"""The boxes of an MP4 file: four bytes of size, four of kind, then the content (ISO/IEC 14496-12, 4.2).

What happens here: one level of boxes is walked at a time, only where the caller wants it, so that depth never grows
with the input. Every size is compared with what really is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from ledger.errors import BadInput

MAX_BOXES = 100_000
"""Boxes at one level. Four hours of one-second fragments are 29,000."""


class ByteSource(Protocol):
    """Bytes that can be sliced: in memory, or a file read piece by piece."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> bytes | memoryview: ...


@dataclass(frozen=True, slots=True)
class Box:
    """One box. `kind`: four bytes. `start`: of its header, `body`: of its content, `end`: one past it, in bytes."""

    kind: bytes
    start: int
    body: int
    end: int

    def content(self, source: ByteSource, *, at_most: int) -> bytes:
        """The content; MEDIA_LIMIT when longer than `at_most` bytes."""
        if self.end - self.body > at_most:
            raise too_much(f"box {_name(self.kind)} of {self.end - self.body} bytes", f"at most {at_most}")
        return bytes(source[self.body : self.end])


def walk(source: ByteSource, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes between `start` and `end`, which they must fill exactly.

    Raises VIDEO_TRUNCATED where a box reaches beyond the end, MEDIA_LIMIT beyond `MAX_BOXES`.
    """
    limit = len(source) if end is None else end
    at, count = start, 0
    while at < limit:
        count += 1
        if count > MAX_BOXES:
            raise too_much("boxes at one level", f"at most {MAX_BOXES}")
        box = _box(source, at, limit)
        yield box
        at = box.end


def find(source: ByteSource, parent: Box, *path: bytes) -> Box:
    """The first box at `path` below `parent`; VIDEO_TRUNCATED if the file lacks it."""
    found = find_optional(source, parent, *path)
    if found is None:
        raise BadInput(
            "VIDEO_TRUNCATED",
            f"a part of the file's description is missing: {'/'.join(_name(kind) for kind in path)}",
            where=f"byte {parent.start}",
            cure="Copy the file again from the camera; this one was not written to its end.",
        )
    return found


def find_optional(source: ByteSource, parent: Box, *path: bytes) -> Box | None:
    """The first box at `path` below `parent`, or None."""
    box: Box | None = parent
    for kind in path:
        if box is None:
            return None
        box = next((child for child in walk(source, box.body, box.end) if child.kind == kind), None)
    return box


def number(raw: bytes, at: int, width: int) -> int:
    """The big-endian number of `width` bytes at `at`; VIDEO_TRUNCATED where the box is too short for it."""
    if at < 0 or at + width > len(raw):
        raise BadInput(
            "VIDEO_TRUNCATED",
            "a box is shorter than its own fields",
            where=f"byte {at} of {len(raw)}",
            cure="Copy the file again from the camera, or convert it anew.",
        )
    return int.from_bytes(raw[at : at + width], "big")


def too_much(what: str, bound: str) -> BadInput:
    """The one refusal for media that is well-formed and too big, too long or too many."""
    return BadInput(
        "MEDIA_LIMIT",
        f"the recording is over a limit: {what}",
        where=bound,
        cure="Cut it into shorter recordings or convert it to a smaller picture.",
    )


def _box(source: ByteSource, at: int, limit: int) -> Box:
    head = bytes(source[at : min(at + 16, limit)])
    size = int.from_bytes(head[:4], "big")
    body = at + 8
    if size == 1:
        size, body = int.from_bytes(head[8:16], "big"), at + 16
    elif size == 0:
        # "To the end of the file" (4.2): what such a box lost could not be seen, so only a whole one is taken.
        size = limit - at
    if len(head) < body - at or size < body - at or at + size > limit:
        raise BadInput(
            "VIDEO_TRUNCATED",
            f"box {_name(head[4:8])} says {size} bytes where {limit - at} are left",
            where=f"byte {at} of {limit}",
            cure="Copy the file again from the camera; this one was cut short or changed.",
        )
    return Box(head[4:8], at, body, at + size)


def _name(kind: bytes) -> str:
    return kind.decode("latin-1") if kind.isalnum() else kind.hex()
