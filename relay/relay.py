"""The relay: watches the chains, and carries each message until its credential is closed.

A step function that answers continue, idle or stop; whatever it needs to know it has read from the chains. It may die
between any two lines: on start it reads the chains again, and every target refuses duplicates by id.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Protocol

from contracts.manifest import Manifest
from contracts.node import Node
from contracts.transactor import Transactor
from ledger.errors import Problem, Unavailable
from relay.agenda import Agenda
from relay.carrier import Carrier
from relay.docket import Docket
from relay.explain import Moment
from relay.index import Index
from relay.journey import Journey, Step
from relay.panel import NotaryPanel
from relay.retry import SetAside, decide, is_refusal, wait_after
from relay.watcher import Place, Rewound, SeenBlock, Watcher

STEPS_AT_ONCE = 8  # on each chain that is paid on
IDLE_SECONDS = 0.02
LONGEST_IDLE_SECONDS = 0.5


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
        transactors: Mapping[int, Transactor],
        panel: NotaryPanel,
        sinks: Sequence[BlockSink] = (),
        *,
        executor: Executor | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.manifest, self.panel = manifest, panel
        self._carrier = Carrier(manifest, transactors, panel)
        self.index = Index(manifest)
        self._sinks: tuple[BlockSink, ...] = (self.index, *sinks)
        self._reading: Agenda[int] = Agenda(clock)
        self._agenda: Agenda[tuple[bytes, Step]] = Agenda(clock)
        self._watchers = [
            Watcher(transactors[chain.chain_id].node, chain, first_block=chain.first_block) for chain in manifest.chains
        ]
        self._docket = Docket(manifest)
        self._troubles: dict[int, Problem] = {}
        self._readers = executor or ThreadPoolExecutor(len(self._watchers), thread_name_prefix="relay-reader")
        # A pool for each chain that is paid on: one that accepts and does not mine holds up nobody else's steps.
        self._pools = {chain.chain_id: executor or _steps(chain.name) for chain in manifest.chains}
        self._lock = threading.RLock()  # over journeys and sinks; never held while anybody is asked anything
        self._changed, self._stopping = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def journeys(self) -> dict[bytes, Journey]:
        """Every message seen, by id."""
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
    def nodes(self) -> dict[int, Node]:
        """The node of each chain, by chain id."""
        return {watcher.chain.chain_id: watcher.node for watcher in self._watchers}

    @property
    def moment(self) -> Moment:
        """The deployment as it is now, for explanations."""
        return Moment(self.manifest, dict(self._docket.times))

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

    def step(self) -> Progress:
        """Read what is new on every chain, then start each step that can be taken.

        Chains are read side by side: one out of reach holds up nobody who does not need it.
        """
        if self._stopping.is_set():
            return Progress.STOP
        self._changed.clear()  # first: what happens during this step is looked at in the next one
        for watcher in self._watchers:
            self._reading.begin(self._readers, watcher.chain.chain_id, partial(self._read, watcher))
        with self._lock:
            live = {journey.id: journey for journey in self._docket.live()}
            wanted = [
                (journey, step)
                for journey in live.values()
                for step in journey.open_steps()
                if step not in journey.set_aside
            ]
        self._agenda.prune(lambda key: key[0] in live)
        self._carrier.prune(lambda message_id: message_id in live)
        started = [self._begin(journey, step) for journey, step in wanted]
        return Progress.CONTINUE if any(started) or self._changed.is_set() else Progress.IDLE

    @contextmanager
    def still(self) -> Iterator[dict[bytes, Journey]]:
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
            journey.set_aside.clear()
            journey.redeliver = journey.commit is not None and not journey.executed
            for step in Step:
                self._agenda.release((message_id, step))
        self._changed.set()

    # -- jobs --------------------------------------------------------------------------------------------------------

    def _begin(self, journey: Journey, step: Step) -> bool:
        pool = self._pools[self._carrier.pays_on(journey, step)]
        return self._agenda.begin(pool, (journey.id, step), partial(self._take, journey, step))

    def _read(self, watcher: Watcher) -> bool:
        """Fold what is new on one chain; whether there was anything."""
        chain_id = watcher.chain.chain_id
        progressed = False
        try:
            for news in watcher.poll():
                progressed = True
                with self._lock:
                    self._fold(news)
        except Exception as error:  # noqa: BLE001 - whatever a node can make us raise, the other chains go on
            self._troubles[chain_id] = _problem_of(error)
            self._reading.hold(chain_id, wait_after(self._reading.failed(chain_id).failures))
        else:
            self._troubles.pop(chain_id, None)
            self._reading.succeeded(chain_id)
        if progressed:
            self._changed.set()
        return progressed

    def _fold(self, news: SeenBlock | Rewound) -> None:
        # Sinks first: one that fails is given the news again, and the docket must not have taken it twice.
        for sink in self._sinks:
            sink.rewind(news) if isinstance(news, Rewound) else sink.take(news)
        if isinstance(news, SeenBlock):
            self._docket.take(news)
            return
        for message_id in self._docket.rewind(news):
            for step in Step:
                self._agenda.undo((message_id, step))

    def _take(self, journey: Journey, step: Step) -> bool:
        started = time.monotonic()
        try:
            self._carrier.take(journey, step)
        except Exception as error:  # noqa: BLE001 - a defect that one message meets must not stop the others
            problem = _problem_of(error)
            _note(journey, step, started, problem)
            self._failed(journey, step, problem)
        else:
            _note(journey, step, started)
            self._done(journey, step, (time.monotonic() - started) * 1000)
        self._changed.set()
        return True

    def _failed(self, journey: Journey, step: Step, problem: Problem) -> None:
        key = (journey.id, step)
        with self._lock:
            if self._agenda.attempt(key).sent and problem.code == "CALL_REVERTED":
                problem = Unavailable("NOT_FINAL", f"{step} was sent, and waits until its block is final")
            attempt = self._agenda.failed(key, refused=is_refusal(problem))
            decision = decide(problem, failures=attempt.failures, refusals=attempt.refusals)
            journey.waiting.pop(step, None)
            if step not in journey.open_steps():
                return  # somebody else took it meanwhile, and its log has been read
            if isinstance(decision, SetAside):
                journey.set_aside[step] = problem
            else:
                journey.waiting[step] = problem
                self._agenda.hold(key, decision.seconds)

    def _done(self, journey: Journey, step: Step, milliseconds: float) -> None:
        key = (journey.id, step)
        with self._lock:
            journey.milliseconds.setdefault(step.value, milliseconds)
            journey.waiting.pop(step, None)
            if step is Step.REDELIVER:
                journey.redeliver = False
            self._agenda.succeeded(key)
            # The log that proves the step is usually read before the step could be taken again.
            self._agenda.hold(key, LONGEST_IDLE_SECONDS)


def _steps(chain: str) -> Executor:
    return ThreadPoolExecutor(STEPS_AT_ONCE, thread_name_prefix=f"relay-{chain}")


def _note(journey: Journey, step: Step, started: float, problem: Problem | None = None) -> None:
    milliseconds = (time.monotonic() - started) * 1000
    journey.tried.add(step.value, at=time.time(), milliseconds=milliseconds, problem=problem)


def _problem_of(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    return _Defect(error)


class _Defect(Problem):
    """What we did not foresee; set aside like a refusal, and named so that it can be found."""

    def __init__(self, error: Exception) -> None:
        super().__init__("RELAY_DEFECT", f"the relay failed: {error!r}"[:500], cure="Tell its maintainers.")


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
