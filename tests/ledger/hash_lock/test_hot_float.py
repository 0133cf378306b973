"""I15: a key at hand puts no more at stake than its float, whoever holds it; its loss is bounded by the float."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import Problem
from ledger.hash_lock import Float, Stake, check_float
from tests.ledger.refusals import refused

LIMITS = Float(at_once=100, per_counterparty=60, per_window=150, window=3_600)
ALICE, BOB, MALLORY = (bytes([number]) * 20 for number in (0xA1, 0xB0, 0x66))
NOW = 1_800_000_000
WANTED = Stake(MALLORY, 40, NOW)

# What is at stake already → whether 40 units more, with Mallory, are refused.
HELD: dict[str, tuple[list[Stake], bool]] = {
    "nothing": ([], False),
    "as much as fits beside it": ([Stake(ALICE, 60, NOW - 10)], False),
    "one unit more at once": ([Stake(ALICE, 61, NOW - 10)], True),
    "the same, long ago and still open": ([Stake(ALICE, 61, NOW - 10**6)], True),
    "the same, long ago and over": ([Stake(ALICE, 61, NOW - 10**6, is_open=False)], False),
    "as much as fits with the counterparty": ([Stake(MALLORY, 20, NOW - 10)], False),
    "one unit more with the counterparty": ([Stake(MALLORY, 21, NOW - 10)], True),
    "the same with another": ([Stake(BOB, 21, NOW - 10)], False),
    "as much as fits in the window": ([Stake(ALICE, 110, NOW - 3_599, is_open=False)], False),
    "one unit more in the window, all of it over": ([Stake(ALICE, 111, NOW - 3_599, is_open=False)], True),
    "the same just before the window": ([Stake(ALICE, 111, NOW - 3_600, is_open=False)], False),
    "the same at a time to come": ([Stake(ALICE, 111, NOW + 10**6, is_open=False)], True),
    "many small ones": ([Stake(bytes([number]) * 20, 1, NOW) for number in range(61)], True),
}


@pytest.mark.parametrize("name", HELD)
def test_I15_a_key_puts_no_more_at_stake_than_its_float(name: str) -> None:
    stakes, is_refused = HELD[name]
    before = list(stakes)
    if is_refused:
        with refused("CAP_KEY"):
            check_float(LIMITS, stakes, WANTED)
        check_float(LIMITS, [], WANTED)  # the honest twin
    else:
        check_float(LIMITS, stakes, WANTED)
    assert stakes == before


@pytest.mark.parametrize("units", [0, -1, 2**128, True, 1.5])
def test_I15_no_stake_is_nothing_or_less(units: Any) -> None:
    with refused("AMOUNT"):
        check_float(LIMITS, [], replace(WANTED, units=units))


@pytest.mark.parametrize(
    ("changed", "code"),
    [({"window": 0}, "LOCK_BOUNDS"), ({"per_counterparty": 101}, "LOCK_BOUNDS"), ({"at_once": -1}, "AMOUNT")],
)
def test_I15_a_float_that_bounds_nothing_is_refused(changed: dict[str, int], code: str) -> None:
    with refused(code):
        replace(LIMITS, **changed)


asked = st.lists(
    st.tuples(st.sampled_from([ALICE, BOB, MALLORY]), st.integers(1, 120), st.integers(0, 1_000), st.booleans()),
    max_size=40,
)


@settings(max_examples=100, deadline=None)
@given(asked)
def test_I15_whatever_a_thief_asks_for_in_whatever_order_the_loss_is_the_float(
    asks: list[tuple[bytes, int, int, bool]],
) -> None:
    """He may end any of his swaps whenever he likes: claimed by himself, they are lost and no longer open."""
    stakes: list[Stake] = []
    now = NOW
    for counterparty, units, seconds, ends in asks:
        now += seconds
        wanted = Stake(counterparty, units, now)
        try:
            check_float(LIMITS, stakes, wanted)
        except Problem as problem:
            assert problem.code == "CAP_KEY"
        else:
            stakes.append(wanted)
        if ends and stakes:
            stakes[0] = replace(stakes[0], is_open=False)
            stakes = [*stakes[1:], stakes[0]]
        for begin in {stake.at for stake in stakes}:
            lost = sum(stake.units for stake in stakes if begin <= stake.at < begin + LIMITS.window)
            assert lost <= LIMITS.per_window
        assert sum(stake.units for stake in stakes if stake.is_open) <= LIMITS.at_once
