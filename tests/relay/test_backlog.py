"""Very many messages: what a look costs does not grow with them, and they do not crowd anybody out."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from contracts.manifest import Role
from ledger.proposal import Message, Proposal
from relay.docket import Docket
from relay.journey import Fact, Journey, Step
from relay.turns import Turns
from relay.watcher import BLOCKS_PER_STEP, FIRST_BLOCKS, Place, SeenBlock, Watcher
from tests.relay.written import MANIFEST, MESSAGE, PAYLOAD, message, sent
from tests.simulator.inline import Clock
from tests.simulator.network import Network
from tests.simulator.nodes import WrittenNode

MANY = 100_000
PENDING = 8_000  # of which the docket's figures are taken; they are by message
COMMIT, PROPOSE = (Step.COMMIT, 7102), (Step.PROPOSE, 7103)
BYTES_OF_ONE = 2_500  # what a message under way takes in memory, at most


def names(count: int) -> Iterator[bytes]:
    return (number.to_bytes(32, "big") for number in range(count))


def wants(turns: Turns, count: int) -> None:
    for name in names(count):
        turns.want(name, {Step.PROPOSE: 7103, Step.COMMIT: 7102})


def test_J07_a_look_takes_what_is_due_and_not_what_waits() -> None:
    turns = Turns(Clock())
    wants(turns, MANY)
    assert turns.ready(COMMIT, 64) == list(names(64)), "whoever has waited longest comes first"
    turns.begin(COMMIT, names(64))
    assert turns.ready(COMMIT, 2) == [number.to_bytes(32, "big") for number in (64, 65)]
    assert len(turns) == 64, "only what was taken is kept a record of"


def test_J07_what_is_held_comes_back_when_its_time_has_come_and_not_before() -> None:
    clock = Clock()
    turns = Turns(clock)
    wants(turns, 3)
    first, second, third = names(3)
    turns.begin(COMMIT, [first, second])
    turns.failed((first, Step.COMMIT))
    turns.hold((first, Step.COMMIT), 5.0)
    assert turns.ready(COMMIT, 9) == [third]
    turns.want(first, {Step.COMMIT: 7102})
    clock.advance(4.9)
    assert COMMIT in turns.queues and turns.ready(COMMIT, 9) == [third]
    clock.advance(0.2)
    assert COMMIT in turns.queues and turns.ready(COMMIT, 9) == [third, first]
    assert turns.ready(PROPOSE, 9) == [second, third], "nobody wants the first one recorded any more"


def test_what_is_under_way_is_not_begun_twice_and_ends_with_its_message() -> None:
    turns = Turns(Clock())
    wants(turns, 1)
    (only,) = names(1)
    turns.begin(COMMIT, [only])
    turns.want(only, {Step.COMMIT: 7102})
    assert turns.ready(COMMIT, 9) == []
    turns.want(only, {})
    assert len(turns) == 1, "its transaction is still under way"
    turns.succeeded((only, Step.COMMIT))
    turns.want(only, {})
    assert (len(turns), turns.queues) == (0, [])


def test_a_stuck_chain_crowds_nobody_out() -> None:
    turns = Turns(Clock())
    for name in names(10_000):
        turns.want(name, {Step.COMMIT: 7102})
    other = b"\x01" * 32
    turns.want(other, {Step.COMMIT: 7103})
    assert turns.ready((Step.COMMIT, 7103), 64) == [other]


def test_whoever_spoilt_a_group_goes_alone_and_whoever_merely_waited_does_not() -> None:
    turns = Turns(Clock())
    wants(turns, 3)
    waited, refused, lost = names(3)
    turns.begin(COMMIT, [waited, refused, lost])
    assert not turns.failed((waited, Step.COMMIT)).goes_alone
    assert turns.failed((refused, Step.COMMIT), refused=True).goes_alone
    assert not turns.failed((lost, Step.COMMIT), lost=True).goes_alone
    assert turns.failed((lost, Step.COMMIT), lost=True).goes_alone


# -- the docket -----------------------------------------------------------------------------------------------------


def filled(count: int) -> Docket:
    """A docket with so many messages under way, put in as its own fold would."""
    docket = Docket(MANIFEST)
    for number, name in enumerate(names(count)):
        named: Message = replace(MESSAGE, sequence=number, expiry=2_000 + number)
        journey = Journey(Proposal(named, PAYLOAD), Place(7101, number, name, name, 0, 0, 0, 21_000), name)
        docket.journeys[name] = journey
        docket._await_expiry(journey)
        docket.touch(journey)
    docket.moved()
    return docket


@pytest.fixture(scope="module")
def many() -> tuple[Docket, int]:
    tracemalloc.start()
    try:
        docket = filled(PENDING)
        return docket, tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def block(role: Role, *, timestamp: int) -> SeenBlock:
    return SeenBlock(MANIFEST.chain(role).chain_id, 1, bytes(32), bytes(32), timestamp, ())


def test_J07_what_is_pending_stays_within_its_memory(many: tuple[Docket, int]) -> None:
    docket, used = many
    assert len(docket.journeys) == PENDING
    assert used < PENDING * BYTES_OF_ONE, f"{used / PENDING:.0f} bytes each"


def test_J07_an_empty_block_moves_nobody_and_an_expiry_moves_its_own(many: tuple[Docket, int]) -> None:
    docket, _ = many
    docket.take(block(Role.DESTINATION, timestamp=1_999))
    assert docket.moved() == []
    docket.take(block(Role.ORIGIN, timestamp=10**9))
    assert docket.moved() == []
    docket.take(block(Role.DESTINATION, timestamp=2_002))
    assert docket.moved() == list(names(3))
    docket.take(block(Role.DESTINATION, timestamp=2_002))
    assert docket.moved() == []


def test_J07_one_log_moves_one_message(many: tuple[Docket, int]) -> None:
    docket, _ = many
    name = (7_777).to_bytes(32, "big")
    docket._observe(name, Fact("Proposed", Place(7103, 5, name, name, 0, 0, 0, 50_000)))
    assert docket.moved() == [name]
    assert Counter(journey.proposed is not None for journey in docket.journeys.values())[True] == 1


# -- reading --------------------------------------------------------------------------------------------------------


def test_J07_full_blocks_are_read_a_few_at_a_time_and_empty_ones_many(monkeypatch: pytest.MonkeyPatch) -> None:
    node = WrittenNode()
    for sequence in range(40):
        node.add(*(sent(message(sequence * 100 + number)) for number in range(20)))
    for _ in range(200):
        node.add()
    reader = Watcher(node, MANIFEST.chain(Role.ORIGIN))
    monkeypatch.setattr("relay.watcher.LOGS_PER_STEP", 100)
    looks = []
    while blocks := [news.number for news in reader.poll() if isinstance(news, SeenBlock)]:
        looks.append(len(blocks))
    assert looks[0] == FIRST_BLOCKS
    assert max(looks[2:5]) <= 8, "full blocks"
    assert max(looks) == BLOCKS_PER_STEP, "empty ones"
    assert reader.next_block == node.head + 1


def test_J07_a_chain_that_brings_more_than_can_be_carried_is_read_in_rests(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = network.relay()
    held: list[float] = []
    monkeypatch.setattr("relay.reading.BACKLOG", 1)
    for notary in network.notaries:
        notary.silent = True
    monkeypatch.setattr(relay._reading.agenda, "hold", lambda _chain, seconds: held.append(seconds))
    first = network.carry_anchor().message.id
    network.settle(relay, steps=4)
    assert first in relay.journeys and held == [], "one message is no backlog"
    more = [network.carry_anchor().message.id for _ in range(3)]
    monkeypatch.setattr(type(relay._turns), "waiting", property(lambda _turns: 2))
    network.settle(relay, steps=4)
    assert all(each in relay.journeys for each in more)
    assert held and min(held) > 0.0
    before = len(held)
    network.settle(relay, steps=4)
    assert len(held) == before, "a chain that brings nothing new does not rest"
    for notary in network.notaries:
        notary.silent = False
    monkeypatch.undo()
    network.run(relay, until=lambda: all(relay.journeys[each].is_over for each in (first, *more)))
