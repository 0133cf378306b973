"""Entries of the log: a salted digest each, appended in the same write as what it is the digest of.

May never happen here: an entry without its object, an object without its entry, an index that is skipped or reused.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from sqlmodel import col, select

from ledger.canonical import SALT_BYTES, entry_digest
from ledger.errors import Refused
from ledger.store.database import Database, driver
from ledger.store.tables import EntryRow

_ASKED_AT_ONCE = 500
_APPEND = 'INSERT INTO entry ("index", digest, salt, domain, object_digest) VALUES (?, ?, ?, ?, ?)'
_ERASED = "SELECT 1 FROM entry WHERE domain = ? AND object_digest = ? AND salt = x''"
_AT = 'SELECT "index", digest, salt, domain, object_digest FROM entry WHERE "index" = ?'
_HIGHEST = 'SELECT max("index") FROM entry'
_DIGESTS = 'SELECT digest FROM entry WHERE "index" >= ? ORDER BY "index" LIMIT ?'


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. `digest` is public; `salt` (32 bytes) goes only to whoever holds the object itself."""

    index: int
    digest: bytes
    salt: bytes
    domain: str
    object_digest: bytes

    def holds(self, canonical: bytes) -> bool:
        """Whether these bytes are what was logged; of an erased entry nobody can say so."""
        return bool(self.salt) and entry_digest(self.domain, self.salt, canonical) == self.digest


def append_entry(connection: sqlite3.Connection, *, domain: str, canonical: bytes, object_digest: bytes) -> Entry:
    """Append one entry inside the caller's write. `object_digest` (32 bytes) finds it again."""
    salt = secrets.token_bytes(SALT_BYTES)
    entry = Entry(size_of(connection), entry_digest(domain, salt, canonical), salt, domain, object_digest)
    row = (entry.index, entry.digest, salt, domain, object_digest)
    try:
        connection.execute(_APPEND, row)
    except sqlite3.IntegrityError as error:
        if is_erased(connection, domain, object_digest):
            raise erased(f"entry of {object_digest.hex()}") from error
        raise
    return entry


def is_erased(connection: sqlite3.Connection, domain: str, object_digest: bytes) -> bool:
    """Whether an entry of this object is there, and the object was erased."""
    return connection.execute(_ERASED, (domain, object_digest)).fetchone() is not None


def erased(where: str) -> Refused:
    """What is said of something that stood in the log and was erased."""
    return Refused(
        "ERASED",
        "This was erased: it stood in the log, and is not taken again.",
        where=where,
        cure="Nothing is to be sent again. The log's record of the erasure says when and why.",
    )


def size_of(connection: sqlite3.Connection) -> int:
    """How many entries the log has."""
    (highest,) = connection.execute(_HIGHEST).fetchone()
    return 0 if highest is None else int(highest) + 1


def entry_at(database: Database, index: int) -> Entry:
    """The entry at `index`. Raises `Refused` ENTRY_UNKNOWN."""
    with database.reading() as session:
        row = driver(session).execute(_AT, (index,)).fetchone() if 0 <= index < 2**63 else None
    if row is None:
        raise Refused("ENTRY_UNKNOWN", "The log has no such entry.", where=f"index {index}")
    return Entry(*row)


def entries_at(database: Database, indices: Iterable[int]) -> dict[int, Entry]:
    """The entries at these indices, by index; asked for in pieces that every SQLite takes."""
    wanted, found = sorted(set(indices)), dict[int, Entry]()
    with database.reading() as session:
        for start in range(0, len(wanted), _ASKED_AT_ONCE):
            piece = wanted[start : start + _ASKED_AT_ONCE]
            rows = session.exec(select(EntryRow).where(col(EntryRow.index).in_(piece)))
            found.update((row.index, entry_of(row)) for row in rows)
    return found


def digests_from(database: Database, start: int, most: int) -> list[bytes]:
    """The public digests (32 bytes) of at most `most` entries from `start` on, in order."""
    with database.reading() as session:
        return [digest for (digest,) in driver(session).execute(_DIGESTS, (start, most))]


def entry_of(row: EntryRow) -> Entry:
    """A row as a value."""
    return Entry(row.index, row.digest, row.salt, row.domain, row.object_digest)
