"""What `pledgetrail doctor` says of a data folder is what the demo would do with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.checks import checks
from examples.demo.folder import VERSION, VERSION_FILE, DataFolder
from ledger.doctor import State
from ledger.errors import Problem
from ledger.store import Ledger


def states(folder: Path) -> list[State]:
    before = sorted(folder.rglob("*"))
    found = [check.state for check in checks(folder)]
    assert sorted(folder.rglob("*")) == before  # it only looks
    return found


@pytest.mark.parametrize("content", [b"pledgetrail-data/0\n", b"", b"\xff\xfe", VERSION.strip().encode()])
def test_a_folder_of_another_version_is_missing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / VERSION_FILE).write_bytes(content)
    assert states(tmp_path) == [State.MISSING]
    with pytest.raises(Problem):
        DataFolder(tmp_path)
    (tmp_path / VERSION_FILE).write_text(VERSION)
    assert states(tmp_path) == [State.OK]


def test_a_folder_of_something_else_is_missing_and_an_empty_one_is_not(tmp_path: Path) -> None:
    assert states(tmp_path) == states(tmp_path / "new") == [State.OK]
    (tmp_path / "holiday.jpg").write_bytes(b"")
    assert states(tmp_path) == [State.MISSING]


def test_the_folder_of_a_ledger_that_was_served_is_no_fault_but_none_of_the_demo_s(tmp_path: Path) -> None:
    Ledger.open(tmp_path, origin="ledger.example/tea").close()
    assert states(tmp_path) == [State.NOTE]
    with pytest.raises(Problem):
        DataFolder(tmp_path)
    (tmp_path / VERSION_FILE).write_text("pledgetrail-data/0\n")
    assert states(tmp_path) == [State.MISSING]


def test_a_file_in_place_of_the_folder_is_missing(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"")
    assert states(tmp_path / "data") == [State.MISSING]


def test_a_folder_in_use_is_noted_until_it_is_let_go(tmp_path: Path) -> None:
    with DataFolder(tmp_path):
        assert states(tmp_path) == [State.OK, State.NOTE]
    assert states(tmp_path) == [State.OK]


def test_without_a_folder_there_is_nothing_to_say() -> None:
    assert checks(None) == []
