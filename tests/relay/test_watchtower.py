"""The watchtower on the real locks, in this process: it claims what is revealed, and refunds what has run out."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from contracts.binding import Contract, interface
from contracts.chain_rules import Rules
from contracts.compiler import artifact
from contracts.manifest import Role as Where
from contracts.submitter import Ticket
from ledger.cli import build
from ledger.errors import Problem, Refused, Unavailable
from ledger.hash_lock import Leg, Role, Secret, State, Terms, deadlines
from relay.responder import Responder
from relay.swaps import Account, Act, Due, SwapBook
from relay.towers import line
from relay.watcher import Place, Rewound, SeenBlock, SeenLog
from relay.watchtower import AGAIN_SECONDS, NAMES, Done, LockChain, NodeLock, Watchtower
from tests.contracts.evm import Outcome
from tests.contracts.swaps import ALICE, BOB, CHAIN_IDS, SECRET, START, Side, Swaps, opened_lane
from tests.relay.test_config_and_verbs import write
from tests.relay.written import chain
from tests.simulator.inline import Clock, Killed
from tests.simulator.nodes import WrittenNode

TOWER = b"\x70" * 20
FIRST, SECOND = Role.INITIATOR, Role.RESPONDER


class BedLock:
    """A `LockChain` over one side of the bed. `down`: nothing is answered; `kill_after`: the process dies once the call
    is in a block; `lag`: the newest blocks that are not final yet.
    """

    def __init__(self, side: Side) -> None:
        self.side, self.blocks = side, list[SeenBlock]()
        self.down = self.kill_after = False
        self.lag = 0
        self.sent = list[str]()

    def add(self, outcome: Outcome) -> None:
        number, lock = len(self.blocks) + 1, Contract(NAMES[self.side.role], self.side.lock.address)
        logs = []
        for index, raw in enumerate(outcome.raw_logs):
            decoded = lock.decode_log(raw)
            if decoded is not None:
                place = Place(CHAIN_IDS[self.side.role], number, bytes(32), bytes(32), 0, index, index, 0)
                logs.append(SeenLog(place, decoded, raw))
        block_hash = number.to_bytes(32, "big")
        time = self.side.evm.time
        self.blocks.append(SeenBlock(CHAIN_IDS[self.side.role], number, block_hash, bytes(32), time, tuple(logs)))

    def reader(self) -> Reader:
        """The same lock as a new process reads it: from its first block."""
        return Reader(self)


class Reader:
    """One process's view of a lock; its position is in memory."""

    def __init__(self, lock: BedLock) -> None:
        self.lock, self.position = lock, 0

    def news(self) -> Iterator[SeenBlock | Rewound]:
        self._answer()
        if self.position > len(self.lock.blocks):
            self.position = len(self.lock.blocks)
            yield Rewound(CHAIN_IDS[self.lock.side.role], self.position)
        while self.position < len(self.lock.blocks) - self.lock.lag:
            yield self.lock.blocks[self.position]
            self.position += 1

    def time(self) -> int:
        self._answer()
        return self.lock.side.evm.time

    def send(self, call_data: bytes) -> None:
        self._answer()
        abi = interface(artifact(NAMES[self.lock.side.role]))
        act = next(name for name in ("claim", "refund", "fund") if call_data[:4] == abi.functions[name][0])
        (hashlock, bond, first, second), *rest = abi.decode_call(act, call_data)
        self.lock.sent.append(act)
        by = BOB[1] if act == "fund" else TOWER
        outcome = self.lock.side.do(act, Terms(hashlock, bond, Leg(*first), Leg(*second)), *rest, by=by)
        if isinstance(outcome, str):
            raise Refused("CALL_REVERTED", outcome)
        self.lock.add(outcome)
        if self.lock.kill_after:
            self.lock.kill_after = False
            raise Killed

    def _answer(self) -> None:
        if self.lock.down:
            raise Unavailable("NODE_UNREACHABLE", "the node did not answer")


class Bed:
    """A lane with both its locks, the parties' acts, and a tower that can be started again."""

    def __init__(self) -> None:
        self.swaps: Swaps = opened_lane()
        self.locks = {FIRST: BedLock(self.swaps.first), SECOND: BedLock(self.swaps.second)}
        self.clock = Clock()
        self.done: list[Done] = []
        self.terms = self.swaps.terms()
        self.start()

    def start(self, *guarded: Account, responder: Responder | None = None) -> Watchtower:
        """A tower as after a start: it knows nothing."""
        book = SwapBook(self.swaps.lane, guarded)
        ends = {role: lock.reader() for role, lock in self.locks.items()}
        responders = {} if responder is None else {0: responder}
        self.tower = Watchtower([(book, ends)], clock=self.clock, told=self.done.append, responders=responders)
        return self.tower

    def act(self, role: Role, action: str, *arguments: Any, by: bytes) -> None:
        outcome = self.locks[role].side.do(action, *arguments, by=by)
        assert isinstance(outcome, Outcome), outcome
        self.locks[role].add(outcome)

    def fund_first(self) -> None:
        self.act(FIRST, "fund", self.terms, by=self.terms.initiator.funder)

    def fund_both(self) -> None:
        self.fund_first()
        self.act(SECOND, "bond", self.terms, by=self.terms.responder.receiver)
        self.act(SECOND, "fund", self.terms, by=self.terms.responder.funder)

    def reveal(self) -> None:
        """The initiator claims the second leg, and its secret is public."""
        self.act(SECOND, "claim", self.terms, SECRET.preimage, by=ALICE[1])

    def look(self, times: int = 3) -> None:
        for _ in range(times):
            self.tower.step()
            self.clock.advance(AGAIN_SECONDS)

    def states(self) -> tuple[State, State]:
        swap = self.terms.id(self.swaps.lane.id)
        self.swaps.first.agrees(self.terms)
        self.swaps.second.agrees(self.terms)
        return self.swaps.first.twin.state(swap), self.swaps.second.twin.state(swap)

    @property
    def sent(self) -> list[str]:
        return [*self.locks[FIRST].sent, *self.locks[SECOND].sent]


@pytest.fixture
def bed() -> Bed:
    return Bed()


def test_I13_a_reveal_that_nobody_passes_on_is_read_from_the_chain_and_the_first_leg_claimed(bed: Bed) -> None:
    bed.fund_both()
    bed.look()
    assert bed.sent == []  # no secret is public, and no time has passed
    bed.reveal()
    bed.look()
    assert bed.states() == (State.CLAIMED, State.CLAIMED)
    assert bed.swaps.first.lock.call("owed", BOB[0]) == bed.terms.initiator.quantity
    assert bed.sent == ["claim"]


def test_I07_whoever_sends_the_claim_the_party_is_paid(bed: Bed) -> None:
    bed.fund_both()
    bed.reveal()
    bed.look()
    assert bed.swaps.first.lock.call("owed", TOWER) == 0
    assert bed.swaps.first.lock.call("owed", BOB[0]) == 1_000


@pytest.mark.parametrize(("offset", "state"), [(-1, State.CLAIMED), (0, State.REFUNDED), (1, State.REFUNDED)])
def test_I02_a_claim_before_the_refund_time_and_a_refund_from_it_on(bed: Bed, offset: int, state: State) -> None:
    bed.fund_both()
    bed.reveal()
    bed.swaps.at(bed.terms.initiator.refund_time + offset)
    bed.look()
    assert bed.states()[0] is state
    assert all(done.problem is None for done in bed.done)


@pytest.mark.parametrize("offset", [-1, 0])
def test_I02_without_a_secret_both_legs_go_back_at_their_times_and_not_before(bed: Bed, offset: int) -> None:
    bed.fund_both()
    bed.swaps.at(bed.terms.responder.refund_time + offset)
    bed.look()
    assert bed.states() == (State.OPEN, State.REFUNDED if offset == 0 else State.OPEN)
    bed.swaps.at(bed.terms.initiator.refund_time + offset)
    bed.look()
    assert bed.states() == (State.REFUNDED if offset == 0 else State.OPEN, State.REFUNDED)
    assert all(done.problem is None for done in bed.done)


def test_a_bond_whose_leg_was_never_funded_goes_back(bed: Bed) -> None:
    bed.fund_first()
    bed.act(SECOND, "bond", bed.terms, by=ALICE[1])
    bed.swaps.at(bed.terms.responder.refund_time)
    bed.look()
    assert bed.states() == (State.OPEN, State.REFUNDED)
    assert bed.swaps.second.lock.call("owed", ALICE[1]) == bed.terms.bond


def test_I03_two_towers_and_the_party_itself_have_one_effect(bed: Bed) -> None:
    bed.fund_both()
    bed.reveal()
    one, other = bed.start(), bed.start()
    for role in Role:  # both have read everything, and neither knows of the other
        for lock in (one, other):
            with_news = lock._lanes[0][1][role].news()
            for news in with_news:
                assert isinstance(news, SeenBlock)
                lock._lanes[0][0].take(role, news)
    bed.act(FIRST, "claim", bed.terms, SECRET.preimage, by=BOB[0])
    bed.locks[FIRST].lag = 1  # and Bob's own claim is not final yet
    one.step()
    other.step()
    assert [done.problem and done.problem.what for done in bed.done] == ["TERMINAL", "TERMINAL"]
    assert bed.states() == (State.CLAIMED, State.CLAIMED)
    bed.locks[FIRST].lag, bed.done[:] = 0, []
    bed.clock.advance(AGAIN_SECONDS)
    one.step()
    bed.swaps.at(bed.terms.initiator.refund_time + 1)
    one.step()
    assert bed.done == []


def test_I09_a_secret_that_was_public_is_used_though_its_block_is_gone(bed: Bed) -> None:
    bed.fund_both()
    bed.locks[FIRST].down = True
    bed.reveal()
    bed.look()
    bed.locks[SECOND].blocks.pop()  # the reveal's block is left behind
    bed.look()
    bed.locks[FIRST].down = False
    bed.look()
    assert bed.states()[0] is State.CLAIMED


def test_I09_a_leg_whose_funding_is_gone_is_nobodys_business(bed: Bed) -> None:
    bed.fund_both()
    bed.reveal()
    bed.tower.look(0, SECOND)
    book = bed.tower._lanes[0][0]
    for block in bed.locks[FIRST].blocks:
        book.take(FIRST, block)
    assert [due.act for due in book.due({FIRST: START})] == [Act.CLAIM]
    book.rewind(FIRST, 0)
    assert book.due({FIRST: START, SECOND: START}) == []
    for block in bed.locks[FIRST].blocks * 2:
        book.take(FIRST, block) if block.number == 1 else None
    assert [due.act for due in book.due({FIRST: START})] == [Act.CLAIM]


def test_I12_an_outage_is_named_and_the_claim_lands_when_it_ends_within_the_margin(bed: Bed) -> None:
    bed.fund_both()
    bed.locks[FIRST].down = True
    bed.reveal()
    bed.look()
    assert bed.tower.troubles[0, FIRST].code == "NODE_UNREACHABLE"
    assert (0, SECOND) not in bed.tower.troubles
    last = deadlines(bed.terms, bed.swaps.lane.bounds).claim_first_until
    bed.swaps.at(last)
    bed.locks[FIRST].down = False
    bed.look()
    assert bed.states()[0] is State.CLAIMED
    assert bed.tower.troubles == {}


@pytest.mark.parametrize(("before", "alarm"), [(1, False), (0, False), (-1, True)])
def test_I12_the_alarm_sounds_a_claim_window_before_it_is_too_late(bed: Bed, before: int, alarm: bool) -> None:
    bed.fund_both()
    bed.reveal()
    bounds = bed.swaps.lane.bounds
    last = deadlines(bed.terms, bounds).claim_first_until
    bed.swaps.at(last - bounds.claim_window - before)
    bed.look(2)  # the reveal is read after the first leg was looked at
    assert [(done.due.until, done.due.alarm) for done in bed.done] == [(last, alarm)]


def test_I12_what_is_refused_or_lost_is_tried_again_with_longer_waits(bed: Bed) -> None:
    bed.fund_both()
    bed.reveal()
    real, left = Reader.send, [5]

    def fails(self: Reader, call_data: bytes) -> None:
        if left[0]:
            left[0] -= 1
            raise Unavailable("TX_NOT_MINED", "the fee is too low")
        real(self, call_data)

    reader = bed.tower._lanes[0][1][FIRST]
    reader.send = fails.__get__(reader)  # type: ignore[method-assign]
    for _ in range(200):
        bed.tower.step()
        bed.clock.advance(0.05)
    problems = [done.problem.code if done.problem else "" for done in bed.done]
    assert problems == ["TX_NOT_MINED"] * 5 + [""]
    assert bed.states()[0] is State.CLAIMED


def test_what_was_sent_is_not_sent_again_at_once_though_its_log_is_not_final(bed: Bed) -> None:
    bed.fund_both()
    bed.reveal()
    bed.tower.look(0, SECOND)
    bed.tower.look(0, FIRST)
    bed.locks[FIRST].lag = 1  # its own claim's block
    bed.clock.advance(AGAIN_SECONDS - 1)
    bed.tower.step()
    assert bed.sent == ["claim"]
    bed.clock.advance(1)
    bed.tower.step()
    assert [done.problem and done.problem.what for done in bed.done] == [None, "TERMINAL"]


@pytest.mark.parametrize("role", [FIRST, SECOND])
def test_a_secret_exposed_anywhere_is_enough(bed: Bed, role: Role) -> None:
    bed.fund_both()
    bed.act(role, "expose", SECRET.preimage, by=TOWER)
    bed.look()
    assert bed.states() == (State.CLAIMED, State.CLAIMED)


def test_a_tower_that_is_started_again_does_what_is_left_and_nothing_twice(bed: Bed) -> None:
    bed.fund_both()
    bed.reveal()
    bed.start()
    bed.look()
    bed.start()
    bed.look()
    assert bed.sent == ["claim"]
    assert bed.states() == (State.CLAIMED, State.CLAIMED)


def test_a_tower_that_dies_after_it_has_sent_does_no_harm(bed: Bed) -> None:
    bed.fund_both()
    bed.reveal()
    bed.locks[FIRST].kill_after = True
    with pytest.raises(Killed):
        bed.look()
    bed.start()
    bed.look()
    assert bed.sent == ["claim"]
    assert bed.states() == (State.CLAIMED, State.CLAIMED)


def test_it_works_for_those_it_guards_and_for_nobody_else(bed: Bed) -> None:
    bed.fund_both()
    bed.reveal()
    bed.start((CHAIN_IDS[FIRST], ALICE[0]), (CHAIN_IDS[SECOND], BOB[0]))  # not Bob's account on the first chain
    bed.look()
    assert bed.sent == []
    bed.start((CHAIN_IDS[FIRST], BOB[0]))
    bed.look()
    assert bed.sent == ["claim"]


def test_I16_logs_of_another_lane_or_other_terms_get_nothing_done(bed: Bed) -> None:
    bed.fund_both()
    bed.reveal()
    lane = bed.swaps.lane
    foreign = SwapBook(type(lane)(lane.initiator, lane.responder, _other_bounds(lane.bounds)))
    turned = SwapBook(type(lane)(lane.responder, lane.initiator, lane.bounds))
    for role, lock in bed.locks.items():
        for block in lock.blocks:
            foreign.take(role, block)
            turned.take(role, block)
    late = bed.terms.initiator.refund_time + 1
    assert foreign.due({FIRST: START, SECOND: START}) == foreign.due({FIRST: late, SECOND: late}) == []
    assert turned.due({FIRST: late, SECOND: late}) == []


def _other_bounds(bounds: Any) -> Any:
    return replace(bounds, open_swaps=bounds.open_swaps + 1)


def test_I11_a_secret_that_does_not_open_the_lock_is_none(bed: Bed) -> None:
    bed.fund_both()
    bed.act(FIRST, "expose", Secret(bytes(range(1, 33))).preimage, by=TOWER)
    bed.look()
    assert bed.sent == []


def test_several_swaps_are_served_in_the_order_of_their_deadlines(bed: Bed) -> None:
    later = bed.terms
    bed.fund_both()
    secret = Secret(bytes(range(50, 82)))
    bed.terms = bed.swaps.terms(hashlock=secret.hashlock, first_refund_time=START + 10_500)
    bed.fund_both()
    bed.act(SECOND, "claim", later, SECRET.preimage, by=ALICE[1])
    bed.act(SECOND, "claim", bed.terms, secret.preimage, by=ALICE[1])
    bed.tower.look(0, SECOND)
    bed.tower.look(0, FIRST)
    assert [done.due.terms for done in bed.done] == [bed.terms, later]


def test_every_lane_is_looked_at_by_a_thread_of_its_own_until_it_is_stopped(bed: Bed) -> None:
    bed.fund_both()
    bed.reveal()
    told: list[Due] = []

    def stop(done: Done) -> None:
        told.append(done.due)
        tower.stop()

    book = SwapBook(bed.swaps.lane)
    tower = Watchtower([(book, {role: lock.reader() for role, lock in bed.locks.items()})], clock=bed.clock, told=stop)
    thread = threading.Thread(target=tower.run)
    thread.start()
    thread.join(60)
    tower.stop()
    assert [due.act for due in told] == [Act.CLAIM]


class LatestNode(WrittenNode):
    """A written chain that is asked for its latest block."""

    def request(self, method: str, *params: Any) -> Any:
        if params[:1] == ("latest",):
            return super().request(method, hex(self.head), *params[1:])
        return super().request(method, *params)


class Purse:
    """A `Sender` that keeps what it was given."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, bytes]] = []
        self.in_flight: list[Ticket] = []
        self.polled = 0

    def submit(self, to: bytes, call_data: bytes, *, tag: bytes) -> None:
        self.sent.append((to, call_data))
        self.in_flight.append(Ticket(len(self.sent), tag, 0.0))

    def poll(self) -> None:
        self.polled += 1


def test_behind_nodes_the_locks_logs_are_read_and_the_call_goes_to_the_lock(bed: Bed) -> None:
    bed.fund_both()
    bed.reveal()
    ends: dict[Role, LockChain] = {}
    purses = {role: Purse() for role in Role}
    for role, lock in bed.locks.items():
        node = LatestNode()
        for block in lock.blocks:
            node.add(*(seen.raw for seen in block.logs), timestamp=START + block.number)
        place = replace(chain(Where.ORIGIN), chain_id=CHAIN_IDS[role], rules=Rules(finality_blocks=0))
        ends[role] = NodeLock(node, purses[role], place, role, lock.side.lock.address)
        assert ends[role].time() == START + len(lock.blocks)
    tower = Watchtower([(SwapBook(bed.swaps.lane), ends)], clock=bed.clock)
    tower.step()
    tower.step()
    assert tower.troubles == {}
    assert purses[SECOND].sent == []
    call = interface(artifact("InitiatorLock")).encode_call("claim", bed.terms.as_abi(), SECRET.preimage)
    assert purses[FIRST].sent == [(bed.swaps.first.lock.address, call)]
    assert all(purse.polled for purse in purses.values())
    bed.clock.advance(AGAIN_SECONDS + 1)
    tower.step()  # it waits for its block still: the same call is not paid for twice, neither is a restarted tower's
    Watchtower([(SwapBook(bed.swaps.lane), ends)], clock=bed.clock).step()
    assert len(purses[FIRST].sent) == 1
    purses[FIRST].in_flight.clear()
    bed.clock.advance(AGAIN_SECONDS + 1)
    tower.step()  # what no block took and nobody knows of any more is sent again
    assert len(purses[FIRST].sent) == 2


def test_a_node_that_answers_nonsense_stops_its_own_lock_only(bed: Bed) -> None:
    bed.fund_both()
    bed.reveal()
    reader = bed.tower._lanes[0][1][SECOND]
    reader.time = _breaks  # type: ignore[method-assign]
    bed.look()
    assert (bed.tower.troubles[0, SECOND].code, bed.tower.trouble is None) == ("RELAY_DEFECT", False)
    assert bed.states()[0] is State.CLAIMED


def _breaks() -> int:
    raise KeyError("timestamp")


def test_the_command_refuses_a_manifest_without_locks_and_an_account_that_is_none(tmp_path: Path) -> None:
    config = write(tmp_path)
    for arguments, code in (
        ([], "NO_VALUE_LANES"),
        (["--offer", "offer.json"], "FLOAT_MISSING"),
        (["--float", "float.json"], "FLOAT_MISSING"),
        (["--account", "0x" + "11" * 20], "CHAIN_NAME"),
        (["--account", "eip155:7101:0x11"], "ACCOUNT_NAME"),
        (["--account", "eip155:7101:0x" + "AA" * 20], "ACCOUNT_NAME"),
    ):
        found = CliRunner().invoke(build(), ["relay", "watchtower", "--config", str(config), *arguments]).exception
        assert isinstance(found, Problem)
        assert found.code == code


def test_each_try_is_a_line_that_programs_read(bed: Bed) -> None:
    bed.fund_both()
    bed.reveal()
    bed.look()
    told = json.loads(line(bed.done[0]))
    swap = bed.terms.id(bed.swaps.lane.id)
    assert told == {
        "swap": f"0x{swap.hex()}",
        "leg": "initiator",
        "act": "claim",
        "until": deadlines(bed.terms, bed.swaps.lane.bounds).claim_first_until,
        "alarm": False,
        "problem": None,
    }
