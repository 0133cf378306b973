"""`history_of`: one unit's or lot's account in time order, with what is doubtful or missing said in its place.

A stored object counts only if it is what its log entry was made over. May never happen here: leaving out a step because
it is unproven, withdrawn or contradicted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from ledger.bundle.device_word import belongs
from ledger.epcis import AggregationEvent, AssociationEvent, TransformationEvent
from ledger.erasure import Erasure
from ledger.errors import BadInput, Unavailable
from ledger.evidence import Code, DeviceFinding
from ledger.evidence.fields import read_time
from ledger.gs1 import Identifier, Level, goods_key
from ledger.history.corroboration import assurance_of
from ledger.history.place_names import place_name
from ledger.history.readings import ReadingSeries, series_of
from ledger.history.related import events_about
from ledger.media_signing.archive import VideoStanding, standing_of, worst
from ledger.media_signing.assurance import Assurance
from ledger.standing import Standing, Witnesses
from ledger.store import Entry, Ledger, Lot, Name, StoredEvent, StoredFinding, StoredSegment
from ledger.store.evidence_book import MAX_SEGMENTS_OF_LOTS
from ledger.trace import Finding, Reason, Step, Trace, trace


class DoubtfulStep(StrEnum):
    """What is wrong with a step that is shown nevertheless."""

    ENTRY_DIFFERS = "entry_differs"  # the stored bytes are not what was logged
    VIDEO_MISSING = "video_missing"  # the evidence is there, the video is not
    VIDEO_AWAY = "video_away"  # where the video is kept does not answer now
    WITHDRAWN = "withdrawn"  # its own author declared that it did not happen so
    NOT_RECORDED = "not_recorded"  # said to be done, but nothing was filmed
    TIME_UNTRUSTED = "time_untrusted"  # the camera's clock contradicts itself or the receiver's
    PART_LOST = "part_lost"  # numbers or time are missing in it or right before it
    DEVICE_DOUBTED = "device_doubted"  # its camera's word contradicts itself or what was agreed for it


_DOUBT_OF = {
    Code.UNTRUSTED_TIME: DoubtfulStep.TIME_UNTRUSTED,
    Code.GAP: DoubtfulStep.PART_LOST,
    Code.SILENCE: DoubtfulStep.PART_LOST,
}


@dataclass(frozen=True, slots=True)
class FilmedStep:
    """One recording: the segments one camera filmed of one step. `place` is None where it has no public name.

    `entries`: the segments' indices in the log; `standing`: the least witnessed one's. Times UTC.
    `findings`: what is wrong with the camera's word about it, each an entry of the log.
    `video`: what the camera's signatures inside the video itself show; None where it put none in. `assurance`: whether
    an independent sensor bears the video out; a camera that films a screen signs what it sees.
    """

    step: str
    recording: str
    device: str
    device_label: str
    place: Name | None
    begins: datetime
    ends: datetime
    duration: timedelta
    entries: tuple[int, ...]
    standing: Standing
    doubts: tuple[DoubtfulStep, ...]
    video: VideoStanding | None
    assurance: Assurance
    findings: tuple[StoredFinding, ...] = ()

    @property
    def time(self) -> datetime:
        """Where it stands in the account."""
        return self.begins


@dataclass(frozen=True, slots=True)
class EventStep:
    """One EPCIS event of the account, with why it belongs there."""

    traced: Step
    place: Name | None
    entry: int
    standing: Standing
    doubts: tuple[DoubtfulStep, ...]

    @property
    def time(self) -> datetime:
        """Where it stands in the account."""
        return self.traced.event.event_time


@dataclass(frozen=True, slots=True)
class UnitHistory:
    """The account of `unit`. `product`: the registered lot it is of; `lots`: every lot in it, upstream ones too.

    `missing`: steps the lot is said to have gone through, of which nothing was filmed. `complete`: False when a bound
    stopped the search. `witnesses`: what vouches for the log itself, and what contradicts it. `erased`: what stood here
    once; nothing else is known of it any more, so it has no place among the steps. `readings`: what sensors measured of
    it, of its lots and of what it was made of.
    """

    unit: Identifier
    product: Lot | None
    lots: tuple[Identifier, ...]
    steps: tuple[FilmedStep | EventStep, ...]
    missing: tuple[str, ...]
    findings: tuple[Finding, ...]
    complete: bool
    witnesses: Witnesses
    erased: tuple[Erasure, ...] = ()
    readings: tuple[ReadingSeries, ...] = ()

    @property
    def known(self) -> bool:
        """Whether the ledger has anything to say about it."""
        return bool(self.steps or self.erased or self.readings) or self.product is not None

    @property
    def filmed(self) -> tuple[FilmedStep, ...]:
        """The filmed steps alone."""
        return tuple(step for step in self.steps if isinstance(step, FilmedStep))


def history_of(ledger: Ledger, unit: Identifier) -> UnitHistory:
    """Everything the ledger can say about `unit`, an instance or a lot. Never raises for an unknown one."""
    stored = {found.event.digest: found for found in events_about(ledger.events, unit)}
    traced = trace(unit, (found.event for found in stored.values()))
    lots = _lots(unit, traced)
    vouching = ledger.witnesses()
    segments = ledger.evidence.segments_of_lots(lot.normal for lot in lots)
    filmed = _filmed(ledger, segments, vouching)
    logged = ledger.log.entries(found.entry for found in stored.values())
    events = [_event_step(ledger, stored[step.event.digest], step, vouching, logged) for step in traced.steps]
    steps: list[FilmedStep | EventStep] = [*filmed, *events]
    product = _product(ledger, lots)
    done = {step.step for step in filmed}
    readings, all_readings = series_of(ledger, [unit.normal, *(lot.normal for lot in lots)], vouching)
    return UnitHistory(
        unit=unit,
        product=product,
        lots=lots,
        steps=tuple(sorted(steps, key=lambda step: step.time)),
        missing=tuple(step for step in (product.steps if product else ()) if step not in done),
        findings=traced.findings,
        complete=traced.complete and all_readings and len(segments) < MAX_SEGMENTS_OF_LOTS,
        witnesses=vouching,
        erased=ledger.erasures.told_about(_named(unit, lots, traced)),
        readings=readings,
    )


def _lots(unit: Identifier, traced: Trace) -> tuple[Identifier, ...]:
    """The unit's own lots first, then those it was made of."""
    own = unit.lot()
    found = dict.fromkeys([*([own] if own else []), *traced.lots])
    for step in traced.steps:
        if step.reason is Reason.PARENT or step.withdrawn:
            continue
        leads = [step.via]
        if isinstance(step.event, TransformationEvent) and step.via in step.event.produced():
            leads.extend(step.event.consumed())
        found.update(dict.fromkeys(lead for lead in leads if lead.level is Level.LOT))
    return tuple(found)


def _named(unit: Identifier, lots: Iterable[Identifier], traced: Trace) -> list[str]:
    """The identifiers that the account goes along."""
    found = [unit.normal, *(lot.normal for lot in lots)]
    for step in traced.steps:
        found.append(step.via.normal)
        if isinstance(step.event, AggregationEvent | AssociationEvent) and step.event.parent is not None:
            found.append(step.event.parent.normal)
    return found


def _product(ledger: Ledger, lots: Iterable[Identifier]) -> Lot | None:
    for lot in lots:
        try:
            found = ledger.papers.lot(goods_key(lot))
        except BadInput:  # a lot of something else than a GTIN is nobody's product
            continue
        if found is not None:
            return found
    return None


def _filmed(ledger: Ledger, segments: Iterable[StoredSegment], vouching: Witnesses) -> list[FilmedStep]:
    recordings: dict[tuple[str, str], list[StoredSegment]] = defaultdict(list)
    for segment in segments:
        recordings[(segment.recording, segment.statement.step)].append(segment)
    labels = {device.id: device.label for device in ledger.evidence.devices()}
    logged = ledger.log.entries(segment.entry for found in recordings.values() for segment in found)
    cameras = {found[0].statement.device for found in recordings.values()}
    findings = {camera: ledger.evidence.findings(camera) for camera in cameras}
    return [_filmed_step(ledger, found, vouching, labels, logged, findings) for found in recordings.values()]


def _filmed_step(
    ledger: Ledger,
    segments: list[StoredSegment],
    vouching: Witnesses,
    labels: dict[str, str],
    logged: dict[int, Entry],
    findings: dict[str, tuple[StoredFinding, ...]],
) -> FilmedStep:
    first = segments[0].statement
    wrong, video = _about(segments, findings[first.device]), _video(ledger, segments)
    entries = tuple(segment.entry for segment in segments)
    return FilmedStep(
        step=first.step,
        recording=segments[0].recording,
        device=first.device,
        device_label=labels.get(first.device, first.device),
        place=place_name(ledger, first.place),
        begins=first.recorded_from,
        ends=segments[-1].statement.recorded_until,
        duration=timedelta(milliseconds=sum(segment.statement.media.duration_ms for segment in segments)),
        entries=entries,
        standing=vouching.standing(max(entries)),
        doubts=(*_doubts_about(ledger, segments, logged), *_doubts_of(wrong)),
        video=video,
        assurance=assurance_of(ledger, segments, video),
        findings=wrong,
    )


def _about(segments: list[StoredSegment], findings: tuple[StoredFinding, ...]) -> tuple[StoredFinding, ...]:
    """The findings that are about these segments, their numbers, or a silence in their time; the oldest first."""
    numbers = sorted(segment.statement.sequence for segment in segments)
    begins, ends = segments[0].statement.recorded_from, segments[-1].statement.recorded_until
    return tuple(
        stored
        for stored in reversed(findings)
        if belongs(stored.finding, numbers)
        or (stored.finding.code is Code.GAP and stored.finding.sequence == numbers[0] - 1)
        or _silent_within(stored.finding, begins, ends)
    )


def _silent_within(finding: DeviceFinding, begins: datetime, ends: datetime) -> bool:
    if finding.code is not Code.SILENCE:
        return False
    return read_time(finding.facts["since"]) < ends and begins < read_time(finding.facts["until"])


def _doubts_of(findings: tuple[StoredFinding, ...]) -> Iterator[DoubtfulStep]:
    kinds = {_DOUBT_OF.get(stored.finding.code, DoubtfulStep.DEVICE_DOUBTED) for stored in findings}
    yield from (doubt for doubt in DoubtfulStep if doubt in kinds)


def _video(ledger: Ledger, segments: list[StoredSegment]) -> VideoStanding | None:
    """The worst of a recording. Where some segments carry signatures, one that carries none is unsigned, not silent."""
    kept = ledger.signed_video.of(segment.signed.digest for segment in segments)
    if not kept:
        return None
    standings = [standing_of(document) for document in kept.values()]
    missing = [worst([])] if len(kept) < len(segments) else []
    return worst([*standings, *missing])


def _doubts_about(ledger: Ledger, segments: list[StoredSegment], logged: dict[int, Entry]) -> tuple[DoubtfulStep, ...]:
    doubts = []
    if not all(_is_logged(logged.get(segment.entry), segment.signed.envelope()) for segment in segments):
        doubts.append(DoubtfulStep.ENTRY_DIFFERS)
    cids = {cid for segment in segments for cid in (segment.init_cid, segment.media_cid)}
    try:
        if not all(ledger.media.had(cid) for cid in cids):
            doubts.append(DoubtfulStep.VIDEO_MISSING)
    except Unavailable:  # all else on the page is known here, and shown
        doubts.append(DoubtfulStep.VIDEO_AWAY)
    return tuple(doubts)


def _is_logged(entry: Entry | None, canonical: bytes) -> bool:
    return entry is not None and entry.holds(canonical)


def _event_step(
    ledger: Ledger, stored: StoredEvent, step: Step, vouching: Witnesses, logged: dict[int, Entry]
) -> EventStep:
    doubts = []
    if not _is_logged(logged.get(stored.entry), step.event.canonical()):
        doubts.append(DoubtfulStep.ENTRY_DIFFERS)
    if step.withdrawn:
        doubts.append(DoubtfulStep.WITHDRAWN)
    place = step.event.biz_location or step.event.read_point
    name = None if place is None else ledger.papers.place(place.identifier)
    return EventStep(step, name, stored.entry, vouching.standing(stored.entry), tuple(doubts))
