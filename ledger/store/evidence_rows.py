"""Rows of evidence: what is written of a judged statement, and what is read back as the bytes the device signed.

May never happen here: a column that does not follow from the statement, or stored bytes that are believed unread.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ledger.canonical import canonical_json, digest
from ledger.errors import BadInput, Refused
from ledger.evidence import (
    Evidence,
    Judged,
    ReadingStatement,
    SegmentStatement,
    SignedEvidence,
    Statement,
    read_statement,
)
from ledger.gs1 import parse
from ledger.store.tables import EvidenceRow, ReadingRow, SegmentRow

_RECORDING_DOMAIN = "pledgetrail/recording/v1/json"


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
    trusted_time: bool = True


@dataclass(frozen=True, slots=True)
class StoredEvidence:
    """One statement of any kind as kept. `trusted_time`: False where no rule may use its times."""

    statement: Statement
    signed: SignedEvidence
    entry: int
    trusted_time: bool
    received_at: datetime


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


def evidence_row(judged: Judged, entry: int, received_at: datetime) -> EvidenceRow:
    """What is written of a statement of any kind, under its log entry. `received_at`: UTC."""
    evidence, statement = judged.evidence, judged.evidence.statement
    return EvidenceRow(
        digest=evidence.digest,
        entry=entry,
        device=statement.device,
        sequence=statement.sequence,
        place=getattr(statement, "place", None),
        begins=statement.begins,
        ends=statement.ends,
        trusted_time=judged.trusted_time,
        statement=evidence.signed.statement_bytes,
        signature=evidence.signed.signature,
        received_at=received_at,
    )


def segment_row(evidence: Evidence, statement: SegmentStatement, init_cid: str) -> SegmentRow:
    """What is written beside that of a segment. `init_cid`: of its initialisation part."""
    return SegmentRow(
        digest=evidence.digest,
        recording=recording_key(statement),
        lot=normal_lot(statement.lot),
        step=statement.step,
        init_cid=init_cid,
        media_cid=statement.media.cid,
    )


def reading_row(judged: Judged, statement: ReadingStatement) -> ReadingRow:
    """What is written beside that of a reading."""
    return ReadingRow(
        digest=judged.evidence.digest,
        place=statement.place,
        subject=statement.subject,
        quantity=statement.quantity,
        value=statement.value,
        unit=statement.unit,
        observed_at=statement.observed_at,
        usable=judged.usable,
    )


def read_row(row: EvidenceRow) -> Evidence:
    """The evidence of a row. `Refused` STORE_DAMAGED."""
    return read_evidence(row.statement, row.signature, row.digest, row.entry)


def read_evidence(raw: bytes, signature: bytes, evidence_digest: bytes, entry: int) -> Evidence:
    """Evidence from its columns: it was verified when it came in. `Refused` STORE_DAMAGED."""
    try:
        statement = read_statement(raw)
    except BadInput as error:
        raise Refused(
            "STORE_DAMAGED",
            "Stored evidence can no longer be read: the database was changed from outside.",
            where=f"entry {entry}",
            cure="Restore the database from a copy.",
        ) from error
    return Evidence(statement, SignedEvidence(raw, signature), evidence_digest)


def stored_evidence(row: EvidenceRow) -> StoredEvidence:
    """A row as readers are given it. `Refused` STORE_DAMAGED."""
    evidence = read_row(row)
    return StoredEvidence(evidence.statement, evidence.signed, row.entry, row.trusted_time, row.received_at)


def stored_segment(row: EvidenceRow, segment: SegmentRow) -> StoredSegment:
    """A segment's two rows as readers are given them. `Refused` STORE_DAMAGED."""
    evidence = read_row(row)
    if not isinstance(evidence.statement, SegmentStatement):
        raise Refused("STORE_DAMAGED", "A segment's evidence is of another kind.", where=f"entry {row.entry}")
    return StoredSegment(
        evidence.statement,
        evidence.signed,
        row.entry,
        segment.recording,
        segment.init_cid,
        segment.media_cid,
        row.received_at,
        row.trusted_time,
    )
