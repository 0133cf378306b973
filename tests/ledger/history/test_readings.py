"""What sensors measured of a unit: every series, thinned without hiding anything, and what stands out by itself."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.api.unit_routes import as_json
from ledger.evidence import Code, Terms
from ledger.evidence.terms import Limits
from ledger.gs1 import Identifier
from ledger.history import history_of
from ledger.history.readings import MAX_TOLD, ReadingSeries, Why
from ledger.history.silence import record_silences
from ledger.history.thinning import COLUMNS, Point, thinned
from ledger.store import Name, reading_book
from ledger.store.ledger import DATABASE_FILE
from tests.ledger.intake.speaking import NOON, OTHER_KEY, Listening, Voice, listening, scale
from tests.ledger.tea import LEAVES, TEA, UNITS, WORKSHOP, document

MINUTE = timedelta(minutes=1)
LIMITS = {"temperature": Limits(Decimal(15), Decimal(30))}
TERMS = Terms("scale-1", NOON - timedelta(days=1), place=WORKSHOP.normal, limits=LIMITS)


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Listening]:
    with listening(tmp_path) as found:
        found.ledger.papers.register_lot(TEA, name=Name("Tea", "茶"), steps=[])
        found.ledger.papers.register_place(WORKSHOP, name=Name("Tea workshop", "制茶工坊"))
        found.ledger.evidence.agree(TERMS)
        yield found


def measure(at: Listening, voice: Voice, *values: str, start: datetime = NOON, subject: Identifier = TEA) -> None:
    for number, value in enumerate(values):
        moment = start + number * MINUTE
        said = {"value": value, "quantity": "temperature", "unit": "CEL", "place": WORKSHOP.normal}
        at.hear(voice.reading(moment, subject=subject.normal, **said), moment)


def told(series: ReadingSeries) -> list[tuple[str, tuple[Why, ...]]]:
    return [(each.reading.value, each.why) for each in series.told]


def only(at: Listening, thing: Identifier = TEA) -> ReadingSeries:
    (series,) = history_of(at.ledger, thing).readings
    return series


def test_a_lot_s_readings_are_a_series_with_what_stands_out(at: Listening) -> None:
    measure(at, Voice(), "21.50", "19.0", "20", "24.25", "22")
    series = only(at)
    assert (series.device_label, series.place, series.quantity, series.unit, series.count) == (
        "Scale",
        Name("Tea workshop", "制茶工坊"),
        "temperature",
        "CEL",
        5,
    )
    assert told(series) == [
        ("21.50", (Why.FIRST,)),
        ("19.0", (Why.LEAST,)),
        ("24.25", (Why.GREATEST,)),
        ("22", (Why.NEWEST,)),
    ]
    assert (series.outside, series.doubted, series.silent, dict(series.findings)) == (0, 0, (), {})
    assert [point.value for point in series.points] == [21.5, 19, 20, 24.25, 22]


def test_a_unit_s_page_tells_of_its_lot_and_of_what_it_was_made_of(at: Listening) -> None:
    at.ledger.events.capture_document(document(), NOON + timedelta(days=365))
    measure(at, Voice(), "20", "21")
    measure(at, Voice(number=2, digest=_last(at)), "22", subject=LEAVES)
    assert {series.subject for series in history_of(at.ledger, UNITS[0]).readings} == {TEA.normal, LEAVES.normal}
    assert history_of(at.ledger, LEAVES).readings[0].count == 1


def _last(at: Listening) -> bytes:
    last = at.ledger.evidence.last("scale-1")
    assert last is not None
    return last.digest


def test_readings_about_something_else_are_nobody_s(at: Listening) -> None:
    voice = Voice()
    at.hear(voice.reading())
    assert history_of(at.ledger, TEA).readings == ()
    measure(at, voice, "20")
    assert only(at).count == 1


def test_a_value_outside_the_limits_is_named_counted_and_doubted(at: Listening) -> None:
    measure(at, Voice(), "20", "30.0", "30.000000001", "21")
    series = only(at)
    assert (series.outside, series.doubted, dict(series.findings)) == (1, 1, {Code.IMPOSSIBLE_VALUE: 1})
    (wrong,) = [each for each in series.told if Why.OUTSIDE in each.why]
    assert (wrong.reading.value, wrong.codes) == ("30.000000001", (Code.IMPOSSIBLE_VALUE,))
    assert wrong.why == (Why.GREATEST, Why.OUTSIDE, Why.DOUBTED)


def test_of_many_that_are_outside_the_newest_are_named_and_all_are_counted(at: Listening) -> None:
    measure(at, Voice(), "20", *[f"{40 + number}" for number in range(MAX_TOLD + 5)], "21")
    series = only(at)
    assert series.outside == series.doubted == MAX_TOLD + 5
    assert [each.reading.value for each in series.told if Why.OUTSIDE in each.why] == [
        f"{40 + number}" for number in range(5, MAX_TOLD + 5)
    ]


def test_a_silence_between_readings_is_told_until_it_was_heard_again(at: Listening) -> None:
    at.ledger.evidence.agree(replace(TERMS, every_seconds=60, grace_seconds=0, agreed_at=NOON))
    voice = Voice()
    measure(at, voice, "20", "21")
    record_silences(at.ledger.evidence, "scale-1", now=NOON + 5 * MINUTE)
    measure(at, voice, "22", start=NOON + 10 * MINUTE)
    (silent,) = only(at).silent
    assert (silent.begins, silent.ends) == (NOON + MINUTE, NOON + 10 * MINUTE)
    assert only(at).findings[Code.SILENCE] == 1


def test_where_something_was_is_never_told_and_how_far_it_moved_is(at: Listening) -> None:
    voice = Voice()
    for minutes, where in ((0, "31.2300,121.4700"), (60, "31.2300,121.5750"), (120, "31.2300,121.4805")):
        moment = NOON + minutes * MINUTE
        said = {"subject": TEA.normal, "quantity": "position", "unit": "DD", "place": None}
        at.hear(voice.reading(moment, value=where, **said), moment)
    series = only(at)
    assert (series.unit, series.is_distance, series.told, series.limits) == ("MTR", True, (), None)
    assert [round(point.value / 1000) for point in series.points] == [0, 10, 1]
    said_all = json.dumps(as_json(history_of(at.ledger, TEA)))
    assert "31.23" not in said_all and "121." not in said_all


def test_a_reading_whose_entry_was_made_over_something_else_is_told_so(at: Listening, tmp_path: Path) -> None:
    measure(at, Voice(), "20", "21")
    with sqlite3.connect(tmp_path / "ledger" / DATABASE_FILE) as connection:
        connection.execute('UPDATE entry SET digest = zeroblob(32) WHERE "index" = (SELECT max(entry) FROM evidence)')
    assert told(only(at))[-1] == ("21", (Why.GREATEST, Why.NEWEST, Why.NOT_LOGGED))
    assert Why.NOT_LOGGED not in told(only(at))[0][1]


def test_each_device_and_quantity_is_a_series_of_its_own(at: Listening) -> None:
    at.ledger.evidence.enrol(scale("scale-2", OTHER_KEY))
    voice, other = Voice(), Voice("scale-2", OTHER_KEY)
    measure(at, voice, "20", "21")
    measure(at, other, "20")
    at.hear(voice.reading(NOON + 9 * MINUTE, subject=TEA.normal), NOON + 9 * MINUTE)
    found = [(each.device, each.quantity, each.count) for each in history_of(at.ledger, TEA).readings]
    assert found == [("scale-1", "temperature", 2), ("scale-1", "weight", 1), ("scale-2", "temperature", 1)]


def test_a_series_is_bounded_and_says_that_there_is_more(at: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_book, "MAX_READINGS", 3)
    monkeypatch.setattr("ledger.history.readings.MAX_READINGS", 3)
    measure(at, Voice(), "20", "21", "22")
    assert only(at).is_whole
    measure(at, Voice(number=3, digest=_last(at)), "23", start=NOON + 9 * MINUTE)
    assert (only(at).is_whole, only(at).count, [point.value for point in only(at).points]) == (False, 4, [21, 22, 23])


def test_the_api_says_what_the_account_says(at: Listening) -> None:
    measure(at, Voice(), "20", "31")
    (said,) = json.loads(json.dumps(as_json(history_of(at.ledger, TEA))["readings"]))
    assert (said["quantity"], said["unit"], said["count"], said["outside"]) == ("temperature", "CEL", 2, 1)
    assert said["limits"] == {"least": "15", "most": "30"} and said["findings"] == {"IMPOSSIBLE_VALUE": 1}
    assert [(each["value"], each["why"]) for each in said["told"]] == [
        ("20", ["first", "least"]),
        ("31", ["greatest", "newest", "outside", "doubted"]),
    ]
    assert said["told"][0]["evidence"].startswith("/evidence/")
    assert said["points"][1] == ["2026-05-04T12:01:00+00:00", 31.0]


# -- thinning ---------------------------------------------------------------------------------------------------------


def points(values: list[float]) -> list[Point]:
    return [Point(NOON + number * MINUTE, value) for number, value in enumerate(values)]


def test_few_points_stay_as_they_are() -> None:
    assert thinned(points([1, 2, 3] * 10)) == tuple(points([1, 2, 3] * 10))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=2000), st.integers(1, 50))
def test_the_highest_and_the_lowest_of_every_part_stay_and_there_are_never_too_many(
    values: list[float], columns: int
) -> None:
    given_points = points(values)
    kept = thinned(given_points, columns)
    assert len(kept) <= max(columns, 4 * columns)
    assert list(kept) == sorted(set(kept), key=lambda point: point.at) and set(kept) <= set(given_points)
    assert (kept[0], kept[-1]) == (given_points[0], given_points[-1])
    assert {max(values), min(values)} <= {point.value for point in kept}
    for wrong in (point for point in given_points if point.value > max(values) / 2):
        assert any(point.value >= wrong.value for point in kept)


def test_one_value_out_of_limits_among_thousands_is_in_the_picture() -> None:
    values = [20.0] * 9000
    values[4321] = 31.0
    kept = thinned(points(values))
    assert 31.0 in [point.value for point in kept] and len(kept) <= 4 * COLUMNS


def test_all_at_one_moment_is_no_division_by_zero() -> None:
    same = [Point(NOON, float(number)) for number in range(COLUMNS + 1)]
    assert [point.value for point in thinned(same)] == [0.0, float(COLUMNS)]
