"""Recordings that an encoder made, signed between encoder and muxer as a camera does it."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import av
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from ledger.media_signing import Codec, MediaSigner, PacketSigner, prefix_bytes
from ledger.media_signing.signer import SigningPlan
from tests.ledger.media_signing.authority import CAMERA
from tests.ledger.media_signing.film import BEGIN, VENDOR

NAMES = {Codec.H264: "libx264", Codec.H265: "libx265"}


def encode(
    path: Path, codec: Codec, *, pictures: int = 24, group: int = 8, b_frames: int = 0, quality: int = 26
) -> None:
    """An unsigned MP4 with moving grey bars."""
    options = {"preset": "ultrafast", "crf": str(quality), "g": str(group), "bf": str(b_frames), "threads": "1"}
    private = f"keyint={group}:min-keyint={group}:scenecut=0:open-gop=0:bframes={b_frames}:b-adapt=0"
    options["x264-params" if codec is Codec.H264 else "x265-params"] = private + (
        ":log-level=none" if codec is Codec.H265 else ""
    )
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as out:
        stream = out.add_stream(NAMES[codec], rate=25, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for index in range(pictures):
            frame = av.VideoFrame(128, 96, "yuv420p")
            for number, plane in enumerate(frame.planes):
                rows = bytes((16 + (x * 3 + index * 7 + number * 40) % 200) for x in range(plane.line_size))
                plane.update(rows * plane.height)
            frame.pts, frame.time_base = index, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def sign(origin: Path, target: Path, *, plan: SigningPlan | None = None, kind: str = "mp4") -> None:
    """The same coded pictures with signing records, in another file."""
    with av.open(str(origin)) as read, av.open(str(target), "w", format=kind) as write:
        video = read.streams.video[0]
        context = video.codec_context
        assert isinstance(context, VideoCodecContext)
        codec = Codec.H264 if context.name == "h264" else Codec.H265
        made = MediaSigner(codec, CAMERA.key, CAMERA.chain, vendor=VENDOR, plan=plan)
        signer = PacketSigner(made, prefix_bytes(codec, bytes(context.extradata or b"")))
        copy = write.add_stream_from_template(video)
        packets = [packet for packet in read.demux(video) if packet.size]
        for index, packet in enumerate(packets):
            data = signer.sign(bytes(packet), BEGIN + timedelta(milliseconds=40 * index))
            data += signer.finish() if index == len(packets) - 1 else b""
            signed = av.Packet(data)
            signed.pts, signed.dts, signed.time_base = packet.pts, packet.dts, packet.time_base
            signed.duration, signed.is_keyframe, signed.stream = packet.duration, packet.is_keyframe, copy
            write.mux(signed)


def remux(origin: Path, target: Path, kind: str) -> None:
    """The same packets in another container."""
    with av.open(str(origin)) as read, av.open(str(target), "w", format=kind) as write:
        video = read.streams.video[0]
        copy = write.add_stream_from_template(video)
        for packet in read.demux(video):
            if packet.size:
                packet.stream = copy
                write.mux(packet)


def transcode(origin: Path, target: Path, codec: Codec) -> None:
    """Other pictures that look the same, for as long."""
    with av.open(str(origin)) as read, av.open(str(target), "w", format="mp4") as write:
        stream = write.add_stream(NAMES[codec], rate=25, options={"preset": "ultrafast", "g": "8"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for frame in read.decode(video=0):
            frame.pict_type = 0
            write.mux(stream.encode(frame))
        write.mux(stream.encode(None))
