"""Every reorganisation there is, at every moment of six transfers: nothing is drawn, nothing is left out.

A lockstep world without other faults: in each second every chain mines a block and the relay takes a step. One transfer
of each route goes out and one comes home, all at once, so that one reorganisation finds each of them in some phase.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from ledger.proposal import Proposal
from relay.panel import NotaryPanel
from tests.simulation.chain import ModelChain
from tests.simulation.committee import key_of, members_of
from tests.simulation.faults import MODES
from tests.simulation.gateway import Send
from tests.simulation.lanes import (
    DESTINATION,
    FINALITY,
    GENESIS_TIME,
    LONG_SECONDS,
    ORIGIN,
    OTHER,
    REGISTRY,
    ROUTES,
    deployment_of,
    route_of,
)
from tests.simulation.law import Law
from tests.simulation.node import View
from tests.simulation.notary import NotaryProcess
from tests.simulation.recovery import remembered
from tests.simulation.registry import OVER
from tests.simulation.relay import RelayProcess
from tests.simulation.state import Transaction
from tests.simulator.inline import Inline

PHASES = ("locked", "final", "committed", "delivered", "judged")  # of a transfer, before it is closed
N = 4
HELD = 500  # units of each asset that are out before anything else happens
LONGEST_SECONDS = 60  # until everything is closed


Case = tuple[str, str, str, int, str, int]  # route, way, phase, depth, mode, chain


@dataclass(frozen=True)
class Reorganisation:
    """At a second, on a chain, by so many blocks; `mode` is one of `MODES`."""

    second: int
    chain_id: int
    depth: int
    mode: str


def all_reorganisations(seconds: int) -> Iterator[Reorganisation]:
    """Every depth up to finality on every chain in each of the first seconds, and whatever becomes of what it takes."""
    for second in range(1, seconds + 1):
        for chain_id in (ORIGIN, DESTINATION, REGISTRY):
            for depth in range(1, FINALITY + 1):
                for mode in MODES:
                    yield Reorganisation(second, chain_id, depth, mode)


class World:
    """Three chains, four honest notaries, one relay, six transfers that leave in the first block."""

    def __init__(self, name: str) -> None:
        members = members_of(N, 1)
        self.manifest = deployment_of(0, members)
        self.chains = {each.chain_id: ModelChain(each, members) for each in self.manifest.models}
        for chain_id in OTHER:
            self.chains[chain_id].blocks[0].state.books.update({route.asset: (HELD, 0) for route in ROUTES})
        self.now, self.met, self.left = 0, list[Case](), list[Transaction]()
        self.law = Law(name, self.chains, N, lambda: float(self.now))
        self.notaries = [self._notary(index) for index in range(N)]
        panel = NotaryPanel(
            self.notaries,
            self.manifest.committee,
            executor=lambda _name: Inline(),
            committees=lambda chain_id: self.chains[chain_id].final.state.committees(0),
        )
        self.relay = RelayProcess(self.manifest, self._views(), panel, self._send, lambda: float(self.now))
        self.transfers = [self.leave(here, place) for place in range(len(ROUTES)) for here in OTHER]

    def leave(self, here: int, place: int, *, salt: int = 0) -> Proposal:
        """A transfer is on its way into the next block."""
        chain, there = self.chains[here], self.chains[OTHER[here]].manifest.end
        expiry = GENESIS_TIME + LONG_SECONDS
        sent = Send(chain.manifest, there, ROUTES[place], 10 * (place + 1), expiry, 100 + here + salt)
        chain.pending.append(sent)
        return sent.proposal(chain.head.state)

    def tick(self) -> None:
        """One second."""
        self.now += 1
        for chain_id, chain in self.chains.items():
            chain.mine(self.now)
            self.law.scan(chain_id)
        self.relay.step()

    def cases(self, what: Reorganisation) -> list[Case]:
        """In which phase a reorganisation finds each transfer."""
        return [
            (
                route_of(each.message).name,
                "out" if each.message.origin.chain_id == ORIGIN else "home",
                self.phase(each),
                what.depth,
                what.mode,
                what.chain_id,
            )
            for each in self.transfers
        ]

    def run(self, reorganisation: Reorganisation | None = None) -> int:
        """Until everything is closed that left for good; the second in which it was. Errors: `Violation`."""
        with remembered():
            while self.now < LONGEST_SECONDS:
                self.tick()
                if reorganisation is not None and self.now == reorganisation.second:
                    self.met = self.cases(reorganisation)
                    self.left = self.reorganise(reorganisation)
                quiet = self.now > FINALITY + 1 and not any(chain.pending for chain in self.chains.values())
                if quiet and self.law.final_sent.keys() <= self.law.closed_at.keys() and self._is_final():
                    self.law.require_all()
                    return self.now
        self.law.fail(f"not closed after {LONGEST_SECONDS} s: {self.law.open()}")
        raise AssertionError

    def reorganise(self, what: Reorganisation) -> list[Transaction]:
        """One block more takes the place of those that are left behind; what stood in them."""
        chain = self.chains[what.chain_id]
        left = chain.reorganise(what.depth, 1)
        waiting, chain.pending = chain.pending, list(left) if what.mode == "reappears" else []
        for _ in range(what.depth):
            chain.mine(self.now)
        chain.pending += [*(left if what.mode == "moves" else ()), *waiting]
        chain.mine(self.now)
        self.law.scan(what.chain_id)
        return left

    def rewrite(self) -> Proposal:
        """The origin forgets everything, also what was final, and holds another transfer in the place of the first.

        What was minted has lost what it was minted for, and no law is kept any more; what matters is what comes after.
        """
        for each in self.chains.values():
            each.seen = lambda _chain, _block: None
        chain = self.chains[ORIGIN]
        chain.rewrite(chain.head.number, 7)
        chain.pending.clear()
        return self.leave(ORIGIN, 0, salt=1)

    def phase(self, transfer: Proposal) -> str:
        """Where a transfer stands: one of `PHASES`, or "closed"."""
        message, registry = transfer.message, self.chains[REGISTRY]
        there = self.chains[message.destination.chain_id]
        if message.id in self.law.closed_at:
            return "closed"
        if registry.head.state.records.get(message.id) in OVER:
            return "judged"
        if message.id in there.final.state.executed:
            return "delivered"
        if message.id in there.head.state.executed:
            return "committed"
        return "final" if message.id in self.law.final_sent else "locked"

    def minted(self, transfer: Proposal) -> int:
        """How often a transfer was executed."""
        there = self.chains[transfer.message.destination.chain_id]
        return there.head.state.executed.get(transfer.message.id, 0)

    def _is_final(self) -> bool:
        """Whether every message that stands on a chain is final there."""
        return all(
            sum(next_one - 1 for next_one, _ in chain.head.state.sent.values())
            == sum(next_one - 1 for next_one, _ in chain.final.state.sent.values())
            for chain in self.chains.values()
        )

    def _notary(self, index: int) -> NotaryProcess:
        return NotaryProcess(
            index, partial(key_of, index), self.manifest, self._views(), signed=self._signed, clock=lambda: self.now
        )

    def _signed(self, *said: object) -> None:
        self.law.record(*said)  # type: ignore[arg-type]

    def _views(self) -> dict[int, View]:
        return {chain_id: View(chain) for chain_id, chain in self.chains.items()}

    def _send(self, chain_id: int, transaction: Transaction) -> None:
        self.chains[chain_id].pending.append(transaction)
