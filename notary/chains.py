"""The chains of the deployment as this notary reads them: each looked at afresh for every decision.

What may never happen here: a block read from a chain that was not just compared with the manifest and with what this
notary took for final before.
"""

from __future__ import annotations

from collections.abc import Mapping

from contracts.epochs import Epochs, Succession
from contracts.manifest import ChainManifest, Manifest, members_of
from contracts.node import Node
from ledger.errors import BadInput
from ledger.ethereum.header import Header
from ledger.membership import Member
from ledger.proposal import Proposal
from notary import policy
from notary.journal import Journal
from notary.proven import Locator, ProvenBlock
from notary.sealing import sealing_of
from notary.watcher import View, Watcher, own_word


class Chains:
    """A watcher per chain, and the journal that remembers what they found final."""

    def __init__(self, manifest: Manifest, nodes: Mapping[int, Node], journal: Journal) -> None:
        """`nodes`: this notary's own node of each chain, by EIP-155 id."""
        self.manifest, self._journal = manifest, journal
        self.watchers = {
            chain.chain_id: Watcher(chain, nodes[chain.chain_id], sealing_of(manifest, chain.chain_id))
            for chain in manifest.chains
        }
        self._epochs = {
            chain_id: Epochs(each.chain, manifest.committee, each.node, storage=each.storage)
            for chain_id, each in self.watchers.items()
        }

    def watcher(self, chain_id: int) -> Watcher:
        """The chain's watcher; `BadInput` CHAIN_UNKNOWN for one outside the deployment."""
        watcher = self.watchers.get(chain_id)
        if watcher is None:
            raise BadInput("CHAIN_UNKNOWN", "the chain is not part of the deployment", where=f"eip155:{chain_id}"[:80])
        return watcher

    def look(self, chain_id: int) -> View:
        """Where a chain is now. Errors: CHAIN_UNKNOWN and those of `Watcher.look`."""
        watcher = self.watcher(chain_id)
        return watcher.look(self._journal.witnessed(watcher.chain.end))

    def final_header(self, chain_id: int, view: View) -> Header:
        """As `Watcher.final_header`."""
        return self.watcher(chain_id).final_header(view)

    def committee(self, chain_id: int, header: Header) -> Succession:
        """Who the notaries of a chain are after a block of it. Errors: `Unavailable` with the codes of `Epochs.at`."""
        with own_word():
            return self._epochs[chain_id].at(header)

    def members_at(self, chain_id: int, epoch: int) -> tuple[bytes, ...] | None:
        """The attesting addresses of an epoch that was followed on a chain, by index; None for any other."""
        return self._epochs[chain_id].members_at(epoch)

    def records_at(self, chain_id: int, epoch: int) -> tuple[Member, ...] | None:
        """The members' records of the manifest's epoch, or of one that was followed on a chain; None for any other."""
        if epoch == self.manifest.committee.epoch:
            return members_of(self.manifest.committee, self.manifest.cosigners)
        return self._epochs[chain_id].records_at(epoch)

    def differs_at(self, chain_id: int) -> int | None:
        """The first block of a chain that did not re-execute to what it claims, as the journal holds it."""
        return self._journal.differs_at(self.watcher(chain_id).chain.end)

    def proposal(self, locator: Locator, block: ProvenBlock, *, differs_at: int | None) -> Proposal:
        """Row 5: the message, with its payload, whose log stands at a place of a proven block; `differs_at`: of its
        chain, as above. Errors: ORIGIN_DIFFERS and those of `ProvenBlock.log` and `policy.read_leaf`."""
        origin: ChainManifest = self.watcher(locator.chain_id).chain
        policy.require_undisputed(origin, block=block.header.number, differs_at=differs_at)
        return policy.read_leaf(block.log(locator), origin=origin, manifest=self.manifest)
