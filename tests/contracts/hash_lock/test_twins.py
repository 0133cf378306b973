"""Random schedules at both contracts and their twins: the same answer to every call, and value conserved after each."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ledger.hash_lock import Role, Secret, State, Terms
from tests.contracts.evm import Outcome
from tests.contracts.swaps import ALICE, BOB, BOUNDS, CAROL, START, Side, Swaps, opened_lane

SCHEDULES, STEPS = 6, 150
ACCOUNTS = (*ALICE, *BOB, CAROL)
TIMES = (START, START + 6_000, START + 7_000, START + 11_000)


def drawn_secret(chance: random.Random) -> Secret:
    return Secret(chance.randbytes(32))


def drawn_terms(chance: random.Random, swaps: Swaps, hashlock: bytes) -> Terms:
    """Mostly terms that suit both contracts at some time, sometimes not."""
    changed = {
        "first_quantity": chance.choice([1, 1_000, 2**100]),
        "second_quantity": chance.choice([1, 100, 5_000]),
        "first_refund_time": START + chance.choice([9_999, 10_000, 11_000, 17_000, 21_000]),
        "second_refund_time": START + chance.choice([3_060, 3_061, 7_000, 7_001, 14_270, 14_271]),
        "first_funder": chance.choice([ALICE[0], CAROL]),
        "second_funder": chance.choice([BOB[1], BOB[1], CAROL]),
    }
    terms = swaps.terms(hashlock=hashlock, bond=1, **changed)
    least = BOUNDS.least_bond(terms.responder.quantity)
    return swaps.terms(hashlock=hashlock, bond=chance.choice([least, least, least + 1, 0]), **changed)


def drawn_step(chance: random.Random, side: Side, terms: Terms, preimage: bytes) -> str:
    """Do something to a swap, mostly what may succeed; the action, and its answer."""
    first = "fund" if side.role is Role.INITIATOR else "bond"
    action = chance.choice([first, "fund", "fund", "claim", "refund", "withdraw", "expose"])
    if action == "expose" and chance.random() < 0.8:
        action = "claim"
    arguments: dict[str, tuple[object, ...]] = {
        "bond": (terms,),
        "fund": (terms,),
        "claim": (terms, preimage if chance.random() < 0.9 else chance.randbytes(32)),
        "refund": (terms,),
        "withdraw": (chance.choice(ACCOUNTS),),
        "expose": (preimage,),
    }
    honest = terms.responder.receiver if action == "bond" else terms.leg(side.role).funder
    answer = side.do(action, *arguments[action], by=honest if chance.random() < 0.9 else chance.choice(ACCOUNTS))
    return f"{action} {'done' if isinstance(answer, Outcome) else answer}"


@pytest.mark.parametrize("seed", range(SCHEDULES))
def test_I09_random_schedules_are_judged_alike_and_conserve_value(seed: int) -> None:
    chance = random.Random(seed)
    swaps = opened_lane()
    for account in ACCOUNTS:
        swaps.first.token.send("mint", account, 2**120)
    started = {
        side.role: sum(side.token.call("balanceOf", account) for account in ACCOUNTS)
        for side in (swaps.first, swaps.second)
    }
    secrets = [drawn_secret(chance) for _ in range(6)]
    pairs = [(secret, drawn_terms(chance, swaps, secret.hashlock)) for secret in secrets for _ in range(2)]
    seen: Counter[str] = Counter()
    now = START
    for _ in range(STEPS):
        if chance.random() < 0.15:
            now = max(now, chance.choice(TIMES) + chance.randint(-2, 2))
        swaps.at(now)
        side = chance.choice([swaps.first, swaps.second])
        secret, terms = chance.choice(pairs)
        seen[drawn_step(chance, side, terms, secret.preimage)] += 1
        outside = sum(side.token.call("balanceOf", account) for account in ACCOUNTS)
        assert outside + side.lock.call("held") == started[side.role]
        assert side.twin.held == sum(side.twin.owed.values()) + locked(side, [each for _, each in pairs])
    for side in (swaps.first, swaps.second):
        side.agrees(*(terms for _, terms in pairs))
    assert seen["fund done"] + seen["bond done"] >= 2, seen
    assert len(seen) >= 8, seen


def locked(side: Side, terms: list[Terms]) -> int:
    """What open and bonded legs hold."""
    total = 0
    for each in {each.id(side.twin.lane.id): each for each in terms}.values():
        state = side.twin.state(each.id(side.twin.lane.id))
        bond = each.bond if each.leg(side.role) is each.responder else 0
        total += bond if state in (State.BONDED, State.OPEN) else 0
        total += each.leg(side.role).quantity if state is State.OPEN else 0
    return total


class Schedule(RuleBasedStateMachine):
    """Three secrets, each with one swap that suits both contracts and a partial fill of it; the clocks only go on."""

    def __init__(self) -> None:
        super().__init__()
        self.swaps = opened_lane()
        self.swaps.at(START)
        self.pairs = []
        for index in range(3):
            secret = Secret(bytes(range(index, index + 32)))
            honest = self.swaps.terms(hashlock=secret.hashlock)
            partial = self.swaps.terms(hashlock=secret.hashlock, second_quantity=100, bond=1)
            self.pairs += [(secret, honest), (secret, partial)]
        self.started = [self.outside(side) for side in self.sides]

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.swaps.first, self.swaps.second

    def outside(self, side: Side) -> int:
        return sum(int(side.token.call("balanceOf", account)) for account in ACCOUNTS)

    @rule(seconds=st.sampled_from([1, 600, 3_000, 6_999]))
    def time_goes_on(self, seconds: int) -> None:
        self.swaps.at(self.swaps.first.evm.time + seconds)

    @rule(which=st.integers(0, 5))
    def the_initiator_posts_its_bond(self, which: int) -> None:
        terms = self.pairs[which][1]
        self.swaps.second.do("bond", terms, by=terms.responder.receiver)

    @rule(which=st.integers(0, 5), place=st.integers(0, 1))
    def a_leg_is_funded(self, which: int, place: int) -> None:
        side, terms = self.sides[place], self.pairs[which][1]
        side.do("fund", terms, by=terms.leg(side.role).funder)

    @rule(which=st.integers(0, 5), place=st.integers(0, 1), other=st.integers(0, 2))
    def a_leg_is_claimed(self, which: int, place: int, other: int) -> None:
        secret = self.pairs[which if other else other][0]
        self.sides[place].do("claim", self.pairs[which][1], secret.preimage, by=CAROL)

    @rule(which=st.integers(0, 5), place=st.integers(0, 1))
    def a_leg_is_refunded(self, which: int, place: int) -> None:
        self.sides[place].do("refund", self.pairs[which][1], by=CAROL)

    @rule(account=st.sampled_from(ACCOUNTS), place=st.integers(0, 1))
    def an_account_is_paid(self, account: bytes, place: int) -> None:
        self.sides[place].do("withdraw", account)

    @invariant()
    def value_is_conserved_on_each_side(self) -> None:
        terms = [each for _, each in self.pairs]
        for side, started in zip(self.sides, self.started, strict=True):
            assert self.outside(side) + side.lock.call("held") == started
            assert side.twin.held == sum(side.twin.owed.values()) + locked(side, terms)
            side.agrees()


TestF05ValueIsConserved = Schedule.TestCase
TestF05ValueIsConserved.settings = settings(max_examples=12, stateful_step_count=40, deadline=None, derandomize=True)
