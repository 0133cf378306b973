"""A relay's process: the production watcher, docket, turns, grouping, outcomes, certifier, panel and retry rules over
model chains.

Only what speaks to chains and threads (`relay.relay`, `relay.carrier`) is replaced. It keeps nothing on disk: after a
crash it reads the chains again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence

from contracts.manifest import Role
from ledger.errors import Problem, Unavailable
from ledger.quorum import Certificate
from relay.certifier import Certifier
from relay.docket import Docket
from relay.grouping import Grouping
from relay.journey import Journey, Step
from relay.outcomes import SENT_SECONDS, Outcomes
from relay.panel import NotaryPanel
from relay.rotating import apart, is_apart
from relay.turns import Queue, Turns
from relay.watcher import SeenBlock, Watcher
from tests.simulation.gateway import Commit
from tests.simulation.headers import Renew, Shown
from tests.simulation.lanes import Deployment, ModelManifest, policy_of
from tests.simulation.node import View
from tests.simulation.registry import Attest, Judge, Propose
from tests.simulation.state import Transaction
from tests.simulator.inline import Killed

MOST = 16
CRASH_POINTS = ("before certify", "after certify", "before send", "after send")
Send = Callable[[int, Transaction], None]


class RelayProcess:
    """One relay. `views`: its own node of each chain; `send`: hands a transaction to the network;
    `dies_at`: one of `CRASH_POINTS`.
    """

    def __init__(
        self,
        manifest: Deployment,
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
        self.certifier, self.outcomes = Certifier(self.panel), Outcomes(self.docket, self.turns)
        self.grouping = Grouping(self.docket, self.turns, self, self._clock)
        self._brought: dict[tuple[int, bytes], float] = {}  # until when a header is not sent again
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
                    self.outcomes.rewound(news)
            except Unavailable:
                self.met["relay cannot read"] += 1
        for message_id in self.docket.moved():
            self._want(message_id)
        for queue, group in list(self.grouping.begin()):
            self._take(queue, group)
            self.grouping.ended(queue)

    def most(self, _step: Step) -> int:
        """As `relay.carrier`, with fewer."""
        return MOST

    def group(self, journey: Journey, step: Step) -> Hashable:
        """What one certificate may be over, as `relay.carrier` groups it."""
        root = None if step is Step.JUDGE else self.certifier.root_of(journey.id)
        return journey.proposal.message.destination.chain_id, None if root is None else root.digest

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
        if step in (Step.ATTEST, Step.COMMIT):
            failures = self._certify(step, group)
        for journey in group:
            problem = failures.get(journey.id)
            try:
                if problem is None:
                    self._submit(queue, journey)
            except Problem as found:
                problem = self._reword(queue, journey, found)
            if problem is None:
                self.outcomes.done(journey, step, started=0.0)
            else:
                self.outcomes.failed(journey, step, problem, started=0.0)

    def _certify(self, step: Step, group: Sequence[Journey]) -> dict[bytes, Problem]:
        """Certificates for those whose lanes ask for one; who has none, and why."""
        for journey in group:
            journey.policy = policy_of(journey.proposal.message)
        asking = [journey for journey in group if journey.needs_certificate]
        failures = dict[bytes, Problem]()
        if step is Step.ATTEST:
            unasked = Unavailable("LANE_POLICY", "its destination asks for no certificate")
            failures = {journey.id: unasked for journey in group if not journey.needs_certificate}
        if asking:
            self._maybe_die("before certify")
            failures |= self.certifier.certify(asking)
            self._maybe_die("after certify")
        return failures

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
            return Propose(registry, journey.proposal)
        if step is Step.JUDGE:
            found = None if journey.has_ended else journey.commit
            if found is None and not journey.has_ended:
                raise Unavailable("NOT_FINAL", "its delivery was left behind by its chain")
            contract = registry.contracts["TransactionRegistry"]
            judged = self.panel.judge(message, journey.origin, found, chain_id=registry.chain_id, registry=contract)
            return Judge(registry, judged.verdict, judged.signatures)
        certificate = self._certificate(journey)
        if step is Step.ATTEST:
            assert certificate is not None  # ATTEST is refused to those that need none
            return Attest(registry, message, certificate)
        return Commit(self._model(message.destination.chain_id), journey.proposal, certificate, self._shown(journey))

    def _certificate(self, journey: Journey) -> Certificate | None:
        if not journey.needs_certificate:
            return None
        root = self.certifier.root_of(journey.id)
        if root is None:
            raise Unavailable("WAITING", "its certificate is formed again")
        return root.certificate(journey.id)

    def _shown(self, journey: Journey) -> Shown | None:
        """Where the log stands, on a lane that asks for it, once the destination holds the header it stands under."""
        message = journey.proposal.message
        if not policy_of(message).needs_seals:
            return None
        origin, chain_id = message.origin.chain_id, message.destination.chain_id
        block = self.views[origin].block(journey.origin.block)
        if (origin, block.number) not in self.views[chain_id].head().state.headers:
            self._bring(chain_id, Renew(origin, block.number, block.hash, self.views[origin].seals(block)))
            raise Unavailable("WAITING", "its header is not at the destination yet")
        return block.shown

    def _bring(self, chain_id: int, header: Renew) -> None:
        """A header to a light client, once in a while."""
        key = chain_id, header.hash
        if self._clock() >= self._brought.get(key, 0.0):
            header.require_seals(header.hash, header.seals)  # simulates before it pays
            self._send(chain_id, header)
            self._brought[key] = self._clock() + SENT_SECONDS
            self.met["header brought to a light client"] += 1

    def _model(self, chain_id: int) -> ModelManifest:
        chain = self.manifest.by_id(chain_id)
        assert chain is not None
        return chain

    def _reword(self, queue: Queue, journey: Journey, problem: Problem) -> Problem:
        """As `relay.carrier` does where committees rotate chain by chain."""
        if not is_apart(problem):
            return problem
        step, chain_id = queue
        root = self.certifier.root_of(journey.id)
        if root is not None and root.epoch != self.panel.epochs(root.chain_id)[0]:
            self.certifier.forget(journey.id)
        self.met["signed in another epoch"] += 1
        signed_in = None if root is None or step is Step.JUDGE else root.epoch
        return apart(self._model(chain_id).caip2, self.panel.epochs(chain_id), signed_in)

    def _maybe_die(self, point: str) -> None:
        if self.dies_at == point:
            self.dies_at = ""
            self.met[f"relay dies {point}"] += 1
            raise Killed
