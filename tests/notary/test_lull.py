"""The background gives way to whoever waits for a signature, and is never put off for ever."""

from __future__ import annotations

from notary.lull import LONGEST_SECONDS, OVERDUE_SECONDS, QUIET_SECONDS, Lull
from tests.simulator.inline import Clock


def test_the_background_begins_only_once_nobody_has_asked_for_a_while() -> None:
    clock = Clock()
    lull = Lull(clock)
    assert lull.has_come()
    with lull.request():
        clock.advance(QUIET_SECONDS)
        assert not lull.has_come(), "somebody waits"
    assert not lull.has_come(), "the next one may come at once"
    clock.advance(QUIET_SECONDS)
    assert lull.has_come()


def test_a_round_gives_way_to_a_request_and_says_so_until_it_ends() -> None:
    clock = Clock()
    lull = Lull(clock)
    assert lull.has_come() and not lull.is_over()
    with lull.request():
        assert lull.is_over()
    clock.advance(QUIET_SECONDS)
    assert lull.is_over(), "a round that was left does not go on"
    assert lull.has_come() and not lull.is_over()


def test_requests_without_end_put_the_background_off_for_a_bounded_time_only() -> None:
    clock = Clock()
    lull = Lull(clock)
    with lull.request():
        clock.advance(LONGEST_SECONDS - 0.1)
        assert not lull.has_come()
        clock.advance(0.1)
        assert lull.has_come() and not lull.is_over(), "an overdue round does not give way at once"
        clock.advance(OVERDUE_SECONDS - 0.1)
        assert not lull.is_over()
        clock.advance(0.1)
        assert lull.is_over(), "it leaves the rest of the time to those who wait"
        lull.end()
        assert not lull.has_come(), "it has had its turn"
        clock.advance(LONGEST_SECONDS)
        assert lull.has_come() and not lull.is_over()


def test_an_overdue_round_that_nobody_waits_for_goes_on() -> None:
    clock = Clock()
    lull = Lull(clock)
    clock.advance(LONGEST_SECONDS)
    assert lull.has_come()
    clock.advance(10 * OVERDUE_SECONDS)
    assert not lull.is_over()


def test_a_round_that_gave_way_does_not_count_as_one() -> None:
    clock = Clock()
    lull = Lull(clock)
    clock.advance(LONGEST_SECONDS - QUIET_SECONDS)
    assert lull.has_come()
    with lull.request():
        assert lull.is_over()
        lull.end()
        clock.advance(QUIET_SECONDS)
        assert lull.has_come(), "the last whole round is too long ago"


def test_a_request_that_fails_is_over_too() -> None:
    clock = Clock()
    lull = Lull(clock)
    try:
        with lull.request():
            raise ValueError
    except ValueError:
        clock.advance(QUIET_SECONDS)
    assert lull.has_come()
