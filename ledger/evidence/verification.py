"""Whether to believe a device: its signature, its place in the device's chain, its times, the device's
standing.

`verify_evidence` refuses whatever does not hold. `judge_evidence` is what a receiver asks: it refuses what can never
count, and takes with findings what must not be lost (`ledger/README.md` has the table).

What this proves: who said it, that it follows what was said before, and that no byte changed. What it cannot
prove: that the lens looked at the goods. May never happen here: believing what was read before the signature holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType

from ledger.canonical import domain_separated
from ledger.errors import BadInput, Refused, WrongUse
from ledger.evidence.expected import against_earlier, against_terms
from ledger.evidence.fields import NO_PREVIOUS, write_time
from ledger.evidence.findings import DOUBTS, Code, DeviceFinding, to_millisecond
from ledger.evidence.gap import GapStatement
from ledger.evidence.keys import Algorithm, check_public_key, verify_signature
from ledger.evidence.segment import SegmentStatement
from ledger.evidence.signed import SignedEvidence, Stated
from ledger.evidence.statement import EVIDENCE_DOMAIN, MAX_STATEMENT_BYTES, Statement, as_segment, read_statement
from ledger.evidence.terms import Terms

_RELEASED = MappingProxyType({"EVIDENCE_GAP": Code.GAP, "EVIDENCE_PREVIOUS": Code.CHAIN_BROKEN})

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


@dataclass(frozen=True, slots=True)
class ChainLink:
    """What a device's chain goes on from: all that stays of evidence once it is erased."""

    device: str
    sequence: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Past:
    """What the receiver holds of a device when its next statement comes.

    `previous`: its last evidence; None before its first. `trusted_until`: UTC; the latest time it stated that was
    trusted. `released_after`: the number whose successor an operator's release lets come in any form.
    `erased`: its last evidence where that was erased; `previous` is None then.
    """

    previous: Evidence | None = None
    trusted_until: datetime | None = None
    released_after: int | None = None
    erased: ChainLink | None = None

    @property
    def last(self) -> ChainLink | None:
        """Number and digest of the last evidence, erased or not."""
        return _link(self.previous) if self.erased is None else self.erased

    @property
    def number(self) -> int:
        """The last number that is held; 0 before the first."""
        return 0 if self.last is None else self.last.sequence

    @property
    def is_released(self) -> bool:
        """Whether a release stands that no statement has used up."""
        return self.released_after is not None and self.released_after >= self.number


@dataclass(frozen=True, slots=True)
class Judged:
    """Evidence to keep, with what is wrong about it; only `judge_evidence` makes one.

    `follows`: the digest of the evidence it was judged to come after; None where it is the device's first.
    """

    evidence: Evidence
    findings: tuple[DeviceFinding, ...]
    follows: bytes | None

    @property
    def trusted_time(self) -> bool:
        """Whether the times it states may be used to decide anything."""
        return all(finding.code is not Code.UNTRUSTED_TIME for finding in self.findings)

    @property
    def usable(self) -> bool:
        """Whether a loan's triggers may use what it states. A finding about another device says nothing against it."""
        own = (finding for finding in self.findings if finding.device == self.evidence.statement.device)
        return not any(finding.code in DOUBTS for finding in own)


class OutOfTurn(Refused):
    """EVIDENCE_GAP: a number came before its predecessor. `expected`: the number that is to come first."""

    def __init__(self, statement: Statement, expected: int) -> None:
        super().__init__(
            "EVIDENCE_GAP",
            f"Number {expected} is missing before it.",
            where=f"{statement.device} number {statement.sequence}",
            cure=f"Send number {expected} first. Where it is lost for good, ask the operator to release the device.",
        )
        self.expected = expected


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
    statement = read_signed(signed, device=device, received_at=received_at)
    _check_standing(statement, device, received_at)
    _check_order(statement, signed.digest, _link(previous))
    _check_own_times(statement)
    why = _distrusted(statement, device, None if previous is None else previous.statement.ends, received_at)
    if why:
        raise _refused("EVIDENCE_TIME", why, statement)
    return Evidence(statement, signed, signed.digest)


def judge_evidence(
    given: SignedEvidence | Stated, *, device: Device, past: Past, received_at: datetime, terms: Terms | None = None
) -> Judged:
    """Take `given` with its findings, or refuse it.

    Raises what `verify_evidence` raises, but for times that cannot be trusted: those are a finding, and so is what an
    operator's release lets pass. `OutOfTurn` where its predecessor is missing.
    """
    evidence = _read_evidence(given, device, received_at)
    order = _judge_order(evidence.statement, evidence.digest, past)
    return _judge(evidence, device, past, received_at, terms, order)


def _read_evidence(given: SignedEvidence | Stated, device: Device, received_at: datetime) -> Evidence:
    """What the device signed; its place in the device's chain and its times are not judged yet."""
    statement = read_signed(given, device=device, received_at=received_at)
    signed = given.signed if isinstance(given, Stated) else given
    return Evidence(statement, signed, signed.digest)


def _judge(
    evidence: Evidence,
    device: Device,
    past: Past,
    received_at: datetime,
    terms: Terms | None,
    order: Iterable[tuple[Code, str, dict[str, str]]],
) -> Judged:
    statement = evidence.statement
    _check_revocation(statement, device, received_at)
    told = partial(_finding, statement, received_at)
    findings = [told(*found) for found in order]
    _check_own_times(statement)
    why = _distrusted(statement, device, past.trusted_until, received_at)
    if why:
        if not device.valid_from <= received_at < device.valid_until:
            raise _refused("DEVICE_NOT_VALID", "The device is not enrolled for the time it speaks of", statement)
        times = {"stated_until": write_time(statement.ends), "received_at": write_time(to_millisecond(received_at))}
        findings.append(told(Code.UNTRUSTED_TIME, f"{why}.", times))
    earlier = None if past.previous is None else past.previous.statement
    findings += [told(*found) for found in against_terms(statement, terms)]
    findings += [told(*found) for found in against_earlier(statement, earlier, terms)]
    follows = None if past.last is None else past.last.digest
    return Judged(evidence, tuple(findings), follows)


def read_signed(given: SignedEvidence | Stated, *, device: Device, received_at: datetime) -> Statement:
    """The statement, once the device's signature over it holds; what was read before is not given out before that.

    Raises `Refused` EVIDENCE_SIGNATURE, DEVICE_MISMATCH; `BadInput` EVIDENCE_SIZE and what `read_statement` raises.
    """
    if received_at.utcoffset() is None:
        raise WrongUse("TIME_ZONE", "The time of receipt has no time zone.", cure="Pass a UTC time.")
    signed = given.signed if isinstance(given, Stated) else given
    if len(signed.statement_bytes) > MAX_STATEMENT_BYTES:
        raise BadInput("EVIDENCE_SIZE", f"A statement has at most {MAX_STATEMENT_BYTES} bytes.", where=device.id)
    _check_signature(signed, device)
    statement = given.statement if isinstance(given, Stated) else read_statement(signed.statement_bytes)
    if statement.device != device.id:
        raise Refused("DEVICE_MISMATCH", f"The statement is {statement.device}'s, not {device.id}'s.", where=device.id)
    return statement


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
        _check_own_times(statement)
        why = _distrusted(statement, device, None, received_at)
        if why:
            raise _refused("EVIDENCE_TIME", why, statement)
        found.append(Evidence(statement, each, each.digest))
    return tuple(found)


def judge_stretch(stated: Sequence[Stated], *, device: Device, received_at: datetime) -> tuple[Judged, ...]:
    """Judge consecutive statements of `device` whose earlier ones are not at hand, or refuse them.

    For an excerpt of the device's chain, such as one lot's recordings: what the first one follows stays unproven,
    unless it is the device's number 1. Raises what `judge_evidence` raises.
    """
    judged: list[Judged] = []
    trusted: datetime | None = None
    for each in stated:
        past = Past(judged[-1].evidence if judged else None, trusted)
        evidence = _read_evidence(each, device, received_at)
        known = judged or evidence.statement.sequence == 1
        order = _judge_order(evidence.statement, evidence.digest, past) if known else ()
        found = _judge(evidence, device, past, received_at, None, order)
        judged.append(found)
        trusted = evidence.statement.ends if found.trusted_time else trusted
    return tuple(judged)


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
    begins, ends = statement.begins, statement.ends
    if begins < device.valid_from or ends > device.valid_until:
        raise _refused("DEVICE_NOT_VALID", "The device was not enrolled for the time it speaks of", statement)
    _check_revocation(statement, device, received_at)


def _check_revocation(statement: Statement, device: Device, received_at: datetime) -> None:
    # Whoever holds a stolen key can date statements back, so what counts is also when this one arrived.
    revoked = device.revoked_at
    if revoked is not None and (received_at >= revoked or statement.ends > revoked):
        raise _refused("DEVICE_REVOKED", f"The device's key was revoked at {revoked.isoformat()}", statement)


def _link(evidence: Evidence | None) -> ChainLink | None:
    if evidence is None:
        return None
    return ChainLink(evidence.statement.device, evidence.statement.sequence, evidence.digest)


def _check_order(statement: Statement, digest: bytes, previous: ChainLink | None) -> None:
    if previous is not None and previous.device != statement.device:
        raise WrongUse("DEVICE_MISMATCH", "The previous evidence is another device's.", where=statement.device)
    last, expected = (0, NO_PREVIOUS) if previous is None else (previous.sequence, previous.digest)
    if previous is not None and statement.sequence == last and digest != previous.digest:
        raise _refused("EVIDENCE_FORK", f"The device made two different statements of number {last}", statement)
    if statement.sequence <= last:
        raise _refused("EVIDENCE_REPEATED", f"The device is already at number {last}", statement)
    if statement.sequence != last + 1:
        raise OutOfTurn(statement, last + 1)
    if statement.previous != expected:
        raise _refused("EVIDENCE_PREVIOUS", f"It does not follow the number {last} that is known here", statement)


def _judge_order(statement: Statement, digest: bytes, past: Past) -> Iterator[tuple[Code, str, dict[str, str]]]:
    """As `_check_order`, but a loss that the device or the operator answers for is a finding."""
    facts = {"after": str(past.number), "previous": statement.previous.hex()}
    stated = statement if isinstance(statement, GapStatement) else None
    if stated is not None:
        facts |= {"reason": stated.reason, "unsigned": str(stated.unsigned), "unsent": str(stated.unsent)}
    try:
        _check_order(statement, digest, past.last)
    except Refused as refusal:
        # The statements just before this one are lost, and it says so; what it follows is among them.
        covers = stated is not None and statement.sequence - 1 - stated.unsent <= past.number < statement.sequence - 1
        if refusal.code == "EVIDENCE_GAP" and covers:
            yield Code.GAP, "The device states a loss, signed statements among it.", facts
        elif past.is_released and refusal.code in _RELEASED:
            yield _RELEASED[refusal.code], f"Taken after an operator's release: {refusal.what}", facts
        else:
            raise
    else:
        if stated is not None:
            yield Code.GAP, "The device states a loss.", facts


def _check_own_times(statement: Statement) -> None:
    """A statement whose own times contradict each other says nothing, whatever any clock shows."""
    begins, ends = statement.begins, statement.ends
    if isinstance(statement, SegmentStatement):
        if ends <= begins:
            raise _refused("EVIDENCE_TIME", "It ends before it begins", statement)
        if abs(ends - begins - timedelta(milliseconds=statement.media.duration_ms)) > DURATION_SLACK:
            raise _refused("EVIDENCE_TIME", "Its video is longer or shorter than the time it claims", statement)


def _distrusted(statement: Statement, device: Device, earlier: datetime | None, received_at: datetime) -> str:
    """Why its times cannot be trusted; empty where they can. `earlier`: what it stated before as the time."""
    begins, ends = statement.begins, statement.ends
    if begins < device.valid_from or ends > device.valid_until:
        return "It speaks of a time for which the device was not enrolled"
    if earlier is not None and begins < earlier:
        return "It begins before the device's previous evidence ends"
    if ends > received_at + CLOCK_SKEW:
        return "It speaks of a time later than it was received"
    return ""


def _finding(
    statement: Statement, found_at: datetime, code: Code, what: str, facts: Mapping[str, str]
) -> DeviceFinding:
    return DeviceFinding(code, statement.device, statement.sequence, what, found_at, facts)


def _refused(code: str, reason: str, statement: Statement) -> Refused:
    return Refused(code, f"{reason}.", where=f"{statement.device} number {statement.sequence}")
