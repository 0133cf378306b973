"""How often a device may speak: a bucket of tokens for each, so that one that floods slows down nobody else.

Asked only once a signature holds: nobody can use up the quota of a device whose key they have not. What is held already
counts apart, so that somebody who plays back old statements does not keep the device from making new ones. May never
happen here: a bucket for whoever is not enrolled, or memory that grows with requests.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from ledger.errors import Problem
from ledger.intake.buckets import Buckets

PER_SECOND = 50.0  # a camera speaks every few seconds, a meter every second; the rest is for what was spooled
BURST = 2000
MAX_DEVICES = 20_000


class QuotaExceeded(Problem):
    """429 DEVICE_QUOTA: the same statement may be sent again after `retry_after` whole seconds."""

    http_status = 429

    def __init__(self, device_id: str, seconds: float) -> None:
        self.retry_after = max(1, math.ceil(seconds))
        super().__init__(
            "DEVICE_QUOTA",
            "This device sends more than it may.",
            where=ascii(device_id)[:80],
            cure=f"Wait {self.retry_after} s, and longer after each further refusal.",
        )


class Quota:
    """Admits `per_second` statements of a device, `burst` at once. `clock`: monotonic seconds. Safe between threads."""

    def __init__(
        self,
        per_second: float = PER_SECOND,
        burst: int = BURST,
        *,
        clock: Callable[[], float] = time.monotonic,
        most: int = MAX_DEVICES,
    ) -> None:
        self._buckets: Buckets[tuple[str, bool]] = Buckets(per_second, burst, most, clock)

    def __call__(self, device_id: str, *, again: bool = False) -> None:
        """Take one token. `again`: what it sent is held already. Raises `QuotaExceeded`."""
        wait = self._buckets.take((device_id, again))
        if wait:
            raise QuotaExceeded(device_id, wait)
