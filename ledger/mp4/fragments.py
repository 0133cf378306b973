"""Fragmented MP4: one `init` (ftyp, moov), then fragments (moof, mdat) that each carry some seconds.

What happens here: fragments are read and checked down to the NAL unit, grouped into segments that begin with an IDR
picture, and one segment's facts are stated in one way for both sides: the camera that signs them and the receiver
that compares them (ISO/IEC 14496-12, 8.8).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise

from ledger.errors import BadInput
from ledger.mp4.avc import starts_afresh, units
from ledger.mp4.boxes import Box, ByteSource, find, number, too_much, walk
from ledger.mp4.effort import MAX_RECORDING_STEPS, MAX_SEGMENT_STEPS, ROWS_PER_STEP, Effort
from ledger.mp4.movie import MAX_SAMPLES, MAX_TABLE_BYTES, Movie, Track, check_pace, read_movie

MAX_SEGMENT_BYTES = 64 * 1024 * 1024
MAX_INIT_BYTES = 1024 * 1024
MAX_GROUPS = 128
"""Of pictures in one segment, as they are digested; a video of more (key frames only) has several in each."""


@dataclass(frozen=True, slots=True)
class Run:
    """One track's part of a fragment. `base`, `duration`: ticks; `start`: byte of the first sample."""

    base: int
    duration: int
    sizes: tuple[int, ...]
    start: int


@dataclass(frozen=True, slots=True)
class Fragment:
    """One moof with its mdat, bytes `start` to `end`. `afresh`: it begins with an IDR picture. Times in ticks."""

    start: int
    end: int
    frames: int
    base: int | None
    duration: int
    afresh: bool


@dataclass(frozen=True, slots=True)
class SegmentFacts:
    """What a segment shows. Times in milliseconds from the start of the recording; `codec` after RFC 6381."""

    codec: str
    width: int
    height: int
    frames: int
    starts_at_ms: int
    duration_ms: int


def split_init(source: ByteSource) -> tuple[Movie, int]:
    """The movie and the length of the init, which ends where the first fragment begins."""
    movie, end = None, len(source)
    for box in walk(source):
        if box.kind == b"moof":
            end = box.start
            break
        if box.kind == b"moov":
            movie = read_movie(source, box)
    if movie is None:
        raise _structure("no moov before the first fragment")
    return movie, end


def fragments(
    source: ByteSource, movie: Movie, start: int, end: int, *, most_steps: int = MAX_RECORDING_STEPS
) -> Iterator[Fragment]:
    """The fragments between `start` and `end`, which hold nothing else; MEDIA_LIMIT beyond `most_steps` of work."""
    moof: Box | None = None
    effort = Effort(most_steps)
    for box in walk(source, start, end):
        effort.spend()
        if moof is None and box.kind == b"moof":
            moof = box
        elif moof is not None and box.kind == b"mdat":
            yield _fragment(source, movie, moof, box, effort)
            moof = None
        else:
            raise _structure("a segment is one or more pairs of moof and mdat")
    if moof is not None:
        raise _structure("the last fragment has no data")


def segment_facts(init: bytes, media: bytes | memoryview) -> SegmentFacts:
    """The facts of one segment. Raises BadInput (VIDEO_NOT_VIDEO, VIDEO_TRUNCATED, VIDEO_DAMAGED, MEDIA_LIMIT …)."""
    if len(init) > MAX_INIT_BYTES:
        raise too_much(f"an init of {len(init)} bytes", f"at most {MAX_INIT_BYTES}")
    if len(media) > MAX_SEGMENT_BYTES:
        raise too_much(f"a segment of {len(media)} bytes", f"at most {MAX_SEGMENT_BYTES}")
    kinds = [box.kind for box in walk(init)]
    if kinds != [b"ftyp", b"moov"]:
        raise _structure("an init is ftyp and moov, and nothing else")
    movie, _ = split_init(init)
    parts = list(fragments(media, movie, 0, len(media), most_steps=MAX_SEGMENT_STEPS))
    if not parts or not parts[0].afresh:
        raise _structure("a segment begins with a key frame")
    return facts_of(movie, parts)


def video_samples(init: bytes, media: bytes | memoryview) -> Iterator[memoryview]:
    """The coded pictures of a segment, in stream order, each a row of NAL units behind their lengths.

    Raises BadInput as `segment_facts`, which judges the same bytes more strictly and is to be asked first.
    """
    movie, _ = split_init(init)
    view, effort = memoryview(media), Effort(MAX_SEGMENT_STEPS)
    for box in walk(media):
        if box.kind == b"moof":
            for track, run in _runs(media, movie, box, effort):
                at = run.start
                for size in run.sizes if track is movie.video else ():
                    yield view[at : at + size]
                    at += size


def group_digests(media: bytes | memoryview) -> tuple[bytes, ...]:
    """SHA-256 of each group of pictures of a segment: a moof with its mdat, from one key frame up to the next.

    Where there are more than `MAX_GROUPS`, as many neighbours as needed count as one. Raises as `group_cuts`.
    """
    view = memoryview(media)
    return tuple(sha256(view[begin:end]).digest() for begin, end in pairwise(group_cuts(media)))


def group_cuts(media: bytes | memoryview) -> list[int]:
    """Where the groups of `group_digests` begin, and the end of the last: 0 and the length where there is one group.

    Raises BadInput for what has no fragments or is no row of boxes.
    """
    ends = [box.end for box in walk(media) if box.kind == b"mdat"]
    if not ends or ends[-1] != len(media):
        raise _structure("a segment is one or more pairs of moof and mdat")
    each = -(-len(ends) // MAX_GROUPS)
    return [0, *ends[each - 1 : -1 : each], ends[-1]]


def facts_of(movie: Movie, parts: list[Fragment]) -> SegmentFacts:
    """The facts of the segment made of `parts`; the first of them has video."""
    ticks = movie.video.ticks
    timed = [part for part in parts if part.base is not None]
    first, last = timed[0].base or 0, timed[-1]
    duration = (last.base or 0) + last.duration - first
    frames = sum(part.frames for part in parts)
    if duration < 0:
        raise _structure("time goes backwards")
    check_pace(frames, duration, ticks)
    # Both ends are rounded, not the length: neighbours then touch exactly and no drift adds up.
    begin, until = (_milliseconds(at, ticks) for at in (first, first + duration))
    avc = movie.avc
    return SegmentFacts(avc.codec, avc.width, avc.height, frames, begin, until - begin)


def count_frames(source: ByteSource, movie: Movie) -> int:
    """Video frames in a fragmented file of someone else's making; 0 when it has none."""
    count, effort = 0, Effort(MAX_RECORDING_STEPS)
    for box in walk(source):
        if box.kind == b"moof":
            for track, run in _runs(source, movie, box, effort):
                count += len(run.sizes) if track is movie.video else 0
            if count > MAX_SAMPLES:
                raise too_much(f"{count} frames", f"at most {MAX_SAMPLES}")
    return count


def _fragment(source: ByteSource, movie: Movie, moof: Box, mdat: Box, effort: Effort) -> Fragment:
    if mdat.end - moof.start > MAX_SEGMENT_BYTES:
        raise too_much(f"{mdat.end - moof.start} bytes between two key frames", f"at most {MAX_SEGMENT_BYTES} bytes")
    frames, base, duration, afresh, room = 0, None, 0, False, mdat.end - mdat.body
    for track, run in _runs(source, movie, moof, effort):
        taken = sum(run.sizes)
        if not mdat.body <= run.start <= run.start + taken <= mdat.end:
            raise _structure("frames lie outside their fragment")
        room -= taken
        if room < 0:
            raise too_much("samples that share their bytes", "their sizes add up to more than their fragment")
        if track is not movie.video or not run.sizes:
            continue
        if base is None:
            base, afresh = run.base, _check_pictures(source, movie, run, effort)
        else:
            _check_pictures(source, movie, run, effort)
        frames, duration = frames + len(run.sizes), duration + run.duration
    return Fragment(moof.start, mdat.end, frames, base, duration, afresh)


def _check_pictures(source: ByteSource, movie: Movie, run: Run, effort: Effort) -> bool:
    """True if the first picture is an IDR; VIDEO_DAMAGED unless every sample is a row of whole NAL units."""
    effort.spend(len(run.sizes))
    begin, end, at, length = run.start, run.start + sum(run.sizes), 0, movie.avc.nal_length_bytes
    # What is in memory is not copied: a segment may be one run of 64 MiB.
    view = memoryview(source)[begin:end] if isinstance(source, bytes | memoryview) else memoryview(source[begin:end])
    for size in run.sizes:
        for _ in units(view[at : at + size], length):
            effort.spend()
        at += size
    return starts_afresh(view[: run.sizes[0]], length)


def _runs(source: ByteSource, movie: Movie, moof: Box, effort: Effort) -> Iterator[tuple[Track, Run]]:
    for traf in walk(source, moof.body, moof.end):
        effort.spend()
        if traf.kind != b"traf":
            continue
        head = find(source, traf, b"tfhd").content(source, at_most=64)
        ident = number(head, 4, 4)
        track = next((track for track in movie.tracks if track.id == ident), None)
        if track is None:
            raise _structure(f"a fragment of track {ident}, which is not described")
        flags, rest = number(head, 1, 3), 8
        values = {}
        for flag, width in ((0x1, 8), (0x2, 4), (0x8, 4), (0x10, 4)):
            if flags & flag:
                values[flag], rest = number(head, rest, width), rest + width
        base = values.get(0x1, moof.start)
        each, size = values.get(0x8, track.default_duration), values.get(0x10, track.default_size)
        yield from ((track, run) for run in _track_runs(source, traf, base, each, size, effort))


def _track_runs(source: ByteSource, traf: Box, base: int, each: int, size: int, effort: Effort) -> Iterator[Run]:
    when = 0
    for box in walk(source, traf.body, traf.end):
        effort.spend()
        if box.kind == b"tfdt":
            raw = box.content(source, at_most=64)
            when = number(raw, 4, 8 if raw[:1] == b"\x01" else 4)
        if box.kind == b"trun":
            run = _run(box.content(source, at_most=MAX_TABLE_BYTES), when, base, each, size, effort)
            if sum(run.sizes) > len(source):
                raise too_much("samples that share their bytes", "their sizes add up to more than the file")
            yield run
            when += run.duration


def _run(raw: bytes, when: int, base: int, each: int, size: int, effort: Effort) -> Run:
    flags, count, at = number(raw, 1, 3), number(raw, 4, 4), 8
    offset = 0
    if flags & 0x1:
        offset, at = int.from_bytes(raw[8:12], "big", signed=True), 12
    at += 4 if flags & 0x4 else 0
    fields = [flag for flag in (0x100, 0x200, 0x400, 0x800) if flags & flag]
    if count > MAX_SAMPLES:
        raise too_much(f"{count} samples in a fragment", f"at most {MAX_SAMPLES}")
    number(raw, at, 4 * len(fields) * count)  # refuses a run that is shorter than it says
    effort.spend(count if fields else count // ROWS_PER_STEP)
    step = 4 * len(fields)
    columns = {
        flag: [int.from_bytes(raw[start : start + 4], "big") for start in range(first, first + step * count, step)]
        for flag, first in zip(fields, range(at, at + step, 4), strict=True)
    }
    duration = sum(columns[0x100]) if 0x100 in columns else each * count
    return Run(when, duration, tuple(columns.get(0x200, [size] * count)), base + offset)


def _milliseconds(at: int, ticks: int) -> int:
    return (2000 * at + ticks) // (2 * ticks)


def _structure(what: str) -> BadInput:
    return BadInput(
        "VIDEO_NOT_VIDEO",
        f"this is not a piece of MP4 video: {what}",
        cure="Send the init and the segment as the camera cut them.",
    )
