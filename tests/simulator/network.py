"""The whole deployment on embedded chains, with faults between every two parts, stepped by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from contracts.manifest import Manifest, Role
from contracts.submitter import Submitter
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.tx_receipt import Log
from ledger.proposal import Proposal
from ledger.secp256k1 import SigningKey
from relay.journey import State
from relay.panel import NotaryPanel
from relay.reading import BlockSink
from relay.relay import Progress, Relay
from relay.skips import Skips
from tests.contracts.world import CHAIN_IDS, COSIGNING_KEYS, HOLDER, LENDER, NOTARIES, OWNER, STRANGER, World
from tests.simulator.inline import Clock, Inline
from tests.simulator.nodes import FaultyNode
from tests.simulator.notaries import HonestNotary

MAX_STEPS = 400
TICK_SECONDS = 0.6


class Network:
    """One test's network over a shared world: fresh faults, fresh notaries; the chains keep what happened before."""

    def __init__(self, world: World) -> None:
        self.world, self.manifest = world, world.manifest
        self.nodes = {CHAIN_IDS[role]: FaultyNode(world.nodes[role]) for role in Role}
        # Notaries have connections of their own: what happens to the relay's does not happen to theirs.
        own = {CHAIN_IDS[role]: world.nodes[role] for role in Role}
        self.notaries = [
            HonestNotary(index, key, COSIGNING_KEYS[index], self.manifest, own) for index, key in enumerate(NOTARIES)
        ]
        self.clock = Clock()
        self._from = {chain_id: int(node.request("eth_blockNumber"), 16) + 1 for chain_id, node in own.items()}

    def node(self, role: Role) -> FaultyNode:
        return self.nodes[CHAIN_IDS[role]]

    def panel(self) -> NotaryPanel:
        return NotaryPanel(self.notaries, self.manifest.committee, executor=lambda _name: Inline())

    def relay(
        self,
        *,
        payer: SigningKey = STRANGER,
        sinks: Sequence[BlockSink] = (),
        manifest: Manifest | None = None,
        skips: Skips | None = None,
    ) -> Relay:
        """A relay as after a start: it knows nothing. It reads from where this test began, to save time."""
        transactors = {chain_id: Submitter(node, payer, chain_id=chain_id) for chain_id, node in self.nodes.items()}
        started = Relay(
            manifest or self.manifest,
            transactors,
            self.panel(),
            sinks,
            executor=Inline(),
            clock=self.clock,
            skips=skips,
        )
        for watcher in started._reading.watchers:
            watcher.next_block = self._from[watcher.chain.chain_id]
        return started

    def dump(self) -> dict[str, Any]:
        """Every fault and every notary, as data."""
        return {
            "nodes": {chain_id: node.dump() for chain_id, node in self.nodes.items()},
            "notaries": [notary.dump() for notary in self.notaries],
            "clock": self.clock.now,
        }

    def run(self, *relays: Relay, until: Callable[[], bool]) -> None:
        """Step the relays in turn, time passing whenever all idle, until it holds."""
        for _ in range(MAX_STEPS):
            if until():
                return
            progress = [relay.step() for relay in relays]
            if all(each is Progress.IDLE for each in progress):
                self.clock.advance(TICK_SECONDS)
        said = [journey.explain() for relay in relays for journey in relay.journeys.values()]
        raise AssertionError(f"it never happened: {said} {self.dump()}")

    def settle(self, relay: Relay, steps: int = 40) -> None:
        """Give a relay every chance to do more."""
        for _ in range(steps):
            relay.step()
            self.clock.advance(TICK_SECONDS)

    # -- people ------------------------------------------------------------------------------------------------------

    def carry_anchor(self, root: bytes | None = None) -> Proposal:
        """An anchor leaves the origin for the destination's mirror."""
        size = self.world.read(Role.ORIGIN, "AnchorRegistry", "latest_size") + 1
        root = root or keccak256(size.to_bytes(8, "big"))
        self.world.send(Role.ORIGIN, "AnchorRegistry", "anchor", size, root)
        mirror = self.world.address(Role.DESTINATION, "AnchorMirror")
        carried = self.world.send(Role.ORIGIN, "AnchorRegistry", "carry", mirror, size, root)
        return self.world.sent(Role.ORIGIN, carried)[0]

    def open_loan(self, name: bytes, goods: bytes) -> bytes:
        """A receipt is issued, its holder consents, a lender opens the loan; the loan's id."""
        receipt, number, goods_key = keccak256(b"receipt" + name), keccak256(b"loan" + name), keccak256(goods)
        world, terms = self.world, keccak256(b"terms")
        opening = (number, receipt, goods_key, terms, 2_000_000_000)
        loan = bytes(world.read(Role.DESTINATION, "PledgeRegistry", "loan_id", LENDER.address, *opening))
        issued = (receipt, goods_key, HOLDER.address, 100)
        world.send(Role.ORIGIN, "WarehouseReceipt", "enrol_keeper", OWNER.address)
        world.send(Role.ORIGIN, "WarehouseReceipt", "issue", *issued)
        world.send(Role.ORIGIN, "WarehouseReceipt", "consent", receipt, loan, by=HOLDER)
        world.send(Role.DESTINATION, "PledgeRegistry", "enrol_lender", LENDER.address)
        world.send(Role.DESTINATION, "PledgeRegistry", "open_loan", *opening, by=LENDER)
        return loan

    # -- what stands on the chains -----------------------------------------------------------------------------------

    def effects(self, message_id: bytes) -> Counter[str]:
        """How often each log that names the message stands on the chains since this test began."""
        found: Counter[str] = Counter()
        for role in Role:
            chain = self.manifest.chain(role)
            head, first = int(self.world.nodes[role].request("eth_blockNumber"), 16), self._from[CHAIN_IDS[role]]
            query = {"fromBlock": hex(min(first, head)), "toBlock": hex(head)}
            topics = {"topics": [None, f"0x{message_id.hex()}"]}
            for reported in self.world.nodes[role].request("eth_getLogs", query | topics):
                for name, address in chain.contracts.items():
                    if reported["address"] == f"0x{address.hex()}":
                        found[_event(chain.contract(name), reported)] += 1
        return found


def _event(contract: Any, reported: dict[str, Any]) -> str:
    return str(contract.decode_log(log_of(reported)).name)


def log_of(reported: dict[str, Any]) -> Log:
    """A log as a node reports it."""
    topics = tuple(bytes.fromhex(topic[2:]) for topic in reported["topics"])
    return Log(bytes.fromhex(reported["address"][2:]), topics, bytes.fromhex(reported["data"][2:]))


def state_of(relay: Relay, message_id: bytes) -> State | None:
    """Where a relay believes a message to be; None when it has not seen it."""
    journey = relay.journeys.get(message_id)
    return None if journey is None else journey.state


def is_over(relay: Relay, message_id: bytes) -> bool:
    """Whether a relay has seen a message to its end."""
    journey = relay.journeys.get(message_id)
    return journey is not None and journey.is_over
