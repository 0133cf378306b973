"""The explorer finds every state, the shortest path to a broken one, and refuses to stop early."""

from __future__ import annotations

import pytest

from tests.models.explore import InvariantBroken, explore


def counting(state: int) -> list[tuple[str, int]]:
    return [] if state >= 5 else [("one", state + 1), ("two", state + 2)]


def test_every_state_and_the_final_ones_are_found() -> None:
    explored = explore(0, counting, lambda _: None)
    assert set(explored.reached_by) == set(range(7))
    assert explored.final == (5, 6)
    assert explored.transitions == 10
    assert len(explored.path(6)) == 3


def test_a_broken_invariant_names_a_shortest_path() -> None:
    with pytest.raises(InvariantBroken, match="four\nafter two → two\n"):
        explore(0, counting, lambda state: "four" if state == 4 else None)


def test_a_model_too_large_is_an_error_and_not_a_sample() -> None:
    with pytest.raises(OverflowError, match="more than 10 states"):
        explore(0, lambda state: [("up", state + 1)], lambda _: None, at_most=10)
