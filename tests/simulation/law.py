"""What must never happen, and what must have happened in the end: looked at in every block of every chain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ledger.attestation import word
from ledger.proposal import Message
from ledger.quorum import quorum
from tests.simulation.chain import Block, ModelChain
from tests.simulation.gateway import Commit
from tests.simulation.lanes import DESTINATION, ORIGIN, OTHER, REGISTRY, ROUTES
from tests.simulation.logs import is_sent
from tests.simulation.registry import IS_CLOSED, IS_EXPIRED, OVER


class Violation(AssertionError):
    """What must never happen has happened; it names the seed that shows it again."""


class Law:
    """Watches the chains of one run. `n`: members of the committee; `now`: virtual seconds."""

    def __init__(self, name: str, chains: Mapping[int, ModelChain], n: int, now: Callable[[], float]) -> None:
        self._name, self._chains, self._quorum, self._now = name, chains, quorum(n), now
        self.final_sent: dict[bytes, float] = {}
        self.closed_at: dict[bytes, float] = {}
        self._signatures: dict[tuple[bytes, int], set[int]] = {}
        self._contents: dict[bytes, tuple[Message, ...]] = {}
        self._scanned = dict.fromkeys(chains, 0)
        for chain in chains.values():
            chain.seen = self._look_at

    def fail(self, what: str) -> None:
        """Errors: `Violation`, always."""
        raise Violation(f"{self._name}: {what}")

    def record(self, messages: Sequence[Message], root: bytes, epoch: int, member: int) -> None:
        """A signature exists."""
        self._contents[root] = tuple(messages)
        self._signatures.setdefault((root, epoch), set()).add(member)

    def scan(self, chain_id: int) -> None:
        """What has become final on a chain."""
        chain = self._chains[chain_id]
        while self._scanned[chain_id] < chain.final.number:
            self._scanned[chain_id] += 1
            block = chain.blocks[self._scanned[chain_id]]
            for log in block.logs:
                if is_sent(log):
                    self.final_sent[log.topics[1]] = self._now()
            if chain_id == REGISTRY and block.logs:
                for message_id, state in block.state.records.items():
                    if state in OVER:
                        self.closed_at.setdefault(message_id, self._now())

    def open(self) -> list[str]:
        """The messages that left for good and are not closed."""
        return [each.hex()[:8] for each in self.final_sent if each not in self.closed_at]

    def require_all(self) -> None:
        """At the end. Errors: `Violation`."""
        self._require_one_certificate()
        self._require_truth()
        self._require_balance()

    # -- in every block ----------------------------------------------------------------------------------------------

    def _look_at(self, chain: ModelChain, block: Block) -> None:
        if not block.transactions:
            return
        for each in block.transactions:
            if isinstance(each, Commit):
                message_id = each.proposal.message.id
                if message_id not in self.final_sent:
                    self.fail(f"committed without a final origin log: 0x{message_id.hex()}")
                if block.state.executed[message_id] != 1:
                    self.fail(f"committed twice: 0x{message_id.hex()}")
        self._require_headers(block)
        if chain.manifest.chain_id in OTHER:
            self._require_conserved()

    def _require_headers(self, block: Block) -> None:
        for (origin, number), held in block.state.headers.items():
            final = self._chains[origin].final.number
            if number > final or self._chains[origin].blocks[number].hash != held:
                self.fail(f"a light client holds a header that is not final: {origin}, {number}")

    def _require_conserved(self) -> None:
        """Whatever was minted or released, or given back, is covered by what was locked or burned for good: of each
        asset, and of each lane what has arrived by what has left.
        """
        here, there = (self._chains[chain_id] for chain_id in (ORIGIN, DESTINATION))
        for route in ROUTES:
            (locked, _), (_, burned) = (_books(chain.final, route.asset) for chain in (here, there))
            (_, released), (minted, _) = (_books(chain.head, route.asset) for chain in (here, there))
            if minted + released > locked + burned:
                figures = f"{minted} minted, {released} released, {locked} locked, {burned} burned"
                self.fail(f"more is out than was put in under {route.name}: {figures}")
        for chain_id, other in OTHER.items():
            sent = self._chains[other].final.state.sent
            for lane, arrivals in self._chains[chain_id].head.state.arrivals.items():
                if arrivals.arrived > sent.get(lane, (1, 0))[1]:
                    self.fail(f"more arrived than left on lane 0x{lane.hex()}")

    # -- in the end --------------------------------------------------------------------------------------------------

    def _require_one_certificate(self) -> None:
        certified: dict[bytes, bytes] = {}
        for (root, _epoch), members in self._signatures.items():
            if len(members) < self._quorum:
                continue
            for message in self._contents[root]:
                place = message.lane + word(message.generation) + word(message.sequence)
                if certified.setdefault(place, message.id) != message.id:
                    self.fail(f"two certificates for sequence {message.sequence}")

    def _require_truth(self) -> None:
        """What is recorded as closed was committed once, what is recorded as expired never was."""
        records = self._chains[REGISTRY].final.state.records
        executed = {each for chain in self._chains.values() for each in chain.head.state.executed}
        for message_id in self.final_sent:
            if (records[message_id] == IS_CLOSED) is not (message_id in executed):
                self.fail(f"what is closed is not what was committed: 0x{message_id.hex()}")
            if records[message_id] == IS_EXPIRED and message_id in executed:
                self.fail(f"both expired and committed: 0x{message_id.hex()}")

    def _require_balance(self) -> None:
        """Every unit that left for good was minted, released or given back: no more, and no less."""
        here, there = (self._chains[chain_id] for chain_id in (ORIGIN, DESTINATION))
        for route in ROUTES:
            (locked, _), (_, burned) = (_books(chain.final, route.asset) for chain in (here, there))
            (_, released), (minted, _) = (_books(chain.head, route.asset) for chain in (here, there))
            if minted + released != locked + burned:
                figures = f"{locked} locked and {burned} burned, {minted} minted and {released} released"
                self.fail(f"value was lost under {route.name}: {figures}")


def _books(block: Block, asset: bytes) -> tuple[int, int]:
    return block.state.books.get(asset, (0, 0))
