"""Follow one unit through the events: its lot, what went into it (upstream), what it was inside and when.

Every walk is bounded: an identifier is followed once per stretch of time not yet covered, and a trace that meets a
bound says so (`complete` is False) instead of going on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ledger.epcis import Action, AggregationEvent, AssociationEvent, Event, TransformationEvent
from ledger.gs1 import Identifier, Level
from ledger.trace.findings import Finding, find_contradictions
from ledger.trace.index import BEGINNING, END, EventIndex

MAX_TRACED_EVENTS = 10_000  # steps of one trace
MAX_FOLLOWED = 10_000  # (identifier, stretch of time) pairs of one trace
MAX_SCANNED = 200_000  # events looked at for one trace


class Reason(StrEnum):
    """Why an event belongs to a unit's history, nearest first."""

    DIRECT = "direct"  # it names the unit
    LOT = "lot"  # it is about the lot the unit was made in
    PARENT = "parent"  # it is about what the unit was inside or fixed to, while it was
    TRANSFORMATION = "transformation"  # it is about what the unit or its lot was made of, before that


@dataclass(frozen=True, slots=True)
class Step:
    """One event of the history. `via`: the identifier that led to it; `distance`: how many steps away that is.

    `withdrawn`: declared wrong, by itself or by a later declaration; shown, but nothing is followed from it.
    """

    event: Event
    reason: Reason
    via: Identifier
    distance: int
    withdrawn: bool


@dataclass(frozen=True, slots=True)
class Trace:
    """`steps` in time order. `lots`: the lots the unit is said to be of; more than one is a finding.

    `complete` is False when a bound stopped the walk.
    """

    unit: Identifier
    lots: tuple[Identifier, ...]
    steps: tuple[Step, ...]
    findings: tuple[Finding, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class _Lead:
    identifier: Identifier
    since: datetime
    until: datetime
    reason: Reason
    distance: int


def trace(unit: Identifier, events: Iterable[Event]) -> Trace:
    """The history of `unit` (an instance, or a lot) in `events`, any order, at most `MAX_…` of this module."""
    index = EventIndex(events)
    walk = _Walk(index)
    walk.start(unit)
    walk.run()
    steps = sorted(walk.steps.values(), key=lambda step: (step.event.event_time, step.event.canonical_bytes))
    findings = find_contradictions(unit, index, walk.lots)
    return Trace(unit, tuple(walk.lots), tuple(steps), findings, walk.complete)


class _Walk:
    """One breadth-first walk; near reasons come first, so that an event keeps the nearest reason it has."""

    def __init__(self, index: EventIndex) -> None:
        self.index = index
        self.steps: dict[Event, Step] = {}
        self.lots: dict[Identifier, None] = {}
        self.complete = True
        self._queue: deque[_Lead] = deque()
        self._covered: dict[Identifier, list[tuple[datetime, datetime]]] = {}
        self._followed = 0
        self._scanned = 0

    def start(self, unit: Identifier) -> None:
        self._queue.append(_Lead(unit, BEGINNING, END, Reason.DIRECT, 0))
        own = unit.lot()
        if own is not None and own != unit:
            self._lead_to_lot(own, self._queue[0])

    def run(self) -> None:
        while self._queue and self.complete:
            lead = self._queue.popleft()
            if self._is_covered(lead):
                continue
            self._followed += 1
            found = self.index.about(lead.identifier, lead.since, lead.until)
            self._scanned += len(found)
            if self._followed > MAX_FOLLOWED or self._scanned > MAX_SCANNED:
                self.complete = False
                return
            for event in found:
                self._take(event, lead)

    def _is_covered(self, lead: _Lead) -> bool:
        spans = self._covered.setdefault(lead.identifier, [])
        if any(since <= lead.since and lead.until <= until for since, until in spans):
            return True
        spans.append((lead.since, lead.until))
        return False

    def _take(self, event: Event, lead: _Lead) -> None:
        withdrawn = self.index.is_withdrawn(event)
        if event not in self.steps:
            if len(self.steps) >= MAX_TRACED_EVENTS:
                self.complete = False
                return
            self.steps[event] = Step(event, lead.reason, lead.identifier, lead.distance, withdrawn)
        if withdrawn:
            return
        if lead.reason in (Reason.DIRECT, Reason.TRANSFORMATION):
            for thing, own in event.lots():
                if thing == lead.identifier:
                    self._lead_to_lot(own, lead)
        self._queue.extend(self._leads_from(event, lead))

    def _lead_to_lot(self, own: Identifier, lead: _Lead) -> None:
        if lead.reason is Reason.TRANSFORMATION:
            self._queue.append(_Lead(own, BEGINNING, lead.until, Reason.TRANSFORMATION, lead.distance + 1))
        elif own not in self.lots and own != lead.identifier:
            self.lots[own] = None
            self._queue.append(_Lead(own, BEGINNING, END, Reason.LOT, 1))

    def _leads_from(self, event: Event, lead: _Lead) -> Iterator[_Lead]:
        """Where `event` leads from `lead`. Some of a lot inside something says nothing about one unit of it."""
        if isinstance(event, AggregationEvent | AssociationEvent) and lead.reason is not Reason.LOT:
            yield from self._leads_to_parent(event, lead)
        if isinstance(event, TransformationEvent) and lead.reason is not Reason.PARENT:
            yield from self._leads_upstream(event, lead)

    def _leads_to_parent(self, event: AggregationEvent | AssociationEvent, lead: _Lead) -> Iterator[_Lead]:
        thing, parent = lead.identifier, event.parent
        inside = thing in event.children or any(q.epc_class == thing for q in event.child_quantities)
        if parent is None or not inside or event.action is Action.DELETE:
            return
        until = since = event.event_time
        if event.action is Action.ADD:
            until = min(lead.until, self.index.leaving(thing, parent, since))
        reason = lead.reason if lead.reason is Reason.TRANSFORMATION else Reason.PARENT
        yield _Lead(parent, since, until, reason, lead.distance + 1)

    def _leads_upstream(self, event: TransformationEvent, lead: _Lead) -> Iterator[_Lead]:
        if lead.identifier not in event.produced():
            return
        for part in self.index.joined(event):
            for consumed in part.consumed():
                if consumed.level is not Level.CLASS:  # a class would lead to everything of its kind
                    further = lead.distance + 1
                    yield _Lead(consumed, BEGINNING, event.event_time, Reason.TRANSFORMATION, further)
