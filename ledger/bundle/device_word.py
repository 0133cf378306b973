"""What devices say in a bundle: each enrolled before it spoke, each statement signed and in its place, doubts told.

The ledger takes some statements with a finding: a clock that was wrong, a loss that the device stated or the operator
released. Such evidence stands in a bundle only with that finding beside it, an entry of the log as well, and it is told
as a contradiction. May never happen here: passing over what the log's own finding does not answer for.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ledger.bundle.enrolment import DEVICE_DOMAIN, read_enrolment
from ledger.bundle.format import Bundle, LoggedObject
from ledger.errors import BadInput, Refused
from ledger.evidence import (
    FINDING_DOMAIN,
    ORDER_DOMAIN,
    Code,
    Device,
    DeviceFinding,
    DeviceOrder,
    Evidence,
    Judged,
    SegmentStatement,
    Stated,
    Statement,
)
from ledger.evidence.findings import read_finding
from ledger.evidence.orders import read_order
from ledger.evidence.verification import judge_stretch, verify_stretch

ORDERLY = frozenset({Code.GAP, Code.CHAIN_BROKEN, Code.COUNTER_ROLLBACK})
"""Findings with which a statement is taken although it does not follow the one before."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A statement as the bundle carries it: the entry, and the envelope's content, read. Nothing is verified."""

    found: LoggedObject
    stated: Stated

    @property
    def statement(self) -> Statement:
        """What it says."""
        return self.stated.statement

    @property
    def sequence(self) -> int:
        """The device's number."""
        return self.statement.sequence


@dataclass(frozen=True, slots=True)
class Word:
    """What was verified: all evidence, the devices it is from, and the doubts about it as text.

    `rows`: in how many rows without a break it stands; within one, each statement is chained to the one before.
    """

    evidence: tuple[Evidence, ...]
    devices: Mapping[str, Device]
    doubts: tuple[str, ...]
    rows: int


def verify_word(
    bundle: Bundle, spoken: Mapping[str, Sequence[Spoken]], *, seen_by: datetime, erased: Sequence[int] = ()
) -> Word:
    """Verify the statements of each device (in the order of their entries), by name.

    `erased`: entries of statements that were erased: as many numbers may be missing between those that stood around
    them, which is told as a doubt. Raises `Refused` DEVICE_NOT_ENROLLED, SUPERFLUOUS and what `verify_evidence` raises;
    `BadInput` of the readers.
    """
    devices = _read_devices(bundle, spoken)
    findings = _read_findings(bundle, spoken)
    evidence: list[Evidence] = []
    doubts = [_text(finding) for found in findings.values() for finding in found]
    revocations, rows = _read_revocations(bundle, spoken), 0
    for name, statements in spoken.items():
        orders, told = revocations[name], _Answers(findings[name])
        _require_not_revoked(statements, orders)
        stretches = _stretches(statements, told)
        rows += len(stretches)
        verified, missing = _verify_device(statements, stretches, devices[name], told, seen_by, erased)
        evidence += verified
        doubts += missing
        doubts += [_revoked_since(order) for order in orders]
    return Word(tuple(evidence), devices, tuple(doubts), rows)


def belongs(finding: DeviceFinding, numbers: Sequence[int]) -> bool:
    """Whether a finding is about one of the statements with these numbers (rising), or about a loss between two."""
    if finding.sequence is None:
        return False
    at = bisect_left(numbers, finding.sequence)
    is_one = at < len(numbers) and numbers[at] == finding.sequence
    return is_one or (finding.code in ORDERLY and 0 < at < len(numbers))


def _read_devices(bundle: Bundle, spoken: Mapping[str, Sequence[Spoken]]) -> dict[str, Device]:
    devices: dict[str, Device] = {}
    for found in bundle.of(DEVICE_DOMAIN):
        device = read_enrolment(found.canonical)
        if device.id not in spoken or device.id in devices:
            raise superfluous("An enrolment is repeated, or of a device that filmed nothing here.", found)
        if found.index < spoken[device.id][0].found.index:
            devices[device.id] = device
    for name in spoken:
        if name not in devices:
            raise Refused(
                "DEVICE_NOT_ENROLLED",
                "The log did not hold the device's enrolment before its evidence.",
                where=name,
                cure="Ask for a bundle that carries the device's enrolment.",
            )
    return devices


def _read_findings(bundle: Bundle, spoken: Mapping[str, Sequence[Spoken]]) -> dict[str, list[DeviceFinding]]:
    """The log's findings about the statements here, or about a loss just before one of them."""
    findings: dict[str, list[DeviceFinding]] = {name: [] for name in spoken}
    numbers = {name: sorted(each.sequence for each in statements) for name, statements in spoken.items()}
    for found in bundle.of(FINDING_DOMAIN):
        finding = read_finding(found.canonical)
        if not belongs(finding, numbers.get(finding.device, ())):
            raise superfluous("A finding is about none of the statements here.", found)
        findings[finding.device].append(finding)
    return findings


def _read_revocations(
    bundle: Bundle, spoken: Mapping[str, Sequence[Spoken]]
) -> Mapping[str, list[tuple[LoggedObject, DeviceOrder]]]:
    """The revocations of each device that speaks here; there are no other orders."""
    revocations: defaultdict[str, list[tuple[LoggedObject, DeviceOrder]]] = defaultdict(list)
    for found in bundle.of(ORDER_DOMAIN):
        order = read_order(found.canonical)
        if order.canonical() != found.canonical:
            raise BadInput("NON_CANONICAL", "An order is not in its canonical form.", where=found.place)
        if order.device not in spoken or order.kind != "revocation":
            raise superfluous("An order is no revocation of a device that speaks here.", found)
        revocations[order.device].append((found, order))
    return revocations


def _require_not_revoked(statements: Sequence[Spoken], orders: Sequence[tuple[LoggedObject, DeviceOrder]]) -> None:
    """What was logged before the revocation was, and speaks of a time before it, was said by the device itself."""
    if not orders:
        return
    # Of many revocations the first that was logged and the earliest that was meant say all that the others could.
    for found, order in (min(orders, key=lambda each: each[0].index), min(orders, key=lambda each: each[1].at)):
        for each in statements:
            statement = each.statement
            if each.found.index > found.index or statement.ends > order.at:
                raise Refused(
                    "DEVICE_REVOKED",
                    f"The device's key was revoked at {order.at.isoformat()}.",
                    where=f"{statement.device} number {statement.sequence}",
                )


def _revoked_since(order: tuple[LoggedObject, DeviceOrder]) -> str:
    return f"DEVICE_REVOKED: since then, at {order[1].at.isoformat()}: {order[1].reason} ({order[1].device})"


def _verify_device(
    spoken: Sequence[Spoken],
    stretches: Sequence[Sequence[Stated]],
    device: Device,
    findings: _Answers,
    seen_by: datetime,
    erased: Sequence[int],
) -> tuple[list[Evidence], list[str]]:
    """Verify one device's statements in stretches that follow one another; with what erasures left open, as text."""
    evidence: list[Evidence] = []
    missing: list[str] = []
    entries = {each.sequence: each.found.index for each in spoken}
    recordings: set[tuple[str, bytes]] = set()
    for stretch in stretches:
        judged = judge_stretch(stretch, device=device, received_at=seen_by)
        _require_answered(judged, stretch, device, findings, seen_by)
        verified = [each.evidence for each in judged]
        first = verified[0].statement
        own = {(s.recording, s.media.init_sha256) for s in _segments(verified)}
        after = evidence[-1].statement.sequence if evidence else 0
        lost = range(after + 1, first.sequence)
        if recordings & own and not findings.answer(ORDERLY, after + 1, first.sequence):
            if not _explain(lost, entries, erased):
                raise Refused(
                    "EVIDENCE_GAP",
                    "Segments are missing in the middle of a recording.",
                    where=f"{device.id} before number {first.sequence}",
                    cure="Ask for a bundle with the whole recording.",
                )
            missing.append(_text_of_erased(device.id, lost))
        overlaps = bool(evidence) and first.begins < evidence[-1].statement.ends
        if overlaps and not findings.answer({Code.UNTRUSTED_TIME}, first.sequence):
            raise Refused("EVIDENCE_TIME", "It begins before the device's earlier segment ends.", where=device.id)
        recordings |= own
        evidence += verified
    return evidence, missing


def _explain(lost: range, entries: Mapping[int, int], erased: Sequence[int]) -> bool:
    """Whether at least as many statements were erased between the two around a gap as are missing there."""
    start, end = entries.get(lost.start - 1), entries.get(lost.stop)
    if start is None or end is None:
        return False
    return 0 < len(lost) <= bisect_left(erased, end) - bisect_left(erased, start + 1)


def _text_of_erased(device: str, lost: range) -> str:
    numbers = f"number {lost.start}" if len(lost) == 1 else f"numbers {lost.start} to {lost.stop - 1}"
    return f"EVIDENCE_ERASED: {numbers} of the recording were erased; what follows is not chained to it ({device})"


def _require_answered(
    judged: Sequence[Judged],
    stretch: Sequence[Stated],
    device: Device,
    findings: _Answers,
    seen_by: datetime,
) -> None:
    """Refuse times that cannot be trusted where the log holds no finding that says so."""
    for each in judged:
        number = each.evidence.statement.sequence
        if not each.trusted_time and not findings.answer({Code.UNTRUSTED_TIME}, number):
            signed = [every.signed for every in stretch]
            verify_stretch(signed, device=device, received_at=seen_by)  # says which time, and why
            raise Refused("EVIDENCE_TIME", "Its times cannot be trusted.", where=f"{device.id} number {number}")


class _Answers:
    """What one device's findings answer for, found without looking at each: a file holds thousands beside thousands."""

    def __init__(self, findings: Iterable[DeviceFinding]) -> None:
        self._numbers: defaultdict[Code, list[int]] = defaultdict(list)
        for each in findings:
            if each.sequence is not None:
                self._numbers[each.code].append(each.sequence)
        for numbers in self._numbers.values():
            numbers.sort()

    def answer(self, codes: Iterable[Code], first: int, last: int | None = None) -> bool:
        """Whether one of these codes was found about a number from `first` to `last`, both inclusive; or `first`."""
        until = (first if last is None else last) + 1
        lists = [self._numbers[code] for code in codes if code in self._numbers]
        return any(bisect_left(numbers, first) < bisect_left(numbers, until) for numbers in lists)


def _stretches(spoken: Iterable[Spoken], findings: _Answers) -> list[list[Stated]]:
    stretches: list[list[Stated]] = []
    last = -1
    for each in spoken:
        number = each.sequence
        # A number that repeats or falls stays in its stretch, and is refused as such, unless the log answers for it.
        if last < number - 1 or not stretches or findings.answer(ORDERLY, number):
            stretches.append([])
        stretches[-1].append(each.stated)
        last = number
    return stretches


def _segments(evidence: Iterable[Evidence]) -> list[SegmentStatement]:
    return [each.statement for each in evidence if isinstance(each.statement, SegmentStatement)]


def _text(finding: DeviceFinding) -> str:
    number = "" if finding.sequence is None else f" number {finding.sequence}"
    return f"{finding.code}: {finding.what} ({finding.device}{number})"


def superfluous(what: str, found: LoggedObject) -> Refused:
    """The refusal of an object that has no reason to be here."""
    return Refused("SUPERFLUOUS", what, where=found.place, cure="Ask for a bundle of this unit alone.")
