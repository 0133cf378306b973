"""One database: durable, ours alone, of this schema version, and each write whole or not at all."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from ledger.errors import Refused
from ledger.store import Database
from ledger.store.columns import read_utc, utc_text
from ledger.store.tables import SCHEMA_VERSION, ScanRow
from tests.ledger.refusals import refused
from tests.ledger.tea import NOW


def _pragma(path: Path, name: str) -> object:
    with sqlite3.connect(path) as connection:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]


def _scan(unit: str) -> ScanRow:
    return ScanRow(unit=unit, times=1, first_at=NOW, last_at=NOW)


def test_a_new_database_is_marked_as_ours_and_written_ahead(tmp_path: Path) -> None:
    Database.open(tmp_path / "a.sqlite").close()
    assert _pragma(tmp_path / "a.sqlite", "user_version") == SCHEMA_VERSION
    assert _pragma(tmp_path / "a.sqlite", "journal_mode") == "wal"


def test_what_was_written_is_there_after_reopening_by_path_or_url(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "a.sqlite")
    with database.writing() as session:
        session.add(_scan("kept"))
    database.close()
    again = Database.open(f"sqlite:///{tmp_path / 'a.sqlite'}")
    with again.reading() as session:
        assert [row.unit for row in session.exec(select(ScanRow))] == ["kept"]
        assert session.exec(select(ScanRow)).one().first_at == NOW


def test_a_write_that_raises_leaves_nothing_behind(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "a.sqlite")
    with pytest.raises(Refused), database.writing() as session:
        session.add(_scan("lost"))
        session.flush()
        raise Refused("ANY", "For a reason.")
    with database.reading() as session:
        assert session.exec(select(ScanRow)).all() == []
    with database.writing() as session:  # and the next writer is not held up
        session.add(_scan("kept"))


def test_what_is_written_while_reading_is_thrown_away(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "a.sqlite")
    with database.reading() as session:
        session.add(_scan("never"))
        session.flush()
    with database.reading() as session:
        assert session.exec(select(ScanRow)).all() == []


def test_refuses_another_schema_version_and_leaves_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    Database.open(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with refused("STORE_VERSION"):
        Database.open(path)
    assert _pragma(path, "user_version") == SCHEMA_VERSION + 1


def test_refuses_a_database_of_another_program(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (id INTEGER)")
    with refused("STORE_OTHER"):
        Database.open(path)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]


def test_refuses_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    with refused("STORE_OTHER"):
        Database.open(path)
    assert path.read_bytes().startswith(b"not a database")


def test_refuses_to_start_without_full_durability(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.store.database.DURABILITY", "NORMAL")
    with refused("STORE_SYNCHRONOUS"):
        Database.open(tmp_path / "a.sqlite")


def test_refuses_another_kind_of_database_without_showing_its_password(tmp_path: Path) -> None:
    with refused("STORE_URL"):
        Database.open("postgresql://user:secret@127.0.0.1/ledger")


def test_refuses_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with refused("STORE_FOLDER"):
        Database.open(tmp_path / "missing" / "a.sqlite")


def test_an_insert_that_fails_leaves_nothing_and_the_next_one_goes_on(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "a.sqlite")
    insert = "INSERT INTO place (identifier, name_en, name_zh) VALUES (?, 'a', 'b')"
    with pytest.raises(RuntimeError), database.inserting() as connection:
        connection.execute(insert, ("first",))
        raise RuntimeError
    with database.inserting() as connection:
        connection.execute(insert, ("second",))
    with database.reading() as session:
        assert session.connection().exec_driver_sql("SELECT identifier FROM place").all() == [("second",)]
    database.close()


def test_an_insert_waits_for_another_program_and_then_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.store.database.BUSY_TIMEOUT_MS", 50)
    database = Database.open(tmp_path / "a.sqlite")
    other = sqlite3.connect(tmp_path / "a.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with refused("STORE_BUSY"), database.inserting():
        pass
    other.execute("ROLLBACK")
    other.close()
    with database.inserting():
        pass
    database.close()


@pytest.mark.parametrize(
    "text",
    ["", "2026-03-01", "2026-03-01T08:00:00Z", "2026-03-01T08:00:00.000000", "2026-03-01T08:00:00.000+00:00", "x" * 27],
)
def test_a_time_in_a_form_that_no_table_holds_is_not_read(text: str) -> None:
    moment = datetime(2026, 3, 1, 8, 0, 0, 1, tzinfo=UTC)
    assert read_utc(utc_text(moment)) == moment and read_utc(utc_text(moment)).utcoffset() == timedelta(0)
    with pytest.raises(ValueError):
        read_utc(text)
