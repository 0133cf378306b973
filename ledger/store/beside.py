"""What other devices at one place measured, in the tables: compared inside the write that takes a reading.

May never happen here: two readings that disagree and both count because they came in at once, or a place where every
reading is read for each new one.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlmodel import Session, col, exists, or_, select, update

from ledger.evidence import Code, DeviceFinding, Judged, ReadingStatement, Terms, read_statement
from ledger.evidence.neighbours import Neighbour, disagreements
from ledger.store.tables import EvidenceRow, FindingRow, ReadingRow

MAX_COMPARED = 256  # readings at one place within one window; the newest


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
    """Readings of others there that were believed, or doubted for nothing but a disagreement."""
    disagreed = exists().where(
        col(FindingRow.device) == col(EvidenceRow.device),
        col(FindingRow.sequence) == col(EvidenceRow.sequence),
        col(FindingRow.code) == Code.DISAGREEMENT,
    )
    query = (
        select(EvidenceRow.statement, EvidenceRow.digest, ReadingRow.usable)
        .join(ReadingRow, col(ReadingRow.digest) == col(EvidenceRow.digest))
        .where(
            ReadingRow.place == reading.place,
            ReadingRow.quantity == reading.quantity,
            ReadingRow.observed_at >= reading.observed_at - within,
            ReadingRow.observed_at <= reading.observed_at + within,
            ReadingRow.unit == reading.unit,
            EvidenceRow.device != reading.device,
            or_(col(ReadingRow.usable).is_(True), disagreed),
        )
        .order_by(col(ReadingRow.observed_at).desc())
        .limit(MAX_COMPARED)
    )
    found = []
    for raw, digest, usable in session.exec(query):
        said = read_statement(raw)
        if isinstance(said, ReadingStatement):
            found.append(Neighbour(said, digest, doubted=not usable))
    return found
