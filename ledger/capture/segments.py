"""A recording, cut at its key frames into segments that together are the recording, bit for bit.

What happens here: a user's MP4 is judged (`ledger.mp4`), remuxed by a bounded worker (`ledger.capture.remux`) into a
temporary file, judged again, and cut there. Everything is known before the first segment is handed out, so that
nobody signs the first half of a recording whose second half is broken.
What may never happen here: re-encoding, losing a frame (they are counted on both sides), native code in this process.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from ledger.capture import remux
from ledger.capture.foreign import open_video, run_worker
from ledger.errors import BadInput
from ledger.mp4.boxes import too_much, walk
from ledger.mp4.fragments import (
    MAX_SEGMENT_BYTES,
    Fragment,
    count_frames,
    facts_of,
    fragments,
    split_init,
)
from ledger.mp4.movie import Movie, read_movie

MAX_RECORDING_BYTES = 4 * 1024**3
TARGET_SECONDS = 2.0
MIN_TARGET_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class CutSegment:
    """One segment. `data`: fragments to follow the recording's `init`. `starts_at_ms`: from the recording's start."""

    data: bytes = field(repr=False)
    starts_at_ms: int
    duration_ms: int
    frames: int


@dataclass(frozen=True, slots=True)
class Recording:
    """A whole recording. `init` + the segments' data in order are one playable fragmented MP4.

    `codec`: RFC 6381 (`avc1.64001f`). `segments` can be read once, inside the `with` that opened the recording.
    """

    init: bytes = field(repr=False)
    segments: Iterator[CutSegment]
    count: int
    width: int
    height: int
    codec: str
    duration_ms: int
    frames: int


class FileBytes:
    """A file as sliceable bytes, read where asked; never mapped, since a mapped file that shrinks kills us."""

    def __init__(self, file: IO[bytes]) -> None:
        self._descriptor, self._length = file.fileno(), os.fstat(file.fileno()).st_size

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, part: slice, /) -> bytes:
        start, stop, _ = part.indices(self._length)
        data = b""
        while len(data) < stop - start:
            piece = os.pread(self._descriptor, stop - start - len(data), start + len(data))
            if not piece:
                raise BadInput("VIDEO_TRUNCATED", "the file became shorter while it was read")
            data += piece
        return data


@contextmanager
def read_recording(path: Path, *, target_seconds: float = TARGET_SECONDS) -> Iterator[Recording]:
    """Open the MP4 at `path` and cut it into segments of about `target_seconds` (at least 1), at key frames.

    A segment is never shorter than its group of pictures, and an open group joins its predecessor. Sound stays.
    Raises `BadInput`: VIDEO_MISSING, VIDEO_EMPTY, VIDEO_NOT_VIDEO, VIDEO_TRUNCATED, VIDEO_DAMAGED, VIDEO_CODEC,
    MEDIA_LIMIT.
    """
    target_ms = round(max(target_seconds, MIN_TARGET_SECONDS) * 1000)
    with open_video(path) as origin, tempfile.TemporaryFile() as cut:
        with _at(path):
            frames = _judge(FileBytes(origin))
            bounds = f"{remux.MAX_MEMORY_BYTES} bytes of memory"
            run_worker(
                remux.__name__, origin, cut, bounds=bounds, cure="Convert it to MP4 with H.264 video and AAC sound."
            )
            recording = _cut(FileBytes(cut), target_ms)
            if recording.frames != frames:
                raise BadInput(
                    "VIDEO_TRUNCATED",
                    f"only {recording.frames} of {frames} frames can be read",
                    cure="Copy the file again from the camera, or convert it anew.",
                )
        yield recording


@contextmanager
def _at(path: Path) -> Iterator[None]:
    """Names the file in every refusal about it."""
    try:
        yield
    except BadInput as error:
        where = f"{path}: {error.where}" if error.where else str(path)
        raise BadInput(error.code, error.what, where=where, cure=error.cure) from error


def _judge(source: FileBytes) -> int:
    """The number of video frames of a foreign file, after its structure was checked end to end."""
    if len(source) == 0:
        raise BadInput("VIDEO_EMPTY", "the file is empty", cure="Record again, or choose another file.")
    if len(source) > MAX_RECORDING_BYTES:
        raise too_much(f"{len(source)} bytes", f"at most {MAX_RECORDING_BYTES} bytes")
    if source[4:8] != b"ftyp":
        raise BadInput(
            "VIDEO_NOT_VIDEO",
            "this is not an MP4 video",
            where="byte 0",
            cure="Choose a video file, or convert it to H.264 in MP4.",
        )
    boxes = list(walk(source))
    moov = next((box for box in boxes if box.kind == b"moov"), None)
    if moov is None:
        raise BadInput(
            "VIDEO_TRUNCATED",
            "the recording was not finished: its description (moov) is missing",
            where=f"byte {len(source)}",
            cure="Copy the file again from the camera; if the camera lost power, repair it with the camera's own tool.",
        )
    movie = read_movie(source, moov, [box for box in boxes if box.kind == b"mdat"])
    frames = movie.video.samples or count_frames(source, movie)
    if not frames:
        raise BadInput("VIDEO_EMPTY", "the recording has no frames", cure="Record again, or choose another file.")
    return frames


def _cut(source: FileBytes, target_ms: int) -> Recording:
    movie, init_bytes = split_init(source)
    parts = list(fragments(source, movie, init_bytes, len(source)))
    groups = _grouped(movie, parts, target_ms)
    whole = facts_of(movie, parts)
    return Recording(
        init=source[:init_bytes],
        segments=(_segment(source, movie, group) for group in groups),
        count=len(groups),
        width=whole.width,
        height=whole.height,
        codec=whole.codec,
        duration_ms=whole.duration_ms,
        frames=whole.frames,
    )


def _grouped(movie: Movie, parts: list[Fragment], target_ms: int) -> list[list[Fragment]]:
    if not parts or not parts[0].afresh:
        raise BadInput(
            "VIDEO_CODEC",
            "the recording does not begin with a key frame",
            cure="Convert it to H.264 in MP4; the beginning cannot be shown as it is.",
        )
    groups: list[list[Fragment]] = []
    for part in parts:
        if groups and not (part.afresh and facts_of(movie, groups[-1]).duration_ms >= target_ms):
            groups[-1].append(part)
        else:
            groups.append([part])
        if part.end - groups[-1][0].start > MAX_SEGMENT_BYTES:
            raise too_much("a segment between two key frames", f"at most {MAX_SEGMENT_BYTES} bytes")
    return groups


def _segment(source: FileBytes, movie: Movie, group: list[Fragment]) -> CutSegment:
    facts = facts_of(movie, group)
    return CutSegment(source[group[0].start : group[-1].end], facts.starts_at_ms, facts.duration_ms, facts.frames)
