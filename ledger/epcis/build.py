"""Make EPCIS 2.0 JSON: commissioning, transformation, packing, shipping, and the document around them.

What is built here passes our own reader (it is read back before it is handed out) and GS1's schema (a test).
Identifiers are written as canonical GS1 Digital Links; times as given, with milliseconds and their local offset.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from ledger.canonical import JsonValue, canonical_json
from ledger.epcis.context import CONTEXT_URL
from ledger.epcis.document import read_document
from ledger.errors import WrongUse
from ledger.gs1 import Identifier

JsonEvent = dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Happening:
    """When and where. `time` is time-zone aware in the place's own zone; the read point is the exact spot."""

    time: datetime
    read_point: Identifier
    biz_location: Identifier | None = None
    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class Amount:
    """`quantity` of a lot or class, in `uom` (UN/CEFACT Rec 20), or in pieces without one."""

    of: Identifier
    quantity: Decimal
    uom: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One sensor value: `kind` is a measurement type of GS1 (`Temperature`), `device` a URI."""

    kind: str
    value: Decimal
    uom: str
    time: datetime
    device: str


def commissioning(
    happening: Happening, *, units: Sequence[Identifier], lot: Identifier, readings: Iterable[Reading] = ()
) -> JsonEvent:
    """Units come to be, in `lot` (written as ILMD lot number)."""
    return {
        **_event("ObjectEvent", happening, "commissioning", "active", readings),
        "action": "ADD",
        "epcList": [unit.normal for unit in units],
        "ilmd": {"cbvmda:lotNumber": _lot_code(lot)},
    }


def lot_creation(happening: Happening, *, made: Amount, readings: Iterable[Reading] = ()) -> JsonEvent:
    """A lot comes to be by itself, such as freshly picked leaves."""
    return {
        **_event("ObjectEvent", happening, "commissioning", "active", readings),
        "action": "ADD",
        "quantityList": [_quantity(made)],
        "ilmd": {"cbvmda:lotNumber": _lot_code(made.of)},
    }


def observation(
    happening: Happening,
    *,
    things: Sequence[Identifier] = (),
    amounts: Sequence[Amount] = (),
    biz_step: str = "inspecting",
    disposition: str = "in_progress",
    readings: Iterable[Reading] = (),
) -> JsonEvent:
    """Something was seen, weighed or measured."""
    found = {**_event("ObjectEvent", happening, biz_step, disposition, readings), "action": "OBSERVE"}
    return {**found, **_what(things, amounts)}


def transformation(
    happening: Happening,
    *,
    inputs: Sequence[Amount],
    outputs: Sequence[Amount],
    transformation_id: str | None = None,
    biz_step: str = "creating_class_instance",
    readings: Iterable[Reading] = (),
) -> JsonEvent:
    """Inputs became outputs: leaves became tea."""
    event = _event("TransformationEvent", happening, biz_step, "in_progress", readings)
    event["inputQuantityList"] = [_quantity(amount) for amount in inputs]
    event["outputQuantityList"] = [_quantity(amount) for amount in outputs]
    if transformation_id is not None:
        event["transformationID"] = transformation_id
    return event


def packing(
    happening: Happening,
    *,
    parent: Identifier,
    children: Sequence[Identifier],
    action: str = "ADD",
    readings: Iterable[Reading] = (),
) -> JsonEvent:
    """Units go into a case (ADD), or out of it (DELETE)."""
    step = "unpacking" if action == "DELETE" else "packing"
    return {
        **_event("AggregationEvent", happening, step, "in_progress", readings),
        "action": action,
        "parentID": parent.normal,
        "childEPCs": [child.normal for child in children],
    }


def shipping(
    happening: Happening,
    *,
    things: Sequence[Identifier],
    sender: Identifier,
    receiver: Identifier,
    order: str | None = None,
    readings: Iterable[Reading] = (),
) -> JsonEvent:
    """Things leave for `receiver`; `order`: URI of the purchase order."""
    event: JsonEvent = {
        **_event("ObjectEvent", happening, "shipping", "in_transit", readings),
        "action": "OBSERVE",
        **_what(things, ()),
        "sourceList": [{"type": "owning_party", "source": sender.normal}],
        "destinationList": [{"type": "owning_party", "destination": receiver.normal}],
    }
    if order is not None:
        event["bizTransactionList"] = [{"type": "po", "bizTransaction": order}]
    return event


def document(events: Sequence[JsonEvent], *, created_at: datetime, prefixes: dict[str, str] | None = None) -> bytes:
    """The EPCIS document of `events` in canonical JSON, read back once so that nothing invalid leaves.

    `prefixes`: namespaces of extensions the events use. Refuses what `read_document` refuses.
    """
    context: list[JsonValue] = [CONTEXT_URL]
    if prefixes:
        context.append(dict(prefixes))
    raw = canonical_json(
        {
            "@context": context,
            "type": "EPCISDocument",
            "schemaVersion": "2.0",
            "creationDate": _time(created_at),
            "epcisBody": {"eventList": list(events)},
        }
    )
    read_document(raw)
    return raw


def _event(kind: str, happening: Happening, biz_step: str, disposition: str, readings: Iterable[Reading]) -> JsonEvent:
    event: JsonEvent = {
        "type": kind,
        "eventTime": _time(happening.time),
        "eventTimeZoneOffset": _offset(happening.time),
        "bizStep": biz_step,
        "disposition": disposition,
        "readPoint": {"id": happening.read_point.normal},
    }
    if happening.biz_location is not None:
        event["bizLocation"] = {"id": happening.biz_location.normal}
    if happening.event_id is not None:
        event["eventID"] = happening.event_id
    elements: list[JsonValue] = [_sensor_element(reading) for reading in readings]
    if elements:
        event["sensorElementList"] = elements
    return event


def _what(things: Sequence[Identifier], amounts: Sequence[Amount]) -> JsonEvent:
    what: JsonEvent = {}
    if things:
        what["epcList"] = [thing.normal for thing in things]
    if amounts:
        what["quantityList"] = [_quantity(amount) for amount in amounts]
    return what


def _quantity(amount: Amount) -> JsonEvent:
    quantity: JsonEvent = {"epcClass": amount.of.normal, "quantity": _number(amount.quantity)}
    if amount.uom is not None:
        quantity["uom"] = amount.uom
    return quantity


def _sensor_element(reading: Reading) -> JsonEvent:
    return {
        "sensorMetadata": {"time": _time(reading.time), "deviceID": reading.device},
        "sensorReport": [{"type": reading.kind, "value": _number(reading.value), "uom": reading.uom}],
    }


def _number(value: Decimal) -> int | float:
    """A JSON number that means exactly `value`; `WrongUse` NUMBER_INEXACT where a double cannot say it."""
    number = int(value) if value == value.to_integral_value() else float(value)
    if Decimal(repr(number)) != value:
        raise WrongUse("NUMBER_INEXACT", f"{value} cannot be written as a JSON number", where=str(value))
    return number


def _lot_code(lot: Identifier) -> str:
    code = lot.ai("10")
    if code is None:
        raise WrongUse("GS1_NOT_A_LOT", "a lot is needed here", where=lot.text)
    return code


def _time(time: datetime) -> str:
    if time.utcoffset() is None:
        raise WrongUse("WRONG_TIME", "a time without a zone", where=time.isoformat(), cure="Give its offset.")
    text = time.isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z" if time.utcoffset() == UTC.utcoffset(None) else text


def _offset(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds")[-6:]
