"""What other devices at one place measured, in the tables: compared inside the write that takes a reading.

May never happen here: two readings that disagree and both count because they came in at once, or a place where every
reading is read for each new one.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, exists, or_, select, update
from sqlmodel.sql.expression import Select

from ledger.evidence import Code, DeviceFinding, Judged, ReadingStatement, Terms, read_statement
from ledger.evidence.neighbours import Neighbour, disagreements
from ledger.store.database import driver
from ledger.store.devices import device_and_terms
from ledger.store.tables import EvidenceRow, FindingRow, ReadingRow

AT_ONCE = 64  # readings at one place that are looked at at once, the nearest in time first
MAX_SEEN = 64  # devices there, on each side of the reading


def compare(session: Session, judged: Judged, terms: Terms | None, *, found_at: datetime) -> tuple[DeviceFinding, ...]:
    """The disagreements of a reading with its neighbours, inside the caller's write; theirs count no more from now on.

    Nothing is compared where the reading is doubted already: that says nothing about anybody else.
    """
    reading = judged.evidence.statement
    if not isinstance(reading, ReadingStatement) or terms is None or not judged.usable:
        return ()
    watch = terms.watches.get(reading.quantity)
    if watch is None or reading.place is None:
        return ()
    beside = _beside(session, reading, timedelta(seconds=watch.within_seconds))
    found = disagreements(reading, judged.evidence.digest, terms, beside, found_at=found_at)
    about = {bytes.fromhex(finding.facts["statement"]) for finding in found}
    doubted = about - {judged.evidence.digest}
    if doubted:
        session.execute(update(ReadingRow).where(col(ReadingRow.digest).in_(doubted)).values(usable=False))
    return found


def _beside(session: Session, reading: ReadingStatement, within: timedelta) -> list[Neighbour]:
    """The readings of others there that lie nearest in time: of each device at most one before and one after it."""
    at, observed = reading.observed_at, col(ReadingRow.observed_at)
    before = _nearest(session, reading, observed.between(at - within, at), observed.desc())
    after = _nearest(session, reading, observed.between(at, at + within), observed.asc())
    placed = {device: _is_placed(session, device, reading) for device in {*before, *after}}
    return [
        Neighbour(said, digest, placed[said.device], doubted=not usable)
        for said, digest, usable in (*before.values(), *after.values())
    ]


def _is_placed(session: Session, device: str, reading: ReadingStatement) -> bool:
    _, terms = device_and_terms(driver(session), device)
    return terms is not None and terms.place == reading.place


def _nearest(
    session: Session, reading: ReadingStatement, window: ColumnElement[bool], order: ColumnElement[datetime]
) -> dict[str, tuple[ReadingStatement, bytes, bool]]:
    """Of each other device the first reading in a window, with its digest and whether it is usable, by their names.

    Whose reading was found is left out of the next look: a device that floods its place hides nobody else's.
    """
    found: dict[str, tuple[ReadingStatement, bytes, bool]] = {}
    while len(found) < MAX_SEEN:
        left = col(EvidenceRow.device).not_in([reading.device, *found])
        rows = session.exec(_believed(reading).where(window, left).order_by(order).limit(AT_ONCE)).all()
        for raw, digest, usable in rows:
            said = read_statement(raw)
            if isinstance(said, ReadingStatement):
                found.setdefault(said.device, (said, digest, usable))
        if len(rows) < AT_ONCE:
            break
    return found


def _believed(reading: ReadingStatement) -> Select[bytes, bytes, bool]:
    """What was measured there that can be compared: believed, or doubted for nothing but a disagreement."""
    disagreed = exists().where(
        col(FindingRow.device) == col(EvidenceRow.device),
        col(FindingRow.sequence) == col(EvidenceRow.sequence),
        col(FindingRow.code) == Code.DISAGREEMENT,
    )
    return (
        select(EvidenceRow.statement, EvidenceRow.digest, ReadingRow.usable)
        .join(ReadingRow, col(ReadingRow.digest) == col(EvidenceRow.digest))
        .where(
            ReadingRow.place == reading.place,
            ReadingRow.quantity == reading.quantity,
            ReadingRow.unit == reading.unit,
            or_(col(ReadingRow.usable).is_(True), disagreed),
        )
    )
