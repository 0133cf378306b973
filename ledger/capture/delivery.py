"""Handing over: one step after another, oldest first, with growing waits while the ledger cannot be reached.

A step is one piece of evidence. What may never happen here: dropping what was not taken, giving up, or asking a ledger
that is down in a rhythm that all devices share.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event

from ledger.capture.camera import Intake, hand_over_first
from ledger.capture.spool import Spool
from ledger.capture.uplink import Later
from ledger.errors import Problem, Unavailable

FIRST_WAIT_SECONDS = 0.5
MAX_WAIT_SECONDS = 60.0
REFUSED_WAIT_SECONDS = 60.0
"""After a refusal: nothing behind it can be taken before somebody acts (a device enrolled, a gap released)."""
IDLE_SECONDS = 5.0


@dataclass(slots=True)
class Delivery:
    """Hands over what `spool` holds. `jitter`: between 0 and 1, for each wait. `problem`: why it waits, if it does."""

    spool: Spool
    intake: Intake
    jitter: Callable[[], float] = random.random
    taken: int = 0
    problem: Problem | None = None
    set_aside: list[str] = field(default_factory=list)
    _failures: int = 0

    def step(self) -> float:
        """Hand over the oldest; the seconds to wait before the next step, 0 while there is more."""
        try:
            if not hand_over_first(self.spool, self.intake):
                return IDLE_SECONDS
        except Later as problem:
            # It is there, and says how long: that is no failure. Nobody comes back in the same instant as all others.
            self.problem = problem
            return problem.seconds * (1.0 + 0.5 * self.jitter())
        except Unavailable as problem:
            self.problem, self._failures = problem, self._failures + 1
            longest = min(MAX_WAIT_SECONDS, FIRST_WAIT_SECONDS * float(1 << min(self._failures - 1, 10)))
            # At least half of it, so that a ledger that comes back is not met by everybody at once, nor by nobody.
            return longest * (0.5 + 0.5 * self.jitter())
        except Problem as problem:
            if problem.code == "SPOOL_DAMAGED":
                self._put_aside(problem)
                return 0.0
            self.problem = problem
            return REFUSED_WAIT_SECONDS * (0.5 + 0.5 * self.jitter())
        self.problem, self._failures, self.taken = None, 0, self.taken + 1
        return 0.0

    def run(self, stopping: Event) -> None:
        """Step until `stopping`."""
        while not stopping.is_set():
            seconds = self.step()
            if seconds == IDLE_SECONDS and self.problem is None:
                self.spool.wait_for_more(IDLE_SECONDS)
            elif seconds:
                stopping.wait(seconds)

    def _put_aside(self, problem: Problem) -> None:
        waiting = self.spool.waiting()
        if waiting:
            self.spool.set_aside(waiting[0])
        self.set_aside.append(problem.where)
