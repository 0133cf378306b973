"""Lanes and what they bind (I16), and what no lane can be deployed with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger.errors import Refused
from ledger.hash_lock import Bounds, Role, hash_of, read_funding, read_reveal
from tests.contracts.engines import PyEvm
from tests.contracts.evm import Evm, Outcome, Reverted
from tests.contracts.swaps import (
    ALICE,
    BOB,
    BOUNDS,
    CAROL,
    CHAIN_IDS,
    GENESES,
    HERE,
    NAMES,
    SECRET,
    SIDES,
    START,
    Swaps,
    bounds_abi,
    constructor,
    end_abi,
    opened,
    opened_lane,
)
from tests.ledger.refusals import refused

# I16: another lane, another leg


OTHER_TERMS: dict[str, dict[str, Any]] = {
    "first_quantity": {"first_quantity": 999},
    "second_quantity": {"second_quantity": 4_999},
    "first_funder": {"first_funder": CAROL},
    "second_funder": {"second_funder": CAROL},
    "first_receiver": {"first_receiver": CAROL},
    "second_receiver": {"second_receiver": CAROL},
    "first_refund_time": {"first_refund_time": START + 11_001},
    "second_refund_time": {"second_refund_time": START + 6_999},
    "bond": {"bond": 51},
    "hashlock": {"hashlock": hash_of(b"\xee" * 32)},
}


@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize("field", OTHER_TERMS)
def test_I16_a_swap_with_anything_else_in_it_is_another_swap(swaps: Swaps, name: str, field: str) -> None:
    side, terms = opened(swaps, name)
    other = swaps.terms(**OTHER_TERMS[field])
    assert other.id(swaps.lane.id) != terms.id(swaps.lane.id)
    assert side.do("claim", other, SECRET.preimage) == "LOCK_UNKNOWN"
    swaps.at(START + 10**6)
    assert side.do("refund", other) == "LOCK_UNKNOWN"
    assert isinstance(side.do("refund", terms), Outcome)


def test_I16_a_swap_of_another_lane_is_unknown_on_this_one(swaps: Swaps) -> None:
    other = opened_lane(replace(BOUNDS, open_swaps=4))
    terms = swaps.terms()
    other.open_first(terms)
    assert other.lane.id != swaps.lane.id
    assert terms.id(other.lane.id) != terms.id(swaps.lane.id)
    assert swaps.first.do("claim", terms, SECRET.preimage) == "LOCK_UNKNOWN"
    assert isinstance(other.first.do("claim", terms, SECRET.preimage), Outcome)


def test_I16_the_lane_binds_both_ends_and_the_bounds(swaps: Swaps) -> None:
    first, second, bounds = swaps.lane.initiator, swaps.lane.responder, swaps.lane.bounds
    lanes = [swaps.lane]
    for end, name in ((first, "initiator"), (second, "responder")):
        others = (
            replace(end, chain_id=end.chain_id + 10),
            replace(end, genesis=b"\x77" * 32),
            replace(end, lock=b"\x77" * 20),
            replace(end, token=b"\x77" * 20),
        )
        lanes += [replace(swaps.lane, **{name: other}) for other in others]  # type: ignore[arg-type]
    lanes.append(replace(swaps.lane, initiator=second, responder=first))
    for field in ("initiator_most", "open_swaps", "bond_ppm", "initiator_least"):
        lanes.append(replace(swaps.lane, bounds=replace(bounds, **{field: getattr(bounds, field) + 1})))
    assert len({lane.id for lane in lanes}) == len(lanes) == 14
    # The contract computes the same from its own address, chain and token, and the mirror it was given.
    for lane in lanes[5:9]:
        evm = Evm(chain_id=CHAIN_IDS[Role.INITIATOR])
        evm.deploy(HERE / "TestToken.vy")
        lock = evm.deploy("InitiatorLock", *constructor(lane, Role.INITIATOR, lane.responder))
        assert lock.call("LANE") == lane.id


def test_I16_a_log_of_another_lock_or_another_lane_is_not_read(swaps: Swaps) -> None:
    terms = swaps.terms()
    funded = swaps.first.do("fund", terms, by=ALICE[0])
    assert isinstance(funded, Outcome)
    log = funded.raw_logs[-1]
    with refused("EMITTER"):
        read_funding(replace(log, address=CAROL), lane=swaps.lane, role=Role.INITIATOR, at=START)
    other = replace(swaps.lane, bounds=replace(BOUNDS, open_swaps=4))
    with refused("OFFER_MIRROR"):
        read_funding(log, lane=other, role=Role.INITIATOR, at=START)
    with refused("LOCK_LOG"):
        read_reveal(log, lane=swaps.lane, role=Role.INITIATOR, at=START)
    assert read_funding(log, lane=swaps.lane, role=Role.INITIATOR, at=START).terms == terms


# The constructor


BAD_BOUNDS: dict[str, tuple[dict[str, int], str]] = {
    "no_claim_window": ({"claim_window": 0}, "no claim window"),
    "a_margin_a_second_short": ({"responder_most": 10_000 - 2_730 + 1}, "leave no margin"),
    "S_above_L": ({"responder_most": 10_001}, "leave no margin"),
    "no_time_to_claim": ({"responder_most": 3_000}, "S leaves no time"),
    "most_below_L": ({"initiator_most": 9_999}, "initiator bounds"),
    "locked_for_months": ({"initiator_most": 30 * 24 * 3600 + 1}, "bound too long"),
    "endless_finality": ({"finality_responder": 2**64 - 1}, "bound too long"),
    "no_swaps": ({"open_swaps": 0}, "no swaps"),
    "a_bond_above_the_leg": ({"bond_ppm": 1_000_001}, "bond rate"),
}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("name", BAD_BOUNDS)
def test_I01_bounds_that_nobody_could_rely_on_are_refused_by_both(role: Role, name: str) -> None:
    changed, reason = BAD_BOUNDS[name]
    with refused("LOCK_BOUNDS"):
        replace(BOUNDS, **changed)
    raw = tuple(changed.get(field, getattr(BOUNDS, field)) for field in Bounds.__slots__)
    evm = Evm(chain_id=CHAIN_IDS[role])
    token = evm.deploy(HERE / "TestToken.vy")
    mirror = (7299, b"\x01" * 32, b"\x02" * 20, b"\x03" * 20)
    with pytest.raises(Reverted, match=reason):
        evm.deploy(NAMES[role], GENESES[role], token.address, mirror, raw)
    evm.deploy(NAMES[role], GENESES[role], token.address, mirror, bounds_abi(BOUNDS))


def test_F04_a_lane_to_nowhere_or_without_a_token_is_refused(swaps: Swaps) -> None:
    evm = Evm(chain_id=CHAIN_IDS[Role.INITIATOR])
    token = evm.deploy(HERE / "TestToken.vy").address
    genesis, mirror, bounds = GENESES[Role.INITIATOR], end_abi(swaps.lane.responder), bounds_abi(BOUNDS)
    chain_id, foreign, lock, theirs = mirror
    for arguments, reason in (
        ((bytes(32), token, mirror), "no genesis"),
        ((genesis, token, (chain_id, bytes(32), lock, theirs)), "no genesis"),
        ((genesis, token, (0, foreign, lock, theirs)), "mirror chain id"),
        ((genesis, token, (CHAIN_IDS[Role.INITIATOR], foreign, lock, theirs)), "mirror chain id"),
        ((genesis, token, (chain_id, foreign, bytes(20), theirs)), "incomplete mirror"),
        ((genesis, token, (chain_id, foreign, lock, bytes(20))), "incomplete mirror"),
        ((genesis, CAROL, mirror), "no token"),
        ((genesis, bytes(20), mirror), "no token"),
    ):
        with pytest.raises(Reverted, match=reason):
            evm.deploy("InitiatorLock", *arguments, bounds)
    evm.deploy("InitiatorLock", genesis, token, mirror, bounds)


def test_the_twin_refuses_a_lane_within_one_chain(swaps: Swaps) -> None:
    with pytest.raises(Refused, match="LOCK_BOUNDS"):
        replace(swaps.lane, responder=replace(swaps.lane.responder, chain_id=swaps.lane.initiator.chain_id))


def test_nothing_new_is_locked_where_the_chain_took_another_id_but_everything_leaves() -> None:
    swaps = opened_lane(exact=True)
    side, terms = opened(swaps, "first")
    assert isinstance(side.evm.engine, PyEvm)
    side.evm.engine._chain_id = 9_999
    swaps.at(START + 1)
    with pytest.raises(Reverted, match="HashLock: another chain"):
        side.lock.send("fund", swaps.terms(hashlock=hash_of(b"\xee" * 32)).as_abi(), by=ALICE[0])
    assert isinstance(side.do("claim", terms, SECRET.preimage), Outcome)
    assert isinstance(side.do("withdraw", BOB[0]), Outcome)
