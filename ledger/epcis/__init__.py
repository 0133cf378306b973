"""EPCIS 2.0: what happened to things, read strictly and without a network. Pure.

`read_document(raw)` gives a `Document` of typed events or the first problem with its JSON pointer.
"""

from ledger.epcis.dimensions import Quantity
from ledger.epcis.document import Document, read_document, read_event
from ledger.epcis.event import (
    EVENT_DOMAIN,
    Action,
    AggregationEvent,
    AssociationEvent,
    Event,
    ObjectEvent,
    Summary,
    TransactionEvent,
    TransformationEvent,
)
from ledger.epcis.plausible import MAX_CLOCK_SKEW, require_plausible_times
from ledger.epcis.repeated_names import keep_last_of_repeated_names
from ledger.epcis.sensors import SensorElement, SensorReport

__all__ = [
    "EVENT_DOMAIN",
    "MAX_CLOCK_SKEW",
    "Action",
    "AggregationEvent",
    "AssociationEvent",
    "Document",
    "Event",
    "ObjectEvent",
    "Quantity",
    "SensorElement",
    "SensorReport",
    "Summary",
    "TransactionEvent",
    "TransformationEvent",
    "keep_last_of_repeated_names",
    "read_document",
    "read_event",
    "require_plausible_times",
]
