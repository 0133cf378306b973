"""The evidence book: enrolled devices, and their evidence with its entry in the log, written together.

It keeps the bytes that were signed. May never happen here: one piece of evidence in two entries, or a device's number
used twice. Whether to believe evidence is `verify_evidence`'s answer, given before `add`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from ledger.bundle.enrolment import DEVICE_DOMAIN, write_enrolment
from ledger.canonical import canonical_json, digest
from ledger.errors import BadInput, Refused
from ledger.evidence import EVIDENCE_DOMAIN, Device, Evidence, SegmentStatement, SignedEvidence, read_segment
from ledger.evidence.keys import as_algorithm
from ledger.gs1 import parse
from ledger.store.database import Database
from ledger.store.entries import append_entry
from ledger.store.statement_book import enter
from ledger.store.tables import DeviceRow, SegmentRow

EVIDENCE_ENTRY_DOMAIN = EVIDENCE_DOMAIN
"""An entry for evidence is over its envelope (`SignedEvidence.envelope()`), so that no signature can be stripped."""

_RECORDING_DOMAIN = "pledgetrail/recording/v1/json"
MAX_SEGMENTS_OF_LOTS = 4096


@dataclass(frozen=True, slots=True)
class Held:
    """Evidence that the book holds: its entry's index, and whether this very call added it."""

    evidence: Evidence
    entry: int
    added: bool


@dataclass(frozen=True, slots=True)
class StoredSegment:
    """One segment as kept. `recording`: the key its recording is served under; CIDs name bytes in the media store."""

    statement: SegmentStatement
    signed: SignedEvidence
    entry: int
    recording: str
    init_cid: str
    media_cid: str
    received_at: datetime


class SqlEvidenceBook:
    """The book in the ledger's database; implements what `ledger.intake.receive` asks for."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def enrol(self, device: Device) -> None:
        """Enrol and log a device, or repeat that. `Refused` DEVICE_KNOWN: the id has another key or period."""
        with self._database.writing() as session:
            row = session.get(DeviceRow, device.id)
            if row is None:
                # Logged before its first evidence: a bundle then needs nobody's word for whose key it was.
                enter(session, DEVICE_DOMAIN, write_enrolment(device))
                session.add(
                    DeviceRow(
                        id=device.id,
                        algorithm=device.algorithm,
                        public_key=device.public_key,
                        label=device.label,
                        valid_from=device.valid_from,
                        valid_until=device.valid_until,
                        revoked_at=device.revoked_at,
                    )
                )
            elif (row.algorithm, row.public_key, row.valid_from, row.valid_until) != (
                device.algorithm,
                device.public_key,
                device.valid_from,
                device.valid_until,
            ):
                raise Refused(
                    "DEVICE_KNOWN",
                    "A device of this name is enrolled with another key or period.",
                    where=device.id,
                    cure="Give the new device a name of its own: a name stands for one key for ever.",
                )

    def revoke(self, device_id: str, at: datetime) -> None:
        """Believe nothing of this device from `at` on; an earlier revocation stands. `Refused` DEVICE_UNKNOWN."""
        with self._database.writing() as session:
            row = session.get(DeviceRow, device_id)
            if row is None:
                raise _unknown(device_id)
            row.revoked_at = at if row.revoked_at is None else min(at, row.revoked_at)
            session.add(row)

    def devices(self) -> tuple[Device, ...]:
        """Every enrolled device, by id."""
        with self._database.reading() as session:
            return tuple(_device(row) for row in session.exec(select(DeviceRow).order_by(col(DeviceRow.id))))

    def device(self, device_id: str) -> Device:
        """The enrolled device. `Refused` DEVICE_UNKNOWN."""
        with self._database.reading() as session:
            row = session.get(DeviceRow, device_id)
        if row is None:
            raise _unknown(device_id)
        return _device(row)

    def last(self, device_id: str) -> Evidence | None:
        """The last evidence accepted from a device; None before its first."""
        with self._database.reading() as session:
            row = session.exec(_newest_of(device_id)).first()
        return None if row is None else _evidence(row)

    def held(self, evidence_digest: bytes) -> Held | None:
        """The evidence of this digest where it is held already."""
        with self._database.reading() as session:
            row = session.get(SegmentRow, evidence_digest)
        return None if row is None else Held(_evidence(row), row.entry, added=False)

    def add(self, evidence: Evidence, *, init_cid: str, received_at: datetime) -> Held:
        """Write evidence and its entry, both or neither; what is held already is answered and not written again.

        `Refused` EVIDENCE_REPEATED when another writer took the device's number meanwhile.
        """
        statement = evidence.segment
        with self._database.writing() as session:
            row = session.get(SegmentRow, evidence.digest)
            if row is not None:
                return Held(_evidence(row), row.entry, added=False)
            newest = session.exec(_newest_of(statement.device)).first()
            if statement.sequence != (0 if newest is None else newest.sequence) + 1:
                raise Refused(
                    "EVIDENCE_REPEATED" if newest and statement.sequence <= newest.sequence else "EVIDENCE_GAP",
                    f"Number {statement.sequence} is not the device's next one.",
                    where=statement.device,
                    cure="Ask for the device's last number, and send from there.",
                )
            entry = append_entry(
                session,
                domain=EVIDENCE_ENTRY_DOMAIN,
                canonical=evidence.signed.envelope(),
                object_digest=evidence.digest,
            )
            session.add(_segment_row(evidence, entry.index, init_cid, received_at))
            return Held(evidence, entry.index, added=True)

    def segments_of_lots(self, lots: Iterable[str]) -> tuple[StoredSegment, ...]:
        """The segments filmed for any of these lots (normal identifiers), in the order they were filmed."""
        query = (
            select(SegmentRow)
            .where(col(SegmentRow.lot).in_(list(lots)))
            .order_by(col(SegmentRow.recorded_from), col(SegmentRow.entry))
            .limit(MAX_SEGMENTS_OF_LOTS)
        )
        with self._database.reading() as session:
            return tuple(_stored(row) for row in session.exec(query))

    def segments_of_recording(self, recording: str) -> tuple[StoredSegment, ...]:
        """The segments of one recording key, in order; empty where it is unknown."""
        query = select(SegmentRow).where(SegmentRow.recording == recording).order_by(col(SegmentRow.sequence))
        with self._database.reading() as session:
            return tuple(_stored(row) for row in session.exec(query))

    def segment_at(self, entry: int) -> StoredSegment | None:
        """The segment that entry `entry` of the log is about, if it is about one."""
        with self._database.reading() as session:
            row = session.exec(select(SegmentRow).where(SegmentRow.entry == entry)).first()
        return None if row is None else _stored(row)

    def is_video(self, cid: str) -> bool:
        """Whether these bytes came in as video with evidence, and so may be served as such."""
        named = select(SegmentRow.entry).where((SegmentRow.media_cid == cid) | (SegmentRow.init_cid == cid)).limit(1)
        with self._database.reading() as session:
            return session.exec(named).first() is not None


def recording_key(statement: SegmentStatement) -> str:
    """32 hex digits that name a recording: what one device calls so, and only with one initialisation part.

    Two devices may use one name, and a restarted camera may repeat its own: their segments would not play as one.
    """
    named = [statement.device, statement.recording, statement.media.init_sha256.hex()]
    return digest(_RECORDING_DOMAIN, canonical_json(named)).hex()[:32]


def normal_lot(text: str) -> str:
    """The form lots are looked up by: the normal identifier, or the text itself where it is none."""
    try:
        identifier = parse(text)
    except BadInput:
        return text
    return (identifier.lot() or identifier).normal


def _segment_row(evidence: Evidence, entry: int, init_cid: str, received_at: datetime) -> SegmentRow:
    statement = evidence.segment
    return SegmentRow(
        digest=evidence.digest,
        entry=entry,
        device=statement.device,
        sequence=statement.sequence,
        recording=recording_key(statement),
        lot=normal_lot(statement.lot),
        step=statement.step,
        place=statement.place,
        recorded_from=statement.recorded_from,
        recorded_until=statement.recorded_until,
        statement=evidence.signed.statement_bytes,
        signature=evidence.signed.signature,
        init_cid=init_cid,
        media_cid=statement.media.cid,
        received_at=received_at,
    )


def _evidence(row: SegmentRow) -> Evidence:
    try:
        statement = read_segment(row.statement)
    except BadInput as error:
        raise Refused(
            "STORE_DAMAGED",
            "Stored evidence can no longer be read: the database was changed from outside.",
            where=f"entry {row.entry}",
            cure="Restore the database from a copy.",
        ) from error
    return Evidence(statement, SignedEvidence(row.statement, row.signature), row.digest)


def _stored(row: SegmentRow) -> StoredSegment:
    evidence = _evidence(row)
    return StoredSegment(
        evidence.segment,
        evidence.signed,
        row.entry,
        row.recording,
        row.init_cid,
        row.media_cid,
        row.received_at,
    )


def _device(row: DeviceRow) -> Device:
    algorithm = as_algorithm(row.algorithm)
    return Device(row.id, row.public_key, row.label, row.valid_from, row.valid_until, row.revoked_at, algorithm)


def _newest_of(device_id: str) -> SelectOfScalar[SegmentRow]:
    return select(SegmentRow).where(SegmentRow.device == device_id).order_by(col(SegmentRow.sequence).desc()).limit(1)


def _unknown(device_id: str) -> Refused:
    return Refused(
        "DEVICE_UNKNOWN",
        "No device of this name is enrolled.",
        where=ascii(device_id)[:80],
        cure="Enrol the device with its public key first.",
    )
