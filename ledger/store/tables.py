"""The tables, and nothing but the tables. Their order is the journey's: devices, evidence, events, log, chains, papers.

Digests and keys are bytes, times are UTC text (`UtcTime`). What a row says is checked before it is written, by the
pure modules; nothing read back from here convinces a notary or a contract.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from ledger.store.columns import ExactJson, UtcTime

SCHEMA_VERSION = 6


class DeviceRow(SQLModel, table=True):
    """An enrolled device (`ledger.evidence.Device`)."""

    __tablename__ = "device"
    id: str = Field(primary_key=True)
    algorithm: str
    public_key: bytes = Field(unique=True)  # of one device, for ever
    label: str
    valid_from: datetime = Field(sa_type=UtcTime)
    valid_until: datetime = Field(sa_type=UtcTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcTime)
    attested_by: str | None = None  # the maker whose certificate vouches for the key; None: it only vouches for itself
    terms: bytes | None = None  # the newest `ledger.evidence.terms`, as logged
    released_after: int | None = Field(default=None, sa_type=BigInteger)


class EntryRow(SQLModel, table=True):
    """One leaf of the log. `object_digest` names what was logged; the public only ever sees `digest`.

    `salt` is empty once the object was erased (`ErasedRow`): then nobody can say any more what `digest` is over.
    """

    __tablename__ = "entry"
    __table_args__ = (UniqueConstraint("domain", "object_digest"),)
    index: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    digest: bytes
    salt: bytes
    domain: str
    object_digest: bytes


class StatementRow(SQLModel, table=True):
    """A logged statement with no table of its own: an enrolment, a trust root."""

    __tablename__ = "statement"
    digest: bytes = Field(primary_key=True)
    entry: int = Field(unique=True, foreign_key="entry.index")
    domain: str = Field(index=True)
    canonical: bytes


class EvidenceRow(SQLModel, table=True):
    """One statement of a device, of any kind, kept as the bytes the device signed."""

    __tablename__ = "evidence"
    __table_args__ = (
        UniqueConstraint("device", "sequence"),
        Index("evidence_by_time", "device", "trusted_time", "ends"),
    )
    digest: bytes = Field(primary_key=True)  # of the statement: what the device's next one names
    entry: int = Field(foreign_key="entry.index", sa_type=BigInteger, unique=True)
    device: str = Field(foreign_key="device.id")
    sequence: int = Field(sa_type=BigInteger)
    place: str | None = None
    begins: datetime = Field(sa_type=UtcTime)
    ends: datetime = Field(sa_type=UtcTime)
    trusted_time: bool  # False: shown, and never used to decide anything about a loan
    statement: bytes
    signature: bytes
    received_at: datetime = Field(sa_type=UtcTime)


class SegmentRow(SQLModel, table=True):
    """What is asked about the video of a piece of evidence."""

    __tablename__ = "segment"
    digest: bytes = Field(primary_key=True, foreign_key="evidence.digest")
    recording: str = Field(index=True)  # `recording_key`: device, recording and initialisation part together
    lot: str = Field(index=True)  # normal form where it is an identifier
    step: str
    init_cid: str = Field(index=True)
    media_cid: str = Field(index=True)


class SignedVideoRow(SQLModel, table=True):
    """What the signatures inside a segment's video showed when it came in (`ledger.media_signing.archive`)."""

    __tablename__ = "signed_video"
    digest: bytes = Field(primary_key=True, foreign_key="evidence.digest")
    document: bytes  # canonical JSON
    judged_at: datetime = Field(sa_type=UtcTime)


class ReadingRow(SQLModel, table=True):
    """What is asked about a reading: the newest trusted value of a subject, without reading every statement."""

    __tablename__ = "reading"
    __table_args__ = (
        Index("reading_by_subject", "subject", "quantity", "observed_at"),
        Index("reading_by_place", "place", "quantity", "observed_at"),
    )
    digest: bytes = Field(primary_key=True, foreign_key="evidence.digest")
    place: str | None = None
    subject: str
    quantity: str
    value: str  # as signed
    unit: str
    observed_at: datetime = Field(sa_type=UtcTime)
    usable: bool  # False: its time or value is doubted, and no rule about a loan may use it


class AnnouncementRow(SQLModel, table=True):
    """A segment's statement that came ahead of its video. Without evidence of its digest, the video is missing."""

    __tablename__ = "announcement"
    digest: bytes = Field(primary_key=True)
    device: str = Field(foreign_key="device.id", index=True)
    sequence: int = Field(sa_type=BigInteger)
    envelope: bytes
    received_at: datetime = Field(sa_type=UtcTime)


class FindingRow(SQLModel, table=True):
    """A finding about a device; what it says is the logged statement of the same digest."""

    __tablename__ = "finding"
    digest: bytes = Field(primary_key=True, foreign_key="statement.digest")
    entry: int = Field(foreign_key="entry.index", sa_type=BigInteger, unique=True)
    device: str = Field(foreign_key="device.id", index=True)
    code: str
    sequence: int | None = Field(default=None, sa_type=BigInteger)
    found_at: datetime = Field(sa_type=UtcTime)
    kept: bytes | None = None  # the envelope of a statement that was refused


class EventRow(SQLModel, table=True):
    """One EPCIS event as its canonical bytes."""

    __tablename__ = "event"
    digest: bytes = Field(primary_key=True)
    entry: int = Field(foreign_key="entry.index", sa_type=BigInteger, unique=True)
    event_id: str | None = Field(default=None, index=True)
    type: str
    biz_step: str | None
    event_time: datetime = Field(sa_type=UtcTime, index=True)
    declared_wrong: bool
    canonical: bytes
    received_at: datetime = Field(sa_type=UtcTime)


class EventIdentifierRow(SQLModel, table=True):
    """Which event is about which identifier, in its normal form."""

    __tablename__ = "event_identifier"
    identifier: str = Field(primary_key=True)
    event: bytes = Field(primary_key=True, foreign_key="event.digest", index=True)


class ErasedRow(SQLModel, table=True):
    """An entry whose object was erased; what it says is the logged record (`ledger.erasure`) of the same digest."""

    __tablename__ = "erased"
    __table_args__ = (Index("erased_by_device", "device", "sequence"),)
    entry: int = Field(primary_key=True, foreign_key="entry.index", sa_type=BigInteger)
    digest: bytes = Field(unique=True, foreign_key="statement.digest")
    kind: str
    erased_at: datetime = Field(sa_type=UtcTime)
    reason: str
    device: str | None = None  # of evidence: its next statement still has to follow
    sequence: int | None = Field(default=None, sa_type=BigInteger)


class ErasedMarkRow(SQLModel, table=True):
    """What an erased entry was about, as `ledger.erasure.mark_of`: found by who names it, and not readable."""

    __tablename__ = "erased_mark"
    mark: bytes = Field(primary_key=True)
    entry: int = Field(primary_key=True, foreign_key="erased.entry", sa_type=BigInteger)


class ErasureWorkRow(SQLModel, table=True):
    """What is still to be done after an erasure was written: a file to delete, or the pages to write anew."""

    __tablename__ = "erasure_work"
    what: str = Field(primary_key=True)


class CheckpointRow(SQLModel, table=True):
    """Each state the log has signed: kept for ever, so that it never signs another root for the same size."""

    __tablename__ = "checkpoint"
    size: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    note: bytes
    made_at: datetime = Field(sa_type=UtcTime)
    cosigned: bytes | None = None
    cosigned_at: datetime | None = Field(default=None, sa_type=UtcTime)
    stamp: bytes | None = None  # an RFC 3161 timestamp over `cosigned`


class BlockRow(SQLModel, table=True):
    """A block that was folded; the highest of a chain is its cursor."""

    __tablename__ = "block"
    chain_id: int = Field(primary_key=True, sa_type=BigInteger)
    number: int = Field(primary_key=True, sa_type=BigInteger)
    hash: bytes
    parent_hash: bytes
    time: int | None = Field(default=None, sa_type=BigInteger)  # POSIX seconds


class ChainFactRow(SQLModel, table=True):
    """One log of one of our contracts, decoded."""

    __tablename__ = "chain_fact"
    __table_args__ = (UniqueConstraint("chain_id", "block", "log_index"),)
    id: int | None = Field(default=None, primary_key=True)
    chain_id: int = Field(sa_type=BigInteger)
    block: int = Field(sa_type=BigInteger)
    block_hash: bytes
    transaction: bytes = Field(index=True)
    log_index: int
    contract: str
    event: str
    fields: Any = Field(sa_type=ExactJson)
    time: int | None = Field(default=None, sa_type=BigInteger)  # the block's, POSIX seconds


class FactSubjectRow(SQLModel, table=True):
    """Which fact names which 32-byte id: message, loan, receipt, goods key, root."""

    __tablename__ = "chain_fact_subject"
    __table_args__ = (Index("chain_fact_subject_by_fact", "fact"),)
    subject: bytes = Field(primary_key=True)
    fact: int = Field(primary_key=True, foreign_key="chain_fact.id")


class LotRow(SQLModel, table=True):
    """A lot and what people call it."""

    __tablename__ = "lot"
    goods_key: bytes = Field(primary_key=True)
    identifier: str = Field(unique=True)
    name_en: str
    name_zh: str


class LotStepRow(SQLModel, table=True):
    """The steps a lot is said to go through: a step without evidence is shown as unproven."""

    __tablename__ = "lot_step"
    goods_key: bytes = Field(primary_key=True, foreign_key="lot.goods_key")
    position: int = Field(primary_key=True)
    step: str


class PlaceRow(SQLModel, table=True):
    """A place that may be shown to everybody under a name; what is not here is shown to nobody outside."""

    __tablename__ = "place"
    identifier: str = Field(primary_key=True)
    name_en: str
    name_zh: str


class ReceiptDocumentRow(SQLModel, table=True):
    """The paper behind a warehouse receipt on chain."""

    __tablename__ = "receipt_document"
    receipt_id: bytes = Field(primary_key=True)
    number: str
    keeper: str
    goods_key: bytes
    quantity: str  # decimal
    unit: str


class LoanDocumentRow(SQLModel, table=True):
    """The paper behind a loan on chain."""

    __tablename__ = "loan_document"
    loan_id: bytes = Field(primary_key=True)
    number: str
    lender: str
    receipt_id: bytes
    amount: str  # decimal
    currency: str


class ScanRow(SQLModel, table=True):
    """How often one unit's page was opened from its code. No address and no device of a reader is kept."""

    __tablename__ = "scan"
    unit: str = Field(primary_key=True)
    times: int
    first_at: datetime = Field(sa_type=UtcTime)
    last_at: datetime = Field(sa_type=UtcTime)
