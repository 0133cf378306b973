"""Entries of the log: a salted digest each, appended in the same write as what it is the digest of.

May never happen here: an entry without its object, an object without its entry, an index that is skipped or reused.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from sqlmodel import Session, col, func, select

from ledger.canonical import SALT_BYTES, entry_digest
from ledger.errors import Refused
from ledger.store.database import Database
from ledger.store.tables import EntryRow

_ASKED_AT_ONCE = 500
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
        """Whether these bytes are what was logged."""
        return entry_digest(self.domain, self.salt, canonical) == self.digest


def append_entry(session: Session, *, domain: str, canonical: bytes, object_digest: bytes) -> Entry:
    """Append one entry inside the caller's write. `object_digest` (32 bytes) finds it again."""
    salt = secrets.token_bytes(SALT_BYTES)
    entry = Entry(size_of(session), entry_digest(domain, salt, canonical), salt, domain, object_digest)
    session.add(EntryRow(index=entry.index, digest=entry.digest, salt=salt, domain=domain, object_digest=object_digest))
    session.flush()
    return entry


def size_of(session: Session) -> int:
    """How many entries the log has."""
    highest = session.exec(select(func.max(col(EntryRow.index)))).one()
    return 0 if highest is None else highest + 1


def entry_at(database: Database, index: int) -> Entry:
    """The entry at `index`. Raises `Refused` ENTRY_UNKNOWN."""
    with database.reading() as session:
        row = session.get(EntryRow, index) if 0 <= index < 2**63 else None
    if row is None:
        raise Refused("ENTRY_UNKNOWN", "The log has no such entry.", where=f"index {index}")
    return entry_of(row)


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
        found = session.connection().exec_driver_sql(_DIGESTS, (start, most))
        return [digest for (digest,) in found]


def entry_of(row: EntryRow) -> Entry:
    """A row as a value."""
    return Entry(row.index, row.digest, row.salt, row.domain, row.object_digest)
