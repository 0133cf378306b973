"""The worker that takes the coded pictures out of a foreign file: its own process, bounded, without network.

What happens here: the process that `video_file` starts reads MP4, Matroska or an MPEG transport stream on standard
input and writes the NAL units of its first H.264 or H.265 track on standard output: one byte for the codec (4 or 5),
then each unit behind its length (four bytes, big-endian).
What may never happen here: decoding, or opening another file.
"""

from __future__ import annotations

import sys
from typing import IO

import av
import av.subtitles.stream  # av loads it late, when no file may be opened any more

from ledger.capture.remux import FAILED, _bound_this_process
from ledger.errors import BadInput
from ledger.media_signing.elementary import Codec
from ledger.media_signing.packets import packet_units, prefix_bytes

CODECS = {"h264": Codec.H264, "hevc": Codec.H265}
MAX_WRITTEN_BYTES = 1024**3  # a file has at most 512 MiB
MARKS = {Codec.H264: b"\x04", Codec.H265: b"\x05"}


def container(head: bytes) -> str | None:
    """The demuxer for a file that begins so; None for anything else."""
    if head[4:8] == b"ftyp":
        return "mov"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "matroska"
    if head[:1] == b"\x47" and head[188:189] == b"\x47":
        return "mpegts"
    return None


def main() -> int:
    """Exit status 0, or `FAILED` with a reason on standard error."""
    _bound_this_process(MAX_WRITTEN_BYTES)
    try:
        with open(0, "rb", closefd=False) as file, open(1, "wb", closefd=False) as out:
            _demux(file, out)
    except (av.FFmpegError, BadInput, MemoryError, ValueError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}")
        return FAILED
    return 0


def _demux(file: IO[bytes], out: IO[bytes]) -> None:
    kind = container(file.read(189))
    file.seek(0)
    if kind is None:
        raise ValueError("not MP4, Matroska or a transport stream")
    with av.open(file, "r", format=kind) as origin:
        video = next((stream for stream in origin.streams.video if stream.codec_context.name in CODECS), None)
        if video is None:
            raise ValueError("no H.264 or H.265 video")
        codec = CODECS[video.codec_context.name]
        length_bytes = prefix_bytes(codec, bytes(video.codec_context.extradata or b""))
        out.write(MARKS[codec])
        for packet in origin.demux(video):
            if packet.size:
                for unit in packet_units(bytes(packet), length_bytes):
                    out.write(len(unit).to_bytes(4, "big") + unit)
