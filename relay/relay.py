"""The relay: watches the chains, and carries each message until its credential is closed.

A step function that answers continue, idle or stop; whatever it needs to know it has read from the chains. It may die
between any two lines: on start it reads the chains again, and every target refuses duplicates by id.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from enum import Enum
from typing import Protocol

from contracts.binding import Contract
from contracts.manifest import ChainManifest, Manifest, Role
from contracts.transactor import Transactor
from ledger.errors import BadInput, Problem
from ledger.proposal import read_proposal
from ledger.quorum import Certificate
from relay.journey import Journey, Step
from relay.notaries import NotaryPanel
from relay.retry import SetAside, decide
from relay.watcher import Place, Rewound, SeenBlock, SeenLog, Watcher

STEPS_AT_ONCE = 8
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


class Relay:
    """Carries the messages of one deployment. `transactors` pay on each chain, by chain id."""

    def __init__(
        self,
        manifest: Manifest,
        transactors: Mapping[int, Transactor],
        panel: NotaryPanel,
        sinks: Sequence[BlockSink] = (),
    ) -> None:
        self.manifest, self.panel = manifest, panel
        self._transactors, self._sinks = transactors, tuple(sinks)
        self._watchers = [Watcher(transactors[chain.chain_id].node, chain) for chain in manifest.chains]
        self._registry_chain = manifest.chain(Role.TRANSACTION)
        self._registry = self._registry_chain.contract("TransactionRegistry")
        self.journeys: dict[bytes, Journey] = {}
        self._early: dict[bytes, list[SeenLog]] = {}
        self._certificates: dict[bytes, Certificate] = {}
        self._in_flight: dict[tuple[bytes, Step], Future[None]] = {}
        self._attempts: dict[tuple[bytes, Step], tuple[int, float]] = {}
        self._pool = ThreadPoolExecutor(max_workers=STEPS_AT_ONCE, thread_name_prefix="relay")
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.trouble: Problem | None = None

    # -- running -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Run in a thread of its own until `stop`."""
        self._thread = threading.Thread(target=self.run, name="relay", daemon=True)
        self._thread.start()

    def run(self) -> None:
        """Step until stopped; idle waits grow up to half a second, progress resets them."""
        idle = IDLE_SECONDS
        while not self._stopping.is_set():
            try:
                progress = self.step()
                self.trouble = None
            except Problem as problem:
                # A chain out of reach: nothing is lost by looking again later.
                self.trouble, progress = problem, Progress.IDLE
            if progress is Progress.STOP:
                return
            idle = IDLE_SECONDS if progress is Progress.CONTINUE else min(idle * 1.5, LONGEST_IDLE_SECONDS)
            if progress is Progress.IDLE:
                with self._changed:
                    self._changed.wait(idle)

    def stop(self) -> None:
        """Finish the steps under way and stop."""
        self._stopping.set()
        self._notify()
        if self._thread is not None:
            self._thread.join()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def step(self) -> Progress:
        """Read what is new on every chain, then start each step that can be taken."""
        if self._stopping.is_set():
            return Progress.STOP
        read = [self._read(watcher) for watcher in self._watchers]
        started = [
            self._start(journey, step) for journey in list(self.journeys.values()) for step in journey.open_steps()
        ]
        return Progress.CONTINUE if any(read) or any(started) else Progress.IDLE

    def nudge(self) -> None:
        """Something happened on a chain: look now instead of at the end of the idle wait."""
        self._notify()

    def retry(self, message_id: bytes) -> None:
        """Take up a message that was set aside. KeyError for an unknown one."""
        journey = self.journeys[message_id]
        journey.set_aside = None
        for step in Step:
            self._attempts.pop((message_id, step), None)
        self._notify()

    # -- reading -----------------------------------------------------------------------------------------------------

    def _read(self, watcher: Watcher) -> bool:
        progressed = False
        for news in watcher.poll():
            progressed = True
            for sink in self._sinks:
                sink.rewind(news) if isinstance(news, Rewound) else sink.take(news)
            if isinstance(news, Rewound):
                self._forget(news)
            else:
                for seen in news.logs:
                    self._observe(seen)
                self._expire(news)
        if progressed:
            self._notify()
        return progressed

    def _observe(self, seen: SeenLog) -> None:
        if seen.decoded.name == "MessageSent":
            chain = self.manifest.by_id(seen.place.chain_id)
            if chain is not None:
                self._open_journey(seen, chain)
            return
        message_id = seen.decoded.fields.get("id")
        if message_id is None:
            return
        journey = self.journeys.get(message_id)
        if journey is None:
            # Chains are read one after the other: a destination's log may be seen before its origin's.
            self._early.setdefault(message_id, []).append(seen)
        else:
            journey.observe(seen)

    def _open_journey(self, seen: SeenLog, chain: ChainManifest) -> None:
        try:
            proposal = read_proposal(seen.raw, origin=chain.end, destinations=self.manifest.ends)
        except BadInput:
            return  # a message to a chain outside this deployment is not ours to carry
        if proposal.message.id in self.journeys:
            return
        journey = Journey(proposal, seen.place)
        for early in self._early.pop(journey.id, []):
            journey.observe(early)
        self.journeys[journey.id] = journey

    def _expire(self, block: SeenBlock) -> None:
        # Expiry is block time of the chain where the act would happen, never this machine's clock.
        for journey in self.journeys.values():
            message = journey.proposal.message
            if journey.commit is None and message.destination.chain_id == block.chain_id:
                journey.expired = block.timestamp >= message.expiry

    def _forget(self, rewound: Rewound) -> None:
        gone = [key for key, j in self.journeys.items() if j.forget(rewound.chain_id, rewound.block)]
        for key in gone:
            del self.journeys[key]

    # -- carrying ----------------------------------------------------------------------------------------------------

    def _start(self, journey: Journey, step: Step) -> bool:
        key = (journey.id, step)
        if journey.set_aside is not None or self._stopping.is_set():
            return False
        running = self._in_flight.get(key)
        if running is not None and not running.done():
            return False
        if time.monotonic() < self._attempts.get(key, (0, 0.0))[1]:
            return False
        self._in_flight[key] = self._pool.submit(self._take, journey, step)
        return True

    def _take(self, journey: Journey, step: Step) -> None:
        key = (journey.id, step)
        started = time.monotonic()
        try:
            action = {
                Step.PROPOSE: self._propose,
                Step.ATTEST: self._attest,
                Step.COMMIT: self._commit,
                Step.JUDGE: self._judge,
            }[step]
            action(journey)
        except Problem as problem:
            attempt = self._attempts.get(key, (0, 0.0))[0] + 1
            decision = decide(problem, attempt)
            if isinstance(decision, SetAside):
                journey.set_aside = problem
            else:
                journey.waiting = problem
                self._attempts[key] = (attempt, time.monotonic() + decision.seconds)
        else:
            journey.milliseconds.setdefault(step.value, (time.monotonic() - started) * 1000)
            # The log that proves the step is read before the step could be taken again.
            self._attempts[key] = (0, time.monotonic() + LONGEST_IDLE_SECONDS)
        self._notify()

    def _propose(self, journey: Journey) -> None:
        self._send(self._registry_chain.chain_id, self._registry, "propose", journey.proposal.message.as_abi())

    def _attest(self, journey: Journey) -> None:
        certificate = self._certificate(journey)
        self._send(self._registry_chain.chain_id, self._registry, "attest", journey.id, *_as_abi(certificate))

    def _commit(self, journey: Journey) -> None:
        message = journey.proposal.message
        certificate = self._certificate(journey)
        gateway = Contract("Gateway", message.destination.gateway)
        arguments = (message.as_abi(), journey.proposal.payload, *_as_abi(certificate))
        self._send(message.destination.chain_id, gateway, "commit", *arguments)

    def _judge(self, journey: Journey) -> None:
        if journey.commit is None:
            return
        started = time.monotonic()
        judged = self.panel.judge(
            journey.proposal.message,
            journey.origin,
            journey.commit,
            chain_id=self._registry_chain.chain_id,
            registry=self._registry.address,
        )
        journey.milliseconds["recheck"] = (time.monotonic() - started) * 1000
        verdict = judged.verdict
        fields = (
            verdict.id,
            verdict.epoch,
            verdict.origin_block,
            verdict.commit_block,
            verdict.commit_transaction,
            verdict.checked_from,
            verdict.verdict,
            verdict.executed,
            verdict.outcome,
        )
        self._send(self._registry_chain.chain_id, self._registry, "judge", fields, judged.signatures)

    def _certificate(self, journey: Journey) -> Certificate:
        held = self._certificates.get(journey.id)
        if held is None:
            started = time.monotonic()
            held = self.panel.certify(journey.proposal.message, journey.origin)
            journey.milliseconds["certify"] = (time.monotonic() - started) * 1000
            self._certificates[journey.id] = held
        return held

    def _send(self, chain_id: int, contract: Contract, function: str, *arguments: object) -> None:
        self._transactors[chain_id].send(contract.address, contract.encode_call(function, *arguments))

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()


def _as_abi(certificate: Certificate) -> tuple[object, ...]:
    return (
        certificate.index,
        certificate.size,
        list(certificate.proof),
        certificate.epoch,
        certificate.signatures,
    )


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
