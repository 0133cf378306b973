"""A relay's process: the production watcher, docket, turns, certifier, panel and retry rules over model chains.

Only what speaks to chains and threads (`relay.relay`, `relay.carrier`) is replaced. It keeps nothing on disk: after a
crash it reads the chains again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from contracts.manifest import Manifest, Role
from ledger.errors import Problem, Unavailable
from relay.certifier import Certifier
from relay.docket import Docket
from relay.journey import Journey, Step
from relay.panel import NotaryPanel
from relay.retry import SetAside, decide, is_refusal
from relay.turns import Queue, Turns
from relay.watcher import SeenBlock, Watcher
from tests.simulation.chain import Attest, Commit, Judge, ModelManifest, Propose, Transaction, View
from tests.simulator.inline import Killed

MOST = 16
SENT_SECONDS = 5.0
CRASH_POINTS = ("before certify", "after certify", "before send", "after send")
Send = Callable[[int, Transaction], None]


class RelayProcess:
    """One relay. `views`: its own node of each chain; `send`: hands a transaction to the network;
    `dies_at`: one of `CRASH_POINTS`.
    """

    def __init__(
        self,
        manifest: Manifest,
        views: Mapping[int, View],
        panel: NotaryPanel,
        send: Send,
        clock: Callable[[], float],
    ) -> None:
        self.manifest, self.views, self.panel, self._send, self._clock = manifest, dict(views), panel, send, clock
        self.dies_at = ""
        self.met: Counter[str] = Counter()
        self.start()

    def start(self) -> None:
        """As after a crash: it knows nothing."""
        self.docket, self.turns = Docket(self.manifest), Turns(self._clock)
        self.certifier = Certifier(self.panel)
        self.watchers = [Watcher(self.views[chain.chain_id], chain) for chain in self.manifest.chains]

    def step(self) -> None:
        """Read what is new, then take each step that can be taken."""
        for watcher in self.watchers:
            try:
                for news in watcher.poll():
                    if isinstance(news, SeenBlock):
                        self.docket.take(news)
                        continue
                    self.met["relay rewinds"] += 1
                    for message_id in self.docket.rewind(news):
                        for step in Step:
                            self.turns.undo((message_id, step))
            except Unavailable:
                self.met["relay cannot read"] += 1
        for message_id in self.docket.moved():
            self._want(message_id)
        for queue in self.turns.queues:
            found = [self.docket.journeys.get(each) for each in self.turns.ready(queue, MOST)]
            group = [journey for journey in found if journey is not None]
            self.turns.begin(queue, [journey.id for journey in group])
            self._take(queue, group)

    def retry_all(self) -> None:
        """A person takes up again whatever was set aside."""
        for journey in self.docket.live():
            if journey.set_aside:
                self.met["retried by a person"] += 1
                journey.set_aside.clear()
                for step in Step:
                    self.turns.release((journey.id, step))
                self.docket.touch(journey)

    def _want(self, message_id: bytes) -> None:
        journey = self.docket.journeys.get(message_id)
        if journey is None or journey.is_over:
            self.turns.want(message_id, {})
            self.certifier.forget(message_id)
            return
        registry, there = self.manifest.chain(Role.TRANSACTION), journey.proposal.message.destination
        steps = [step for step in journey.open_steps() if step not in journey.set_aside]
        pays = {step: there.chain_id if step is Step.COMMIT else registry.chain_id for step in steps}
        self.turns.want(message_id, pays)

    def _take(self, queue: Queue, group: Sequence[Journey]) -> None:
        step, failures = queue[0], dict[bytes, Problem]()
        if step in (Step.ATTEST, Step.COMMIT) and group:
            self._maybe_die("before certify")
            failures = self.certifier.certify(group)
            self._maybe_die("after certify")
        for journey in group:
            problem = failures.get(journey.id)
            try:
                if problem is None:
                    self._submit(queue, journey)
            except Problem as found:
                problem = found
            key = (journey.id, step)
            if problem is None:
                journey.waiting.pop(step, None)
                self.turns.succeeded(key)
                self.turns.hold(key, SENT_SECONDS)
                self.docket.touch(journey)
            else:
                self._failed(journey, step, problem)

    def _submit(self, queue: Queue, journey: Journey) -> None:
        step, chain_id = queue
        transaction = self._transaction(step, journey)
        view = self.views[chain_id]
        head = view.head()
        transaction.run(head.state.copy(), head.timestamp)  # simulates before it pays
        self._maybe_die("before send")
        self._send(chain_id, transaction)
        self._maybe_die("after send")

    def _transaction(self, step: Step, journey: Journey) -> Transaction:
        message = journey.proposal.message
        registry = self._model(self.manifest.chain(Role.TRANSACTION).chain_id)
        if step is Step.PROPOSE:
            return Propose(registry, message.id)
        if step is Step.JUDGE:
            found = None if journey.has_ended else journey.commit
            if found is None and not journey.has_ended:
                raise Unavailable("NOT_FINAL", "its delivery was left behind by its chain")
            contract = registry.contracts["TransactionRegistry"]
            judged = self.panel.judge(message, journey.origin, found, chain_id=registry.chain_id, registry=contract)
            return Judge(registry, judged.verdict, judged.signatures)
        root = self.certifier.root_of(message.id)
        if root is None:
            raise Unavailable("WAITING", "its certificate is formed again")
        certificate = root.certificate(message.id)
        if step is Step.ATTEST:
            return Attest(registry, message, certificate)
        return Commit(self._model(message.destination.chain_id), journey.proposal, certificate)

    def _model(self, chain_id: int) -> ModelManifest:
        chain = self.manifest.by_id(chain_id)
        assert isinstance(chain, ModelManifest)
        return chain

    def _failed(self, journey: Journey, step: Step, problem: Problem) -> None:
        key = (journey.id, step)
        before = self.turns.trial(key)
        if before is not None and before.sent and problem.code == "CALL_REVERTED":
            problem = Unavailable("NOT_FINAL", f"{step} was sent, and waits until its block is final")
        trial = self.turns.failed(key, refused=is_refusal(problem))
        decision = decide(problem, failures=trial.failures, refusals=trial.refusals)
        if isinstance(decision, SetAside):
            self.met["set aside"] += 1
            journey.set_aside[step] = problem
        else:
            journey.waiting[step] = problem
            self.turns.hold(key, decision.seconds)
        self.docket.touch(journey)

    def _maybe_die(self, point: str) -> None:
        if self.dies_at == point:
            self.dies_at = ""
            self.met[f"relay dies {point}"] += 1
            raise Killed
