"""The file under the journal: one SQLite database, durable (WAL, synchronous=FULL), of one key, in one process.

May never happen here: a write that is reported before it is on disk; two processes on one folder; a journal opened for
another key, of another version, or damaged.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ledger.durable_file import sync_folder
from ledger.errors import Refused, Unavailable
from ledger.file_lock import hold_file

JOURNAL_FILE = "journal.sqlite"
LOCK_FILE = "lock"
_FULL = 2


class DurableFile:
    """The open database of one owner. Safe to share between threads."""

    def __init__(
        self, folder: Path, *, owner: bytes, tables: str, version: int, upgrades: Mapping[int, str] | None = None
    ) -> None:
        """Open or create it in `folder`, with `tables` (SQL) where it is new; `owner` is whoever it belongs to.
        `upgrades`: the SQL that leads from an older version to the next one.

        Errors: `Refused` FOLDER_IN_USE, JOURNAL_OWNER, JOURNAL_VERSION, JOURNAL_DAMAGED, JOURNAL_DURABILITY;
        `Unavailable` JOURNAL_UNREADABLE.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = folder / JOURNAL_FILE
        self._lock_file = _lock(folder / LOCK_FILE)
        self._lock = threading.Lock()
        try:
            self._db = _open(self._path, owner, tables, version, upgrades or {})
        except BaseException:
            os.close(self._lock_file)
            raise

    def close(self) -> None:
        """Close the file and give up the folder. May be called twice."""
        with self._lock:
            if self._lock_file >= 0:
                self._db.close()
                os.close(self._lock_file)
                self._lock_file = -1

    def copy(self) -> bytes:
        """The whole database as it is now, without its write-ahead log."""
        with self._lock:
            return self._db.serialize()

    def lacks(self, other: Path, table: str) -> bool:
        """Whether another database lacks a row of this one's `table`. Errors: `sqlite3.Error`."""
        with self._lock:
            self._db.execute("ATTACH ? AS other", (f"file:{quote(str(other))}?immutable=1",))
            try:
                query = f'SELECT 1 FROM (SELECT * FROM main."{table}" EXCEPT SELECT * FROM other."{table}") LIMIT 1'  # noqa: S608
                return self._db.execute(query).fetchone() is not None
            finally:
                self._db.execute("DETACH other")

    def replace(self, other: Path) -> None:
        """Let another file take this one's place; this one is closed, and its folder stays held until `close`."""
        with self._lock:
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._db.close()
            for suffix in ("-wal", "-shm"):  # they belong to the file that goes
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            other.replace(self._path)
            sync_folder(self._path.parent)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows of a bounded query."""
        with self._lock:
            return self._db.execute(query, values).fetchall()

    def row(self, query: str, *values: object) -> tuple[Any, ...] | None:
        """The first row, or None."""
        with self._lock:
            found: tuple[Any, ...] | None = self._db.execute(query, values).fetchone()
        return found

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, and on disk when the block ends. Errors: `Unavailable` JOURNAL_WRITE (a full disk)."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                self._undo()
                cure = "Make room on the disk of the notary's folder; nothing was signed."
                raise Unavailable("JOURNAL_WRITE", f"the journal cannot be written: {error}", cure=cure) from error
            except BaseException:
                self._undo()
                raise

    def _undo(self) -> None:
        if self._db.in_transaction:  # some failures have ended it already
            self._db.execute("ROLLBACK")


def _open(path: Path, owner: bytes, tables: str, version: int, upgrades: Mapping[int, str]) -> sqlite3.Connection:
    try:
        # As a URI: a file that is attached to it may then be named as one, and be opened for reading only.
        db = sqlite3.connect(f"file:{quote(str(path))}", uri=True, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise Unavailable("JOURNAL_UNREADABLE", f"the journal does not open: {error}", where=str(path)) from error
    try:
        _require_durable(db, path)
        _require_version(db, path, owner, tables, version, upgrades)
        _require_owner(db, path, owner)
        _upgrade(db, version, upgrades)
    except sqlite3.DatabaseError as error:
        db.close()
        cure = "Restore the newest copy you have; an older one may have forgotten promises: see notary/README.md."
        raise Refused("JOURNAL_DAMAGED", f"the journal is damaged: {error}", where=str(path), cure=cure) from error
    except BaseException:
        db.close()
        raise
    path.chmod(0o600)
    return db


def _require_durable(db: sqlite3.Connection, path: Path) -> None:
    mode = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    db.execute("PRAGMA synchronous = FULL")
    if mode != "wal" or db.execute("PRAGMA synchronous").fetchone()[0] != _FULL:
        raise Refused("JOURNAL_DURABILITY", "the journal cannot be written durably here", where=str(path))


def _require_version(
    db: sqlite3.Connection, path: Path, owner: bytes, tables: str, version: int, upgrades: Mapping[int, str]
) -> None:
    found = db.execute("PRAGMA user_version").fetchone()[0]
    if found == 0:
        # One transaction: a journal is there whole, with its owner, or not at all.
        db.execute("BEGIN EXCLUSIVE")
        for statement in ("CREATE TABLE owner (address BLOB NOT NULL)", *tables.split(";")):
            db.execute(statement)
        db.execute("INSERT INTO owner VALUES (?)", (owner,))
        db.execute(f"PRAGMA user_version = {version}")
        db.execute("COMMIT")
    elif found != version and found not in upgrades:
        what = f"the journal has version {found}, this notary reads {version}"
        raise Refused("JOURNAL_VERSION", what, where=str(path), cure="Use the program that wrote it.")


def _upgrade(db: sqlite3.Connection, version: int, upgrades: Mapping[int, str]) -> None:
    """From an older version to the present one, in one transaction: it is whole before and after."""
    found = db.execute("PRAGMA user_version").fetchone()[0]
    if found == version:
        return
    db.execute("BEGIN EXCLUSIVE")
    for each in range(found, version):
        for statement in filter(str.strip, upgrades[each].split(";")):
            db.execute(statement)
    db.execute(f"PRAGMA user_version = {version}")
    db.execute("COMMIT")


def _require_owner(db: sqlite3.Connection, path: Path, owner: bytes) -> None:
    if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise sqlite3.DatabaseError("quick_check failed")
    if db.execute("SELECT address FROM owner").fetchone()[0] != owner:
        raise Refused("JOURNAL_OWNER", "the journal belongs to another key", where=str(path), cure="Check `folder`.")


def _lock(path: Path) -> int:
    """Hold the folder until the process ends: two processes with one key could promise two things at once."""
    cure = "Stop the other one: a key signs in one process only."
    busy = Refused("FOLDER_IN_USE", "another notary process uses this folder", where=str(path), cure=cure)
    return hold_file(path, busy=busy)
