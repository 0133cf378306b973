"""The counter's book: one SQLite file with the feed, what partners submitted and subscribed to, and given answers.

Durable (WAL, synchronous=FULL), of one deployment, in one process. The feed in it can be folded again from the chains;
the rest cannot, so a book that is not ours is refused and never overwritten.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ledger.errors import Refused, Unavailable
from ledger.file_lock import hold_file

FILE, LOCK_FILE = "partners.sqlite", "lock"
VERSION = 2

_TABLES = """
CREATE TABLE owner (deployment BLOB NOT NULL);
CREATE TABLE feed (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT, chain INTEGER NOT NULL, block INTEGER NOT NULL, hash BLOB NOT NULL,
  log INTEGER NOT NULL, kind TEXT NOT NULL, message TEXT NOT NULL, body BLOB NOT NULL, stands INTEGER NOT NULL
);
CREATE UNIQUE INDEX feed_place ON feed (chain, block, hash, log) WHERE stands = 1;
CREATE TABLE floor (chain INTEGER PRIMARY KEY, block INTEGER NOT NULL);
CREATE TABLE submission (
  id BLOB PRIMARY KEY, chain INTEGER NOT NULL, raw BLOB NOT NULL, state TEXT NOT NULL, messages TEXT NOT NULL,
  at INTEGER NOT NULL, partner TEXT NOT NULL DEFAULT '', is_final INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX submission_open ON submission (is_final, at, id);
CREATE TABLE subscription (
  id TEXT PRIMARY KEY, partner TEXT NOT NULL, url TEXT NOT NULL, kinds TEXT NOT NULL, cursor INTEGER NOT NULL,
  state TEXT NOT NULL, failures INTEGER NOT NULL, not_before REAL NOT NULL, trouble TEXT NOT NULL
);
CREATE TABLE answer (
  partner TEXT NOT NULL, key TEXT NOT NULL, request BLOB NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL,
  at INTEGER NOT NULL, PRIMARY KEY (partner, key)
)
"""

# What leads from that version to the next.
_UPGRADES = {
    1: """
ALTER TABLE submission ADD COLUMN partner TEXT NOT NULL DEFAULT '';
ALTER TABLE submission ADD COLUMN is_final INTEGER NOT NULL DEFAULT 0;
DROP INDEX submission_waiting;
CREATE INDEX submission_open ON submission (is_final, at, id)
"""
}


class Book:
    """The open book. Safe to share between threads."""

    def __init__(self, folder: Path, *, deployment: bytes) -> None:
        """Open or create it in `folder`. `deployment`: 32 bytes that tell deployments apart.

        Errors: `Refused` PARTNER_BOOK_IN_USE, PARTNER_BOOK_OTHER; `Unavailable` PARTNER_BOOK_FAILED.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock_file = _hold(folder / LOCK_FILE)
        self._lock = threading.RLock()
        try:
            with _typed(folder):
                self._db = _open(folder / FILE, deployment)
        except BaseException:
            os.close(self._lock_file)
            raise

    def close(self) -> None:
        """Close it and give up the folder. May be called twice."""
        with self._lock:
            if self._lock_file >= 0:
                self._db.close()
                os.close(self._lock_file)
                self._lock_file = -1

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows of a bounded query."""
        with self._lock, _typed():
            return self._db.execute(query, values).fetchall()

    def row(self, query: str, *values: object) -> tuple[Any, ...] | None:
        """The first row, or None."""
        with self._lock, _typed():
            found: tuple[Any, ...] | None = self._db.execute(query, values).fetchone()
            return found

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, and on disk when the outermost block ends. `Unavailable` PARTNER_BOOK_FAILED."""
        with self._lock:
            if self._db.in_transaction:
                yield self._db
                return
            with _typed():
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield self._db
                    self._db.execute("COMMIT")
                except BaseException:
                    self._undo()
                    raise

    def _undo(self) -> None:
        if self._db.in_transaction:  # some failures have ended it already
            self._db.execute("ROLLBACK")


def _open(path: Path, deployment: bytes) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            db.execute("BEGIN EXCLUSIVE")
            for statement in _TABLES.split(";"):
                db.execute(statement)
            db.execute("INSERT INTO owner VALUES (?)", (deployment,))
            db.execute(f"PRAGMA user_version = {VERSION}")
            db.execute("COMMIT")
        elif version not in (VERSION, *_UPGRADES) or not _is_of(db, deployment):
            what = "the partners' book is of another deployment or version"
            raise Refused("PARTNER_BOOK_OTHER", what, where=str(path), cure="Name another folder.")
        elif version != VERSION:
            _upgrade(db, version)
        path.chmod(0o600)
    except BaseException:
        db.close()
        raise
    return db


def _is_of(db: sqlite3.Connection, deployment: bytes) -> bool:
    found: bytes = db.execute("SELECT deployment FROM owner").fetchone()[0]
    return found == deployment


def _upgrade(db: sqlite3.Connection, version: int) -> None:
    """From an older version to the present one, in one transaction."""
    db.execute("BEGIN EXCLUSIVE")
    for each in range(version, VERSION):
        for statement in _UPGRADES[each].split(";"):
            db.execute(statement)
    db.execute(f"PRAGMA user_version = {VERSION}")
    db.execute("COMMIT")


@contextmanager
def _typed(where: Path | str = "") -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        cure = "Check the disk's space and the folder's permissions."
        what = f"the partners' book failed: {error}"
        raise Unavailable("PARTNER_BOOK_FAILED", what, where=str(where), cure=cure) from error


def _hold(path: Path) -> int:
    what, cure = "another relay uses the partners' folder", "Give each relay its own."
    return hold_file(path, busy=Refused("PARTNER_BOOK_IN_USE", what, where=str(path), cure=cure))
