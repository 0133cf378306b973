"""Buckets of tokens, one for each name: how often something may happen, and how long to wait where it may not.

May never happen here: memory that grows with names.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Name = TypeVar("Name")


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Buckets(Generic[Name]):
    """`per_second` tokens flow into each bucket, which holds `burst`. `clock`: monotonic seconds. Safe between threads.

    `most`: how many names are remembered; the longest unused one goes first, which is full again by then or soon.
    """

    def __init__(self, per_second: float, burst: int, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._most, self._clock = per_second, burst, most, clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[Name, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        """How many names are remembered."""
        return len(self._buckets)

    def wait(self, name: Name) -> float:
        """Seconds until there is a token; 0 where there is one, which is left where it is."""
        with self._lock:
            bucket = self._buckets.get(name)
            return 0.0 if bucket is None else self._short(bucket)

    def take(self, name: Name) -> float:
        """Take a token; where there is none, the seconds until there is one, and nothing is taken."""
        with self._lock:
            bucket = self._buckets.setdefault(name, _Bucket(self._burst, self._clock()))
            self._buckets.move_to_end(name)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
            short = self._short(bucket)
            if not short:
                bucket.tokens -= 1
            return short

    def _short(self, bucket: _Bucket) -> float:
        now = self._clock()
        bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.at) * self._rate)
        bucket.at = now
        return max(0.0, (1 - bucket.tokens) / self._rate)
