"""Which jobs run, how often each failed in a row, and when it may run again. One job of a key at a time."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import Executor, Future
from dataclasses import dataclass


@dataclass(slots=True)
class Attempt:
    """What is known of one recurring job. `sent`: it has succeeded before; `not_before`: seconds of the clock."""

    running: Future[bool] | None = None
    failures: int = 0
    sent: bool = False
    not_before: float = 0.0


class Agenda:
    """Attempts by key. `clock`: monotonic seconds. Jobs are begun by one thread only."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._attempts: dict[Hashable, Attempt] = {}

    def begin(self, pool: Executor, key: Hashable, job: Callable[[], bool]) -> bool:
        """Start a job unless it runs already or may not yet; whether it was started."""
        attempt = self.attempt(key)
        busy = attempt.running is not None and not attempt.running.done()
        if busy or self._clock() < attempt.not_before:
            return False
        attempt.running = pool.submit(job)
        return True

    def attempt(self, key: Hashable) -> Attempt:
        """What is known of a job."""
        return self._attempts.setdefault(key, Attempt())

    def failed(self, key: Hashable) -> int:
        """Count one more failure in a row; how many that makes."""
        attempt = self.attempt(key)
        attempt.failures += 1
        return attempt.failures

    def succeeded(self, key: Hashable) -> None:
        """The failures are over."""
        attempt = self.attempt(key)
        attempt.failures, attempt.sent = 0, True

    def hold(self, key: Hashable, seconds: float) -> None:
        """Not again before so many seconds have passed."""
        self.attempt(key).not_before = self._clock() + seconds

    def release(self, key: Hashable) -> None:
        """Forget failures and holds: it may run at once."""
        attempt = self.attempt(key)
        attempt.failures, attempt.not_before = 0, 0.0
