"""How often a device may speak: a bucket of tokens for each, so that one that floods slows down nobody else.

Asked only once a signature holds: nobody can use up the quota of a device whose key they have not. What is held already
counts apart, so that somebody who plays back old statements does not keep the device from making new ones. May never
happen here: a bucket for whoever is not enrolled, or memory that grows with requests.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from ledger.errors import Problem

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


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


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
        self._rate, self._burst, self._clock, self._most = per_second, burst, clock, most
        self._lock = threading.Lock()
        self._buckets: OrderedDict[tuple[str, bool], _Bucket] = OrderedDict()

    def __call__(self, device_id: str, *, again: bool = False) -> None:
        """Take one token. `again`: what it sent is held already. Raises `QuotaExceeded`."""
        with self._lock:
            now, key = self._clock(), (device_id, again)
            bucket = self._buckets.get(key)
            if bucket is None:
                bucket = self._buckets[key] = _Bucket(self._burst, now)
                if len(self._buckets) > self._most:  # the longest unused one, which is full again by now or soon
                    self._buckets.popitem(last=False)
            self._buckets.move_to_end(key)
            bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.at) * self._rate)
            bucket.at = now
            if bucket.tokens < 1:
                raise QuotaExceeded(device_id, (1 - bucket.tokens) / self._rate)
            bucket.tokens -= 1
