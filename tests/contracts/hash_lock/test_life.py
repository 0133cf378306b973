"""A swap from its opening to its end: what it pays, what it gives back, and what its logs and views say."""

from __future__ import annotations

from dataclasses import replace

from ledger.hash_lock import State, read_funding, read_reveal
from tests.contracts.evm import Outcome
from tests.contracts.swaps import (
    ALICE,
    BOB,
    BOUNDS,
    CAROL,
    SECRET,
    START,
    WEALTH,
    Swaps,
    bounds_abi,
    opened_lane,
)


def test_a_swap_pays_both(swaps: Swaps) -> None:
    terms = swaps.terms()
    swaps.open_first(terms)
    swaps.open_second(terms)
    assert isinstance(swaps.second.do("claim", terms, SECRET.preimage), Outcome)
    assert isinstance(swaps.first.do("claim", terms, SECRET.preimage), Outcome)
    swaps.first.agrees(terms)
    swaps.second.agrees(terms)
    assert isinstance(swaps.second.do("withdraw", ALICE[1]), Outcome)
    assert isinstance(swaps.first.do("withdraw", BOB[0]), Outcome)
    assert swaps.second.token.call("balanceOf", ALICE[1]) == WEALTH + 5_000
    assert swaps.first.token.call("balanceOf", BOB[0]) == WEALTH + 1_000
    assert swaps.first.lock.call("held") == swaps.second.lock.call("held") == 0


def test_a_swap_that_stops_gives_everything_back_and_the_bond_to_who_waited(swaps: Swaps) -> None:
    terms = swaps.terms()
    swaps.open_first(terms)
    swaps.open_second(terms)
    swaps.at(terms.initiator.refund_time)
    for side, account in ((swaps.first, ALICE[0]), (swaps.second, BOB[1])):
        assert isinstance(side.do("refund", terms, by=CAROL), Outcome)
        assert isinstance(side.do("withdraw", account, by=CAROL), Outcome)
        side.agrees(terms)
    assert swaps.first.token.call("balanceOf", ALICE[0]) == WEALTH
    assert swaps.second.token.call("balanceOf", BOB[1]) == WEALTH + 50
    assert swaps.second.token.call("balanceOf", ALICE[1]) == WEALTH - 50


def test_a_bond_for_a_leg_that_nobody_funded_goes_back(swaps: Swaps) -> None:
    terms = swaps.terms()
    assert isinstance(swaps.second.do("bond", terms, by=ALICE[1]), Outcome)
    assert swaps.second.do("claim", terms, SECRET.preimage) == "LOCK_STATE"
    swaps.at(terms.responder.refund_time - 1)
    assert swaps.second.do("refund", terms) == "LOCK_TIME"
    swaps.at(terms.responder.refund_time)
    assert isinstance(swaps.second.do("refund", terms), Outcome)
    assert swaps.second.do("refund", terms) == "TERMINAL"
    swaps.second.agrees(terms)
    assert swaps.second.twin.owed == {ALICE[1]: 50}


def test_a_lane_may_ask_for_no_bond(swaps: Swaps) -> None:
    free = opened_lane(replace(BOUNDS, bond_ppm=0))
    terms = free.terms()
    assert terms.bond == 0
    assert free.second.do("bond", terms, by=ALICE[1]) == "OFFER_BOND"
    free.open_second(terms)
    assert isinstance(free.second.do("claim", terms, SECRET.preimage), Outcome)
    free.second.agrees(terms)


def test_the_logs_say_all_that_a_party_needs(swaps: Swaps) -> None:
    terms = swaps.terms()
    swap = terms.id(swaps.lane.id)
    bonded = swaps.second.do("bond", terms, by=ALICE[1])
    assert isinstance(bonded, Outcome)
    assert bonded.log("Bonded") == {"id": swap, "hashlock": SECRET.hashlock, "account": ALICE[1], "amount": 50}
    for side in (swaps.first, swaps.second):
        funded = side.do("fund", terms, by=terms.leg(side.role).funder)
        assert isinstance(funded, Outcome)
        assert funded.values == swap
        found = read_funding(funded.raw_logs[-1], lane=swaps.lane, role=side.role, at=START)
        assert (found.terms, found.role) == (terms, side.role)
        claimed = side.do("claim", terms, SECRET.preimage)
        assert isinstance(claimed, Outcome)
        reveal = read_reveal(claimed.raw_logs[0], lane=swaps.lane, role=side.role, at=START)
        assert (reveal.preimage, reveal.swap) == (SECRET.preimage, swap)
        assert claimed.log("Claimed")["receiver"] == terms.leg(side.role).receiver
    paid = swaps.second.do("withdraw", ALICE[1])
    assert isinstance(paid, Outcome)
    assert paid.log("Withdrawn") == {"account": ALICE[1], "amount": 5_050}


def test_the_views_say_what_the_manifest_says(swaps: Swaps) -> None:
    for side in (swaps.first, swaps.second):
        assert side.lock.call("LANE") == swaps.lane.id
        assert side.lock.call("TOKEN") == swaps.lane.end(side.role).token
        assert side.lock.call("bounds") == bounds_abi(BOUNDS)
        assert side.lock.call("margin") == BOUNDS.margin == 2_730
        assert side.lock.call("swap", b"\x01" * 32) == (State.UNKNOWN, 0)
    terms = swaps.terms()
    swaps.open_first(terms)
    assert swaps.first.lock.call("swap", terms.id(swaps.lane.id)) == (State.OPEN, START + 11_000)
