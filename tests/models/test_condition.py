"""Every course of a lien on a condition: whose the title is follows from what stood at the date, if anybody watches.

The foreign chain has a block each second; its slot is set at some block or never, and headers become provable in any
order, or not at all. Time is the same on both chains here; the rules compare each with its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import pytest

from ledger.condition import Lien, LienState, Meaning, Terms
from ledger.errors import Refused
from tests.models.explore import Explored, InvariantBroken, explore

DATE, CONTEST, PATIENCE, END = 2, 2, 3, 8
NEVER = 99
A, B, C, D, E, F = (bytes([k]) * 20 for k in range(1, 7))
WORD = b"\x01" * 32
TERMS = Terms(A, WORD, B, C, D, E, F, WORD, WORD, Meaning.RELEASES, DATE, CONTEST, PATIENCE, WORD)


class Ending(NamedTuple):
    """How a lien ended: the step's name; `watched`: no second passed in which somebody could have won a contest."""

    by: str = ""
    watched: bool = True


class State(NamedTuple):
    lien: Lien
    now: int
    provable: frozenset[int]  # times of headers that the client holds
    ending: Ending = Ending()


@dataclass(frozen=True)
class Rules:
    """The rules under test, each by default the project's own."""

    prove_set: Callable[[Lien, int, int], Lien] = Lien.prove_set
    prove_unset: Callable[[Lien, int, int], Lien] = Lien.prove_unset


def course(rules: Rules, set_at: int) -> Explored[State]:
    """Everything that can happen when the foreign slot is set at that time."""
    return explore(
        State(Lien(TERMS), 0, frozenset()),
        lambda state: steps(rules, set_at, state),
        lambda state: broken(set_at, state),
    )


def steps(rules: Rules, set_at: int, state: State) -> Iterable[tuple[str, State]]:
    """Everything that can happen next."""
    lien, now = state.lien, state.now
    if now < END:
        missed = lien.state == LienState.CLAIMED and could_contest(rules, set_at, state)
        ending = state.ending._replace(watched=state.ending.watched and not missed)
        yield "a second passes", state._replace(now=now + 1, ending=ending)
    for time in range(now + 1):
        if time not in state.provable and time <= DATE + 1:
            yield f"header {time}", state._replace(provable=state.provable | {time})
    for time in sorted(state.provable):
        if set_at <= time:
            yield from _took(state, f"set at {time}", partial(rules.prove_set, lien, time, now))
        else:
            yield from _took(state, f"unset at {time}", partial(rules.prove_unset, lien, time, now))
    yield from _took(state, "settle", lambda: lien.settle(now))
    for releases in (True, False):
        yield from _took(state, f"arbiter {releases}", partial(lien.arbitrate, now, releases=releases))


def could_contest(rules: Rules, set_at: int, state: State) -> bool:
    """Whether a watcher, who can have any header held, would have ended the contest now."""
    for time in range(DATE, min(state.now + 1, set_at)):
        try:
            rules.prove_unset(state.lien, time, state.now)
        except Refused:
            continue
        return True
    return False


def _took(state: State, name: str, act: Callable[[], Lien]) -> Iterable[tuple[str, State]]:
    try:
        lien = act()
    except Refused:
        return
    ended = lien.state in (LienState.RELEASED, LienState.FORFEITED)
    yield name, state._replace(lien=lien, ending=state.ending._replace(by=name) if ended else state.ending)


def broken(set_at: int, state: State) -> str | None:
    """What is wrong with a state, or nothing."""
    by = state.ending.by
    if set_at <= DATE and by.startswith("unset"):
        return "set by the date, and counted as unset"
    if set_at > DATE and by.startswith("set at"):
        return "set too late, and counted at once"
    if set_at > DATE and by == "settle" and state.ending.watched:
        return "set too late, and counted although somebody watched"
    if by.startswith("arbiter") and state.now < DATE + PATIENCE:
        return "the arbiter was early"
    return None


COURSES = {"before_the_date": 1, "at_the_date": 2, "after_the_date": 3, "never": NEVER}


@pytest.mark.parametrize("name", COURSES)
def test_a_slot_that_is_set(name: str) -> None:
    explored = course(Rules(), COURSES[name])
    endings = {state.ending.by.split()[0] for state in explored.reached_by if state.ending.by}
    assert (
        endings
        == {
            "before_the_date": {"set", "settle", "arbiter"},
            "at_the_date": {"settle", "arbiter"},
            "after_the_date": {"unset", "settle", "arbiter"},
            "never": {"unset", "arbiter"},
        }[name]
    )


def test_every_lien_can_end_however_few_headers_come() -> None:
    for set_at in COURSES.values():
        explored = course(Rules(), set_at)
        assert explored.final
        for state in explored.final:
            still_contested = state.lien.state == LienState.CLAIMED and state.lien.contestable_until > END
            assert state.lien.state in (LienState.RELEASED, LienState.FORFEITED) or still_contested, state


def any_header_is_early(lien: Lien, header_time: int, now: int) -> Lien:
    return lien.prove_unset(max(header_time, DATE), now)


def any_set_is_final(lien: Lien, header_time: int, now: int) -> Lien:
    return lien.prove_set(min(header_time, DATE - 1), now)


def no_contest(lien: Lien, header_time: int, now: int) -> Lien:
    claimed = lien.prove_set(header_time, now)
    return replace(claimed, contestable_until=now) if claimed.contestable_until else claimed


def contest_is_refused(lien: Lien, header_time: int, now: int) -> Lien:
    if lien.state == LienState.CLAIMED:
        raise Refused("LIEN_STATE", "weakened")
    return lien.prove_unset(header_time, now)


WEAKER = {
    "takes_absence_before_the_date": (Rules(prove_unset=any_header_is_early), 1, "counted as unset"),
    "takes_late_presence_at_once": (Rules(prove_set=any_set_is_final), 3, "counted at once"),
    "gives_no_time_to_contest": (Rules(prove_set=no_contest), 3, "although somebody watched"),
    "hears_no_contest": (Rules(prove_unset=contest_is_refused), 3, "although somebody watched"),
}


@pytest.mark.parametrize("name", WEAKER)
def test_the_model_finds_a_contract_that(name: str) -> None:
    rules, set_at, wrong = WEAKER[name]
    with pytest.raises(InvariantBroken, match=wrong):
        course(rules, set_at)
