"""A copy of the project in which one source changes, and processes forked to run tests in it.

The process that forks has loaded the libraries, and each child forgets the project's own modules: a run imports what
stands in the copy at that moment.
"""

from __future__ import annotations

import compileall
import hashlib
import importlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent.parent
ROOMS: Final = ("ledger", "contracts", "notary", "relay", "examples", "tests")
POLL: Final = 0.02  # seconds
NICENESS: Final = 10
# Loaded once, before the first fork; none of them is of this project.
LIBRARIES: Final = (
    "pytest", "hypothesis", "pyrevm", "vyper.compiler", "eth.db.atomic", "eth.vm.forks.prague", "eth_account",
    "coincurve", "cryptography.hazmat.primitives.asymmetric.ed25519", "httpx", "eth_abi.abi", "rlp", "trie",
)  # fmt: skip

KILLED, SURVIVED = "killed", "SURVIVED"
# No verdict at all: nothing was learned of the guard.
NOT_COMPILED, TIMED_OUT, NOT_RUN = "NOT COMPILED", "TIMED OUT", "NOT RUN"


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of the project in which one source changes."""

    folder: Path
    module: str

    @classmethod
    def make(cls, folder: Path, module: str) -> Copy:
        for name in (*ROOMS, "pyproject.toml", "README.md", "Makefile"):
            source, target = ROOT / name, folder / name
            if not source.exists():
                continue  # a part of a project, in the tests of this tool
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
            else:
                shutil.copy2(source, target)
        compileall.compile_dir(folder, quiet=2)
        for installed in (ROOT / "tests").rglob("node_modules"):
            here = installed.relative_to(ROOT)
            if here.parts.count("node_modules") == 1:
                (folder / here).symlink_to(installed)
        return cls(folder, module)

    def digest(self) -> str:
        """Changes with any source or test."""
        found = hashlib.sha256()
        for path in sorted(self.folder.rglob("*")):
            if (
                path.suffix in (".py", ".vy", ".vyi", ".json", ".toml")
                and path != self.folder / "tests/guard_kill.toml"
            ):
                found.update(f"\n{path.relative_to(self.folder)}\n".encode() + path.read_bytes())
        return found.hexdigest()

    def run(self, tests: Sequence[str], *, limit: float | None, keep_bytecode: bool = False) -> tuple[str, str]:
        """Run tests in a process of their own; outcome and what it has to say. `limit` in seconds."""
        answers, answering = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(answers)
            _be_the_child(self.folder, tests, answering, keep_bytecode=keep_bytecode)
        os.close(answering)
        try:
            is_over = _wait(child, limit)
            with os.fdopen(answers, "rb") as pipe:
                said = pipe.read() if is_over else b""
        finally:
            _end_group(child)
        if not is_over:
            return TIMED_OUT, f"after {limit:.0f} s"
        outcome, by = json.loads(said) if said else (NOT_RUN, "the process of the tests ended early")
        return outcome, by


def _wait(child: int, limit: float | None) -> bool:
    """Whether the child ended by itself within the limit."""
    end = None if limit is None else time.monotonic() + limit
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if end is not None and time.monotonic() > end:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return False
        time.sleep(POLL)
    return True


def _end_group(child: int) -> None:
    """Servers that a test killed by `-x` left behind end with it."""
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        return


def _be_the_child(folder: Path, tests: Sequence[str], answering: int, *, keep_bytecode: bool) -> None:
    """Run the tests of the copy and write `[outcome, by]`; never returns."""
    os.setsid()
    os.nice(NICENESS)
    os.chdir(folder)
    sys.path[:] = [str(folder), *(path for path in sys.path if path and Path(path) != ROOT)]
    for name in [name for name in sys.modules if name.split(".")[0] in ROOMS]:
        del sys.modules[name]
    scratch = folder.parent / "scratch"
    os.environ |= {"PYTHONPATH": str(folder), "PLEDGETRAIL_CACHE": str(scratch), "PYTHONDONTWRITEBYTECODE": "1"}
    sys.dont_write_bytecode = not keep_bytecode
    log = os.open(folder.parent / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)

    import pytest

    from tests.guard_sources import compile_by_content

    def answer(outcome: str, by: str) -> None:
        os.write(answering, json.dumps([outcome, by]).encode())
        sys.stdout.flush()
        os._exit(0)

    compile_by_content(_kept_contracts(), on_failure=lambda why: answer(NOT_COMPILED, why))
    first = _FirstFailure()
    status = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--tb=short", *tests], plugins=[first])
    if first.by:
        answer(KILLED, first.by)
    answer(SURVIVED if status == pytest.ExitCode.OK else NOT_RUN, f"pytest's exit {int(status)}")


class _FirstFailure:
    """A plugin of pytest: which test failed first. No time goes into a smaller counterexample."""

    def __init__(self) -> None:
        self.by = ""

    def pytest_configure(self) -> None:
        from hypothesis import Phase, settings

        settings.register_profile("guard-kill", phases=[Phase.explicit, Phase.generate], database=None, deadline=None)
        settings.load_profile("guard-kill")

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and not self.by:
            self.by = report.nodeid

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed and not self.by:
            self.by = report.nodeid


def _kept_contracts() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "pledgetrail-guard-kill"


def load_libraries() -> None:
    """Before the first fork: a process that has loaded them starts in no time."""
    for library in LIBRARIES:
        importlib.import_module(library)
