"""The offer before anybody locks: made to suit both contracts, read without guessing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.hash_lock import Lock, Role, Terms, dump_offer, load_offer, propose
from tests.ledger.hash_lock.swap import ALICE, BOB, BOUNDS, LANE, SECRET, START, terms
from tests.ledger.refusals import refused


def proposed(now_initiator: int = START, now_responder: int = START, **changed: Any) -> Terms:
    wanted: dict[str, Any] = {
        "hashlock": SECRET.hashlock,
        "quantities": (1_000, 5_000),
        "initiator": ALICE,
        "responder": BOB,
        **changed,
    }
    return propose(LANE, now_initiator=now_initiator, now_responder=now_responder, **wanted)


@given(
    drift=st.integers(-30, 30),
    landing=st.integers(0, 1_200),
    quantities=st.tuples(st.integers(1, 2**128 - 1), st.integers(1, 2**128 - 1)),
)
def test_a_proposed_swap_is_taken_by_both_contracts(drift: int, landing: int, quantities: tuple[int, int]) -> None:
    offer = proposed(START, START + drift, quantities=quantities)
    Lock(Role.INITIATOR, LANE).fund(offer, by=ALICE[0], now=START + landing)
    second = Lock(Role.RESPONDER, LANE)
    now = START + drift + 600  # the first leg is final
    second.bond(offer, by=ALICE[1], now=now)
    second.fund(offer, by=BOB[1], now=now)
    assert load_offer(dump_offer(offer, LANE), LANE) == offer


def test_the_bond_stands_with_the_second_leg() -> None:
    """The first leg's contract has no such function; its twin says why."""
    with refused("OFFER_BOND"):
        Lock(Role.INITIATOR, LANE).bond(terms(), by=ALICE[1], now=START)


def test_I01_no_offer_is_made_where_the_clocks_leave_no_time() -> None:
    with refused("OFFER_TIME"):
        proposed(START, START + 10_000)
    with refused("AMOUNT"):
        proposed(quantities=(0, 1))
    with refused("OFFER_PARTIES"):
        proposed(initiator=(BOB[0], ALICE[1]))
    with refused("OFFER_HASH"):
        proposed(hashlock=bytes(32))
    assert proposed().initiator.refund_time - proposed().responder.refund_time >= BOUNDS.margin


def document(**changed: Any) -> bytes:
    """The honest offer as JSON with some members replaced; `initiator__x` replaces one of a leg's."""
    found = json.loads(dump_offer(terms(), LANE))
    for name, value in changed.items():
        place, _, member = name.partition("__")
        if member:
            found[place][member] = value
        else:
            found[place] = value
    return json.dumps(found).encode()


def test_an_offer_comes_back() -> None:
    assert load_offer(document(), LANE) == terms()


BAD_OFFERS: dict[str, tuple[dict[str, Any], str]] = {
    "I05_keccak": ({"hash": "keccak-256"}, "OFFER_HASH"),
    "I05_sha512": ({"hash": "sha-512"}, "OFFER_HASH"),
    "I05_no_function": ({"hash": None}, "OFFER_HASH"),
    "I05_a_zero_hash": ({"hashlock": "0x" + "00" * 32}, "OFFER_HASH"),
    "I04_a_hash_of_31_bytes": ({"hashlock": "0x" + "01" * 31}, "OFFER_FORM"),
    "I04_a_hash_of_33_bytes": ({"hashlock": "0x" + "01" * 33}, "OFFER_FORM"),
    "I16_another_lane": ({"lane": "0x" + "01" * 32}, "OFFER_MIRROR"),
    "I01_too_close": ({"initiator__refund_time": START + 9_000}, "OFFER_MARGIN"),
    "I08_no_bond": ({"bond": "0"}, "OFFER_BOND"),
    "F09_a_number": ({"initiator__quantity": 1000}, "AMOUNT"),
    "F09_negative": ({"initiator__quantity": "-1"}, "AMOUNT"),
    "F09_zero": ({"initiator__quantity": "0"}, "AMOUNT"),
    "F09_an_exponent": ({"initiator__quantity": "1e3"}, "AMOUNT"),
    "F09_a_leading_zero": ({"initiator__quantity": "01"}, "AMOUNT"),
    "F09_a_point": ({"responder__quantity": "1.5"}, "AMOUNT"),
    "F09_not_a_number": ({"responder__quantity": "NaN"}, "AMOUNT"),
    "F09_a_decimal": ({"responder__quantity": "1E+1000000"}, "AMOUNT"),
    "F09_another_scripts_digits": ({"responder__quantity": "\u0661\u0662"}, "AMOUNT"),
    "F09_2_to_the_128": ({"responder__quantity": str(2**128)}, "AMOUNT"),
    "F09_2_to_the_256": ({"responder__quantity": str(2**256)}, "AMOUNT"),
    "F09_a_bond_with_a_sign": ({"bond": "+50"}, "AMOUNT"),
    "a_line_after_the_amount": ({"initiator__quantity": "1000\n"}, "AMOUNT"),
    "a_true_time": ({"initiator__refund_time": True}, "OFFER_FORM"),
    "a_time_as_text": ({"initiator__refund_time": str(START + 11_000)}, "OFFER_FORM"),
    "a_time_with_a_fraction": ({"initiator__refund_time": START + 11_000.5}, "OFFER_FORM"),
    "upper_case_hex": ({"initiator__funder": "0x" + "AA" * 20}, "OFFER_FORM"),
    "no_prefix": ({"initiator__funder": "aa" * 21}, "OFFER_FORM"),
    "an_account_that_is_a_number": ({"initiator__funder": 5}, "OFFER_FORM"),
    "another_format": ({"format": "pledgetrail/swap-offer/v2"}, "OFFER_FORM"),
    "a_member_more": ({"note": "please"}, "OFFER_FORM"),
    "a_member_more_in_a_leg": ({"responder__note": "please"}, "OFFER_FORM"),
    "a_leg_that_is_none": ({"responder": []}, "OFFER_FORM"),
    "one_party": ({"initiator__receiver": "0x" + "aa" * 20}, "OFFER_PARTIES"),
}


@pytest.mark.parametrize("name", BAD_OFFERS)
def test_an_offer_is_refused_with(name: str) -> None:
    changed, code = BAD_OFFERS[name]
    with refused(code):
        load_offer(document(**changed), LANE)


@pytest.mark.parametrize("raw", [b"[]", b"null", b"{}", b'"offer"'])
def test_something_else_is_no_offer(raw: bytes) -> None:
    with refused("OFFER_FORM"):
        load_offer(raw, LANE)


def test_an_endless_offer_is_not_read() -> None:
    with refused("JSON_SIZE"):
        load_offer(b" " * 5_000 + document(), LANE)
    with refused("OFFER_MIRROR"):
        load_offer(document(), replace(LANE, bounds=replace(BOUNDS, open_swaps=4)))
