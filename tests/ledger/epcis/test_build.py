"""What the builder makes passes our reader and GS1's schema, and says what it was asked to say."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from ledger.epcis import AggregationEvent, ObjectEvent, TransformationEvent, read_document
from ledger.epcis.build import (
    Amount,
    Happening,
    JsonEvent,
    Reading,
    commissioning,
    document,
    lot_creation,
    observation,
    packing,
    shipping,
    transformation,
)
from ledger.gs1 import lot, parse, unit
from tests.ledger.epcis.sample import CASE, FARM, GTIN, YARD
from tests.ledger.refusals import public_vectors, refused

CHINA = timezone(timedelta(hours=8))
NOON = datetime(2025, 4, 5, 12, 0, 0, 250000, CHINA)
LEAVES, TEA = lot("04012345111118", "LEAF"), lot(GTIN, "L7")
UNITS = [unit(GTIN, f"S{number}") for number in range(3)]
PLACE = Happening(NOON, parse(YARD), parse(YARD), event_id="urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6")
READING = Reading("Temperature", Decimal("26.1"), "CEL", NOON, "urn:epc:id:giai:4000001.111")


def then(hours: int) -> Happening:
    return Happening(NOON + timedelta(hours=hours), parse(YARD))


def journey() -> list[JsonEvent]:
    return [
        lot_creation(PLACE, made=Amount(LEAVES, Decimal("50.5"), "KGM"), readings=[READING]),
        transformation(
            then(1),
            inputs=[Amount(LEAVES, Decimal("50.5"), "KGM")],
            outputs=[Amount(TEA, Decimal(11), "KGM")],
            transformation_id="urn:x:t:1",
            readings=[READING, READING],
        ),
        observation(then(2), amounts=[Amount(TEA, Decimal(11), "KGM")]),
        commissioning(then(3), units=UNITS, lot=TEA),
        packing(then(4), parent=parse(CASE), children=UNITS),
        shipping(then(5), things=[parse(CASE)], sender=parse(FARM), receiver=parse(FARM), order="urn:x:po:1"),
        packing(then(6), parent=parse(CASE), children=UNITS[:1], action="DELETE"),
        observation(then(7), things=UNITS[:1], biz_step="receiving"),
    ]


def test_every_builder_passes_our_reader_and_says_what_it_was_asked_to() -> None:
    events = read_document(document(journey(), created_at=datetime.now(UTC))).events
    leaves, fired, _, commissioned, packed, shipped, unpacked, received = events
    assert leaves.event_id == PLACE.event_id
    assert leaves.made_in_lot() == "LEAF"
    assert leaves.event_time == NOON
    assert (leaves.zone, shipped.zone) == ("+08:00", "+08:00")
    assert leaves.sensors[0].reports[0].value == Decimal("26.1")
    assert isinstance(fired, TransformationEvent)
    assert (fired.consumed(), fired.produced()) == ((LEAVES,), (TEA,))
    assert [quantity.quantity for quantity in fired.quantities_of()] == [Decimal("50.5"), Decimal(11)]
    assert isinstance(commissioned, ObjectEvent)
    assert commissioned.lots() == tuple((thing, TEA) for thing in UNITS)
    assert isinstance(packed, AggregationEvent)
    assert packed.children == tuple(UNITS)
    assert (packed.biz_step, unpacked.biz_step, received.biz_step) == ("packing", "unpacking", "receiving")
    assert shipped.biz_transactions[0].transaction == "urn:x:po:1"
    assert shipped.destinations[0].identifier == parse(FARM)


def test_every_builder_passes_the_schema() -> None:
    from jsonschema import Draft7Validator, FormatChecker

    schema = json.loads(public_vectors("gs1-epcis/EPCIS-JSON-Schema.json").read_bytes())
    made = json.loads(document(journey(), created_at=NOON))
    errors = list(Draft7Validator(schema, format_checker=FormatChecker()).iter_errors(made))
    assert errors == []


def test_times_are_written_with_milliseconds_and_their_own_offset() -> None:
    (built,) = json.loads(document(journey()[:1], created_at=datetime(2025, 1, 1, tzinfo=UTC)))["epcisBody"][
        "eventList"
    ]
    assert (built["eventTime"], built["eventTimeZoneOffset"]) == ("2025-04-05T12:00:00.250+08:00", "+08:00")
    utc = observation(Happening(datetime(2025, 1, 1, tzinfo=UTC), parse(YARD)), things=UNITS)
    assert (utc["eventTime"], utc["eventTimeZoneOffset"]) == ("2025-01-01T00:00:00.000Z", "+00:00")


def test_extensions_need_their_prefix() -> None:
    own = {**journey()[0], "tea:grade": "A"}
    with refused("EPCIS_CONTEXT"):
        document([own], created_at=NOON)
    assert document([own], created_at=NOON, prefixes={"tea": "https://tea.example/ns/"})


def test_nothing_invalid_leaves() -> None:
    with refused("EPCIS_FIELD"):
        document([observation(PLACE)], created_at=NOON)
    with refused("EPCIS_FIELD"):
        document([packing(PLACE, parent=parse(CASE), children=[parse(CASE)])], created_at=NOON)
    with refused("GS1_NOT_A_LOT"):
        commissioning(PLACE, units=UNITS, lot=UNITS[0])
    with refused("WRONG_TIME"):
        observation(Happening(datetime(2025, 1, 1), parse(YARD)), things=UNITS)  # noqa: DTZ001


@pytest.mark.parametrize("value", [Decimal("0.1000000000000000055511151231257827"), Decimal("9007199254740993.5")])
def test_a_number_json_cannot_say_exactly_is_refused(value: Decimal) -> None:
    with refused("NUMBER_INEXACT"):
        observation(PLACE, amounts=[Amount(TEA, value, "KGM")])
    assert observation(PLACE, amounts=[Amount(TEA, Decimal("0.1"), "KGM")])
