"""Goods against money over separate notary and relay processes on three anvil nodes: both, or neither, in time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from contracts.manifest import Role
from contracts.plan import EXCHANGE, EXCHANGE_LANES, PLEDGE_LANES
from ledger.two_phase import LegState, Plan, Stage
from tests.acceptance.estate import Estate, estate
from tests.acceptance.processes import SECONDS, Staff
from tests.acceptance.program import until
from tests.contracts.exchange_world import BUYER, PRICE, SELLER
from tests.simulator.market import Market

COMMITTED, ABORTED, REFUSED = LegState.COMMITTED, LegState.ABORTED, LegState.REFUSED


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Market, Staff]]:
    """One estate for every exchange, its four notaries and its relay."""
    lanes = [*PLEDGE_LANES, *EXCHANGE_LANES]
    with (
        estate(applications=EXCHANGE, lanes=lanes) as chains,
        chains.staff(tmp_path_factory.mktemp("staff")) as staff,
    ):
        yield opened(chains), staff


def opened(chains: Estate) -> Market:
    market = Market.on(chains.world)

    def skip(role: Role, seconds: int) -> None:
        chains.world.nodes[role].request("evm_increaseTime", hex(seconds))

    market.skip = skip
    return market


def told(staff: Staff, plan: Plan) -> dict[str, Any]:
    """What the relay says of a transaction; empty while it does not know it."""
    found: dict[str, Any] = staff.ask("relay", f"/explain/0x{plan.id.hex()}") or {}
    return found


def ends(market: Market, staff: Staff, plan: Plan, stage: Stage, *states: LegState) -> None:
    """Wait until both legs stand so and nobody has anything to do; fail with what the relay says when it never is."""

    def look() -> bool | None:
        there = [market.state(plan, place) for place in (0, 1)] == list(states)
        return (there and told(staff, plan)["next"]["who"] == "nobody") or None

    def fail() -> None:
        raise AssertionError(f"{market.stage(plan)!r}: {market.said(plan)} {told(staff, plan)}")

    until(look, seconds=SECONDS, what=f"the exchange is {stage.name}", on_timeout=fail)
    assert market.stage(plan) is stage
    assert told(staff, plan)["state"] == stage.name.lower()


def test_an_exchange_commits_beside_one_that_a_participant_refuses(running: tuple[Market, Staff]) -> None:
    market, staff = running
    owed = market.owed(SELLER)
    agreed, refused = market.trade(0, 1), market.trade(0)

    ends(market, staff, agreed, Stage.COMMITTED, COMMITTED, COMMITTED)
    ends(market, staff, refused, Stage.ABORTED, ABORTED, REFUSED)

    assert (market.holder(agreed), market.is_frozen(agreed)) == (BUYER.address, False)
    assert (market.holder(refused), market.is_frozen(refused)) == (SELLER.address, False)
    assert market.owed(SELLER) == owed + PRICE
    assert [market.said(agreed)[word] for word in ("18 to 0", "18 to 1", "19 to 0", "19 to 1")] == [1, 1, 0, 0]
    assert [market.said(refused)[word] for word in ("18 to 0", "18 to 1", "19 to 0", "19 to 1")] == [0, 0, 1, 1]
    for plan in (agreed, refused):
        for each in told(staff, plan)["messages"]:
            staff.becomes(bytes.fromhex(each["id"][2:]), "closed")


def test_G06_an_exchange_whose_notaries_are_away_until_its_deadline_moves_nothing(
    running: tuple[Market, Staff],
) -> None:
    market, staff = running
    owed = market.owed(SELLER)
    for name in staff.names[:2]:
        staff.processes.kill(name)
    plan = market.trade(0, 1)
    until(lambda: told(staff, plan) or None, seconds=SECONDS, what="the relay has read that it was begun")
    assert told(staff, plan)["by"]["time"] == plan.prepare_by
    assert market.stage(plan) is Stage.PREPARING

    market.pass_time(plan.prepare_by - market.now)
    until(lambda: market.stage(plan) is Stage.ABORTED or None, seconds=SECONDS, what="the exchange has expired")
    for name in staff.names[:2]:
        staff.start_notary(name)

    ends(market, staff, plan, Stage.ABORTED, ABORTED, ABORTED)
    assert (market.holder(plan), market.is_frozen(plan), market.owed(SELLER)) == (SELLER.address, False, owed)
    assert market.said(plan)["Decided"] == 1
