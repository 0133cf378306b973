"""What the log's entries say, once they are proven to be in it: trust root, events of the unit, evidence for it.

Every object of a bundle has a reason to be there: an event belongs to the unit's history, a segment was filmed for
that history, an enrolment names the key of such a segment. What has none is refused, so that nobody is led to read a
stranger's proof as the unit's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ledger.bundle.device_word import Spoken, Word, superfluous, verify_word
from ledger.bundle.enrolment import DEVICE_DOMAIN
from ledger.bundle.erased import only_erased
from ledger.bundle.findings import Gone, Proven, utc_text
from ledger.bundle.format import Bundle, LoggedObject
from ledger.bundle.sealed import CREDENTIAL_DOMAIN, CROSSING_DOMAIN
from ledger.bundle.subject import EventSubject, EvidenceSubject, read_subject
from ledger.bundle.trust_root import TRUST_ROOT_DOMAIN, TrustRoot
from ledger.canonical import entry_digest
from ledger.checkpoint import Checkpoint
from ledger.epcis import EVENT_DOMAIN, Event, TransformationEvent, read_event
from ledger.erasure import ERASURE_DOMAIN, Kind
from ledger.errors import BadInput, Refused
from ledger.evidence import (
    EVIDENCE_DOMAIN,
    FINDING_DOMAIN,
    ORDER_DOMAIN,
    Device,
    ReadingStatement,
    SegmentStatement,
    as_segment,
    read_stated,
)
from ledger.gs1 import Identifier, parse
from ledger.merkle import leaf_hash, verify_inclusion
from ledger.trace import Reason, Trace, trace

DOMAINS = (
    TRUST_ROOT_DOMAIN,
    DEVICE_DOMAIN,
    ORDER_DOMAIN,
    EVIDENCE_DOMAIN,
    FINDING_DOMAIN,
    EVENT_DOMAIN,
    CROSSING_DOMAIN,
    CREDENTIAL_DOMAIN,
    ERASURE_DOMAIN,
)


@dataclass(frozen=True, slots=True)
class Contents:
    """What the entries prove, and what in the history does not fit together. `has_video`: segments are among them."""

    proven: tuple[Proven, ...]
    contradictions: tuple[str, ...]
    has_video: bool = False


def embedded_trust_root(bundle: Bundle) -> TrustRoot:
    """The copy the bundle carries, its place in the log not yet proven. Raises `Refused` TRUST_ROOT, and `load`'s."""
    copies = bundle.of(TRUST_ROOT_DOMAIN)
    if len(copies) != 1:
        raise Refused("TRUST_ROOT", f"The bundle carries {len(copies)} trust roots; exactly one is needed.")
    root = TrustRoot.load(copies[0].canonical)
    if root.dump() != copies[0].canonical:
        raise BadInput("NON_CANONICAL", "The trust root is followed by a newline.")
    return root


def verify_entries(bundle: Bundle, checkpoint: Checkpoint) -> Proven:
    """Prove that the log holds every object, each once. Raises `Refused` PROOF_INVALID; `BadInput` NON_CANONICAL."""
    last = -1
    for found in bundle.objects:
        if found.domain not in DOMAINS:
            raise BadInput("BUNDLE_FIELD", "An object is of a kind that has no place here.", where=found.domain)
        if found.index <= last:
            raise BadInput("NON_CANONICAL", "Objects are not in the order of their entries.", where=found.place)
        last = found.index
        try:
            verify_inclusion(
                leaf=leaf_hash(entry_digest(found.domain, found.salt, found.canonical)),
                index=found.index,
                size=checkpoint.size,
                proof=found.path,
                root=checkpoint.root,
            )
        except Refused as error:
            what = f"An object is not what the log holds: {error.what}"
            raise Refused(error.code, what, where=found.place) from error
    kinds = Counter(found.domain for found in bundle.objects)
    listed = ", ".join(f"{kinds[domain]} {domain.split('/')[1]}" for domain in DOMAINS if kinds[domain])
    return Proven("logged", f"The log holds every object of this bundle: {listed}.", "Merkle inclusion proofs")


def verify_contents(bundle: Bundle, *, seen_by: datetime, gone: Sequence[Gone] = ()) -> Contents:
    """Read the proven entries as what they say about the bundle's subject: a history, one event, or one statement.

    `seen_by`: when notaries had seen the log in this state (UTC). `gone`: what was erased of it. Raises `Refused`
    SUBJECT_UNKNOWN, SUPERFLUOUS, DEVICE_NOT_ENROLLED, EVIDENCE_…, DEVICE_…; `BadInput` NON_CANONICAL, BUNDLE_FIELD and
    what the readers raise.
    """
    subject = read_subject(bundle.subject)
    if isinstance(subject, EventSubject):
        return _nothing_left(bundle, gone, Kind.EVENT) or _verify_event(bundle, subject, seen_by)
    if isinstance(subject, EvidenceSubject):
        return _nothing_left(bundle, gone, Kind.EVIDENCE) or _verify_statement(bundle, subject, seen_by)
    history = _read_history(bundle, subject.identifier, is_whole=not gone)
    word = _read_evidence(bundle, frozenset(filmed_for(history)), seen_by, gone)
    proven = [_tell_events(history, seen_by)] if history.steps else []
    if word.evidence:
        proven.append(_tell_evidence(word, seen_by))
    contradictions = list(word.doubts)
    contradictions += [f"{finding.code}: {finding.what} ({finding.about})" for finding in history.findings]
    if not history.complete:
        contradictions.append("TRACE_BOUND: the history is too large to be followed to its end")
    return Contents(tuple(proven), tuple(contradictions), has_video=bool(word.evidence))


def filmed_for(history: Trace) -> tuple[str, ...]:
    """The identifiers (normal form) whose evidence belongs to a history: the unit, its lots, what they came from.

    Whoever assembles a bundle takes the segments filmed for these, and no others.
    """
    found = {history.unit.normal: None, **{lot.normal: None for lot in history.lots}}
    for step in history.steps:
        found[step.via.normal] = None
        if isinstance(step.event, TransformationEvent) and step.reason is not Reason.PARENT and not step.withdrawn:
            found.update({consumed.normal: None for consumed in step.event.consumed()})
    return tuple(found)


def _nothing_left(bundle: Bundle, gone: Sequence[Gone], kind: Kind) -> Contents | None:
    """What is said of one thing that was erased: nothing. None where nothing of it was."""
    if not gone:
        return None
    if not only_erased(gone, kind):
        raise _unknown("Something else was erased than the bundle says it is about.", bundle)
    _require_none(bundle, (EVENT_DOMAIN, EVIDENCE_DOMAIN, DEVICE_DOMAIN, FINDING_DOMAIN, ORDER_DOMAIN))
    return Contents((), ())


def _verify_event(bundle: Bundle, subject: EventSubject, seen_by: datetime) -> Contents:
    found = _only(bundle, EVENT_DOMAIN, (EVIDENCE_DOMAIN, DEVICE_DOMAIN, FINDING_DOMAIN, ORDER_DOMAIN))
    event = _read_event(found)
    if event.digest != subject.digest:
        raise _unknown("The event of the bundle is not the one it says it is about.", bundle)
    what = f"The event of {utc_text(event.event_time)} was written down as it stands in the file."
    who = "the log's word; events are not signed by who captured them"
    return Contents((Proven("events", what, who, f"logged by {utc_text(seen_by)}"),), ())


def _verify_statement(bundle: Bundle, subject: EvidenceSubject, seen_by: datetime) -> Contents:
    found = _only(bundle, EVIDENCE_DOMAIN, (EVENT_DOMAIN,))
    stated = read_stated(found.canonical)
    if stated.signed.digest != subject.digest:
        raise _unknown("The statement in the bundle is not the one it says it is about.", bundle)
    word = verify_word(bundle, {stated.statement.device: [Spoken(found, stated)]}, seen_by=seen_by)
    (evidence,) = word.evidence
    if isinstance(evidence.statement, SegmentStatement):
        return Contents((_tell_evidence(word, seen_by),), word.doubts, has_video=True)
    about = "a reading" if isinstance(evidence.statement, ReadingStatement) else "a loss"
    what = f"The device stated {about} in its number {evidence.statement.sequence}."
    return Contents((Proven("evidence", what, _keys(word.devices), f"logged by {utc_text(seen_by)}"),), word.doubts)


def _only(bundle: Bundle, domain: str, foreign: Sequence[str]) -> LoggedObject:
    """The one object of a domain, beside none of the `foreign` ones."""
    _require_none(bundle, foreign)
    own = bundle.of(domain)
    if len(own) != 1:
        raise _unknown(f"The bundle carries {len(own)} entries of the kind it says it is about.", bundle)
    return own[0]


def _require_none(bundle: Bundle, foreign: Sequence[str]) -> None:
    for other in foreign:
        for found in bundle.of(other):
            raise superfluous("It has no place in a bundle about one entry.", found)


def _unknown(what: str, bundle: Bundle) -> Refused:
    return Refused("SUBJECT_UNKNOWN", what, where=bundle.subject, cure="Ask for the bundle of this very subject.")


def _read_history(bundle: Bundle, unit: Identifier, *, is_whole: bool) -> Trace:
    events = [_read_event(found) for found in bundle.of(EVENT_DOMAIN)]
    history = trace(unit, events)
    direct = [step for step in history.steps if step.reason is Reason.DIRECT]
    if not direct and is_whole:
        raise Refused(
            "SUBJECT_UNKNOWN",
            "No event of the bundle mentions the unit it says it is about.",
            where=unit.normal,
            cure="Ask for the bundle of this very unit.",
        )
    belonging = {step.event for step in history.steps}
    for found, event in zip(bundle.of(EVENT_DOMAIN), events, strict=True):
        if event not in belonging and history.complete:
            raise superfluous("An event has nothing to do with the unit.", found)
    return history


def _read_event(found: LoggedObject) -> Event:
    event = read_event(found.canonical)
    if event.canonical() != found.canonical:
        raise BadInput("NON_CANONICAL", "An event is not in its canonical form.", where=found.place)
    return event


def _read_evidence(bundle: Bundle, wanted: frozenset[str], seen_by: datetime, gone: Sequence[Gone]) -> Word:
    """All evidence, verified device by device, and the devices it is from."""
    by_device: dict[str, list[Spoken]] = {}
    belonging: set[str] = set()  # the lots as the statements spell them: segments share a few
    for found in bundle.of(EVIDENCE_DOMAIN):
        stated = read_stated(found.canonical)
        lot = as_segment(stated.statement).lot
        if lot not in belonging:
            if _normal(lot) not in wanted:
                raise superfluous("A segment was filmed for something else than the unit.", found)
            belonging.add(lot)
        by_device.setdefault(stated.statement.device, []).append(Spoken(found, stated))
    erased = [each.entry for each in gone if each.kind is Kind.EVIDENCE]
    return verify_word(bundle, by_device, seen_by=seen_by, erased=erased)


def _tell_events(history: Trace, seen_by: datetime) -> Proven:
    times = [step.event.event_time for step in history.steps]
    lots = ", ".join(lot.normal for lot in history.lots)
    what = f"{len(history.steps)} events tell the unit's history, from {utc_text(min(times))} to {utc_text(max(times))}"
    return Proven(
        "events",
        what + (f", made in {lots}." if lots else "."),
        "the log's word; events are not signed by who captured them",
        f"logged by {utc_text(seen_by)}",
    )


def _tell_evidence(word: Word, seen_by: datetime) -> Proven:
    """How much video there is, and in how many rows: what the first of a row follows is not in the file."""
    statements = [item.segment for item in word.evidence]
    seconds = sum(statement.media.duration_ms for statement in statements) / 1000
    steps = ", ".join(dict.fromkeys(statement.step for statement in statements))
    return Proven(
        "evidence",
        f"{len(statements)} segments of video, {seconds:.1f} s, each signed, in {word.rows} unbroken rows ({steps}).",
        _keys(word.devices),
        f"filmed {utc_text(min(s.recorded_from for s in statements))}"
        f" to {utc_text(max(s.recorded_until for s in statements))}, logged by {utc_text(seen_by)}",
        {statement.media.cid: statement.media.sha256.hex() for statement in statements},
    )


def _keys(devices: Mapping[str, Device]) -> str:
    return "; ".join(f"{each.id} ({each.algorithm} {each.public_key.hex()[:16]}…)" for each in devices.values())


def _normal(text: str) -> str:
    try:
        identifier = parse(text)
    except BadInput:
        return text
    return (identifier.lot() or identifier).normal
