"""The program, loaded once and forked for each run: what costs is its libraries, and a refusal needs all of them.

A run has what a run of the installed program has: a process of its own, arguments, environment, folder, both outputs,
exit status. Only what loading does happens once for all. `wait` is the process that waits to be forked: it does what
its standard input says, a line of JSON for each run, until that ends.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.acceptance.program import Ran, environment

JOURNEY = ("examples.demo.run", "ledger.bundle", "ledger.verify_report")  # what `demo` and `verify` load when they run
FIRST, THEN = "from ledger.cli import build, main; build()", "main()"  # what is done once, and by each run
LAST_SECONDS = 120
_WAIT = "import sys; from tests.acceptance.loaded import wait; wait(*sys.argv[1:])"


class Forked:
    """One run."""

    def __init__(self, waiting: subprocess.Popen[str], home: Path) -> None:
        self._waiting, self._home = waiting, home
        self.pid = int(self._line())

    def said(self) -> str:
        """What it has written to its standard output so far."""
        out = self._home / "out.txt"
        return out.read_text() if out.exists() else ""

    def wait(self) -> Ran:
        """Its end."""
        told = json.loads(self._line())
        error = (self._home / "err.txt").read_text()
        return Ran(told["status"], self.said(), error, told["kibibytes"] / 1024)

    def _line(self) -> str:
        assert self._waiting.stdout is not None
        return self._waiting.stdout.readline()


class Loaded:
    """A process that waits to be forked, one run after the other."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, arguments: Sequence[str], *, home: Path) -> Forked:
        """Begin a run in the folder `home`, which is to be waited for before the next."""
        (home / "out.txt").unlink(missing_ok=True)  # an earlier run's words are not this one's
        wanted = {"arguments": list(arguments), "home": str(home), "environment": environment(home)}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(wanted) + "\n")
        self._process.stdin.flush()
        return Forked(self._process, home)

    def run(self, arguments: Sequence[str], *, home: Path) -> Ran:
        """One run to its end, as `tests.acceptance.program.run`."""
        return self.start(arguments, home=home).wait()


@contextmanager
def loaded(libraries: Sequence[str] = JOURNEY, *, first: str = FIRST, then: str = THEN) -> Iterator[Loaded]:
    """The program, loaded with the modules that its verbs load when they run; it ends with the block.

    `first`, `then`: Python for what is done once, and for what each run does with `sys.argv`, of another program.
    """
    with subprocess.Popen(
        [sys.executable, "-c", _WAIT, first, then, *libraries], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Loaded(process)


def _become(home: Path, variables: dict[str, str]) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # else its end would be a run's to read
    for number, name in ((1, "out.txt"), (2, "err.txt")):
        os.dup2(os.open(home / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), number)
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(home)
    signal.alarm(LAST_SECONDS)  # whatever hangs ends by that, and is seen to


def wait(first: str, then: str, *libraries: str) -> None:
    """Load, then fork for every line of standard input."""
    names: dict[str, object] = {}
    exec(first, names)
    for name in libraries:
        importlib.import_module(name)
    gc.freeze()  # else every fork looks through all that was loaded when it ends, and copies it by that
    for line in sys.stdin:
        wanted = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(Path(wanted["home"]), wanted["environment"])
            sys.argv = ["pledgetrail", *wanted["arguments"]]
            exec(then, names)
            sys.exit()
        print(child, flush=True)  # noqa: T201 - its answer to the line
        _, status, usage = os.wait4(child, 0)
        told = {"status": os.waitstatus_to_exitcode(status), "kibibytes": usage.ru_maxrss}
        print(json.dumps(told), flush=True)  # noqa: T201 - and its second
