"""The worker that touches foreign video with native code: its own process, bounded, without network.

What happens here: `python -m ledger.capture.remux` reads an MP4 on standard input and writes the same coded frames as
one fragmented MP4 on standard output. One muxer per recording: a muxer per segment would begin time anew in each.
What may never happen here: decoding to pictures and encoding again; opening a path, an address or another file than
the two it was started with; growing beyond the bounds below, whatever the input says.
"""

from __future__ import annotations

import os
import sys
from typing import IO

import av
import av.subtitles.stream  # av loads it late, when no file may be opened any more

from ledger.cage import Bounds, enter

MAX_MEMORY_BYTES = 448 * 1024 * 1024
MAX_CPU_SECONDS = 60
MAX_WRITTEN_BYTES = 5 * 1024**3  # a recording has at most 4 GiB
FAILED = 3
"""Exit status for a recording that the demuxer or muxer refused; its reason is on standard error."""

# Edit lists say when a track starts, and hide nothing: evidence shows what was recorded.
_READ = {"advanced_editlist": "0"}
_WRITE = {
    # delay_moov: the init states each track's own start. Without it the first frame is stretched to cover a difference.
    "movflags": "frag_keyframe+empty_moov+delay_moov+default_base_moof+skip_trailer",
    "fflags": "+bitexact",
}
# For frames before the start, which an edit list meant to hide: everything moves until they begin at nought.
_SHOW_ALL = {"avoid_negative_ts": "make_non_negative"}


class _Output:
    """Standard output without seeking, so that the muxer cannot go back over what was written."""

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        while view:
            view = view[os.write(1, view) :]
        return len(data)


def main() -> int:
    """Remux standard input to standard output. Exit status 0, or `FAILED` with a reason."""
    _bound_this_process()
    try:
        with open(0, "rb", closefd=False) as file:
            _remux(file)
    except (av.FFmpegError, MemoryError, ValueError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}")
        return FAILED
    return 0


def _bound_this_process(file_bytes: int = MAX_WRITTEN_BYTES) -> None:
    av.logging.set_level(None)
    enter(Bounds(MAX_MEMORY_BYTES, MAX_CPU_SECONDS, file_bytes))


def _remux(file: IO[bytes]) -> None:
    with av.open(file, "r", format="mov", options=_READ) as origin:
        video = next((stream for stream in origin.streams.video if stream.codec_context.name == "h264"), None)
        if video is None:
            raise ValueError("no H.264 video")
        options = _WRITE | (_SHOW_ALL if (video.start_time or 0) < 0 else {})
        with av.open(_Output(), "w", format="mp4", options=options) as target:
            copies = {}
            for stream in (video, *origin.streams.audio):
                copies[stream.index] = copy = target.add_stream_from_template(stream)
                copy.time_base = stream.time_base
            for packet in origin.demux([origin.streams[index] for index in sorted(copies)]):
                if packet.dts is not None:
                    packet.stream = copies[packet.stream.index]
                    target.mux(packet)


if __name__ == "__main__":
    sys.exit(main())
