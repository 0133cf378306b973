"""The erasure book: what is personal goes, and the log still verifies and shows that something stood there.

One transaction for each entry: the rows of its object and its salt go, its digest stays, and the record of the erasure
is an entry of its own. What cannot go in that transaction (media, the pages' old content) is noted in it and done after
it commits; where the process dies between, at the next `finish`. May never happen here: a salt that is gone without a
record, or a record before its object is gone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from sqlmodel import col, select

from ledger.epcis import EVENT_DOMAIN
from ledger.erasure import ERASURE_DOMAIN, Erasure, Kind, Reason, mark_of
from ledger.errors import Refused
from ledger.evidence.findings import to_millisecond
from ledger.store.columns import utc_text
from ledger.store.database import Database, driver
from ledger.store.entries import erased
from ledger.store.evidence_book import EVIDENCE_ENTRY_DOMAIN
from ledger.store.statement_book import enter_raw
from ledger.store.tables import EntryRow, ErasedMarkRow, ErasedRow

MAX_ABOUT = 100_000
_ASKED_AT_ONCE = 500
_PAGES, _UPLOAD = "pages", "upload:"
_KINDS = {EVENT_DOMAIN: Kind.EVENT, EVIDENCE_ENTRY_DOMAIN: Kind.EVIDENCE}

_ABOUT = (
    "SELECT e.digest FROM event AS e JOIN event_identifier AS i ON i.event = e.digest WHERE i.identifier IN (?1, ?2)"
    " UNION SELECT digest FROM segment WHERE lot IN (?1, ?2)"
    " UNION SELECT digest FROM reading WHERE subject IN (?1, ?2) LIMIT ?3"
)
_FIND = 'SELECT "index", domain, salt FROM entry WHERE object_digest = ? AND domain IN (?, ?)'
_FINDINGS_ON = (
    "SELECT f.entry, f.digest FROM finding AS f JOIN evidence AS e ON e.device = f.device AND e.sequence = f.sequence"
    " WHERE e.digest = ?"
)
_CHAINS = (
    "SELECT c.value FROM signed_video AS v, json_each(CAST(v.document AS TEXT), '$.chains') AS c WHERE v.digest = ?"
)
_IS_NAMED = (
    "SELECT 1 FROM segment WHERE init_cid = ?1 OR media_cid = ?1 UNION ALL SELECT 1 FROM signed_video AS v,"
    " json_each(CAST(v.document AS TEXT), '$.chains') AS c WHERE c.value = ?1 LIMIT 1"
)
_RECORD = "INSERT INTO erased (entry, digest, kind, erased_at, reason, device, sequence) VALUES (?, ?, ?, ?, ?, ?, ?)"
_ROWS = {  # in the order in which rows refer to one another
    Kind.EVENT: (("event_identifier", "event"), ("event", "digest")),
    Kind.EVIDENCE: (
        ("announcement", "digest"),
        ("signed_video", "digest"),
        ("segment", "digest"),
        ("reading", "digest"),
        ("evidence", "digest"),
    ),
    Kind.FINDING: (("finding", "digest"), ("statement", "digest")),
}


class RemovableMedia(Protocol):
    """A media store of which something can be deleted."""

    def remove(self, cid: str) -> None:
        """Delete the object for good; one that is not held is no error. `Unavailable` MEDIA_UNAVAILABLE."""
        ...


@dataclass(frozen=True, slots=True)
class Erasable:
    """What can be erased: an entry's index, its kind, and the digest (32 bytes) of its object."""

    entry: int
    kind: Kind
    digest: bytes


class ErasureBook:
    """The erasures of one database, and what is still to be done for them in the folder around it."""

    def __init__(self, database: Database, media: RemovableMedia, uploads: Path) -> None:
        """`uploads`: the folder with pieces of segments that were coming in."""
        self._database, self._media, self._uploads = database, media, uploads

    def of_digest(self, digest: bytes) -> Erasable:
        """The event or statement of this digest. `Refused` ERASED, ERASE_UNKNOWN."""
        with self._database.reading() as session:
            found = _find(driver(session), digest)
        if found is None:
            raise Refused(
                "ERASE_UNKNOWN",
                "No event and no statement of a device has this digest.",
                where=digest.hex(),
                cure="Check the digest.",
            )
        return found

    def about(self, *spellings: str) -> tuple[Erasable, ...]:
        """Every event, segment and reading about an identifier, given in one or two spellings, in the log's order."""
        one, other = (spellings * 2)[:2]
        with self._database.reading() as session:
            digests = [row[0] for row in driver(session).execute(_ABOUT, (one, other, MAX_ABOUT))]
            found = [_find(driver(session), digest) for digest in digests]
        return tuple(sorted((each for each in found if each is not None), key=lambda each: each.entry))

    def erase(self, thing: Erasable, reason: Reason, at: datetime) -> Erasure:
        """Erase one event or statement, with the findings about it, and log that. `finish` does the rest.

        `at`: UTC. `Refused` ERASED where that was done before.
        """
        at = to_millisecond(at)
        with self._database.inserting() as connection:
            if _find(connection, thing.digest) is None:
                raise erased(f"entry {thing.entry}")
            if thing.kind is Kind.EVIDENCE:
                for entry, digest in connection.execute(_FINDINGS_ON, (thing.digest,)).fetchall():
                    _erase(connection, Erasable(entry, Kind.FINDING, digest), reason, at)
            return _erase(connection, thing, reason, at)

    def forget_scans(self, *units: str) -> None:
        """Forget how often a unit's page was opened: the count names the unit. `finish` does the rest."""
        with self._database.inserting() as connection:
            for each in units:
                if connection.execute("DELETE FROM scan WHERE unit = ?", (each,)).rowcount:
                    connection.execute("INSERT OR IGNORE INTO erasure_work (what) VALUES (?)", (_PAGES,))

    def finish(self) -> None:
        """Delete the media that nothing names any more, then write all pages anew, so that no trace is left in them.

        Does nothing where nothing is left to do. `Unavailable` STORE_BUSY, MEDIA_UNAVAILABLE: call it again later.
        """
        with self._database.reading() as session:
            work = [row[0] for row in driver(session).execute("SELECT what FROM erasure_work ORDER BY what")]
        for what in work:
            if what != _PAGES:
                self._delete(what)
        if work:
            self._database.rewrite()
            self._done(_PAGES)

    def told_about(self, identifiers: Iterable[str]) -> tuple[Erasure, ...]:
        """What was erased about any of these (normal) identifiers, in the log's order."""
        marks = [mark_of(each) for each in dict.fromkeys(identifiers)]
        found: dict[int, Erasure] = {}
        with self._database.reading() as session:
            for start in range(0, len(marks), _ASKED_AT_ONCE):
                piece = marks[start : start + _ASKED_AT_ONCE]
                query = select(ErasedRow).join(ErasedMarkRow).where(col(ErasedMarkRow.mark).in_(piece))
                for row in session.exec(query):
                    found[row.entry] = Erasure(row.entry, Kind(row.kind), row.erased_at, Reason(row.reason))
        return tuple(found[entry] for entry in sorted(found))

    def of_erased(self, digest: bytes) -> Erasure | None:
        """The erasure of the event or statement of this digest (32 bytes); None where it was not erased."""
        query = select(ErasedRow).join(EntryRow, col(EntryRow.index) == col(ErasedRow.entry))
        named = query.where(EntryRow.object_digest == digest, col(EntryRow.domain).in_(list(_KINDS)))
        with self._database.reading() as session:
            row = session.exec(named).first()
        return None if row is None else Erasure(row.entry, Kind(row.kind), row.erased_at, Reason(row.reason))

    def refuse_erased(self, digest: bytes) -> None:
        """Return, unless something of this digest (32 bytes) was erased: `Refused` ERASED."""
        found = self.of_erased(digest)
        if found is not None:
            raise erased(f"entry {found.entry}, on {found.at.date().isoformat()} ({found.reason})")

    def _delete(self, what: str) -> None:
        # In a write of its own: whoever adds a row that names the object comes before it or after it, and one that
        # comes after puts the bytes there again (`ledger.intake.receive`).
        with self._database.inserting() as connection:
            if what.startswith(_UPLOAD):
                for path in self._uploads.glob(what.removeprefix(_UPLOAD) + ".*"):
                    path.unlink(missing_ok=True)
            elif connection.execute(_IS_NAMED, (what,)).fetchone() is None:
                self._media.remove(what)
            connection.execute("DELETE FROM erasure_work WHERE what = ?", (what,))

    def _done(self, what: str) -> None:
        with self._database.inserting() as connection:
            connection.execute("DELETE FROM erasure_work WHERE what = ?", (what,))


def _find(connection: sqlite3.Connection, digest: bytes) -> Erasable | None:
    row = connection.execute(_FIND, (digest, EVENT_DOMAIN, EVIDENCE_ENTRY_DOMAIN)).fetchone()
    if row is not None and not row[2]:
        raise erased(f"entry {row[0]}")
    return None if row is None else Erasable(row[0], _KINDS[row[1]], digest)


def _erase(connection: sqlite3.Connection, thing: Erasable, reason: Reason, at: datetime) -> Erasure:
    """The whole of one entry's erasure inside the caller's write."""
    record = Erasure(thing.entry, thing.kind, at, reason)
    marks, link, files = _marks(connection, thing), _link(connection, thing), _files(connection, thing)
    connection.execute("UPDATE entry SET salt = x'' WHERE \"index\" = ?", (thing.entry,))
    for table, column in _ROWS[thing.kind]:
        connection.execute(f'DELETE FROM "{table}" WHERE "{column}" = ?', (thing.digest,))  # noqa: S608  of ours
    said = enter_raw(connection, ERASURE_DOMAIN, record.canonical())
    row = (record.entry, said.digest, record.kind.value, utc_text(record.at), record.reason.value)
    connection.execute(_RECORD, (*row, *link))
    connection.executemany(
        "INSERT INTO erased_mark (mark, entry) VALUES (?, ?)", [(mark, thing.entry) for mark in marks]
    )
    connection.executemany("INSERT OR IGNORE INTO erasure_work (what) VALUES (?)", [(each,) for each in files])
    return record


def _marks(connection: sqlite3.Connection, thing: Erasable) -> list[bytes]:
    queries = {
        Kind.EVENT: ("SELECT identifier FROM event_identifier WHERE event = ?",),
        Kind.EVIDENCE: ("SELECT lot FROM segment WHERE digest = ?", "SELECT subject FROM reading WHERE digest = ?"),
    }.get(thing.kind, ())
    return [mark_of(name) for query in queries for (name,) in connection.execute(query, (thing.digest,))]


def _link(connection: sqlite3.Connection, thing: Erasable) -> tuple[str | None, int | None]:
    """Device and number of evidence: with its digest, all that the next statement is checked against."""
    if thing.kind is not Kind.EVIDENCE:
        return None, None
    query = "SELECT device, sequence FROM evidence WHERE digest = ?"
    device, sequence = connection.execute(query, (thing.digest,)).fetchone()
    return device, sequence


def _files(connection: sqlite3.Connection, thing: Erasable) -> list[str]:
    """What is to be done outside the transaction."""
    if thing.kind is not Kind.EVIDENCE:
        return [_PAGES]
    query = "SELECT init_cid, media_cid FROM segment WHERE digest = ?"
    named = [cid for row in connection.execute(query, (thing.digest,)) for cid in row]
    chains = [cid for (cid,) in connection.execute(_CHAINS, (thing.digest,))]
    return [_PAGES, _UPLOAD + thing.digest.hex(), *named, *chains]
