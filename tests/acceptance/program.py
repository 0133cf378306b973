"""Runs the installed `pledgetrail` program as its user would, and waits for conditions with bounds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

RUN_SECONDS = 400.0
T = TypeVar("T")

PROGRAM = Path(sys.executable).with_name("pledgetrail")


@dataclass(frozen=True)
class Ran:
    """What one run of the program left: exit status, both outputs, and its greatest memory in MiB."""

    status: int
    out: str
    err: str
    mebibytes: float


def environment(home: Path) -> dict[str, str]:
    """The test's environment with an empty home; compiled contracts come from the shared cache."""
    cache = os.environ.get("PLEDGETRAIL_CACHE") or str(Path.home() / ".cache" / "pledgetrail")
    return {**os.environ, "HOME": str(home), "PLEDGETRAIL_CACHE": cache, "COLUMNS": "150"}


def start(arguments: Sequence[str], *, home: Path, out: Path) -> subprocess.Popen[bytes]:
    """Start the program; its output goes to `out`."""
    with out.open("wb") as target:
        return subprocess.Popen(
            [str(PROGRAM), *arguments], stdout=target, stderr=subprocess.STDOUT, env=environment(home), cwd=home
        )


def run(arguments: Sequence[str], *, home: Path) -> Ran:
    """Run the program to its end, within `RUN_SECONDS`."""
    out, err = home / "out.txt", home / "err.txt"
    with out.open("wb") as target, err.open("wb") as errors:
        started = subprocess.Popen(
            [str(PROGRAM), *arguments], stdout=target, stderr=errors, env=environment(home), cwd=home
        )
        ended = until(lambda: _ended(started), seconds=RUN_SECONDS, what=" ".join(arguments), on_timeout=started.kill)
    status, kibibytes = ended
    return Ran(status, out.read_text(), err.read_text(), kibibytes / 1024)


def _ended(started: subprocess.Popen[bytes]) -> tuple[int, int] | None:
    process, status, usage = os.wait4(started.pid, os.WNOHANG)
    if process == 0:
        return None
    started.returncode = os.waitstatus_to_exitcode(status)
    return started.returncode, usage.ru_maxrss


def until(
    look: Callable[[], T | None], *, seconds: float, what: str, on_timeout: Callable[[], None] = lambda: None
) -> T:
    """Look until something is there; fail with `what` when it is not within the bound."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
        time.sleep(0.05)
    on_timeout()
    raise AssertionError(f"not within {seconds:.0f} s: {what}")


def read_json(path: Path) -> Any:
    """A JSON file of the program."""
    return json.loads(path.read_text())
