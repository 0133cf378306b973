"""`records_of`: what a browser needs to check a unit's account for itself, each record with its inclusion proof.

The same objects as a proof bundle holds, without the chains: events, evidence of video and the readings that are named
one by one, and of its devices the enrolments,
revocations and findings, under the newest cosigned checkpoint. Nothing is verified here: the reader
trusts none of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ledger.bundle import DEVICE_DOMAIN, read_enrolment
from ledger.bundle.device_word import belongs
from ledger.canonical import JsonValue
from ledger.erasure import ERASURE_DOMAIN, read_erasure
from ledger.errors import Unavailable
from ledger.evidence import ORDER_DOMAIN
from ledger.evidence.orders import read_order
from ledger.history.readings import Why
from ledger.history.rotations import Rotations, rotations_to, trust_root_for
from ledger.history.unit import EventStep, FilmedStep, UnitHistory
from ledger.store import Ledger, PublishedCheckpoint, StoredSegment

FORMAT = "pledgetrail/records/v1"


@dataclass(frozen=True, slots=True)
class Record:
    """One logged object. `init_cid`: where the head of its recording's file is kept, for evidence about video."""

    entry: int
    domain: str
    salt: bytes
    canonical: bytes
    path: tuple[bytes, ...]
    init_cid: str | None = None

    def as_json(self) -> dict[str, JsonValue]:
        """The record as it travels: bytes in hexadecimal, the canonical JSON as a text of its own."""
        told: dict[str, JsonValue] = {
            "entry": self.entry,
            "domain": self.domain,
            "salt": self.salt.hex(),
            "canonical": self.canonical.decode("utf-8"),
            "path": [node.hex() for node in self.path],
        }
        return told if self.init_cid is None else {**told, "init": self.init_cid}


@dataclass(frozen=True, slots=True)
class Records:
    """A unit's records; those newer than the checkpoint `note` are left out until the notaries have cosigned them."""

    unit: str
    trust_root: bytes
    note: bytes
    records: tuple[Record, ...]
    consistency: tuple[bytes, ...] = ()
    rotations: tuple[Rotations, ...] = ()

    def as_json(self) -> dict[str, JsonValue]:
        """`{format, unit, trust_root, rotations, checkpoint, consistency, records}`."""
        return {
            "format": FORMAT,
            "unit": self.unit,
            "trust_root": self.trust_root.decode("utf-8"),
            "rotations": [rotation.as_json() for rotation in self.rotations],
            "checkpoint": self.note.decode("utf-8"),
            "consistency": [node.hex() for node in self.consistency],
            "records": [record.as_json() for record in self.records],
        }


@dataclass(frozen=True, slots=True)
class _Found:
    entry: int
    canonical: bytes
    init_cid: str | None = None


def can_be_checked(ledger: Ledger) -> bool:
    """Whether there is a trust root and a cosigned checkpoint to check anything against."""
    return trust_root_for(ledger, None) is not None and ledger.log.latest_cosigned() is not None


def records_of(ledger: Ledger, history: UnitHistory, *, seen: int = 0, held: Sequence[str] = ()) -> Records:
    """The records behind `history`. `seen`: the size of the log that the reader saw last, to prove that it goes on.

    `held`: fingerprints (32 digits) of trust roots that the reader holds, to lead from them to the one given.
    Raises `Unavailable` TRUST_ROOT_UNPUBLISHED, NOT_COSIGNED_YET. For a size that the log never had there is no proof.
    """
    published = ledger.log.latest_cosigned()
    trust_root = trust_root_for(ledger, None if published is None else published.note)
    if trust_root is None:
        raise Unavailable(
            "TRUST_ROOT_UNPUBLISHED", "This server has not logged a trust root.", cure="Ask its operator."
        )
    if published is None:
        raise Unavailable(
            "NOT_COSIGNED_YET", "No checkpoint has been cosigned yet.", cure="Ask again after the first one."
        )
    filmed = [
        _Found(segment.entry, segment.signed.envelope(), segment.init_cid)
        for step in history.filmed
        for segment in _segments(ledger, step)
    ]
    said = [_Found(step.entry, step.traced.event.canonical()) for step in history.steps if isinstance(step, EventStep)]
    measured = _readings(ledger, history)
    every = [*_about_devices(ledger, history), *_erasures(ledger, history), *filmed, *measured, *said]
    found = sorted(every, key=lambda each: each.entry)
    covered = [each for each in found if each.entry < published.checkpoint.size]
    size = published.checkpoint.size
    goes_on = ledger.log.consistency(seen, size) if 0 < seen < size else []
    proven = tuple(_prove(ledger, covered, published))
    rotations = rotations_to(ledger, trust_root, held)
    return Records(history.unit.normal, trust_root.dump(), published.note, proven, tuple(goes_on), rotations)


def _segments(ledger: Ledger, step: FilmedStep) -> Iterable[StoredSegment]:
    wanted = frozenset(step.entries)
    return (found for found in ledger.evidence.segments_of_recording(step.recording) if found.entry in wanted)


def _readings(ledger: Ledger, history: UnitHistory) -> Iterable[_Found]:
    """The readings that the account names one by one; not those of which something else is stored than was logged."""
    for series in history.readings:
        for told in series.told:
            held = None if Why.NOT_LOGGED in told.why else ledger.evidence.held(told.reading.digest)
            if held is not None:
                yield _Found(told.reading.entry, held.evidence.signed.envelope())


def _about_devices(ledger: Ledger, history: UnitHistory) -> Iterable[_Found]:
    """The devices' enrolments and revocations, and the log's findings about the statements that are shown."""
    numbers: dict[str, set[int]] = defaultdict(set)
    for step in history.filmed:
        numbers[step.device].update(segment.statement.sequence for segment in _segments(ledger, step))
    for series in history.readings:
        if series.told:
            numbers[series.device].update(each.reading.sequence for each in series.told)
    for enrolment in ledger.statements.of_domain(DEVICE_DOMAIN):
        if read_enrolment(enrolment.canonical).id in numbers:
            yield _Found(enrolment.entry, enrolment.canonical)
    for order in ledger.statements.of_domain(ORDER_DOMAIN):
        told = read_order(order.canonical)
        if told.device in numbers and told.kind == "revocation":
            yield _Found(order.entry, order.canonical)
    for device, said in numbers.items():
        own = sorted(said)
        for stored in ledger.evidence.findings(device):
            if belongs(stored.finding, own):
                yield _Found(stored.entry, stored.finding.canonical())


def _erasures(ledger: Ledger, history: UnitHistory) -> Iterable[_Found]:
    """The log's records of what stood here and was erased: a recording goes on after it."""
    gone = {each.entry for each in history.erased}
    for record in ledger.statements.of_domain(ERASURE_DOMAIN) if gone else ():
        if read_erasure(record.canonical).entry in gone:
            yield _Found(record.entry, record.canonical)


def _prove(ledger: Ledger, found: Iterable[_Found], published: PublishedCheckpoint) -> Iterable[Record]:
    listed = tuple(found)
    logged = ledger.log.entries(each.entry for each in listed)
    for each in listed:
        entry = logged[each.entry]
        path = ledger.log.inclusion(each.entry, published.checkpoint.size)
        yield Record(each.entry, entry.domain, entry.salt, each.canonical, tuple(path), each.init_cid)
