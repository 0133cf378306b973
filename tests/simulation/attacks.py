"""What somebody does to a run on purpose, with the help of whichever members are faulty: messages that never left,
messages that are not final, transfers that nothing backs, keys that were retired, and refunds of what has arrived.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.chain_rules import Policy
from ledger.errors import Problem
from ledger.proposal import Proposal
from ledger.quorum import Certificate, pack, root_over
from ledger.secp256k1 import Signature
from relay.answers import read_signature, read_verdict
from tests.simulation.chain import Block, ModelChain, root_digest
from tests.simulation.committee import key_of
from tests.simulation.gateway import Commit, Send
from tests.simulation.headers import Renew, seals_of
from tests.simulation.lanes import (
    DESTINATION,
    FINALITY,
    GENESIS_TIME,
    LONG_SECONDS,
    ORIGIN,
    OTHER,
    REGISTRY,
    ROUTES,
    policy_of,
)
from tests.simulation.logs import is_sent
from tests.simulation.notary import Answer, NotaryProcess
from tests.simulation.registry import OVER, Judge
from tests.simulation.state import Transaction
from tests.simulator.inline import Killed

if TYPE_CHECKING:
    from tests.simulation.network import Network

ATTACKS = ("forgery", "hurry", "unbacked", "lapse")
LAPSES = 8  # seconds for which a sender tries to have its message expire
_FORKS, _SALTS = 1000, 10_000  # of an attacker, apart from everybody else's
_MUCH = 10**9  # more than all honest transfers of a run together


@dataclass(frozen=True)
class Forged:
    """A chain as it never was, with a final block that holds a message which never left."""

    chain: ModelChain
    block: Block
    index: int
    proposal: Proposal

    @property
    def place(self) -> Answer:
        """Where the message's log stands, as a notary is asked for it."""
        return _place(self.chain, self.block.number, self.index)


class Attacks:
    """The attacks of one run."""

    def __init__(self, network: Network) -> None:
        self._run, self._random, self._count = network, network.random, 0
        self._forged: Forged | None = None

    def happen(self, name: str) -> None:
        """One of `ATTACKS`."""
        self._run.note("attack", name)
        getattr(self, f"_{name}")()

    def forge(self) -> Forged:
        """An end as it never was: another message, final, at the place of the next one. The same all through a run."""
        if self._forged is None:
            route, here = self._random.choice(ROUTES), self._random.choice((ORIGIN, ORIGIN, DESTINATION))
            real, there = self._run.chains[here], self._run.chains[OTHER[here]].manifest.end
            chain = real.forked(real.final.number, _FORKS)
            before = chain.head.state
            sent = Send(real.manifest, there, route, 666, GENESIS_TIME + LONG_SECONDS, _SALTS, here == ORIGIN)
            proposal = sent.proposal(before)
            chain.pending.append(sent)
            block = chain.mine(self._run.now)
            for _ in range(2 * FINALITY + 2):
                chain.mine(self._run.now)
            self._forged = Forged(chain, block, 0, proposal)
        return self._forged

    # -- a message that never left -----------------------------------------------------------------------------------

    def _forgery(self) -> None:
        """Somebody gathers signatures for a message that never left, and pays for its commit."""
        forged, given = self.forge(), dict[int, Signature]()
        message, here = forged.proposal.message, forged.chain.manifest.chain_id
        root, there = root_over([message]), self._run.chains[OTHER[here]]
        epoch = there.head.state.seats.epoch
        for member in self._run.members.all:
            process = member.processes[-1]
            if member.kind in ("eclipsed", "twin"):
                process.views[here].shown = forged.chain
                self._run.met[f"{member.kind} is shown another chain"] += 1
            if member.kind == "equivocator":
                given[process.index] = process.keys(epoch).sign(root_digest(message.destination, root, epoch))
                self._run.record([message], root, epoch, process.index)
                self._run.met["equivocator signs"] += 1
            else:
                given |= self._ask(process, forged.place, "forged message refused by a notary")
        self._try(there, self._header(forged.chain, forged.block), "forged header refused")
        certificate = Certificate(root, 0, 1, (), epoch, pack(given) if given else b"")
        commit = Commit(there.manifest, forged.proposal, certificate, forged.block.shown)
        self._try(there, commit, f"forged proof refused under {policy_of(message).name.lower()}")

    def leak(self) -> None:
        """Somebody has all keys of an epoch whose time is over, and signs a message that never left."""
        route = next(each for each in ROUTES if each.policy is Policy.NOTARY)
        real, there = (self._run.chains[chain_id] for chain_id in (ORIGIN, DESTINATION))
        head = there.head
        seats = head.state.seats
        if seats.previous is None or head.timestamp < (seats.previous.until or 0):
            return
        self._count += 1
        expiry = GENESIS_TIME + LONG_SECONDS
        sent = Send(real.manifest, there.manifest.end, route, 777, expiry, _SALTS + self._count)
        proposal, epoch = sent.proposal(real.head.state), seats.previous.epoch
        root = root_over([proposal.message])
        digest = root_digest(proposal.message.destination, root, epoch)
        given = {index: key_of(index, epoch).sign(digest) for index in range(self._run.members.n)}
        certificate = Certificate(root, 0, 1, (), epoch, pack(given))
        self._try(there, Commit(there.manifest, proposal, certificate), "retired keys refused")

    # -- a message that is not final ---------------------------------------------------------------------------------

    def _hurry(self) -> None:
        """Somebody has the newest message attested before its block is final, and pays for its commit at once."""
        newest = [found for chain_id in OTHER if (found := _newest(self._run.chains[chain_id])) is not None]
        if not newest:
            return
        early = self._random.choice(newest)
        message = early.proposal.message
        there, given = self._run.chains[message.destination.chain_id], dict[int, Signature]()
        for member in self._run.members.all:
            given |= self._ask(member.processes[0], early.place, "message refused before it is final")
        self._try(there, self._header(early.chain, early.block), "header refused before it is final")
        root, epoch = root_over([message]), there.head.state.seats.epoch
        certificate = Certificate(root, 0, 1, (), epoch, pack(given)) if given else None
        self._run.send(message.destination.chain_id, Commit(there.manifest, early.proposal, certificate))

    # -- a transfer that nothing backs -------------------------------------------------------------------------------

    def _unbacked(self) -> None:
        """An application was broken into: what it sends is proven and final, and nobody gave anything for it. No lane
        without notaries notices.
        """
        run, here = self._run, self._random.choice(tuple(OTHER))
        route = self._random.choice([each for each in ROUTES if each.policy is not Policy.RELAY])
        self._count += 1
        expiry = run.chains[OTHER[here]].head.timestamp + self._random.randint(6, 12)
        there = run.chains[OTHER[here]].manifest.end
        salt = _SALTS + self._count
        sent = Send(run.chains[here].manifest, there, route, _MUCH, expiry, salt, is_backed=False)
        run.chains[here].pending.append(sent)
        run.met["transfer that nothing backs"] += 1

    # -- a message that arrived in time ------------------------------------------------------------------------------

    def _lapse(self) -> None:
        """Its sender wants back what has arrived, as soon as its time is over; for a while, of whatever message."""
        for seconds in range(LAPSES):
            self._run.later(float(seconds), self._have_expired)

    def _have_expired(self) -> None:
        registry = self._run.chains[REGISTRY]
        for proposal in [each for chain_id in OTHER for each in _lapsed(self._run.chains[chain_id])]:
            message = proposal.message
            if registry.head.state.records.get(message.id) in OVER:
                continue
            place, given = place_of(self._run.chains[message.origin.chain_id], message.id), dict[int, Signature]()
            for process in (member.processes[0] for member in self._run.members.all):
                try:
                    answer = process.ask("/verdicts", {"origin": place})
                except (Problem, Killed):
                    self._run.met["false expiry refused by a notary"] += 1
                else:
                    given[process.index], verdict = read_signature(answer)[1], read_verdict(answer)
            if given:
                registry.pending.append(Judge(registry.manifest, verdict, pack(given)))

    # -- how it is done ----------------------------------------------------------------------------------------------

    def _ask(self, process: NotaryProcess, place: Answer, refused: str) -> dict[int, Signature]:
        try:
            answer = process.ask("/attestations", {"leaves": [place]})
        except (Problem, Killed):
            self._run.met[refused] += 1
            return {}
        return {process.index: Signature.parse(bytes.fromhex(answer["signature"][2:]))}

    def _header(self, chain: ModelChain, block: Block) -> Renew:
        """With the one seal that an attacker has, as often as it takes, and invented ones."""
        seals = seals_of(block.hash, [0]) * 3 + seals_of(block.parent, (1, 2, 3)) + seals_of(block.hash, (7, 8, 9))
        return Renew(chain.manifest.chain_id, block.number, block.hash, seals)

    def _try(self, chain: ModelChain, transaction: Transaction, refused: str) -> None:
        """Count that it is refused, and pay for it all the same."""
        try:
            chain.simulate(transaction)
        except Problem:
            self._run.met[refused] += 1
        chain.pending.append(transaction)


def _newest(chain: ModelChain) -> Forged | None:
    """The newest transfer of a chain that is not final."""
    for block in reversed(chain.blocks[-FINALITY:]):
        if block.number > chain.final.number and any(isinstance(each, Send) for each in block.transactions):
            return _last_sent(chain, block)
    return None


def _last_sent(chain: ModelChain, block: Block) -> Forged:
    state, found = chain.blocks[block.number - 1].state.copy(), list[Proposal]()
    for each in block.transactions:
        if isinstance(each, Send):
            found.append(each.proposal(state))
        each.run(state, block.timestamp)
    ids = {proposal.message.id: proposal for proposal in found}
    indices = [index for index, log in enumerate(block.logs) if is_sent(log) and log.topics[1] in ids]
    return Forged(chain, block, indices[-1], ids[block.logs[indices[-1]].topics[1]])


def _lapsed(chain: ModelChain) -> list[Proposal]:
    """The transfers that a chain has executed and whose time is over there, both for good."""
    commits = [each for block in chain.blocks for each in block.transactions if isinstance(each, Commit)]
    final = chain.final
    return [
        each.proposal
        for each in commits
        if each.proposal.message.expiry <= final.timestamp and each.proposal.message.id in final.state.executed
    ]


def place_of(chain: ModelChain, message_id: bytes) -> Answer:
    """Where a message's log stands."""
    return next(
        _place(chain, block.number, index)
        for block in chain.blocks
        for index, log in enumerate(block.logs)
        if is_sent(log) and log.topics[1] == message_id
    )


def _place(chain: ModelChain, block: int, index: int) -> Answer:
    return {"origin": chain.manifest.caip2, "block": block, "transaction_index": index, "log_index": 0}
