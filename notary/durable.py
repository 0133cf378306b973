"""The file under the journal: one SQLite database, durable (WAL, synchronous=FULL), of one key, in one process.

May never happen here: a write that is reported before it is on disk; two processes on one folder; a journal opened for
another key, of another version, or damaged.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ledger.errors import Refused, Unavailable

JOURNAL_FILE = "journal.sqlite"
LOCK_FILE = "lock"
_FULL = 2


class DurableFile:
    """The open database of one owner. Safe to share between threads."""

    def __init__(self, folder: Path, *, owner: bytes, tables: str, version: int) -> None:
        """Open or create it in `folder`, with `tables` (SQL) where it is new; `owner` is whoever it belongs to.

        Errors: `Refused` FOLDER_IN_USE, JOURNAL_OWNER, JOURNAL_VERSION, JOURNAL_DAMAGED, JOURNAL_DURABILITY;
        `Unavailable` JOURNAL_UNREADABLE.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock_file = _lock(folder / LOCK_FILE)
        self._lock = threading.Lock()
        try:
            self._db = _open(folder / JOURNAL_FILE, owner, tables, version)
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


def _open(path: Path, owner: bytes, tables: str, version: int) -> sqlite3.Connection:
    try:
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise Unavailable("JOURNAL_UNREADABLE", f"the journal does not open: {error}", where=str(path)) from error
    try:
        _require_durable(db, path)
        _require_version(db, path, owner, tables, version)
        _require_owner(db, path, owner)
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


def _require_version(db: sqlite3.Connection, path: Path, owner: bytes, tables: str, version: int) -> None:
    found = db.execute("PRAGMA user_version").fetchone()[0]
    if found == 0:
        # One transaction: a journal is there whole, with its owner, or not at all.
        db.execute("BEGIN EXCLUSIVE")
        for statement in ("CREATE TABLE owner (address BLOB NOT NULL)", *tables.split(";")):
            db.execute(statement)
        db.execute("INSERT INTO owner VALUES (?)", (owner,))
        db.execute(f"PRAGMA user_version = {version}")
        db.execute("COMMIT")
    elif found != version:
        what = f"the journal has version {found}, this notary reads {version}"
        raise Refused("JOURNAL_VERSION", what, where=str(path), cure="Use the program that wrote it.")


def _require_owner(db: sqlite3.Connection, path: Path, owner: bytes) -> None:
    if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise sqlite3.DatabaseError("quick_check failed")
    if db.execute("SELECT address FROM owner").fetchone()[0] != owner:
        raise Refused("JOURNAL_OWNER", "the journal belongs to another key", where=str(path), cure="Check `folder`.")


def _lock(path: Path) -> int:
    """Hold the folder until the process ends: two processes with one key could promise two things at once."""
    handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        cure = "Stop the other one: a key signs in one process only."
        raise Refused("FOLDER_IN_USE", "another notary process uses this folder", where=str(path), cure=cure) from error
    return handle
