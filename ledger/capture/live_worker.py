"""The worker that touches a live camera with native code: its own process, bounded; one run is one recording.

What happens here: this file, run as a program that imports nothing of ours, reads one line of JSON from standard input,
opens the stream or the local camera it names, and writes one line that says when the first picture came, then a
fragmented MP4 of the very same coded frames. Only a local camera that gives raw pictures has them encoded, since there
is no coded frame to keep.
What may never happen here: re-encoding what is coded; going on after a jump in time, since the next run is a recording
of its own; living longer than whoever reads its output, or than a camera that says nothing.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from typing import Any

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

FAILED = 3
"""Exit status when the source gives no more; the reason is on standard error."""
MAX_MEMORY_BYTES = 1024 * 1024 * 1024
OPEN_SECONDS, READ_SECONDS = 15.0, 10.0

_WRITE = {
    "movflags": "frag_keyframe+empty_moov+delay_moov+default_base_moof+skip_trailer",
    "fflags": "+bitexact",
    "flush_packets": "1",
}
_OPTIONS = {"rtsp": {"rtsp_transport": "tcp", "max_delay": "500000"}}
_ENCODER = {"preset": "ultrafast", "tune": "zerolatency", "sc_threshold": "0"}


class PipeOutput:
    """Standard output without seeking, so that the muxer cannot go back over what was written."""

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        while view:
            view = view[os.write(1, view) :]
        return len(data)


def main() -> int:
    """Copy the source named on standard input to standard output. Exit status 0, or `FAILED` with a reason."""
    av.logging.set_level(None)
    for kind, value in ((resource.RLIMIT_AS, MAX_MEMORY_BYTES), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(kind, (value, value))
    wanted = json.loads(sys.stdin.buffer.readline())
    options = _OPTIONS.get(wanted["kind"], {}) | wanted.get("options", {})
    try:
        with av.open(
            wanted["url"], "r", format=wanted.get("format"), options=options, timeout=(OPEN_SECONDS, READ_SECONDS)
        ) as origin:
            _copy(origin)
    except BrokenPipeError:
        return 0  # nobody wants more of it
    except (av.FFmpegError, OSError, MemoryError, ValueError) as error:
        # Not the address: it may hold the camera's password.
        sys.stderr.write(f"{type(error).__name__}: {str(error).replace(wanted['url'], 'the source')}")
        return FAILED
    return 0


def _copy(origin: InputContainer) -> None:
    video = next(iter(origin.streams.video), None)
    if video is None:
        raise ValueError("no video")
    with av.open(PipeOutput(), "w", format="mp4", options=_WRITE) as target:
        if video.codec_context.name == "h264":
            _mux_as_it_is(origin, video, target)
        else:
            _mux_encoded(origin, video, target)


def _mux_as_it_is(origin: InputContainer, video: VideoStream, target: OutputContainer) -> None:
    sound = next((stream for stream in origin.streams.audio if stream.codec_context.name == "aac"), None)
    copies: dict[int, Any] = {}
    for stream in (video, sound) if sound is not None else (video,):
        copies[stream.index] = copy = target.add_stream_from_template(stream)
        copy.time_base = stream.time_base
    for packet in _from_key_frame(origin.demux([origin.streams[index] for index in sorted(copies)]), video):
        packet.stream = copies[packet.stream.index]
        target.mux(packet)


def _from_key_frame(packets: Iterator[Packet[Any]], video: VideoStream) -> Iterator[Packet[Any]]:
    """The packets from the first key frame on: a stream is joined in the middle of a group of pictures."""
    begun = False
    for packet in packets:
        if packet.pts is None or packet.dts is None:
            continue  # the demuxer does not know the times of the very first ones, and of none after those
        if not begun:
            if packet.stream.index != video.index or not packet.is_keyframe:
                continue
            begun = True
            _say_begun()
        yield packet


def _mux_encoded(origin: InputContainer, video: VideoStream, target: OutputContainer) -> None:
    rate = video.average_rate or video.guessed_rate or 25
    coded = target.add_stream("libx264", rate=rate, options=_ENCODER)
    coded.width, coded.height, coded.pix_fmt = video.codec_context.width, video.codec_context.height, "yuv420p"
    coded.codec_context.gop_size = max(1, round(float(rate)))
    begun = False
    for frame in origin.decode(video):
        assert isinstance(frame, VideoFrame)
        if not begun:
            begun = True
            _say_begun()
        target.mux(coded.encode(frame.reformat(format="yuv420p")))
    target.mux(coded.encode(None))


def _say_begun() -> None:
    PipeOutput().write(json.dumps({"began_ms": time.time_ns() // 1_000_000}).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main())
