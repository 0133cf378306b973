"""Whatever GS1's own JSON Schema refuses, we refuse: shown over mutations of GS1's example documents.

The schema and the examples are read from ../shared and are no part of the project. The other way round we are
stricter, on purpose: the schema knows no check digits, no prefixes, no duplicate things and little of the prose.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft7Validator, FormatChecker

from ledger.epcis import Document, read_document
from ledger.epcis.vocabulary import ALL_VOCABULARIES
from ledger.errors import BadInput
from tests.ledger.epcis.examples import example_documents
from tests.ledger.refusals import public_vectors

REPLACEMENTS: tuple[Any, ...] = (
    None,
    True,
    -7.5,
    "",
    "no word of any list",
    "2025-02-30T00:00:00Z",
    "urn:epcglobal:cbv:bizstep:shipping",
    "https://ns.gs1.org/cbv/BizStep-shipping",
    "https://gs1.org/voc/Temperature",
    [],
    ["", ""],
    {},
)
ADDED = {"misspelt": 1}
FREE = re.compile(r"/(ilmd|@context)|/[a-z0-9]+:")  # inside an extension everything goes


@pytest.fixture(scope="module")
def validator() -> Draft7Validator:
    schema = json.loads(public_vectors("gs1-epcis/EPCIS-JSON-Schema.json").read_bytes())
    return Draft7Validator(schema, format_checker=FormatChecker())


def nodes(value: Any, pointer: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(pointer, container, key) of everything inside `value`."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in members:
        yield f"{pointer}/{key}", value, key
        yield from nodes(inner, f"{pointer}/{key}")


def shape(event_type: str, pointer: str) -> str:
    return event_type + re.sub(r"/\d+", "/*", pointer)


def pruned(value: Any) -> Any:
    """`value` with two elements of each list and without extensions: as many shapes, far fewer nodes."""
    if isinstance(value, dict):
        return {name: pruned(inner) for name, inner in value.items() if ":" not in name}
    return [pruned(inner) for inner in value[:2]] if isinstance(value, list) else value


def one_event_documents() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for _, raw in example_documents():
        document = json.loads(raw)
        events = document["epcisBody"]["eventList"]
        found.extend({**document, "epcisBody": {"eventList": [pruned(event)]}} for event in events)
    return found


def mutations() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every example event with one thing deleted, replaced or added; each shape of place once."""
    seen: set[str] = set()
    for document in one_event_documents():
        kind = document["epcisBody"]["eventList"][0]["type"]
        for pointer, _, _ in list(nodes(document)):
            name = shape(kind, pointer)
            if name in seen or FREE.search(pointer):
                continue
            seen.add(name)
            for label, change in changes(document, pointer):
                yield f"{name} {label}", change


def changes(document: dict[str, Any], pointer: str) -> Iterator[tuple[str, dict[str, Any]]]:
    raw = json.dumps(document)

    def fresh() -> tuple[dict[str, Any], Any, Any]:
        container = twin = json.loads(raw)
        *path, last = pointer.split("/")[1:]
        for name in path:
            container = container[int(name) if isinstance(container, list) else name]
        return twin, container, int(last) if isinstance(container, list) else last

    twin, container, key = fresh()
    del container[key]
    yield "deleted", twin
    for replacement in REPLACEMENTS:
        twin, container, key = fresh()
        container[key] = replacement
        yield f"= {json.dumps(replacement)}", twin
    twin, container, key = fresh()
    if isinstance(container[key], dict):
        container[key].update(ADDED)
        yield "with a misspelt member", twin
    elif isinstance(container[key], list) and container[key]:
        container[key].append(container[key][0])
        yield "with its first element twice", twin


def ours(document: dict[str, Any]) -> Document | str:
    try:
        return read_document(json.dumps(document).encode())
    except BadInput as refusal:
        return f"{refusal.code} {refusal.where}"


# Where we refuse what the schema lets pass, and why; every line is used.
STRICTER = {
    r"/(epcisBody|readPoint|bizLocation) with a misspelt member": "a bare word the standard does not define",
    r"/eventList with its first element twice": "one event id names one event",
    r"/type = \"(urn|https):": "an event type nobody here can understand",
    r"/(epcList|childEPCs) with its first element twice": "a thing is counted once",
    r"/epcList = \[\]|/epcList/\* deleted": "an event is about something",
    r"/quantity = -7.5": "a quantity is not negative",
    r"/quantity deleted": "a unit of measure without a quantity",
    r"/uom deleted": "a count of pieces is whole",
    r"/sensorReport/\*/uom = ": "a unit of measure is a Rec 20 code",
    r"/maxValue = -7.5": "a maximum is not below its minimum",
}


def test_whatever_the_schema_refuses_we_refuse_and_where_we_are_stricter_we_say_why(
    validator: Draft7Validator,
) -> None:
    tried = refused_by_both = 0
    weaker: list[str] = []
    stricter: list[str] = []
    for name, document in mutations():
        tried += 1
        theirs, refused_here = validator.is_valid(document), isinstance(ours(document), str)
        if theirs != (not refused_here):
            (stricter if theirs else weaker).append(name)
        refused_by_both += not theirs and refused_here
    assert weaker == []
    assert [name for name in stricter if not any(re.search(why, name) for why in STRICTER)] == []
    assert [why for why in STRICTER if not any(re.search(why, name) for name in stricter)] == []
    assert (tried, refused_by_both, len(stricter)) == (4156, 3422, 77)


def test_the_unchanged_examples_pass_both(validator: Draft7Validator) -> None:
    documents = one_event_documents()
    assert len(documents) == 28
    for document in documents:
        assert validator.is_valid(document)
        assert isinstance(ours(document), Document)


def test_our_words_are_the_schemas_words() -> None:
    definitions = json.loads(public_vectors("gs1-epcis/EPCIS-JSON-Schema.json").read_bytes())["definitions"]
    names = ["bizStep", "disposition", "bizTransaction-type", "source-dest-type", "error-reason", "component"]
    names += ["measurementType", "sensorAlertType"]
    theirs = [set(definitions[name]["anyOf"][1]["enum"]) for name in names]
    assert [set(vocabulary.words) for vocabulary in ALL_VOCABULARIES] == theirs
