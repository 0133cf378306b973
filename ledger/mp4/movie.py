"""The description of a recording: its tracks and their sample tables, from the `moov` box.

What happens here: tracks, their codec and their sample tables become frozen values; the tables are compared with the
length of the file, because a file cut short opens silently elsewhere (ISO/IEC 14496-12, 8.5 to 8.8).
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from ledger.errors import BadInput
from ledger.mp4.avc import AvcConfig, read_config
from ledger.mp4.boxes import Box, ByteSource, find, find_optional, number, too_much, walk

MAX_TRACKS = 8
MAX_SAMPLES = 1_000_000
"""Frames and audio packets of one track: four hours at 60 frames a second are 864,000."""
MAX_HOURS = 4
MAX_FRAMES_PER_SECOND = 240
GRACE_FRAMES = 8
MAX_TABLE_BYTES = 8 * MAX_SAMPLES + 64

_H264_ENTRIES = frozenset({b"avc1", b"avc3"})
_VISUAL_ENTRY_BYTES = 78


@dataclass(frozen=True, slots=True)
class Track:
    """One track. `handler`: `vide`, `soun` … `ticks`: per second. `samples`: those in the tables (0 when fragmented).

    `avc` is set for H.264 only; `default_duration` (ticks) and `default_size` (bytes) come from `trex`.
    """

    id: int
    handler: bytes
    ticks: int
    entry: bytes
    avc: AvcConfig | None
    samples: int
    default_duration: int
    default_size: int


@dataclass(frozen=True, slots=True)
class Movie:
    """The tracks of a recording, one of which is H.264 video."""

    tracks: tuple[Track, ...]
    video: Track
    avc: AvcConfig


def read_movie(source: ByteSource, moov: Box, data: Sequence[Box] = ()) -> Movie:
    """The description in `moov` of samples that all lie in `data`, the file's mdat boxes in order.

    Raises VIDEO_CODEC, VIDEO_TRUNCATED, MEDIA_LIMIT.
    """
    boxes = [box for box in walk(source, moov.body, moov.end) if box.kind == b"trak"]
    if len(boxes) > MAX_TRACKS:
        raise too_much(f"{len(boxes)} tracks", f"at most {MAX_TRACKS}")
    defaults = _defaults(source, moov)
    tracks = tuple(_track(source, box, defaults, data) for box in boxes)
    if len({track.id for track in tracks}) != len(tracks):
        raise _unusable("two tracks have one number")
    videos = [track for track in tracks if track.handler == b"vide"]
    for track in videos:
        if track.avc is not None:
            return Movie(tracks, track, track.avc)
    if videos:
        raise _unusable(f"the video is {videos[0].entry.decode('latin-1')!r}, not H.264")
    raise _unusable("no video track")


def _track(source: ByteSource, trak: Box, defaults: dict[int, tuple[int, int]], data: Sequence[Box]) -> Track:
    head = find(source, trak, b"tkhd").content(source, at_most=256)
    ident = number(head, 20 if head[:1] == b"\x01" else 12, 4)
    mdia = find(source, trak, b"mdia")
    handler = find(source, mdia, b"hdlr").content(source, at_most=4096)[8:12]
    ticks = _ticks(find(source, mdia, b"mdhd").content(source, at_most=256))
    table = find(source, mdia, b"minf", b"stbl")
    entry, avc = _sample_entry(source, table, handler)
    samples = _check_tables(source, table, data)
    if handler == b"vide":
        _check_duration(source, table, ticks, samples)
    duration, size = defaults.get(ident, (0, 0))
    return Track(ident, handler, ticks, entry, avc, samples, duration, size)


def _ticks(mdhd: bytes) -> int:
    ticks = number(mdhd, 20 if mdhd[:1] == b"\x01" else 12, 4)
    if not ticks:
        raise _unusable("a track without a time scale")
    return ticks


def _sample_entry(source: ByteSource, table: Box, handler: bytes) -> tuple[bytes, AvcConfig | None]:
    stsd = find(source, table, b"stsd")
    entries = list(walk(source, stsd.body + 8, stsd.end))
    if not entries:
        raise _unusable("a track without a codec")
    if handler != b"vide" or entries[0].kind not in _H264_ENTRIES:
        return entries[0].kind, None
    if len(entries) > 1:
        raise _unusable("the video changes its configuration half way")
    inner = Box(entries[0].kind, entries[0].start, entries[0].body + _VISUAL_ENTRY_BYTES, entries[0].end)
    return inner.kind, read_config(find(source, inner, b"avcC").content(source, at_most=65_536))


def _check_tables(source: ByteSource, table: Box, data: Sequence[Box]) -> int:
    """The number of samples, after every chunk of them was found to lie inside one of the boxes of data."""
    count, ends = _ends(find_optional(source, table, b"stsz"), source)
    if not count:
        return 0
    if ends[count] > len(source):
        raise too_much("samples that share their bytes", "their sizes add up to more than the file")
    chunks = _chunks(source, table)
    at = 0
    for offset, each in zip(chunks, _samples_per_chunk(source, table, len(chunks)), strict=True):
        after = min(at + each, count)
        if not _holds(data, offset, offset + ends[after] - ends[at]):
            raise BadInput(
                "VIDEO_TRUNCATED",
                "the file's tables name frames that it does not hold",
                where=f"frame {at} at byte {offset} of {len(source)}",
                cure="Copy the file again from the camera; this one was cut short.",
            )
        at = after
    if at != count:
        raise _unusable("the tables place only a part of the frames")
    return count


def _holds(data: Sequence[Box], start: int, end: int) -> bool:
    """Whether one of the boxes, which come in order, holds these bytes."""
    index = bisect_right(data, start, key=lambda box: box.body) - 1
    return index >= 0 and end <= data[index].end


def _ends(stsz: Box | None, source: ByteSource) -> tuple[int, Sequence[int]]:
    """How many samples there are, and the sum of the sizes of the first 0, 1, 2 … of them."""
    if stsz is None:
        return 0, range(1)
    raw = stsz.content(source, at_most=MAX_TABLE_BYTES)
    fixed, count = number(raw, 4, 4), number(raw, 8, 4)
    if fixed:
        # Uncompressed sound has a "sample" for every value, so these are counted, never listed.
        return count, range(0, fixed * count + 1, fixed)
    if count > MAX_SAMPLES:
        raise too_much(f"{count} samples in a track", f"at most {MAX_SAMPLES}")
    return count, list(accumulate(_numbers(raw, 12, count, 4), initial=0))


def _chunks(source: ByteSource, table: Box) -> array[int]:
    stco = find_optional(source, table, b"stco")
    box, width = (stco, 4) if stco else (find(source, table, b"co64"), 8)
    raw = box.content(source, at_most=MAX_TABLE_BYTES)
    return _numbers(raw, 8, number(raw, 4, 4), width)


def _samples_per_chunk(source: ByteSource, table: Box, chunks: int) -> list[int]:
    raw = find(source, table, b"stsc").content(source, at_most=MAX_TABLE_BYTES * 2)
    flat = _numbers(raw, 8, 3 * number(raw, 4, 4), 4)
    firsts = [*flat[0::3], chunks + 1]
    counts: list[int] = []
    for (first, following), each in zip(pairwise(firsts), flat[1::3], strict=True):
        if first != len(counts) + 1 or not first <= following <= chunks + 1:
            raise _unusable("the table of chunks is out of order")
        counts += [each] * (following - first)
    if len(counts) != chunks:
        raise _unusable("the table of chunks is incomplete")
    return counts


def _check_duration(source: ByteSource, table: Box, ticks: int, samples: int) -> None:
    raw = find(source, table, b"stts").content(source, at_most=MAX_TABLE_BYTES)
    flat = _numbers(raw, 8, 2 * number(raw, 4, 4), 4)
    if sum(flat[0::2]) != samples:
        raise _unusable("the table of times and the table of sizes disagree")
    check_pace(samples, sum(count * each for count, each in zip(flat[0::2], flat[1::2], strict=True)), ticks)


def check_pace(samples: int, duration: int, ticks: int) -> None:
    """MEDIA_LIMIT for a recording of `duration` / `ticks` seconds that is too long or shows too many frames."""
    if duration > MAX_HOURS * 3600 * ticks:
        raise too_much(f"{duration // ticks} seconds", f"at most {MAX_HOURS} hours")
    # A clip of a few frames may state next to no duration.
    if (samples - GRACE_FRAMES) * ticks > MAX_FRAMES_PER_SECOND * duration:
        raise too_much(f"{samples} frames in {duration / ticks:.3f} s", f"at most {MAX_FRAMES_PER_SECOND} a second")


def _defaults(source: ByteSource, moov: Box) -> dict[int, tuple[int, int]]:
    mvex = find_optional(source, moov, b"mvex")
    if mvex is None:
        return {}
    found = [box for box in walk(source, mvex.body, mvex.end) if box.kind == b"trex"]
    raws = [box.content(source, at_most=64) for box in found[: MAX_TRACKS + 1]]
    return {number(raw, 4, 4): (number(raw, 12, 4), number(raw, 16, 4)) for raw in raws}


def _numbers(raw: bytes, at: int, count: int, width: int) -> array[int]:
    if count < 0 or at + count * width > len(raw):
        raise BadInput(
            "VIDEO_TRUNCATED",
            "a table says it is longer than it is",
            where=f"{count} entries in {len(raw)} bytes",
            cure="Copy the file again from the camera.",
        )
    values = array("I" if width == 4 else "Q", raw[at : at + count * width])
    if sys.byteorder == "little":
        values.byteswap()
    return values


def _unusable(what: str) -> BadInput:
    return BadInput(
        "VIDEO_CODEC",
        f"this recording cannot be used: {what}",
        cure="Convert it to MP4 with one H.264 (avc1) video track.",
    )
