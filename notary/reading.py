"""What one request reads: each chain looked at once, each block proven once, a silent node waited for once.

May never happen here: anything kept from one request to the next; what a chain says is asked for afresh each time.
"""

from __future__ import annotations

from ledger.errors import Problem, Unavailable
from ledger.proposal import Chain, Message, Proposal
from notary.chains import Chains
from notary.policy import Lane
from notary.proven import Locator, ProvenBlock, Witnessed
from notary.watcher import View


class Reading:
    """The chains as one request finds them. One thread's."""

    def __init__(self, chains: Chains) -> None:
        self._chains = chains
        self._views: dict[int, View] = {}
        self._blocks: dict[tuple[int, int], ProvenBlock] = {}
        self._transactions: dict[tuple[int, int, int], bytes] = {}
        self._lanes: dict[tuple[int, int, bytes], Lane] = {}
        self._differs_at: dict[int, int | None] = {}
        self._silent: dict[int, Problem] = {}

    def proposal(self, leaf: Locator) -> Proposal:
        """As `Chains.proposal`, of a final block. Errors: those, and those of `block`."""
        block, chain_id = self.block(leaf), leaf.chain_id
        if chain_id not in self._differs_at:
            self._differs_at[chain_id] = self._chains.differs_at(chain_id)
        return self._chains.proposal(leaf, block, differs_at=self._differs_at[chain_id])

    def message(self, leaf: Locator) -> Message:
        """The message of `proposal`."""
        return self.proposal(leaf).message

    def view(self, chain_id: int) -> View:
        """As `Chains.look`."""
        if chain_id in self._silent:
            raise self._silent[chain_id]
        if chain_id not in self._views:
            try:
                self._views[chain_id] = self._chains.look(chain_id)
            except Unavailable as problem:
                self._note(chain_id, problem)
                raise
        return self._views[chain_id]

    def block(self, locator: Locator) -> ProvenBlock:
        """As `Watcher.block`, of the block that a place names."""
        view, place = self.view(locator.chain_id), (locator.chain_id, locator.block)
        if place not in self._blocks:
            try:
                self._blocks[place] = self._chains.watcher(locator.chain_id).block(view, locator.block)
            except Unavailable as problem:
                self._note(locator.chain_id, problem)
                raise
        return self._blocks[place]

    def transaction(self, locator: Locator) -> bytes:
        """As `Watcher.transaction`: the hash of the transaction that a place names."""
        place = (locator.chain_id, locator.block, locator.transaction_index)
        if place not in self._transactions:
            watcher, block = self._chains.watcher(locator.chain_id), self.block(locator)
            self._transactions[place] = watcher.transaction(block, locator.transaction_index)
        return self._transactions[place]

    def lane(self, locator: Locator, lane: bytes) -> Lane:
        """As `Watcher.lanes`: a lane after the block that a place names."""
        place = (locator.chain_id, locator.block, lane)
        if place not in self._lanes:
            watcher, header = self._chains.watcher(locator.chain_id), self.block(locator).header
            self._lanes[place] = watcher.lanes(header, [lane])[lane]
        return self._lanes[place]

    def witnessed(self) -> list[tuple[Chain, Witnessed]]:
        """The highest block that was proven of each chain that was looked at."""
        highest = [max(place for place in self._blocks if place[0] == chain_id) for chain_id in self._views]
        return [
            (self._chains.watcher(chain_id).chain.end, Witnessed(number, self._blocks[chain_id, number].header.hash))
            for chain_id, number in highest
        ]

    def _note(self, chain_id: int, problem: Unavailable) -> None:
        """A node that does not answer is not asked again for the next leaf."""
        if problem.code == "NODE_UNREACHABLE":
            self._silent[chain_id] = problem
