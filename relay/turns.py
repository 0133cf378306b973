"""Which steps wait for their turn, which are under way, how often each failed, and when it may run again. Pure.

A step of a message is known by its key. What is looked at costs what is due, never what is held: a hundred thousand
messages that wait for a chain cost nothing until it is back. Not for several threads at once: the relay's lock guards
it.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from relay.journey import Step

Key = tuple[bytes, Step]
Queue = tuple[Step, int]  # a step, and the chain (by id) whose answer it waits for


@dataclass(slots=True)
class Trial:
    """What is known of one step that was taken at least once. `failures`: in a row; `refusals`: those of them, in a row
    up to now, that were a no and not merely no answer; `lost`: transactions of it that were mined and failed, in a row;
    `sent`: one was mined well; `not_before`: seconds of the clock; `queue`: where it waits for its turn.
    """

    queue: Queue
    failures: int = 0
    refusals: int = 0
    lost: int = 0
    sent: bool = False
    under_way: bool = False
    not_before: float | None = None

    @property
    def goes_alone(self) -> bool:
        """Whether it may spoil a group: it was refused for itself, or twice with others."""
        return self.refusals > 0 or self.lost > 1


class Turns:
    """Steps by message. `clock`: monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._trials: dict[Key, Trial] = {}
        self._ready: dict[Queue, dict[bytes, None]] = {}
        self._held: list[tuple[float, int, Key]] = []
        self._count = 0

    @property
    def queues(self) -> list[Queue]:
        """Where something is ready, or may be by now."""
        self._wake()
        return [queue for queue, waiting in self._ready.items() if waiting]

    @property
    def waiting(self) -> int:
        """How many steps wait for their turn."""
        return sum(map(len, self._ready.values()))

    def want(self, message_id: bytes, steps: Mapping[Step, int]) -> None:
        """These steps of a message are open, each waiting for the chain named, and no others."""
        for step in Step:
            trial = self._trials.get((message_id, step))
            if step not in steps:
                if trial is not None and not trial.under_way:
                    del self._trials[message_id, step]
                for queue, waiting in self._ready.items():
                    if queue[0] is step:
                        waiting.pop(message_id, None)
            elif trial is None or not (trial.under_way or trial.not_before is not None):
                self._ready.setdefault((step, steps[step]), {})[message_id] = None

    def ready(self, queue: Queue, most: int) -> list[bytes]:
        """The messages that have waited longest in a queue, at most so many."""
        return list(islice(self._ready.get(queue, ()), most))

    def begin(self, queue: Queue, message_ids: Iterable[bytes]) -> None:
        """Their turn has come."""
        waiting = self._ready.get(queue, {})
        for message_id in message_ids:
            waiting.pop(message_id, None)
            trial = self._trials.setdefault((message_id, queue[0]), Trial(queue))
            trial.under_way, trial.not_before = True, None

    def failed(self, key: Key, *, refused: bool = False, lost: bool = False) -> Trial:
        """It is under way no more, and failed; what is known now."""
        trial = self._trials[key]
        trial.under_way = False
        trial.failures += 1
        trial.refusals = trial.refusals + 1 if refused else 0
        trial.lost = trial.lost + 1 if lost else 0
        return trial

    def succeeded(self, key: Key) -> None:
        """It is under way no more, and its failures are over."""
        trial = self._trials[key]
        trial.under_way = False
        trial.failures, trial.refusals, trial.lost, trial.sent = 0, 0, 0, True

    def hold(self, key: Key, seconds: float) -> None:
        """Not again before so many seconds have passed."""
        self._count += 1
        self._trials[key].not_before = at = self._clock() + seconds
        heapq.heappush(self._held, (at, self._count, key))

    def release(self, key: Key) -> None:
        """Forget failures and holds: it may run at once."""
        trial = self._trials.get(key)
        if trial is not None:
            trial.failures, trial.refusals, trial.lost, trial.not_before = 0, 0, 0, None

    def undo(self, key: Key) -> None:
        """What came of it is gone from its chain: as if it had never run."""
        self.release(key)
        if key in self._trials:
            self._trials[key].sent = False

    def trial(self, key: Key) -> Trial | None:
        """What is known of a step, None before it is first taken and once nobody wants it."""
        return self._trials.get(key)

    def is_under_way(self, message_id: bytes) -> bool:
        """Whether a step of a message is being taken, or its transaction waits for a block."""
        return any(trial.under_way for step in Step if (trial := self._trials.get((message_id, step))) is not None)

    def _wake(self) -> None:
        """Whose wait is over is ready."""
        while self._held and self._held[0][0] <= self._clock():
            at, _, key = heapq.heappop(self._held)
            trial = self._trials.get(key)
            if trial is not None and trial.not_before == at:
                trial.not_before = None
                if not trial.under_way:
                    self._ready.setdefault(trial.queue, {})[key[0]] = None

    def __len__(self) -> int:
        return len(self._trials)
