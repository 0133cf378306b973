"""Two lanes into the intake: devices that spoke lately go straight in, those that come back wait their turn.

When very many come back at once, a few of them are worked on at a time, some wait, and the rest are told when to come
again, each at its own time, no faster than they can be worked on: to send them away all over again costs as much as the
work. One that comes before its turn is told the same turn again and puts nobody off; one that comes at its turn finds
places kept for it. Work of the crowd begins when no live device's is under way, and nobody is let in or looked at who
was never answered; but that only for so long.
Who speaks is only claimed here, as a hint: a false claim gets to a signature check sooner, and no further.
May never happen here: a decision about what is believed.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from ledger.errors import Unavailable
from ledger.newcomers import ServingLoop

LATELY_SECONDS = 900.0
MAX_LIVE = MAX_TURNS = 20_000  # names that are remembered, of at most 256 bytes each
AT_WORK, WAITING = 1, 32  # one: each more competes with those who speak all along, for hardly more speed
KEPT = 32  # places to wait in besides, for those whose turn has come
YIELDS_SECONDS = 0.05  # so long work of the crowd lets live devices go first: at twenty a second it goes on in any case
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
        self,
        *,
        at_work: int = AT_WORK,
        waiting: int = WAITING,
        kept: int = KEPT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._slots, self._here, self._at_work, self._clock = asyncio.Semaphore(at_work), 0, at_work, clock
        self._room, self._room_at_turn = at_work + waiting, at_work + waiting + kept
        self._work_seconds = _FIRST_GUESS_SECONDS
        self._last_turn = float("-inf")  # by the clock: when the last one that was sent away may come again
        self._turns: OrderedDict[bytes, float] = OrderedDict()
        self._live: OrderedDict[bytes, float] = OrderedDict()
        self._live_at_work, self._calm = 0, asyncio.Event()
        self._calm.set()

    @property
    def is_crowded(self) -> bool:
        """Whether somebody might be sent away now."""
        return self._here >= self._room

    def turned_away(self, body: bytes | memoryview) -> ComeAgain | None:
        """Why this body may not enter now, with its device's turn; None where it may."""
        if not self.is_crowded:
            return None
        name = claimed_device(body)
        if self._is_live(name):
            return None
        now = self._clock()
        if self._here < self._room_at_turn and self._turns.get(name, math.inf) <= now:
            return None
        return ComeAgain(self._turn(name) - now)

    @asynccontextmanager
    async def enter(self, body: bytes | memoryview) -> AsyncIterator[None]:
        """Wait for this body's turn; once the work succeeded its device is a live one. Raises `ComeAgain`."""
        name = claimed_device(body)
        if self._is_live(name):
            with self._going_first():
                yield
        else:
            if (refusal := self.turned_away(body)) is not None:
                raise refusal
            self._turns.pop(name, None)
            self._here += 1
            try:
                async with self._slots:
                    await self._yields()
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

    def _is_live(self, name: bytes) -> bool:
        return self._clock() - self._live.get(name, float("-inf")) < LATELY_SECONDS

    @contextmanager
    def _going_first(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        if not self._live_at_work and isinstance(loop, ServingLoop):
            loop.hold_back(YIELDS_SECONDS)
        self._live_at_work += 1
        self._calm.clear()
        try:
            yield
        finally:
            self._live_at_work -= 1
            if not self._live_at_work:
                self._calm.set()
                if isinstance(loop, ServingLoop):
                    loop.go_on()

    async def _yields(self) -> None:
        """Return once no live device's work is under way, or `YIELDS_SECONDS` have passed."""
        if not self._calm.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._calm.wait(), YIELDS_SECONDS)

    def _turn(self, name: bytes) -> float:
        """When this one may come again, by the clock: one after the other, as fast as they are worked on.

        One whose turn is not yet keeps it: coming again too soon puts off neither it nor anybody else.
        """
        soonest = self._clock() + SOONEST_SECONDS
        turn = self._turns.get(name, float("-inf"))
        if turn < soonest:
            self._last_turn = max(self._last_turn + self._work_seconds / self._at_work, soonest)
            turn = self._last_turn = min(self._last_turn, self._clock() + LATEST_SECONDS)
            self._turns[name] = turn
            self._turns.move_to_end(name)
            if len(self._turns) > MAX_TURNS:
                self._turns.popitem(last=False)
        return turn
