"""Row 5 of the journey: proposals read at finality, judged, written down, and only then attested under one root.

All leaves of a request are signed or none; a refused one is named, so that the asker forms the root again without it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ledger.attestation import attestation_digest
from ledger.errors import BadInput, Problem
from ledger.proposal import Chain, Kind, Proposal
from ledger.quorum import root_over
from notary import policy
from notary.backing import Backing
from notary.chains import Chains
from notary.ending import is_arrived
from notary.journal import Attested, Journal
from notary.policy import LeafRefusal
from notary.proven import Locator, Witnessed
from notary.reading import Reading
from notary.seats import Seat, Seats
from notary.signer import Signer

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Attestation:
    """A signature over the root of `ids` for their one destination. `signature`: `r ‖ s ‖ v`."""

    epoch: int
    root: bytes
    ids: tuple[bytes, ...]
    member: int
    signature: bytes


class Attesting:
    """Attests as one member. Safe to share between threads."""

    def __init__(self, chains: Chains, journal: Journal, signer: Signer, seats: Seats) -> None:
        self._chains, self._journal, self._signer, self._seats = chains, journal, signer, seats
        self._backing = Backing(chains)
        self._lock = threading.Lock()

    def attest(self, leaves: Sequence[Locator]) -> Attestation:
        """Attest the messages whose logs stand at `leaves`, all or none, under one root in this order.

        Errors: `BadInput` LEAVES_COUNT, LEAVES_MIXED, LEAF_REPEATED; `LeavesRefused` (each leaf with the refusal of
        `policy` or of the proof), `LeavesNotReady` NOT_FINAL and the like; those of `Chains.look` for the destination,
        and of `Seats.seat`: NOT_A_MEMBER, SUSPENDED in the destination's epoch.
        """
        if not 1 <= len(leaves) <= policy.MAX_LEAVES:
            raise BadInput("LEAVES_COUNT", f"a request names 1 to {policy.MAX_LEAVES} leaves, not {len(leaves)}")
        proposals, blocks = self._open(leaves)
        messages = [proposal.message for proposal in proposals]
        policy.require_one_destination(messages)
        seat = self._judge(proposals)
        end, epoch, root = messages[0].destination, seat.epoch, root_over(messages)
        digest = attestation_digest(chain_id=end.chain_id, gateway=end.gateway, root=root, epoch=epoch)
        with self._lock:
            # Again under the lock: another request may have promised meanwhile.
            _each(messages, lambda m: policy.require_first(m, attested=self._journal.attested_at(m)))
            self._journal.promise(messages, epoch=epoch, root=root, digest=digest, blocks=blocks)
            signature = self._signer.sign(digest)
        return Attestation(epoch, root, tuple(message.id for message in messages), seat.index, signature)

    def attested(self, message_id: bytes) -> list[tuple[Attested, bytes]]:
        """What was signed about a message, from the journal, each with its signature."""
        return [(held, self._signer.sign(held.digest)) for held in self._journal.attestations(message_id)]

    def member(self, held: Attested) -> int | None:
        """The index under which a signature counts, in the epoch it names on the chain it is for; None where that epoch
        cannot be read now.
        """
        for chain in self._chains.manifest.chains:
            gateway = chain.contracts["Gateway"]
            digest = attestation_digest(chain_id=chain.chain_id, gateway=gateway, root=held.root, epoch=held.epoch)
            if digest == held.digest:
                return self._seats.index_in(chain.chain_id, held.epoch)
        return None

    def _open(self, leaves: Sequence[Locator]) -> tuple[list[Proposal], list[tuple[Chain, Witnessed]]]:
        """The messages at these places, each proven; and the highest block of each origin that proved one."""
        reading = Reading(self._chains)
        proposals = _each(leaves, reading.proposal)
        return proposals, reading.witnessed()

    def _judge(self, proposals: Sequence[Proposal]) -> Seat:
        """Judge every message by the destination at finality; the place in which to sign for it."""
        messages = [proposal.message for proposal in proposals]
        chain_id = messages[0].destination.chain_id
        view = self._chains.look(chain_id)
        watcher = self._chains.watcher(chain_id)
        final = watcher.final_header(view)
        lanes = watcher.lanes(final, [message.lane for message in messages])
        # Asked only about those that would be refused: what the head says lets nothing pass, it only delays a no.
        unfit = [message.lane for message in messages if not policy.is_open(lanes[message.lane], message=message)]
        upcoming = lanes | (watcher.lanes(view.head, unfit) if unfit else {})

        def judge(proposal: Proposal) -> None:
            message = proposal.message
            policy.require_lane_final(message, final=lanes[message.lane], head=upcoming[message.lane])
            attested = self._journal.attested_at(message)
            now = view.head.timestamp
            # Proven only where it matters: no message that is in time costs a proof more.
            is_late = message.expiry <= now or policy.is_superseded(lanes[message.lane], message=message)
            is_used = is_late and is_arrived(watcher, final, message)
            policy.require_carriage(message, lane=lanes[message.lane], now=now, attested=attested, is_used=is_used)
            if message.kind is Kind.TRANSFER:
                self._backing.require(proposal)

        _each(proposals, judge)
        return self._seats.seat(chain_id, final)


def _each(items: Sequence[T], judge: Callable[[T], R]) -> list[R]:
    """Judge every item, and refuse them together, so that the asker learns of all of them at once."""
    results: list[R] = []
    refused: list[LeafRefusal] = []
    for leaf, item in enumerate(items):
        try:
            results.append(judge(item))
        except Problem as problem:
            refused.append(LeafRefusal(leaf, problem))
    policy.require_all(refused)
    return results
