"""Journeys are a fold of logs: the same whatever the order between chains, and folded anew after a reorganisation."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import pytest

from contracts.manifest import Role
from ledger.errors import Refused, Unavailable
from ledger.ethereum.tx_receipt import Log
from ledger.proposal import Message
from relay import unclaimed
from relay.docket import Docket
from relay.journey import Journey, State, Step
from relay.watcher import Rewound, SeenBlock, Watcher
from tests.relay.written import (
    MANIFEST,
    MESSAGE,
    approved,
    attested,
    committed,
    held,
    judged,
    message,
    proposed,
    sent,
    voided,
)
from tests.simulator.nodes import WrittenNode

News = SeenBlock | Rewound


class Chains:
    """Three written chains with a watcher each, all folded into one docket."""

    def __init__(self) -> None:
        self.nodes = {role: WrittenNode() for role in Role}
        self.watchers = {role: Watcher(node, MANIFEST.chain(role)) for role, node in self.nodes.items()}
        self.docket = Docket(MANIFEST)

    def read(self, *roles: Role) -> None:
        for role in roles or tuple(Role):
            for news in self.watchers[role].poll():
                if isinstance(news, Rewound):
                    self.docket.rewind(news)
                else:
                    self.docket.take(news)
        if any(list(self.nodes[role].dump())[self.watchers[role].next_block :] for role in roles or tuple(Role)):
            self.read(*roles)

    def add(self, role: Role, *logs: Log, timestamp: int | None = None) -> int:
        return self.nodes[role].add(*logs, timestamp=timestamp)

    def journey(self, found: Message = MESSAGE) -> Journey:
        return self.docket.journeys[found.id]


HERE, THERE, RECORD = Role.ORIGIN, Role.DESTINATION, Role.TRANSACTION
WHOLE = [(HERE, sent(MESSAGE)), (RECORD, proposed(MESSAGE)), (RECORD, attested(MESSAGE)), (THERE, committed(MESSAGE))]
WHOLE += [(RECORD, judged(MESSAGE, 4))]


def orders() -> Iterator[tuple[tuple[Role, Log], ...]]:
    """Every order that keeps each chain's own."""
    for order in permutations(WHOLE):
        ours = [log for role, log in order if role is RECORD]
        if ours == [log for role, log in WHOLE if role is RECORD]:
            yield order


def test_the_logs_of_a_journey_may_be_read_in_any_order_between_chains() -> None:
    tried = list(orders())
    assert len(tried) == 20
    for order in tried:
        chains = Chains()
        for role, log in order:
            chains.add(role, log)
            chains.read(role)
        journey = chains.journey()
        assert (journey.state, journey.executed, journey.credential) == (State.CLOSED, True, b"\x04" * 32)
        assert journey.open_steps() == ()
        assert chains.docket.live() == []


STATES = [
    (1, State.SENT, (Step.PROPOSE, Step.COMMIT)),
    (2, State.PROPOSED, (Step.ATTEST, Step.COMMIT)),
    (3, State.ATTESTED, (Step.COMMIT,)),
    (4, State.COMMITTED, (Step.JUDGE,)),
    (5, State.CLOSED, ()),
]


@pytest.mark.parametrize(("count", "state", "steps"), STATES)
def test_each_log_moves_the_journey_on(count: int, state: State, steps: tuple[Step, ...]) -> None:
    chains = Chains()
    for role, log in WHOLE[:count]:
        chains.add(role, log)
    chains.read()
    assert (chains.journey().state, chains.journey().open_steps()) == (state, steps)
    assert chains.journey().explain() == state.value


def test_a_commit_does_not_wait_for_the_record_and_its_judgement_does() -> None:
    chains = Chains()
    chains.add(HERE, sent(MESSAGE))
    chains.add(THERE, committed(MESSAGE))
    chains.read()
    assert chains.journey().open_steps() == (Step.PROPOSE,)
    chains.add(RECORD, proposed(MESSAGE), attested(MESSAGE))
    chains.read()
    assert chains.journey().open_steps() == (Step.JUDGE,)


def test_a_failed_call_waits_for_a_person_and_is_judged_again_once_it_went_through() -> None:
    chains = Chains()
    chains.add(HERE, sent(MESSAGE))
    chains.add(RECORD, proposed(MESSAGE), attested(MESSAGE))
    chains.add(THERE, committed(MESSAGE, executed=False))
    chains.read()
    assert chains.journey().open_steps() == (Step.JUDGE,)
    chains.add(RECORD, judged(MESSAGE, 3))
    chains.read()
    journey = chains.journey()
    assert (journey.state, journey.open_steps()) == (State.COMMITTED, ())
    assert journey.explain() == "committed: the application's call failed; it waits for a retry"
    journey.redeliver = True
    assert journey.open_steps() == (Step.REDELIVER,)
    chains.add(THERE, committed(MESSAGE))
    chains.read()
    assert journey.open_steps() == (Step.JUDGE,)
    chains.add(RECORD, judged(MESSAGE, 4))
    chains.read()
    assert journey.state is State.CLOSED


def test_a_dispute_is_an_end() -> None:
    chains = Chains()
    for role, log in [*WHOLE[:4], (RECORD, judged(MESSAGE, 5))]:
        chains.add(role, log)
    chains.read()
    assert (chains.journey().state, chains.journey().open_steps()) == (State.DISPUTED, ())


def test_G02_a_commit_counts_only_at_its_destination() -> None:
    chains = Chains()
    chains.add(HERE, sent(MESSAGE), committed(MESSAGE, role=HERE))
    chains.read()
    assert (chains.journey().state, chains.journey().commit) == (State.SENT, None)
    chains.add(THERE, committed(MESSAGE))
    chains.read()
    assert chains.journey().state is State.COMMITTED


def test_a_message_to_a_chain_outside_the_deployment_is_nobodys_journey() -> None:
    chains = Chains()
    foreign = sent(MESSAGE)
    chains.add(HERE, Log(foreign.address, (foreign.topics[0], b"\x01" * 32), foreign.data))
    chains.read()
    assert chains.docket.journeys == {}
    chains.add(HERE, sent(MESSAGE))
    chains.read()
    assert list(chains.docket.journeys) == [MESSAGE.id]


# -- expiry ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(HERE, THERE), (THERE, HERE)])
def test_E11_a_message_expires_by_the_block_time_of_its_destination(order: tuple[Role, ...]) -> None:
    chains = Chains()
    chains.add(HERE, sent(MESSAGE), timestamp=MESSAGE.expiry + 50)
    chains.add(RECORD, timestamp=MESSAGE.expiry + 50)
    chains.add(THERE, timestamp=MESSAGE.expiry - 1)
    chains.read(*order)
    chains.read(RECORD)
    assert chains.journey().state is State.SENT
    chains.add(THERE, timestamp=MESSAGE.expiry)
    chains.read(THERE)
    assert (chains.journey().state, chains.journey().open_steps()) == (State.EXPIRED, (Step.PROPOSE,))
    chains.add(RECORD, proposed(MESSAGE))
    chains.read(RECORD)
    assert (chains.journey().explain(), chains.journey().open_steps()) == (
        "expired: its record waits for the notaries' verdict",
        (Step.JUDGE,),
    )
    chains.add(RECORD, judged(MESSAGE, 6))
    chains.read(RECORD)
    assert (chains.journey().state, chains.journey().open_steps()) == (State.EXPIRED, ())
    assert chains.docket.live() == []


def test_a_message_seen_after_its_destination_passed_the_expiry_is_expired_at_once() -> None:
    chains = Chains()
    chains.add(THERE, timestamp=MESSAGE.expiry)
    chains.read(THERE)
    chains.add(HERE, sent(MESSAGE))
    chains.read(HERE)
    assert chains.journey().state is State.EXPIRED


def test_what_was_committed_in_time_does_not_expire() -> None:
    chains = Chains()
    chains.add(HERE, sent(MESSAGE))
    chains.add(THERE, committed(MESSAGE), timestamp=MESSAGE.expiry - 1)
    chains.add(THERE, timestamp=MESSAGE.expiry + 1)
    chains.read()
    assert chains.journey().state is State.COMMITTED


def test_an_expiry_that_was_left_behind_is_none() -> None:
    chains = Chains()
    chains.add(HERE, sent(MESSAGE))
    chains.add(THERE, timestamp=MESSAGE.expiry)
    chains.read()
    assert chains.journey().state is State.EXPIRED
    chains.nodes[THERE].reorganise(0)
    chains.add(THERE, timestamp=MESSAGE.expiry - 5)
    chains.read()
    assert chains.journey().state is State.SENT
    assert chains.docket.live() == [chains.journey()]


# -- reorganisations ------------------------------------------------------------------------------------------------


def test_a_step_that_was_left_behind_is_open_again() -> None:
    for role, state in ((THERE, State.CLOSED), (RECORD, State.COMMITTED)):
        chains = Chains()
        for place, log in WHOLE:
            chains.add(place, log)
        chains.read()
        chains.nodes[role].reorganise(0)
        chains.add(role)
        chains.add(role)
        chains.add(role)
        chains.read()
        journey = chains.journey()
        assert journey.state is state
        assert (journey.commit is None) == (role is THERE)
        assert (journey.proposed is None) == (role is RECORD)
        for place, log in WHOLE:
            if place is role:
                chains.add(place, log)
        chains.read()
        assert (journey.state, journey.executed) == (State.CLOSED, True)
        assert journey.commit is not None and journey.proposed is not None


def test_an_earlier_judgement_is_back_when_the_later_one_is_left_behind() -> None:
    chains = Chains()
    chains.add(HERE, sent(MESSAGE))
    chains.add(THERE, committed(MESSAGE, executed=False), committed(MESSAGE))
    fork = chains.add(RECORD, proposed(MESSAGE), attested(MESSAGE), judged(MESSAGE, 3))
    chains.add(RECORD, judged(MESSAGE, 4))
    chains.read()
    assert chains.journey().state is State.CLOSED
    chains.nodes[RECORD].reorganise(fork)
    chains.add(RECORD)
    chains.read()
    journey = chains.journey()
    assert (journey.state, journey.credential) == (State.COMMITTED, b"\x03" * 32)
    assert journey.open_steps() == (Step.JUDGE,)


def test_a_message_included_again_keeps_what_other_chains_know_of_it() -> None:
    chains = Chains()
    for role, log in WHOLE[:4]:
        chains.add(role, log)
    chains.read()
    first = chains.journey().origin
    chains.nodes[HERE].reorganise(0)
    chains.add(HERE)
    chains.read()
    assert chains.docket.journeys == {}
    chains.add(HERE, sent(MESSAGE))
    chains.read()
    assert chains.journey().origin != first
    assert (chains.journey().state, chains.journey().open_steps()) == (State.COMMITTED, (Step.JUDGE,))


def test_a_log_that_waited_for_its_message_is_forgotten_with_its_block() -> None:
    chains = Chains()
    chains.add(THERE, committed(MESSAGE))
    chains.read()
    chains.nodes[THERE].reorganise(0)
    chains.add(THERE)
    chains.read()
    chains.add(HERE, sent(MESSAGE))
    chains.read()
    assert chains.journey().state is State.SENT
    chains.add(THERE, committed(MESSAGE))
    chains.read()
    assert chains.journey().state is State.COMMITTED


# -- what is waited for ---------------------------------------------------------------------------------------------


def test_what_has_happened_is_neither_waited_for_nor_set_aside_any_more() -> None:
    chains = Chains()
    chains.add(HERE, sent(MESSAGE))
    chains.read()
    journey = chains.journey()
    journey.set_aside[Step.PROPOSE] = Refused("CALL_REVERTED", "id exists")
    journey.waiting[Step.COMMIT] = Unavailable("WAITING", "waiting for 1 more attestation (2 of 3 given)")
    assert journey.explain() == "sent: set aside at propose: CALL_REVERTED: id exists"
    chains.add(RECORD, proposed(MESSAGE))
    chains.read()
    assert journey.set_aside == {}
    assert journey.explain() == "proposed: waiting for 1 more attestation (2 of 3 given)"
    chains.add(THERE, committed(MESSAGE))
    chains.read()
    assert (journey.waiting, journey.explain()) == ({}, "committed")


def test_journeys_do_not_mix() -> None:
    chains = Chains()
    chains.add(HERE, sent(message(0)), sent(message(1)))
    chains.add(THERE, committed(message(1)))
    chains.read()
    assert [journey.state for journey in chains.docket.journeys.values()] == [State.SENT, State.COMMITTED]


def test_an_attested_message_still_has_to_be_proposed_and_only_that() -> None:
    chains = Chains()
    chains.add(HERE, sent(MESSAGE))
    chains.add(RECORD, attested(MESSAGE))
    chains.read()
    assert chains.journey().open_steps() == (Step.PROPOSE, Step.COMMIT)
    chains.add(RECORD, proposed(MESSAGE))
    chains.read()
    assert chains.journey().open_steps() == (Step.COMMIT,)


def test_proposals_of_strangers_are_kept_in_a_bounded_number_and_the_oldest_goes_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unclaimed, "MAX_PROPOSALS", 3)
    chains = Chains()
    for sequence in range(100, 110):
        chains.add(RECORD, proposed(message(sequence)))
    chains.add(RECORD, proposed(MESSAGE))
    # What a quorum let through is never dropped for a stranger's sake.
    chains.add(THERE, *(committed(message(sequence)) for sequence in range(100, 105)))
    chains.read(RECORD, THERE)
    kept = [message(108).id, message(109).id, MESSAGE.id]
    assert list(chains.docket.unclaimed.proposed) == kept
    assert len(chains.docket.unclaimed) == len(kept) + 5
    chains.add(HERE, sent(MESSAGE), sent(message(100)))
    chains.read(HERE)
    assert (chains.journey().state, chains.journey(message(100)).state) == (State.PROPOSED, State.COMMITTED)
    assert list(chains.docket.unclaimed.proposed) == kept[:2]


def test_what_no_message_can_claim_is_not_kept_after_a_reorganisation() -> None:
    chains = Chains()
    chains.add(RECORD, proposed(MESSAGE))
    chains.add(THERE, committed(message(9)))
    chains.read(RECORD, THERE)
    for role in (RECORD, THERE):
        chains.nodes[role].reorganise(0)
        chains.add(role)
        chains.read(role)
    assert (len(chains.docket.unclaimed), chains.docket.unclaimed.in_memory) == (0, 0)


def test_a_rewind_names_the_messages_that_lost_a_step_and_frees_what_was_set_aside() -> None:
    chains = Chains()
    for sequence in (1, 2):
        chains.add(HERE, sent(message(sequence)))
        chains.add(RECORD, proposed(message(sequence)))
    block = chains.add(THERE, committed(message(1)))
    chains.read()
    kept = Refused("LANE", "not open")
    for sequence in (1, 2):
        chains.journey(message(sequence)).set_aside[Step.ATTEST] = kept
    undone = chains.docket.rewind(Rewound(MANIFEST.chain(THERE).chain_id, block - 1))
    assert undone == {message(1).id}
    assert [chains.journey(message(sequence)).set_aside for sequence in (1, 2)] == [{}, {Step.ATTEST: kept}]


# -- held, approved, voided, expired --------------------------------------------------------------------------------


def recorded(chains: Chains, *there: Log) -> Journey:
    chains.add(HERE, sent(MESSAGE))
    chains.add(RECORD, proposed(MESSAGE), attested(MESSAGE))
    for log in there:
        chains.add(THERE, log)
    chains.read()
    return chains.journey()


ENDS: dict[str, tuple[list[Log], State, tuple[Step, ...], str]] = {
    # what the destination shows: (its logs, state, open steps, what the journey says it waits for)
    "a held transfer waits for a quorum": (
        [held(MESSAGE)],
        State.HELD,
        (),
        "beyond the lane's limits; a quorum decides",
    ),
    "an approved one is delivered by the relay": (
        [held(MESSAGE), approved(MESSAGE)],
        State.HELD,
        (Step.REDELIVER,),
        "approved, and delivered next",
    ),
    "an approved one that arrived is judged": (
        [held(MESSAGE), approved(MESSAGE), committed(MESSAGE)],
        State.COMMITTED,
        (Step.JUDGE,),
        "",
    ),
    "an approved one whose call failed is judged, and not delivered again by itself": (
        [held(MESSAGE), approved(MESSAGE), committed(MESSAGE, executed=False)],
        State.COMMITTED,
        (Step.JUDGE,),
        "the application's call failed; it waits for a retry",
    ),
    "a voided one is recorded as void": (
        [voided(MESSAGE)],
        State.ABORTED,
        (Step.JUDGE,),
        "its record waits for the notaries' verdict",
    ),
    "a held one that was voided is void": (
        [held(MESSAGE), voided(MESSAGE)],
        State.ABORTED,
        (Step.JUDGE,),
        "its record waits for the notaries' verdict",
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_what_the_destination_keeps_back(name: str) -> None:
    logs, state, steps, words = ENDS[name]
    journey = recorded(Chains(), *logs)
    assert (journey.state, journey.open_steps(), journey.is_over) == (state, steps, False)
    assert journey.explain() == (f"{state}: {words}" if words else state)


def test_a_voided_message_is_over_once_the_registry_says_so() -> None:
    chains = Chains()
    journey = recorded(chains, voided(MESSAGE))
    chains.add(RECORD, judged(MESSAGE, 7))
    chains.read()
    assert (journey.state, journey.is_over, journey.open_steps()) == (State.ABORTED, True, ())


def test_G02_a_message_is_held_or_voided_only_at_its_destination() -> None:
    chains = Chains()
    chains.add(HERE, sent(MESSAGE), voided(MESSAGE, role=HERE))
    chains.read()
    assert (chains.journey().state, chains.journey().voided) == (State.SENT, None)


def test_a_hold_that_was_left_behind_is_none() -> None:
    chains = Chains()
    journey = recorded(chains, held(MESSAGE))
    chains.nodes[THERE].reorganise(0)
    chains.add(THERE)
    chains.read()
    assert (journey.state, journey.open_steps()) == (State.ATTESTED, (Step.COMMIT,))


def test_a_failed_call_that_expires_is_judged_once_more() -> None:
    chains = Chains()
    journey = recorded(chains, committed(MESSAGE, executed=False))
    chains.add(RECORD, judged(MESSAGE, 3))
    chains.read()
    assert (journey.state, journey.open_steps()) == (State.COMMITTED, ())
    chains.add(THERE, timestamp=MESSAGE.expiry)
    chains.read()
    assert (journey.state, journey.open_steps()) == (State.EXPIRED, (Step.JUDGE,))
    chains.add(RECORD, judged(MESSAGE, 6))
    chains.read()
    assert (journey.state, journey.is_over) == (State.EXPIRED, True)


def test_J07_a_block_costs_what_it_says_and_not_what_is_under_way() -> None:
    chains = Chains()
    chains.add(HERE, *(sent(message(sequence)) for sequence in range(50)))
    chains.read()
    chains.docket.moved()
    chains.add(THERE, committed(message(7)))
    chains.add(THERE)
    chains.read()
    assert chains.docket.moved() == [message(7).id]
    assert chains.docket.moved() == []
