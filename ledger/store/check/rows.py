"""Rows by what binds them: objects against their entries' salted digests, derived columns against the objects.

What no entry binds is listed in `BOUND_BY_SUMS_ALONE`, with the reason: only the page sums watch over it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ledger.canonical import digest, entry_digest
from ledger.epcis import EVENT_DOMAIN, read_event
from ledger.erasure import ERASURE_DOMAIN, read_erasure
from ledger.errors import Problem
from ledger.evidence import (
    EVIDENCE_DOMAIN,
    ReadingStatement,
    SegmentStatement,
    SignedEvidence,
    read_statement,
)
from ledger.evidence.findings import read_finding
from ledger.store.check.devices import check_devices
from ledger.store.check.doubts import check_doubts
from ledger.store.check.found import Found, Progress
from ledger.store.columns import utc_text
from ledger.store.event_book import looked_up_by
from ledger.store.evidence_rows import normal_lot, recording_key

BOUND_BY_SUMS_ALONE: Mapping[str, str] = {
    "block": "read from the chains: `pledgetrail reindex` folds it again and compares",
    "chain_fact": "read from the chains: `pledgetrail reindex` folds it again and compares",
    "chain_fact_subject": "read from the chains: `pledgetrail reindex` folds it again and compares",
    "lot": "names for people",
    "lot_step": "names for people",
    "place": "names for people",
    "receipt_document": "papers: what counts of them is on chain",
    "loan_document": "papers: what counts of them is on chain",
    "scan": "counts of page views",
    "announcement": "signed by its device, and logged once its video is there",
    "erased_mark": "digests of identifiers that are gone: nothing is left to draw them from again",
    "erasure_work": "what is still to be done; empty but after a kill",
    "signed_video": "verdicts: drawn again from the video and the certificate chains, which are named by their content",
}
_WITH_ENTRIES = (
    "SELECT o.*, e.digest AS entry_digest, e.salt AS salt, e.domain AS entry_domain, e.object_digest"
    ' FROM "{table}" AS o LEFT JOIN entry AS e ON e."index" = o.entry ORDER BY o.entry'
)
_PROGRESS_EVERY = 1000


@dataclass(frozen=True, slots=True)
class Bound:
    """A table whose rows have an entry: what was logged of a row (domain and bytes), what its digest is over, and the
    columns that follow from it."""

    table: str
    logged: Callable[[sqlite3.Row], tuple[str, bytes]]
    key: str  # the column with those bytes
    derived: Callable[[sqlite3.Row], Mapping[str, object]]


def check_rows(database: sqlite3.Connection, progress: Progress) -> Iterator[Found]:
    """Every object against its entry, and every entry for its object."""
    database.row_factory = sqlite3.Row
    try:
        for bound in BOUND:
            yield from _check_table(database, bound, progress)
        for table, query, derive in DERIVED:
            yield from _check_derived(database, table, query, derive, progress)
        yield from _identifiers(database)
        yield from check_devices(database, progress)
        yield from check_doubts(database)
        for row in database.execute("PRAGMA foreign_key_check"):
            yield Found("ROW_UNBOUND", f"{row['table']} row {row['rowid']}", "It refers to a row that is not there.")
        yield from _without_object(database)
        yield from _erased(database)
    finally:
        database.row_factory = None


def _check_table(database: sqlite3.Connection, bound: Bound, progress: Progress) -> Iterator[Found]:
    query = _WITH_ENTRIES.format(table=bound.table)
    total = database.execute(f'SELECT count(*) FROM "{bound.table}"').fetchone()[0]  # noqa: S608
    for at, row in enumerate(database.execute(query)):
        if at % _PROGRESS_EVERY == 0:
            progress(bound.table, at, total)
        thing = f"{bound.table} of entry {row['entry']}"
        try:
            domain, canonical = bound.logged(row)
            whole = entry_digest(domain, row["salt"], canonical) == row["entry_digest"]
            key = digest(domain, row[bound.key])
            named = key == row["digest"] == row["object_digest"] and row["entry_domain"] == domain
        except _MALFORMED as error:
            yield Found("ROW_CHANGED", thing, f"It cannot be read: {error}")
            continue
        if not whole:
            yield Found("ROW_CHANGED", thing, "It is not what was logged: salt and bytes give another digest.")
        elif not named:
            yield Found("ROW_CHANGED", thing, "Row, entry and object do not name one another.")
        else:
            yield from _differences(thing, row, bound.derived)


def _check_derived(
    database: sqlite3.Connection,
    table: str,
    query: str,
    derive: Callable[[sqlite3.Row], Mapping[str, object]],
    progress: Progress,
) -> Iterator[Found]:
    for at, row in enumerate(database.execute(query)):
        if at % _PROGRESS_EVERY == 0:
            progress(table, at, 0)
        yield from _differences(f"{table} of entry {row['entry']}", row, derive)


def _differences(
    thing: str, row: sqlite3.Row, derive: Callable[[sqlite3.Row], Mapping[str, object]]
) -> Iterator[Found]:
    try:
        columns = [name for name, right in derive(row).items() if row[name] != right]
    except _MALFORMED as error:
        yield Found("ROW_CHANGED", thing, f"It cannot be read: {error}")
        return
    if columns:
        yield Found("ROW_CHANGED", thing, f"Columns that do not follow from what was logged: {', '.join(columns)}.")


def _identifiers(database: sqlite3.Connection) -> Iterator[Found]:
    held: dict[bytes, set[str]] = {}
    for row in database.execute("SELECT identifier, event FROM event_identifier"):
        held.setdefault(row["event"], set()).add(row["identifier"])
    for row in database.execute("SELECT digest, entry, canonical FROM event"):
        try:
            right = set(looked_up_by(read_event(row["canonical"])))
        except _MALFORMED:
            continue  # named above
        if held.pop(row["digest"], set()) != right:
            yield Found("ROW_CHANGED", f"event_identifier of entry {row['entry']}", "The event names others.")
    for event in held:
        yield Found("ROW_UNBOUND", f"event_identifier of event {event!r}"[:120], "There is no such event.")


def _without_object(database: sqlite3.Connection) -> Iterator[Found]:
    union = " UNION ALL ".join(f'SELECT entry FROM "{bound.table}"' for bound in BOUND)  # noqa: S608
    query = f'SELECT "index" FROM entry WHERE "index" NOT IN ({union}) AND length(salt) ORDER BY "index" LIMIT 100'  # noqa: S608
    for row in database.execute(query):
        yield Found("OBJECT_MISSING", f"entry {row['index']}", "What it is the digest of is not there.")


def _erased(database: sqlite3.Connection) -> Iterator[Found]:
    """Erased entries: none without its logged record, no record of what still stands."""
    recorded = "SELECT e.entry FROM erased AS e JOIN statement AS s USING (digest) WHERE s.domain = ?"
    query = f'SELECT "index" FROM entry WHERE length(salt) = 0 AND "index" NOT IN ({recorded}) ORDER BY "index"'  # noqa: S608
    for row in database.execute(query, (ERASURE_DOMAIN,)):
        yield Found("SALT_MISSING", f"entry {row['index']}", "Its salt is gone, and no record says that it was erased.")
    query = f'SELECT "index" FROM entry WHERE length(salt) AND "index" IN ({recorded}) ORDER BY "index"'  # noqa: S608
    for row in database.execute(query, (ERASURE_DOMAIN,)):
        yield Found(
            "ERASURE_UNDONE", f"entry {row['index']}", "A record says that it was erased, and its salt is there."
        )
    query = "SELECT entry FROM statement WHERE domain = ? AND digest NOT IN (SELECT digest FROM erased) ORDER BY entry"
    for row in database.execute(query, (ERASURE_DOMAIN,)):
        yield Found("ROW_UNBOUND", f"erased of entry {row['entry']}", "The record of an erasure has no row.")


def _evidence_object(row: sqlite3.Row) -> tuple[str, bytes]:
    return EVIDENCE_DOMAIN, SignedEvidence(row["statement"], row["signature"]).envelope()


def _of_evidence(row: sqlite3.Row) -> Mapping[str, object]:
    statement = read_statement(row["statement"])
    return {
        "device": statement.device,
        "sequence": statement.sequence,
        "place": getattr(statement, "place", None),
        "begins": utc_text(statement.begins),
        "ends": utc_text(statement.ends),
    }


def _of_segment(row: sqlite3.Row) -> Mapping[str, object]:
    said = read_statement(row["statement"])
    if not isinstance(said, SegmentStatement):
        raise TypeError("the statement is about something else")
    return {
        "recording": recording_key(said),
        "lot": normal_lot(said.lot),
        "step": said.step,
        "media_cid": said.media.cid,
    }


def _of_reading(row: sqlite3.Row) -> Mapping[str, object]:
    said = read_statement(row["statement"])
    if not isinstance(said, ReadingStatement):
        raise TypeError("the statement is about something else")
    return {
        "place": said.place,
        "subject": said.subject,
        "quantity": said.quantity,
        "value": said.value,
        "unit": said.unit,
        "observed_at": utc_text(said.observed_at),
    }


def _of_event(row: sqlite3.Row) -> Mapping[str, object]:
    event = read_event(row["canonical"])
    return {
        "event_id": event.event_id,
        "type": event.type,
        "biz_step": event.biz_step,
        "event_time": utc_text(event.event_time),
        "declared_wrong": event.error_declaration is not None,
    }


def _of_finding(row: sqlite3.Row) -> Mapping[str, object]:
    said = read_finding(row["canonical"], row["kept"] or b"")
    return {
        "entry": row["stated"],
        "device": said.device,
        "code": said.code.value,
        "sequence": said.sequence,
        "found_at": utc_text(said.found_at),
    }


def _of_erased(row: sqlite3.Row) -> Mapping[str, object]:
    said = read_erasure(row["canonical"])
    return {
        "entry": said.entry,
        "kind": said.kind.value,
        "erased_at": utc_text(said.at),
        "reason": said.reason.value,
    }


_MALFORMED = (Problem, TypeError, ValueError, AttributeError, KeyError)

BOUND = (
    Bound("statement", lambda row: (row["domain"], row["canonical"]), "canonical", lambda _row: {}),
    Bound("evidence", _evidence_object, "statement", _of_evidence),
    Bound("event", lambda row: (EVENT_DOMAIN, row["canonical"]), "canonical", _of_event),
)
DERIVED: tuple[tuple[str, str, Callable[[sqlite3.Row], Mapping[str, object]]], ...] = (
    ("segment", "SELECT s.*, e.entry, e.statement FROM segment AS s JOIN evidence AS e USING (digest)", _of_segment),
    ("reading", "SELECT r.*, e.entry, e.statement FROM reading AS r JOIN evidence AS e USING (digest)", _of_reading),
    (
        "finding",
        "SELECT f.*, s.entry AS stated, s.canonical, s.domain FROM finding AS f JOIN statement AS s USING (digest)",
        _of_finding,
    ),
    ("erased", "SELECT e.*, s.canonical FROM erased AS e JOIN statement AS s USING (digest)", _of_erased),
)
