"""A leg of a two-phase commit: prepares once, waits, obeys once, and is forced by nobody but the quorum, visibly."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from eth_abi.abi import encode

from ledger import two_phase
from ledger.errors import Refused
from ledger.ethereum.keccak import keccak256
from ledger.two_phase import Action, LegState, Report, decision_payload, leg_key, prepare_payload
from tests.contracts.evm import OWNER, STRANGER, Reverted
from tests.contracts.two_phase_world import (
    DELAY,
    FORCE,
    HOLDERS,
    NOW,
    PREPARE_BY,
    TwoPhaseWorld,
    open_world,
    terms,
    text,
)

LEGS = 2
WINDOW = 7 * 24 * 3600
DECISIONS = (Action.COMMIT, Action.ABORT)


@pytest.fixture(scope="module")
def deployed() -> TwoPhaseWorld:
    return open_world(LEGS)


@pytest.fixture
def world(deployed: TwoPhaseWorld) -> TwoPhaseWorld:
    """A transaction of two legs, just begun, to which both holders have consented."""
    return deployed.start()


def refused(world: TwoPhaseWorld, act: Callable[[], Any], reason: str) -> None:
    """The leg's contract says no, gives this reason, and has changed nothing."""
    site = world.legs[0]
    before = site.evm.fingerprint(site.application)
    with pytest.raises(Reverted) as found:
        act()
    assert found.value.reason == reason
    assert site.evm.fingerprint(site.application) == before


def unchanged(world: TwoPhaseWorld, act: Callable[[], str], outcome: str) -> None:
    """The leg answers this, and has changed nothing."""
    site = world.legs[0]
    before = site.evm.fingerprint(site.application)
    assert act() == outcome
    assert site.evm.fingerprint(site.application) == before


# -- prepare --------------------------------------------------------------------------------------------------------


def test_a_prepare_reserves_and_reports(world: TwoPhaseWorld) -> None:
    leg = world.plan.legs[0]
    outcome = world.legs[0].deliver(world.coordinator.address, prepare_payload(world.plan.id, 0, leg.terms))
    assert text(outcome.values) == "prepared"
    assert (world.leg_state(0), world.is_reserved(0)) == (LegState.PREPARED, True)
    posted = outcome.log("Posted")
    assert posted["payload"] == Report(world.plan.id, 0, leg.terms_digest).encode()
    assert posted["recipient"] == world.coordinator.address


def test_what_is_reserved_is_not_transferred(world: TwoPhaseWorld) -> None:
    world.prepare(0)
    thing = world.plan.legs[0].terms[:32]
    move = ("transfer", thing, STRANGER)
    refused(world, lambda: world.legs[0].application.send(*move, by=HOLDERS[0]), "DeliveryLeg: reserved")
    world.decide(0, Action.ABORT)
    world.legs[0].application.send(*move, by=HOLDERS[0])


def test_without_its_holders_consent_a_leg_refuses_for_ever(world: TwoPhaseWorld) -> None:
    plan = world.begin(consenting=False)
    outcome = world.legs[0].deliver(world.coordinator.address, prepare_payload(plan.id, 0, plan.legs[0].terms))
    assert text(outcome.values) == "no consent"
    said = Report(plan.id, 0, plan.legs[0].terms_digest, b"no consent".ljust(32, b"\0"))
    assert outcome.log("Posted")["payload"] == said.encode()
    world.consent(0)
    unchanged(world, lambda: world.prepare(0), "no consent")
    assert world.leg_state(0) == LegState.REFUSED
    unchanged(world, lambda: world.decide(0, Action.ABORT), "aborted")


def test_consent_to_another_transaction_is_none(world: TwoPhaseWorld) -> None:
    first, second = world.plan, world.next_plan()
    thing = first.legs[0].terms[:32]
    payload = prepare_payload(second.id, 0, terms(thing, STRANGER))
    assert text(world.legs[0].deliver(world.coordinator.address, payload).values) == "no consent"
    assert world.prepare(0) == "prepared"


def test_G01_a_prepare_that_comes_again_reserves_once(world: TwoPhaseWorld) -> None:
    world.prepare(0)
    unchanged(world, lambda: world.prepare(0), "prepared")


def test_an_application_that_answers_twice_answers_nothing(world: TwoPhaseWorld) -> None:
    application = world.legs[0].application
    application.send("forget_care", True)
    refused(world, lambda: world.prepare(0), "participant: answered before")
    application.send("forget_care", False)
    assert world.prepare(0) == "prepared"


def test_the_key_is_the_twins(world: TwoPhaseWorld) -> None:
    chance = random.Random("keys")
    for _ in range(50):
        arguments = (chance.randbytes(chance.randrange(27, 59)), chance.randbytes(32))
        place, digest = chance.randrange(2**256), chance.randbytes(32)
        found = world.legs[0].application.call("leg_key", *arguments, place, digest)
        assert found == leg_key(*arguments, place, digest)


# -- the decision ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("decision", DECISIONS)
def test_G01_a_decision_is_carried_out_exactly_once(world: TwoPhaseWorld, decision: Action) -> None:
    world.prepare(0)
    end = "committed" if decision == Action.COMMIT else "aborted"
    assert world.decide(0, decision) == end
    assert world.holder(0) == (HOLDERS[1] if decision == Action.COMMIT else HOLDERS[0])
    assert not world.is_reserved(0)
    for _ in range(2):
        unchanged(world, lambda: world.decide(0, decision), end)
        unchanged(world, lambda: world.prepare(0), end)
    assert world.legs[0].application.call("handed_over", world.key(0)) == (decision == Action.COMMIT)


@pytest.mark.parametrize("decision", DECISIONS)
def test_a_decision_that_contradicts_what_was_done_moves_nothing_and_is_logged(
    world: TwoPhaseWorld, decision: Action
) -> None:
    world.prepare(0)
    world.decide(0, decision)
    opposite = DECISIONS[1 - DECISIONS.index(decision)]
    unchanged(world, lambda: world.decide(0, opposite), "decision contradicted")
    payload = decision_payload(opposite, world.plan.id, 0, world.plan.legs[0].terms_digest)
    logged = world.legs[0].deliver(world.coordinator.address, payload).log("DecisionContradicted")
    assert logged["decision"] == opposite


def test_an_abort_that_comes_before_its_prepare_is_remembered(world: TwoPhaseWorld) -> None:
    assert world.decide(0, Action.ABORT) == "aborted"
    unchanged(world, lambda: world.prepare(0), "aborted")
    assert not world.is_reserved(0)


def test_a_commit_without_a_prepare_moves_nothing_and_leaves_the_leg_open(world: TwoPhaseWorld) -> None:
    unchanged(world, lambda: world.decide(0, Action.COMMIT), "not prepared")
    assert world.prepare(0) == "prepared"
    assert world.decide(0, Action.COMMIT) == "committed"


def test_a_refused_leg_never_commits(world: TwoPhaseWorld) -> None:
    world.begin(consenting=False)
    world.prepare(0)
    unchanged(world, lambda: world.decide(0, Action.COMMIT), "decision contradicted")


def test_G06_a_prepared_leg_waits_however_long(world: TwoPhaseWorld) -> None:
    world.prepare(0)
    for time in (PREPARE_BY - 1, PREPARE_BY, PREPARE_BY + 1, NOW + 10 * 365 * 24 * 3600):
        world.legs[0].evm.time = time
        assert (world.leg_state(0), world.is_reserved(0)) == (LegState.PREPARED, True)
        unchanged(world, lambda: world.prepare(0), "prepared")
        thing = world.plan.legs[0].terms[:32]
        move = ("transfer", thing, STRANGER)
        refused(world, lambda m=move: world.legs[0].application.send(*m, by=HOLDERS[0]), "DeliveryLeg: reserved")  # type: ignore[misc]
    assert world.decide(0, Action.COMMIT) == "committed"


def test_G04_late_messages_of_an_ended_transaction_never_touch_a_newer_one(world: TwoPhaseWorld) -> None:
    old = world.plan
    world.prepare(0)
    world.decide(0, Action.ABORT)
    new, thing = world.next_plan(), old.legs[0].terms[:32]
    digest = keccak256(terms(thing, STRANGER))
    key = leg_key(world.coordinator.address, new.id, 0, digest)
    world.legs[0].application.send("consent", thing, key, by=HOLDERS[0])
    payload = prepare_payload(new.id, 0, terms(thing, STRANGER))
    assert text(world.legs[0].deliver(world.coordinator.address, payload).values) == "prepared"
    unchanged(world, lambda: world.prepare(0), "aborted")
    unchanged(world, lambda: world.decide(0, Action.ABORT), "aborted")
    unchanged(world, lambda: world.decide(0, Action.COMMIT), "decision contradicted")
    assert world.is_reserved(0)
    commit = decision_payload(Action.COMMIT, new.id, 0, digest)
    assert text(world.legs[0].deliver(world.coordinator.address, commit).values) == "committed"
    assert world.holder(0) == STRANGER


def test_two_transactions_never_hold_the_same_thing(world: TwoPhaseWorld) -> None:
    world.prepare(0)
    other, thing = world.next_plan(), world.plan.legs[0].terms[:32]
    payload = prepare_payload(other.id, 0, terms(thing, STRANGER))
    assert text(world.legs[0].deliver(world.coordinator.address, payload).values) == "reserved"
    assert world.decide(0, Action.COMMIT) == "committed"


# -- force ----------------------------------------------------------------------------------------------------------


def force_action(world: TwoPhaseWorld, decision: int) -> bytes:
    return keccak256(encode(["bytes32", "bytes32", "uint256"], [FORCE, world.key(0), decision]))


@pytest.mark.parametrize("decision", DECISIONS)
def test_the_quorum_forces_a_leg_that_waits_in_vain_and_everybody_sees_it(
    world: TwoPhaseWorld, decision: Action
) -> None:
    world.prepare(0)
    site, salt = world.legs[0], b"\1" * 32
    site.application.send("announce", force_action(world, decision), salt, site.committee.call("epoch"), b"quorum")
    site.evm.time += DELAY
    outcome = site.application.send("force", world.key(0), decision, salt, by=STRANGER)
    assert outcome.log("LegDisputed") == {"key": world.key(0), "forced": decision}
    assert world.leg_state(0) == two_phase.after_force(LegState.PREPARED, decision)
    assert (world.holder(0) == HOLDERS[1]) == (decision == Action.COMMIT)
    assert not world.is_reserved(0)


@pytest.mark.parametrize("forced", DECISIONS)
@pytest.mark.parametrize("decided", DECISIONS)
def test_the_decision_confirms_or_contradicts_what_was_forced(
    world: TwoPhaseWorld, forced: Action, decided: Action
) -> None:
    world.prepare(0)
    world.force(0, forced)
    holder = world.holder(0)
    end = "committed" if decided == Action.COMMIT else "aborted"
    assert world.decide(0, decided) == (end if forced == decided else "decision contradicted")
    expected = LegState[f"{end.upper()}"] if forced == decided else LegState.CONTRADICTED
    assert world.leg_state(0) == expected
    assert world.holder(0) == holder
    unchanged(world, lambda: world.prepare(0), end if forced == decided else "forced")


def test_a_leg_forced_to_abort_reports_that_it_refuses(world: TwoPhaseWorld) -> None:
    world.prepare(0)
    world.force(0, Action.ABORT)
    said = Report(world.plan.id, 0, world.plan.legs[0].terms_digest, b"forced".ljust(32, b"\0"))
    assert world.report_again(0).log("Posted")["payload"] == said.encode()
    assert world.report(0, said.refusal) == "aborted"


def test_H08_nobody_forces_a_leg_without_order_and_delay(world: TwoPhaseWorld) -> None:
    world.prepare(0)
    site, salt = world.legs[0], b"\2" * 32
    epoch = site.committee.call("epoch")
    act = ("force", world.key(0), int(Action.ABORT), salt)
    announce = ("announce", force_action(world, Action.ABORT), salt, epoch)
    for role in (OWNER, STRANGER, HOLDERS[0]):
        refused(world, lambda by=role: site.application.send(*act, by=by), "order: not announced")  # type: ignore[misc]
    refused(world, lambda: site.application.send(*announce, b"nobody"), "Committee: below quorum")
    site.application.send(*announce, b"quorum")
    site.evm.time += DELAY - 1
    refused(world, lambda: site.application.send(*act), "order: not due")
    other = ("force", world.key(0), int(Action.COMMIT), salt)
    refused(world, lambda: site.application.send(*other), "order: not announced")
    site.evm.time += 1 + WINDOW
    refused(world, lambda: site.application.send(*act), "order: lapsed")
    site.evm.time -= 1
    with site.evm.rolled_back():
        site.committee.send("rotate")
        refused(world, lambda: site.application.send(*act), "order: of an earlier epoch")
    site.application.send(*act)
    refused(world, lambda: site.application.send(*act), "participant: not prepared")


def test_only_a_prepared_leg_is_forced_and_only_to_a_decision(world: TwoPhaseWorld) -> None:
    site, salt = world.legs[0], b"\3" * 32
    epoch = site.committee.call("epoch")
    for decision in (Action.COMMIT, Action.PREPARE, 0):
        site.application.send("announce", force_action(world, decision), salt, epoch, b"quorum")
    site.evm.time += DELAY
    act = ("force", world.key(0))
    refused(world, lambda: site.application.send(*act, Action.COMMIT, salt), "participant: not prepared")
    with pytest.raises(Refused, match="NOT_PREPARED"):
        two_phase.after_force(LegState.UNKNOWN, Action.COMMIT)
    world.prepare(0)
    for decision in (Action.PREPARE, 0):
        refused(world, lambda d=decision: site.application.send(*act, d, salt), "participant: not a decision")  # type: ignore[misc]
    site.application.send(*act, Action.COMMIT, salt)


# -- reports, and who is heard --------------------------------------------------------------------------------------


def test_a_report_is_said_again_by_anyone_as_often_as_needed(world: TwoPhaseWorld) -> None:
    world.prepare(0)
    said = Report(world.plan.id, 0, world.plan.legs[0].terms_digest).encode()
    for _ in range(2):
        posted = world.report_again(0).log("Posted")
        assert (posted["payload"], posted["recipient"]) == (said, world.coordinator.address)


def test_a_leg_with_nothing_to_say_reports_nothing(world: TwoPhaseWorld) -> None:
    nothing = "participant: nothing to report"
    refused(world, lambda: world.report_again(0), nothing)
    world.prepare(0)
    leg = world.plan.legs[0]
    application, mine = world.legs[0].application, (world.coordinator.address, world.plan.id, 0, leg.terms_digest)
    for change in ((0, world.legs[1].address), (1, b"\1" * 32), (2, 1), (3, b"\1" * 32)):
        other: list[Any] = list(mine)
        other[change[0]] = change[1]
        refused(world, lambda o=other: application.send("report", *o), nothing)  # type: ignore[misc]
    world.decide(0, Action.COMMIT)
    refused(world, lambda: world.report_again(0), nothing)


def test_H05_only_the_gateway_delivers_and_only_an_admitted_coordinator_is_heard(world: TwoPhaseWorld) -> None:
    site, payload = world.legs[0], prepare_payload(world.plan.id, 0, world.plan.legs[0].terms)
    for role in (OWNER, STRANGER, HOLDERS[0]):
        call = ("receiveMessage", b"\1" * 32, world.coordinator.address, payload)
        refused(world, lambda by=role, c=call: site.application.send(*c, by=by), "application: not the gateway")  # type: ignore[misc]
    for sender in (world.legs[1].address, b"", world.coordinator.address + b"\0"):
        refused(world, lambda s=sender: site.deliver(s, payload), "application: sender not admitted")  # type: ignore[misc]
    admit = ("admit", 7199, STRANGER)
    refused(world, lambda: site.application.send(*admit, by=STRANGER), "application: not the owner")
    assert world.prepare(0) == "prepared"


MALFORMED: dict[str, tuple[Callable[[bytes, bytes], bytes], str]] = {
    "nothing": (lambda _p, _d: b"", "participant: length"),
    "a_head_cut_short": (lambda p, _d: p[:95], "participant: length"),
    "terms_too_long": (lambda p, _d: p[:96] + bytes(513), "participant: terms too long"),
    "a_decision_cut_short": (lambda _p, d: d[:-1], "participant: length"),
    "a_decision_with_more": (lambda _p, d: d + b"\0", "participant: length"),
    "an_unknown_action": (lambda _p, d: (22).to_bytes(32, "big") + d[32:], "participant: unknown action"),
    "a_report": (lambda _p, d: (20).to_bytes(32, "big") + d[32:], "participant: unknown action"),
    "an_instruction": (lambda _p, d: (1).to_bytes(32, "big") + d[32:], "participant: unknown action"),
    "an_action_past_a_byte": (lambda p, _d: (2**8 + 17).to_bytes(32, "big") + p[32:], "participant: unknown action"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_payload_is_refused(world: TwoPhaseWorld, name: str) -> None:
    change, reason = MALFORMED[name]
    leg = world.plan.legs[0]
    prepare = prepare_payload(world.plan.id, 0, leg.terms)
    decision = decision_payload(Action.ABORT, world.plan.id, 0, leg.terms_digest)
    payload = change(prepare, decision)
    refused(world, lambda: world.legs[0].deliver(world.coordinator.address, payload), reason)
    assert world.prepare(0) == "prepared"


def test_terms_the_application_cannot_read_are_refused_by_it(world: TwoPhaseWorld) -> None:
    for length in (0, 63, 65, 512):
        payload = prepare_payload(world.plan.id, length, bytes(length))
        assert text(world.legs[0].deliver(world.coordinator.address, payload).values) == "no consent"


# -- the twin -------------------------------------------------------------------------------------------------------


def test_the_leg_and_its_twin_walk_the_same_way(world: TwoPhaseWorld) -> None:
    chance = random.Random("walks")
    for _ in range(60):
        accepts = chance.random() < 0.7
        world.begin(consenting=accepts)
        state, epoch = LegState.UNKNOWN, 0
        for _ in range(5):
            step = chance.choice((Action.PREPARE, Action.PREPARE, *DECISIONS, "force"))
            if step == Action.PREPARE:
                world.prepare(0)
                state = two_phase.after_prepare(state, accepts)
            elif step == "force" and state == LegState.PREPARED and not epoch:
                decision, epoch = chance.choice(DECISIONS), 1
                world.force(0, decision)
                state = two_phase.after_force(state, decision)
            elif step in DECISIONS:
                holder, reserved = world.holder(0), world.is_reserved(0)
                world.decide(0, Action(step))
                state, acts = two_phase.after_decision(state, Action(step))
                assert acts == ((world.holder(0), world.is_reserved(0)) != (holder, reserved))
            assert world.leg_state(0) == state
