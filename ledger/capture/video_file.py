"""Any video file as the NAL units of its stream: bounded, and with native code only in a process of its own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ledger.capture import demux
from ledger.capture.foreign import open_video, run_worker
from ledger.errors import BadInput
from ledger.media_signing.elementary import MAX_UNITS, Codec, annex_b_units, guess_codec
from ledger.mp4.boxes import too_much

MAX_VIDEO_BYTES = 512 * 1024 * 1024
_OTHER_FORMAT = "Hand in MP4, Matroska or a transport stream with H.264 or H.265 video."
_CODECS = {mark: codec for codec, mark in demux.MARKS.items()}


def read_units(path: Path) -> tuple[Codec, list[bytes]]:
    """The codec and the NAL units of MP4, Matroska, a transport stream, or a bare H.264 or H.265 stream.

    Raises `BadInput` VIDEO_MISSING, VIDEO_EMPTY, VIDEO_NOT_VIDEO, VIDEO_CODEC, VIDEO_DAMAGED, MEDIA_LIMIT.
    """
    with open_video(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_VIDEO_BYTES:
            raise too_much(f"{size} bytes", f"at most {MAX_VIDEO_BYTES} bytes")
        head = file.read(189)
        if not head:
            raise BadInput("VIDEO_EMPTY", "the file is empty", where=str(path), cure="Choose another file.")
        if demux.container(head) is not None:
            return _from_container(file)
        file.seek(0)
        units = annex_b_units(file.read())
    codec = guess_codec(units)
    if codec is None:
        raise BadInput(
            "VIDEO_CODEC", "the stream does not say whether it is H.264 or H.265", cure="Hand it in inside MP4."
        )
    return codec, units


def _from_container(file: IO[bytes]) -> tuple[Codec, list[bytes]]:
    with tempfile.TemporaryFile() as found:
        run_worker(demux.__name__, file, found, bounds="the bounds of the worker", cure=_OTHER_FORMAT)
        found.seek(0)
        return _CODECS[found.read(1)], list(_framed(found))


def _framed(found: IO[bytes]) -> Iterator[bytes]:
    for _ in range(MAX_UNITS):
        length = found.read(4)
        if not length:
            return
        yield found.read(int.from_bytes(length, "big"))
    raise too_much(f"more than {MAX_UNITS} NAL units", f"at most {MAX_UNITS}")
