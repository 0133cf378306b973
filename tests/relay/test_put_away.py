"""What is held in memory does not grow with what was carried: the rest lies on the disk, and nobody can tell."""

from __future__ import annotations

import sqlite3
import tracemalloc
from dataclasses import replace
from typing import Any

import pytest

from contracts.manifest import Policy, Role
from ledger.errors import BadInput, Problem, Refused, Unavailable
from ledger.proposal import Proposal
from relay.docket import SWEPT_AT_ONCE
from relay.explain import Moment, explain
from relay.journey import Fact, Journey, State, Step
from relay.journeys import Journeys
from relay.notaries import RefusedLeaves
from relay.packed import pack, unpack
from relay.relay import Relay
from relay.shown import show_message
from relay.told import tell_message
from relay.turns import Turns
from relay.watcher import Place
from tests.relay.test_backlog import block, filled, names
from tests.relay.test_journeys import Chains
from tests.relay.test_whole_journeys import ONCE, trouble_of
from tests.relay.written import MANIFEST, MESSAGE, PAYLOAD, attested, committed, message, proposed, sent
from tests.simulator.inline import Clock
from tests.simulator.network import Network, is_over

HERE, THERE, RECORD = Role.ORIGIN, Role.DESTINATION, Role.TRANSACTION
FEW = 4


def at(chain_id: int, number: int) -> Place:
    return Place(chain_id, number, number.to_bytes(32, "big"), b"\x01" * 32, 1, 2, 3, 21_000, 7)


def journey(number: int = 0, **changed: Any) -> Journey:
    found = Journey(Proposal(replace(MESSAGE, sequence=number), PAYLOAD), at(7101, 10 + number))
    for name, value in changed.items():
        setattr(found, name, value)
    return found


def told(found: Journey) -> tuple[Any, ...]:
    """All that anybody can see of it."""
    return show_message(found), tell_message(explain(found, Moment(MANIFEST))), found.open_steps(), found


def eventful() -> Journey:
    found = journey()
    for fact in (
        Fact("Proposed", at(7103, 20)),
        Fact("Attested", at(7103, 21)),
        Fact("MessageCommitted", at(7102, 22), executed=False, word=b"\x07" * 32),
    ):
        found.observe(fact)
    found.waiting[Step.JUDGE] = Unavailable("WAITING", "waiting for 1 more verdict", where="notary 2", cure="Wait.")
    found.set_aside[Step.REDELIVER] = RefusedLeaves({0: Refused("LANE", "no")})
    found.milliseconds["commit"] = 12.5
    found.tried.add("commit", at=1.5, milliseconds=2.5, problem=BadInput("X", "y"))
    for number in range(30):
        found.tried.add("judge", at=float(number), milliseconds=1.0)
    return found


WAYS: dict[str, Journey] = {
    "sent": journey(),
    "eventful": eventful(),
    "expired": journey(expired=True, policy=Policy.RELAY),
    "skipped": journey(skipped="the buyer asked us to wait", redeliver=True),
}


@pytest.mark.parametrize("name", WAYS)
def test_a_journey_that_was_away_is_the_one_that_left(name: str) -> None:
    left = WAYS[name]
    back = unpack(pack(left), MANIFEST)
    assert told(back)[:3] == told(left)[:3]
    assert (back.facts, back.milliseconds, back.policy) == (left.facts, left.milliseconds, left.policy)
    assert (back.tried.count, list(back.tried)) == (left.tried.count, list(left.tried))
    assert (back.skipped, back.expired, back.redeliver) == (left.skipped, left.expired, left.redeliver)
    for before, after in ((left.waiting, back.waiting), (left.set_aside, back.set_aside)):
        assert {step: _all(each) for step, each in before.items()} == {step: _all(each) for step, each in after.items()}


def _all(problem: Problem) -> tuple[Any, ...]:
    family = next(each for each in (BadInput, Refused, Unavailable) if isinstance(problem, each))
    return family, problem.code, problem.what, problem.where, problem.cure


def shelf(count: int, *, held: int = FEW) -> Journeys:
    found = Journeys(MANIFEST, held=held, spare=0)
    for number in range(count):
        each = journey(number)
        if number % 3 == 0:
            each.judged_state = 4
            each.observe(Fact("CommitJudged", at(7103, 30 + number), word=b"\x01" * 32, state=4))
        found[each.id] = each
    return found


def nobody(_message_id: bytes) -> bool:
    return False


def test_J07_only_so_many_are_in_memory_and_each_is_found_in_its_order() -> None:
    found = shelf(30)
    ids = list(found)
    before = {named: told(found[named])[:3] for named in ids}
    counts, newest = found.counts(), [each.id for each in found.newest(State.CLOSED, 3)]
    found.put_away(nobody)
    assert (found.in_memory, len(found)) == (FEW, 30)
    assert list(found) == ids
    assert (found.counts(), [each.id for each in found.newest(State.CLOSED, 3)]) == (counts, newest)
    assert [each.id for each in found.newest(None, 30)] == ids[::-1]
    assert found.in_memory == FEW, "looking at them brings none back"
    assert all(named in found for named in ids) and b"\x00" * 32 not in found
    with pytest.raises(KeyError):
        found[b"\x00" * 32]
    for named in ids[:9]:
        assert told(found[named])[:3] == before[named]
    assert (found.in_memory, list(found), found.counts()) == (FEW + 9, ids, counts)
    found.put_away(nobody)
    del found[ids[0]]
    assert (list(found), ids[0] in found) == (ids[1:], False)


def test_what_is_under_way_stays_where_it_is() -> None:
    found = shelf(10)
    ids = list(found)
    first = found[ids[0]]
    found.put_away(lambda named: named in ids[:2])
    assert found[ids[0]] is first
    assert found.in_memory == FEW
    turns = Turns(Clock())
    turns.begin((Step.COMMIT, 7102), [ids[0]])
    assert (turns.is_under_way(ids[0]), turns.is_under_way(ids[1])) == (True, False)


def test_E03_a_fork_finds_whom_it_concerns_though_they_are_away() -> None:
    found = shelf(12, held=0)
    ids = list(found)
    found.put_away(nobody)
    assert found.in_memory == 0
    concerned = found.touched_by(7101, 19)
    assert {each.id for each in concerned} == {*ids[10:]}
    found.put_away(nobody)
    assert {each.id for each in found.touched_by(7103, 35)} == {ids[6], ids[9]}


def test_E03_an_expiry_that_a_fork_takes_back_finds_those_who_still_wait() -> None:
    found = shelf(12, held=0)
    for each in list(found.values()):
        each.expired = True
    found.put_away(nobody)
    assert {each.id for each in found.touched_by(7102, 10**9)} == {
        each.id for each in found.in_order() if not each.is_over
    }


def test_the_fold_is_the_same_with_all_but_none_in_memory() -> None:
    one, other = Chains(), Chains()
    other.docket.journeys = Journeys(MANIFEST, held=0, spare=0)
    for chains in (one, other):
        for sequence in range(6):
            chains.add(HERE, sent(message(sequence)))
            chains.read()
            chains.docket.journeys.put_away(nobody)
        chains.add(RECORD, *(proposed(message(n)) for n in range(6)), *(attested(message(n)) for n in range(5)))
        chains.read()
        chains.docket.journeys.put_away(nobody)
        chains.add(THERE, *(committed(message(n)) for n in range(4)))
        chains.read()
        chains.docket.journeys.put_away(nobody)
        chains.nodes[RECORD].reorganise(0)
        chains.add(RECORD, proposed(message(5)))
        chains.add(RECORD)
        chains.read()
    assert other.docket.journeys.in_memory == 6, "the fork concerned all of them"
    assert [told(each)[:3] for each in one.docket.journeys.values()] == [
        told(each)[:3] for each in other.docket.journeys.values()
    ]


def small(network: Network, held: int) -> Relay:
    relay = network.relay()
    relay._docket.journeys = Journeys(relay.manifest, held=held, spare=0)
    return relay


def test_J07_a_relay_holds_no_more_when_it_has_carried_more(network: Network) -> None:
    relay = small(network, FEW)
    ids: list[bytes] = []
    held = []
    for _ in range(3):
        ids += [network.carry_anchor().message.id for _ in range(FEW)]
        network.run(relay, until=lambda: relay.journeys.counts()[State.CLOSED] == len(ids))  # noqa: B023 - run at once
        network.settle(relay, steps=12)
        held.append((relay.journeys.in_memory, len(relay._turns), relay._carrier.held()))
    assert held == [(FEW, 0, 0)] * 3
    assert relay.journeys.counts() == {State.CLOSED: 3 * FEW}
    assert [network.effects(each) for each in ids] == [ONCE] * (3 * FEW)
    assert relay.journeys[ids[0]].explain() == "closed"


def test_a_full_disk_keeps_messages_in_memory_and_stops_nothing(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = small(network, 0)

    def full(_journeys: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(relay.journeys, "_write", full)
        first = network.carry_anchor().message.id
        network.run(relay, until=lambda: is_over(relay, first))
        assert trouble_of(relay) == "AWAY_WRITE"
        assert relay.journeys.in_memory == 1
    network.settle(relay, steps=12)
    assert (trouble_of(relay), relay.journeys.in_memory, len(relay.journeys)) == (None, 0, 1)
    assert network.effects(first) == ONCE


def test_E03_what_a_fork_takes_from_a_message_that_was_put_away_is_done_again(network: Network) -> None:
    relay = small(network, 0)
    sent_id = network.carry_anchor().message.id
    network.run(relay, until=lambda: is_over(relay, sent_id))
    network.settle(relay, steps=12)
    assert relay.journeys.in_memory == 0
    judged = relay.journeys[sent_id].judged
    assert judged is not None
    network.node(RECORD).forked_above = judged.block - 1
    network.settle(relay, steps=5)
    assert relay.journeys[sent_id].judged is None
    network.node(RECORD).forked_above = None
    network.run(relay, until=lambda: is_over(relay, sent_id))
    assert network.effects(sent_id) == ONCE


def test_J07_expiries_of_what_is_over_are_swept_out() -> None:
    docket = filled(3 * SWEPT_AT_ONCE)
    waiting = docket._expiring[7102]
    assert len(waiting) == 3 * SWEPT_AT_ONCE
    gone = list(names(3 * SWEPT_AT_ONCE))[: 2 * SWEPT_AT_ONCE]
    for named in gone:
        docket.journeys[named].judged_state = 4
        docket.touch(docket.journeys[named])
    assert len(docket._expiring[7102]) < 2 * SWEPT_AT_ONCE
    docket.moved()
    docket.take(block(THERE, timestamp=2_000 + 2 * SWEPT_AT_ONCE + 2))
    assert set(docket.moved()) >= set(list(names(3 * SWEPT_AT_ONCE))[2 * SWEPT_AT_ONCE : 2 * SWEPT_AT_ONCE + 3])


def test_J07_what_is_away_takes_no_memory_worth_naming() -> None:
    docket = filled(2_000)
    docket.journeys._most = docket.journeys._spare = 0
    docket.journeys.put_away(nobody)
    tracemalloc.start()
    try:
        for number in range(2_000, 10_000):
            found = journey(number)
            docket.journeys[found.id] = found
            if number % 500 == 0:
                docket.journeys.put_away(nobody)
        docket.journeys.put_away(nobody)
        used = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert (docket.journeys.in_memory, len(docket.journeys)) == (0, 10_000)
    assert used < 8_000 * 100, f"{used / 8_000:.0f} bytes each"
