"""How the watch sees a chain: final blocks that prove themselves, and contracts as a state root proves them.

`ProvenSight` reads through `notary.watcher`, as a notary does: headers hashed and linked, transaction receipts
complete, accounts and books proven. May never happen here: a log that a node merely lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from contracts.manifest import ChainManifest, Manifest
from contracts.node import Node
from contracts.proven_storage import slot_of
from ledger.errors import BadInput, Unavailable
from ledger.ethereum.tx_receipt import Log
from ledger.proposal import read_proposal
from notary.alarms.facts import Fact, Place, SeenBlock, Standing
from notary.proven import ProvenBlock, Witnessed
from notary.sealing import sealing_of
from notary.watcher import View, Watcher, own_word

_HALF = 2**128 - 1
EMPTY = bytes(32)


class ChainSight(Protocol):
    """One chain as the watch sees it. Errors of every method: `Unavailable`, with the codes of `notary.watcher`."""

    @property
    def chain(self) -> ChainManifest:
        """Which chain."""
        ...

    def look(self, known: Witnessed | None) -> Standing:
        """Where the chain is now, and that it is still the same: FINAL_REWRITTEN where the block `known` is not."""
        ...

    def block(self, number: int) -> SeenBlock:
        """A block that was final at the last look."""
        ...

    def recent(self, number: int) -> SeenBlock:
        """A block above those, which may yet vanish."""
        ...

    def state(self) -> Mapping[str, tuple[bytes, bytes]]:
        """Code hash and storage root of every contract of the deployment, by name, after the highest final block."""
        ...

    def books(self, wanted: Iterable[tuple[str, bytes]]) -> Mapping[tuple[str, bytes], tuple[int, int]]:
        """Both totals of ends of value, by end and asset, after the highest final block."""
        ...


class ProvenSight:
    """One chain through nodes of one's own."""

    def __init__(self, manifest: Manifest, chain: ChainManifest, node: Node) -> None:
        self._watcher = Watcher(chain, node, sealing_of(manifest, chain.chain_id))
        self._ends = manifest.ends
        self._contracts = {address: chain.contract(name) for name, address in chain.contracts.items()}
        self._view: View | None = None

    @property
    def chain(self) -> ChainManifest:
        return self._watcher.chain

    def look(self, known: Witnessed | None) -> Standing:
        self._view = self._watcher.look(known)
        newest = self._view.finalized or self._view.head
        return Standing(self._view.final, newest.timestamp, self._view.head.number)

    def block(self, number: int) -> SeenBlock:
        return self._read(self._watcher.block(self._seen, number))

    def recent(self, number: int) -> SeenBlock:
        return self._read(self._watcher.recent(number))

    def _read(self, found: ProvenBlock) -> SeenBlock:
        header = found.header
        facts = tuple(self._facts(found))
        return SeenBlock(self.chain.chain_id, header.number, header.hash, header.parent_hash, header.timestamp, facts)

    def state(self) -> Mapping[str, tuple[bytes, bytes]]:
        header = self._watcher.final_header(self._seen)
        found = {}
        with own_word():
            for name, address in self.chain.contracts.items():
                account = self._watcher.storage.account(header, address)
                found[name] = (EMPTY, EMPTY) if account is None else (account.code_hash, account.storage_root)
        return found

    def books(self, wanted: Iterable[tuple[str, bytes]]) -> Mapping[tuple[str, bytes], tuple[int, int]]:
        slots = {(end, asset): slot_of(end, "counts", asset) for end, asset in wanted}
        asked: dict[bytes, list[int]] = {}
        for (end, _), slot in slots.items():
            asked.setdefault(self.chain.contracts[end], []).append(slot)
        with own_word():
            held = self._watcher.storage.words(self._watcher.final_header(self._seen), asked)
        words = {place: held[self.chain.contracts[place[0]]][slot] for place, slot in slots.items()}
        return {place: (word >> 128, word & _HALF) for place, word in words.items()}

    @property
    def _seen(self) -> View:
        if self._view is None:
            raise Unavailable("NOT_FINAL", "the chain was not looked at yet", where=self.chain.caip2)
        return self._view

    def _facts(self, block: ProvenBlock) -> Iterator[Fact]:
        header = block.header
        for transaction, tx_receipt in enumerate(block.receipts):
            for index, log in enumerate(tx_receipt.logs if tx_receipt.status == 1 else ()):
                place = Place(self.chain.chain_id, header.number, header.hash, header.timestamp, transaction, index)
                fact = self._fact(place, log)
                if fact is not None:
                    yield fact

    def _fact(self, place: Place, log: Log) -> Fact | None:
        contract = self._contracts.get(log.address)
        decoded = None if contract is None else contract.decode_log(log)
        if decoded is None:
            return None
        if (decoded.contract, decoded.name) != ("Gateway", "MessageSent"):
            return Fact(place, decoded.contract, decoded.name, decoded.fields)
        try:
            proposal = read_proposal(log, origin=self.chain.end, destinations=self._ends)
        except BadInput:
            return None  # to a chain outside the deployment: nobody there can commit it here
        return Fact(place, decoded.contract, decoded.name, decoded.fields, proposal)
