"""When the background may work: what somebody waits for goes first, and what can wait still gets its turn.

Re-executing a block keeps this process and its node busy for longer than attesting a whole root does. Pure but for the
clock. May never happen here: a background that is put off for ever by requests that never end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

QUIET_SECONDS = 0.3  # without a request, until the background works
LONGEST_SECONDS = 5.0  # between two rounds of the background, however many requests come
OVERDUE_SECONDS = 1.0  # that a round goes on for which no quiet has come


class Lull:
    """Says when nobody has asked for a while. Safe to share between threads; rounds are one thread's.

    `clock`: monotonic seconds; a seam for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._asking, self._asked_at = 0, float("-inf")
        self._round_at, self._is_overdue, self._gave_way = clock(), False, False
        self._began_at = self._round_at

    @contextmanager
    def request(self) -> Iterator[None]:
        """Somebody waits for an answer until the block ends."""
        with self._lock:
            self._asking += 1
        try:
            yield
        finally:
            with self._lock:
                self._asking -= 1
                self._asked_at = self._clock()

    def has_come(self) -> bool:
        """Whether a round of the background may begin: it is quiet, or the last whole round is too long ago."""
        self._began_at = self._clock()
        self._is_overdue = self._began_at - self._round_at >= LONGEST_SECONDS
        self._gave_way = False
        return self._is_overdue or self._is_quiet()

    def is_over(self) -> bool:
        """Whether a round that has begun gives way to a request: one that was overdue only after a while, so that
        requests without end leave the background a share of the time, and it leaves them the rest.
        """
        has_had_its_share = not self._is_overdue or self._clock() - self._began_at >= OVERDUE_SECONDS
        self._gave_way = self._gave_way or (has_had_its_share and not self._is_quiet())
        return self._gave_way

    def end(self) -> None:
        """A round is over; one that gave way was no whole one, unless it had been overdue."""
        if self._is_overdue or not self._gave_way:
            self._round_at = self._clock()

    def _is_quiet(self) -> bool:
        with self._lock:
            return self._asking == 0 and self._clock() - self._asked_at >= QUIET_SECONDS
