"""Find the events a unit's trace may need, by following identifiers through the store; bounded.

It gathers more rather than less: `ledger.trace` decides what belongs to the unit.
"""

from __future__ import annotations

from collections.abc import Iterator

from ledger.epcis import AggregationEvent, AssociationEvent, Event, TransformationEvent
from ledger.gs1 import Identifier, Level
from ledger.store import EventBook, StoredEvent

MAX_EVENTS = 10_000
MAX_IDENTIFIERS = 10_000
_ASKED_AT_ONCE = 500  # identifiers of one query


def events_about(book: EventBook, unit: Identifier) -> tuple[StoredEvent, ...]:
    """The events about `unit`, its lots, what it was inside, and what it was made of, in the order of entries."""
    lot = unit.lot()
    waiting = {unit.normal, *([lot.normal] if lot else [])}
    known: set[str] = set()
    found: dict[bytes, StoredEvent] = {}
    while waiting and len(found) < MAX_EVENTS and len(known) < MAX_IDENTIFIERS:
        asked = sorted(waiting)[:_ASKED_AT_ONCE]
        waiting.difference_update(asked)
        known.update(asked)
        for stored in book.about(asked):
            found[stored.event.digest] = stored
        for stored in found.values():
            waiting.update(lead for lead in _leads(stored.event, known) if lead not in known)
    return tuple(sorted(found.values(), key=lambda stored: stored.entry))


def _leads(event: Event, known: set[str]) -> Iterator[str]:
    for thing, lot in event.lots():
        if thing.normal in known:
            yield lot.normal
    if isinstance(event, AggregationEvent | AssociationEvent) and event.parent is not None:
        inside = (*event.children, *(quantity.epc_class for quantity in event.child_quantities))
        if any(child.normal in known for child in inside):
            yield event.parent.normal
    if isinstance(event, TransformationEvent):
        yield from _leads_upstream(event, known)


def _leads_upstream(event: TransformationEvent, known: set[str]) -> Iterator[str]:
    joined = event.transformation_id
    if joined is not None and any(made.normal in known for made in event.produced()):
        yield joined
    if joined in known or any(made.normal in known for made in event.produced()):
        # A class stands for everything of its kind, so it leads nowhere.
        yield from (used.normal for used in event.consumed() if used.level is not Level.CLASS)
