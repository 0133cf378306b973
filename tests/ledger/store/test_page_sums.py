"""Every page of the database file has a sum that only a fold writes: no bit changes unnoticed, no crash cries wolf."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from ledger.durable_file import write_whole
from ledger.errors import Unavailable
from ledger.store import page_sums
from ledger.store.database import Database, remove
from ledger.store.page_sums import BESIDE, COMING, DAMAGED, FOLD_BYTES, SUMS, WAL, beside, read_sums, sum_of
from ledger.store.statement_book import StatementBook
from ledger.store.wal import live_bytes, read_wal, wal_bytes
from tests.ledger.refusals import refused

DOMAIN = "pledgetrail/test/v1/json"
ROOT = Path(__file__).parents[3]


def enter(database: Database, count: int, *, size: int = 20) -> None:
    book = StatementBook(database)
    for number in range(count):
        book.enter(DOMAIN, f"{number} ".encode() + os.urandom(size))


def false_pages(path: Path) -> list[int]:
    """The pages that give neither their sum nor the one to come, read without the code under test's own loops."""
    known, coming = read_sums(beside(path, SUMS)), read_sums(beside(path, COMING))
    assert known is not None
    raw, size = path.read_bytes(), known.page_size
    assert len(raw) % size == 0
    wrong = []
    for at in range(len(raw) // size):
        right = {sums.of[at] for sums in (known, coming) if sums is not None and at < len(sums.of)}
        if sum_of(at + 1, raw[at * size : (at + 1) * size]) not in right:
            wrong.append(at + 1)
    return wrong


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.sqlite"


def test_after_it_is_closed_every_page_gives_its_sum_and_nothing_else_is_left(path: Path) -> None:
    database = Database.open(path)
    enter(database, 30)
    assert wal_bytes(beside(path, WAL)) > 0
    database.close()
    assert false_pages(path) == []
    assert {file.name for file in path.parent.iterdir()} == {"a.sqlite", "a.sqlite-sums", "a.sqlite-lock"}


def test_a_database_that_nobody_closes_is_folded_all_the_same(path: Path) -> None:
    for ending in ("", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"):
        code = (
            "from pathlib import Path; from tests.ledger.store.test_page_sums import Database, enter\n"
            f"database = Database.open(Path({str(path)!r})); enter(database, 5)\n{ending}"
        )
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=not ending)
        assert false_pages(path) == []
    assert wal_bytes(beside(path, WAL)) > 0  # of the one that was killed
    Database.open(path).close()
    assert false_pages(path) == []


def test_a_long_run_folds_by_itself_and_keeps_every_sum(path: Path) -> None:
    database = Database.open(path)
    enter(database, 60, size=100_000)
    assert wal_bytes(beside(path, WAL)) < FOLD_BYTES + 2 * 110_000
    assert path.stat().st_size > FOLD_BYTES // 2
    assert false_pages(path) == []
    database.close()
    assert false_pages(path) == []


def test_the_log_s_length_is_looked_at_only_when_it_may_be_due_and_never_too_late(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, longest = [], 0

    def look(log: Path) -> int:
        looked.append(live_bytes(log))
        return looked[-1]

    monkeypatch.setattr(page_sums, "live_bytes", look)
    database = Database.open(path)
    for _ in range(30):
        enter(database, 10, size=10_000)
        longest = max(longest, live_bytes(beside(path, WAL)))
    assert FOLD_BYTES // 2 < longest < FOLD_BYTES + page_sums.WRITE_BYTES
    assert any(held > FOLD_BYTES for held in looked) and len(looked) < 300 // 2
    database.close()
    assert false_pages(path) == []


def test_readers_of_an_old_state_put_a_fold_off_and_lose_nothing(path: Path) -> None:
    database = Database.open(path)
    enter(database, 3)
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM statement").fetchone() == (3,)
        enter(database, 60, size=100_000)
        assert reader.execute("SELECT count(*) FROM statement").fetchone() == (3,)
        assert false_pages(path) == []
    enter(database, 60, size=100_000)
    database.close()
    assert false_pages(path) == []


def test_two_openers_of_one_file_keep_one_set_of_sums(path: Path) -> None:
    first, second = Database.open(path), Database.open(path)
    enter(first, 10)
    enter(second, 10)
    first.close()
    assert false_pages(path) == []
    enter(second, 10)
    second.close()
    assert false_pages(path) == []
    assert len(StatementBook(Database.open(path)).of_domain(DOMAIN)) == 30


CRASHES = {
    "before the sums to come": (page_sums, "write_whole", 1),
    "before the pages move": (page_sums, "checkpoint", 1),
    "before the sums take their place": (page_sums, "write_whole", 2),
}


@pytest.mark.parametrize("name", CRASHES)
def test_C11_a_crash_anywhere_in_a_fold_loses_nothing_and_accuses_nobody(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The process stops at the point: what it left is copied, opened again, and must be whole."""
    database = Database.open(path)
    enter(database, 20)
    module, function, at = CRASHES[name]
    original, calls = getattr(module, function), 0

    def stops(*arguments: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        if calls == at:
            raise InterruptedError("the process dies here")
        return original(*arguments, **named)

    monkeypatch.setattr(module, function, stops)
    with pytest.raises(InterruptedError):
        assert database._pages is not None
        database._pages.fold(at_least=0)
    monkeypatch.undo()
    (tmp_path / "left").mkdir()
    left = tmp_path / "left" / path.name
    for suffix in (suffix for suffix in BESIDE if suffix != "-shm" and beside(path, suffix).exists()):
        beside(left, suffix).write_bytes(beside(path, suffix).read_bytes())
    assert false_pages(left) == []
    again = Database.open(left)
    assert len(StatementBook(again).of_domain(DOMAIN)) == 20
    assert false_pages(left) == []
    enter(again, 5)
    again.close()
    assert false_pages(left) == []
    assert not beside(left, COMING).exists()
    database.close()


def test_C11_damage_is_not_signed_for_when_the_page_is_written_again(path: Path) -> None:
    database = Database.open(path)
    enter(database, 40)
    database.close()
    sums = read_sums(beside(path, SUMS))
    assert sums is not None
    number = len(sums.of)
    with path.open("r+b") as file:
        file.seek((number - 1) * sums.page_size + 1500)  # unused space or a row: SQLite minds neither
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 4]))
    assert false_pages(path) == [number]
    database = Database.open(path)
    with database.writing() as session:
        session.connection().exec_driver_sql("UPDATE statement SET canonical = canonical || 'x'")
        session.connection().exec_driver_sql("UPDATE entry SET domain = domain || 'x'")
        session.connection().exec_driver_sql("UPDATE statement SET domain = domain || 'x'")
    database.close()
    after = read_sums(beside(path, SUMS))
    assert after is not None
    assert after.of[number - 1] == DAMAGED
    assert false_pages(path) == [number]


def test_C11_what_another_program_writes_is_noticed(path: Path) -> None:
    database = Database.open(path)
    enter(database, 3)
    database.close()
    with closing(sqlite3.connect(path)) as other:
        other.execute("UPDATE statement SET canonical = 'changed'")
        other.commit()
    assert false_pages(path) != []


def test_a_database_of_before_there_were_sums_gets_them(path: Path) -> None:
    database = Database.open(path)
    enter(database, 3)
    database.close()
    beside(path, SUMS).unlink()
    Database.open(path).close()
    assert false_pages(path) == []


def test_C11_a_damaged_file_of_sums_is_left_for_fsck_and_stops_nobody(path: Path) -> None:
    database = Database.open(path)
    enter(database, 3)
    database.close()
    raw = bytearray(beside(path, SUMS).read_bytes())
    raw[40] ^= 1
    beside(path, SUMS).write_bytes(raw)
    database = Database.open(path)
    enter(database, 3)
    database.close()
    assert beside(path, SUMS).read_bytes() == raw
    assert read_sums(beside(path, SUMS)) is None
    assert len(StatementBook(Database.open(path)).of_domain(DOMAIN)) == 6


def test_a_full_disk_refuses_the_next_write_and_never_one_that_was_made(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database.open(path)
    enter(database, 50, size=100_000)

    def full(*_arguments: object, **_named: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(page_sums, "write_whole", full)
    written = 0
    with pytest.raises(Unavailable) as caught:
        for _ in range(60):
            enter(database, 1, size=100_000)
            written += 1
    assert caught.value.code == "STORE_UNAVAILABLE"
    assert len(StatementBook(database).of_domain(DOMAIN)) == 50 + written
    monkeypatch.setattr(page_sums, "write_whole", write_whole)
    enter(database, 1)
    database.close()
    assert false_pages(path) == []


def test_a_database_is_removed_with_all_that_belongs_to_it(path: Path) -> None:
    database = Database.open(path)
    enter(database, 1)
    database.close()
    remove(path)
    assert list(path.parent.iterdir()) == []


def test_C11_a_reused_write_ahead_log_is_told_from_what_an_earlier_use_left(path: Path, tmp_path: Path) -> None:
    database = Database.open(path)
    enter(database, 60, size=100_000)
    assert live_bytes(beside(path, WAL)) < wal_bytes(beside(path, WAL))
    held = read_wal(beside(path, WAL))
    assert held is not None
    assert (held.unread, held.committed) == (0, live_bytes(beside(path, WAL)))
    raw, copy = beside(path, WAL).read_bytes(), tmp_path / "wal"
    database.close()
    last = held.committed - 4120
    for at in (last + 8, last + 11, last + 12, last + 15, last + 30):  # either salt of the last frame, and its page
        copy.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
        found = read_wal(copy)
        assert found is not None
        assert found.unread > 0


def test_the_write_ahead_log_is_read_as_sqlite_reads_it(path: Path) -> None:
    database = Database.open(path)
    enter(database, 12)
    held = read_wal(beside(path, WAL))
    assert held is not None
    assert held == read_wal(beside(path, WAL), thorough=False)
    assert (held.unread, held.page_size) == (0, 4096)
    with closing(sqlite3.connect(path)) as reader:
        assert held.page_count == reader.execute("PRAGMA page_count").fetchone()[0]
        whole = reader.serialize()
    main = path.read_bytes()
    for at in range(held.page_count):
        page = whole[at * 4096 : (at + 1) * 4096]
        assert held.pages.get(at + 1, main[at * 4096 : (at + 1) * 4096]) == page
    database.close()


@pytest.mark.parametrize("thorough", [True, False])
def test_what_a_killed_writer_left_behind_the_last_commit_is_not_taken_for_live(
    path: Path, tmp_path: Path, thorough: bool
) -> None:
    """Frames of the same salts, with a commit at their end, whose checksums follow from frames that are not there."""
    database = Database.open(path)
    enter(database, 30)
    raw = beside(path, WAL).read_bytes()
    enter(database, 1, size=9000)
    longer = beside(path, WAL).read_bytes()
    database.close()
    copy = tmp_path / "wal"
    copy.write_bytes(raw)
    live = read_wal(copy, thorough=thorough)
    assert live is not None
    copy.write_bytes(raw + longer[len(raw) + 4120 :])  # without the frame that the others follow from
    found = read_wal(copy, thorough=thorough)
    assert found is not None
    assert (found.pages, found.page_count, found.committed) == (live.pages, live.page_count, live.committed)
    assert found.unread > 0


def test_C11_a_flipped_bit_ends_the_write_ahead_log_before_it(path: Path, tmp_path: Path) -> None:
    database = Database.open(path)
    enter(database, 12)
    raw = beside(path, WAL).read_bytes()
    database.close()
    copy = tmp_path / "wal"
    for at in (100, len(raw) // 2, len(raw) - 1):
        copy.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
        found = read_wal(copy)
        assert found is not None
        assert found.committed <= at < found.committed + found.unread
    copy.write_bytes(bytes([raw[0] ^ 1]) + raw[1:])
    assert read_wal(copy) is None
    with refused("STORE_OTHER"):
        (tmp_path / "no.sqlite").write_bytes(b"x" * 4096)
        Database.open(tmp_path / "no.sqlite")
