"""Other bytes for the pictures of a fragmented recording, without touching anything that says when they are shown.

What happens here: fragments (moof, mdat) are taken apart into samples, the video's are handed out and what comes back
takes their place; sizes and offsets are written anew (ISO/IEC 14496-12, 8.8). The sound stays as it is.
What may never happen here: a sample that is lost, added or moved, or a time that changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ledger.errors import BadInput
from ledger.mp4.boxes import Box, find, number, walk
from ledger.mp4.movie import MAX_TABLE_BYTES, Movie

Change = Callable[[bytes, int], bytes]
"""A coded picture and when it is decoded (ticks of its track); returns what shall stand in its place."""

_SIZES, _DURATIONS, _OFFSET, _FIRST_FLAGS = 0x200, 0x100, 0x1, 0x4
_COLUMNS = (0x100, 0x200, 0x400, 0x800)


@dataclass(slots=True)
class _Run:
    """A `trun`, taken apart. `rows`: the columns that it has, by flag, for each sample."""

    version: int
    flags: int
    first_flags: bytes
    rows: list[dict[int, int]]
    samples: list[bytes]

    def written(self, offset: int) -> bytes:
        """The box, with all sizes, for samples that begin `offset` bytes after the moof does."""
        flags = self.flags | _OFFSET | _SIZES
        body = bytes([self.version]) + flags.to_bytes(3, "big") + len(self.rows).to_bytes(4, "big")
        body += offset.to_bytes(4, "big", signed=True) + self.first_flags
        for row, sample in zip(self.rows, self.samples, strict=True):
            row[_SIZES] = len(sample)
            body += b"".join(row[column].to_bytes(4, "big") for column in _COLUMNS if flags & column)
        return _box(b"trun", body)


def with_samples_changed(source: bytes, movie: Movie, change: Change) -> bytes:
    """The fragments of `source`, which hold nothing else, with every picture as `change` gives it back, in order.

    Raises BadInput VIDEO_NOT_VIDEO, VIDEO_TRUNCATED, MEDIA_LIMIT. Ask `fragments` to judge the same bytes first.
    """
    out: list[bytes] = []
    moof: Box | None = None
    for box in walk(source):
        if moof is None and box.kind == b"moof":
            moof = box
        elif moof is not None and box.kind == b"mdat":
            out.append(_fragment(source, movie, moof, change))
            moof = None
        else:
            raise _structure("a segment is one or more pairs of moof and mdat")
    return b"".join(out)


def _fragment(source: bytes, movie: Movie, moof: Box, change: Change) -> bytes:
    parts: list[bytes | list[bytes | _Run]] = [
        _traf(source, movie, moof, box, change) if box.kind == b"traf" else source[box.start : box.end]
        for box in walk(source, moof.body, moof.end)
    ]
    # Offsets have a fixed width, so that the length of the moof is known before they are.
    length = len(_written(parts, 0))
    runs = [each for part in parts if isinstance(part, list) for each in part if isinstance(each, _Run)]
    return _written(parts, length) + _box(b"mdat", b"".join(sample for run in runs for sample in run.samples))


def _written(parts: list[bytes | list[bytes | _Run]], moof_length: int) -> bytes:
    body, at = b"", 0
    for part in parts:
        if isinstance(part, bytes):
            body += part
            continue
        traf = b""
        for each in part:
            if isinstance(each, bytes):
                traf += each
                continue
            traf += each.written(moof_length + 8 + at)
            at += sum(map(len, each.samples))
        body += _box(b"traf", traf)
    return _box(b"moof", body)


def _traf(source: bytes, movie: Movie, moof: Box, traf: Box, change: Change) -> list[bytes | _Run]:
    head = find(source, traf, b"tfhd").content(source, at_most=64)
    flags, ident, at = number(head, 1, 3), number(head, 4, 4), 8
    track = next((track for track in movie.tracks if track.id == ident), None)
    if track is None or flags & 0x1:
        raise _structure("a fragment says by another way than its own place where its frames are")
    values: dict[int, int] = {}
    for flag in (0x2, 0x8, 0x10):
        if flags & flag:
            values[flag], at = number(head, at, 4), at + 4
    each, size = values.get(0x8, track.default_duration), values.get(0x10, track.default_size)
    parts: list[bytes | _Run] = []
    when = 0
    for box in walk(source, traf.body, traf.end):
        if box.kind == b"tfdt":
            raw = box.content(source, at_most=64)
            when = number(raw, 4, 8 if raw[:1] == b"\x01" else 4)
        if box.kind != b"trun":
            parts.append(source[box.start : box.end])
            continue
        run = _run(source, moof, box, size)
        if track is movie.video:
            when = _change(run, when, each, change)
        parts.append(run)
    return parts


def _change(run: _Run, when: int, each: int, change: Change) -> int:
    for index, (row, sample) in enumerate(zip(run.rows, run.samples, strict=True)):
        run.samples[index] = change(sample, when)
        when += row.get(_DURATIONS, each)
    return when


def _run(source: bytes, moof: Box, box: Box, size: int) -> _Run:
    raw = box.content(source, at_most=MAX_TABLE_BYTES)
    flags, count, at = number(raw, 1, 3), number(raw, 4, 4), 8
    offset = 0
    if flags & _OFFSET:
        offset, at = int.from_bytes(raw[8:12], "big", signed=True), 12
    first = raw[at : at + 4] if flags & _FIRST_FLAGS else b""
    at += len(first)
    fields = [column for column in _COLUMNS if flags & column]
    number(raw, at, 4 * len(fields) * count)  # refuses a run that is shorter than it says
    rows, samples, start = [], [], moof.start + offset
    for _ in range(count):
        row = {}
        for column in fields:
            row[column], at = number(raw, at, 4), at + 4
        end = start + row.get(_SIZES, size)
        if not 0 <= start <= end <= len(source):
            raise _structure("frames lie outside their fragment")
        samples.append(source[start:end])
        rows.append(row)
        start = end
    return _Run(raw[0], flags, first, rows, samples)


def _box(kind: bytes, body: bytes) -> bytes:
    return (len(body) + 8).to_bytes(4, "big") + kind + body


def _structure(what: str) -> BadInput:
    return BadInput("VIDEO_NOT_VIDEO", f"this is not a piece of MP4 video: {what}")
