"""The model's steps taken by the real contracts: wherever the model goes, the chains stand as it says.

Of all schedules, one to each kind of step from each kind of situation is replayed. A reorganisation is replayed as one:
back to the chain's beginning, and what stands now once more, at its own block times. Wherever a schedule passes, the
contracts are also asked for everything they should refuse there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from ledger.hash_lock import Lock
from ledger.hash_lock import State as LegState
from tests.contracts.evm import Outcome, Reverted
from tests.contracts.swaps import ALICE, SECRET, START, Side, Swaps, opened_lane
from tests.models.explore import explore
from tests.models.hash_lock import CLAIMED, FINAL, NEVER, NONE, Model, OneLeg, State, World

MODEL = Model.tight(World((1, 2), 1, 1))
NAMES = ("first", "second")


def kind_of(leg: OneLeg, which: int, now: int) -> tuple[object, ...]:
    """Everything about a leg but its exact times."""
    return leg.funded == NEVER, leg.funded == FINAL, leg.end, leg.at == FINAL, MODEL.is_late(which, now)


def schedules() -> list[tuple[str, ...]]:
    """Shortest schedules to each kind of step from each kind of situation; those that are part of another left out."""
    found = explore(State(), MODEL.steps, MODEL.wrong)
    chosen: dict[tuple[object, ...], tuple[str, ...]] = {}
    for state in found.reached_by:
        situation = tuple(kind_of(leg, which, state.now) for which, leg in enumerate(state.legs))
        for name, _ in MODEL.steps(state):
            step = " ".join(word for word in name.split() if not word.isdigit())
            if step.startswith(NAMES):
                chosen.setdefault((step, situation), (*found.path(state), name))
    ended = {path[:length] for path in chosen.values() for length in range(1, len(path))}
    return sorted(set(chosen.values()) - ended)


@dataclass(slots=True)
class Chain:
    """One side, what stands on it now (action, block time), and the point before any of it, with its twin then."""

    side: Side
    which: int
    before: tuple[Any, int]
    twin: Lock
    stands: list[tuple[str, int]] = field(default_factory=list)

    def rebuild(self) -> None:
        """The chain as a reorganisation leaves it."""
        self.side.evm.revert(self.before)
        self.before = self.side.evm.snapshot()
        self.side.twin = fresh(self.twin)
        for action, clock in self.stands:
            assert isinstance(self.act(action, clock), Outcome), (action, clock)

    def act(self, action: str, clock: int) -> Outcome | str:
        """One call at a block time, judged by contract and twin."""
        self.side.evm.time = START + clock
        terms = MODEL.terms
        arguments = (terms, SECRET.preimage) if action == "claim" else (terms,)
        return self.side.do(action, *arguments, by=terms.leg(self.side.role).funder)

    def refuses_the_rest(self, leg: OneLeg, clock: int) -> None:
        """What the model does not allow at this block time, the contract does not either, and the other way round."""
        late = MODEL.is_late(self.which, clock)
        bonded = self.which == 1 and leg.funded == NEVER
        allowed = {
            "fund": leg.funded == NEVER and MODEL.may_fund(self.which, clock),
            "claim": leg.is_open and not late,
            "refund": (leg.is_open or bonded) and late,
        }
        for action, is_allowed in allowed.items():
            assert self.would(action, clock) == is_allowed, (action, clock, leg)

    def would(self, action: str, clock: int) -> bool:
        self.side.evm.time = START + clock
        terms = MODEL.terms.as_abi()
        arguments = (terms, SECRET.preimage) if action == "claim" else (terms,)
        try:
            self.side.lock.call(action, *arguments, by=MODEL.terms.leg(self.side.role).funder)
        except Reverted:
            return False
        return True

    def check(self, leg: OneLeg) -> None:
        """The contract's leg is the model's, and no token was made or lost."""
        state, _ = self.side.lock.call("swap", MODEL.terms.id(self.side.twin.lane.id))
        unfunded = LegState.UNKNOWN if self.which == 0 else LegState.BONDED
        ended = LegState.CLAIMED if leg.end == CLAIMED else LegState.REFUNDED
        assert state == (unfunded if leg.funded == NEVER else LegState.OPEN if leg.end == NONE else ended)
        self.side.agrees(MODEL.terms)


def fresh(twin: Lock) -> Lock:
    """A copy of the twin that can go its own way."""
    kept = set(twin.used), set(twin.revealed), dict(twin.open_swaps), dict(twin.owed)
    return Lock(twin.role, twin.lane, dict(twin.states), *kept, twin.held)


@pytest.fixture(scope="module")
def swaps() -> Swaps:
    """A lane with the model's bounds, on which the initiator has posted the bond."""
    lane = opened_lane(MODEL.bounds)
    lane.second.evm.time = START + MODEL.second_refund - MODEL.bounds.responder_most
    assert isinstance(lane.second.do("bond", MODEL.terms, by=ALICE[1]), Outcome)
    return lane


def taken(state: State, name: str) -> State:
    return dict(MODEL.steps(state))[name]


def test_the_schedules_cover_every_kind_of_step() -> None:
    kinds = {" ".join(word for word in name.split()[:2]) for path in schedules() for name in path}
    assert kinds >= {f"{name} {action}" for name in NAMES for action in ("fund", "claim", "refund", "undo")}
    assert len(schedules()) > 30


def test_I02_I03_I09_the_contracts_take_the_models_steps(swaps: Swaps) -> None:
    chains = []
    for which, side in enumerate((swaps.first, swaps.second)):
        chains.append(Chain(side, which, side.evm.snapshot(), fresh(side.twin)))
    for path in schedules():
        for chain in chains:
            chain.stands = []
            chain.rebuild()
        replay(chains, path)


def replay(chains: list[Chain], path: tuple[str, ...]) -> None:
    """Take a schedule, step by step."""
    state = State()
    for name in path:
        state = taken(state, name)
        where, _, rest = name.partition(" ")
        if where not in NAMES:
            continue
        chain = chains[NAMES.index(where)]
        if rest == "undo":
            chain.stands.pop()
            chain.rebuild()
        else:
            action, _, clock = rest.split()
            chain.stands.append((action, int(clock)))
            assert isinstance(chain.act(action, int(clock)), Outcome), path
        leg = state.legs[chain.which]
        chain.check(leg)
        for clock_now in range(state.now, state.now + MODEL.world.drift + 1):
            chain.refuses_the_rest(leg, clock_now)


def test_the_replay_notices_a_model_that_is_wrong(swaps: Swaps) -> None:
    """A leg that only the model takes to be open is contradicted by the contract."""
    chain = Chain(swaps.second, 1, swaps.second.evm.snapshot(), fresh(swaps.second.twin))
    assert not chain.would("refund", MODEL.second_refund - 1)
    assert chain.would("refund", MODEL.second_refund)
    with pytest.raises(AssertionError):
        chain.refuses_the_rest(OneLeg(funded=FINAL), MODEL.second_refund - 1)
