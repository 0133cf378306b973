"""Delivery against payment with the deployed roles: a warehouse receipt on one chain, its price on another, or neither.

Every message is proven by three of four notaries and goes through the real gateways.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from contracts.manifest import Manifest, Role
from contracts.verify import verify
from ledger.errors import Refused
from ledger.ethereum.keccak import keccak256 as keccak
from ledger.interoperable import encode
from ledger.leg_terms import TokenTerms
from ledger.proposal import Kind, Proposal
from ledger.two_phase import Action, Leg, LegState, Plan, Stage
from tests.contracts.exchange_world import (
    BUYER,
    HOUR,
    MONEY,
    PLACES,
    PRICE,
    RECEIPTS,
    SELLER,
    Exchange,
)
from tests.contracts.two_phase_world import legs_abi
from tests.contracts.world import CHAIN_IDS, NOTARIES, OWNER, STRANGER

DAY = 24 * HOUR


@pytest.fixture(scope="module")
def opened() -> Exchange:
    return Exchange.open()


@pytest.fixture
def exchange(opened: Exchange) -> Iterator[Exchange]:
    """The same for every test: what one does leaves nothing behind, nor time."""
    times = {role: opened.evm(role).time for role in Role}
    nodes = opened.world.nodes
    with (
        nodes[Role.ORIGIN].rolled_back(),  # type: ignore[attr-defined]
        nodes[Role.DESTINATION].rolled_back(),  # type: ignore[attr-defined]
        nodes[Role.TRANSACTION].rolled_back(),  # type: ignore[attr-defined]
    ):
        yield opened
    for role, time in times.items():
        opened.evm(role).time = time


def agreed(exchange: Exchange) -> Plan:
    plan = exchange.plan()
    exchange.agree(plan)
    return plan


def prepared(exchange: Exchange) -> Plan:
    """Both legs prepared, the last report still on its way: nothing is decided."""
    plan = agreed(exchange)
    reports = [exchange.prepare(message) for message in exchange.begin(plan)]
    assert exchange.deliver(reports[0]) == "waiting for other legs"
    return plan


def committed(exchange: Exchange) -> Plan:
    plan = prepared(exchange)
    assert exchange.deliver(exchange.report_again(plan, 1)) == "committed"
    return plan


def nothing_moved(exchange: Exchange, plan: Plan) -> bool:
    """The seller has the receipt, free, and nobody is owed the price but the buyer."""
    held = (exchange.holder(plan), exchange.is_frozen(plan), exchange.owed(SELLER))
    return held == (SELLER.address, False, 0)


# -- both, or neither -----------------------------------------------------------------------------------------------


def test_both_sides_move_exactly_once(exchange: Exchange) -> None:
    plan = agreed(exchange)
    reports = [exchange.prepare(message) for message in exchange.begin(plan)]
    assert [message.message.kind for message in reports] == [Kind.NOTICE, Kind.NOTICE]
    assert [exchange.deliver(report) for report in reports] == ["waiting for other legs", "committed"]
    assert exchange.stage(plan) is Stage.COMMITTED
    assert (exchange.holder(plan), exchange.owed(SELLER)) == (SELLER.address, 0)
    for _ in range(2):
        assert [exchange.decided(plan, place) for place in (0, 1)] == ["committed", "committed"]
    assert (exchange.holder(plan), exchange.is_frozen(plan)) == (BUYER.address, False)
    assert (exchange.owed(SELLER), exchange.owed(BUYER)) == (PRICE, 0)
    exchange.world.send(*MONEY, "withdraw", SELLER.address, exchange.token, by=STRANGER)
    assert exchange.owed(SELLER) == 0


@pytest.mark.parametrize("willing", [0, 1])
def test_one_refusing_side_aborts_both(exchange: Exchange, willing: int) -> None:
    plan = exchange.plan()
    exchange.agree(plan, [willing])
    reports = [exchange.prepare(message) for message in exchange.begin(plan)]
    assert exchange.state(plan, 1 - willing) is LegState.REFUSED
    assert exchange.deliver(reports[1 - willing]) == "aborted"
    assert exchange.deliver(reports[willing]) == "aborted"
    assert exchange.stage(plan) is Stage.ABORTED
    assert exchange.state(plan, willing) is LegState.PREPARED, "it waits for the decision's proof"
    assert [exchange.decided(plan, place) for place in (0, 1)] == ["aborted", "aborted"]
    assert nothing_moved(exchange, plan)
    assert exchange.owed(BUYER) == (PRICE if willing else 0)
    committed(exchange)


def test_G06_a_deadline_that_passes_before_the_last_proof_aborts(exchange: Exchange) -> None:
    plan = prepared(exchange)
    with pytest.raises(Refused, match="Coordinator: prepare phase lasts"):
        exchange.call("expire", plan.id, by=STRANGER)
    exchange.pass_time(HOUR)
    with pytest.raises(Refused, match="Coordinator: prepare phase is over"):
        exchange.tell(plan, 0)
    late = exchange.report_again(plan, 1)
    exchange.call("expire", plan.id, by=STRANGER)
    assert exchange.stage(plan) is Stage.ABORTED
    assert exchange.deliver(late) == "aborted", "a proof that comes after the decision changes nothing"
    assert [exchange.state(plan, place) for place in (0, 1)] == [LegState.PREPARED] * 2
    assert [exchange.decided(plan, place) for place in (0, 1)] == ["aborted", "aborted"]
    assert nothing_moved(exchange, plan)
    assert exchange.owed(BUYER) == PRICE


@pytest.mark.parametrize("early", [True, False])
def test_G06_at_the_deadline_the_last_proof_is_too_late_and_a_second_earlier_it_commits(
    exchange: Exchange, early: bool
) -> None:
    plan = prepared(exchange)
    last = exchange.report_again(plan, 1)
    exchange.evm(Role.TRANSACTION).time = plan.prepare_by - (1 if early else 0)
    assert exchange.deliver(last) == ("committed" if early else "aborted")
    assert exchange.stage(plan) is (Stage.COMMITTED if early else Stage.ABORTED)


# -- a prepared leg waits -------------------------------------------------------------------------------------------


def test_G06_a_prepared_leg_waits_for_the_decisions_proof_however_long(exchange: Exchange) -> None:
    plan = committed(exchange)
    first = exchange.tell(plan, 0)
    exchange.pass_time(400 * DAY)
    with pytest.raises(Refused, match="Gateway: expired"):
        exchange.deliver(first)
    for place, (role, name) in enumerate(PLACES):
        assert exchange.state(plan, place) is LegState.PREPARED
        assert exchange.world.read(role, name, "order_due", bytes(32), bytes(32)) == 0
    receipt = plan.legs[0].terms[:32]
    with pytest.raises(Refused, match="WarehouseReceipt: frozen"):
        exchange.world.send(*RECEIPTS, "transfer", receipt, STRANGER.address, by=SELLER)
    with pytest.raises(Refused, match="TokenLeg: locked"):
        exchange.world.send(*MONEY, "take_back", exchange.key(plan, 1), by=BUYER)
    assert [exchange.decided(plan, place) for place in (0, 1)] == ["committed", "committed"]
    assert (exchange.holder(plan), exchange.owed(SELLER)) == (BUYER.address, PRICE)


def test_H08_only_quorum_plus_delay_forces_a_leg_and_it_is_disputed_for_ever(exchange: Exchange) -> None:
    plan = committed(exchange)
    key = exchange.key(plan, 1)
    for by in (OWNER, BUYER, SELLER, STRANGER, NOTARIES[0]):
        with pytest.raises(Refused, match="order: not announced"):
            exchange.world.send(*MONEY, "force", key, Action.ABORT, bytes(32), by=by)
    with pytest.raises(Refused, match="Committee: below quorum"):
        exchange.announce(plan, 1, Action.ABORT, signers=(0, 1))
    salt = exchange.announce(plan, 1, Action.ABORT)
    with pytest.raises(Refused, match="order: not due"):
        exchange.world.send(*MONEY, "force", key, Action.ABORT, salt)
    exchange.pass_time(exchange.world.manifest.rotation.delay, Role.DESTINATION)
    forced = exchange.world.send(*MONEY, "force", key, Action.ABORT, salt)
    assert exchange.world.logs(Role.DESTINATION, forced)["LegDisputed"].fields == {"key": key, "forced": Action.ABORT}
    assert (exchange.state(plan, 1), exchange.owed(BUYER)) == (LegState.FORCED_ABORT, PRICE)
    assert exchange.decided(plan, 1) == "decision contradicted"
    assert (exchange.state(plan, 1), exchange.owed(SELLER)) == (LegState.CONTRADICTED, 0)


def test_a_leg_forced_as_it_was_decided_is_confirmed(exchange: Exchange) -> None:
    plan = committed(exchange)
    exchange.force(plan, 0, Action.COMMIT)
    assert (exchange.state(plan, 0), exchange.holder(plan)) == (LegState.FORCED_COMMIT, BUYER.address)
    assert exchange.decided(plan, 0) == "committed"
    assert (exchange.state(plan, 0), exchange.holder(plan)) == (LegState.COMMITTED, BUYER.address)


def test_the_whole_plan_is_in_the_logs_so_that_anybody_can_tell_a_leg_again(exchange: Exchange) -> None:
    plan = agreed(exchange)
    mined = exchange.call("begin", plan.salt, plan.prepare_by, legs_abi(plan))
    begun = exchange.world.logs(Role.TRANSACTION, mined)["Begun"].fields
    legs = tuple(
        Leg(each.message.destination.chain_id, each.message.recipient, each.payload[96:])
        for each in exchange.sent(mined)
    )
    named = (begun["initiator"], begun["salt"], begun["prepare_by"])
    found = Plan(CHAIN_IDS[Role.TRANSACTION], exchange.contract(Role.TRANSACTION, "Coordinator").address, *named, legs)
    assert (found, found.id) == (plan, begun["id"])
    assert exchange.deliver(exchange.tell(found, 0)) == "prepared"


# -- what is late, false or replayed --------------------------------------------------------------------------------


def test_G04_an_old_decision_never_acts_on_a_newer_transaction(exchange: Exchange) -> None:
    old = exchange.plan()
    exchange.agree(old, [0])
    prepares = exchange.begin(old)
    reports = [exchange.prepare(message) for message in prepares]
    exchange.deliver(reports[1])
    late, heard = exchange.tell(old, 0), exchange.tell(old, 0)
    assert exchange.deliver(heard) == "aborted"
    receipt = old.legs[0].terms[:32]
    new = exchange.plan(receipt)
    exchange.agree(new)
    again = [exchange.prepare(message) for message in exchange.begin(new)]
    assert exchange.deliver(late) == "aborted"
    assert exchange.is_frozen(new), "the newer leg still holds the receipt"
    assert [exchange.deliver(report) for report in again][-1] == "committed"
    assert exchange.deliver(exchange.tell(old, 0)) == "aborted"
    assert exchange.decided(new, 0) == "committed"
    assert exchange.holder(new) == BUYER.address


def test_G01_a_message_is_delivered_once_and_what_was_decided_is_said_in_a_new_one(exchange: Exchange) -> None:
    plan = committed(exchange)
    decision = exchange.tell(plan, 1)
    assert exchange.deliver(decision) == "committed"
    with pytest.raises(Refused, match="Gateway: already committed"):
        exchange.deliver(decision)
    assert exchange.owed(SELLER) == PRICE


def test_F01_a_decision_that_no_coordinator_said_is_not_delivered(exchange: Exchange) -> None:
    plan = prepared(exchange)
    asked = exchange.report_again(plan, 0)
    honest = exchange.tell(plan, 0)
    payload = Action.COMMIT.to_bytes(32, "big") + plan.id + bytes(32) + plan.legs[0].terms_digest
    message = replace(honest.message, payload_digest=keccak(payload), sender=STRANGER.address)
    with pytest.raises(Refused, match="Gateway: lane not open"):
        exchange.world.commit(Proposal(message, payload))
    swapped = replace(honest, payload=payload)
    with pytest.raises(Refused, match="Committee: "):
        exchange.world.commit(swapped, exchange.world.certify(honest.message))
    assert (exchange.state(plan, 0), exchange.holder(plan)) == (LegState.PREPARED, SELLER.address)
    assert exchange.deliver(asked) == "waiting for other legs"


def test_F05_a_leg_about_more_than_was_brought_aborts_the_whole(exchange: Exchange) -> None:
    plan = exchange.plan()
    exchange.agree(plan)
    terms = TokenTerms(exchange.token, PRICE + 1, BUYER.address, SELLER.address).encode()
    dearer = replace(plan, legs=(plan.legs[0], replace(plan.legs[1], terms=terms)))
    exchange.agree(dearer, [0])
    reports = [exchange.prepare(message) for message in exchange.begin(dearer)]
    assert exchange.deliver(reports[1]) == "aborted"
    assert exchange.decided(dearer, 0) == "aborted"
    assert nothing_moved(exchange, dearer)


def test_H05_a_leg_is_told_by_the_coordinator_it_was_planned_with_and_by_nobody_else(exchange: Exchange) -> None:
    plan = prepared(exchange)
    sender = encode(CHAIN_IDS[Role.TRANSACTION], exchange.contract(Role.TRANSACTION, "Coordinator").address)
    payload = Action.COMMIT.to_bytes(32, "big") + plan.id + bytes(32) + plan.legs[0].terms_digest
    for by in (OWNER, SELLER, BUYER, STRANGER):
        with pytest.raises(Refused, match="application: not the gateway"):
            exchange.world.send(*RECEIPTS, "receiveMessage", bytes(32), sender, payload, by=by)
    assert exchange.state(plan, 0) is LegState.PREPARED


# -- deployed -------------------------------------------------------------------------------------------------------


def test_the_manifest_names_the_roles_and_verify_finds_nothing_else(exchange: Exchange) -> None:
    manifest = exchange.world.manifest
    assert "Coordinator" in manifest.chain(Role.TRANSACTION).contracts
    assert "TokenLeg" in manifest.chain(Role.DESTINATION).contracts
    assert Manifest.load(manifest.dump()) == manifest
    found = verify(manifest, {role: [node] for role, node in exchange.world.nodes.items()})
    assert found.findings == ()


def test_a_leg_forced_by_somebody_elses_orders_is_found(exchange: Exchange) -> None:
    manifest = exchange.world.manifest
    changed = replace(manifest, rotation=replace(manifest.rotation, delay=HOUR))
    found = verify(changed, {role: [node] for role, node in exchange.world.nodes.items()})
    told = {finding.what for finding in found.findings if finding.code == "CODE_ARGUMENT"}
    assert any("TokenLeg" in each for each in told)
    assert any("WarehouseReceipt" in each for each in told)
