"""The five event types of EPCIS 2.0, as values. Made by the reader only, so that one that exists is well-formed.

An event is identified by its canonical bytes: RFC 8785 of what was received, without `recordTime` (which is the
repository's word, not the sender's) and with the prefixes it uses written into its own `@context`, so that the bytes
mean the same after they have left their document.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar

from ledger.canonical import digest
from ledger.epcis.dimensions import (
    BizTransaction,
    Endpoint,
    ErrorDeclaration,
    PersistentDisposition,
    Place,
    Quantity,
)
from ledger.epcis.fields import Extension
from ledger.epcis.sensors import SensorElement
from ledger.gs1 import Identifier, Level
from ledger.gs1 import lot as lot_of

EVENT_DOMAIN = "pledgetrail/event/v1/json"
LOT_NUMBER = "urn:epcglobal:cbv:mda:lotNumber"


class Action(StrEnum):
    """What an event does to the life or the grouping of its subjects."""

    ADD = "ADD"
    OBSERVE = "OBSERVE"
    DELETE = "DELETE"


@dataclass(frozen=True, slots=True)
class Summary:
    """What a trace page shows of an event in one line."""

    type: str
    action: Action | None
    biz_step: str | None
    disposition: str | None
    time: datetime  # UTC
    zone: str  # the local offset at the place, as `+08:00`
    read_point: Identifier | None
    biz_location: Identifier | None
    subjects: int
    sensors: int
    declared_wrong: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Event:
    """What all five types share: when, where, why and how. Two events are equal when their canonical bytes are."""

    type: ClassVar[str] = ""

    canonical_bytes: bytes
    event_time: datetime
    zone: str
    record_time: datetime | None = None  # as claimed by the sender: never believed, never part of the identity
    event_id: str | None = None
    biz_step: str | None = None
    disposition: str | None = None
    read_point: Place | None = None
    biz_location: Place | None = None
    biz_transactions: tuple[BizTransaction, ...] = ()
    sources: tuple[Endpoint, ...] = ()
    destinations: tuple[Endpoint, ...] = ()
    sensors: tuple[SensorElement, ...] = ()
    certification: tuple[str, ...] = ()
    error_declaration: ErrorDeclaration | None = None
    extensions: tuple[Extension, ...] = ()

    def canonical(self) -> bytes:
        """RFC 8785 bytes: a complete EPCIS event, which `read_event` reads back to an equal one."""
        return self.canonical_bytes

    @property
    def digest(self) -> bytes:
        """32 bytes over domain and canonical bytes, unsalted: for naming an event off the log."""
        return digest(EVENT_DOMAIN, self.canonical_bytes)

    @property
    def acts(self) -> Action | None:
        """The action; None for a transformation, which has none."""
        return None

    def instances(self) -> tuple[Identifier, ...]:
        """Every single thing the event is about, in order, once."""
        return ()

    def quantities_of(self) -> tuple[Quantity, ...]:
        """Every quantity of a lot or class the event is about."""
        return ()

    def subjects(self) -> tuple[Identifier, ...]:
        """Every identifier the event is about: things, parents, children, inputs, outputs, lots and classes."""
        classes = (quantity.epc_class for quantity in self.quantities_of())
        return tuple(dict.fromkeys((*self.instances(), *classes)))

    def made_in_lot(self) -> str | None:
        """The lot number its master data (ILMD) gives to what it makes; None where it gives none."""
        return None

    def lots(self) -> tuple[tuple[Identifier, Identifier], ...]:
        """(unit, lot) for each unit this event says the lot of: by ILMD, or by the unit's own writing."""
        number = self.made_in_lot()
        made = frozenset(self.made()) if number is not None else frozenset()
        found = []
        for thing in self.instances():
            own = thing.lot() or (_lot_in(thing, number) if thing in made else None)
            if own is not None:
                found.append((thing, own))
        return tuple(found)

    def made(self) -> tuple[Identifier, ...]:
        """The single things its master data (ILMD) speaks of."""
        return ()

    def summary(self) -> Summary:
        """The line of the trace page."""
        return Summary(
            self.type,
            self.acts,
            self.biz_step,
            self.disposition,
            self.event_time.astimezone(UTC),
            self.zone,
            self.read_point.identifier if self.read_point else None,
            self.biz_location.identifier if self.biz_location else None,
            len(self.subjects()),
            sum(len(element.reports) for element in self.sensors),
            self.error_declaration is not None,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Event) and other.canonical_bytes == self.canonical_bytes

    def __hash__(self) -> int:
        return hash(self.canonical_bytes)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ObjectEvent(Event):
    """Something happened to things or quantities."""

    type: ClassVar[str] = "ObjectEvent"
    action: Action
    epcs: tuple[Identifier, ...] = ()
    quantities: tuple[Quantity, ...] = ()
    persistent_disposition: PersistentDisposition | None = None
    ilmd: tuple[Extension, ...] = ()

    @property
    def acts(self) -> Action | None:
        return self.action

    def instances(self) -> tuple[Identifier, ...]:
        return self.epcs

    def quantities_of(self) -> tuple[Quantity, ...]:
        return self.quantities

    def made_in_lot(self) -> str | None:
        return _lot_number(self.ilmd)

    def made(self) -> tuple[Identifier, ...]:
        return self.epcs if self.action is Action.ADD else ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Grouping(Event):
    """A parent and its children."""

    action: Action
    parent: Identifier | None = None
    children: tuple[Identifier, ...] = ()
    child_quantities: tuple[Quantity, ...] = ()

    @property
    def acts(self) -> Action | None:
        return self.action

    def instances(self) -> tuple[Identifier, ...]:
        return (*([self.parent] if self.parent else []), *self.children)

    def quantities_of(self) -> tuple[Quantity, ...]:
        return self.child_quantities


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AggregationEvent(_Grouping):
    """Children are, or are no longer, inside a parent: a case, a pallet, a vehicle."""

    type: ClassVar[str] = "AggregationEvent"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AssociationEvent(_Grouping):
    """Children are, or are no longer, fixed to a parent: a sensor to a container, equipment to a place."""

    type: ClassVar[str] = "AssociationEvent"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TransactionEvent(Event):
    """Things or quantities belong to business transactions."""

    type: ClassVar[str] = "TransactionEvent"
    action: Action
    parent: Identifier | None = None
    epcs: tuple[Identifier, ...] = ()
    quantities: tuple[Quantity, ...] = ()

    @property
    def acts(self) -> Action | None:
        return self.action

    def instances(self) -> tuple[Identifier, ...]:
        return (*([self.parent] if self.parent else []), *self.epcs)

    def quantities_of(self) -> tuple[Quantity, ...]:
        return self.quantities


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TransformationEvent(Event):
    """Inputs became outputs, here or in other events of the same `transformation_id`."""

    type: ClassVar[str] = "TransformationEvent"
    inputs: tuple[Identifier, ...] = ()
    input_quantities: tuple[Quantity, ...] = ()
    outputs: tuple[Identifier, ...] = ()
    output_quantities: tuple[Quantity, ...] = ()
    transformation_id: str | None = None
    persistent_disposition: PersistentDisposition | None = None
    ilmd: tuple[Extension, ...] = ()

    def instances(self) -> tuple[Identifier, ...]:
        return tuple(dict.fromkeys((*self.inputs, *self.outputs)))

    def quantities_of(self) -> tuple[Quantity, ...]:
        return (*self.input_quantities, *self.output_quantities)

    def made_in_lot(self) -> str | None:
        return _lot_number(self.ilmd)

    def made(self) -> tuple[Identifier, ...]:
        return self.outputs

    def consumed(self) -> tuple[Identifier, ...]:
        """Everything that went in: things, lots, classes."""
        return (*self.inputs, *(quantity.epc_class for quantity in self.input_quantities))

    def produced(self) -> tuple[Identifier, ...]:
        """Everything that came out."""
        return (*self.outputs, *(quantity.epc_class for quantity in self.output_quantities))


def _lot_number(ilmd: tuple[Extension, ...]) -> str | None:
    for extension in ilmd:
        if extension.uri == LOT_NUMBER and isinstance(extension.value, str):
            return extension.value
    return None


def _lot_in(thing: Identifier, number: str | None) -> Identifier | None:
    gtin = thing.ai("01")
    if number is None or gtin is None or thing.level is not Level.INSTANCE:
        return None
    return lot_of(gtin, number)
