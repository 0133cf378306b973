"""G06: of delivered and refunded exactly one, whatever is late, lost, retried, voided or handed in again."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from functools import partial

import pytest

from tests.models.acknowledgement import FINAL, Record, Rules, Sender, State, broken, steps
from tests.models.explore import Explored, InvariantBroken, explore

HONEST = Rules()


def explored(rules: Rules) -> Explored[State]:
    return explore(State(), partial(steps, rules), broken)


def hopeless(rules: Rules) -> set[State]:
    """States from which the sender can never hear how it ended."""
    found = explored(rules)
    before: dict[State, list[State]] = {}
    for state in found.reached_by:
        for _, after in steps(rules, state):
            before.setdefault(after, []).append(state)
    hopeful = {state for state in found.reached_by if state.sender is not Sender.WAITS}
    queue = deque(hopeful)
    while queue:
        for state in before.get(queue.popleft(), ()):
            if state not in hopeful:
                hopeful.add(state)
                queue.append(state)
    return set(found.reached_by) - hopeful


def test_G06_never_both_and_never_twice() -> None:
    found = explored(HONEST)
    assert len(found.reached_by) > 200
    ends = {(state.record, state.sender) for state in found.reached_by if state.sender is not Sender.WAITS}
    assert ends == set(FINAL.items())


def test_G06_the_sender_can_always_still_hear_how_it_ended() -> None:
    assert hopeless(HONEST) == set()
    assert hopeless(replace(HONEST, voids=False)) == set()


def test_a_message_ends_in_one_record_for_ever() -> None:
    for state in explored(HONEST).reached_by:
        if state.record in FINAL:
            assert {after.record for _, after in steps(HONEST, state)} <= {state.record}


@pytest.mark.parametrize(
    "weakened",
    [
        "commits_late",
        "retries_late",
        "signs_early",
        "executes_voided",
        "sender_refunds_by_its_own_clock",
        "sender_acts_twice",
    ],
)
def test_G06_without_one_of_the_rules_the_model_finds_the_loss(weakened: str) -> None:
    with pytest.raises(InvariantBroken):
        explored(replace(HONEST, **{weakened: True}))


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("sends_again", {Record.CLOSED, Record.EXPIRED}),
        ("ends_what_failed", {Record.NOTHING, Record.PROPOSED, Record.COMMITTED}),
    ],
)
def test_G06_without_one_of_the_ways_out_somebody_waits_for_ever(missing: str, expected: set[Record]) -> None:
    # The quorum's void would still be a way out, which nobody can be sure of.
    stuck = hopeless(replace(HONEST, voids=False, **{missing: False}))
    assert {state.record for state in stuck} == expected


def test_without_one_verdict_for_ever_what_was_recorded_changes() -> None:
    rules = replace(HONEST, registry_changes_its_mind=True)
    changed = [
        (state.record, after.record)
        for state in explored(rules).reached_by
        for _, after in steps(rules, state)
        if state.record in FINAL and after.record is not state.record
    ]
    assert changed
