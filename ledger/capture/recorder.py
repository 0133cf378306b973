"""Recording without end: a live source is opened again whenever it breaks off, and what is missing is stated.

Each opening is a recording of its own. Times are this machine's (UTC): a recording is anchored where its first key
frame came, and led back gently where the camera's own clock runs otherwise. What may never happen here: waiting for the
uplink; a time that goes backwards; an interruption that nobody states.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event

from ledger.capture.camera import Shot, stating
from ledger.capture.chain import Chain, whole_milliseconds
from ledger.capture.live import Take
from ledger.capture.segments import CutSegment
from ledger.errors import Problem, Unavailable
from ledger.evidence.fields import write_time

FIRST_WAIT_SECONDS, MAX_WAIT_SECONDS = 1.0, 60.0
PAUSE = timedelta(seconds=1)
"""A hole in the recording from which on it is stated."""
OVERLAP = timedelta(seconds=5)
"""How far a new recording may begin before the last one's end, since two clocks never agree, and be moved behind it."""
_DRIFT, _CORRECTION = timedelta(seconds=1), timedelta(milliseconds=200)


@dataclass(frozen=True, slots=True)
class Scene:
    """What the camera looks at, as the ledger's identifiers."""

    place: str
    lot: str
    step: str


@dataclass(slots=True)
class Recorder:
    """Keeps what `open_take` gives, again and again. `jitter`: between 0 and 1. `problem`: why it waits, if it does."""

    chain: Chain
    scene: Scene
    open_take: Callable[[], AbstractContextManager[Take]]
    stopping: Event
    jitter: Callable[[], float] = random.random
    kept: int = 0
    problem: Problem | None = None
    _pause_reason: str = "stopped"

    def run(self) -> None:
        """Record until `stopping`."""
        failures = 0
        while not self.stopping.is_set():
            kept = self.kept
            try:
                with self.open_take() as take:
                    self._record(take)
            except Problem as problem:
                self.problem = problem
            self._pause_reason = "source"
            failures = 0 if self.kept > kept else failures + 1
            longest = min(MAX_WAIT_SECONDS, FIRST_WAIT_SECONDS * float(1 << min(failures, 10)))
            self.stopping.wait(longest * (0.5 + 0.5 * self.jitter()))

    def _record(self, take: Take) -> None:
        began_at = whole_milliseconds(take.began_at)
        shot = Shot(write_time(began_at), began_at, self.scene.place, self.scene.lot, self.scene.step)
        clock = _Timeline(self.chain, began_at)
        for segment in take.segments:
            begins, ends = clock.place(segment)
            self._state_pause(begins)
            self._keep(take, shot, segment, begins, ends)

    def _state_pause(self, begins: datetime) -> None:
        last = self.chain.last
        if last is not None and self.chain.loss is None and begins - last.statement.ends > PAUSE:
            self.chain.lose(last.statement.ends, begins, self._pause_reason)

    def _keep(self, take: Take, shot: Shot, segment: CutSegment, begins: datetime, ends: datetime) -> None:
        stated = stating(self.chain.device.id, take.picture, segment, shot, begins, ends)
        try:
            self.chain.keep(stated, init=take.picture.init, media=segment.data)
        except Problem as problem:
            self.problem = problem
            self.chain.lose(begins, ends, _reason(problem), count=1)
        else:
            self.problem, self.kept = None, self.kept + 1


class _Timeline:
    """Where a recording's segments lie in UTC. They touch, and never begin before the device's last evidence ends."""

    def __init__(self, chain: Chain, began_at: datetime) -> None:
        self._chain, self._anchor = chain, began_at
        last = chain.last
        if last is not None and timedelta(0) < last.statement.ends - began_at <= OVERLAP:
            self._anchor = last.statement.ends
        self._latency: timedelta | None = None

    def place(self, segment: CutSegment) -> tuple[datetime, datetime]:
        """When the segment began and ended, led back towards this machine's clock by a fraction of a second."""
        begins = self._anchor + timedelta(milliseconds=segment.starts_at_ms)
        ends = begins + timedelta(milliseconds=segment.duration_ms)
        late = self._chain.clock() - ends
        # What the first segment took to come is the way from the lens to here; more or less than that is drift.
        self._latency = late if self._latency is None else self._latency
        drift = late - self._latency
        if abs(drift) > _DRIFT:
            correction = max(-_CORRECTION, min(_CORRECTION, drift))
            self._anchor += whole_milliseconds_of(correction)
            ends += whole_milliseconds_of(correction)
        return begins, ends


def whole_milliseconds_of(span: timedelta) -> timedelta:
    """A span as statements can carry it."""
    return timedelta(milliseconds=round(span / timedelta(milliseconds=1)))


def _reason(problem: Problem) -> str:
    if problem.code.startswith("SPOOL_"):
        return "spool-full"
    if isinstance(problem, Unavailable):
        return "key"
    return "clock" if problem.code == "EVIDENCE_TIME" else "source"
