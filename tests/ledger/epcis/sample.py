"""One valid event of each type, small, as JSON values that a test may change. All identifiers are made up."""

from __future__ import annotations

import copy
import json
from typing import Any

from ledger.epcis import Document, read_document
from ledger.epcis.context import CONTEXT_URL

GTIN = "04012345123456"
UNIT = f"https://id.gs1.org/01/{GTIN}/21/S1"
SECOND = f"https://id.gs1.org/01/{GTIN}/21/S2"
LOT = "urn:epc:class:lgtin:4012345.012345.L7"
LEAVES = "urn:epc:class:lgtin:4012345.011111.LEAF"
CASE = "urn:epc:id:sscc:4012345.0111111111"
YARD = "urn:epc:id:sgln:4012345.00002.0"
FARM = "urn:epc:id:pgln:4012345.00225"

_WHEN = {"eventTime": "2025-04-05T09:30:00.000+08:00", "eventTimeZoneOffset": "+08:00"}
_EVENTS: dict[str, dict[str, Any]] = {
    "ObjectEvent": {**_WHEN, "type": "ObjectEvent", "action": "ADD", "epcList": [UNIT], "bizStep": "commissioning"},
    "AggregationEvent": {
        **_WHEN,
        "type": "AggregationEvent",
        "action": "ADD",
        "parentID": CASE,
        "childEPCs": [UNIT],
    },
    "AssociationEvent": {
        **_WHEN,
        "type": "AssociationEvent",
        "action": "ADD",
        "parentID": CASE,
        "childEPCs": ["urn:epc:id:giai:4000001.111"],
    },
    "TransactionEvent": {
        **_WHEN,
        "type": "TransactionEvent",
        "action": "ADD",
        "bizTransactionList": [{"type": "po", "bizTransaction": "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"}],
        "epcList": [UNIT],
    },
    "TransformationEvent": {
        **_WHEN,
        "type": "TransformationEvent",
        "inputQuantityList": [{"epcClass": LEAVES, "quantity": 50.5, "uom": "KGM"}],
        "outputQuantityList": [{"epcClass": LOT, "quantity": 11, "uom": "KGM"}],
    },
}
TYPES = tuple(_EVENTS)


def event(kind: str = "ObjectEvent", /, **changes: Any) -> dict[str, Any]:
    """A valid event with members replaced; a member set to `...` is left out."""
    made = {**copy.deepcopy(_EVENTS[kind]), **changes}
    return {name: value for name, value in made.items() if value is not ...}


def document(*events: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A valid document of `events`, its members replaced likewise."""
    made = {
        "@context": [CONTEXT_URL, {"tea": "https://tea.example/ns/"}],
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2025-04-05T10:00:00Z",
        "epcisBody": {"eventList": list(events)},
        **changes,
    }
    return {name: value for name, value in made.items() if value is not ...}


def read(*events: dict[str, Any], **changes: Any) -> Document:
    """The document, read."""
    return read_document(json.dumps(document(*events, **changes)).encode())
