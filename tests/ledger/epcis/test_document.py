"""EPCIS 2.0 documents: GS1's own are read whole; what is no such document is refused with its place."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ledger.epcis import (
    AssociationEvent,
    ObjectEvent,
    keep_last_of_repeated_names,
    read_document,
    read_event,
    require_plausible_times,
)
from ledger.epcis import limits as epcis_limits
from ledger.epcis.context import CONTEXT_URL
from ledger.errors import BadInput, Problem
from tests.ledger.epcis.examples import REPEATS_A_NAME, example_documents
from tests.ledger.epcis.sample import TYPES, UNIT, YARD, document, event, read
from tests.ledger.refusals import refused

HONEST = document(*(event(kind) for kind in TYPES))


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


def refusal_of(raw: bytes) -> Problem:
    """The refusal of `raw`; the honest twin is read right after it."""
    with pytest.raises(BadInput) as caught:
        read_document(raw)
    assert len(read_document(encoded(HONEST)).events) == 5
    return caught.value


def test_all_23_examples_of_gs1_are_read_one_of_them_only_after_its_owner_decided() -> None:
    kinds: dict[str, int] = {}
    for name, raw in example_documents():
        if name == REPEATS_A_NAME:
            with refused("JSON_DUPLICATE_KEY"):
                read_document(raw)
        decided, repeated = keep_last_of_repeated_names(raw)
        assert repeated == (("eventID",) if name == REPEATS_A_NAME else ())
        for found in read_document(decided).events:
            kinds[found.type] = kinds.get(found.type, 0) + 1
            assert read_event(found.canonical()) == found
            assert read_event(found.canonical()).canonical() == found.canonical()
            assert len(found.digest) == 32
            assert found.summary().time.tzinfo is UTC
    assert kinds == {
        "ObjectEvent": 16,
        "AssociationEvent": 5,
        "TransactionEvent": 4,
        "AggregationEvent": 2,
        "TransformationEvent": 1,
    }


def test_the_last_of_a_repeated_name_is_kept_as_most_programs_would() -> None:
    raw = dict(example_documents())[REPEATS_A_NAME]
    (found,) = read_document(keep_last_of_repeated_names(raw)[0]).events
    assert isinstance(found, AssociationEvent)
    assert found.event_id == "urn:uuid:fd338495-0e6d-41dd-afee-a862ecd32518"


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[" * 100_000, b'{"a":NaN,"a":1}', b'{"a":1}'])
def test_the_owners_decision_never_makes_a_document_of_what_is_none(raw: bytes) -> None:
    with pytest.raises(BadInput):
        read_document(keep_last_of_repeated_names(raw)[0])


def test_the_header_and_the_master_data_are_read() -> None:
    location = {
        "id": "urn:epc:id:sgln:0037000.00729.0",
        "attributes": [
            {"id": "cbvmda:name", "attribute": "Upper yard"},
            {"id": "cbvmda:latitude", "attribute": 30.25},
            {"id": "tea:address", "attribute": {"tea:street": "1"}},
        ],
        "children": ["urn:epc:id:sgln:0037000.00729.8201"],
    }
    vocabulary = {"type": "urn:epcglobal:epcis:vtype:Location", "vocabularyElementList": [location]}
    found = read(
        event(),
        id="https://tea.example/d/1",
        sender="a",
        receiver="b",
        instanceIdentifier="7",
        epcisHeader={"epcisMasterData": {"vocabularyList": [vocabulary]}},
        **{"tea:note": ["kept"]},
    )
    assert found.vocabularies[0].elements[0].attributes[1].value == 30.25
    assert found.vocabularies[0].elements[0].children == ("urn:epc:id:sgln:0037000.00729.8201",)
    assert (found.id, found.sender, found.receiver) == ("https://tea.example/d/1", "a", "b")
    assert found.extensions[0].uri == "https://tea.example/ns/note"
    assert found.extensions[0].value == ["kept"]


def element(**changes: Any) -> dict[str, Any]:
    return {"type": "urn:x:v", "vocabularyElementList": [{"id": "urn:x:e", **changes}]}


@pytest.mark.parametrize(
    ("changes", "code", "where"),
    [
        ({"type": "EPCISQueryDocument"}, "EPCIS_SYNTAX", "/type"),
        ({"type": ...}, "EPCIS_SYNTAX", "/type"),
        ({"schemaVersion": "1.2"}, "EPCIS_VERSION", "/schemaVersion"),
        ({"schemaVersion": "3.0"}, "EPCIS_VERSION", "/schemaVersion"),
        ({"schemaVersion": "2.0\n"}, "EPCIS_FIELD", "/schemaVersion"),
        ({"schemaVersion": 2.0}, "EPCIS_FIELD", "/schemaVersion"),
        ({"schemaVersion": ...}, "EPCIS_FIELD", "/schemaVersion"),
        ({"creationDate": ...}, "EPCIS_FIELD", "/creationDate"),
        ({"creationDate": "yesterday"}, "EPCIS_FIELD", "/creationDate"),
        ({"@context": ...}, "EPCIS_FIELD", "/@context"),
        ({"epcisBody": ...}, "EPCIS_FIELD", "/epcisBody"),
        ({"epcisBody": {}}, "EPCIS_FIELD", "/epcisBody/eventList"),
        ({"epcisBody": {"eventList": {}}}, "EPCIS_FIELD", "/epcisBody/eventList"),
        ({"epcisBody": {"eventList": [7]}}, "EPCIS_FIELD", "/epcisBody/eventList/0"),
        ({"id": "document 1"}, "EPCIS_FIELD", "/id"),
        ({"sender": 7}, "EPCIS_FIELD", "/sender"),
        ({"is_admin": True}, "EPCIS_FIELD", "/is_admin"),  # OA05: a member nobody defined
        ({"x:a": 1}, "EPCIS_CONTEXT", "/x:a"),
        ({"epcisHeader": {"epcisMasterData": []}}, "EPCIS_FIELD", "/epcisHeader/epcisMasterData"),
        ({"epcisHeader": {"a/b": 1}}, "EPCIS_FIELD", "/epcisHeader/a~1b"),
    ],
)
def test_a_document_that_is_wrong_outside_its_events_is_refused(changes: dict[str, Any], code: str, where: str) -> None:
    refusal = refusal_of(encoded(document(event(), **changes)))
    assert (refusal.code, refusal.where) == (code, where)
    assert refusal.cure


@pytest.mark.parametrize(
    ("vocabulary", "where"),
    [
        ({"vocabularyElementList": []}, "/type"),
        ({"type": "location"}, "/type"),
        (element(id="x"), "/vocabularyElementList/0/id"),
        (element(children=["x"]), "/vocabularyElementList/0/children/0"),
        (element(attributes=[{"attribute": "a"}]), "/vocabularyElementList/0/attributes/0/id"),
        (element(attributes=[{"id": "urn:x:a", "attribute": [1]}]), "/vocabularyElementList/0/attributes/0/attribute"),
        (element(attributes=[{"id": "urn:x:a", "attribute": True}]), "/vocabularyElementList/0/attributes/0/attribute"),
    ],
)
def test_wrong_master_data_is_refused(vocabulary: dict[str, Any], where: str) -> None:
    header = {"epcisMasterData": {"vocabularyList": [vocabulary]}}
    refusal = refusal_of(encoded(document(event(), epcisHeader=header)))
    assert (refusal.code, refusal.where) == ("EPCIS_FIELD", f"/epcisHeader/epcisMasterData/vocabularyList/0{where}")


# --- OE06: JSON-LD contexts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "context",
    [
        "https://evil.example/context.jsonld",
        "http://169.254.169.254/latest/meta-data/",
        [CONTEXT_URL, "https://evil.example/context.jsonld"],
        [CONTEXT_URL, CONTEXT_URL],
        [{"tea": "https://tea.example/ns/"}],  # the EPCIS context is not named
        [CONTEXT_URL, {"quantity": "https://evil.example/q"}],
        [CONTEXT_URL, {"ObjectEvent": "https://evil.example/q"}],
        [CONTEXT_URL, {"shipping": "https://evil.example/q"}],
        [CONTEXT_URL, {"Temperature": "https://evil.example/q"}],
        [CONTEXT_URL, {"cbv": "https://evil.example/q"}],
        [CONTEXT_URL, {"https": "https://evil.example/q"}],
        [CONTEXT_URL, {"urn": "https://evil.example/q"}],
        [CONTEXT_URL, {"@vocab": "https://evil.example/"}],
        [CONTEXT_URL, {"@base": "https://evil.example/"}],
        [CONTEXT_URL, {"@import": "https://evil.example/"}],
        [CONTEXT_URL, {"tea": {"@id": "https://tea.example/ns/"}}],
        [CONTEXT_URL, {"tea": "https://tea.example/ns/", "tea:a": {"@type": "@id", "@id": "epcis:quantity"}}],
        [CONTEXT_URL, {"x:a": {"@type": "@id"}}],
        [CONTEXT_URL, {"tea": "https://a.example/"}, {"tea": "https://b.example/"}],
        [CONTEXT_URL, {"tea": "not a uri"}],
        [CONTEXT_URL, 7],
        None,
    ],
)
def test_oe06_a_context_that_is_remote_or_redefines_a_term_is_refused(context: object) -> None:
    refusal = refusal_of(encoded(document(event(), **{"@context": context})))
    assert refusal.code == "EPCIS_CONTEXT"
    assert refusal.where.startswith("/@context")


def test_oe06_a_huge_context_is_refused() -> None:
    many = {f"p{number}": "https://a.example/" for number in range(65)}
    assert refusal_of(encoded(document(event(), **{"@context": [CONTEXT_URL, many]}))).code == "EPCIS_LIMIT"
    assert refusal_of(encoded(document(event(), **{"@context": [CONTEXT_URL, *({} for _ in range(99))]}))).code == (
        "EPCIS_LIMIT"
    )


def test_oe06_a_context_hidden_inside_a_member_is_refused() -> None:
    hidden = event(**{"tea:a": {"@context": {"quantity": "https://evil.example/"}}})
    refusal = refusal_of(encoded(document(hidden)))
    assert (refusal.code, refusal.where) == ("EPCIS_CONTEXT", "/epcisBody/eventList/0/tea:a/@context")


def test_an_event_may_declare_prefixes_of_its_own_and_repeat_the_standards() -> None:
    own = {"@context": {"wine": "https://wine.example/", "gs1": "https://gs1.org/voc/"}, "wine:a": 1, "tea:b": 2}
    (found,) = read(event(**own)).events
    assert [extension.uri for extension in found.extensions] == ["https://wine.example/a", "https://tea.example/ns/b"]
    for wrong in ({"wine:a": 1}, {"@context": {"tea": "https://wine.example/"}}):
        with refused("EPCIS_CONTEXT"):
            read(event(**wrong))


def test_a_context_may_say_the_type_of_an_extension_and_the_event_keeps_it() -> None:
    named = {"tea": "https://tea.example/ns/", "tea:grade": {"@type": "xsd:integer"}, "tea:x": {"@type": "@id"}}
    (found,) = read(event(**{"tea:grade": "1"}), **{"@context": [CONTEXT_URL, named]}).events
    kept = {"tea": "https://tea.example/ns/", "tea:grade": {"@type": "xsd:integer"}}
    assert json.loads(found.canonical())["@context"] == [CONTEXT_URL, kept]
    assert read_event(found.canonical()) == found


# --- OE02, OE07, OE08 and OA01 to OA05: hostile bytes -------------------------------------------------------------


def test_oe02_an_event_from_the_future_is_refused_and_a_claimed_record_time_counts_for_nothing() -> None:
    now = datetime(2025, 4, 5, 1, 30, tzinfo=UTC)  # 09:30 at +08:00, when the sample happens
    (honest,) = read(event()).events
    require_plausible_times([honest], received_at=now)
    require_plausible_times([honest], received_at=now - timedelta(minutes=5))
    with refused("EVENT_TIME_FUTURE"):
        require_plausible_times([honest], received_at=now - timedelta(minutes=5, milliseconds=1))
    declared = {"declarationTime": "2026-01-01T00:00:00Z"}
    report = {"type": "Temperature", "value": 1, "time": "2026-01-01T00:00:00Z"}
    metadata = {"sensorMetadata": {"time": "2026-01-01T00:00:00Z"}, "sensorReport": [{"type": "Temperature"}]}
    for late in (
        event(errorDeclaration=declared),
        event(sensorElementList=[{"sensorReport": [report]}]),
        event(sensorElementList=[metadata]),
    ):
        with refused("EVENT_TIME_FUTURE"):
            require_plausible_times(read(late).events, received_at=now)
    (claimed,) = read(event(recordTime="1999-01-01T00:00:00Z")).events
    assert claimed == honest
    assert b"recordTime" not in claimed.canonical()


@pytest.mark.parametrize(
    "raw", [b"<epcis:EPCISDocument/>", b"\xef\xbb\xbf<?xml version='1.0'?><a/>", b"  \n<!DOCTYPE a []>"]
)
def test_oe07_xml_is_never_parsed(raw: bytes) -> None:
    assert refusal_of(raw).code == "EPCIS_SYNTAX"


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "JSON_SYNTAX"),
        (b"[]", "EPCIS_SYNTAX"),
        (b"null", "EPCIS_SYNTAX"),
        (b"{" * 70, "JSON_SYNTAX"),
        (b"[" * 100_000, "JSON_DEPTH"),
        (encoded(HONEST).decode().encode("utf-16"), "JSON_ENCODING"),
        (b"\xef\xbb\xbf" + encoded(HONEST), "JSON_ENCODING"),
        (encoded(HONEST)[:-1], "JSON_SYNTAX"),
        (encoded(HONEST) + b"x", "JSON_SYNTAX"),
        (b" " * (epcis_limits.MAX_DOCUMENT_BYTES + 1), "JSON_SIZE"),
    ],
)
def test_oa01_oa02_what_is_not_strict_json_is_refused(raw: bytes, code: str) -> None:
    assert refusal_of(raw).code == code


def test_oa02_a_document_of_too_many_values_is_refused_before_it_is_parsed() -> None:
    wide = b"[" + b"1," * (epcis_limits.MAX_VALUES + 1) + b"1]"
    assert refusal_of(wide).code == "EPCIS_LIMIT"
    assert refusal_of(wide[:-2]).code == "EPCIS_LIMIT"  # and so is one that is not even JSON
    nested = encoded(document(event(), **{"tea:a": [[]] * (epcis_limits.MAX_VALUES - 20)}))
    assert refusal_of(nested.replace(b"[]", b"[{}]")).code == "EPCIS_LIMIT"  # two values for one comma


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e999", "9007199254740993", "1" * 5000, "1E+1000000"]
)
def test_oa03_a_number_that_readers_disagree_on_is_refused(number: str) -> None:
    raw = encoded(document(event("TransformationEvent"))).replace(b"50.5", number.encode())
    assert refusal_of(raw).code == "JSON_NUMBER"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"\\ud800", "JSON_ENCODING"),
        (b"\\u0000", "EPCIS_FIELD"),
        (b"\\u001b[31m", "EPCIS_FIELD"),
        (b"\xff", "JSON_ENCODING"),
        (b"a" * (epcis_limits.MAX_TEXT_CHARACTERS + 1), "EPCIS_LIMIT"),
    ],
)
def test_oa04_a_text_no_one_can_keep_is_refused(text: bytes, code: str) -> None:
    raw = encoded(document(event(**{"tea:note": "here"}))).replace(b'"here"', b'"' + text + b'"')
    assert refusal_of(raw).code == code


def test_oa04_any_other_text_is_kept_as_it_is() -> None:
    note = "龙井茶 \u202e bidi \t line\n \U0001f375"
    (found,) = read(event(**{"tea:note": note})).events
    assert found.extensions[0].value == note
    assert note in json.loads(found.canonical())["tea:note"]


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"tenant_id": "b"}, "/tenant_id"),
        ({"bizstep": "shipping"}, "/bizstep"),
        ({"bizStep": None}, "/bizStep"),
        ({"epcList": UNIT}, "/epcList"),
        ({"epcList": [None]}, "/epcList/0"),
        ({"quantityList": [{"epcClass": "urn:x:c", "quantity": "7"}]}, "/quantityList/0/quantity"),
        ({"quantityList": [{"epcClass": "urn:x:c", "quantity": True}]}, "/quantityList/0/quantity"),
        ({"readPoint": YARD}, "/readPoint"),
        ({"action": ["ADD"]}, "/action"),
    ],
)
def test_oa05_nothing_is_coerced_or_dropped(changes: dict[str, Any], where: str) -> None:
    refusal = refusal_of(encoded(document(event(), event(**changes))))
    assert (refusal.code, refusal.where) == ("EPCIS_FIELD", f"/epcisBody/eventList/1{where}")


def test_oa05_a_name_twice_is_refused() -> None:
    raw = encoded(HONEST).replace(b'"action": "ADD"', b'"action": "ADD", "action": "DELETE"', 1)
    assert refusal_of(raw).code == "JSON_DUPLICATE_KEY"


def test_oe08_more_than_the_limits_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    things = [f"https://id.gs1.org/8004/401234{number}" for number in range(epcis_limits.MAX_IDENTIFIERS + 1)]
    read(event(epcList=things[:-1]))
    refusal = refusal_of(encoded(document(event(epcList=things))))
    assert (refusal.code, refusal.where) == ("EPCIS_LIMIT", "/epcisBody/eventList/0/epcList")
    empty: dict[str, Any] = {"eventList": [{}] * (epcis_limits.MAX_EVENTS + 1)}
    refusal = refusal_of(encoded(document(epcisBody=empty)))
    assert (refusal.code, refusal.where) == ("EPCIS_LIMIT", "/epcisBody/eventList")
    many = [{"sensorReport": [{"type": "Temperature"}]}] * (epcis_limits.MAX_LIST_ENTRIES + 1)
    assert refusal_of(encoded(document(event(sensorElementList=many)))).code == "EPCIS_LIMIT"


def test_one_event_id_names_one_event_and_its_error_declaration() -> None:
    one = event(eventID="urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6")
    other = {**one, "bizStep": "shipping", "action": "OBSERVE"}
    declared = {**one, "errorDeclaration": {"declarationTime": "2025-04-06T00:00:00Z", "reason": "did_not_occur"}}
    found = read(one, declared).events
    assert isinstance(found[0], ObjectEvent)
    assert [item.summary().declared_wrong for item in found] == [False, True]
    with refused("EPCIS_FIELD"):
        read(one, other)


def test_a_document_may_have_no_events() -> None:
    assert read().events == ()
