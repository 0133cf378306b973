"""Any video file as the NAL units of its stream: bounded, and with native code only in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ledger.capture import demux
from ledger.errors import BadInput
from ledger.media_signing.elementary import MAX_UNITS, Codec, annex_b_units, guess_codec
from ledger.mp4.boxes import too_much

MAX_VIDEO_BYTES = 512 * 1024 * 1024
MAX_WORKER_SECONDS = 120
# Isolated from the user's own modules, and of the same version as this one.
_WORKER = "import sys; sys.path.insert(0, sys.argv[1]); from ledger.capture.demux import main; sys.exit(main())"
_CODECS = {mark: codec for codec, mark in demux.MARKS.items()}


def read_units(path: Path) -> tuple[Codec, list[bytes]]:
    """The codec and the NAL units of MP4, Matroska, a transport stream, or a bare H.264 or H.265 stream.

    Raises `BadInput` VIDEO_MISSING, VIDEO_EMPTY, VIDEO_NOT_VIDEO, VIDEO_CODEC, VIDEO_DAMAGED, MEDIA_LIMIT.
    """
    try:
        size = path.stat().st_size
        with path.open("rb", buffering=0) as file:
            if size > MAX_VIDEO_BYTES:
                raise too_much(f"{size} bytes", f"at most {MAX_VIDEO_BYTES} bytes")
            head = file.read(189)
            file.seek(0)
            if not head:
                raise BadInput("VIDEO_EMPTY", "the file is empty", where=str(path), cure="Choose another file.")
            if demux.container(head) is not None:
                return _from_container(file)
            units = annex_b_units(file.read())
    except OSError as error:
        raise BadInput(
            "VIDEO_MISSING",
            f"the video cannot be read: {error.strerror}",
            where=str(path),
            cure="Check the name and the permissions of the file.",
        ) from error
    codec = guess_codec(units)
    if codec is None:
        raise BadInput(
            "VIDEO_CODEC", "the stream does not say whether it is H.264 or H.265", cure="Hand it in inside MP4."
        )
    return codec, units


def _from_container(file: IO[bytes]) -> tuple[Codec, list[bytes]]:
    command = [sys.executable, "-I", "-c", _WORKER, str(Path(demux.__file__).parents[2])]
    with tempfile.TemporaryFile() as found, tempfile.TemporaryFile() as reason:
        try:
            status = subprocess.run(  # noqa: S603 our own module, and no argument from outside
                command, stdin=file, stdout=found, stderr=reason, timeout=MAX_WORKER_SECONDS, check=False
            ).returncode
        except subprocess.TimeoutExpired as error:
            raise too_much("reading it takes too long", f"at most {MAX_WORKER_SECONDS} seconds") from error
        if status < 0:
            raise too_much(f"reading it broke a bound (signal {-status})", "the bounds of the worker")
        if status:
            reason.seek(0)
            said = reason.read(2048).decode("utf-8", "replace").strip().splitlines()
            raise BadInput(
                "VIDEO_CODEC",
                f"the recording cannot be taken apart: {said[-1] if said else status}",
                cure="Hand in MP4, Matroska or a transport stream with H.264 or H.265 video.",
            )
        found.seek(0)
        return _CODECS[found.read(1)], list(_framed(found))


def _framed(found: IO[bytes]) -> Iterator[bytes]:
    for _ in range(MAX_UNITS):
        length = found.read(4)
        if not length:
            return
        yield found.read(int.from_bytes(length, "big"))
    raise too_much(f"more than {MAX_UNITS} NAL units", f"at most {MAX_UNITS}")
