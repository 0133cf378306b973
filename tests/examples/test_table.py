"""The table as data: whole, honest about failure, and refused early where it could not be written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from examples.demo.journal import STEPS, Journal, Row
from examples.demo.table import Table, check_writable
from ledger.errors import Unavailable, WrongUse


def finished(folder: Path) -> Journal:
    journal = Journal(folder / "journey.json")
    for step in STEPS:
        journal.record(Row(step, held=True, id=f"id of {step}"))
    return journal


def test_a_finished_journey_is_written_as_held(tmp_path: Path) -> None:
    table = Table(tmp_path / "out.json", finished(tmp_path), tmp_path / "unit.bundle")
    with table.written_also_on_failure():
        table.urls = {"unit": "http://127.0.0.1:1/"}
    written = json.loads((tmp_path / "out.json").read_text())
    assert (written["held"], written["urls"]) == (True, table.urls)
    assert [step["step"] for step in written["steps"]] == list(STEPS)


@pytest.mark.parametrize("raised", [Unavailable("STILL_WAITING", "two notaries are gone"), KeyboardInterrupt()])
def test_a_run_that_raised_is_written_as_not_held_even_when_every_row_is(tmp_path: Path, raised: BaseException) -> None:
    table = Table(tmp_path / "out.json", finished(tmp_path), tmp_path / "unit.bundle")
    with pytest.raises(type(raised)), table.written_also_on_failure():
        raise raised
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["held"] is False
    assert len(written["steps"]) == len(STEPS)


def test_a_table_that_cannot_be_written_hides_no_earlier_error(tmp_path: Path) -> None:
    table = Table(tmp_path / "none" / "out.json", finished(tmp_path), tmp_path / "unit.bundle")
    with pytest.raises(KeyError), table.written_also_on_failure():
        raise KeyError
    with pytest.raises(Unavailable) as caught:
        table.write(held=True)
    assert caught.value.code == "FILE_UNWRITABLE"


def test_looking_leaves_no_file_and_the_old_table_as_it_was(tmp_path: Path) -> None:
    check_writable(tmp_path / "out.json")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "out.json").write_text("old")
    check_writable(tmp_path / "out.json")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize("where", ["none/out.json", "folder", "file/out.json"])
def test_a_place_where_nothing_can_be_written_is_wrong_use(tmp_path: Path, where: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WrongUse) as caught:
        check_writable(tmp_path / where)
    assert caught.value.code == "FILE_UNWRITABLE"
    assert caught.value.cure
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_pipe_is_written_to_and_a_link_followed_not_replaced(tmp_path: Path) -> None:
    journal, pipe, link = finished(tmp_path), tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(tmp_path / "real")
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        for path in (pipe, link):
            check_writable(path)
            Table(path, journal, tmp_path / "unit.bundle").write(held=True)
        assert json.loads(os.read(reader, 64 * 1024))["held"] is True
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    assert link.is_symlink()
    assert json.loads((tmp_path / "real").read_text())["held"] is True
