"""The relay: watches the chains, and carries each message until its credential is closed.

A step function that answers continue, idle or stop; whatever it needs to know it has read from the chains. It may die
between any two lines: on start it reads the chains again, and every target refuses duplicates by id.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from functools import partial

from contracts.manifest import Manifest
from contracts.node import Node
from contracts.submitter import Submitter, Ticket
from ledger.errors import Problem
from relay.agenda import Agenda
from relay.carrier import Carrier, read_tag
from relay.docket import Docket
from relay.exchanger import Exchanger, is_call
from relay.explain import Moment
from relay.freezer import Freezer, is_proof
from relay.grouping import GROUPS_AT_ONCE, Grouping
from relay.index import Index
from relay.journey import Journey, Step
from relay.journeys import Journeys
from relay.outcomes import Outcomes
from relay.panel import NotaryPanel
from relay.reading import BlockSink, Position, Reading
from relay.renewing import Renewing
from relay.retry import problem_of, wait_after
from relay.skips import Skips
from relay.turns import Queue, Turns
from relay.watcher import Rewound, SeenBlock

IDLE_SECONDS = 0.02
LONGEST_IDLE_SECONDS = 0.1


class Progress(Enum):
    """What a step function answers."""

    CONTINUE = "continue"
    IDLE = "idle"
    STOP = "stop"


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
        self._settling: Agenda[int] = Agenda(clock)
        self._turns, self._docket = Turns(clock), Docket(manifest)
        self._grouping = Grouping(self._docket, self._turns, self._carrier, clock)
        self._outcomes = Outcomes(self._docket, self._turns)
        nodes = {chain.chain_id: transactors[chain.chain_id].node for chain in manifest.chains}
        self._reading = Reading(manifest, nodes, self._fold, _Load(self._docket, self._turns), clock)
        self._renewing = Renewing(self._carrier.observing.bearers, clock)
        self._memory_trouble: Problem | None = None
        self._executor, jobs = executor, 2 * len(nodes) + len(self._carrier.observing.bearers)
        self._readers = executor or ThreadPoolExecutor(jobs, thread_name_prefix="relay-reader")
        # A pool for each queue: a chain that answers late holds up nobody else's steps.
        self._pools: dict[Queue, Executor] = {}
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
        """What is in the way of carrying everything: why some chain cannot be read now, or `memory_trouble`."""
        return next((problem for problem in list(self._reading.troubles.values())), self._memory_trouble)

    @property
    def memory_trouble(self) -> Problem | None:
        """Why messages cannot be put away, so that more of them take memory; None while they can."""
        return self._memory_trouble

    @property
    def positions(self) -> tuple[Position, ...]:
        """Each chain, in the manifest's order."""
        return self._reading.positions

    @property
    def client_troubles(self) -> dict[str, Problem]:
        """Why a light client could not be renewed, by what it is ("eip155:1 on eip155:2")."""
        return self._renewing.troubles

    @property
    def nodes(self) -> dict[int, Node]:
        """The node of each chain, by chain id."""
        return self._reading.nodes

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
        self._reading.begin(self._readers, self.nudge)
        for chain_id, payer in self._payers.items():
            if payer.in_flight:
                self._settling.begin(self._readers, chain_id, partial(self._settle, chain_id, payer))
        self._renewing.begin(self._readers)
        with self._lock:
            for message_id in self._docket.moved():
                self._want(message_id)
                self.exchanger.moved(message_id)
            groups = list(self._grouping.begin())
            self.exchanger.look(self.journeys, self._docket.times, self._reading.read_to)
            self._put_away()
        for queue, group in groups:
            self._pool(queue).submit(self._take, queue, group)
        begun = any([self.exchanger.begin(), self.freezer.begin()])
        return Progress.CONTINUE if groups or begun or self._changed.is_set() else Progress.IDLE

    def _put_away(self) -> None:
        """Hold no more in memory than is meant to be; where that cannot be, it carries on with more."""
        try:
            self._docket.put_away(self._turns.is_under_way)
        except Problem as problem:
            self._memory_trouble = problem
        else:
            self._memory_trouble = None

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

    def _fold(self, news: SeenBlock | Rewound) -> None:
        with self._lock:
            # Sinks first: one that fails is given the news again, and the docket must not have taken it twice.
            for sink in self._sinks:
                sink.rewind(news) if isinstance(news, Rewound) else sink.take(news)
            if isinstance(news, Rewound):
                self._outcomes.rewound(news)
            else:
                self._docket.take(news)

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
                        self._outcomes.failed(journey, queue[0], problem, started=started)
        finally:
            with self._lock:
                self._grouping.ended(queue)
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
        except Exception as error:  # noqa: BLE001 - as in `Reading.read`
            self._settling.hold(chain_id, wait_after(self._settling.failed(chain_id).failures))
            if not isinstance(error, Problem):
                self._reading.troubles[chain_id] = problem_of(error)
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
        self._outcomes.heard(ticket)


@dataclass(frozen=True)
class _Load:
    docket: Docket
    turns: Turns

    @property
    def known(self) -> int:
        return len(self.docket.journeys)

    @property
    def waiting(self) -> int:
        return self.turns.waiting
