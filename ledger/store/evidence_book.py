"""The evidence book: what devices said, with findings and entries in the log, written together.

It keeps the bytes that were signed. May never happen here: one piece of evidence in two entries, or a device's number
used twice. Whether to believe evidence is `verify_evidence`'s answer, given before `add`, or `judge_evidence`'s.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from ledger.errors import Refused, WrongUse
from ledger.evidence import (
    EVIDENCE_DOMAIN,
    Device,
    DeviceFinding,
    Evidence,
    Judged,
    Past,
    ReadingStatement,
    SegmentStatement,
    SignedEvidence,
    Terms,
)
from ledger.store import devices
from ledger.store.beside import compare
from ledger.store.database import Database, driver
from ledger.store.device_chain import is_held, newest_link, past_of
from ledger.store.devices import MAX_FINDINGS, StoredFinding, enter_finding
from ledger.store.entries import append_entry, erased, is_erased
from ledger.store.evidence_rows import (
    StoredEvidence,
    StoredSegment,
    evidence_row,
    read_row,
    reading_row,
    segment_row,
    stored_evidence,
    stored_segment,
)
from ledger.store.tables import AnnouncementRow, EvidenceRow, ReadingRow, SegmentRow

EVIDENCE_ENTRY_DOMAIN = EVIDENCE_DOMAIN
"""An entry for evidence is over its envelope (`SignedEvidence.envelope()`), so that no signature can be stripped."""

MAX_SEGMENTS_OF_LOTS = 4096
MAX_SPOKEN = 100_000
_SEGMENTS = select(EvidenceRow, SegmentRow).where(EvidenceRow.digest == SegmentRow.digest)


@dataclass(frozen=True, slots=True)
class Held:
    """Evidence that the book holds: its entry's index, whether this very call added it, when it was taken (UTC)."""

    evidence: Evidence
    entry: int
    added: bool
    received_at: datetime


class SqlEvidenceBook:
    """The book in the ledger's database; implements what `ledger.intake.receive` asks for."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def last(self, device_id: str) -> Evidence | None:
        """The last evidence accepted from a device; None before its first."""
        with self._database.reading() as session:
            row = session.exec(_newest_of(device_id)).first()
        return None if row is None else read_row(row)

    def known(self, device_id: str) -> tuple[Device, Terms | None, Past]:
        """The enrolled device, its terms, and what its next statement is judged against. `Refused` DEVICE_UNKNOWN."""
        with self._database.reading() as session:
            device, terms = devices.device_and_terms(driver(session), device_id)
            return device, terms, past_of(driver(session), device_id)

    def held(self, evidence_digest: bytes) -> Held | None:
        """The evidence of this digest where it is held already. `Refused` ERASED where it once was."""
        with self._database.reading() as session:
            if not is_held(driver(session), evidence_digest):
                if is_erased(driver(session), EVIDENCE_ENTRY_DOMAIN, evidence_digest):
                    raise erased(f"evidence {evidence_digest.hex()}")
                return None
            row = session.get_one(EvidenceRow, evidence_digest)
        return Held(read_row(row), row.entry, False, row.received_at)

    def number(self, device_id: str, sequence: int) -> Evidence | None:
        """The device's evidence of this number, where it is held."""
        query = select(EvidenceRow).where(EvidenceRow.device == device_id, EvidenceRow.sequence == sequence)
        with self._database.reading() as session:
            row = session.exec(query).first()
        return None if row is None else read_row(row)

    def add(self, judged: Judged, *, init_cid: str, received_at: datetime) -> Held:
        """Write evidence, its findings and all their entries, or nothing; what is held already is only answered.

        `init_cid`: of a segment's initialisation part, else empty. `Refused` EVIDENCE_MEANWHILE when another writer
        took a statement of the device since it was judged.
        """
        evidence, statement = judged.evidence, judged.evidence.statement
        with self._database.writing() as session:
            if is_held(driver(session), evidence.digest):
                row = session.get_one(EvidenceRow, evidence.digest)
                return Held(read_row(row), row.entry, False, row.received_at)
            _require_next(session, judged)
            entry = append_entry(
                driver(session),
                domain=EVIDENCE_ENTRY_DOMAIN,
                canonical=evidence.signed.envelope(),
                object_digest=evidence.digest,
            )
            session.add(evidence_row(judged, entry.index, received_at))
            session.flush()  # the segment's row refers to it
            if isinstance(statement, SegmentStatement):
                if not init_cid:
                    raise WrongUse("SEGMENT_INIT", "A segment needs its initialisation part.", where=statement.device)
                session.add(segment_row(evidence, statement, init_cid))
            elif isinstance(statement, ReadingStatement):
                judged = _compared(session, judged, received_at)
                session.add(reading_row(judged, statement))
            for finding in judged.findings:
                enter_finding(session, finding)
            return Held(evidence, entry.index, True, received_at)

    def announce(self, signed: SignedEvidence, statement: SegmentStatement, *, received_at: datetime) -> None:
        """Keep a statement whose video has not come yet; the same one again changes nothing."""
        with self._database.writing() as session:
            if session.get(AnnouncementRow, signed.digest) is None:
                session.add(
                    AnnouncementRow(
                        digest=signed.digest,
                        device=statement.device,
                        sequence=statement.sequence,
                        envelope=signed.envelope(),
                        received_at=received_at,
                    )
                )

    def announced(self, device_id: str) -> tuple[int, ...]:
        """The numbers of the segments that the device announced and whose video has not come."""
        held = select(EvidenceRow.digest).where(EvidenceRow.device == device_id)
        query = select(AnnouncementRow.sequence).where(AnnouncementRow.device == device_id)
        missing = query.where(col(AnnouncementRow.digest).not_in(held)).order_by(col(AnnouncementRow.sequence))
        with self._database.reading() as session:
            return tuple(session.exec(missing.limit(MAX_FINDINGS)))

    def segments_of_lots(self, lots: Iterable[str]) -> tuple[StoredSegment, ...]:
        """The segments filmed for any of these lots (normal identifiers), in the order they were filmed."""
        query = (
            _SEGMENTS.where(col(SegmentRow.lot).in_(list(lots)))
            .order_by(col(EvidenceRow.begins), col(EvidenceRow.entry))
            .limit(MAX_SEGMENTS_OF_LOTS)
        )
        with self._database.reading() as session:
            return tuple(stored_segment(row, segment) for row, segment in session.exec(query))

    def segments_of_recording(self, recording: str) -> tuple[StoredSegment, ...]:
        """The segments of one recording key, in order; empty where it is unknown."""
        query = _SEGMENTS.where(SegmentRow.recording == recording).order_by(col(EvidenceRow.sequence))
        with self._database.reading() as session:
            return tuple(stored_segment(row, segment) for row, segment in session.exec(query))

    def segment_at(self, entry: int) -> StoredSegment | None:
        """The segment that entry `entry` of the log is about, if it is about one."""
        with self._database.reading() as session:
            found = session.exec(_SEGMENTS.where(EvidenceRow.entry == entry)).first()
        return None if found is None else stored_segment(*found)

    def spoken(self, device_id: str, since: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
        """From when until when (UTC, trusted) each of the device's statements between two times speaks, at most

        `MAX_SPOKEN` from `since` on, and before them the last one that ends earlier.
        """
        spans = select(EvidenceRow.begins, EvidenceRow.ends).where(
            EvidenceRow.device == device_id, col(EvidenceRow.trusted_time).is_(True)
        )
        earlier = spans.where(EvidenceRow.ends < since).order_by(col(EvidenceRow.ends).desc()).limit(1)
        within = spans.where(EvidenceRow.ends >= since, EvidenceRow.begins <= until)
        with self._database.reading() as session:
            found = [*session.exec(earlier), *session.exec(within.order_by(col(EvidenceRow.ends)).limit(MAX_SPOKEN))]
        return [(begins, ends) for begins, ends in found]

    def spoke_after(self, device_id: str, moment: datetime) -> datetime | None:
        """When the device's first trusted statement that ends after a time begins (UTC); None where there is none."""
        query = (
            select(EvidenceRow.begins)
            .where(EvidenceRow.device == device_id, col(EvidenceRow.trusted_time).is_(True), EvidenceRow.ends > moment)
            .order_by(col(EvidenceRow.ends))
            .limit(1)
        )
        with self._database.reading() as session:
            return session.exec(query).first()

    def readings_of(
        self, subject: str, quantity: str, *, limit: int = 1, doubted: bool = False
    ) -> tuple[StoredEvidence, ...]:
        """The newest readings of a quantity of a subject, by the time they tell of; at most `limit`.

        What decides about a loan asks without `doubted`: times and values that are doubted are then left out.
        """
        query = (
            select(EvidenceRow)
            .join(ReadingRow, col(ReadingRow.digest) == col(EvidenceRow.digest))
            .where(ReadingRow.subject == subject, ReadingRow.quantity == quantity)
            .order_by(col(ReadingRow.observed_at).desc(), col(EvidenceRow.entry).desc())
            .limit(limit)
        )
        if not doubted:
            query = query.where(col(ReadingRow.usable).is_(True))
        with self._database.reading() as session:
            return tuple(stored_evidence(row) for row in session.exec(query))

    def is_video(self, cid: str) -> bool:
        """Whether these bytes came in as video with evidence, and so may be served as such."""
        named = select(SegmentRow.digest).where((SegmentRow.media_cid == cid) | (SegmentRow.init_cid == cid)).limit(1)
        with self._database.reading() as session:
            return session.exec(named).first() is not None

    # The devices themselves, their terms, orders and findings are kept by `ledger.store.devices`.

    def enrol(self, device: Device, *, attested_by: str | None = None, request: bytes = b"") -> None:
        """Enrol and log a device, with who vouches for its key and what it asked, or repeat that.

        `Refused` DEVICE_KNOWN (the name has another key or period), KEY_KNOWN (the key has another name).
        """
        devices.enrol(self._database, device, attested_by=attested_by, request=request)

    def attested_by(self, device_id: str) -> str | None:
        """The maker that vouches for the device's key; None: it is self-stated. `Refused` DEVICE_UNKNOWN."""
        return devices.attested_by(self._database, device_id)

    def revoke(self, device_id: str, at: datetime, reason: str = "revoked by the operator") -> None:
        """Believe nothing of this device from `at` on; an earlier revocation stands. `Refused` DEVICE_UNKNOWN."""
        devices.revoke(self._database, device_id, at, reason)

    def release(self, device_id: str, at: datetime, reason: str) -> int:
        """Let the device's next statement come in any form; returns the number after which. `Refused` as `revoke`."""
        return devices.release(self._database, device_id, at, reason)

    def agree(self, terms: Terms) -> None:
        """Give a device new terms, logged. `Refused` DEVICE_UNKNOWN."""
        devices.agree(self._database, terms)

    def devices(self) -> tuple[Device, ...]:
        """Every enrolled device, by id."""
        return devices.all_devices(self._database)

    def device(self, device_id: str) -> Device:
        """The enrolled device. `Refused` DEVICE_UNKNOWN."""
        return devices.device(self._database, device_id)

    def terms(self, device_id: str) -> Terms | None:
        """The device's newest terms; None where it has none. `Refused` DEVICE_UNKNOWN."""
        return devices.terms(self._database, device_id)

    def record(self, finding: DeviceFinding) -> None:
        """Keep a finding and log it; the same one again changes nothing."""
        with self._database.writing() as session:
            enter_finding(session, finding)

    def record_silence(self, finding: DeviceFinding) -> bool:
        """Keep a silence and log it; False where one that began then is kept, whoever found it."""
        return devices.enter_silence(self._database, finding)

    def watched(self) -> tuple[str, ...]:
        """The devices whose terms say that they always speak, by name."""
        return devices.watched(self._database)

    def findings(self, device_id: str | None = None, *, limit: int = MAX_FINDINGS) -> tuple[StoredFinding, ...]:
        """Findings about one device or about all, the newest first."""
        return devices.findings(self._database, device_id, limit=limit)


def _require_next(session: Session, judged: Judged) -> None:
    newest, statement = newest_link(driver(session), judged.evidence.statement.device), judged.evidence.statement
    if (newest.digest if newest else None) != judged.follows:
        raise Refused(
            "EVIDENCE_MEANWHILE",
            "Another statement of the device was taken meanwhile.",
            where=f"{statement.device} number {statement.sequence}",
            cure="Send it again.",
        )


def _compared(session: Session, judged: Judged, received_at: datetime) -> Judged:
    """A judged reading with what other devices at its place say against it."""
    _, terms = devices.device_and_terms(driver(session), judged.evidence.statement.device)
    found = compare(session, judged, terms, found_at=received_at)
    return replace(judged, findings=(*judged.findings, *found)) if found else judged


def _newest_of(device_id: str) -> SelectOfScalar[EvidenceRow]:
    return (
        select(EvidenceRow).where(EvidenceRow.device == device_id).order_by(col(EvidenceRow.sequence).desc()).limit(1)
    )
