"""A device that always speaks and did not is a finding; a device that never spoke at all, too."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.evidence import Code, Terms
from ledger.evidence.expected import Silence, silences
from ledger.history.silence import MAX_RANGE, absence_of, record_silences
from tests.ledger.intake.speaking import NOON, Listening, Voice, listening
from tests.ledger.refusals import refused

MINUTE = timedelta(minutes=1)
TERMS = Terms("scale-1", NOON, every_seconds=60, grace_seconds=30)
HOUR = {"begins": NOON, "ends": NOON + 60 * MINUTE}


def moment(minute: float) -> tuple[object, object]:
    return NOON + minute * MINUTE, NOON + minute * MINUTE


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Listening]:
    with listening(tmp_path) as found:
        found.ledger.evidence.agree(TERMS)
        yield found


def test_who_never_spoke_was_silent_all_the_time() -> None:
    assert silences(TERMS, [], **HOUR) == (Silence(**HOUR),)


def test_who_speaks_in_time_is_never_silent() -> None:
    assert silences(TERMS, [moment(minute) for minute in range(61)], **HOUR) == ()  # type: ignore[misc]


def test_video_is_speech_for_as_long_as_it_lasts() -> None:
    film = [(NOON, NOON + 30 * MINUTE), (NOON + 30.5 * MINUTE, NOON + 60 * MINUTE)]
    assert silences(TERMS, film, **HOUR) == ()
    assert silences(TERMS, film[:1], **HOUR) == (Silence(NOON + 30 * MINUTE, NOON + 60 * MINUTE),)


def test_without_a_cadence_nobody_is_silent() -> None:
    assert silences(Terms("scale-1", NOON), [], **HOUR) == ()


@given(st.lists(st.integers(0, 3600), max_size=60))
def test_silences_are_just_the_long_pauses(seconds: list[int]) -> None:
    spoken = [(NOON + timedelta(seconds=at), NOON + timedelta(seconds=at)) for at in seconds]
    found = silences(TERMS, spoken, **HOUR)
    edges = sorted({0, *seconds, 3600})
    pauses = [(a, b) for a, b in itertools.pairwise(edges) if b - a > 60]
    expected = [(NOON + timedelta(seconds=a), NOON + timedelta(seconds=b)) for a, b in pauses]
    assert [(each.begins, each.ends) for each in found] == expected


def test_a_silence_is_logged_once_and_grows_into_no_second_one(at: Listening) -> None:
    book, voice = at.ledger.evidence, Voice()
    at.hear(voice.reading(NOON + MINUTE), NOON + MINUTE)
    assert record_silences(book, "scale-1", now=NOON + 2 * MINUTE) == ()
    for now in (5, 9):
        record_silences(book, "scale-1", now=NOON + now * MINUTE)
    at.hear(voice.reading(NOON + 10 * MINUTE), NOON + 10 * MINUTE)
    record_silences(book, "scale-1", now=NOON + 11 * MINUTE)
    assert at.codes() == [Code.SILENCE]
    record_silences(book, "scale-1", now=NOON + 20 * MINUTE)
    assert at.codes() == [Code.SILENCE] * 2


def test_a_device_that_never_reported_is_found(at: Listening) -> None:
    (found,) = record_silences(at.ledger.evidence, "scale-1", now=NOON + 60 * MINUTE)
    assert found.facts == {"since": "2026-05-04T12:00:00.000Z", "until": "2026-05-04T12:59:30.000Z"}


def test_OD07_what_has_no_trusted_time_breaks_no_silence(at: Listening) -> None:
    voice = Voice()
    at.hear(voice.reading(NOON + 30 * MINUTE), NOON)  # a clock half an hour ahead
    found = absence_of(at.ledger.evidence, "scale-1", NOON, NOON + 40 * MINUTE, now=NOON + 40 * MINUTE)
    assert found.silences == (Silence(NOON, NOON + 39.5 * MINUTE),)


def test_word_that_comes_late_still_counts(at: Listening) -> None:
    voice, late = Voice(), NOON + 60 * MINUTE
    for minute in range(1, 60):
        at.hear(voice.reading(NOON + minute * MINUTE), late)
    found = absence_of(at.ledger.evidence, "scale-1", NOON, late, now=late)
    assert (found.silences, found.expects) == ((), True)


def test_a_range_that_is_none_or_too_long_is_refused(at: Listening) -> None:
    for until in (NOON, NOON - MINUTE, NOON + MAX_RANGE + MINUTE):
        with refused("ABSENCE_RANGE"):
            absence_of(at.ledger.evidence, "scale-1", NOON, until, now=NOON)
    with refused("DEVICE_UNKNOWN"):
        absence_of(at.ledger.evidence, "scale-9", NOON, NOON + MINUTE, now=NOON)
