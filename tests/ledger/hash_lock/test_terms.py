"""Lanes, terms and bounds: identities that bind everything, and values outside their range."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ledger.hash_lock import Bounds, Leg, Role, Terms
from ledger.hash_lock.terms import check_terms
from tests.ledger.hash_lock.swap import ALICE, BOB, BOUNDS, LANE, START, terms
from tests.ledger.refusals import refused

# Kept so that the formats do not change unnoticed; that the contracts compute the same, `tests/contracts` shows.
LANE_ID = bytes.fromhex("d3ab67e06b5d28bd3e2f99d16d0117bc96b67ebd75ea0b3cce817e119e4d33f2")
SWAP_ID = bytes.fromhex("39e53f140620646ffdc104cf37bc8b73f91d25755844a865bb94fc300e2d047e")


def test_the_identities_stay_what_they_were() -> None:
    assert LANE.id == LANE_ID
    assert terms().id(LANE.id) == SWAP_ID


def test_terms_come_back_from_their_words() -> None:
    assert len(terms().words()) == 320
    assert Terms.parse(terms().words()) == terms()


BAD_WORDS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a_word_short": (lambda words: words[:-32], "OFFER_FORM"),
    "a_byte_more": (lambda words: words + b"\x00", "OFFER_FORM"),
    "an_account_of_21_bytes": (lambda words: words[: 3 * 32 + 11] + b"\x01" + words[3 * 32 + 12 :], "OFFER_FORM"),
    "a_time_beyond_64_bits": (lambda words: words[:-32] + b"\x01" * 32, "OFFER_FORM"),
    "a_quantity_beyond_128_bits": (lambda words: words[:64] + b"\xff" * 32 + words[96:], "AMOUNT"),
    "a_bond_beyond_128_bits": (lambda words: words[:32] + b"\xff" * 32 + words[64:], "AMOUNT"),
    "no_hash_lock": (lambda words: bytes(32) + words[32:], "OFFER_HASH"),
}


@pytest.mark.parametrize("name", BAD_WORDS)
def test_words_are_refused_with(name: str) -> None:
    change, code = BAD_WORDS[name]
    with refused(code):
        Terms.parse(change(terms().words()))


@pytest.mark.parametrize("amount", [0, -1, 2**128, 2**256, True, 1.5, "5", "1e3", None, float("nan")])
def test_F09_an_amount_that_is_none(amount: Any) -> None:
    with refused("AMOUNT"):
        Leg(amount, ALICE[0], BOB[0], START)
    if amount != 0 or amount is True:
        with refused("AMOUNT"):
            terms(bond=amount)
    Leg(2**128 - 1, ALICE[0], BOB[0], START)


BAD_LEGS: dict[str, tuple[dict[str, Any], str]] = {
    "nobody_pays": ({"first_funder": bytes(20)}, "OFFER_PARTIES"),
    "nobody_is_paid": ({"first_receiver": bytes(20)}, "OFFER_PARTIES"),
    "one_pays_itself": ({"first_receiver": ALICE[0]}, "OFFER_PARTIES"),
    "a_short_account": ({"first_funder": b"\xaa" * 19}, "OFFER_FORM"),
    "a_long_account": ({"first_receiver": b"\xaa" * 21}, "OFFER_FORM"),
    "a_negative_time": ({"first_refund_time": -1}, "OFFER_FORM"),
    "a_time_of_65_bits": ({"first_refund_time": 2**64}, "OFFER_FORM"),
    "a_short_hash": ({"hashlock": b"\x01" * 31}, "OFFER_FORM"),
    "a_long_hash": ({"hashlock": b"\x01" * 33}, "OFFER_FORM"),
}


@pytest.mark.parametrize("name", BAD_LEGS)
def test_terms_are_refused_with(name: str) -> None:
    changed, code = BAD_LEGS[name]
    with refused(code):
        terms(**changed)


BAD_ENDS: dict[str, dict[str, Any]] = {
    "no_chain": {"chain_id": 0},
    "a_negative_chain": {"chain_id": -1},
    "no_genesis": {"genesis": bytes(32)},
    "a_short_genesis": {"genesis": b"\x01" * 31},
    "no_lock": {"lock": bytes(20)},
    "a_short_lock": {"lock": b"\x01" * 19},
    "no_token": {"token": bytes(20)},
}


@pytest.mark.parametrize("name", BAD_ENDS)
def test_an_end_is_refused_with(name: str) -> None:
    with refused("OFFER_FORM"):
        replace(LANE.responder, **BAD_ENDS[name])


def test_a_lane_within_one_chain_is_refused() -> None:
    with refused("LOCK_BOUNDS"):
        replace(LANE, responder=replace(LANE.responder, chain_id=1))


@pytest.mark.parametrize("value", [-1, 2**64, True, 1.0, "600"])
def test_a_bound_that_is_no_number_of_64_bits_is_refused(value: Any) -> None:
    for field in Bounds.__slots__:
        with refused("OFFER_FORM"):
            replace(BOUNDS, **{field: value})


def test_I01_the_margin_is_both_finalities_the_claim_window_and_the_drift() -> None:
    assert BOUNDS.margin == 600 + 900 + 1_200 + 30
    assert BOUNDS.least_open == 2 * (900 + 30) + 1_200
    tight = replace(BOUNDS, responder_most=10_000 - BOUNDS.margin)
    with refused("LOCK_BOUNDS"):
        replace(tight, responder_most=tight.responder_most + 1)
    for field in ("finality_initiator", "finality_responder", "claim_window", "clock_drift"):
        with refused("LOCK_BOUNDS"):
            replace(tight, **{field: getattr(tight, field) + 1})


def test_I01_refund_times_a_second_too_close() -> None:
    check_terms(terms(second_refund_time=START + 11_000 - BOUNDS.margin), BOUNDS)
    for gap in (BOUNDS.margin - 1, 0, -4_000):
        with refused("OFFER_MARGIN"):
            check_terms(terms(second_refund_time=START + 11_000 - gap), BOUNDS)


def test_I08_the_least_bond_is_rounded_up() -> None:
    assert [BOUNDS.least_bond(quantity) for quantity in (1, 99, 100, 101, 5_000)] == [1, 1, 1, 2, 50]
    for quantity in (1, 99, 100, 101, 5_000, 2**128 - 1):
        least = BOUNDS.least_bond(quantity)
        check_terms(terms(second_quantity=quantity, bond=least), BOUNDS)
        with refused("OFFER_BOND"):
            check_terms(terms(second_quantity=quantity, bond=least - 1), BOUNDS)
        if quantity < 2**128 - 1:
            with refused("OFFER_BOND"):
                check_terms(terms(second_quantity=quantity, bond=quantity + 1), BOUNDS)


def test_I08_what_a_choice_costs_per_unit_and_hour() -> None:
    # One per cent for at most 7,000 seconds.
    assert BOUNDS.cost_ppm_hour == 5_142
    assert replace(BOUNDS, bond_ppm=0).cost_ppm_hour == 0


def test_each_leg_is_on_its_own_side() -> None:
    assert LANE.end(Role.INITIATOR) is LANE.initiator
    assert LANE.end(Role.RESPONDER) is LANE.responder
    assert terms().leg(Role.INITIATOR).funder == ALICE[0]
    assert terms().leg(Role.RESPONDER).receiver == ALICE[1]
