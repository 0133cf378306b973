"""The statement book: what is said once and logged, such as a device's enrolment or the trust root of the deployment.

May never happen here: a statement without its log entry, or one statement in two entries.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from sqlmodel import Session, col, select

from ledger.canonical import digest
from ledger.store.database import Database, driver
from ledger.store.entries import append_entry
from ledger.store.tables import StatementRow

_HELD = "SELECT domain, canonical, entry FROM statement WHERE digest = ?"
_ENTER = "INSERT INTO statement (digest, entry, domain, canonical) VALUES (?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Statement:
    """Canonical bytes under a domain, the index of their log entry, and the digest they are found by."""

    domain: str
    canonical: bytes
    entry: int
    digest: bytes


class StatementBook:
    """The statements of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def enter(self, domain: str, canonical: bytes) -> Statement:
        """Log a statement; one that is held already is answered and not logged again."""
        with self._database.inserting() as connection:
            return enter_raw(connection, domain, canonical)

    def of_domain(self, domain: str) -> tuple[Statement, ...]:
        """Every statement of a domain, in the order of their entries."""
        query = select(StatementRow).where(StatementRow.domain == domain).order_by(col(StatementRow.entry))
        with self._database.reading() as session:
            return tuple(Statement(row.domain, row.canonical, row.entry, row.digest) for row in session.exec(query))


def enter(session: Session, domain: str, canonical: bytes) -> Statement:
    """Log a statement inside the caller's write."""
    return enter_raw(driver(session), domain, canonical)


def enter_raw(connection: sqlite3.Connection, domain: str, canonical: bytes) -> Statement:
    """As `enter`, on SQLite's own connection. `Refused` ERASED for one that was logged and erased."""
    key = digest(domain, canonical)
    held = connection.execute(_HELD, (key,)).fetchone()
    if held is not None:
        return Statement(held[0], held[1], held[2], key)
    entry = append_entry(connection, domain=domain, canonical=canonical, object_digest=key)
    connection.execute(_ENTER, (key, entry.index, domain, canonical))
    return Statement(domain, canonical, entry.index, key)
