"""Bounded exhaustive exploration of a protocol model: every interleaving of its steps, each state visited once.

A model is an initial state, a function from a state to its possible steps, and an invariant. States are values
(hashable, compared by content); a step is a name and the state it leads to. The exploration ends when no new state is
found, and fails rather than stop early: a model that is too large must be bounded by its author, not by patience.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

State = TypeVar("State", bound=Hashable)


class InvariantBroken(AssertionError):
    """A reachable state breaks the invariant; the message holds the shortest path to it."""


@dataclass(frozen=True, slots=True)
class Explored(Generic[State]):
    """Every reachable state, the step by which each was first reached, and those without a further step."""

    reached_by: dict[State, tuple[State, str] | None]
    final: tuple[State, ...]
    transitions: int

    def path(self, state: State) -> tuple[str, ...]:
        """The names of the steps of a shortest path to a reachable state."""
        steps: list[str] = []
        while (before := self.reached_by[state]) is not None:
            state, name = before
            steps.append(name)
        return tuple(reversed(steps))


def explore(
    initial: State,
    steps: Callable[[State], Iterable[tuple[str, State]]],
    invariant: Callable[[State], str | None],
    *,
    at_most: int = 1_000_000,
) -> Explored[State]:
    """Visit every state reachable from `initial`, breadth first.

    `invariant` answers None, or what is wrong with a state. Raises `InvariantBroken`, or `OverflowError` when there
    are more than `at_most` states.
    """
    reached: dict[State, tuple[State, str] | None] = {initial: None}
    final: list[State] = []
    transitions = 0
    queue = deque([initial])
    while queue:
        state = queue.popleft()
        if (wrong := invariant(state)) is not None:
            path = Explored(reached, (), transitions).path(state)
            raise InvariantBroken(f"{wrong}\nafter {' → '.join(path) or 'nothing'}\nin {state!r}")
        following = list(steps(state))
        transitions += len(following)
        if not following:
            final.append(state)
        for name, after in following:
            if after not in reached:
                reached[after] = (state, name)
                queue.append(after)
                if len(reached) > at_most:
                    raise OverflowError(f"more than {at_most} states: bound the model")
    return Explored(reached, tuple(final), transitions)
