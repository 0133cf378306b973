"""A file is held by one at a time, and by nobody once its holder is gone."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger.errors import Refused
from ledger.file_lock import hold_file

BUSY = Refused("HELD", "somebody else holds it")


@contextmanager
def held(path: Path) -> Iterator[int]:
    handle = hold_file(path, busy=BUSY)
    try:
        yield handle
    finally:
        os.close(handle)


def test_a_second_one_is_refused_until_the_first_gives_it_up(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with held(path):
        for _ in range(2):  # a refusal takes nothing away from the holder
            with pytest.raises(Refused) as caught:
                hold_file(path, busy=BUSY)
            assert caught.value is BUSY
    with held(path):
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_holder_that_died_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    child = os.fork()
    if child == 0:
        try:
            hold_file(path, busy=BUSY)
        finally:
            os._exit(0 if path.exists() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with held(path):
        pass


def test_a_program_that_is_started_does_not_inherit_the_hold(tmp_path: Path) -> None:
    with held(tmp_path / "lock") as handle:
        assert not os.get_inheritable(handle)


def test_refuses_nothing_as_busy_that_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError):
        hold_file(tmp_path / "nowhere" / "lock", busy=BUSY)

    opened: list[int] = []

    def without_locks(handle: int, how: int) -> None:
        opened.append(handle)
        raise OSError("this disk knows no locks")

    monkeypatch.setattr(fcntl, "flock", without_locks)
    with pytest.raises(OSError, match="knows no locks"):
        hold_file(tmp_path / "lock", busy=BUSY)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(opened[0])
