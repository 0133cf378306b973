"""Recordings for tests, made once per run: each what some camera or program produces in the field."""

from __future__ import annotations

import functools
import hashlib
import io
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.plane import VideoPlane
from av.video.stream import VideoStream

from ledger.capture.scene import Coding, encode_scene

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

KINDS: dict[str, Coding] = {
    "plain": Coding(width=320, height=180),
    "B-frames": Coding(width=320, height=180, b_frames=3),
    "B-frames and sound": Coding(width=320, height=180, b_frames=2, sound=True),
    "open groups": Coding(width=320, height=180, b_frames=2, open_groups=True),
    "sound": Coding(width=320, height=180, sound=True),
    "varying frame rate": Coding(width=320, height=180, varying=True),
    "varying frame rate and B-frames": Coding(width=320, height=180, varying=True, b_frames=2),
    "odd size": Coding(width=322, height=182),
    "odd size, 4:4:4": Coding(width=321, height=181, pixels="yuv444p"),
    "portrait": Coding(width=180, height=320),
    "60 frames a second": Coding(width=160, height=120, fps=60),
    "2.5 s between key frames": Coding(width=320, height=180, key_seconds=2.5),
}


@functools.cache
def film(kind: str = "plain", seconds: float = 6.0) -> bytes:
    """The bytes of an MP4 of that kind."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scene.mp4"
        encode_scene(path, caption="2 PAN-FIRING", started_at=NOON, seconds=seconds, coding=KINDS[kind])
        return path.read_bytes()


@functools.cache
def other_codec(codec: str, container: str = "mp4") -> bytes:
    """Six frames in a codec or container that is not H.264 in MP4."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as target:
        stream = target.add_stream(codec, rate=48_000 if codec in ("aac", "libmp3lame") else 10)
        if isinstance(stream, AudioStream):
            _six_sounds(target, stream, 1152 if codec == "libmp3lame" else 1024)
        elif isinstance(stream, VideoStream):
            _six_pictures(target, stream)
    return out.getvalue()


def _six_sounds(target: OutputContainer, audio: AudioStream, samples: int) -> None:
    for index in range(6):
        frame = av.AudioFrame("fltp", "stereo", samples)
        frame.rate, frame.pts, frame.time_base = 48_000, index * samples, Fraction(1, 48_000)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        target.mux(audio.encode(frame))
    target.mux(audio.encode(None))


def _six_pictures(target: OutputContainer, video: VideoStream) -> None:
    video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
    for index in range(6):
        picture = av.VideoFrame(160, 120, "yuv420p")
        for plane in picture.planes:
            plane.update(bytes(plane.buffer_size))
        picture.pts, picture.time_base = index, Fraction(1, 10)
        target.mux(video.encode(picture))
    target.mux(video.encode(None))


@functools.cache
def fragmented(kind: str = "B-frames and sound") -> bytes:
    """A recording that was already fragmented, as a screen or game recorder writes it."""
    out = io.BytesIO()
    flags = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    with (
        av.open(io.BytesIO(film(kind)), "r") as origin,
        av.open(out, "w", format="mp4", options=flags) as target,
    ):
        streams = {stream.index: target.add_stream_from_template(stream) for stream in origin.streams}
        for packet in origin.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    return out.getvalue()


def pictures(data: bytes) -> list[tuple[Fraction, str]]:
    """Time (from the first) and hash of every decoded picture, in the order they are shown."""
    with av.open(io.BytesIO(data), "r", options={"advanced_editlist": "0"}) as source:
        shown = []
        for frame in source.decode(video=0):
            assert frame.pts is not None and frame.time_base is not None
            planes = b"".join(_rows(plane) for plane in frame.planes)
            shown.append((frame.pts * frame.time_base, hashlib.sha256(planes).hexdigest()))
    return [(at - shown[0][0], picture) for at, picture in shown]


def packets(data: bytes, kind: str) -> list[bytes]:
    """The coded bytes of every packet of the first `video` or `audio` stream."""
    with av.open(io.BytesIO(data), "r", options={"advanced_editlist": "0"}) as source:
        streams = source.streams.video if kind == "video" else source.streams.audio
        return [bytes(packet) for packet in source.demux(streams[0]) if packet.dts is not None]


def _rows(plane: VideoPlane) -> bytes:
    raw = bytes(plane)
    return b"".join(raw[at : at + plane.width] for at in range(0, plane.line_size * plane.height, plane.line_size))


def box(kind: bytes, *content: bytes) -> bytes:
    """An MP4 box."""
    body = b"".join(content)
    return (8 + len(body)).to_bytes(4, "big") + kind + body


def patched(data: bytes, kind: bytes, change: Callable[[bytearray, int], None]) -> bytes:
    """`data` after `change(bytes, offset of the content)` of the first box of `kind`."""
    copy = bytearray(data)
    change(copy, data.index(kind) + 4)
    return bytes(copy)
