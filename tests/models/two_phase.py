"""A model of one two-phase commit: its coordinator, its legs, the wire between them, and everything that goes wrong.

The rules are the ones of `ledger.two_phase`; `Rules` lets a test weaken one of them, to see that the model finds it.
Messages are a set: what was said can be said again, so how often it lies on the wire makes no difference. It can be
delivered again and again, and it can be lost, which is also what expiry looks like. Chains stop, go on, or die.

States are plain numbers in tuples, because hundreds of thousands of them are compared; the enumerations only name them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import NamedTuple

from ledger import two_phase
from ledger.errors import Refused
from ledger.two_phase import Action, LegState, Progress, Stage

DEADLINE = 1  # the coordinator's time is 0 before the deadline and 1 at or after it
COORDINATOR = -1
DECISIONS = (Action.COMMIT, Action.ABORT)
REPORTS = (Action.PREPARED, Action.REFUSED)


class Hold(IntEnum):
    """What a leg's application has done with the asset."""

    NOTHING = 0
    HELD = 1
    MOVED = 2
    FREED = 3
    TWICE = 4  # acted on what it did not hold


class Health(IntEnum):
    UP = 0
    STOPPED = 1
    DEAD = 2


class Leg(NamedTuple):
    """`state`: a LegState; `hold`: a Hold; `health`: a Health."""

    state: int = 0
    hold: int = 0
    knows_abort: bool = False
    health: int = 0


class State(NamedTuple):
    """`stage`, and `first_decision` (for ever): a Stage, or 0; `wire`: one bit per possible message."""

    stage: int
    prepared: int
    now: int
    first_decision: int
    legs: tuple[Leg, ...]
    wire: int
    health: int = 0


@dataclass(frozen=True, eq=False)
class Step:
    """What happens, to the coordinator or to a leg; one object for each possible step."""

    verb: str
    leg: int
    action: Action | None
    accepts: bool
    name: str


@cache
def step(verb: str, leg: int = COORDINATOR, action: int = 0, accepts: bool = True) -> Step:
    """The step of that description."""
    what = Action(action) if action else None
    name = f"{verb}{f' {what.name}' if what else ''} {leg}{'' if accepts else ' refusing'}"
    return Step(verb, leg, what, accepts, name)


Found = Iterator[tuple[Step, State]]


@dataclass(frozen=True)
class Rules:
    """The rules under test, each by default the project's own; and which faults happen."""

    hear: Callable[[Progress, int, Action, int], Progress] = Progress.hear
    expire: Callable[[Progress, int], Progress] = Progress.expire
    after_prepare: Callable[[LegState, bool], LegState] = two_phase.after_prepare
    after_decision: Callable[[LegState, Action], tuple[LegState, bool]] = two_phase.after_decision
    after_force: Callable[[LegState, Action], LegState] = two_phase.after_force
    leg_times_out: bool = False
    anybody_reports: bool = False
    loses: bool = False
    stops: bool = False
    forces: bool = False


def initial(legs: int) -> State:
    """Just begun: every leg has been asked to prepare."""
    asked = sum(bit(leg, Action.PREPARE) for leg in range(legs))
    return State(int(Stage.PREPARING), 0, 0, 0, (Leg(),) * legs, asked)


@cache
def bit(leg: int, action: int) -> int:
    """A message's place on the wire."""
    return 1 << (leg * len(Action) + action - Action.PREPARE)


def steps(rules: Rules, state: State) -> Found:
    """Everything that can happen next."""
    if state.now < DEADLINE:
        yield step("deadline"), state._replace(now=DEADLINE)
    if state.health == Health.UP:
        yield from _coordinator_acts(rules, state)
    for place, leg in enumerate(state.legs):
        if leg.health == Health.UP:
            yield from _leg_acts(rules, state, place, leg)
    if rules.loses:
        for place in range(len(state.legs)):
            for action in Action:
                if state.wire & bit(place, action):
                    yield step("lose", place, action), state._replace(wire=state.wire ^ bit(place, action))
    if rules.stops:
        yield from _health_changes(state)


def _coordinator_acts(rules: Rules, state: State) -> Found:
    said = _to_tell(state.stage, state.now)
    places = range(len(state.legs))
    for place in places if said else ():
        yield step("tell", place), state._replace(wire=state.wire | bit(place, said))
    for speaker in places:
        for report in REPORTS:
            if state.wire & bit(speaker, report):
                for place in places if rules.anybody_reports else (speaker,):
                    heard = _hear(rules, state.stage, state.prepared, len(places), place, report, state.now)
                    yield step("hear", place, report), _decided(state, *heard)
    expired = _expire(rules, state.stage, state.prepared, len(places), state.now)
    if expired is not None:
        yield step("expire"), _decided(state, *expired)


@cache
def _to_tell(stage: int, now: int) -> int:
    try:
        return Progress(Stage(stage), 0, 0, DEADLINE, 0).to_tell(now)
    except Refused:
        return 0


@cache
def _hear(rules: Rules, stage: int, prepared: int, legs: int, place: int, report: int, now: int) -> tuple[int, int]:
    heard = rules.hear(Progress(Stage(stage), legs, prepared, DEADLINE, 0), place, Action(report), now)
    return int(heard.stage), heard.prepared


@cache
def _expire(rules: Rules, stage: int, prepared: int, legs: int, now: int) -> tuple[int, int] | None:
    try:
        expired = rules.expire(Progress(Stage(stage), legs, prepared, DEADLINE, 0), now)
    except Refused:
        return None
    return int(expired.stage), expired.prepared


def _decided(state: State, stage: int, prepared: int) -> State:
    first = state.first_decision or (stage if stage != Stage.PREPARING else 0)
    return state._replace(stage=stage, prepared=prepared, first_decision=first)


def _leg_acts(rules: Rules, state: State, place: int, leg: Leg) -> Found:
    if state.wire & bit(place, Action.PREPARE):
        for accepts in (True, False):
            after, said = _prepare(rules, leg, accepts)
            told = _with(state, place, after)
            yield (
                step("take", place, Action.PREPARE, accepts),
                told._replace(wire=told.wire | bit(place, said)) if said else told,
            )
    for decision in DECISIONS:
        if state.wire & bit(place, decision):
            yield step("take", place, decision), _with(state, place, _decide(rules, leg, decision))
        if rules.forces and leg.state == LegState.PREPARED:
            yield step("force", place, decision), _with(state, place, _force(rules, leg, decision))
    report = _to_report(leg.state)
    if report:
        yield step("report", place), state._replace(wire=state.wire | bit(place, report))
    if rules.leg_times_out and state.now >= DEADLINE and leg.state == LegState.PREPARED:
        alone = leg._replace(state=int(LegState.ABORTED), hold=int(Hold.FREED))
        yield step("time out", place), _with(state, place, alone)


@cache
def _prepare(rules: Rules, leg: Leg, accepts: bool) -> tuple[Leg, int]:
    """The leg after a PREPARE, and what it reports."""
    after = rules.after_prepare(LegState(leg.state), accepts)
    if after == leg.state:
        return leg, 0
    hold = Hold.HELD if after == LegState.PREPARED else leg.hold
    return leg._replace(state=int(after), hold=int(hold)), _to_report(after)


@cache
def _decide(rules: Rules, leg: Leg, decision: int) -> Leg:
    after, acts = rules.after_decision(LegState(leg.state), Action(decision))
    knows = leg.knows_abort or decision == Action.ABORT
    return leg._replace(state=int(after), hold=_acted(leg.hold, decision, acts), knows_abort=knows)


@cache
def _force(rules: Rules, leg: Leg, decision: int) -> Leg:
    after = rules.after_force(LegState(leg.state), Action(decision))
    return leg._replace(state=int(after), hold=_acted(leg.hold, decision, acts=True))


@cache
def _to_report(state: int) -> int:
    try:
        return two_phase.to_report(LegState(state))
    except Refused:
        return 0


def _acted(hold: int, decision: int, acts: bool) -> int:
    if not acts:
        return hold
    if hold != Hold.HELD:
        return int(Hold.TWICE)
    return int(Hold.MOVED if decision == Action.COMMIT else Hold.FREED)


def _health_changes(state: State) -> Found:
    for place in range(COORDINATOR, len(state.legs)):
        before = state.health if place == COORDINATOR else state.legs[place].health
        for after in Health:
            if after != before and before != Health.DEAD:
                taken = step(after.name.lower(), place)
                if place == COORDINATOR:
                    yield taken, state._replace(health=int(after))
                else:
                    yield taken, _with(state, place, state.legs[place]._replace(health=int(after)))


def _with(state: State, place: int, leg: Leg) -> State:
    return state._replace(legs=(*state.legs[:place], leg, *state.legs[place + 1 :]))


FORCED = (LegState.FORCED_COMMIT, LegState.FORCED_ABORT, LegState.CONTRADICTED)
PROMISED = (LegState.PREPARED, LegState.COMMITTED, *FORCED)


def broken(state: State) -> str | None:
    """What is wrong with a state, or nothing."""
    if state.first_decision not in (Stage.UNKNOWN, state.stage):
        return "a decision changed"
    return _broken(state.stage, state.legs)


@cache
def _broken(stage: int, legs: tuple[Leg, ...]) -> str | None:
    holds = {leg.hold for leg in legs}
    if Hold.TWICE in holds:
        return "a leg acted on what it did not hold"
    if Hold.MOVED in holds and Hold.FREED in holds and all(leg.state not in FORCED for leg in legs):
        return "one leg committed and another aborted, and nobody sees it"
    if stage == Stage.COMMITTED and any(leg.state not in PROMISED for leg in legs):
        return "committed without every leg's word"
    for leg in legs:
        if leg.state in FORCED:
            continue
        if (leg.hold == Hold.MOVED and stage != Stage.COMMITTED) or (leg.hold == Hold.FREED and stage != Stage.ABORTED):
            return "a leg decided alone"
        if leg.knows_abort and leg.hold == Hold.HELD:
            return "a leg holds what it was told to abort"
    return None
