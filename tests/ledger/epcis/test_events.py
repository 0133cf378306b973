"""The rules of each event type, one refusal per row, and what an event says about itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from ledger.epcis import (
    Action,
    AggregationEvent,
    ObjectEvent,
    TransformationEvent,
    read_event,
)
from ledger.errors import BadInput
from ledger.gs1 import parse
from tests.ledger.epcis.sample import CASE, FARM, GTIN, LEAVES, LOT, SECOND, TYPES, UNIT, YARD, event, read

SENSOR = {"type": "Temperature", "value": 26.1, "uom": "CEL"}


def sensed(**changes: Any) -> dict[str, Any]:
    return {"sensorElementList": [{"sensorReport": [{**SENSOR, **changes}]}]}


def metadata(**changes: Any) -> dict[str, Any]:
    return {"sensorElementList": [{"sensorMetadata": changes, "sensorReport": [SENSOR]}]}


def amount(**changes: Any) -> dict[str, Any]:
    return {"epcClass": LOT, "quantity": 1, "uom": "KGM", **changes}


DECLARED = {"declarationTime": "2025-04-06T00:00:00Z"}

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    # every type: when, why, where, how
    ("ObjectEvent", {"type": "SensorEvent"}, "/type"),
    ("ObjectEvent", {"eventTime": ...}, "/eventTime"),
    ("ObjectEvent", {"eventTime": "2025-04-05T09:30:00"}, "/eventTime"),  # no offset
    ("ObjectEvent", {"eventTime": "2025-04-05"}, "/eventTime"),
    ("ObjectEvent", {"eventTime": "2025-04-05 09:30:00Z"}, "/eventTime"),
    ("ObjectEvent", {"eventTime": "2025-04-05t09:30:00z"}, "/eventTime"),
    ("ObjectEvent", {"eventTime": "2025-02-29T09:30:00Z"}, "/eventTime"),
    ("ObjectEvent", {"eventTime": "2025-04-05T24:00:00Z"}, "/eventTime"),
    ("ObjectEvent", {"eventTime": "2025-04-05T09:30:60Z"}, "/eventTime"),
    ("ObjectEvent", {"eventTime": "0001-01-01T00:00:00+14:00"}, "/eventTime"),
    ("ObjectEvent", {"eventTime": "0000-01-01T00:00:00Z"}, "/eventTime"),
    ("ObjectEvent", {"eventTime": "２０25-04-05T09:30:00Z"}, "/eventTime"),  # noqa: RUF001
    ("ObjectEvent", {"eventTime": 1743816600}, "/eventTime"),
    ("ObjectEvent", {"eventTimeZoneOffset": ...}, "/eventTimeZoneOffset"),
    ("ObjectEvent", {"eventTimeZoneOffset": "Z"}, "/eventTimeZoneOffset"),
    ("ObjectEvent", {"eventTimeZoneOffset": "+14:30"}, "/eventTimeZoneOffset"),
    ("ObjectEvent", {"eventTimeZoneOffset": "+8:00"}, "/eventTimeZoneOffset"),
    ("ObjectEvent", {"eventTimeZoneOffset": "+08:00\n"}, "/eventTimeZoneOffset"),
    ("ObjectEvent", {"recordTime": "now"}, "/recordTime"),
    ("ObjectEvent", {"eventID": "7"}, "/eventID"),
    ("ObjectEvent", {"bizStep": "selling"}, "/bizStep"),
    ("ObjectEvent", {"bizStep": "urn:epcglobal:cbv:bizstep:shipping"}, "/bizStep"),
    ("ObjectEvent", {"bizStep": "https://ns.gs1.org/cbv/BizStep-shipping"}, "/bizStep"),
    ("ObjectEvent", {"bizStep": "cbv:BizStep-selling"}, "/bizStep"),
    ("ObjectEvent", {"disposition": "shipping"}, "/disposition"),
    ("ObjectEvent", {"readPoint": {}}, "/readPoint/id"),
    ("ObjectEvent", {"readPoint": {"id": YARD, "name": "x"}}, "/readPoint/name"),
    ("ObjectEvent", {"bizLocation": {"id": "the yard"}}, "/bizLocation/id"),
    ("ObjectEvent", {"certificationInfo": ["x"]}, "/certificationInfo/0"),
    ("ObjectEvent", {"certificationInfo": {}}, "/certificationInfo"),
    ("ObjectEvent", {"errorDeclaration": {}}, "/errorDeclaration/declarationTime"),
    ("ObjectEvent", {"errorDeclaration": {**DECLARED, "reason": "mistake"}}, "/errorDeclaration/reason"),
    (
        "ObjectEvent",
        {"errorDeclaration": {**DECLARED, "correctiveEventIDs": ["7"]}},
        "/errorDeclaration/correctiveEventIDs/0",
    ),
    ("ObjectEvent", {"errorDeclaration": {**DECLARED, "by": "me"}}, "/errorDeclaration/by"),
    ("ObjectEvent", {"bizTransactionList": [{"type": "po"}]}, "/bizTransactionList/0/bizTransaction"),
    ("ObjectEvent", {"bizTransactionList": [{"bizTransaction": "urn:x:1", "tea:a": 1}]}, "/bizTransactionList/0/tea:a"),
    ("ObjectEvent", {"sourceList": [{"source": FARM}]}, "/sourceList/0/type"),
    ("ObjectEvent", {"sourceList": [{"type": "owning_party", "destination": FARM}]}, "/sourceList/0/source"),
    ("ObjectEvent", {"destinationList": [{"type": "owner", "destination": FARM}]}, "/destinationList/0/type"),
    ("ObjectEvent", {"persistentDisposition": {}}, "/persistentDisposition"),
    ("ObjectEvent", {"persistentDisposition": {"set": []}}, "/persistentDisposition/set"),
    ("ObjectEvent", {"persistentDisposition": {"set": ["active", "active"]}}, "/persistentDisposition/set"),
    (
        "ObjectEvent",
        {"persistentDisposition": {"set": ["active"], "unset": ["cbv:Disp-active"]}},
        "/persistentDisposition",
    ),
    ("ObjectEvent", {"persistentDisposition": {"set": [7]}}, "/persistentDisposition/set/0"),
    # sensors
    ("ObjectEvent", {"sensorElementList": [{}]}, "/sensorElementList/0/sensorReport"),
    ("ObjectEvent", {"sensorElementList": [{"sensorReport": []}]}, "/sensorElementList/0/sensorReport"),
    ("ObjectEvent", sensed(type="Heat"), "/sensorElementList/0/sensorReport/0/type"),
    ("ObjectEvent", sensed(type="https://gs1.org/voc/Temperature"), "/sensorElementList/0/sensorReport/0/type"),
    ("ObjectEvent", sensed(value="26"), "/sensorElementList/0/sensorReport/0/value"),
    ("ObjectEvent", sensed(value=True), "/sensorElementList/0/sensorReport/0/value"),
    ("ObjectEvent", sensed(uom="celsius"), "/sensorElementList/0/sensorReport/0/uom"),
    ("ObjectEvent", sensed(booleanValue="true"), "/sensorElementList/0/sensorReport/0/booleanValue"),
    ("ObjectEvent", sensed(hexBinaryValue="0x1f"), "/sensorElementList/0/sensorReport/0/hexBinaryValue"),
    ("ObjectEvent", sensed(minValue=3, maxValue=2), "/sensorElementList/0/sensorReport/0/maxValue"),
    ("ObjectEvent", sensed(exception="FIRE"), "/sensorElementList/0/sensorReport/0/exception"),
    ("ObjectEvent", sensed(component="w"), "/sensorElementList/0/sensorReport/0/component"),
    ("ObjectEvent", metadata(deviceID="thermometer"), "/sensorElementList/0/sensorMetadata/deviceID"),
    (
        "ObjectEvent",
        metadata(startTime="2025-04-05T09:00:00Z", endTime="2025-04-05T08:00:00Z"),
        "/sensorElementList/0/sensorMetadata/endTime",
    ),
    # object events
    ("ObjectEvent", {"action": ...}, "/action"),
    ("ObjectEvent", {"action": "add"}, "/action"),
    ("ObjectEvent", {"epcList": ...}, "/epcList"),
    ("ObjectEvent", {"epcList": []}, "/epcList"),
    ("ObjectEvent", {"epcList": [UNIT, UNIT]}, "/epcList/1"),
    ("ObjectEvent", {"epcList": [UNIT, "urn:epc:id:sgtin:4012345.012345.S1"]}, "/epcList/1"),  # one thing, two writings
    ("ObjectEvent", {"epcList": [LOT]}, "/epcList/0"),
    ("ObjectEvent", {"quantityList": [amount(epcClass=UNIT)]}, "/quantityList/0/epcClass"),
    ("ObjectEvent", {"quantityList": [amount(quantity=-1)]}, "/quantityList/0/quantity"),
    ("ObjectEvent", {"quantityList": [{"epcClass": LOT, "quantity": 1.5}]}, "/quantityList/0/quantity"),
    ("ObjectEvent", {"quantityList": [{"epcClass": LOT, "uom": "KGM"}]}, "/quantityList/0/uom"),
    ("ObjectEvent", {"quantityList": [amount(uom="kg")]}, "/quantityList/0/uom"),
    ("ObjectEvent", {"quantityList": [amount(price=1)]}, "/quantityList/0/price"),
    ("ObjectEvent", {"action": "OBSERVE", "ilmd": {"tea:a": 1}}, "/ilmd"),
    ("ObjectEvent", {"action": "DELETE", "ilmd": {"tea:a": 1}}, "/ilmd"),
    ("ObjectEvent", {"ilmd": {"lotNumber": "L7"}}, "/ilmd/lotNumber"),
    ("ObjectEvent", {"ilmd": {"cbvmda:lotNumber": 7}}, "/ilmd/cbvmda:lotNumber"),
    ("ObjectEvent", {"parentID": CASE}, "/parentID"),  # another type's member
    # groupings
    ("AggregationEvent", {"parentID": ...}, "/parentID"),
    ("AggregationEvent", {"parentID": ..., "action": "DELETE"}, "/parentID"),
    ("AggregationEvent", {"childEPCs": ...}, "/childEPCs"),
    ("AggregationEvent", {"childEPCs": [], "action": "OBSERVE"}, "/childEPCs"),
    ("AggregationEvent", {"childEPCs": [UNIT, CASE]}, "/childEPCs"),
    ("AggregationEvent", {"ilmd": {"tea:a": 1}}, "/ilmd"),
    ("AggregationEvent", {"persistentDisposition": {"set": ["active"]}}, "/persistentDisposition"),
    ("AssociationEvent", {"parentID": ..., "action": "OBSERVE"}, "/parentID"),
    ("AssociationEvent", {"childEPCs": ...}, "/childEPCs"),
    # transactions
    ("TransactionEvent", {"bizTransactionList": ...}, "/bizTransactionList"),
    ("TransactionEvent", {"bizTransactionList": []}, "/bizTransactionList"),
    ("TransactionEvent", {"epcList": ...}, "/epcList"),
    ("TransactionEvent", {"action": ...}, "/action"),
    # transformations
    ("TransformationEvent", {"action": "ADD"}, "/action"),
    ("TransformationEvent", {"inputQuantityList": ...}, "/inputEPCList"),
    ("TransformationEvent", {"outputQuantityList": ...}, "/outputEPCList"),
    ("TransformationEvent", {"outputQuantityList": []}, "/outputEPCList"),
    ("TransformationEvent", {"transformationID": "7"}, "/transformationID"),
    (
        "TransformationEvent",
        {"transformationID": "urn:x:7", "inputQuantityList": ..., "outputQuantityList": ...},
        "/inputEPCList",
    ),
]


@pytest.mark.parametrize(("kind", "changes", "where"), REFUSED)
def test_an_event_that_breaks_a_rule_is_refused_with_its_place(kind: str, changes: dict[str, Any], where: str) -> None:
    with pytest.raises(BadInput) as caught:
        read(event(kind, **changes))
    assert (caught.value.code, caught.value.where) == ("EPCIS_FIELD", f"/epcisBody/eventList/0{where}")
    assert caught.value.cure
    assert len(read(event(kind)).events) == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"https://id.gs1.org/01/{GTIN[:-1]}5/21/S1", "GS1_CHECK_DIGIT"),
        ("urn:epc:id:sgtin:4012345.0123.S1", "GS1_LENGTH"),
        ("urn:epc:id:sgtin:4012345.012345", "GS1_SYNTAX"),
    ],
)
def test_an_identifier_that_claims_to_be_gs1_and_is_not_is_refused_where_it_stands(text: str, code: str) -> None:
    with pytest.raises(BadInput) as caught:
        read(event(epcList=[UNIT, text]))
    assert (caught.value.code, caught.value.where) == (code, "/epcisBody/eventList/0/epcList/1")


def test_a_lot_number_longer_than_the_standard_allows_is_refused() -> None:
    with pytest.raises(BadInput) as caught:
        read(event(ilmd={"cbvmda:lotNumber": "1" * 21}))
    assert (caught.value.code, caught.value.where[-21:]) == ("GS1_LENGTH", "ilmd/cbvmda:lotNumber")


ACCEPTED: list[tuple[str, dict[str, Any]]] = [
    ("ObjectEvent", {"epcList": ..., "quantityList": [amount()]}),
    ("ObjectEvent", {"epcList": [], "action": "OBSERVE", "readPoint": {"id": YARD}, **sensed()}),
    ("ObjectEvent", {"epcList": ["urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"]}),
    ("ObjectEvent", {"quantityList": [{"epcClass": LOT}]}),
    ("ObjectEvent", {"quantityList": [{"epcClass": LOT, "quantity": 3.0}]}),
    ("ObjectEvent", {"bizStep": "https://tea.example/steps/pan_firing"}),
    ("ObjectEvent", {"certificationInfo": "https://cert.example/7", "errorDeclaration": DECLARED}),
    ("ObjectEvent", {"eventTime": "2024-02-29T23:59:59.123456789-12:30", "eventTimeZoneOffset": "+14:00"}),
    ("ObjectEvent", sensed(type="https://tea.example/Aroma", uom="A93", exception="ALARM_CONDITION", component="x")),
    ("AggregationEvent", {"parentID": ..., "action": "OBSERVE"}),
    ("AggregationEvent", {"childEPCs": ..., "action": "DELETE"}),
    ("AggregationEvent", {"childEPCs": ..., "childQuantityList": [amount()]}),
    ("AssociationEvent", {"childEPCs": ..., "action": "DELETE"}),
    ("AssociationEvent", {"parentID": YARD}),
    ("TransactionEvent", {"epcList": ..., "action": "DELETE"}),
    ("TransactionEvent", {"epcList": ..., "quantityList": [amount()], "parentID": CASE}),
    ("TransformationEvent", {"outputQuantityList": ..., "transformationID": "urn:x:7"}),
    ("TransformationEvent", {"inputEPCList": [UNIT], "outputEPCList": [SECOND], "ilmd": {"tea:a": 1}}),
]


@pytest.mark.parametrize(("kind", "changes"), ACCEPTED)
def test_an_event_within_the_rules_is_read_and_reads_back_the_same(kind: str, changes: dict[str, Any]) -> None:
    (found,) = read(event(kind, **changes)).events
    assert found.type == kind
    assert read_event(found.canonical()) == found


def test_the_words_of_the_standard_mean_the_same_in_every_spelling() -> None:
    spellings = ("shipping", "cbv:BizStep-shipping", "https://ref.gs1.org/cbv/BizStep-shipping")
    assert {read(event(bizStep=spelling)).events[0].biz_step for spelling in spellings} == {"shipping"}
    report = read(event(**sensed(type="gs1:Temperature"))).events[0].sensors[0].reports[0]
    assert report.type == "Temperature"


def test_times_keep_their_offset_and_numbers_their_decimals() -> None:
    (found,) = read(event("TransformationEvent", eventTime="2025-04-05T09:30:00.123+08:00", **sensed(value=0.1))).events
    assert isinstance(found, TransformationEvent)
    assert found.event_time == datetime(2025, 4, 5, 1, 30, 0, 123000, UTC)
    assert found.event_time.isoformat() == "2025-04-05T09:30:00.123000+08:00"
    assert found.input_quantities[0].quantity == Decimal("50.5")
    assert found.sensors[0].reports[0].value == Decimal("0.1")


def test_an_event_knows_what_it_is_about_and_says_so_in_one_line() -> None:
    aggregation, transformation = read(event("AggregationEvent"), event("TransformationEvent")).events
    assert isinstance(aggregation, AggregationEvent)
    assert isinstance(transformation, TransformationEvent)
    assert aggregation.subjects() == (parse(CASE), parse(UNIT))
    assert transformation.subjects() == (parse(LEAVES), parse(LOT))
    assert transformation.consumed() == (parse(LEAVES),)
    assert transformation.produced() == (parse(LOT),)
    (found,) = read(event(readPoint={"id": YARD}, **sensed())).events
    line = found.summary()
    assert (line.type, line.action, line.biz_step, line.zone) == ("ObjectEvent", Action.ADD, "commissioning", "+08:00")
    assert (line.read_point, line.biz_location, line.subjects, line.sensors) == (parse(YARD), None, 1, 1)
    assert line.time == datetime(2025, 4, 5, 1, 30, tzinfo=UTC)


def test_a_unit_is_of_the_lot_its_commissioning_or_its_own_writing_says() -> None:
    (by_data,) = read(event(ilmd={"cbvmda:lotNumber": "L7"})).events
    (by_writing,) = read(event(epcList=[f"https://id.gs1.org/01/{GTIN}/10/L7/21/S1"], action="OBSERVE")).events
    (silent,) = read(event()).events
    assert by_data.lots() == by_writing.lots() == ((parse(UNIT), parse(LOT)),)
    assert silent.lots() == ()


class TestCanonicalBytes:
    """One event, one sequence of bytes, wherever and however often it was received."""

    def test_do_not_depend_on_spelling_order_or_record_time(self) -> None:
        (one,) = read(event(**{"tea:a": 1.0})).events
        shuffled = dict(reversed(event(**{"tea:a": 1}, recordTime="2030-01-01T00:00:00Z").items()))
        (other,) = read(shuffled).events
        assert one.canonical() == other.canonical()
        assert one.digest == other.digest
        assert one == other
        assert len({one, other}) == 1

    def test_hold_the_meaning_of_the_prefixes_they_use_and_no_others(self) -> None:
        (one,) = read(event(**{"tea:a": 1})).events
        other_meaning = {"@context": [json.loads(one.canonical())["@context"][0], {"tea": "https://other.example/"}]}
        (other,) = read(event(**{"tea:a": 1}), **other_meaning).events
        assert one != other
        (plain,) = read(event()).events
        (same,) = read(event(), **other_meaning).events
        assert plain == same

    @pytest.mark.parametrize("kind", TYPES)
    def test_change_with_every_member(self, kind: str) -> None:
        (honest,) = read(event(kind)).events
        for changed in (
            event(kind, eventTime="2025-04-05T09:30:00.001+08:00"),
            event(kind, eventTimeZoneOffset="+09:00"),
            event(kind, bizStep="storing"),
            event(kind, **{"tea:a": None}),
        ):
            assert read(changed).events[0] != honest

    def test_are_pinned(self) -> None:
        (found,) = read(event()).events
        assert isinstance(found, ObjectEvent)
        assert found.canonical() == (
            b'{"@context":["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],"action":"ADD",'
            b'"bizStep":"commissioning","epcList":["https://id.gs1.org/01/04012345123456/21/S1"],'
            b'"eventTime":"2025-04-05T09:30:00.000+08:00","eventTimeZoneOffset":"+08:00","type":"ObjectEvent"}'
        )
        assert found.digest.hex() == "66fc4fa483e999850d8ee4dfbc107efff38c34e690296bef2d302919aa55a349"

    @pytest.mark.parametrize("raw", [b"{}", b"[]", b'{"@context":7}', b"<a/>"])
    def test_of_nothing_are_refused(self, raw: bytes) -> None:
        with pytest.raises(BadInput):
            read_event(raw)
