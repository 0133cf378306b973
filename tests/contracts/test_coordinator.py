"""The coordinator: asks, hears, decides once. Everything it refuses leaves it as it was."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from contracts.compiler import SOURCES
from ledger import interoperable, two_phase
from ledger.errors import BadInput, Refused
from ledger.ethereum.keccak import keccak256
from ledger.two_phase import Action, Leg, LegState, Plan, Progress, Report, Stage
from tests.contracts.evm import OWNER, STRANGER, Reverted
from tests.contracts.two_phase_world import (
    NOW,
    PREPARE_BY,
    TwoPhaseWorld,
    legs_abi,
    open_world,
    plan_abi,
    text,
)

LEGS = 3
COUNTS = "waiting for other legs"


@pytest.fixture(scope="module")
def deployed() -> TwoPhaseWorld:
    return open_world(LEGS)


@pytest.fixture
def world(deployed: TwoPhaseWorld) -> TwoPhaseWorld:
    """A transaction of three legs, just begun."""
    return deployed.start()


def refused(world: TwoPhaseWorld, act: Callable[[], Any], reason: str) -> None:
    """The contract says no, gives this reason, and has changed nothing."""
    before = world.coordinator.evm.fingerprint(world.coordinator.application)
    with pytest.raises(Reverted) as found:
        act()
    assert found.value.reason == reason
    assert world.coordinator.evm.fingerprint(world.coordinator.application) == before


def hear_all_but(world: TwoPhaseWorld, *missing: int) -> None:
    for place in set(range(LEGS)) - set(missing):
        assert world.report(place) == COUNTS


# -- what it does ---------------------------------------------------------------------------------------------------


def test_every_leg_is_asked_to_prepare_its_own_terms(world: TwoPhaseWorld) -> None:
    plan = world.next_plan()
    outcome = world.coordinator.application.send("begin", plan.salt, plan.prepare_by, legs_abi(plan))
    assert outcome.values == plan.id
    posted = [log.fields for log in outcome.logs if log.name == "Posted"]
    assert [(each["recipient"], each["payload"]) for each in posted] == [
        (site.address, two_phase.prepare_payload(plan.id, place, plan.legs[place].terms))
        for place, site in enumerate(world.legs)
    ]
    kind = keccak256(b"kind(uint8)")[:4] + (1).to_bytes(32, "big")
    assert all(each["attributes"] == (kind,) for each in posted), "notices: nothing waits for an acknowledgement"
    assert outcome.log("Begun")["prepare_by"] == PREPARE_BY


def test_the_last_proof_commits(world: TwoPhaseWorld) -> None:
    assert [world.report(place) for place in range(LEGS)] == [COUNTS, COUNTS, "committed"]
    assert world.progress() == Progress(Stage.COMMITTED, LEGS, 0b111, PREPARE_BY, NOW)


def test_the_last_proof_and_the_decision_are_one_write(world: TwoPhaseWorld) -> None:
    hear_all_but(world, 1)
    before = world.coordinator.application.call("words", world.plan.id)
    world.report(1)
    after = world.coordinator.application.call("words", world.plan.id)
    assert (before & 255, before >> 96) == (Stage.PREPARING, 0)
    assert after == Stage.COMMITTED | LEGS << 8 | 0b111 << 16 | PREPARE_BY << 32 | NOW << 96


def test_one_refusal_aborts_and_its_reason_is_logged(world: TwoPhaseWorld) -> None:
    hear_all_but(world, 1)
    said = Report(world.plan.id, 1, world.plan.legs[1].terms_digest, b"no consent".ljust(32, b"\0"))
    outcome = world.coordinator.deliver(world.legs[1].address, said.encode())
    assert text(outcome.values) == "aborted"
    assert text(outcome.log("LegRefused")["reason"]) == "no consent"
    assert outcome.log("Decided")["state"] == Stage.ABORTED
    assert world.progress().stage == Stage.ABORTED


@pytest.mark.parametrize("decision", [Action.COMMIT, Action.ABORT])
def test_the_decision_is_told_again_by_anyone_as_often_as_needed(world: TwoPhaseWorld, decision: Action) -> None:
    for place in range(LEGS):
        world.report(place, bytes(32) if decision == Action.COMMIT else b"no".ljust(32, b"\0"))
    world.coordinator.evm.time = NOW + 400 * 24 * 3600
    for place in [*range(LEGS), 0]:
        posted = world.tell(place).log("Posted")
        digest = world.plan.legs[place].terms_digest
        assert posted["payload"] == two_phase.decision_payload(decision, world.plan.id, place, digest)
        assert posted["recipient"] == world.legs[place].address


def test_a_prepare_is_told_again_while_the_phase_lasts(world: TwoPhaseWorld) -> None:
    world.coordinator.evm.time = PREPARE_BY - 1
    posted = world.tell(2).log("Posted")
    assert posted["payload"] == two_phase.prepare_payload(world.plan.id, 2, world.plan.legs[2].terms)
    world.coordinator.evm.time = PREPARE_BY
    refused(world, lambda: world.tell(2), "Coordinator: prepare phase is over")


def test_an_id_can_be_known_before_it_is_begun(world: TwoPhaseWorld) -> None:
    plan = world.next_plan()
    assert world.coordinator.application.call("id_of", plan_abi(plan)) == plan.id
    world.plan = plan
    assert world.progress() == Progress(Stage.UNKNOWN, 0, 0, 0, 0)


def test_the_outcomes_are_the_texts_beside_them() -> None:
    for line in (SOURCES / "two_phase.vy").read_text().splitlines():
        if "constant(bytes32) = 0x" in line:
            literal, comment = line.split(" = ")[1].split("  # ")
            assert bytes.fromhex(literal[2:]) == comment.strip('"').encode().ljust(32, b"\0"), line


def test_the_id_is_the_twins_and_binds_every_field(world: TwoPhaseWorld) -> None:
    chance, seen = random.Random("plans"), set()
    for _ in range(60):
        plan = random_plan(chance, world.coordinator.application.address)
        first, other = plan.legs[0], Leg(7, b"\x07" * 20, b"other")
        near = [
            plan,
            replace(plan, initiator=b"\x01" * 20),
            replace(plan, salt=b"\x02" * 32),
            replace(plan, prepare_by=plan.prepare_by ^ 1),
            replace(plan, legs=plan.legs[::-1]) if plan.legs != plan.legs[::-1] else replace(plan, salt=b"\x03" * 32),
            replace(plan, legs=(replace(first, chain_id=first.chain_id ^ 2**64), *plan.legs[1:])),
            replace(plan, legs=(replace(first, participant=b"\x04" * 20), *plan.legs[1:])),
            replace(plan, legs=(replace(first, terms=first.terms[:-1] + b"?"), *plan.legs[1:])),
            replace(plan, legs=(*plan.legs[:7], other)),
        ]
        for each in near:
            assert world.coordinator.application.call("id_of", plan_abi(each)) == each.id
            seen.add(each.id)
    assert len(seen) == 60 * 9


def random_plan(chance: random.Random, coordinator: bytes) -> Plan:
    legs = tuple(
        Leg(chance.randrange(1, 2**256), chance.randbytes(20), chance.randbytes(chance.randrange(1, 513)))
        for _ in range(chance.randrange(2, 8))
    )
    return Plan(
        chain_id=7103,
        coordinator=coordinator,
        initiator=chance.randbytes(20),
        salt=chance.randbytes(32),
        prepare_by=chance.randrange(2**64),
        legs=legs,
    )


# -- the deadline ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_G06_at_the_deadline_a_proof_counts_or_the_phase_is_over_and_never_both(
    world: TwoPhaseWorld, offset: int
) -> None:
    hear_all_but(world, 2)
    world.coordinator.evm.time = PREPARE_BY + offset
    with world.coordinator.evm.rolled_back():
        commits = world.report(2) == "committed"
        assert world.progress().stage == (Stage.COMMITTED if commits else Stage.ABORTED)
    with world.coordinator.evm.rolled_back():
        try:
            world.coordinator.application.send("expire", world.plan.id, by=STRANGER)
            expires = True
        except Reverted as reverted:
            assert reverted.reason == "Coordinator: prepare phase lasts"
            expires = False
    assert (commits, expires) == (offset < 0, offset >= 0)
    assert world.progress().stage == Stage.PREPARING


def test_G06_a_proof_after_the_deadline_decides_to_abort(world: TwoPhaseWorld) -> None:
    world.coordinator.evm.time = PREPARE_BY
    assert world.report(0) == "aborted"
    assert world.progress() == Progress(Stage.ABORTED, LEGS, 0, PREPARE_BY, PREPARE_BY)


def test_G06_expiry_does_not_undo_a_commit_nor_a_late_proof_an_abort(world: TwoPhaseWorld) -> None:
    hear_all_but(world, 1)
    world.coordinator.evm.time = PREPARE_BY - 1
    with world.coordinator.evm.rolled_back():
        world.report(1)
        world.coordinator.evm.time = PREPARE_BY
        refused(
            world, lambda: world.coordinator.application.send("expire", world.plan.id), "Coordinator: not preparing"
        )
    world.coordinator.evm.time = PREPARE_BY
    world.coordinator.application.send("expire", world.plan.id)
    assert world.report(1) == "aborted"
    assert world.progress().prepared == 0b101


@pytest.mark.parametrize("decided", [Stage.COMMITTED, Stage.ABORTED])
def test_nothing_changes_a_decision(world: TwoPhaseWorld, decided: Stage) -> None:
    for place in range(LEGS):
        world.report(place, bytes(32) if decided == Stage.COMMITTED else b"no".ljust(32, b"\0"))
    before = world.coordinator.application.call("words", world.plan.id)
    for time in (NOW, PREPARE_BY, PREPARE_BY + 10**8):
        world.coordinator.evm.time = time
        for place in range(LEGS):
            for refusal in (bytes(32), b"changed my mind".ljust(32, b"\0")):
                assert world.report(place, refusal) == decided.name.lower()
    assert world.coordinator.application.call("words", world.plan.id) == before


# -- whose report counts --------------------------------------------------------------------------------------------


def test_G01_a_report_that_comes_again_counts_once(world: TwoPhaseWorld) -> None:
    for _ in range(LEGS + 1):
        assert world.report(0) == COUNTS
    assert world.progress().prepared == 0b001


FORGED: dict[str, tuple[Callable[[Report], Report], str]] = {
    "F01_speaking_for_another_leg": (lambda r: replace(r, leg=0), "Coordinator: not this leg's report"),
    "of_a_leg_there_is_not": (lambda r: replace(r, leg=LEGS), "Coordinator: not this leg's report"),
    "of_a_leg_far_away": (lambda r: replace(r, leg=2**256 - 1), "Coordinator: not this leg's report"),
    "C05_about_other_terms": (lambda r: replace(r, terms_digest=b"\7" * 32), "Coordinator: not this leg's report"),
    "G02_of_another_transaction": (lambda r: replace(r, id=b"\7" * 32), "Coordinator: not this leg's report"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_report_is_refused(world: TwoPhaseWorld, name: str) -> None:
    change, reason = FORGED[name]
    honest = Report(world.plan.id, 1, world.plan.legs[1].terms_digest)
    sender = world.legs[1].address
    refused(world, lambda: world.coordinator.deliver(sender, change(honest).encode()), reason)
    assert text(world.coordinator.deliver(sender, honest.encode()).values) == COUNTS


MALFORMED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "that_is_empty": (lambda _: b"", "Coordinator: length"),
    "one_byte_short": (lambda p: p[:-1], "Coordinator: length"),
    "one_byte_long": (lambda p: p + b"\0", "Coordinator: length"),
    "of_a_leg_that_prepares_another": (lambda p: (17).to_bytes(32, "big") + p[32:], "Coordinator: not a report"),
    "that_is_an_instruction": (lambda p: (1).to_bytes(32, "big") + p[32:], "Coordinator: not a report"),
    "prepared_and_refusing": (lambda p: p[:128] + b"\1" * 32, "Coordinator: not a report"),
    "refused_without_a_reason": (lambda p: (21).to_bytes(32, "big") + p[32:], "Coordinator: not a report"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_payload_is_refused(world: TwoPhaseWorld, name: str) -> None:
    change, reason = MALFORMED[name]
    honest = Report(world.plan.id, 1, world.plan.legs[1].terms_digest).encode()
    refused(world, lambda: world.coordinator.deliver(world.legs[1].address, change(honest)), reason)
    with pytest.raises(BadInput, match="REPORT_FORM"):
        two_phase.read_report(change(honest))
    assert two_phase.read_report(honest).encode() == honest
    assert text(world.coordinator.deliver(world.legs[1].address, honest).values) == COUNTS


def test_H05_only_the_gateway_delivers_and_only_admitted_participants_are_heard(world: TwoPhaseWorld) -> None:
    honest = Report(world.plan.id, 1, world.plan.legs[1].terms_digest).encode()
    for role in (OWNER, STRANGER):
        call = (b"\1" * 32, world.legs[1].address, honest)
        refused(
            world,
            lambda by=role, call=call: world.coordinator.application.send("receiveMessage", *call, by=by),  # type: ignore[misc]
            "application: not the gateway",
        )
    stranger = interoperable.encode(7202, STRANGER)
    refused(world, lambda: world.coordinator.deliver(stranger, honest), "application: sender not admitted")
    elsewhere = interoperable.encode(7209, world.legs[1].application.address)
    refused(world, lambda: world.coordinator.deliver(elsewhere, honest), "application: sender not admitted")
    admit = ("admit", 7209, world.legs[1].application.address)
    refused(world, lambda: world.coordinator.application.send(*admit, by=STRANGER), "application: not the owner")
    assert world.report(1) == COUNTS


# -- what it does not begin, and what it does not tell ----------------------------------------------------------------


def begin(world: TwoPhaseWorld, plan: Plan) -> Callable[[], Any]:
    return lambda: world.coordinator.application.send("begin", plan.salt, plan.prepare_by, legs_abi(plan))


@pytest.mark.parametrize(
    ("prepare_by", "reason"),
    [
        (NOW - 1, "Coordinator: deadline is past"),
        (NOW, "Coordinator: deadline is past"),
        (NOW + two_phase.MAX_PREPARE_SECONDS + 1, "Coordinator: deadline too far"),
        (2**64 - 1, "Coordinator: deadline too far"),
    ],
)
def test_a_deadline_is_refused(world: TwoPhaseWorld, prepare_by: int, reason: str) -> None:
    plan = world.next_plan(prepare_by=prepare_by)
    refused(world, begin(world, plan), reason)
    with pytest.raises(Refused, match="PREPARE_DEADLINE"):
        plan.begin(NOW)
    for honest in (NOW + 1, NOW + two_phase.MAX_PREPARE_SECONDS):
        world.plan = world.next_plan(prepare_by=honest)
        begin(world, world.plan)()
        assert world.progress() == world.plan.begin(NOW)


def test_a_transaction_of_one_leg_is_refused(world: TwoPhaseWorld) -> None:
    one = [legs_abi(world.plan)[0]]
    refused(
        world,
        lambda: world.coordinator.application.send("begin", b"\1" * 32, PREPARE_BY, one),
        "Coordinator: fewer than two legs",
    )
    with pytest.raises(Refused, match="PLAN_LEGS"):
        replace(world.plan, legs=world.plan.legs[:1])


def test_nine_legs_and_long_terms_are_refused(world: TwoPhaseWorld) -> None:
    chain_id, participant, _ = legs_abi(world.plan)[0]
    longest = (chain_id, participant, bytes(512))
    application = world.coordinator.application
    for salt, legs in ((b"\1" * 32, [longest] * 9), (b"\2" * 32, [longest, (chain_id, participant, bytes(513))])):
        refused(world, lambda s=salt, legs=legs: application.send("begin", s, PREPARE_BY, legs), "")  # type: ignore[misc]
    application.send("begin", b"\3" * 32, PREPARE_BY, [longest] * 8)


def test_a_leg_that_could_never_report_is_refused(world: TwoPhaseWorld) -> None:
    plan = world.next_plan()
    for stranger in (replace(plan.legs[0], participant=STRANGER), replace(plan.legs[0], chain_id=7209)):
        refused(world, begin(world, replace(plan, legs=(stranger, *plan.legs[1:]))), "Coordinator: leg not admitted")
    begin(world, plan)()


def test_G01_the_same_transaction_is_begun_once_also_after_its_end(world: TwoPhaseWorld) -> None:
    refused(world, begin(world, world.plan), "Coordinator: already begun")
    for place in range(LEGS):
        world.report(place)
    refused(world, begin(world, world.plan), "Coordinator: already begun")
    other = replace(world.plan, salt=b"\x99" * 32)
    begin(world, other)()
    assert other.id != world.plan.id


def test_what_was_not_begun_is_neither_told_nor_expired(world: TwoPhaseWorld) -> None:
    application, plan = world.coordinator.application, world.plan
    for near in (
        replace(plan, salt=b"\x09" * 32),
        replace(plan, initiator=STRANGER),
        replace(plan, prepare_by=PREPARE_BY + 1),
        replace(plan, legs=plan.legs[:2]),
        replace(plan, legs=(replace(plan.legs[0], terms=b"more"), *plan.legs[1:])),
    ):
        refused(world, lambda p=near: application.send("tell", plan_abi(p), 0), "Coordinator: unknown transaction")  # type: ignore[misc]
    refused(world, lambda: application.send("tell", plan_abi(plan), LEGS), "Coordinator: no such leg")
    refused(world, lambda: application.send("expire", b"\x09" * 32), "Coordinator: not preparing")
    world.tell(0)


def test_a_whole_delivery_against_payment(world: TwoPhaseWorld) -> None:
    assert [world.prepare(place) for place in range(LEGS)] == ["prepared"] * LEGS
    assert [world.report(place) for place in range(LEGS)][-1] == "committed"
    assert [world.decide(place, Action.COMMIT) for place in range(LEGS)] == ["committed"] * LEGS
    assert all(world.leg_state(place) == LegState.COMMITTED for place in range(LEGS))
