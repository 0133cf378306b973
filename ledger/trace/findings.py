"""Contradictions in a unit's history. Each is shown with its event; whoever captures may refuse on them.

Rules look at the unit's own events only: what is inside something else is that thing's history.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ledger.epcis import Action, AggregationEvent, Event, ObjectEvent, TransformationEvent
from ledger.errors import Refused
from ledger.gs1 import Identifier
from ledger.trace.index import BEGINNING, END, EventIndex


@dataclass(frozen=True, slots=True)
class Finding:
    """`code` is stable: BEFORE_COMMISSIONING, COMMISSIONED_TWICE, AFTER_END, TWO_PARENTS, NOT_INSIDE, TWO_LOTS."""

    code: str
    what: str
    event: Event
    about: Identifier


def find_contradictions(unit: Identifier, index: EventIndex, lots: Iterable[Identifier] = ()) -> tuple[Finding, ...]:
    """What does not fit together in the events that name `unit`, in time order."""
    own = [event for event in index.about(unit, BEGINNING, END) if not index.is_withdrawn(event)]
    found = [*_life(unit, own), *_groupings(unit, own, index)]
    several = tuple(lots)
    if len(several) > 1 and own:
        codes = ", ".join(lot.normal for lot in several)
        found.append(Finding("TWO_LOTS", f"said to be of several lots: {codes}", own[-1], unit))
    return tuple(sorted(found, key=lambda finding: finding.event.event_time))


def require_order(new: Iterable[Event], known: Iterable[Event]) -> None:
    """Refuse EVENT_ORDER when a new event contradicts the known ones, naming the first contradiction it adds."""
    added = tuple(new)
    index = EventIndex((*known, *added))
    fresh = frozenset(added)
    for unit in dict.fromkeys(thing for event in added for thing in event.instances()):
        for finding in find_contradictions(unit, index):
            if finding.event in fresh:
                raise Refused(
                    "EVENT_ORDER",
                    f"{finding.code}: {finding.what}",
                    where=unit.normal,
                    cure="Send the missing event first, or an error declaration for the wrong one.",
                )


def _begins(event: Event, unit: Identifier) -> bool:
    if isinstance(event, ObjectEvent):
        return event.action is Action.ADD and unit in event.epcs
    return isinstance(event, TransformationEvent) and unit in event.outputs


def _ends(event: Event, unit: Identifier) -> bool:
    if isinstance(event, ObjectEvent):
        return event.action is Action.DELETE and unit in event.epcs
    return isinstance(event, TransformationEvent) and unit in event.inputs and unit not in event.outputs


def _life(unit: Identifier, events: list[Event]) -> list[Finding]:
    """Commissioned once, nothing before that (where a commissioning is known at all), nothing after the end."""
    found = []
    first = next((event for event in events if _begins(event, unit)), None)
    ended: Event | None = None
    for event in events:
        if first is not None and event.event_time < first.event_time:
            found.append(Finding("BEFORE_COMMISSIONING", "happened before it was commissioned", event, unit))
        if event is not first and _begins(event, unit):
            found.append(Finding("COMMISSIONED_TWICE", "commissioned a second time", event, unit))
        if ended is not None and event.event_time > ended.event_time:
            found.append(Finding("AFTER_END", "happened after it was used up or destroyed", event, unit))
        if ended is None and _ends(event, unit):
            ended = event
    return found


def _groupings(unit: Identifier, events: list[Event], index: EventIndex) -> list[Finding]:
    """Inside one thing at a time, and taken only out of what it is in."""
    found = []
    parent: Identifier | None = None
    until = BEGINNING
    for event in events:
        if not isinstance(event, AggregationEvent) or event.parent is None or unit not in event.children:
            continue
        inside = parent if event.event_time <= until else None
        if event.action is Action.DELETE:
            if inside != event.parent:
                found.append(Finding("NOT_INSIDE", f"taken out of {event.parent}, where it was not", event, unit))
            parent = None
        else:
            if inside is not None and inside != event.parent:
                found.append(Finding("TWO_PARENTS", f"in {event.parent} while inside {inside}", event, unit))
            if event.action is Action.ADD:
                parent = event.parent
                until = index.leaving(unit, parent, event.event_time)
    return found
