"""Two lanes into the intake: devices that spoke lately go straight in, those that come back wait their turn.

When very many come back at once, a few of them are worked on at a time, some wait, and the rest are told when to come
again, each at its own time, no faster than they can be worked on: to send them away all over again costs as much as the
work. Who speaks is only claimed here, as a hint: a false claim gets to a signature check sooner,
and no further. May never happen here: a decision about what is believed.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from ledger.errors import Unavailable

LATELY_SECONDS = 900.0
MAX_LIVE = 20_000
AT_WORK, WAITING = 1, 32  # one: each more competes with those who speak all along, for hardly more speed
SOONEST_SECONDS, LATEST_SECONDS = 2.0, 1800.0
_FIRST_GUESS_SECONDS, LONGEST_WORK_SECONDS = 0.01, 0.02
# While a crowd arrives all work is slow: counted as it is then, nobody would come while there is nothing left to do.
_NEWEST_COUNTS = 0.1  # for a tenth, against what was known of how long work takes

_NAMED = re.compile(rb'"device":"([^"\\]{1,256})"')
_TAIL_BYTES = 20 * 1024  # a segment's statement stands at the end of its body


def claimed_device(body: bytes | memoryview) -> bytes:
    """The device that a body says it is from, empty where it says none; only a hint."""
    found = _NAMED.search(body[-_TAIL_BYTES:])
    return found[1] if found else b""


class ComeAgain(Unavailable):
    """503 INTAKE_BUSY: come again after `retry_after` seconds, which are others for each; the connection ends."""

    ends_connection = True  # it would be held for nothing until then, and there are very many

    def __init__(self, seconds: float = SOONEST_SECONDS) -> None:
        self.retry_after = math.ceil(seconds)
        super().__init__(
            "INTAKE_BUSY", "Many devices come back at once.", cure=f"Send it again in {self.retry_after} s."
        )


class Lanes:
    """Admits work by the device it claims to be from. For one event loop. `clock`: monotonic seconds."""

    def __init__(
        self, *, at_work: int = AT_WORK, waiting: int = WAITING, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._slots, self._room, self._clock = asyncio.Semaphore(at_work), at_work + waiting, clock
        self._here, self._at_work = 0, at_work
        self._work_seconds = _FIRST_GUESS_SECONDS
        self._next_turn = float("-inf")  # by the clock: when the next one that is sent away may come again
        self._live: OrderedDict[bytes, float] = OrderedDict()

    @asynccontextmanager
    async def enter(self, body: bytes | memoryview) -> AsyncIterator[None]:
        """Wait for this body's turn; once the work succeeded its device is a live one. Raises `ComeAgain`."""
        name = claimed_device(body)
        if self._clock() - self._live.get(name, float("-inf")) < LATELY_SECONDS:
            yield
        else:
            if self._here >= self._room:
                raise ComeAgain(self._turn())
            self._here += 1
            try:
                async with self._slots:
                    begun = self._clock()
                    try:
                        yield
                    finally:
                        took = min(self._clock() - begun, LONGEST_WORK_SECONDS)
                        self._work_seconds += _NEWEST_COUNTS * (took - self._work_seconds)
            finally:
                self._here -= 1
        self._live[name] = self._clock()
        self._live.move_to_end(name)
        if len(self._live) > MAX_LIVE:
            self._live.popitem(last=False)

    def _turn(self) -> float:
        """After how many seconds the next one may come again: one after the other, as fast as they are worked on."""
        now = self._clock()
        self._next_turn = max(self._next_turn + self._work_seconds / self._at_work, now + SOONEST_SECONDS)
        return min(self._next_turn - now, LATEST_SECONDS)
