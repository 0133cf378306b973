"""Whose database a file is, and of which schema version: asked before anything is opened for writing.

What is not ours, or of a version that this program cannot read, stays as it was found, write-ahead log and all.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ledger.errors import WrongUse
from ledger.store.page_sums import WAL, beside
from ledger.store.tables import SCHEMA_VERSION
from ledger.store.upgrades import OLDEST
from ledger.store.wal import wal_bytes

APPLICATION_ID = 0x504C4454  # "PLDT", SQLite's own mark of whose file this is


@dataclass(frozen=True, slots=True)
class Marks:
    """SQLite's two marks. `is_new`: neither is set, and there is no table."""

    owner: int
    version: int
    is_new: bool


def read_marks(connection: sqlite3.Connection) -> Marks:
    """The marks of an open database. Raises sqlite3.Error."""
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (held,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return Marks(owner, version, not (owner or version or held))


def look(path: Path) -> Marks | None:
    """The marks of the database in `path`; None where there is no file. Changes nothing. Raises sqlite3.Error."""
    if not path.exists():
        return None
    with closing(open_read_only(path)) as connection:
        return read_marks(connection)


def require_ours(found: Marks, path: Path) -> None:
    """Let through what is new, of today's version, or can be brought to it.

    `WrongUse` STORE_OTHER, STORE_VERSION (written by a later program), STORE_TOO_OLD.
    """
    if found.is_new:
        return
    if found.owner != APPLICATION_ID:
        what = "This database belongs to another program."
        raise WrongUse("STORE_OTHER", what, where=str(path), cure="Name another file.")
    if found.version > SCHEMA_VERSION:
        what = f"The database has schema version {found.version}; this program reads up to {SCHEMA_VERSION}."
        raise WrongUse("STORE_VERSION", what, where=str(path), cure="Use the program that wrote it, or a later one.")
    if found.version < OLDEST:
        raise WrongUse(
            "STORE_TOO_OLD",
            f"The database has schema version {found.version}; only those from {OLDEST} on can be upgraded. What its"
            " devices signed has another form than today's, and nobody but they could sign it anew.",
            where=str(path),
            cure="Keep the folder with the program that wrote it, and begin with an empty one.",
        )


def open_read_only(path: Path) -> sqlite3.Connection:
    """The database in `path`, beside whoever writes it; nothing is changed. Close it."""
    # Without a write-ahead log nothing can move meanwhile, and SQLite need not make files of its own to read.
    still = "" if wal_bytes(beside(path, WAL)) else "&immutable=1"
    database = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro{still}", uri=True, isolation_level=None)
    database.text_factory = lambda raw: raw.decode("utf-8", "replace")  # damaged text is compared, and found, as it is
    return database
