"""Events by the identifiers they are about, in time order, so that one unit's history reads few of many."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime

from ledger.epcis import Action, AggregationEvent, AssociationEvent, Event, TransformationEvent
from ledger.gs1 import Identifier

BEGINNING = datetime.min.replace(tzinfo=UTC)
END = datetime.max.replace(tzinfo=UTC)


class EventIndex:
    """Every event once, sorted by time, then by its bytes, so that the order never depends on the input's."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.events = tuple(sorted(dict.fromkeys(events), key=lambda e: (e.event_time, e.canonical_bytes)))
        self._of: dict[Identifier, list[Event]] = defaultdict(list)
        self._times: dict[Identifier, list[datetime]] = defaultdict(list)
        self._joined: dict[str, list[TransformationEvent]] = defaultdict(list)
        withdrawn: set[str] = set()
        for event in self.events:
            for subject in event.subjects():
                self._of[subject].append(event)
                self._times[subject].append(event.event_time)
            if isinstance(event, TransformationEvent) and event.transformation_id is not None:
                self._joined[event.transformation_id].append(event)
            if event.error_declaration is not None and event.event_id is not None:
                withdrawn.add(event.event_id)
        self._withdrawn = frozenset(withdrawn)
        # (parent, child) → when it was taken out; child None: everything was.
        self._left: dict[tuple[Identifier, Identifier | None], list[datetime]] = defaultdict(list)
        for event in self.events:
            self._index_leaving(event)

    def about(self, identifier: Identifier, since: datetime, until: datetime) -> list[Event]:
        """The events about `identifier` from `since` to `until`, both included, in time order."""
        times = self._times.get(identifier, [])
        return self._of.get(identifier, [])[bisect_left(times, since) : bisect_right(times, until)]

    def joined(self, event: TransformationEvent) -> tuple[TransformationEvent, ...]:
        """The transformations that are one with `event`, itself included."""
        if event.transformation_id is None:
            return (event,)
        return tuple(self._joined[event.transformation_id])

    def is_withdrawn(self, event: Event) -> bool:
        """True when the event, or an error declaration with its id, says that it did not happen so."""
        return event.error_declaration is not None or event.event_id in self._withdrawn

    def leaving(self, child: Identifier, parent: Identifier, after: datetime) -> datetime:
        """When `child`, put into `parent` at `after`, left it: by name, or when everything was taken out."""
        ends = [END]
        for times in (self._left.get((parent, child), []), self._left.get((parent, None), [])):
            place = bisect_right(times, after)
            ends.extend(times[place : place + 1])
        return min(ends)

    def _index_leaving(self, event: Event) -> None:
        if not isinstance(event, AggregationEvent | AssociationEvent) or event.action is not Action.DELETE:
            return
        if event.parent is None or self.is_withdrawn(event):
            return
        gone: list[Identifier | None] = [*event.children, *(q.epc_class for q in event.child_quantities)]
        for child in gone or [None]:
            self._left[(event.parent, child)].append(event.event_time)
