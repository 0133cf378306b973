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
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from ledger import cli
from tests.acceptance.program import Ran, environment

JOURNEY = ("examples.demo.run", "ledger.bundle", "ledger.verify_report")  # what `demo` and `verify` load when they run
_WAIT = "import sys; from tests.acceptance.loaded import wait; wait(sys.argv[1:])"


class Loaded:
    """A process that waits to be forked."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, arguments: Sequence[str], *, home: Path) -> Ran:
        """One run of the program to its end, as `tests.acceptance.program.run`."""
        wanted = {"arguments": list(arguments), "home": str(home), "environment": environment(home)}
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(wanted) + "\n")
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline())
        return Ran(
            told["status"], (home / "out.txt").read_text(), (home / "err.txt").read_text(), told["kibibytes"] / 1024
        )


@contextmanager
def loaded(libraries: Sequence[str] = JOURNEY) -> Iterator[Loaded]:
    """The program, loaded with the modules that its verbs load when they run; it ends with the block."""
    with subprocess.Popen(
        [sys.executable, "-c", _WAIT, *libraries], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Loaded(process)


def _run_as_forked(arguments: list[str], home: Path, variables: dict[str, str]) -> NoReturn:
    for number, name in ((1, "out.txt"), (2, "err.txt")):
        os.dup2(os.open(home / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), number)
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(home)
    sys.argv = ["pledgetrail", *arguments]
    cli.main()
    sys.exit()


def wait(libraries: Sequence[str]) -> None:
    """Load the program, then fork it for every line of standard input."""
    cli.build()
    for name in libraries:
        importlib.import_module(name)
    gc.freeze()  # else every fork looks through all that was loaded when it ends, and copies it by that
    for line in sys.stdin:
        wanted = json.loads(line)
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # else its end would be a run's to read
            _run_as_forked(wanted["arguments"], Path(wanted["home"]), wanted["environment"])
        _, status, usage = os.wait4(child, 0)
        told = {"status": os.waitstatus_to_exitcode(status), "kibibytes": usage.ru_maxrss}
        print(json.dumps(told), flush=True)  # noqa: T201 - its answer to the line
