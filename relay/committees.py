"""Which committees' signatures a chain takes now: the current epoch's, and the one before it within its grace.

Looked up when the chain's committee contract has spoken, or has not been looked at yet, and followed from the
manifest's by `contracts.epochs`. The relay is never trusted: where a node cannot show the epochs it goes on with what
it knows, and the contracts refuse what does not count.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from contracts.chain_rules import Seals
from contracts.epochs import Epoch, Epochs
from contracts.manifest import ChainManifest, Manifest
from contracts.node import Node
from ledger.errors import Problem
from ledger.ethereum.header import Header, header_from_rpc
from ledger.ethereum.qbft import QbftHeader
from ledger.quorum import Committee
from relay.watcher import Rewound, SeenBlock, last_final


class Committees:
    """The committees of every chain of a deployment. A reader of final blocks; safe to share between threads."""

    def __init__(self, manifest: Manifest, nodes: Mapping[int, Node]) -> None:
        self._chains = {chain.chain_id: chain for chain in manifest.chains if "Committee" in chain.contracts}
        self._nodes, self._trusted = dict(nodes), manifest.committee
        self._epochs = {number: Epochs(chain, self._trusted, nodes[number]) for number, chain in self._chains.items()}
        self._known: dict[int, tuple[Epoch, ...]] = {}
        self._stale = set(self._chains)
        self._times: dict[int, int] = {}
        self._lock = threading.Lock()

    def of(self, chain_id: int) -> tuple[Committee, ...]:
        """Those whose signatures count on a chain, the current one first."""
        with self._lock:
            is_stale = chain_id in self._stale
        if is_stale:
            self._look(chain_id)
        with self._lock:
            now = self._times.get(chain_id, 0)
            counted = [each for each in self._known.get(chain_id, ()) if each.until is None or now < each.until]
        return tuple(_committee(each) for each in counted) or (self._trusted,)

    def take(self, block: SeenBlock) -> None:
        """Hear of a final block."""
        with self._lock:
            self._times[block.chain_id] = block.timestamp
            if any(seen.decoded.contract == "Committee" for seen in block.logs):
                self._stale.add(block.chain_id)

    def rewind(self, rewound: Rewound) -> None:
        """Hear that a chain left blocks behind."""
        with self._lock:
            if rewound.chain_id in self._chains:
                self._stale.add(rewound.chain_id)

    def _look(self, chain_id: int) -> None:
        try:
            header = _final(self._nodes[chain_id], self._chains[chain_id])
            found = self._epochs[chain_id].at(header)
        except Problem:
            return  # what is known still counts, and the next question looks again
        with self._lock:
            self._known[chain_id] = tuple(each for each in (found.current, found.previous) if each is not None)
            self._times[chain_id] = max(header.timestamp, self._times.get(chain_id, 0))
            self._stale.discard(chain_id)


def _final(node: Node, chain: ChainManifest) -> Header:
    block = node.request("eth_getBlockByNumber", hex(max(last_final(node, chain), 0)), False)
    return header_from_rpc(block, Header if chain.rules.seals is Seals.NONE else QbftHeader)


def _committee(epoch: Epoch) -> Committee:
    """As signatures are counted: in a barred member's place stands an address that nobody has the key of."""
    members = (
        bytes(19) + bytes([index + 1]) if index in epoch.barred else member
        for index, member in enumerate(epoch.members)
    )
    return Committee(epoch.number, tuple(members))
