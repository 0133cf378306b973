"""Every interleaving of a two-phase commit: two truths are never reached, a decision always can be.

Three bounded worlds, each explored to the end: two legs with lost messages and forced legs; two legs on chains that
stop and die; three legs with forced legs (without loss: what is never delivered is as good as lost, and stays so).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache

import pytest

from ledger import two_phase
from ledger.two_phase import Action, LegState, Progress, Stage
from tests.contracts.two_phase_world import HOLDERS, NOW, PREPARE_BY, TwoPhaseWorld, open_world
from tests.models.explore import Explored, InvariantBroken, explore
from tests.models.two_phase import (
    FORCED,
    Health,
    Hold,
    Rules,
    State,
    Step,
    broken,
    initial,
    steps,
)

QUIET = Rules()
LOSSES = Rules(loses=True, forces=True)
STOPS = Rules(stops=True, forces=True)
THREE = Rules(forces=True)


@dataclass(frozen=True)
class Graph:
    """Everything reachable, with the steps between."""

    explored: Explored[State]
    edges: dict[State, tuple[tuple[Step, State], ...]]

    def can_reach(self, goal: Callable[[State], bool]) -> set[State]:
        """Every state from which some path leads to a goal without that a chain dies on the way."""
        before: dict[State, list[State]] = {}
        for state, following in self.edges.items():
            for step, after in following:
                if step.verb != "dead":
                    before.setdefault(after, []).append(state)
        found = {state for state in self.edges if goal(state)}
        queue = deque(found)
        while queue:
            for state in before.get(queue.popleft(), ()):
                if state not in found:
                    found.add(state)
                    queue.append(state)
        return found


@cache
def graph(rules: Rules, legs: int) -> Graph:
    edges: dict[State, tuple[tuple[Step, State], ...]] = {}

    def named(state: State) -> Iterable[tuple[str, State]]:
        edges[state] = tuple(steps(rules, state))
        return ((step.name, after) for step, after in edges[state])

    return Graph(explore(initial(legs), named, broken), edges)


WORLDS = {"two_legs_that_lose_messages": (LOSSES, 2), "two_legs_on_chains_that_stop": (STOPS, 2), "three": (THREE, 3)}


@pytest.mark.parametrize("name", WORLDS)
def test_no_interleaving_reaches_two_truths(name: str) -> None:
    found = graph(*WORLDS[name])
    assert len(found.edges) > 10_000
    stages = {state.stage for state in found.edges}
    assert stages == {Stage.PREPARING, Stage.COMMITTED, Stage.ABORTED}
    holds = {tuple(leg.hold for leg in state.legs) for state in found.edges}
    assert (Hold.MOVED,) * WORLDS[name][1] in holds, "a commit of all legs is reached"


@pytest.mark.parametrize("name", WORLDS)
def test_a_split_is_reached_only_through_the_quorum_and_stays_visible(name: str) -> None:
    split = [
        state for state in graph(*WORLDS[name]).edges if {Hold.MOVED, Hold.FREED} <= {leg.hold for leg in state.legs}
    ]
    assert split
    assert all(any(leg.state in FORCED for leg in state.legs) for state in split)


@pytest.mark.parametrize("name", WORLDS)
def test_whatever_happened_a_living_coordinator_can_decide(name: str) -> None:
    found = graph(*WORLDS[name])
    alive = {state for state in found.edges if state.health != Health.DEAD}
    assert alive <= found.can_reach(lambda state: state.stage != Stage.PREPARING)


@pytest.mark.parametrize("name", WORLDS)
def test_whatever_happened_no_living_leg_waits_for_ever(name: str) -> None:
    found = graph(*WORLDS[name])

    def settled(state: State) -> bool:
        return all(leg.hold != Hold.HELD or leg.health == Health.DEAD for leg in state.legs)

    everybody = set(found.edges)
    assert everybody <= found.can_reach(settled)
    # Without the quorum's force, a leg whose coordinator is dead may wait for ever: it never decides alone.
    alone = graph(replace(STOPS, forces=False), 2)
    stuck = set(alone.edges) - alone.can_reach(settled)
    assert stuck
    assert all(state.health == Health.DEAD for state in stuck)


# -- the model can fail ---------------------------------------------------------------------------------------------


def commits_early(progress: Progress, leg: int, report: Action, now: int) -> Progress:
    heard = progress.hear(leg, report, now)
    return replace(heard, stage=Stage.COMMITTED) if heard.prepared else heard


def hears_after_the_decision(progress: Progress, leg: int, report: Action, now: int) -> Progress:
    return replace(progress, stage=Stage.PREPARING).hear(leg, report, now)


def expires_what_is_decided(progress: Progress, now: int) -> Progress:
    return replace(progress, stage=Stage.PREPARING).expire(now)


def forgets_an_early_abort(state: LegState, decision: Action) -> tuple[LegState, bool]:
    return (state, False) if state == LegState.UNKNOWN else two_phase.after_decision(state, decision)


def acts_again(state: LegState, decision: Action) -> tuple[LegState, bool]:
    after, acts = two_phase.after_decision(state, decision)
    return after, acts or state == after == LegState.COMMITTED


def commits_unprepared(state: LegState, decision: Action) -> tuple[LegState, bool]:
    unprepared = state in (LegState.UNKNOWN, LegState.REFUSED) and decision == Action.COMMIT
    return (LegState.COMMITTED, True) if unprepared else two_phase.after_decision(state, decision)


def refuses_for_now(state: LegState, accepts: bool) -> LegState:
    return two_phase.after_prepare(LegState.UNKNOWN if state == LegState.REFUSED else state, accepts)


def prepares_again(state: LegState, accepts: bool) -> LegState:
    ended = state in (LegState.ABORTED, LegState.COMMITTED)
    return two_phase.after_prepare(LegState.UNKNOWN if ended else state, accepts)


def forces_in_silence(_state: LegState, decision: Action) -> LegState:
    return LegState.COMMITTED if decision == Action.COMMIT else LegState.ABORTED


def obeys_after_force(state: LegState, decision: Action) -> tuple[LegState, bool]:
    return two_phase.after_decision(LegState.PREPARED if state in FORCED else state, decision)


WEAKER: dict[str, tuple[Rules, str]] = {
    "commits_with_a_leg_missing": (replace(QUIET, hear=commits_early), "without every leg's word"),
    "hears_reports_after_the_decision": (replace(QUIET, hear=hears_after_the_decision), "a decision changed"),
    "expires_a_commit": (replace(QUIET, expire=expires_what_is_decided), "a decision changed"),
    "lets_a_leg_time_out": (replace(QUIET, leg_times_out=True), "a leg decided alone|without every leg's word"),
    "lets_one_leg_report_for_another": (replace(QUIET, anybody_reports=True), "without every leg's word"),
    "forgets_an_abort_before_the_prepare": (
        replace(QUIET, after_decision=forgets_an_early_abort),
        "holds what it was told to abort",
    ),
    "takes_a_refusal_back": (replace(QUIET, after_prepare=refuses_for_now), "holds what it was told to abort"),
    "prepares_what_has_ended": (replace(QUIET, after_prepare=prepares_again), "holds what it was told to abort"),
    "carries_a_decision_out_twice": (replace(QUIET, after_decision=acts_again), "acted on what it did not hold"),
    "forces_a_leg_in_silence": (
        replace(THREE, after_force=forces_in_silence),
        "a leg decided alone|nobody sees it|without every leg's word",
    ),
    "obeys_after_it_was_forced": (replace(THREE, after_decision=obeys_after_force), "acted on what it did not hold"),
}


@pytest.mark.parametrize("name", WEAKER)
def test_the_model_finds_a_coordinator_or_leg_that(name: str) -> None:
    rules, wrong = WEAKER[name]
    with pytest.raises(InvariantBroken, match=wrong):
        graph(rules, 2)


# -- the contracts walk the model's ways ----------------------------------------------------------------------------

LOST_WITHOUT_TRACE = ("lose", "up", "stopped", "dead")


def signature(state: State, step: Step, after: State) -> tuple[object, ...]:
    """What a step does to the one place it concerns; steps with the same signature differ only elsewhere."""
    mine = step.leg if step.leg >= 0 else 0
    places = ((each.stage, each.prepared, each.now, each.legs[mine].state) for each in (state, after))
    return (step.name, *places)


def covering_paths(found: Graph) -> list[tuple[Step, ...]]:
    """Paths from the beginning that together take a step of every signature."""
    ways: dict[tuple[object, ...], tuple[State, Step]] = {}
    arrived: dict[State, Step] = {}
    for state in found.explored.reached_by:
        for step, after in found.edges[state]:
            before = found.explored.reached_by[after]
            if before is not None and before[0] == state and before[1] == step.name:
                arrived[after] = step
            if step.verb not in LOST_WITHOUT_TRACE:
                ways.setdefault(signature(state, step, after), (state, step))
    paths = []
    for state, step in ways.values():
        path, here = [step], state
        while (before := found.explored.reached_by[here]) is not None:
            path.append(arrived[here])
            here = before[0]
        paths.append(tuple(reversed(path)))
    return without_prefixes(paths)


def without_prefixes(paths: list[tuple[Step, ...]]) -> list[tuple[Step, ...]]:
    """Those that are not the beginning of a longer one."""
    ordered = sorted(paths, key=lambda path: [step.name for step in path])
    return [path for path, following in zip(ordered, [*ordered[1:], ()], strict=True) if following[: len(path)] != path]


def replay(world: TwoPhaseWorld, rules: Rules, path: tuple[Step, ...]) -> None:
    """Take a path on the contracts; after each step they stand where the model stands."""
    for site in (world.coordinator, *world.legs):
        site.evm.time = NOW
    state = initial(len(world.legs))
    world.begin(consenting=False)
    for step in path:
        carry_out(world, step)
        state = next(after for found, after in steps(rules, state) if found == step)
        progress = world.progress()
        assert (progress.stage, progress.prepared) == (state.stage, state.prepared), path
        for place, leg in enumerate(state.legs):
            assert world.leg_state(place) == leg.state, path
            assert world.is_reserved(place) == (leg.hold == Hold.HELD), path
            assert (world.holder(place) == HOLDERS[place + 1]) == (leg.hold == Hold.MOVED), path


def carry_out(world: TwoPhaseWorld, step: Step) -> None:
    """One step of the model, on the contracts."""
    if step.verb == "deadline":
        world.coordinator.evm.time = PREPARE_BY
    elif step.verb == "tell":
        world.tell(step.leg)
    elif step.verb == "hear":
        refusal = b"no consent" if step.action == Action.REFUSED else b""
        world.report(step.leg, refusal.ljust(32, b"\0"))
    elif step.verb == "expire":
        world.coordinator.application.send("expire", world.plan.id)
    elif step.verb == "take" and step.action == Action.PREPARE:
        if step.accepts and world.leg_state(step.leg) == LegState.UNKNOWN:
            world.consent(step.leg)
        world.prepare(step.leg)
    elif step.verb == "take" and step.action is not None:
        world.decide(step.leg, step.action)
    elif step.verb == "force" and step.action is not None:
        world.force(step.leg, step.action)
    else:
        assert step.verb == "report", step
        world.report_again(step.leg)


def test_the_contracts_walk_every_kind_of_step_as_the_model_does() -> None:
    found = graph(LOSSES, 2)
    paths = covering_paths(found)
    assert len(paths) > 100
    world = open_world(2)
    for path in paths:
        replay(world, LOSSES, path)
