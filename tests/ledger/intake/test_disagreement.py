"""OD08: two devices at one place that measure different values are told of, and neither decides anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import BadInput
from ledger.evidence import Code, SignedEvidence, SoftwareKey, Terms
from ledger.evidence.terms import Limits, Watch, read_terms
from ledger.store.check import check_folder
from tests.ledger.intake.speaking import COW, NOON, OTHER_KEY, PEN, Listening, Voice, listening, scale
from tests.ledger.refusals import refused

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
ONE, TWO, THREE = "scale-1", "scale-2", "scale-3"
THIRD_KEY = SoftwareKey(bytes([24]) * 32)


def terms(device: str, **changes: Any) -> Terms:
    honest = Terms(device, NOON - timedelta(days=1), watches={"weight": Watch(Decimal("0.5"), 60)})
    return replace(honest, **changes)


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Listening]:
    with listening(tmp_path) as found:
        book = found.ledger.evidence
        for name, key in ((TWO, OTHER_KEY), (THREE, THIRD_KEY)):
            book.enrol(scale(name, key))
        for name in (ONE, TWO, THREE):
            book.agree(terms(name))
        yield found


def voices() -> tuple[Voice, Voice, Voice]:
    return Voice(), Voice(TWO, OTHER_KEY), Voice(THREE, THIRD_KEY)


def hear(at: Listening, signed: SignedEvidence, moment: datetime = NOON) -> None:
    assert at.hear(signed, moment).added


def usable(at: Listening) -> list[str]:
    return sorted(stored.statement.value for stored in at.ledger.evidence.readings_of(COW, "weight", limit=99))  # type: ignore[union-attr]


def test_OD08_two_devices_that_differ_are_both_told_of_and_neither_counts(at: Listening, tmp_path: Path) -> None:
    one, two, _ = voices()
    first, other = one.reading(value="500.0"), two.reading(NOON + SECOND, value="500.6")
    hear(at, first)
    assert usable(at) == ["500.0"]
    hear(at, other, NOON + SECOND)
    assert (at.codes(ONE), at.codes(TWO), usable(at)) == ([Code.DISAGREEMENT], [Code.DISAGREEMENT], [])
    (about,) = at.ledger.evidence.findings(ONE)
    assert (about.finding.sequence, dict(about.finding.facts)) == (
        1,
        {
            "statement": first.digest.hex(),
            "stated": "500.0",
            "unit": "KGM",
            "beside": TWO,
            "beside_stated": "500.6",
            "beside_statement": other.digest.hex(),
            "apart": "0.6",
            "tolerance": "0.5",
            "within_seconds": "60",
        },
    )
    assert at.ledger.log.entry(about.entry).holds(about.finding.canonical())
    assert len(at.ledger.evidence.readings_of(COW, "weight", limit=9, doubted=True)) == 2
    at.ledger.close()
    assert tuple(check_folder(tmp_path / "ledger", lambda *_: None)) == ()


HONEST: dict[str, tuple[timedelta, dict[str, object]]] = {
    "just within the tolerance": (SECOND, {"value": "500.5"}),
    "a minute and a millisecond later": (MINUTE + timedelta(milliseconds=1), {"value": "900"}),
    "at another place": (SECOND, {"value": "900", "place": "urn:example:pen-9"}),
    "without a place": (SECOND, {"value": "900", "place": None}),
    "another quantity": (SECOND, {"value": "12", "quantity": "temperature", "unit": "CEL"}),
    "in another unit": (SECOND, {"value": "0.5", "unit": "TNE"}),
}


@pytest.mark.parametrize(("later", "changes"), HONEST.values(), ids=HONEST)
def test_what_cannot_be_compared_or_agrees_is_no_finding(
    at: Listening, later: timedelta, changes: dict[str, object]
) -> None:
    one, two, _ = voices()
    hear(at, one.reading(value="500.0"))
    hear(at, two.reading(NOON + later, **changes), NOON + later)
    assert at.codes(ONE) == at.codes(TWO) == []
    # the honest twin: the same two devices, and a difference that does count
    hear(at, one.reading(NOON + 10 * MINUTE, value="500.0"), NOON + 10 * MINUTE)
    hear(at, two.reading(NOON + 10 * MINUTE, value="499.4"), NOON + 10 * MINUTE)
    assert at.codes(TWO) == [Code.DISAGREEMENT]


def test_OD08_another_subject_at_the_same_place_is_compared_too(at: Listening) -> None:
    one, two, _ = voices()
    hear(at, one.reading(value="500.0"))
    hear(at, two.reading(value="501.0", subject="urn:example:animal-78"))
    assert at.codes(TWO) == [Code.DISAGREEMENT]


def test_OD08_they_go_on_disagreeing_and_none_slips_through_in_between(at: Listening) -> None:
    """What is doubted for a disagreement is still what the next one is compared with."""
    one, two, _ = voices()
    for step in range(4):
        moment = NOON + step * 20 * SECOND
        hear(at, one.reading(moment, value="500.0"), moment)
        hear(at, two.reading(moment + SECOND, value="700.0"), moment + SECOND)
    assert usable(at) == []
    # Every reading has one finding, however many of the other's lie within its window.
    assert sorted(stored.finding.sequence or 0 for stored in at.ledger.evidence.findings(ONE)) == [1, 2, 3, 4]
    assert sorted(stored.finding.sequence or 0 for stored in at.ledger.evidence.findings(TWO)) == [1, 2, 3, 4]


@pytest.mark.parametrize("first", [ONE, TWO])
def test_OD08_a_device_that_only_claims_a_place_takes_nobody_out_of_the_reckoning(at: Listening, first: str) -> None:
    """Whoever holds the key of any device could else silence every other by naming its place."""
    one, two, _ = voices()
    at.ledger.evidence.agree(terms(ONE, place=PEN))
    for moment, name in enumerate((first, TWO if first == ONE else ONE)):
        voice, value = (one, "500.0") if name == ONE else (two, "900.0")
        hear(at, voice.reading(NOON + moment * SECOND, value=value), NOON + moment * SECOND)
    assert (at.codes(ONE), at.codes(TWO), usable(at)) == ([], [Code.DISAGREEMENT], ["500.0"])
    # the honest twin: once it was put there as well, nobody can know which of the two is right
    at.ledger.evidence.agree(terms(TWO, place=PEN))
    later = NOON + 10 * MINUTE
    hear(at, one.reading(later, value="500.0"), later)
    hear(at, two.reading(later, value="900.0"), later)
    assert at.codes(ONE) == [Code.DISAGREEMENT] and usable(at) == ["500.0"]


def test_OD08_a_device_that_floods_its_place_hides_nobody_elses_word(
    at: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.store.beside.AT_ONCE", 4)
    one, two, three = voices()
    hear(at, three.reading(value="700.0"))
    at.ledger.evidence.agree(terms(TWO, watches={}))
    for _ in range(9):
        hear(at, two.reading(NOON + SECOND, value="500.0"), NOON + SECOND)
    hear(at, one.reading(NOON + SECOND, value="500.0"), NOON + SECOND)
    assert [stored.finding.facts["beside"] for stored in at.ledger.evidence.findings(ONE)] == [THREE]


def test_a_third_device_that_agrees_with_one_of_two_is_doubted_beside_the_other(at: Listening) -> None:
    one, two, three = voices()
    hear(at, one.reading(value="500.0"))
    hear(at, two.reading(value="700.0"))
    hear(at, three.reading(value="500.2"))
    assert [stored.finding.facts["beside"] for stored in at.ledger.evidence.findings(THREE)] == [TWO]
    assert usable(at) == []


def test_what_is_doubted_for_another_reason_says_nothing_about_its_neighbour(at: Listening) -> None:
    """A broken or lying device does not silence an honest one by values that are impossible anyway."""
    limits = {"weight": Limits(Decimal(0), Decimal(1200))}
    at.ledger.evidence.agree(terms(TWO, limits=limits))
    one, two, _ = voices()
    hear(at, two.reading(value="9000"))
    hear(at, one.reading(value="500.0"))
    hear(at, two.reading(NOON + timedelta(hours=1), value="600.0"))  # a clock that runs ahead
    assert (at.codes(ONE), usable(at)) == ([], ["500.0"])
    assert at.codes(TWO) == [Code.IMPOSSIBLE_VALUE, Code.UNTRUSTED_TIME]


def test_a_device_whose_terms_compare_nothing_is_not_compared(at: Listening) -> None:
    for name in (ONE, TWO):
        at.ledger.evidence.agree(terms(name, watches={}))
    one, two, _ = voices()
    hear(at, one.reading(value="500.0"))
    hear(at, two.reading(value="900.0"))
    assert at.codes(ONE) == at.codes(TWO) == [] and len(usable(at)) == 2


def test_the_reading_of_a_neighbour_that_is_nearest_in_time_counts(at: Listening) -> None:
    one, two, _ = voices()
    for seconds, value in ((0, "400.0"), (30, "500.0")):
        hear(at, one.reading(NOON + seconds * SECOND, value=value), NOON + seconds * SECOND)
    hear(at, two.reading(NOON + 29 * SECOND, value="500.0"), NOON + 30 * SECOND)
    assert at.codes(TWO) == []


@pytest.mark.parametrize(
    ("where", "codes"), [("31.2301,121.47", []), ("31.2400,121.47", [Code.DISAGREEMENT])], ids=["11 m", "1.1 km"]
)
def test_OD08_positions_are_compared_in_metres(at: Listening, where: str, codes: list[Code]) -> None:
    watches = {"position": Watch(Decimal(100), 60)}
    for name in (ONE, TWO):
        at.ledger.evidence.agree(terms(name, watches=watches))
    one, two, _ = voices()
    here: dict[str, Any] = {"quantity": "position", "unit": "DD"}
    hear(at, one.reading(value="31.2300,121.47", **here))
    hear(at, two.reading(value=where, **here))
    assert at.codes(TWO) == codes


def test_the_same_reading_again_adds_no_finding(at: Listening) -> None:
    one, two, _ = voices()
    hear(at, one.reading(value="500.0"))
    again = two.reading(value="900.0")
    hear(at, again)
    size = at.ledger.log.size
    assert not at.hear(again).added and at.ledger.log.size == size


WRONG = [
    {"weight": {"tolerance": "-1", "within_seconds": 60}},
    {"weight": {"tolerance": "NaN", "within_seconds": 60}},
    {"weight": {"tolerance": "x", "within_seconds": 60}},
    {"weight": {"tolerance": 1, "within_seconds": 60}},
    {"weight": {"tolerance": "1", "within_seconds": 0}},
    {"weight": {"tolerance": "1", "within_seconds": 86_401}},
    {"weight": {"tolerance": "1", "within_seconds": True}},
    {"weight": {"tolerance": "1"}},
    {"weight": "1"},
    {"": {"tolerance": "1", "within_seconds": 60}},
    [],
]


@pytest.mark.parametrize("watches", WRONG, ids=str)
def test_watches_that_mean_nothing_are_refused(watches: Any) -> None:
    import json

    from ledger.canonical import canonical_json

    honest = json.loads(terms(ONE).canonical())
    assert read_terms(canonical_json(honest)) == terms(ONE)
    with refused("DEVICE_TERMS"):
        read_terms(canonical_json({**honest, "watches": watches}))


def test_terms_from_before_there_were_watches_still_read_and_stay_as_they_were() -> None:
    old = terms(ONE, watches={})
    assert b"watches" not in old.canonical() and read_terms(old.canonical()) == old
    with pytest.raises(BadInput):  # an empty one is another spelling
        read_terms(old.canonical()[:-1] + b',"watches":{}}')
