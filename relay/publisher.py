"""The publisher: takes the log from its newest entry to an anchor that crossed, on an interval, by itself.

    checkpoint → notaries cosign → published → stamped → anchored → final → carried → closed → handed to the ledger

A step function that does at most one of these and answers continue, idle or stop. Nothing of how far it is stands here:
each step asks ledger and chain again, so that it may die between any two, run beside another, and go on. May never
happen here: an anchor of what a quorum did not cosign, a second anchor of one checkpoint, a checkpoint that nothing
new asked for, or going on with a log that is not what it was.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Protocol

from ledger.checkpoint import CosignedCheckpoint
from ledger.errors import Problem, Refused
from relay.anchor_chain import AnchorChain, Anchored
from relay.cosigning import Cosigning
from relay.journey import Journey, State
from relay.log_memory import LogChanged, LogMemory
from relay.log_port import LogPort, LogState
from relay.pace import Pace
from relay.relay import Progress
from relay.retry import problem_of
from relay.stamper import Stamper

LOOK_SECONDS: Final = 1.0  # between two looks while nothing is to do
FIRST_WAIT_SECONDS: Final = 0.25
LONGEST_WAIT_SECONDS: Final = 60.0  # after failures in a row
MAX_CARRIES: Final = 4  # messages that may be paid for to carry one anchor
STAMP_AGAIN_SECONDS: Final = 60.0  # an authority that is away is asked no more often than this


class Act(StrEnum):
    """What one step did."""

    PUBLISHED = "published"
    STAMPED = "stamped"
    ANCHORED = "anchored"
    CARRIED = "carried"
    HANDED_OVER = "handed over"


@dataclass(frozen=True, slots=True)
class Standing:
    """How far publishing was at the last look. Sizes in entries, 0 where there is none. `doing`: in one sentence;
    `act`: what the last step did, None for nothing.
    `problem`: what is in the way; `stopped`: whether a person has to look before it goes on.
    """

    size: int = 0
    published: int = 0
    anchored: int = 0
    crossed: int = 0
    doing: str = "has not looked yet"
    act: Act | None = None
    problem: Problem | None = None
    stopped: bool = False


class Handover(Protocol):
    """Who hands the ledger what crossed; see `relay/handing.py`."""

    def hand_over(self, log: LogPort, *, crossed: int) -> bool: ...


class Publisher:
    """Publishes one log. `look`: the relay's view of a message, None while it has not read it.

    `stamper`: None where nobody stamps. `clock`: monotonic seconds.
    """

    def __init__(
        self,
        log: LogPort,
        chain: AnchorChain,
        cosigning: Cosigning,
        memory: LogMemory,
        handing: Handover,
        *,
        log_name: str,
        look: Callable[[bytes], Journey | None],
        clock: Callable[[], float],
        pace: Pace | None = None,
        stamper: Stamper | None = None,
    ) -> None:
        self._log, self._chain, self._cosigning, self._memory, self._handing = log, chain, cosigning, memory, handing
        self._log_name, self._look, self._clock = log_name, look, clock
        self._pace, self._stamper = pace or Pace(), stamper
        self._waiting_since: float | None = None
        # How often it was asked, and how much of that is answered. At a start it is: nobody knows how long they waited.
        self._asked, self._answered = 1, 0
        self._failures, self._not_before, self._no_stamp_before = 0, 0.0, 0.0
        self._stopping, self._changed = threading.Event(), threading.Event()
        self.standing = Standing()

    # -- running -----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Step until stopped, by `stop` or by a log that is not what it was."""
        while True:
            match self.step():
                case Progress.STOP:
                    return
                case Progress.IDLE:
                    self._changed.wait(LOOK_SECONDS)
                    self._changed.clear()

    def stop(self) -> None:
        """Finish the step under way, and stop."""
        self._stopping.set()
        self._changed.set()

    def ask(self) -> None:
        """Publish what waits now, and not when it is due."""
        self._asked += 1
        self._not_before = 0.0
        self._changed.set()

    def step(self) -> Progress:
        """Do the next thing, if there is one."""
        if self._stopping.is_set() or self.standing.stopped:
            return Progress.STOP
        if self._clock() < self._not_before:
            return Progress.IDLE
        try:
            has_acted = self._act()
        except LogChanged as changed:
            self._say("stopped: the log is not what it was", problem=changed, stopped=True)
            return Progress.STOP
        except Exception as error:  # noqa: BLE001 - whatever ledger, node or notary can make us raise, it is tried again
            self._failures += 1
            wait = min(FIRST_WAIT_SECONDS * 2.0 ** min(self._failures - 1, 16), LONGEST_WAIT_SECONDS)
            self._not_before = self._clock() + wait
            self._say("tries again", problem=problem_of(error))
            return Progress.IDLE
        self._failures = 0
        return Progress.CONTINUE if has_acted else Progress.IDLE

    # -- one step ----------------------------------------------------------------------------------------------------

    def _act(self) -> bool:
        asked = self._asked  # before anything is read: whoever asks later means what came in later, too
        if self._chain.settle():
            self._say("waits for its transaction's block")
            return False
        state = self._log.state()
        if state.origin != self._log_name:
            raise Refused("LOG_OTHER", f"the ledger's log is {state.origin[:80]!r}", where=self._log_name)
        self._memory.require_size(state.size, self._log)
        published = None if state.note is None else self._cosigning.open(state.note)
        anchored = self._chain.anchored()
        self._note(state, published, anchored)
        unable: Problem | None = None
        try:
            if self._handing.hand_over(self._log, crossed=state.crossed):
                return self._did(Act.HANDED_OVER, state.crossed)
        except Problem as problem:
            unable = problem  # the log is published all the same
        if published is not None:
            if self._stamp(state, published):
                return self._did(Act.STAMPED, published.checkpoint.size)
            act = self._anchor(state, published, anchored)
            if act is not None:
                return self._did(act, published.checkpoint.size)
        if self._is_due(state, published, anchored, asked=asked):
            size = self._publish(published, anchored)
            self._answered = asked
            return self._did(Act.PUBLISHED, size)
        if unable is not None:
            raise unable
        return False

    def _is_due(
        self, state: LogState, published: CosignedCheckpoint | None, anchored: Anchored | None, *, asked: int
    ) -> bool:
        size = 0 if published is None else published.checkpoint.size
        waiting = state.size - size
        # A larger one than is published was anchored: its cosignatures were lost with a database that was restored.
        lost = anchored is not None and anchored.size > size
        if waiting <= 0 and not lost:
            self._waiting_since, self._answered = None, asked
            return False
        if self._waiting_since is None:
            self._waiting_since = self._clock()
        has_waited = self._clock() - self._waiting_since
        return asked > self._answered or lost or waiting >= self._pace.entries or has_waited >= self._pace.seconds

    def _publish(self, published: CosignedCheckpoint | None, anchored: Anchored | None) -> int:
        """A checkpoint of the present state, cosigned and published; its size."""
        note = self._log.checkpoint()
        checkpoint = self._memory.follow(note, self._log, anchored)
        self._say(f"asks the notaries to cosign {checkpoint.size} entries")
        old_size = 0 if published is None else published.checkpoint.size
        self._log.publish(self._cosigning.ask(note, checkpoint, self._log, old_size=old_size))
        self._waiting_since = None
        return checkpoint.size

    def _stamp(self, state: LogState, published: CosignedCheckpoint) -> bool:
        """Have the published note stamped; whether it was. The anchor waits for nobody's stamp."""
        if self._stamper is None or state.stamped or state.note is None or self._clock() < self._no_stamp_before:
            return False
        try:
            self._log.keep_stamp(state.note, self._stamper.stamp(state.note))
        except Problem as problem:
            self._no_stamp_before = self._clock() + STAMP_AGAIN_SECONDS
            self._say(f"has no stamp over {published.checkpoint.size} entries", problem=problem)
            return False
        return True

    def _anchor(self, state: LogState, published: CosignedCheckpoint, anchored: Anchored | None) -> Act | None:
        """Bring the published checkpoint to the origin chain, and its anchor on its way; what was done, if anything."""
        size, root = published.checkpoint.size, published.checkpoint.root
        if anchored is None or anchored.size <= size:
            assert state.note is not None  # what `published` was opened from
            self._memory.confirm(state.note, self._log, anchored)
        if anchored is None or anchored.size < size:
            self._chain.anchor(published)
            return Act.ANCHORED
        if (anchored.size, anchored.root) != (size, root) or state.crossed >= size:
            return None
        if not anchored.is_final:
            self._say("waits until its anchor is final")
            return None
        under_way = [self._look(message_id) for message_id in self._chain.carried(anchored)]
        if any(journey is None or not _came_to_nothing(journey) for journey in under_way):
            self._say("waits for its anchor's way to close")
            return None
        if len(under_way) >= MAX_CARRIES:
            what = f"{len(under_way)} messages carried this anchor and none was of use"
            raise Refused(
                "CARRY_FAILED", what, where=f"size {size}", cure="Ask pledgetrail explain about the last one."
            )
        self._chain.carry(anchored)
        return Act.CARRIED

    # -- what it says ------------------------------------------------------------------------------------------------

    def _did(self, act: Act, size: int) -> bool:
        self.standing = replace(self.standing, doing=f"{act.value} {size} entries", act=act)
        return True

    def _note(self, state: LogState, published: CosignedCheckpoint | None, anchored: Anchored | None) -> None:
        self.standing = Standing(
            size=state.size,
            published=0 if published is None else published.checkpoint.size,
            anchored=0 if anchored is None else anchored.size,
            crossed=state.crossed,
            doing="nothing is to do" if published and published.checkpoint.size == state.size else "entries wait",
        )

    def _say(self, doing: str, *, problem: Problem | None = None, stopped: bool = False) -> None:
        self.standing = replace(self.standing, doing=doing, act=None, problem=problem, stopped=stopped)


def _came_to_nothing(journey: Journey) -> bool:
    """Whether an anchor's message will never be of use: it expired, was voided, or its call failed for good."""
    if journey.state is State.CLOSED:
        return not journey.executed
    return journey.is_over or journey.has_ended
