"""Vouching for a header, where a chain's own validators seal nothing: policy *certified*.

One header at a time, for the one contract of the deployment that holds this chain's headers on another chain. The
header is final and proven as for an attestation, and written down before the signature: two headers of one height are
never vouched for, whoever asks. May never happen here: a header of a chain that did not re-execute to what it claims.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from contracts.manifest import ChainManifest, Policy
from ledger.errors import BadInput
from ledger.headers.certified import HeaderDomain
from ledger.headers.held import HeldHeader
from notary import policy
from notary.chains import Chains
from notary.journal import Journal
from notary.proven import Witnessed
from notary.seats import Seats
from notary.signer import Signer


@dataclass(frozen=True, slots=True)
class HeaderRequest:
    """Which header, for whom: the foreign chain and block number, and the chain where it is going to be held."""

    origin: int
    block: int
    destination: int


@dataclass(frozen=True, slots=True)
class VouchedHeader:
    """A signature over `header` for the contract that holds it. `signature`: `r ‖ s ‖ v`."""

    header: HeldHeader
    epoch: int
    member: int
    signature: bytes


class Vouching:
    """Vouches as one member. Safe to share between threads."""

    def __init__(self, chains: Chains, journal: Journal, signer: Signer, seats: Seats) -> None:
        self._chains, self._journal, self._signer, self._seats = chains, journal, signer, seats
        self._lock = threading.Lock()

    def vouch(self, asked: HeaderRequest) -> VouchedHeader:
        """Sign a final header in the epoch that is current where it will be held.

        Errors: `BadInput` CHAIN_UNKNOWN, HOLDER_UNKNOWN (nothing holds certified headers of that chain there); those of
        `Chains.look` and `Watcher.block`; `Refused` ORIGIN_DIFFERS; `Unavailable` FINAL_REWRITTEN; those of
        `Seats.at_finality`.
        """
        watcher = self._chains.watcher(asked.origin)
        holder = holder_of(self._chains.watcher(asked.destination).chain, asked.origin)
        block = watcher.block(self._chains.look(asked.origin), asked.block).header
        differs_at = self._journal.differs_at(watcher.chain.end)
        policy.require_undisputed(watcher.chain, block=block.number, differs_at=differs_at)
        seat = self._seats.at_finality(asked.destination)
        held = HeldHeader(block.number, block.hash, block.state_root, block.receipts_root, block.timestamp)
        digest = HeaderDomain(asked.destination, holder, asked.origin).digest(held, seat.epoch)
        with self._lock:
            self._journal.vouch(watcher.chain.end, Witnessed(block.number, block.hash))
            return VouchedHeader(held, seat.epoch, seat.index, self._signer.sign(digest))


def holder_of(destination: ChainManifest, origin: int) -> bytes:
    """The contract (20 bytes) that holds a chain's certified headers on another. Errors: `BadInput` HOLDER_UNKNOWN."""
    for observer in destination.observers:
        if observer.origin == origin and observer.policy is Policy.CERTIFIED:
            return observer.headers
    raise BadInput(
        "HOLDER_UNKNOWN",
        f"nothing holds certified headers of eip155:{origin} there",
        where=destination.caip2,
        cure="The manifest names who does, under `observers`.",
    )
