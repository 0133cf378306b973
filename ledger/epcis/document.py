"""`read_document`: bytes in, every event verified and typed, or the first problem with its place.

May never happen here: a fetch, a clock, XML. What one event breaks, the whole document is refused for: a caller that
wants to go on without it takes the document apart first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from ledger.canonical import JsonValue, parse_json
from ledger.epcis.canonical_form import inspect
from ledger.epcis.context import EMPTY_CONTEXT, read_context
from ledger.epcis.event import Event
from ledger.epcis.fields import Extension, Fields
from ledger.epcis.limits import MAX_DOCUMENT_BYTES, MAX_DOCUMENT_DEPTH, MAX_EVENTS, MAX_VALUES
from ledger.epcis.master_data import Vocabulary, read_header
from ledger.epcis.problems import at, bad_field, missing, over_limit
from ledger.epcis.read import read_event_object
from ledger.errors import BadInput

_VERSION = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,4}){0,3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """An EPCIS 2.0 document. `events` in the order written; `vocabularies` is its master data."""

    events: tuple[Event, ...]
    schema_version: str
    creation_date: datetime
    id: str | None = None
    sender: str | None = None
    receiver: str | None = None
    instance_identifier: str | None = None
    vocabularies: tuple[Vocabulary, ...] = ()
    extensions: tuple[Extension, ...] = ()


def read_document(raw: bytes) -> Document:
    """The EPCIS 2.0 JSON or JSON-LD document in `raw`.

    `BadInput`, with the JSON pointer of the first problem: JSON_… (not strict JSON), EPCIS_SYNTAX (not such a
    document), EPCIS_VERSION, EPCIS_CONTEXT, EPCIS_FIELD, EPCIS_LIMIT, GS1_… (an identifier that claims to be GS1's).
    """
    value = _parse(raw)
    fields = _require_kind(value, "EPCISDocument")
    version = _read_version(fields)
    if not fields.has("@context"):
        raise missing("", "@context")
    fields.context = read_context(fields.take("@context"), fields.at("@context"))
    vocabularies = read_header(fields)
    body = Fields(fields.take("epcisBody"), fields.at("epcisBody"), fields.context)
    if not body.has("eventList"):
        raise missing(body.pointer, "eventList")

    def read(event: JsonValue, pointer: str) -> Event:
        return read_event_object(event, pointer, fields.context)

    events = body.array("eventList", read, limit=MAX_EVENTS)
    _require_distinct(events, body.at("eventList"))
    body.extensions()
    return Document(
        events=events,
        schema_version=version,
        creation_date=fields.time("creationDate"),
        id=fields.maybe("id", fields.uri),
        sender=fields.maybe("sender", fields.text),
        receiver=fields.maybe("receiver", fields.text),
        instance_identifier=fields.maybe("instanceIdentifier", fields.text),
        vocabularies=vocabularies,
        extensions=fields.extensions(),
    )


def read_event(raw: bytes) -> Event:
    """One event that stands alone and carries its own `@context`, such as `event.canonical()`. Refuses as above."""
    return read_event_object(_parse(raw), "", None)


def _parse(raw: bytes) -> JsonValue:
    if raw.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        raise BadInput(
            "EPCIS_SYNTAX",
            "this is XML, which is not read here, whatever its version",
            cure="Send the document as EPCIS 2.0 JSON-LD; every EPCIS 2.0 tool can write it.",
        )
    # Commas bound the number of values before any of them costs memory or time (a wide document, OWASP API4).
    if len(raw) <= MAX_DOCUMENT_BYTES and raw.count(b",") > MAX_VALUES:
        raise over_limit("", f"more than {MAX_VALUES} values")
    value = parse_json(raw, max_bytes=MAX_DOCUMENT_BYTES, max_depth=MAX_DOCUMENT_DEPTH)
    if isinstance(value, dict):
        inspect(value)
    return value


def _require_kind(value: JsonValue, kind: str) -> Fields:
    if not isinstance(value, dict) or value.get("type") != kind:
        shown = str(value.get("type"))[:40] if isinstance(value, dict) else "no object"
        raise BadInput(
            "EPCIS_SYNTAX",
            f"this is not an EPCIS document, but {shown!r}",
            where="/type",
            cure=f'An EPCIS 2.0 document is a JSON object with "type": "{kind}".',
        )
    fields = Fields(value, "", EMPTY_CONTEXT)
    fields.take("type")
    return fields


def _read_version(fields: Fields) -> str:
    version = fields.text("schemaVersion")
    if not _VERSION.fullmatch(version):
        raise bad_field(fields.at("schemaVersion"), f"{version[:20]!r} is no version", cure='Write "2.0".')
    if version.split(".")[:2] not in (["2"], ["2", "0"]):
        raise BadInput(
            "EPCIS_VERSION",
            f"EPCIS {version} is not read here",
            where=fields.at("schemaVersion"),
            cure="Convert the document to EPCIS 2.0.",
        )
    return version


def _require_distinct(events: tuple[Event, ...], pointer: str) -> None:
    """One event id names one event; its error declaration repeats the id on purpose."""
    seen: set[tuple[str, bool]] = set()
    for place, event in enumerate(events):
        if event.event_id is None:
            continue
        key = (event.event_id, event.error_declaration is not None)
        if key in seen:
            raise bad_field(at(at(pointer, place), "eventID"), f"{event.event_id[:100]} names two events")
        seen.add(key)
