"""What came of each step that was begun, as its message is told: done, to be tried again, or set aside.

Under the relay's lock. May never happen here: a belief that something happened on a chain, which is for
`relay.journey` to say, from logs.
"""

from __future__ import annotations

import time

from contracts.submitter import Ticket
from ledger.errors import Problem, Refused, Unavailable
from relay.carrier import read_tag
from relay.docket import Docket
from relay.journey import Journey, Step
from relay.retry import SetAside, decide, is_refusal
from relay.turns import Turns
from relay.watcher import Rewound

SENT_SECONDS = 5.0  # a step whose transaction is in a block is looked at again, should no final block show its log


class Outcomes:
    """The outcomes of one relay's steps."""

    def __init__(self, docket: Docket, turns: Turns) -> None:
        self._docket, self._turns = docket, turns

    def rewound(self, news: Rewound) -> None:
        """A chain left blocks behind: whatever stood there is done again."""
        for message_id in self._docket.rewind(news):
            for step in Step:
                self._turns.undo((message_id, step))

    def heard(self, ticket: Ticket) -> None:
        """What became of a transaction that carried a step of some messages."""
        step, message_ids = read_tag(ticket.tag)
        for message_id in message_ids:
            key, journey = (message_id, step), self._docket.journeys.get(message_id)
            if self._turns.trial(key) is None:
                continue  # it was heard of before: two transactions took one step
            if journey is None:
                # Sent by an earlier process, and its message is not read yet; or left behind since.
                self._turns.succeeded(key)
                self._turns.hold(key, SENT_SECONDS)
            elif isinstance(ticket.outcome, Problem):
                self.failed(journey, step, ticket.outcome, started=ticket.started, is_lost=len(message_ids) > 1)
            else:
                self.done(journey, step, started=ticket.started)

    def failed(self, journey: Journey, step: Step, problem: Problem, *, started: float, is_lost: bool = False) -> None:
        """`started`: monotonic seconds; `is_lost`: its transaction was mined and failed together with others', of which
        any may be the reason.
        """
        _noted(journey, step, started, problem)
        key = (journey.id, step)
        before = self._turns.trial(key)
        if before is not None and before.sent and problem.code == "CALL_REVERTED":
            problem = Unavailable("NOT_FINAL", f"{step} was sent, and waits until its block is final")
        if is_lost and isinstance(problem, Refused):
            problem = Unavailable("GROUP_FAILED", f"{step} failed in its block, together with others")
        trial = self._turns.failed(key, refused=is_refusal(problem), lost=is_lost)
        decision = decide(problem, failures=trial.failures, refusals=trial.refusals)
        journey.waiting.pop(step, None)
        if step in journey.open_steps():  # else somebody took it meanwhile, and its log has been read
            if isinstance(decision, SetAside):
                journey.set_aside[step] = problem
            else:
                journey.waiting[step] = problem
                self._turns.hold(key, decision.seconds)
        self._docket.touch(journey)

    def done(self, journey: Journey, step: Step, *, started: float) -> None:
        """Its transaction stands in a block, or is sure to. `started`: monotonic seconds."""
        key = (journey.id, step)
        journey.milliseconds.setdefault(step.value, _noted(journey, step, started))
        journey.waiting.pop(step, None)
        if step is Step.REDELIVER:
            journey.redeliver = False
        self._turns.succeeded(key)
        # The log that proves the step is usually read before the step could be taken again.
        self._turns.hold(key, SENT_SECONDS)
        self._docket.touch(journey)


def _noted(journey: Journey, step: Step, started: float, problem: Problem | None = None) -> float:
    """Write an attempt down; how many milliseconds it took."""
    milliseconds = (time.monotonic() - started) * 1000
    journey.tried.add(step.value, at=time.time(), milliseconds=milliseconds, problem=problem)
    return milliseconds
