"""Which jobs run, how often each failed in a row, and when it may run again. One job of a key at a time."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class Attempt:
    """What is known of one recurring job. `failures`: in a row; `refusals`: those of them, in a row up to now, that
    were a no and not merely no answer; `sent`: it has succeeded before; `not_before`: seconds of the clock.
    """

    running: Future[bool] | None = None
    failures: int = 0
    refusals: int = 0
    sent: bool = False
    not_before: float = 0.0


class Agenda(Generic[K]):
    """Attempts by key. `clock`: monotonic seconds. Jobs are begun by one thread only."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._attempts: dict[K, Attempt] = {}

    def begin(self, pool: Executor, key: K, job: Callable[[], bool]) -> bool:
        """Start a job unless it runs already or may not yet; whether it was started."""
        attempt = self.attempt(key)
        if _is_running(attempt) or self._clock() < attempt.not_before:
            return False
        attempt.running = pool.submit(job)
        return True

    def attempt(self, key: K) -> Attempt:
        """What is known of a job."""
        return self._attempts.setdefault(key, Attempt())

    def failed(self, key: K, *, refused: bool = False) -> Attempt:
        """Count one more failure; what is known now."""
        attempt = self.attempt(key)
        attempt.failures += 1
        attempt.refusals = attempt.refusals + 1 if refused else 0
        return attempt

    def succeeded(self, key: K) -> None:
        """The failures are over."""
        attempt = self.attempt(key)
        attempt.failures, attempt.refusals, attempt.sent = 0, 0, True

    def hold(self, key: K, seconds: float) -> None:
        """Not again before so many seconds have passed."""
        self.attempt(key).not_before = self._clock() + seconds

    def release(self, key: K) -> None:
        """Forget failures and holds: it may run at once."""
        attempt = self.attempt(key)
        attempt.failures, attempt.refusals, attempt.not_before = 0, 0, 0.0

    def undo(self, key: K) -> None:
        """What came of it is gone from its chain: as if it had never run."""
        self.release(key)
        self.attempt(key).sent = False

    def prune(self, is_wanted: Callable[[K], bool]) -> None:
        """Forget the jobs that nobody wants any more, except those that run just now."""
        for key, attempt in list(self._attempts.items()):
            if not is_wanted(key) and not _is_running(attempt):
                self._attempts.pop(key, None)

    def __len__(self) -> int:
        return len(self._attempts)


def _is_running(attempt: Attempt) -> bool:
    return attempt.running is not None and not attempt.running.done()
