"""What a relay has tried for one message: the last attempts in words, and how many there were. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ledger.errors import Problem

KEPT = 20  # attempts of one message that are told in words; the older ones are only counted


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a step. `at`: POSIX seconds of the relay's machine; `code`: empty where it was sent."""

    step: str
    at: float
    milliseconds: float
    code: str = ""
    what: str = ""


class Tried:
    """The attempts of one message, the oldest first. Memory is bounded by `KEPT`, and not used before the first."""

    __slots__ = ("_kept", "count")

    def __init__(self) -> None:
        self.count = 0
        self._kept: deque[Attempt] | None = None

    def add(self, step: str, *, at: float, milliseconds: float, problem: Problem | None = None) -> None:
        """Note one attempt, and what came in its way."""
        if self._kept is None:
            self._kept = deque(maxlen=KEPT)
        code, what = ("", "") if problem is None else (problem.code, problem.what)
        self._kept.append(Attempt(step, at, milliseconds, code, what))
        self.count += 1

    def restore(self, count: int, kept: Sequence[Attempt]) -> None:
        """As it was: `count` attempts, of which the last are `kept`."""
        self.count, self._kept = count, deque(kept, maxlen=KEPT) if kept else None

    def __iter__(self) -> Iterator[Attempt]:
        return iter(tuple(self._kept or ()))
