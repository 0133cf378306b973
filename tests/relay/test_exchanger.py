"""Exchanges over the simulator: carried to their end with nobody's help, each word said once, refusals kept apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from contracts.manifest import Manifest, Role
from contracts.node import NodeError
from contracts.plan import EXCHANGE, EXCHANGE_LANES, PLEDGE_LANES
from ledger.errors import Problem
from ledger.two_phase import LegState, Plan, Stage
from relay.ask import answer_about
from relay.relay import Relay
from relay.retry import REFUSALS_BEFORE_FATAL
from tests.contracts.exchange_world import BUYER, PRICE, SELLER
from tests.contracts.world import LENDER, deployed_world
from tests.simulator.market import Market
from tests.simulator.network import Network

START, HOUR, DAY = 1_800_000_000, 3_600, 24 * 3_600
TO_BOTH = {"17 to 0": 1, "17 to 1": 1, "Begun": 1, "Decided": 1}
COMMITTED = Counter(TO_BOTH | {"LegPrepared": 2, "18 to 0": 1, "18 to 1": 1})


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """Embedded chains of one clock, which tests move on and never back."""
    clock = [START]
    planned = {"lanes": PLEDGE_LANES + EXCHANGE_LANES, "applications": EXCHANGE}
    with deployed_world(tmp_path_factory.mktemp("market"), clock=lambda: clock[0], **planned) as world:
        opened = Market.on(world)

        def skip(role: Role, seconds: int) -> None:
            if role is Role.TRANSACTION:  # one clock for all: moved on once
                clock[0] = max(clock[0], opened.now) + seconds

        opened.skip = skip
        yield opened


@pytest.fixture
def network(market: Market) -> Network:
    return Network(market.world)


def ended(market: Market, plan: Plan, *states: LegState) -> bool:
    return [market.state(plan, place) for place in (0, 1)] == list(states)


def finished(relay: Relay, plan: Plan) -> bool:
    """Whether a relay has seen every message of a transaction judged, and finds nothing to call."""
    found = relay.index.two_phase(plan.id)
    if found is None or found.stage in (Stage.UNKNOWN, Stage.PREPARING) or relay.exchanger.reasons(plan.id):
        return False
    return all(relay.journeys[named].is_over for named in found.messages)


def shown(relay: Relay, plan: Plan) -> dict[str, object]:
    next_ = answer_about(relay, f"0x{plan.id.hex()}")["next"]
    assert isinstance(next_, dict)
    return next_


def test_an_exchange_that_was_begun_is_carried_to_its_end_and_each_word_is_said_once(
    market: Market, network: Network
) -> None:
    owed = market.owed(SELLER)
    plan, relay = market.trade(0, 1), network.relay()
    network.run(relay, until=lambda: finished(relay, plan))
    assert ended(market, plan, LegState.COMMITTED, LegState.COMMITTED)
    assert (market.holder(plan), market.is_frozen(plan)) == (BUYER.address, False)
    assert market.owed(SELLER) == owed + PRICE
    assert market.said(plan) == COMMITTED
    assert shown(relay, plan)["who"] == "nobody"
    network.settle(relay)
    assert market.said(plan) == COMMITTED


@pytest.mark.parametrize("willing", [0, 1])
def test_one_refusing_leg_aborts_both_and_each_is_told(market: Market, network: Network, willing: int) -> None:
    owed = market.owed(SELLER)
    plan, relay = market.trade(willing), network.relay()
    network.run(relay, until=lambda: finished(relay, plan))
    assert market.stage(plan) is Stage.ABORTED
    states = [LegState.REFUSED, LegState.REFUSED]
    states[willing] = LegState.ABORTED
    assert ended(market, plan, *states)
    assert (market.holder(plan), market.is_frozen(plan), market.owed(SELLER)) == (SELLER.address, False, owed)
    network.settle(relay)
    said = market.said(plan)
    assert (said["19 to 0"], said["19 to 1"], said["18 to 0"], said["Decided"]) == (1, 1, 0, 1)


def test_G06_a_transaction_whose_legs_do_not_answer_in_time_expires_and_not_earlier(
    market: Market, network: Network
) -> None:
    plan, relay = market.trade(0, 1), network.relay()
    for notary in network.notaries:
        notary.silent = True
    network.settle(relay)
    assert market.said(plan) == Counter({"17 to 0": 1, "17 to 1": 1, "Begun": 1})
    market.pass_time(plan.prepare_by - market.now - 60)
    network.settle(relay)
    assert market.stage(plan) is Stage.PREPARING, "the deadline is not there yet"
    market.pass_time(120)
    network.run(relay, until=lambda: market.stage(plan) is Stage.ABORTED)
    network.settle(relay)
    assert market.said(plan)["Decided"] == 1
    for notary in network.notaries:
        notary.silent = False
    network.run(relay, until=lambda: finished(relay, plan))
    assert market.said(plan)["19 to 0"] == market.said(plan)["19 to 1"] == 1
    assert (market.holder(plan), market.is_frozen(plan)) == (SELLER.address, False)


def test_a_decision_whose_messages_expired_is_told_again(market: Market, network: Network) -> None:
    plan, relay = market.trade(0, 1), network.relay()

    def told() -> bool:
        return market.said(plan)["18 to 0"] == market.said(plan)["18 to 1"] == 1

    def hush() -> bool:
        if market.stage(plan) is Stage.COMMITTED:
            for notary in network.notaries:
                notary.silent = True
        return told()

    network.run(relay, until=hush)
    network.settle(relay)
    assert told()
    market.pass_time(8 * DAY)
    for notary in network.notaries:
        notary.silent = False
    network.run(relay, until=lambda: finished(relay, plan))
    assert market.said(plan)["18 to 0"] == market.said(plan)["18 to 1"] == 2
    assert ended(market, plan, LegState.COMMITTED, LegState.COMMITTED)


def test_G01_a_relay_that_starts_again_says_nothing_twice(market: Market, network: Network) -> None:
    plan = market.trade(0, 1)
    relay = network.relay()
    network.run(relay, until=lambda: market.said(plan)["18 to 0"] == 1)
    again = network.relay()
    network.run(again, until=lambda: finished(again, plan))
    assert market.said(plan) == COMMITTED
    third = network.relay()
    network.settle(third)
    assert finished(third, plan)
    assert market.said(plan) == COMMITTED


def finality(manifest: Manifest, blocks: int) -> Manifest:
    chains = tuple(
        replace(chain, rules=replace(chain.rules, finality_blocks=blocks)) if chain.role is Role.TRANSACTION else chain
        for chain in manifest.chains
    )
    return replace(manifest, chains=chains)


def test_what_was_told_and_is_not_final_yet_is_not_told_again_by_anybody(market: Market, network: Network) -> None:
    plan = market.trade(0, 1)
    late = [network.relay(payer=payer, manifest=finality(network.manifest, 3)) for payer in (LENDER,)]
    late.append(network.relay(manifest=finality(network.manifest, 3)))
    first = network.relay()
    network.run(first, until=lambda: market.stage(plan) is Stage.COMMITTED)

    def mined() -> bool:
        market.pass_time(1, Role.TRANSACTION)
        return all(market.said(plan)[each] for each in ("18 to 0", "18 to 1"))

    network.run(*late, until=mined)
    for relay in late:
        for _ in range(5):
            network.settle(relay, steps=8)  # longer than a sent call is left alone
            assert market.said(plan) == COMMITTED
    for _ in range(4):
        market.pass_time(1, Role.TRANSACTION)
    network.run(first, until=lambda: finished(first, plan))
    assert market.said(plan) == COMMITTED


def test_G01_two_relays_beside_each_other_bring_it_to_the_same_end(market: Market, network: Network) -> None:
    plan = market.trade(0, 1)
    one, other = network.relay(), network.relay(payer=LENDER)
    network.run(one, other, until=lambda: finished(one, plan) and finished(other, plan))
    assert ended(market, plan, LegState.COMMITTED, LegState.COMMITTED)
    assert market.said(plan) == COMMITTED


def test_a_coordinator_that_refuses_is_set_aside_with_its_words_and_holds_up_no_other(
    market: Market, network: Network
) -> None:
    refused, plan, relay = market.trade(0, 1), market.trade(0, 1), network.relay()
    node, tried = network.node(Role.TRANSACTION), []

    def refuse(parameters: list[dict[str, str]], reply: object) -> object:
        if refused.salt.hex() not in parameters[0]["data"] or len(parameters[0]["data"]) < 1_000:
            return reply
        tried.append(parameters[0]["data"])
        raise NodeError("execution reverted: Coordinator: not today", rpc_code=3)

    node.lies["eth_estimateGas"] = refuse
    network.run(relay, until=lambda: finished(relay, plan))
    assert ended(market, plan, LegState.COMMITTED, LegState.COMMITTED)

    def set_aside() -> list[Problem]:
        return [problem for _, _, problem in relay.exchanger.reasons(refused.id) if problem is not None]

    network.run(relay, until=lambda: len(set_aside()) == 2)
    assert Counter(Counter(tried).values()) == Counter({REFUSALS_BEFORE_FATAL: 2})
    network.settle(relay)
    assert len(tried) == 2 * REFUSALS_BEFORE_FATAL, "it is not tried again by itself"
    told = shown(relay, refused)
    assert (told["who"], told["code"]) == ("the relay's operator", "CALL_REVERTED")
    assert "not today" in str(told["why"])
    node.lies.clear()
    found = relay.index.two_phase(refused.id)
    assert found is not None
    relay.retry(found.messages[0])
    network.run(relay, until=lambda: finished(relay, refused))
    assert market.said(refused) == COMMITTED
    assert ended(market, refused, LegState.COMMITTED, LegState.COMMITTED)


def test_a_node_that_cannot_say_what_was_told_delays_the_telling_and_sets_nothing_aside(
    market: Market, network: Network
) -> None:
    plan, relay = market.trade(0, 1), network.relay(manifest=finality(network.manifest, 1))
    node = network.node(Role.TRANSACTION)
    node.lies["eth_getLogs"] = lambda _parameters, _reply: [{"topics": 7}]

    def waits() -> bool:
        market.pass_time(1, Role.TRANSACTION)
        reasons = relay.exchanger.reasons(plan.id)
        return len(reasons) == 2 and all(why is not None and why.code == "NODE_GARBAGE" for _, why, _ in reasons)

    network.run(relay, until=waits)
    network.settle(relay)
    assert not any(aside for _, _, aside in relay.exchanger.reasons(plan.id))
    assert market.said(plan)["18 to 0"] == market.said(plan)["18 to 1"] == 0
    node.lies.clear()

    for _ in range(10):  # a block makes the one before it final
        market.pass_time(1, Role.TRANSACTION)
        network.settle(relay, steps=12)
    assert finished(relay, plan)
    assert market.said(plan) == COMMITTED
