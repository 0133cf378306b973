"""Whether to believe a device: its signature, its place in the device's chain, its times, the device's
standing.

What this proves: who said it, that it follows what was said before, and that no byte changed. What it cannot
prove: that the lens looked at the goods. May never happen here: parsing before the signature holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ledger.canonical import domain_separated
from ledger.errors import BadInput, Refused, WrongUse
from ledger.evidence.fields import NO_PREVIOUS
from ledger.evidence.keys import Algorithm, check_public_key, verify_signature
from ledger.evidence.segment import SegmentStatement
from ledger.evidence.signed import SignedEvidence
from ledger.evidence.statement import EVIDENCE_DOMAIN, MAX_STATEMENT_BYTES, Statement, as_segment, read_statement

CLOCK_SKEW = timedelta(minutes=2)  # how far a device's clock may run ahead of the receiver's
DURATION_SLACK = timedelta(seconds=1)  # frames do not end on the clock's millisecond


@dataclass(frozen=True, slots=True)
class Device:
    """An enrolled device: its public key (32 bytes for Ed25519, 65 for P-256) and when it may speak (UTC)."""

    id: str
    public_key: bytes
    label: str
    valid_from: datetime
    valid_until: datetime
    revoked_at: datetime | None = None
    algorithm: Algorithm = "Ed25519"

    def __post_init__(self) -> None:
        check_public_key(self.algorithm, self.public_key)
        times = (self.valid_from, self.valid_until, self.revoked_at or self.valid_from)
        if any(moment.utcoffset() is None for moment in times) or self.valid_from >= self.valid_until:
            raise BadInput("DEVICE_PERIOD", "A device is valid from a time until a later one, both with a time zone.")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Verified evidence; only `verify_evidence` makes one. `digest` is the next one's `previous`."""

    statement: Statement
    signed: SignedEvidence
    digest: bytes

    @property
    def segment(self) -> SegmentStatement:
        """The statement of evidence that is about video. `BadInput` EVIDENCE_KIND for a reading or a gap."""
        return as_segment(self.statement)


def verify_evidence(
    signed: SignedEvidence, *, device: Device, previous: Evidence | None, received_at: datetime
) -> Evidence:
    """Believe `signed` as the statement of `device` that follows `previous`, or refuse it.

    `previous`: the last evidence accepted from this device, None before its first. `received_at`: UTC;
    when the ledger took it in, and for history the time of the first cosigned checkpoint that covers it.

    Raises `Refused` EVIDENCE_SIGNATURE, DEVICE_MISMATCH, DEVICE_NOT_VALID, DEVICE_REVOKED, EVIDENCE_REPEATED,
    EVIDENCE_FORK (two statements of one number: keep both), EVIDENCE_GAP, EVIDENCE_PREVIOUS, EVIDENCE_TIME;
    `BadInput` EVIDENCE_SIZE and what `read_statement` raises; `WrongUse` for another device's `previous`.
    """
    if received_at.utcoffset() is None:
        raise WrongUse("TIME_ZONE", "The time of receipt has no time zone.", cure="Pass a UTC time.")
    if len(signed.statement_bytes) > MAX_STATEMENT_BYTES:
        raise BadInput("EVIDENCE_SIZE", f"A statement has at most {MAX_STATEMENT_BYTES} bytes.", where=device.id)
    _check_signature(signed, device)
    statement = read_statement(signed.statement_bytes)
    if statement.device != device.id:
        raise Refused("DEVICE_MISMATCH", f"The statement is {statement.device}'s, not {device.id}'s.", where=device.id)
    _check_standing(statement, device, received_at)
    _check_order(statement, signed.digest, previous)
    _check_times(statement, previous, received_at)
    return Evidence(statement, signed, signed.digest)


def verify_stretch(signed: Sequence[SignedEvidence], *, device: Device, received_at: datetime) -> tuple[Evidence, ...]:
    """Believe consecutive statements of `device` whose earlier ones are not at hand, or refuse them.

    For an excerpt of the device's chain, such as one lot's recordings: what the first one follows stays unproven,
    unless it is the device's number 1. Raises what `verify_evidence` raises.
    """
    found: list[Evidence] = []
    for each in signed:
        if found:
            found.append(verify_evidence(each, device=device, previous=found[-1], received_at=received_at))
            continue
        _check_signature(each, device)
        statement = read_statement(each.statement_bytes)
        if statement.sequence == 1 or statement.device != device.id:
            found.append(verify_evidence(each, device=device, previous=None, received_at=received_at))
            continue
        _check_standing(statement, device, received_at)
        _check_times(statement, None, received_at)
        found.append(Evidence(statement, each, each.digest))
    return tuple(found)


def _check_signature(signed: SignedEvidence, device: Device) -> None:
    try:
        message = domain_separated(EVIDENCE_DOMAIN, signed.statement_bytes)
        verify_signature(device.algorithm, device.public_key, message, signed.signature)
    except Refused as error:
        raise Refused(
            "EVIDENCE_SIGNATURE",
            "The device's key did not sign these bytes.",
            where=device.id,
            cure="Check that the enrolled key is the one in the device, and that nothing changed on the way.",
        ) from error


def _check_standing(statement: Statement, device: Device, received_at: datetime) -> None:
    if statement.begins < device.valid_from or statement.ends > device.valid_until:
        raise _refused("DEVICE_NOT_VALID", "The device was not enrolled for the time it speaks of", statement)
    # Whoever holds a stolen key can date statements back, so what counts is also when this one arrived.
    revoked = device.revoked_at
    if revoked is not None and (received_at >= revoked or statement.ends > revoked):
        raise _refused("DEVICE_REVOKED", f"The device's key was revoked at {revoked.isoformat()}", statement)


def _check_order(statement: Statement, digest: bytes, previous: Evidence | None) -> None:
    if previous is not None and previous.statement.device != statement.device:
        raise WrongUse("DEVICE_MISMATCH", "The previous evidence is another device's.", where=statement.device)
    last, expected = (0, NO_PREVIOUS) if previous is None else (previous.statement.sequence, previous.digest)
    if previous is not None and statement.sequence == last and digest != previous.digest:
        raise _refused("EVIDENCE_FORK", f"The device made two different statements of number {last}", statement)
    if statement.sequence <= last:
        raise _refused("EVIDENCE_REPEATED", f"The device is already at number {last}", statement)
    if statement.sequence != last + 1:
        raise _refused("EVIDENCE_GAP", f"Number {last + 1} is missing before it", statement)
    if statement.previous != expected:
        raise _refused("EVIDENCE_PREVIOUS", f"It does not follow the number {last} that is known here", statement)


def _check_times(statement: Statement, previous: Evidence | None, received_at: datetime) -> None:
    if isinstance(statement, SegmentStatement) and statement.ends <= statement.begins:
        raise _refused("EVIDENCE_TIME", "It ends before it begins", statement)
    if previous is not None and statement.begins < previous.statement.ends:
        raise _refused("EVIDENCE_TIME", "It begins before the device's previous evidence ends", statement)
    if statement.ends > received_at + CLOCK_SKEW:
        raise _refused("EVIDENCE_TIME", "It speaks of a time later than it was received", statement)
    if not isinstance(statement, SegmentStatement):
        return
    shown = statement.ends - statement.begins
    if abs(shown - timedelta(milliseconds=statement.media.duration_ms)) > DURATION_SLACK:
        raise _refused("EVIDENCE_TIME", "Its video is longer or shorter than the time it claims", statement)


def _refused(code: str, reason: str, statement: Statement) -> Refused:
    return Refused(code, f"{reason}.", where=f"{statement.device} number {statement.sequence}")
