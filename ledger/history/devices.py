"""One device's account for operators: what it is, what it was last heard to say, what is wrong with it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ledger.canonical import parse_json
from ledger.evidence import Code, Device, Terms
from ledger.history.silence import outcome_of
from ledger.store import SqlEvidenceBook, StoredFinding


@dataclass(frozen=True, slots=True)
class DeviceAccount:
    """A device, its newest terms, the maker that vouches for it, its last number, its findings by code,
    and the segments it announced and whose video has not come."""

    device: Device
    terms: Terms | None
    attested_by: str | None
    last_number: int
    findings: dict[str, int]
    announced: tuple[int, ...]


def account_of(book: SqlEvidenceBook, device_id: str) -> DeviceAccount:
    """The account of an enrolled device. `Refused` DEVICE_UNKNOWN."""
    device, terms, past = book.known(device_id)
    codes = Counter(str(stored.finding.code) for stored in book.findings(device_id))
    return DeviceAccount(
        device, terms, book.attested_by(device_id), past.number, dict(codes), book.announced(device_id)
    )


def account_as_json(account: DeviceAccount) -> dict[str, object]:
    """A device as the operator sees it."""
    device, terms = account.device, account.terms
    return {
        "device": device.id,
        "label": device.label,
        "algorithm": device.algorithm,
        "key": device.public_key.hex(),
        "attestedBy": account.attested_by,
        "validFrom": device.valid_from.isoformat(),
        "validUntil": device.valid_until.isoformat(),
        "revokedAt": None if device.revoked_at is None else device.revoked_at.isoformat(),
        "lastNumber": account.last_number,
        "terms": None if terms is None else parse_json(terms.canonical()),
        "findings": account.findings,
        "announcedWithoutVideo": list(account.announced),
    }


def finding_as_json(book: SqlEvidenceBook, stored: StoredFinding) -> dict[str, object]:
    """A finding with the index of its log entry, for the API; of a silence also what became of it."""
    finding = stored.finding
    told: dict[str, object] = {
        "code": finding.code,
        "device": finding.device,
        "sequence": finding.sequence,
        "what": finding.what,
        "foundAt": finding.found_at.isoformat(),
        "facts": dict(finding.facts),
        "kept": finding.kept.decode() if finding.kept else None,
        "entry": stored.entry,
    }
    if finding.code is Code.SILENCE:
        outcome = outcome_of(book, finding)
        over_at = None if outcome.over_at is None else outcome.over_at.isoformat()
        told |= {"overAt": over_at, "answered": outcome.is_answered}
    return told
