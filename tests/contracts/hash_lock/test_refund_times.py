"""When a leg can be claimed and when it is given back (I01 to I03), judged alike by contract and twin."""

from __future__ import annotations

import pytest

from ledger.hash_lock import Lock, Role
from tests.contracts.evm import Outcome
from tests.contracts.swaps import (
    ALICE,
    BOUNDS,
    SECRET,
    SIDES,
    START,
    Swaps,
    funder,
    opened,
    refund_time,
    side_of,
)

# I01: the order of the refund times


def test_I01_refund_times_closer_than_the_margin(swaps: Swaps) -> None:
    late = START + 11_000 - BOUNDS.margin + 1
    honest = swaps.terms(first_refund_time=START + 11_000, second_refund_time=late - 1)
    close = swaps.terms(first_refund_time=START + 11_000, second_refund_time=late)
    for side, now in ((swaps.first, START), (swaps.second, START + 2_000)):
        swaps.at(now)
        assert side.do("fund", close, by=close.leg(side.role).funder) == "OFFER_MARGIN"
        if side.role is Role.RESPONDER:
            assert side.do("bond", close, by=ALICE[1]) == "OFFER_MARGIN"
            side.do("bond", honest, by=ALICE[1])
        assert isinstance(side.do("fund", honest, by=honest.leg(side.role).funder), Outcome)


LOCKED = {
    "the_initiator_a_second_less_than_L": ("first", BOUNDS.initiator_least - 1, BOUNDS.initiator_least),
    "the_initiator_a_second_too_long": ("first", BOUNDS.initiator_most + 1, BOUNDS.initiator_most),
    "the_responder_a_second_more_than_S": ("second", BOUNDS.responder_most + 1, BOUNDS.responder_most),
    "the_responder_with_no_time_to_claim": ("second", BOUNDS.least_open, BOUNDS.least_open + 1),
}


@pytest.mark.parametrize("name", LOCKED)
def test_I01_I08_each_contract_keeps_its_roles_bounds(swaps: Swaps, name: str) -> None:
    side_name, wrong, right = LOCKED[name]
    side = side_of(swaps, side_name)
    times = {"first_refund_time": START + 20_000} if side_name == "second" else {"second_refund_time": START + 5_000}
    for locked, answer in ((wrong, "LOCK_TIME"), (right, None)):
        terms = swaps.terms(**{**times, f"{side_name}_refund_time": START + locked})
        if side_name == "second":
            assert side.do("bond", terms, by=ALICE[1]) == answer or answer is None
        outcome = side.do("fund", terms, by=funder(terms, side_name))
        assert outcome == answer if answer else isinstance(outcome, Outcome)


# I02, I03: the boundary and the end


@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize("offset", [-15, -1, 0, 1, 15])
def test_I02_I09_claim_before_the_refund_time_and_refund_from_it_on(swaps: Swaps, name: str, offset: int) -> None:
    side, terms = opened(swaps, name)
    swaps.at(refund_time(terms, name) + offset)
    point = side.evm.snapshot()
    twin = Lock(side.role, swaps.lane, dict(side.twin.states), set(side.twin.used), set(side.twin.revealed))
    twin.open_swaps, twin.held = dict(side.twin.open_swaps), side.twin.held
    claimed = side.do("claim", terms, SECRET.preimage)
    side.evm.revert(point)
    side.twin = twin
    returned = side.do("refund", terms)
    assert isinstance(claimed, Outcome) == (offset < 0)
    assert isinstance(returned, Outcome) == (offset >= 0)
    assert "LOCK_TIME" in (claimed, returned)


@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize("ended_by", ["claim", "refund"])
def test_I03_what_has_ended_stays_ended(swaps: Swaps, name: str, ended_by: str) -> None:
    side, terms = opened(swaps, name)
    late = refund_time(terms, name)
    if ended_by == "claim":
        side.do("claim", terms, SECRET.preimage)
    else:
        swaps.at(late)
        side.do("refund", terms)
    owed = dict(side.twin.owed)
    for now in (START, late - 1, late, late + 10**6):
        swaps.at(now)
        assert side.do("claim", terms, SECRET.preimage) == "TERMINAL"
        assert side.do("refund", terms) == "TERMINAL"
    swaps.at(START)
    assert side.do("fund", terms, by=funder(terms, name)) in ("HASH_REUSED", "LOCK_STATE")
    assert side.twin.owed == owed
    side.agrees(terms)
