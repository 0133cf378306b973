"""Devices in the tables: enrolment, terms, orders and findings, each written together with its log entry.

May never happen here: a name that stands for two keys, a key that stands under two names, a revocation that is taken
back, or a change that the log does not know.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, func, select

from ledger.bundle.enrolment import DEVICE_DOMAIN, write_enrolment
from ledger.errors import Refused
from ledger.evidence import (
    FINDING_DOMAIN,
    ORDER_DOMAIN,
    TERMS_DOMAIN,
    Code,
    Device,
    DeviceFinding,
    DeviceOrder,
    Terms,
)
from ledger.evidence.fields import read_time
from ledger.evidence.findings import read_finding, to_millisecond
from ledger.evidence.keys import as_algorithm
from ledger.evidence.request import REQUEST_DOMAIN
from ledger.evidence.terms import read_terms
from ledger.store.columns import read_utc
from ledger.store.database import Database
from ledger.store.statement_book import enter
from ledger.store.tables import DeviceRow, EvidenceRow, FindingRow, StatementRow

MAX_FINDINGS = 1000
_DEVICE_AND_TERMS = (
    "SELECT algorithm, public_key, label, valid_from, valid_until, revoked_at, terms FROM device WHERE id = ?"
)


@dataclass(frozen=True, slots=True)
class StoredFinding:
    """A finding and the index of its log entry."""

    finding: DeviceFinding
    entry: int


def enrol(database: Database, device: Device, *, attested_by: str | None = None, request: bytes = b"") -> None:
    """Enrol and log a device, or repeat that.

    `attested_by`: the maker that vouches for the key. `request`: what the device asked with, logged too.
    `Refused` DEVICE_KNOWN: the id has another key or period; KEY_KNOWN: the key speaks under another name.
    """
    with database.writing() as session:
        row = session.get(DeviceRow, device.id)
        if row is not None:
            _check_same(row, device)
            return
        _check_key_is_new(session, device)
        # Logged before its first evidence: a bundle then needs nobody's word for whose key it was.
        enter(session, DEVICE_DOMAIN, write_enrolment(device))
        if request:
            enter(session, REQUEST_DOMAIN, request)
        session.add(
            DeviceRow(
                id=device.id,
                algorithm=device.algorithm,
                public_key=device.public_key,
                label=device.label,
                valid_from=device.valid_from,
                valid_until=device.valid_until,
                revoked_at=device.revoked_at,
                attested_by=attested_by,
            )
        )


def revoke(database: Database, device_id: str, at: datetime, reason: str) -> None:
    """Believe nothing of this device from `at` on; an earlier revocation stands. `Refused` DEVICE_UNKNOWN."""
    at = to_millisecond(at)
    with database.writing() as session:
        row = _row(session, device_id)
        if row.revoked_at is not None and row.revoked_at <= at:
            return
        order = DeviceOrder("revocation", device_id, at, _last_number(session, device_id), reason)
        enter(session, ORDER_DOMAIN, order.canonical())
        row.revoked_at = at
        session.add(row)


def release(database: Database, device_id: str, at: datetime, reason: str) -> int:
    """Let the device's next statement come in any form; returns the number after which. `Refused` DEVICE_UNKNOWN."""
    with database.writing() as session:
        row = _row(session, device_id)
        after = _last_number(session, device_id)
        order = DeviceOrder("release", device_id, to_millisecond(at), after, reason)
        enter(session, ORDER_DOMAIN, order.canonical())
        row.released_after = after
        session.add(row)
        return after


def agree(database: Database, terms_: Terms) -> None:
    """Give a device new terms, logged. `Refused` DEVICE_UNKNOWN."""
    canonical = terms_.canonical()
    with database.writing() as session:
        row = _row(session, terms_.device)
        enter(session, TERMS_DOMAIN, canonical)
        row.terms = canonical
        session.add(row)


def all_devices(database: Database) -> tuple[Device, ...]:
    """Every enrolled device, by id."""
    with database.reading() as session:
        return tuple(_device(row) for row in session.exec(select(DeviceRow).order_by(col(DeviceRow.id))))


def device(database: Database, device_id: str) -> Device:
    """The enrolled device. `Refused` DEVICE_UNKNOWN."""
    with database.reading() as session:
        return _device(_row(session, device_id))


def terms(database: Database, device_id: str) -> Terms | None:
    """The device's newest terms; None where it has none. `Refused` DEVICE_UNKNOWN."""
    with database.reading() as session:
        row = _row(session, device_id)
    return None if row.terms is None else read_terms(row.terms)


def device_and_terms(connection: sqlite3.Connection, device_id: str) -> tuple[Device, Terms | None]:
    """Both, inside the caller's transaction, without a session: every statement asks. `Refused` DEVICE_UNKNOWN."""
    found = connection.execute(_DEVICE_AND_TERMS, (device_id,)).fetchone()
    if found is None:
        raise _unknown(device_id)
    algorithm, key, label, valid_from, valid_until, revoked_at, terms = found
    device = Device(
        device_id,
        key,
        label,
        read_utc(valid_from),
        read_utc(valid_until),
        None if revoked_at is None else read_utc(revoked_at),
        as_algorithm(algorithm),
    )
    return device, None if terms is None else read_terms(terms)


def attested_by(database: Database, device_id: str) -> str | None:
    """The maker whose certificate vouches for the device's key; None: it is self-stated. `Refused` DEVICE_UNKNOWN."""
    with database.reading() as session:
        return _row(session, device_id).attested_by


def enter_finding(session: Session, finding: DeviceFinding) -> None:
    """Log a finding inside the caller's write; the same one again, or about the same bytes, changes nothing."""
    if finding.kept:  # a device that tries again what was refused adds nothing
        same = select(FindingRow.digest).where(FindingRow.device == finding.device, FindingRow.code == finding.code)
        if session.exec(same.where(FindingRow.kept == finding.kept).limit(1)).first() is not None:
            return
    statement = enter(session, FINDING_DOMAIN, finding.canonical())
    session.flush()
    if session.get(FindingRow, statement.digest) is None:
        session.add(
            FindingRow(
                digest=statement.digest,
                entry=statement.entry,
                device=finding.device,
                code=finding.code,
                sequence=finding.sequence,
                found_at=finding.found_at,
                kept=finding.kept or None,
            )
        )


def enter_silence(database: Database, finding: DeviceFinding) -> bool:
    """Keep a silence; False where one that began then is kept, whoever found it. `facts`: at least `since`."""
    since = finding.facts["since"]
    with database.writing() as session:  # looked up and entered at once: several processes watch
        if since in _silent_since(session, finding.device, read_time(since)):
            return False
        enter_finding(session, finding)
        return True


def _silent_since(session: Session, device_id: str, since: datetime) -> set[str]:
    """When each silence of the device began that was found after `since`."""
    query = (
        select(StatementRow.canonical)
        .join(FindingRow, col(FindingRow.digest) == col(StatementRow.digest))
        .where(FindingRow.device == device_id, FindingRow.code == Code.SILENCE, FindingRow.found_at >= since)
    )
    return {read_finding(canonical).facts["since"] for canonical in session.exec(query)}


def watched(database: Database) -> tuple[str, ...]:
    """The devices that always speak: their newest terms set a cadence; by name."""
    query = select(DeviceRow.id, DeviceRow.terms).where(col(DeviceRow.terms).is_not(None)).order_by(col(DeviceRow.id))
    with database.reading() as session:
        return tuple(name for name, raw in session.exec(query) if raw and read_terms(raw).every_seconds)


def findings(database: Database, device_id: str | None, *, limit: int = MAX_FINDINGS) -> tuple[StoredFinding, ...]:
    """Findings about one device or about all, the newest first."""
    query = select(FindingRow, StatementRow.canonical).where(FindingRow.digest == StatementRow.digest)
    if device_id is not None:
        query = query.where(FindingRow.device == device_id)
    with database.reading() as session:
        rows = session.exec(query.order_by(col(FindingRow.entry).desc()).limit(limit))
        return tuple(StoredFinding(read_finding(canonical, row.kept or b""), row.entry) for row, canonical in rows)


def _check_same(row: DeviceRow, device_: Device) -> None:
    held = (row.algorithm, row.public_key, row.valid_from, row.valid_until)
    if held != (device_.algorithm, device_.public_key, device_.valid_from, device_.valid_until):
        raise Refused(
            "DEVICE_KNOWN",
            "A device of this name is enrolled with another key or period.",
            where=device_.id,
            cure="Give the new device a name of its own: a name stands for one key for ever.",
        )


def _check_key_is_new(session: Session, device_: Device) -> None:
    other = session.exec(select(DeviceRow.id).where(DeviceRow.public_key == device_.public_key)).first()
    if other is not None:
        raise Refused(
            "KEY_KNOWN",
            "This key is enrolled already, under another name.",
            where=other,
            cure="Make a key of its own for each device: two devices with one key cannot be told apart.",
        )


def _row(session: Session, device_id: str) -> DeviceRow:
    row = session.get(DeviceRow, device_id)
    if row is None:
        raise _unknown(device_id)
    return row


def _unknown(device_id: str) -> Refused:
    return Refused(
        "DEVICE_UNKNOWN",
        "No device of this name is enrolled.",
        where=ascii(device_id)[:80],
        cure="Enrol the device with its public key first.",
    )


def _last_number(session: Session, device_id: str) -> int:
    return session.exec(select(func.max(col(EvidenceRow.sequence))).where(EvidenceRow.device == device_id)).one() or 0


def _device(row: DeviceRow) -> Device:
    algorithm = as_algorithm(row.algorithm)
    return Device(row.id, row.public_key, row.label, row.valid_from, row.valid_until, row.revoked_at, algorithm)
