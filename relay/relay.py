"""The relay: watches the chains, and carries each message until its credential is closed.

A step function that answers continue, idle or stop; whatever it needs to know it has read from the chains. It may die
between any two lines: on start it reads the chains again, and every target refuses duplicates by id.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Protocol

from contracts.manifest import Manifest
from contracts.node import Node
from contracts.submitter import Submitter, Ticket
from ledger.errors import Problem, Refused, Unavailable
from relay.agenda import Agenda
from relay.carrier import Carrier, read_tag
from relay.docket import Docket
from relay.exchanger import Exchanger, is_call
from relay.explain import Moment
from relay.freezer import Freezer, is_proof
from relay.headers import HeaderBearer
from relay.index import Index
from relay.journey import Journey, Step
from relay.journeys import Journeys
from relay.panel import NotaryPanel
from relay.retry import SetAside, decide, is_refusal, problem_of, wait_after
from relay.skips import Skips
from relay.turns import Queue, Turns
from relay.watcher import Place, Rewound, SeenBlock, Watcher

# Groups under way at once in each queue: a step on the chain whose answer it waits for.
GROUPS_AT_ONCE = {Step.PROPOSE: 2, Step.ATTEST: 2, Step.COMMIT: 4, Step.REDELIVER: 2, Step.JUDGE: 8}
IDLE_SECONDS = 0.02
LONGEST_IDLE_SECONDS = 0.1
CLIENT_LOOK_SECONDS = 60.0  # between two looks at how old a light client's latest header is
JUDGING_WAITS_SECONDS = 10.0  # at most, for messages that are still to be delivered
# With so many steps waiting, a chain that brings more of them is read for a tenth of the time: nothing is gained by
# knowing more than can be carried, and reading must not crowd out carrying.
BACKLOG = 1_000
RESTS = 9.0
_MEMORY = 0  # beside the ids of chains: what is in the way of putting messages away
SENT_SECONDS = 5.0  # a step whose transaction is in a block is looked at again, should no final block show its log


class Progress(Enum):
    """What a step function answers."""

    CONTINUE = "continue"
    IDLE = "idle"
    STOP = "stop"


class BlockSink(Protocol):
    """Who else hears of final blocks: the indexer."""

    def take(self, block: SeenBlock) -> None: ...

    def rewind(self, rewound: Rewound) -> None: ...


@dataclass(frozen=True, slots=True)
class Position:
    """How far one chain has been read, and why not further, where something is in the way."""

    chain: str
    next_block: int
    trouble: Problem | None


class Relay:
    """Carries the messages of one deployment. `transactors` pay on each chain, by chain id.

    `executor` and `clock` (monotonic seconds) are seams for tests that want one thread and their own time.
    """

    def __init__(
        self,
        manifest: Manifest,
        transactors: Mapping[int, Submitter],
        panel: NotaryPanel,
        sinks: Sequence[BlockSink] = (),
        *,
        executor: Executor | None = None,
        clock: Callable[[], float] = time.monotonic,
        skips: Skips | None = None,
    ) -> None:
        self.manifest, self.panel = manifest, panel
        self.skips = skips or Skips()
        self._payers = dict(transactors)
        self._carrier = Carrier(manifest, transactors, panel)
        self.index = Index(manifest)
        self.exchanger = Exchanger(manifest, transactors, self.index, executor=executor, clock=clock, nudge=self.nudge)
        self.freezer = Freezer(
            manifest, transactors, self._carrier.observing, panel, executor=executor, clock=clock, nudge=self.nudge
        )
        self._sinks: tuple[BlockSink, ...] = (self.index, self.exchanger, self.freezer, *sinks)
        self._reading: Agenda[int] = Agenda(clock)
        self._settling: Agenda[int] = Agenda(clock)
        self._turns, self._clock = Turns(clock), clock
        self._delivering_since: float | None = None
        self._watchers = [
            Watcher(transactors[chain.chain_id].node, chain, first_block=chain.first_block) for chain in manifest.chains
        ]
        self._docket = Docket(manifest)
        self._troubles: dict[int, Problem] = {}
        self._client_troubles: dict[str, Problem] = {}
        self._clients: Agenda[int] = Agenda(clock)
        self._executor, bearers = executor, self._carrier.observing.bearers
        self._readers = executor or ThreadPoolExecutor(
            2 * len(self._watchers) + len(bearers), thread_name_prefix="relay-reader"
        )
        # A pool for each queue: a chain that answers late holds up nobody else's steps.
        self._pools: dict[Queue, Executor] = {}
        self._under_way: Counter[Queue] = Counter()
        self._lock = threading.RLock()  # over journeys and sinks; never held while anybody is asked anything
        self._changed, self._stopping = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        for chain_id, payer in self._payers.items():
            for ticket in payer.in_flight:  # what an earlier process sent is under way still
                if not ticket.tag or is_call(ticket.tag) or is_proof(ticket.tag):
                    continue
                step, message_ids = read_tag(ticket.tag)
                self._turns.begin((step, chain_id), message_ids)

    @property
    def journeys(self) -> Journeys:
        """Every message seen, by id. Most of very many lie on the disk, and come back when they are asked for."""
        return self._docket.journeys

    @property
    def trouble(self) -> Problem | None:
        """Why some chain cannot be read now, None when all can."""
        return next((problem for problem in list(self._troubles.values())), None)

    @property
    def positions(self) -> tuple[Position, ...]:
        """Each chain, in the manifest's order."""
        return tuple(
            Position(watcher.chain.caip2, watcher.next_block, self._troubles.get(watcher.chain.chain_id))
            for watcher in self._watchers
        )

    @property
    def client_troubles(self) -> dict[str, Problem]:
        """Why a light client could not be renewed, by what it is ("eip155:1 on eip155:2")."""
        return dict(self._client_troubles)

    @property
    def nodes(self) -> dict[int, Node]:
        """The node of each chain, by chain id."""
        return {watcher.chain.chain_id: watcher.node for watcher in self._watchers}

    @property
    def moment(self) -> Moment:
        """The deployment as it is now, for explanations."""
        return Moment(self.manifest, dict(self._docket.times))

    def hear(self, sink: BlockSink) -> None:
        """Let somebody hear of final blocks who was made after this relay; before it is started."""
        self._sinks = (*self._sinks, sink)

    def look(self, message_id: bytes) -> Journey | None:
        """A message as it is seen now; None while its log was not read."""
        with self._lock:
            return self.journeys.get(message_id)

    # -- running -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Run in a thread of its own until `stop`."""
        self._thread = threading.Thread(target=self.run, name="relay", daemon=True)
        self._thread.start()

    def run(self) -> None:
        """Step until stopped; idle waits grow up to half a second, progress resets them."""
        idle = IDLE_SECONDS
        while True:
            match self.step():
                case Progress.STOP:
                    return
                case Progress.CONTINUE:
                    idle = IDLE_SECONDS
                case Progress.IDLE:
                    noticed = self._changed.wait(idle)
                    idle = IDLE_SECONDS if noticed else min(idle * 1.5, LONGEST_IDLE_SECONDS)

    def stop(self) -> None:
        """Finish the steps under way and stop."""
        self._stopping.set()
        self._changed.set()
        if self._thread is not None:
            self._thread.join()
        for pool in (self._readers, *self._pools.values()):
            pool.shutdown(wait=True, cancel_futures=True)
        self.exchanger.stop()
        self.freezer.stop()

    def step(self) -> Progress:
        """Read what is new on every chain, then start each step that can be taken.

        Chains are read side by side: one out of reach holds up nobody who does not need it.
        """
        if self._stopping.is_set():
            return Progress.STOP
        self._changed.clear()  # first: what happens during this step is looked at in the next one
        for watcher in self._watchers:
            self._reading.begin(self._readers, watcher.chain.chain_id, partial(self._read, watcher))
        for chain_id, payer in self._payers.items():
            if payer.in_flight:
                self._settling.begin(self._readers, chain_id, partial(self._settle, chain_id, payer))
        for index, bearer in enumerate(self._carrier.observing.bearers):
            self._clients.begin(self._readers, index, partial(self._refresh, index, bearer))
        with self._lock:
            groups = list(self._groups())
            read_to = {watcher.chain.chain_id: watcher.next_block for watcher in self._watchers}
            self.exchanger.look(self.journeys, self._docket.times, read_to)
            try:
                self.journeys.put_away(self._turns.is_under_way)
            except Problem as problem:
                self._troubles[_MEMORY] = problem  # it carries on, with more in memory
            else:
                self._troubles.pop(_MEMORY, None)
        for queue, group in groups:
            self._pool(queue).submit(self._take, queue, group)
        begun = any([self.exchanger.begin(), self.freezer.begin()])
        return Progress.CONTINUE if groups or begun or self._changed.is_set() else Progress.IDLE

    def _groups(self) -> Iterator[tuple[Queue, list[Journey]]]:
        """What is begun now: whatever is ready, in groups as large as they have become, and never waited for."""
        for message_id in self._docket.moved():
            self._want(message_id)
            self.exchanger.moved(message_id)
        is_delivering = self._is_delivering()
        for queue in self._turns.queues:
            step = queue[0]
            free = GROUPS_AT_ONCE[step] - self._under_way[queue]
            if free <= 0 or (step is Step.JUDGE and is_delivering):
                continue
            named = [self.journeys.get(each) for each in self._turns.ready(queue, free * self._carrier.most(step))]
            for group in self._packed(step, [journey for journey in named if journey is not None])[:free]:
                self._turns.begin(queue, (journey.id for journey in group))
                self._under_way[queue] += 1
                yield queue, group

    def _is_delivering(self) -> bool:
        """Whether verdicts wait, because deliveries do, and both cost the notaries and the destination their time.

        For so long at a stretch and no longer: a destination that is away must not hold up what is delivered already.
        """
        queues = (*self._turns.queues, *(queue for queue, groups in self._under_way.items() if groups > 0))
        if not any(queue[0] is Step.COMMIT for queue in queues):
            self._delivering_since = None
            return False
        if self._delivering_since is None:
            self._delivering_since = self._clock()
        return self._clock() - self._delivering_since < JUDGING_WAITS_SECONDS

    def _packed(self, step: Step, journeys: Sequence[Journey]) -> list[list[Journey]]:
        """Groups of what may go together; what was refused before goes alone."""
        groups: dict[object, list[Journey]] = {}
        for journey in journeys:
            trial = self._turns.trial((journey.id, step))
            is_alone = trial is not None and trial.goes_alone
            groups.setdefault(journey.id if is_alone else self._carrier.group(journey, step), []).append(journey)
        most = self._carrier.most(step)
        return [group[at : at + most] for group in groups.values() for at in range(0, len(group), most)]

    def _want(self, message_id: bytes) -> None:
        journey = self.journeys.get(message_id)
        if journey is None or journey.is_over:
            self._turns.want(message_id, {})
            self._carrier.forget(message_id)
            return
        journey.skipped = self.skips.reason(message_id)
        steps = [step for step in journey.open_steps() if step not in journey.set_aside and journey.skipped is None]
        self._turns.want(message_id, {step: self._carrier.pays_on(journey, step) for step in steps})

    @contextmanager
    def still(self) -> Iterator[Journeys]:
        """The journeys, for as long as one looks at them unchanged by what is read; keep it short."""
        with self._lock:
            yield self.journeys

    def nudge(self) -> None:
        """Something happened on a chain: look now instead of at the end of the idle wait."""
        self._changed.set()

    def retry(self, message_id: bytes) -> None:
        """Take up a message again: what was set aside is tried, and a failed call is delivered once more.

        KeyError for an unknown one.
        """
        with self._lock:
            journey = self.journeys[message_id]
            self.skips.remove(message_id)
            journey.skipped = None
            journey.set_aside.clear()
            journey.redeliver = journey.commit is not None and not journey.executed
            for step in Step:
                self._turns.release((message_id, step))
            self.exchanger.retry(message_id)
            self._docket.touch(journey)
        self._changed.set()

    def skip(self, message_id: bytes, reason: str) -> None:
        """Leave a message alone until a person takes it up again with `retry`, also after a restart.

        What is under way just now is finished. KeyError for an unknown one; errors as `Skips.add`.
        """
        with self._lock:
            journey = self.journeys[message_id]
            self.skips.add(message_id, reason)
            journey.skipped = reason
            self._docket.touch(journey)
        self._changed.set()

    # -- jobs --------------------------------------------------------------------------------------------------------

    def _pool(self, queue: Queue) -> Executor:
        if queue not in self._pools:
            name = f"relay-{queue[0].value}-{queue[1]}"
            self._pools[queue] = self._executor or ThreadPoolExecutor(GROUPS_AT_ONCE[queue[0]], thread_name_prefix=name)
        return self._pools[queue]

    def _read(self, watcher: Watcher) -> bool:
        """Fold what is new on one chain; whether there was anything."""
        chain_id = watcher.chain.chain_id
        progressed = False
        began, known = time.monotonic(), len(self.journeys)
        try:
            for news in watcher.poll():
                progressed = True
                with self._lock:
                    self._fold(news)
        except Exception as error:  # noqa: BLE001 - whatever a node can make us raise, the other chains go on
            self._troubles[chain_id] = problem_of(error)
            self._reading.hold(chain_id, wait_after(self._reading.failed(chain_id).failures))
        else:
            self._troubles.pop(chain_id, None)
            self._reading.succeeded(chain_id)
            if len(self.journeys) > known and self._turns.waiting > BACKLOG:
                self._reading.hold(chain_id, RESTS * (time.monotonic() - began))
        if progressed:
            self._changed.set()
        return progressed

    def _refresh(self, index: int, bearer: HeaderBearer) -> bool:
        """Keep an idle light client from expiring; whether it was renewed."""
        try:
            renewed = bearer.refresh()
        except Exception as error:  # noqa: BLE001 - one client that cannot be renewed stops neither others nor messages
            self._client_troubles[bearer.name] = problem_of(error)
            failures = self._clients.failed(index).failures
            self._clients.hold(index, wait_after(failures))
            return False
        self._client_troubles.pop(bearer.name, None)
        self._clients.succeeded(index)
        self._clients.hold(index, CLIENT_LOOK_SECONDS)
        return renewed

    def _fold(self, news: SeenBlock | Rewound) -> None:
        # Sinks first: one that fails is given the news again, and the docket must not have taken it twice.
        for sink in self._sinks:
            sink.rewind(news) if isinstance(news, Rewound) else sink.take(news)
        if isinstance(news, SeenBlock):
            self._docket.take(news)
            return
        for message_id in self._docket.rewind(news):
            for step in Step:
                self._turns.undo((message_id, step))

    def _take(self, queue: Queue, group: Sequence[Journey]) -> None:
        """Take one step of a group. What was sent stays under way until `_settle` hears of it."""
        started = time.monotonic()
        try:
            try:
                failures = self._carrier.take(queue[0], group)
            except Exception as error:  # noqa: BLE001 - a defect that one message meets must not stop the others
                failures = self._alone(queue[0], group, problem_of(error))
            for journey in group:
                if (problem := failures.get(journey.id)) is not None:
                    failures[journey.id] = self._carrier.reword(journey, queue[0], problem)
            with self._lock:
                for journey in group:
                    if (problem := failures.get(journey.id)) is not None:
                        _note(journey, queue[0], started, problem)
                        self._failed(journey, queue[0], problem)
        finally:
            with self._lock:
                self._under_way[queue] -= 1
            self._changed.set()

    def _alone(self, step: Step, group: Sequence[Journey], problem: Problem) -> dict[bytes, Problem]:
        """Each of a group for itself, because of a defect that one of them met."""
        if len(group) == 1:
            return {group[0].id: problem}
        failures: dict[bytes, Problem] = {}
        for journey in group:
            try:
                failures |= self._carrier.take(step, [journey])
            except Exception as error:  # noqa: BLE001 - as in `_take`
                failures[journey.id] = problem_of(error)
        return failures

    def _settle(self, chain_id: int, payer: Submitter) -> bool:
        """Hear what became of the transactions under way on one chain; whether there was anything."""
        try:
            settled = payer.poll()
        except Exception as error:  # noqa: BLE001 - as in `_read`
            self._settling.hold(chain_id, wait_after(self._settling.failed(chain_id).failures))
            if not isinstance(error, Problem):
                self._troubles[chain_id] = problem_of(error)
            return False
        self._settling.succeeded(chain_id)
        with self._lock:
            for ticket in settled:
                self._heard(ticket)
        if settled:
            self._changed.set()
        return bool(settled)

    def _heard(self, ticket: Ticket) -> None:
        if is_call(ticket.tag):
            self.exchanger.heard(ticket)
            return
        if is_proof(ticket.tag):
            self.freezer.heard(ticket)
            return
        step, message_ids = read_tag(ticket.tag)
        for message_id in message_ids:
            key, journey = (message_id, step), self.journeys.get(message_id)
            if self._turns.trial(key) is None:
                continue  # it was heard of before: two transactions took one step
            if journey is None:
                # Sent by an earlier process, and its message is not read yet; or left behind since.
                self._turns.succeeded(key)
                self._turns.hold(key, SENT_SECONDS)
            elif isinstance(ticket.outcome, Problem):
                _note(journey, step, ticket.started, ticket.outcome)
                self._failed(journey, step, ticket.outcome, is_lost=len(message_ids) > 1)
            else:
                _note(journey, step, ticket.started)
                self._done(journey, step, (time.monotonic() - ticket.started) * 1000)

    def _failed(self, journey: Journey, step: Step, problem: Problem, *, is_lost: bool = False) -> None:
        """`is_lost`: its transaction was mined and failed together with others', of which any may be the reason."""
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

    def _done(self, journey: Journey, step: Step, milliseconds: float) -> None:
        key = (journey.id, step)
        journey.milliseconds.setdefault(step.value, milliseconds)
        journey.waiting.pop(step, None)
        if step is Step.REDELIVER:
            journey.redeliver = False
        self._turns.succeeded(key)
        # The log that proves the step is usually read before the step could be taken again.
        self._turns.hold(key, SENT_SECONDS)
        self._docket.touch(journey)


def _note(journey: Journey, step: Step, started: float, problem: Problem | None = None) -> None:
    milliseconds = (time.monotonic() - started) * 1000
    journey.tried.add(step.value, at=time.time(), milliseconds=milliseconds, problem=problem)


def places(journey: Journey) -> Iterable[tuple[str, Place]]:
    """The observed steps of a journey with their places, in order."""
    for name, place in (
        ("sent", journey.origin),
        ("proposed", journey.proposed),
        ("attested", journey.attested),
        ("committed", journey.commit),
        ("judged", journey.judged),
    ):
        if place is not None:
            yield name, place
