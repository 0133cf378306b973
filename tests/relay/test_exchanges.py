"""What a two-phase transaction needs called, in sentences: nothing too early, nothing twice, nothing of a stranger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from contracts.binding import Contract
from contracts.manifest import Manifest, Role
from contracts.submitter import Submitter, Ticket
from ledger.ethereum.keccak import keccak256
from ledger.interoperable import encode
from ledger.proposal import Message, Proposal
from ledger.two_phase import Action, Leg, Plan, Report, Stage, decision_payload, prepare_payload
from relay.exchanger import Exchanger, is_call
from relay.exchanges import Due, dues, plan_of
from relay.explain import Moment
from relay.index import Index
from relay.journey import Journey
from relay.legs import TELLINGS, Call, LegSeen, TwoPhase, turn_of_transaction
from relay.watcher import Place, Rewound
from tests.contracts.two_phase_world import plan_abi
from tests.relay.written import IDS, MANIFEST, MESSAGE
from tests.simulator.inline import Clock, Inline

COORDINATOR, RECORD = b"\xc0" * 20, IDS[Role.TRANSACTION]
PREPARE_BY = 1_500
BEFORE, LATE = PREPARE_BY - 1, PREPARE_BY
PLACES = (Role.ORIGIN, Role.DESTINATION)
PARTICIPANTS = (b"\xa0" * 20, b"\xa1" * 20)
CLOSED, DISPUTED, ABORTED = 4, 5, 7
TERMS = (b"a receipt", b"a price")


def coordinated() -> Manifest:
    chain = MANIFEST.chain(Role.TRANSACTION)
    beside = replace(chain, contracts=chain.contracts | {"Coordinator": COORDINATOR})
    return replace(MANIFEST, chains=(*MANIFEST.chains[:2], beside))


def planned() -> Plan:
    legs = tuple(Leg(IDS[role], at, terms) for role, at, terms in zip(PLACES, PARTICIPANTS, TERMS, strict=True))
    return Plan(RECORD, COORDINATOR, b"\x55" * 20, b"\x66" * 32, PREPARE_BY, legs)


@dataclass
class Told:
    """A transaction that was begun: what its logs and its messages' journeys would be."""

    plan: Plan = field(default_factory=planned)
    manifest: Manifest = field(default_factory=coordinated)
    journeys: dict[bytes, Journey] = field(default_factory=dict)
    sequence: int = 0

    def __post_init__(self) -> None:
        plan = self.plan
        self.found = TwoPhase(plan.id, RECORD, plan.initiator, plan.salt, plan.prepare_by, Stage.PREPARING)
        self.found.legs = {number: LegSeen() for number in range(len(plan.legs))}
        self.asked = [self.say(number, Action.PREPARE) for number in range(len(plan.legs))]

    def say(self, number: int, action: Action) -> Journey:
        """The coordinator tells a leg."""
        leg = self.plan.legs[number]
        payload = (
            prepare_payload(self.plan.id, number, leg.terms)
            if action is Action.PREPARE
            else decision_payload(action, self.plan.id, number, leg.terms_digest)
        )
        journey = self.send((Role.TRANSACTION, COORDINATOR), (PLACES[number], leg.participant), payload)
        self.found.legs[number].told.append((action, journey.id))
        return journey

    def answer(self, number: int, *, by: bytes | None = None) -> Journey:
        """A leg's report leaves, or one that somebody else made up."""
        leg = self.plan.legs[number]
        payload = Report(self.plan.id, number, leg.terms_digest).encode()
        sender = (PLACES[number], by or leg.participant)
        journey = self.send(sender, (Role.TRANSACTION, COORDINATOR), payload)
        self.found.legs[number].reports.append(journey.id)
        return journey

    def decide(self, stage: Stage) -> None:
        for leg in self.found.legs.values():
            leg.prepared = stage is Stage.COMMITTED
        self.found.stage = stage

    def send(self, sender: tuple[Role, bytes], recipient: tuple[Role, bytes], payload: bytes) -> Journey:
        self.sequence += 1
        message: Message = replace(
            MESSAGE,
            origin=self.manifest.chain(sender[0]).end,
            destination=self.manifest.chain(recipient[0]).end,
            sequence=self.sequence,
            sender=sender[1],
            recipient=recipient[1],
            payload_digest=keccak256(payload),
        )
        place = Place(message.origin.chain_id, 1, b"\1" * 32, b"\2" * 32, 0, 0, 0, 21_000)
        journey = Journey(Proposal(message, payload), place)
        self.journeys[journey.id] = journey
        return journey

    def due(self, now: int = BEFORE) -> tuple[Due, ...]:
        return dues(self.found, self.journeys, self.manifest, now)

    def calls(self, now: int = BEFORE) -> list[tuple[Call, int | None]]:
        """What is due, once it was seen that the explanation names the first of it, or no call where nothing is."""
        found = [(due.call, due.leg) for due in self.due(now)]
        turn = turn_of_transaction(self.found, self.journeys, Moment(self.manifest, {RECORD: now}))
        named = [call for call in Call if turn.who == "the relay" and f"`{call}`" in turn.does]
        assert named == [call for call, _ in found[:1]]
        return found


def delivered(journey: Journey, *, executed: bool = True) -> Journey:
    chain_id = journey.proposal.message.destination.chain_id
    journey.commit, journey.executed = Place(chain_id, 2, b"\3" * 32, b"\4" * 32, 0, 0, 0, 21_000), executed
    return journey


def closed(journey: Journey, *, executed: bool = True, state: int = CLOSED) -> Journey:
    delivered(journey, executed=executed)
    journey.judged_state = state
    return journey


def expired(journey: Journey) -> Journey:
    journey.expired = True
    return journey


# -- nothing too early, nothing twice --------------------------------------------------------------------------------


def begun(told: Told) -> None:
    """Nothing but what every transaction begins with."""


def answered(told: Told) -> None:
    for number, journey in enumerate(told.asked):
        closed(journey)
        told.answer(number)


def one_prepared(told: Told) -> None:
    answered(told)
    told.found.legs[0].prepared = True


def heard(told: Told) -> None:
    answered(told)
    for journey in told.journeys.values():
        closed(journey)


def telling(told: Told) -> None:
    told.decide(Stage.COMMITTED)
    for number in (0, 1):
        told.say(number, Action.COMMIT)


def failed_call(told: Told) -> None:
    told.decide(Stage.ABORTED)
    for number in (0, 1):
        delivered(told.say(number, Action.ABORT), executed=False)


def over(told: Told) -> None:
    told.decide(Stage.COMMITTED)
    for number in (0, 1):
        closed(told.say(number, Action.COMMIT))


def told_twice(told: Told) -> None:
    told.decide(Stage.COMMITTED)
    for number in (0, 1):
        delivered(told.say(number, Action.COMMIT))
        expired(told.say(number, Action.COMMIT))


def disputed(told: Told) -> None:
    told.decide(Stage.COMMITTED)
    for number in (0, 1):
        closed(told.say(number, Action.COMMIT), executed=False, state=DISPUTED)


def never_taken(told: Told) -> None:
    told.decide(Stage.COMMITTED)
    for number in (0, 1):
        for _ in range(TELLINGS):
            closed(told.say(number, Action.COMMIT), executed=False)


def never_heard(told: Told) -> None:
    for number, journey in enumerate(told.asked):
        closed(journey)
        for _ in range(TELLINGS):
            closed(told.answer(number), executed=False)


def unread(told: Told) -> None:
    told.decide(Stage.COMMITTED)
    for number in (0, 1):
        del told.journeys[told.say(number, Action.COMMIT).id]


def unknown(told: Told) -> None:
    told.found.stage = Stage.UNKNOWN


def foreign(told: Told) -> None:
    told.found.chain_id = IDS[Role.ORIGIN]
    told.decide(Stage.ABORTED)


def unplanned(told: Told) -> None:
    told.decide(Stage.COMMITTED)
    told.found.salt = bytes(32)


def with_a_leg_nobody_knows(told: Told) -> None:
    told.decide(Stage.COMMITTED)
    del told.journeys[told.asked[1].id]


SILENT: dict[str, Callable[[Told], None]] = {
    "while its legs are being asked": begun,
    "while the legs' answers are on their way": answered,
    "while one leg's answer is missing": one_prepared,
    "when the coordinator took the answers and its logs are still to come": heard,
    "while the decision is on its way to every leg": telling,
    "while a leg's failed call may still be delivered again": failed_call,
    "when every leg was told": over,
    "when every leg was told, and a second word expired": told_twice,
    "while a leg's lane is disputed": disputed,
    "when a leg has refused the decision's delivery thrice": never_taken,
    "when the coordinator has refused an answer's delivery thrice": never_heard,
    "while the message that told a leg is still to be read": unread,
    "of a transaction that was never begun": unknown,
}
POWERLESS: dict[str, Callable[[Told], None]] = {
    "on a chain that has no coordinator of the deployment": foreign,
    "when the logs do not give the plan of this id": unplanned,
    "when a leg stands on a chain that is not read": with_a_leg_nobody_knows,
}


@pytest.mark.parametrize("when", SILENT)
def test_nothing_is_called(when: str) -> None:
    told = Told()
    SILENT[when](told)
    assert told.calls() == []


@pytest.mark.parametrize("when", POWERLESS)
def test_nothing_is_called_that_could_only_be_refused(when: str) -> None:
    told = Told()
    POWERLESS[when](told)
    assert told.due() == ()


def test_nothing_is_called_before_the_coordinators_chain_was_read() -> None:
    told = Told()
    told.decide(Stage.COMMITTED)
    assert dues(told.found, told.journeys, told.manifest, None) == ()
    assert told.calls() == [(Call.TELL, 0), (Call.TELL, 1)]


# -- what is called --------------------------------------------------------------------------------------------------


def told_one(told: Told) -> None:
    told.decide(Stage.ABORTED)
    told.say(1, Action.ABORT)


def decision_expired(told: Told) -> None:
    telling(told)
    for journey in list(told.journeys.values())[2:]:
        expired(journey)


def decision_void(told: Told) -> None:
    telling(told)
    for journey in list(told.journeys.values())[2:]:
        journey.judged_state = ABORTED


def decision_failed(told: Told) -> None:
    told.decide(Stage.ABORTED)
    for number in (0, 1):
        closed(told.say(number, Action.ABORT), executed=False)


def asking_expired(told: Told) -> None:
    for journey in told.asked:
        expired(journey)


def answer_lost(told: Told) -> None:
    answered(told)
    for journey in list(told.journeys.values())[2:]:
        expired(journey)


def answer_of_a_stranger(told: Told) -> None:
    for number, journey in enumerate(told.asked):
        closed(journey)
        told.answer(number, by=b"\xee" * 20)


Calls = list[tuple[Call, int | None]]

BOTH_TOLD: Calls = [(Call.TELL, 0), (Call.TELL, 1)]
BOTH_REPORT: Calls = [(Call.REPORT, 0), (Call.REPORT, 1)]
CALLED: dict[str, tuple[Callable[[Told], None], Calls]] = {
    "a decision is told to each leg": (lambda told: told.decide(Stage.COMMITTED), BOTH_TOLD),
    "an abort is told to each leg": (lambda told: told.decide(Stage.ABORTED), BOTH_TOLD),
    "only the leg that was not told yet is told": (told_one, [(Call.TELL, 0)]),
    "a decision whose messages expired is told again": (decision_expired, BOTH_TOLD),
    "a decision whose messages are void is told again": (decision_void, BOTH_TOLD),
    "a decision whose delivery failed for good is told again": (decision_failed, BOTH_TOLD),
    "a leg is asked again when what asked it expired": (asking_expired, BOTH_TOLD),
    "a leg says again what it answered when its report expired": (answer_lost, BOTH_REPORT),
    "what a stranger says is no leg's answer": (answer_of_a_stranger, BOTH_REPORT),
}


@pytest.mark.parametrize("what", CALLED)
def test_called(what: str) -> None:
    happens, calls = CALLED[what]
    told = Told()
    happens(told)
    assert told.calls() == calls


def test_G06_a_transaction_expires_at_its_deadline_and_not_a_second_before() -> None:
    told = Told()
    one_prepared(told)
    assert told.calls(BEFORE) == []
    assert told.calls(LATE) == [(Call.EXPIRE, None)]


def test_G06_after_its_deadline_no_leg_is_asked_and_none_reports() -> None:
    for happens in (asking_expired, answer_lost):
        told = Told()
        happens(told)
        assert told.calls(BEFORE) != []
        assert told.calls(LATE) == [(Call.EXPIRE, None)]


def test_G06_a_decision_does_not_expire() -> None:
    told = Told()
    told.decide(Stage.COMMITTED)
    assert told.calls(LATE + 10**9) == BOTH_TOLD


def test_a_report_that_a_stranger_made_up_does_not_keep_the_legs_own_from_being_asked_for() -> None:
    told = Told()
    answered(told)
    told.found.legs[1].prepared = True
    expired(told.journeys[told.found.legs[0].reports[0]])
    closed(told.answer(0, by=b"\xee" * 20))
    assert told.calls() == [(Call.REPORT, 0)]


def test_the_calls_are_those_that_the_contracts_take() -> None:
    told = Told()
    told.decide(Stage.COMMITTED)
    leg = told.plan.legs[1]
    coordinator, participant = Contract("Coordinator", COORDINATOR), Contract("WarehouseReceipt", leg.participant)
    tell = told.due()[1]
    assert (tell.chain_id, tell.to) == (RECORD, COORDINATOR)
    assert coordinator.decode_call("tell", tell.data) == ((*plan_abi(told.plan)[:3], as_decoded(told.plan)), 1)
    told = Told()
    (expire,) = told.due(LATE)
    assert (expire.chain_id, expire.to) == (RECORD, COORDINATOR)
    assert coordinator.decode_call("expire", expire.data) == (told.plan.id,)
    answer_lost(told)
    report = told.due()[1]
    assert (report.chain_id, report.to) == (leg.chain_id, leg.participant)
    said = (encode(RECORD, COORDINATOR), told.plan.id, 1, leg.terms_digest)
    assert participant.decode_call("report", report.data) == said


def as_decoded(plan: Plan) -> tuple[tuple[int, bytes, bytes], ...]:
    return tuple((leg.chain_id, leg.participant, leg.terms) for leg in plan.legs)


def test_a_call_that_is_due_again_is_another_one() -> None:
    told = Told()
    told.decide(Stage.COMMITTED)
    first = told.due()[0]
    expired(told.say(0, Action.COMMIT))
    again = told.due()[0]
    assert (first == again, first.digest == again.digest) == (False, True)


def test_the_plan_is_read_back_from_the_logs_alone() -> None:
    told = Told()
    told.say(0, Action.PREPARE)
    assert plan_of(told.found, told.journeys, COORDINATOR) == told.plan


@pytest.mark.parametrize("name", ["initiator", "salt", "prepare_by"])
def test_a_plan_that_is_not_the_transactions_is_none(name: str) -> None:
    told = Told()
    other = {"initiator": b"\x56" * 20, "salt": b"\x67" * 32, "prepare_by": PREPARE_BY + 1}
    setattr(told.found, name, other[name])
    assert plan_of(told.found, told.journeys, COORDINATOR) is None


def test_a_plan_is_never_read_from_another_coordinator() -> None:
    assert plan_of(Told().found, Told().journeys, b"\xc1" * 20) is None


# -- what is under way, and what a reorganisation took ---------------------------------------------------------------


class Payer:
    """Takes every call and has none mined; its chain has no block that is not read."""

    def __init__(self) -> None:
        self.in_flight: list[Ticket] = []
        self.node = self
        self.url = "stuck://chain"

    def request(self, _method: str, *_parameters: object) -> str:
        return "0x0"

    def submit(self, _to: bytes, _data: bytes, *, tag: bytes, shares: dict[str, int]) -> None:
        assert sum(shares.values()) == 1
        self.in_flight.append(Ticket(len(self.in_flight), tag, 0.0))


class Shown:
    """An index that knows one transaction."""

    def __init__(self, told: Told) -> None:
        self.told: Told | None = told
        self.two_phases = [told.plan.id]

    def two_phase(self, _named: bytes) -> TwoPhase | None:
        return None if self.told is None else self.told.found


def exchanging(told: Told) -> tuple[Exchanger, Payer, Shown, Clock]:
    payer, shown, clock = Payer(), Shown(told), Clock()
    payers, index = {RECORD: cast(Submitter, payer)}, cast(Index, shown)
    found = Exchanger(told.manifest, payers, index, executor=Inline(), clock=clock, nudge=lambda: None)
    return found, payer, shown, clock


def look(exchanger: Exchanger, told: Told) -> None:
    exchanger.rewind(Rewound(RECORD, 0))  # after which everything is looked at
    exchanger.look(told.journeys, {RECORD: BEFORE}, {RECORD: 1})


def test_what_is_under_way_is_not_sent_again_however_long_no_block_takes_it() -> None:
    told = Told()
    told.decide(Stage.COMMITTED)
    exchanger, payer, _, clock = exchanging(told)
    look(exchanger, told)
    for _ in range(50):
        exchanger.begin()
        clock.advance(10.0)
    assert len({ticket.tag for ticket in payer.in_flight}) == len(payer.in_flight) == 2
    assert all(is_call(ticket.tag) for ticket in payer.in_flight)
    assert {why.code for _, why, _ in exchanger.reasons(told.plan.id) if why is not None} == {"NOT_FINAL"}
    payer.in_flight.clear()  # the pool lost them, or their block was left behind
    clock.advance(10.0)
    exchanger.begin()
    assert len(payer.in_flight) == 2


def test_E06_nothing_is_called_for_a_decision_that_its_chain_left_behind() -> None:
    told = Told()
    told.decide(Stage.COMMITTED)
    exchanger, payer, shown, _ = exchanging(told)
    look(exchanger, told)
    assert len(exchanger.reasons(told.plan.id)) == 2
    told.found.stage = Stage.PREPARING
    look(exchanger, told)
    assert (exchanger.begin(), exchanger.reasons(told.plan.id), payer.in_flight) == (False, [], [])
    shown.told = None
    look(exchanger, told)
    assert exchanger.reasons(told.plan.id) == []
