"""What a notary reads of its chains for one request: each chain is looked at once, and held against what was final."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from contracts.epochs import Epoch
from contracts.manifest import ChainManifest
from ledger.errors import Unavailable
from ledger.proposal import Chain, Message
from ledger.secp256k1 import DigestSigner
from notary import policy
from notary.journal import Journal
from notary.proven import Witnessed
from tests.simulation.chain import Block
from tests.simulation.lanes import GENESIS_TIME, Deployment
from tests.simulation.node import View


class Reader(Protocol):
    """Whose reading it is: a notary's process."""

    views: dict[int, View]
    manifest: Deployment
    journal: Journal
    keys: Callable[[int], DigestSigner]
    clock: Callable[[], float]
    met: Counter[str]


class Reading:
    """One request's."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._looks: dict[int, tuple[Block, Block]] = {}
        self._highest: dict[int, Block] = {}

    def look(self, chain_id: int) -> tuple[Block, Block]:
        """The newest block of a chain and its highest final one, compared with what was final before."""
        if chain_id not in self._looks:
            self._looks[chain_id] = self._look(chain_id)
        return self._looks[chain_id]

    def _look(self, chain_id: int) -> tuple[Block, Block]:
        reader, chain = self._reader, self._chain(chain_id)
        head, witnessed = reader.views[chain_id].head(), reader.journal.witnessed(chain.end)
        if policy.clock_alarm(head.timestamp - GENESIS_TIME - int(reader.clock())):
            reader.met["clock alarm"] += 1
        if witnessed is not None:
            found = self.block(chain_id, witnessed.number).hash
            policy.require_history(chain, number=witnessed.number, witnessed=witnessed.hash, found=found)
        final = policy.final_height(chain, head=head.number, finalized=None)
        if final < 0:
            raise Unavailable("NOT_FINAL", "the chain has no final block yet")
        return head, self.block(chain_id, final)

    def block(self, chain_id: int, number: int) -> Block:
        """As the node shows it."""
        return self._reader.views[chain_id].block(number)

    def final_block(self, chain_id: int, number: int) -> Block:
        """A final block that is whole. Errors: NOT_FINAL, RECEIPTS_ROOT, those of `look`."""
        chain, (head, _) = self._chain(chain_id), self.look(chain_id)
        final = policy.final_height(chain, head=head.number, finalized=None)
        policy.require_final(chain, block=number, head=head.number, final=final)
        block = self.block(chain_id, number)
        if not block.is_whole:
            self._reader.met["omitted log noticed"] += 1
            raise Unavailable("RECEIPTS_ROOT", "the receipts the node lists are not those of the block")
        if chain_id not in self._highest or self._highest[chain_id].number < number:
            self._highest[chain_id] = block
        return block

    def witnessed(self, messages: Iterable[Message]) -> list[tuple[Chain, Witnessed]]:
        """The highest block of each origin that proved one of these messages."""
        blocks: Mapping[Chain, Block] = {each.origin: self._highest[each.origin.chain_id] for each in messages}
        return [(chain, Witnessed(block.number, block.hash)) for chain, block in blocks.items()]

    def seat(self, chain_id: int) -> int:
        """The epoch that is current at finality, once this notary's key is a member of it."""
        current = self.look(chain_id)[1].state.seats.current
        members = tuple(each or bytes(20) for each in current.signers)
        epoch = Epoch(current.epoch, members, frozenset(), None, b"")
        policy.require_seat(epoch, address=self._reader.keys(current.epoch).address, chain=self._chain(chain_id))
        return current.epoch

    def _chain(self, chain_id: int) -> ChainManifest:
        chain = self._reader.manifest.by_id(chain_id)
        assert chain is not None
        return chain
