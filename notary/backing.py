"""Row 5, for value: a transfer is attested only while what is out on one chain is locked on the other.

A valid signature and a valid proof are not enough: both ends' books are read, each proven under a final header of its
chain. They are read in an order that never wrongs an honest pair: what was released first, then what was minted and
burned, then what was locked; what goes on meanwhile can only make the law look easier to keep, until the next time.
May never happen here: a balance that a node merely states.
"""

from __future__ import annotations

from dataclasses import dataclass

from contracts.proven_storage import slot_of
from ledger.attestation import word
from ledger.conservation import Arrivals, Transfer
from ledger.ethereum.keccak import keccak256
from ledger.proposal import Message, Proposal
from notary import policy
from notary.chains import Chains
from notary.ending import kept_of
from notary.policy import Ledgers
from notary.watcher import own_word

_HALF = 2**128 - 1
ENDS = ("Vault", "Voucher")


@dataclass(frozen=True, slots=True)
class _Side:
    """What one chain holds of a transfer: its gateway's counts, whether the message arrived, its end's two totals."""

    sent: int
    arrivals: Arrivals
    is_used: bool
    left: int
    right: int


class Backing:
    """Compares both ends of value lanes. Keeps nothing: safe to share between threads."""

    def __init__(self, chains: Chains) -> None:
        self._chains = chains

    def require(self, proposal: Proposal) -> None:
        """Refuse a transfer that is not backed; anything else passes.

        Between the manifest's vault and voucher both ends' books are compared; between other applications, whose books
        nobody here knows, only what both gateways counted. Errors: `BadInput` AMOUNT, TRANSFER_FORM; `Refused`
        VALUE_UNBACKED with the figures; `Unavailable` STATE_UNPROVEN, NOT_FINAL, NODE_*.
        """
        message, transfer = proposal.message, Transfer.read(proposal.payload)
        origin, destination = message.origin.chain_id, message.destination.chain_id
        end = self._end(message)
        if end is None:
            there, here = self._side(destination, None, message, transfer), self._side(origin, None, message, transfer)
            policy.require_counted(transfer, sent=here.sent, arrivals=there.arrivals, is_used=there.is_used)
            return
        to_vault = end == "Voucher"
        vault, voucher = (destination, origin) if to_vault else (origin, destination)
        first = self._side(vault, "Vault", message, transfer)
        second = self._side(voucher, "Voucher", message, transfer)
        third = self._side(vault, "Vault", message, transfer)
        there, here = (first, second) if to_vault else (second, third)
        policy.require_counted(transfer, sent=here.sent, arrivals=there.arrivals, is_used=there.is_used)
        books = Ledgers(locked=third.left, released=first.right, minted=second.left, burned=second.right)
        policy.require_conserved(transfer, books=books, is_used=there.is_used)

    def _end(self, message: Message) -> str | None:
        """As which end of the manifest's pair the sender sends to the other; None where it is no such pair."""
        origin, destination = (
            self._chains.watcher(end.chain_id).chain.contracts for end in (message.origin, message.destination)
        )
        for mine, other in (ENDS, ENDS[::-1]):
            if origin.get(mine) == message.sender and destination.get(other) == message.recipient:
                return mine
        return None

    def _side(self, chain_id: int, end: str | None, message: Message, transfer: Transfer) -> _Side:
        """One chain's words at finality, as its state proves them."""
        watcher = self._chains.watcher(chain_id)
        header = watcher.final_header(self._chains.look(chain_id))
        gateway = watcher.chain.contracts["Gateway"]
        flow = keccak256(message.lane + word(message.generation))
        sent = slot_of("Gateway", "transfer_count.sent", flow, transfer.asset)
        received = slot_of("Gateway", "transfer_count.received", flow, transfer.asset)
        wanted = {gateway: [sent, received]}
        counts = 0
        if end is not None:
            counts = slot_of(end, "counts", transfer.asset)
            wanted[watcher.chain.contracts[end]] = [counts]
        with own_word():
            held = watcher.storage.words(header, wanted)
            is_used, _ = kept_of(watcher.storage, header, gateway, message)
        totals = 0 if end is None else held[watcher.chain.contracts[end]][counts]
        arrived = held[gateway][received]
        return _Side(
            sent=held[gateway][sent],
            arrivals=Arrivals(arrived & _HALF, arrived >> 128),
            is_used=is_used,
            left=totals >> 128,
            right=totals & _HALF,
        )
