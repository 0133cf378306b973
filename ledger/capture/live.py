"""A live camera, cut at its key frames while it runs: one opening of the source is one recording.

What happens here: a worker (`ledger.capture.live_worker`) writes a fragmented MP4 into a pipe; its boxes are taken one
after another, judged as a receiver will judge them, and joined into segments. What may never happen here: native code
in this process, a buffer that grows with the stream, or waiting for ever for a camera that hangs.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from ledger.canonical import parse_json
from ledger.capture.camera import Picture
from ledger.capture.segments import CutSegment
from ledger.errors import BadInput, Problem, Unavailable
from ledger.mp4.boxes import too_much
from ledger.mp4.fragments import (
    MAX_INIT_BYTES,
    MAX_SEGMENT_BYTES,
    Fragment,
    facts_of,
    fragments,
    split_init,
)
from ledger.mp4.movie import Movie

STALL_SECONDS = 20.0
"""Without a picture: the worker's own limit for a silent camera is shorter, so this one is for a worker that hangs."""
_POLL_SECONDS = 0.25
_WORKER = Path(__file__).with_name("live_worker.py")
_MAX_LINE_BYTES, _MAX_REASON_BYTES = 256, 2048
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LiveSource:
    """What to open. `kind`: `rtsp` or `v4l2`. `url`: an address or a device file; never shown, it may hold a password.

    `options`: of the demuxer, such as `video_size`.
    """

    kind: str
    url: str = field(repr=False)
    format: str | None = None
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Take:
    """One opening of a source. `began_at`: UTC by this machine's clock, when the first key frame came."""

    picture: Picture
    began_at: datetime
    segments: Iterator[CutSegment]


@contextmanager
def open_take(source: LiveSource, *, target_seconds: float, is_stopping: Callable[[], bool]) -> Iterator[Take]:
    """Open the source; its segments, of about `target_seconds`, come as they are filmed.

    They end when `is_stopping` says so. Raises `Unavailable` SOURCE_LOST, also from the segments, after the last whole
    one; `BadInput` for video that a receiver would refuse.
    """
    with tempfile.TemporaryFile() as reason:
        command = [sys.executable, "-I", str(_WORKER)]
        worker = subprocess.Popen(  # noqa: S603 our own module, and no argument from outside
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=reason
        )
        try:
            assert worker.stdin is not None and worker.stdout is not None
            asked = {"kind": source.kind, "url": source.url, "format": source.format, "options": source.options}
            worker.stdin.write(json.dumps(asked).encode() + b"\n")
            worker.stdin.close()
            pipe = _Pipe(worker.stdout, is_stopping)
            try:
                began_at = _read_beginning(pipe)
                init, rest = _read_init(pipe)
            except _Ended:
                raise _lost(worker, reason) from None
            movie, _ = split_init(init)
            picture = Picture(init, movie.avc.codec, movie.avc.width, movie.avc.height)
            cut = _cut(pipe, rest, movie, round(target_seconds * 1000))
            yield Take(picture, began_at, _telling_loss(cut, worker, reason, is_stopping))
        finally:
            worker.kill()
            worker.wait()
            if worker.stdout is not None:
                worker.stdout.close()


def _telling_loss(
    cut: Iterator[CutSegment], worker: subprocess.Popen[bytes], reason: IO[bytes], is_stopping: Callable[[], bool]
) -> Iterator[CutSegment]:
    yield from cut
    if not is_stopping():
        raise _lost(worker, reason)


class _Ended(Exception):
    """The worker writes no more, or nobody wants more."""


class _Pipe:
    """The worker's output, read exactly and never for longer than `STALL_SECONDS` without a byte."""

    def __init__(self, pipe: IO[bytes], is_stopping: Callable[[], bool]) -> None:
        self._descriptor, self._is_stopping = pipe.fileno(), is_stopping

    def take(self, size: int) -> bytes:
        """Exactly `size` bytes; `_Ended` where they do not come."""
        data, since = bytearray(), time.monotonic()
        while len(data) < size:
            if self._is_stopping() or time.monotonic() - since > STALL_SECONDS:
                raise _Ended
            if not select.select([self._descriptor], [], [], _POLL_SECONDS)[0]:
                continue
            piece = os.read(self._descriptor, min(size - len(data), 1 << 20))
            if not piece:
                raise _Ended
            data += piece
            since = time.monotonic()
        return bytes(data)

    def box(self, at_most: int) -> tuple[bytes, bytes]:
        """Kind and bytes of the next box."""
        head = self.take(8)
        size = int.from_bytes(head[:4], "big")
        if size == 1:
            head += self.take(8)
            size = int.from_bytes(head[8:], "big")
        if not len(head) <= size <= at_most:
            raise too_much(f"a box of {size} bytes", f"at most {at_most}")
        return head[4:8], head + self.take(size - len(head))


def _read_beginning(pipe: _Pipe) -> datetime:
    line = b""
    while not line.endswith(b"\n") and len(line) < _MAX_LINE_BYTES:
        line += pipe.take(1)
    value = parse_json(line, max_bytes=_MAX_LINE_BYTES)
    began = value.get("began_ms") if isinstance(value, dict) else None
    if type(began) is not int:
        raise _Ended
    return _EPOCH + timedelta(milliseconds=began)


def _read_init(pipe: _Pipe) -> tuple[bytes, bytes]:
    """The init, and the moof that follows it."""
    init = b""
    while True:
        kind, box = pipe.box(MAX_INIT_BYTES)
        if kind == b"moof":
            return init, box
        init += box
        if len(init) > MAX_INIT_BYTES:
            raise too_much(f"an init of {len(init)} bytes", f"at most {MAX_INIT_BYTES}")


def _cut(pipe: _Pipe, moof: bytes, movie: Movie, target_ms: int) -> Iterator[CutSegment]:
    """Segments as their fragments come; the last one when no more do."""
    group: list[tuple[bytes, Fragment]] = []
    origin_ms: int | None = None
    try:
        while True:
            _, mdat = pipe.box(MAX_SEGMENT_BYTES)
            data = moof + mdat
            (part,) = fragments(data, movie, 0, len(data))
            if group and part.afresh and facts_of(movie, [each for _, each in group]).duration_ms >= target_ms:
                segment, origin_ms = _segment(movie, group, origin_ms)
                yield segment
                group = []
            if not group and not part.afresh:
                raise _Ended
            group.append((data, part))
            if sum(len(each) for each, _ in group) > MAX_SEGMENT_BYTES:
                raise too_much("a segment between two key frames", f"at most {MAX_SEGMENT_BYTES} bytes")
            kind, moof = pipe.box(MAX_INIT_BYTES)
            if kind != b"moof":
                raise BadInput("VIDEO_NOT_VIDEO", "The worker wrote something else than fragments.")
    except _Ended:
        if group:
            yield _segment(movie, group, origin_ms)[0]


def _segment(movie: Movie, group: list[tuple[bytes, Fragment]], origin_ms: int | None) -> tuple[CutSegment, int]:
    """The segment, with times from the recording's start, which the first segment defines."""
    facts = facts_of(movie, [part for _, part in group])
    origin = facts.starts_at_ms if origin_ms is None else origin_ms
    data = b"".join(each for each, _ in group)
    return CutSegment(data, facts.starts_at_ms - origin, facts.duration_ms, facts.frames), origin


def _lost(worker: subprocess.Popen[bytes], reason: IO[bytes]) -> Problem:
    worker.kill()
    worker.wait()
    reason.seek(0)
    said = reason.read(_MAX_REASON_BYTES).decode("utf-8", "replace").strip()
    return Unavailable(
        "SOURCE_LOST",
        f"The camera gives no more video: {said.splitlines()[-1] if said else 'it ended'}.",
        cure="It is opened again by itself. Check the camera, its cable and its address in the configuration.",
    )
