"""A video file from outside: opened in one way, and shown to native code only in a worker of its own.

May never happen here: a failure of this machine's own disk told as one of the video, or a worker without a deadline.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ledger.errors import BadInput
from ledger.mp4.boxes import too_much

MAX_WORKER_SECONDS = 120
_MAX_REASON_BYTES = 2048
# Isolated from the user's own modules, and of the same version as this one.
_PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from {module} import main; sys.exit(main())"


@contextmanager
def open_video(path: Path) -> Iterator[IO[bytes]]:
    """The file at `path`, unbuffered, for reading. `BadInput` VIDEO_MISSING where it cannot be opened."""
    try:
        file = path.open("rb", buffering=0)
    except OSError as error:
        raise BadInput(
            "VIDEO_MISSING",
            f"the video cannot be read: {error.strerror}",
            where=str(path),
            cure="Check the name and the permissions of the file.",
        ) from error
    with file:
        yield file


def run_worker(module: str, video: IO[bytes], out: IO[bytes], *, bounds: str, cure: str) -> None:
    """Run `main` of `module` in a process of its own, from the beginning of `video` to `out`.

    `bounds`: what it may use, for the refusal of what breaks them; `cure`: for what it cannot take apart.
    `BadInput` MEDIA_LIMIT, VIDEO_CODEC.
    """
    video.seek(0)
    command = [sys.executable, "-I", "-c", _PROGRAM.format(module=module), str(Path(__file__).parents[2])]
    with tempfile.TemporaryFile() as reason:
        try:
            status = subprocess.run(  # noqa: S603 our own module, and no argument from outside
                command, stdin=video, stdout=out, stderr=reason, timeout=MAX_WORKER_SECONDS, check=False
            ).returncode
        except subprocess.TimeoutExpired as error:
            raise too_much("reading it takes too long", f"at most {MAX_WORKER_SECONDS} seconds") from error
        reason.seek(0)
        said = reason.read(_MAX_REASON_BYTES).decode("utf-8", "replace").strip().splitlines()
    if status < 0:
        raise too_much(f"reading it broke a bound (signal {-status})", bounds)
    if status:
        why = said[-1] if said else str(status)
        raise BadInput("VIDEO_CODEC", f"the recording cannot be taken apart: {why}", cure=cure)
