"""A committee on both sides of a split: two histories of one origin, each with another message at one place, each final
for whoever sees it, and an adversary who asks everybody for both.

Honest members run the production policy and journal. They change sides, die and come back; nothing but their own rules
keeps them from signing both messages.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from ledger.attestation import word
from ledger.equivocation import Attested
from ledger.errors import Problem
from ledger.proposal import Message
from ledger.quorum import Certificate, Committee, pack, root_over
from ledger.secp256k1 import Signature
from tests.contracts.committees import key
from tests.simulation.chain import ModelChain, root_digest
from tests.simulation.gateway import Send
from tests.simulation.lanes import DESTINATION, FINALITY, GENESIS_TIME, LONG_SECONDS, ORIGIN, ROUTES, deployment_of
from tests.simulation.node import View
from tests.simulation.notary import CRASH_POINTS, NotaryProcess
from tests.simulator.inline import Killed

KINDS = ("twin", "equivocator", "liar", "silent")
ROUNDS = 6  # in each of which everybody is asked for both messages


@dataclass(frozen=True)
class Side:
    """One history of the origin, and the message that only it knows, with its place."""

    chain: ModelChain
    message: Message
    block: int


@dataclass
class Split:
    """`kinds`: of the faulty members, who come first; all others are honest. `sides`: where each begins, drawn where
    none are named. `undisturbed`: they stay there, and nothing befalls them. `given`: for each side the signatures that
    count, by member.
    """

    n: int
    seed: int
    kinds: tuple[str, ...]
    sides: tuple[int, ...] | None = None
    undisturbed: bool = False
    given: tuple[dict[int, Signature], dict[int, Signature]] = field(default_factory=lambda: ({}, {}))

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.committee = Committee(1, tuple(key(index).address for index in range(self.n)))
        self.manifest = deployment_of(self.seed, self.committee.members)
        self.chains = {each.chain_id: ModelChain(each, self.committee.members) for each in self.manifest.models}
        for chain in self.chains.values():
            for _ in range(FINALITY + 2):
                chain.mine(0.0)
        self.histories = (self._history(1), self._history(2))
        drawn = self.sides or tuple(self.random.randrange(2) for _ in range(self.n))
        self.processes = [self._process(index, drawn[index]) for index in range(self.n)]
        self.twins = {
            index: self._process(index, 1 - drawn[index]) for index, kind in enumerate(self.kinds) if kind == "twin"
        }

    def run(self, rounds: int = ROUNDS) -> list[Certificate]:
        """The certificates that come of it, one for each side that has a quorum."""
        for _ in range(rounds):
            asked = [(index, side) for index in range(self.n) for side in range(2)]
            self.random.shuffle(asked)
            for index, side in asked:
                self._ask(index, side)
        return self.certificates()

    def certificates(self) -> list[Certificate]:
        """Every certificate that can be made of the signatures given, each checked as a destination does."""
        made: list[Certificate] = []
        for history, given in zip(self.histories, self.given, strict=True):
            if len(given) >= self.committee.quorum:
                chosen = {index: given[index] for index in sorted(given)[: self.committee.quorum]}
                certificate = Certificate(root_over([history.message]), 0, 1, (), 1, pack(chosen))
                certificate.check(history.message, self.committee)
                made.append(certificate)
        return made

    def evidence(self) -> dict[int, tuple[Attested, Attested]]:
        """By member: the two attestations of whoever signed for both sides."""
        left, right = self.given
        return {index: (self._attested(0, index), self._attested(1, index)) for index in sorted(left.keys() & right)}

    def digest(self, side: int) -> bytes:
        """What is signed for a side."""
        message = self.histories[side].message
        return root_digest(message.destination, root_over([message]), 1)

    # -- what happens ------------------------------------------------------------------------------------------------

    def _ask(self, index: int, side: int) -> None:
        kind = self.kinds[index] if index < len(self.kinds) else "honest"
        if kind == "silent":
            return
        if kind in ("liar", "equivocator"):
            about = self.digest(side if kind == "equivocator" else 1 - side)
            self._count(side, key(index).sign(about))
            return
        if kind == "honest" and not self.undisturbed:
            self._disturb(self.processes[index])
        for process in (self.processes[index], *([self.twins[index]] if kind == "twin" else [])):
            history = self.histories[side]
            leaf = {"origin": f"eip155:{ORIGIN}", "block": history.block, "transaction_index": 0, "log_index": 0}
            try:
                answer = process.ask("/attestations", {"leaves": [leaf]})
            except Killed:
                process.start()
            except Problem:
                continue  # a refusal is what an honest member owes the other side
            else:
                self._count(side, Signature.parse(bytes.fromhex(answer["signature"][2:])))

    def _count(self, side: int, signature: Signature) -> None:
        """Whatever is valid for this side counts, whoever handed it in."""
        try:
            index = self.committee.index_of(self.digest(side), signature)
        except Problem:
            return
        self.given[side][index] = signature

    def _disturb(self, process: NotaryProcess) -> None:
        """Its node shows the other history, its process dies, or its disk fills up: anything but a lost disk."""
        match self.random.randrange(5):
            case 0:
                process.views[ORIGIN].shown = self.histories[self.random.randrange(2)].chain
            case 1:
                process.views[ORIGIN].lag = self.random.randint(0, 2 * FINALITY)
            case 2:
                process.dies_at = self.random.choice(CRASH_POINTS[:-1])
            case 3:
                process.disk.is_full = not process.disk.is_full
            case _:
                process.start()

    # -- how it begins -----------------------------------------------------------------------------------------------

    def _history(self, salt: int) -> Side:
        origin = self.chains[ORIGIN]
        chain = origin.forked(origin.final.number, salt)
        for _ in range(self.random.randint(0, 3)):
            chain.mine(0.0)
        there = self.chains[DESTINATION].manifest.end
        sent = Send(origin.manifest, there, ROUTES[0], 10 * salt, GENESIS_TIME + LONG_SECONDS, salt)
        message = sent.proposal(chain.head.state).message
        chain.pending.append(sent)
        block = chain.mine(0.0).number
        for _ in range(FINALITY + 4):
            chain.mine(0.0)
        return Side(chain, message, block)

    def _process(self, index: int, side: int) -> NotaryProcess:
        views = {chain_id: View(chain) for chain_id, chain in self.chains.items()}
        views[ORIGIN].shown = self.histories[side].chain
        return NotaryProcess(
            index,
            lambda _epoch: key(index),
            self.manifest,
            views,
            signed=lambda *_: None,
            clock=lambda: float(FINALITY),
        )

    def _attested(self, side: int, index: int) -> Attested:
        return Attested(self.histories[side].message, 0, 1, (), 1, self.given[side][index].pack())


def place_of(message: Message) -> bytes:
    """What no two certified messages may share."""
    return message.lane + word(message.generation) + word(message.sequence)
