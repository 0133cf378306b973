"""EPCIS 2.0: what happened to things, read strictly and without a network. Pure.

`read_document(raw)` gives a `Document` of typed events or the first problem with its JSON pointer.
"""

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

__all__ = [
    "EVENT_DOMAIN",
    "Action",
    "AggregationEvent",
    "AssociationEvent",
    "Document",
    "Event",
    "ObjectEvent",
    "Summary",
    "TransactionEvent",
    "TransformationEvent",
    "read_document",
    "read_event",
]
