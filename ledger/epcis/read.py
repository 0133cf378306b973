"""From one JSON object to one event: which members each type has, and which rules hold between them.

Source: EPCIS 2.0, sections 7.4.1 to 7.4.6. Everything is read through `Fields`, so whatever no rule asks for is an
extension with a declared prefix, or refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from ledger.canonical import JsonValue
from ledger.epcis.canonical_form import canonical_event
from ledger.epcis.context import EMPTY_CONTEXT, Context, read_context
from ledger.epcis.dimensions import (
    read_biz_transactions,
    read_certification,
    read_endpoints,
    read_error_declaration,
    read_ilmd,
    read_instances,
    read_persistent_disposition,
    read_place,
    read_quantities,
)
from ledger.epcis.event import (
    LOT_NUMBER,
    Action,
    AggregationEvent,
    AssociationEvent,
    Event,
    ObjectEvent,
    TransactionEvent,
    TransformationEvent,
)
from ledger.epcis.fields import Extension, Fields
from ledger.epcis.problems import at, bad_field, missing
from ledger.epcis.sensors import read_sensor_elements
from ledger.epcis.vocabulary import BIZ_STEP, DISPOSITION
from ledger.errors import BadInput
from ledger.gs1 import lot

_OFFSET = re.compile(r"[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00)")
_ANY_GTIN = "00000000000000"  # only to hold an ILMD lot number against the rules of AI (10)

Parts = dict[str, object]  # keyword arguments of one event class; each reader below fills in what it read


def read_event_object(value: JsonValue, pointer: str, context: Context | None) -> Event:
    """The event in `value`. `context`: its document's; None where the event stands alone with its own @context."""
    fields = Fields(value, pointer, context or EMPTY_CONTEXT)
    if context is None or fields.has("@context"):
        fields.context = read_context(fields.take("@context"), fields.at("@context"), inherited=context)
    kind = fields.text("type")
    if kind not in _READERS:
        raise bad_field(
            fields.at("type"),
            f"{kind[:80]!r} is not one of the five event types",
            cure=f"Use one of {', '.join(_READERS)}.",
        )
    make, read = _READERS[kind]
    parts = _read_shared(fields)
    parts.update(read(fields))
    parts["extensions"] = fields.extensions()
    assert isinstance(value, dict)  # Fields has refused anything else
    return make(canonical_bytes=canonical_event(value, fields.context), **parts)


def _read_shared(fields: Fields) -> Parts:
    zone = fields.text("eventTimeZoneOffset")
    if not _OFFSET.fullmatch(zone):
        raise bad_field(fields.at("eventTimeZoneOffset"), f"{zone[:20]!r} is no offset", cure="Write it like +08:00.")
    return {
        "event_time": fields.time("eventTime"),
        "zone": zone,
        "record_time": fields.maybe("recordTime", fields.time),
        "event_id": fields.maybe("eventID", fields.uri),
        "biz_step": fields.maybe("bizStep", lambda name: fields.word(name, BIZ_STEP)),
        "disposition": fields.maybe("disposition", lambda name: fields.word(name, DISPOSITION)),
        "read_point": read_place(fields, "readPoint"),
        "biz_location": read_place(fields, "bizLocation"),
        "biz_transactions": read_biz_transactions(fields, least=0),
        "sources": read_endpoints(fields, "sourceList", "source"),
        "destinations": read_endpoints(fields, "destinationList", "destination"),
        "sensors": read_sensor_elements(fields),
        "certification": read_certification(fields),
        "error_declaration": read_error_declaration(fields),
    }


def _read_action(fields: Fields) -> Action:
    text = fields.text("action")
    if text not in Action.__members__:
        raise bad_field(fields.at("action"), f"{text[:20]!r} is no action", cure="ADD, OBSERVE or DELETE.")
    return Action[text]


def _read_object(fields: Fields) -> Parts:
    action = _read_action(fields)
    epcs = read_instances(fields, "epcList")
    quantities = read_quantities(fields, "quantityList")
    observes_a_place = fields.has("readPoint") and fields.has("sensorElementList")
    if not epcs and not quantities and not observes_a_place:
        raise bad_field(
            fields.at("epcList"),
            "an object event is about nothing",
            cure="Fill epcList or quantityList, or give sensorElementList with a readPoint.",
        )
    if fields.has("ilmd") and action is not Action.ADD:
        raise bad_field(fields.at("ilmd"), "master data is given when things come to be: action ADD")
    return {
        "action": action,
        "epcs": epcs,
        "quantities": quantities,
        "persistent_disposition": read_persistent_disposition(fields),
        "ilmd": _read_lot_data(fields),
    }


def _read_grouping(fields: Fields) -> Parts:
    action = _read_action(fields)
    parent = fields.maybe("parentID", fields.identifier)
    children = read_instances(fields, "childEPCs")
    quantities = read_quantities(fields, "childQuantityList")
    if parent is None and action is not Action.OBSERVE:
        raise missing(fields.pointer, "parentID")
    if not children and not quantities and action is not Action.DELETE:
        raise bad_field(fields.at("childEPCs"), "no children", cure="Fill childEPCs or childQuantityList.")
    if parent is not None and parent in children:
        raise bad_field(fields.at("childEPCs"), "the parent is its own child")
    return {"action": action, "parent": parent, "children": children, "child_quantities": quantities}


def _read_association(fields: Fields) -> Parts:
    if not fields.has("parentID"):
        raise missing(fields.pointer, "parentID")
    return _read_grouping(fields)


def _read_transaction(fields: Fields) -> Parts:
    action = _read_action(fields)
    if not fields.has("bizTransactionList"):
        raise missing(fields.pointer, "bizTransactionList")
    epcs = read_instances(fields, "epcList")
    quantities = read_quantities(fields, "quantityList")
    if not epcs and not quantities and action is not Action.DELETE:
        raise bad_field(fields.at("epcList"), "nothing belongs to the transaction", cure="Fill epcList.")
    return {
        "action": action,
        "biz_transactions": read_biz_transactions(fields, least=1),
        "parent": fields.maybe("parentID", fields.identifier),
        "epcs": epcs,
        "quantities": quantities,
    }


def _read_transformation(fields: Fields) -> Parts:
    inputs, outputs = read_instances(fields, "inputEPCList"), read_instances(fields, "outputEPCList")
    consumed = read_quantities(fields, "inputQuantityList")
    produced = read_quantities(fields, "outputQuantityList")
    transformation_id = fields.maybe("transformationID", fields.uri)
    some_in, some_out = bool(inputs or consumed), bool(outputs or produced)
    if not (some_in and some_out) and (transformation_id is None or not (some_in or some_out)):
        raise bad_field(
            fields.at("outputEPCList" if some_in else "inputEPCList"),
            "a transformation needs inputs and outputs, here or joined by a transformationID",
        )
    return {
        "inputs": inputs,
        "input_quantities": consumed,
        "outputs": outputs,
        "output_quantities": produced,
        "transformation_id": transformation_id,
        "persistent_disposition": read_persistent_disposition(fields),
        "ilmd": _read_lot_data(fields),
    }


def _read_lot_data(fields: Fields) -> tuple[Extension, ...]:
    ilmd = read_ilmd(fields, fields.context)
    for extension in ilmd:
        if extension.uri == LOT_NUMBER:
            _require_lot_number(extension, at(fields.at("ilmd"), extension.name))
    return ilmd


def _require_lot_number(extension: Extension, pointer: str) -> None:
    if not isinstance(extension.value, str):
        raise bad_field(pointer, "a lot number is a text")
    try:
        lot(_ANY_GTIN, extension.value)
    except BadInput as problem:
        raise BadInput(problem.code, problem.what, where=pointer, cure=problem.cure) from None


_READERS: Mapping[str, tuple[Callable[..., Event], Callable[[Fields], Parts]]] = MappingProxyType(
    {
        "ObjectEvent": (ObjectEvent, _read_object),
        "AggregationEvent": (AggregationEvent, _read_grouping),
        "AssociationEvent": (AssociationEvent, _read_association),
        "TransactionEvent": (TransactionEvent, _read_transaction),
        "TransformationEvent": (TransformationEvent, _read_transformation),
    }
)
