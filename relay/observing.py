"""What a lane asks for besides, or instead of, the notaries' certificate: an observation of the message at its origin.

For each message it says which policy its lane has, brings the header under which the message left to the destination,
and makes the observation: header, place of the log, and the receipt's proof.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from contracts.manifest import Manifest, Policy
from contracts.submitter import Submitter
from ledger.errors import BadInput, Problem, Refused, Unavailable
from ledger.ethereum.tx_receipt import tx_receipts_from_rpc
from ledger.observation import observe
from ledger.proposal import Message
from relay.headers import Certifier, HeaderBearer, holders_of, read_header
from relay.watcher import Place

MAX_KNOWN_LANES = 10_000  # generations of lanes whose policy is remembered; it never changes within one


class Observing:
    """The observations of one deployment. `payers` by chain id pay for headers and read the chains."""

    def __init__(self, manifest: Manifest, payers: Mapping[int, Submitter], certifier: Certifier) -> None:
        self._manifest, self._payers, self._certifier = manifest, payers, certifier
        self._policies: dict[tuple[bytes, int], Policy] = {}
        self._lock = threading.Lock()
        self._bearers: dict[tuple[int, int, Policy], HeaderBearer] = {}
        for chain in manifest.chains:
            for holder in holders_of(chain):
                origin = manifest.by_id(holder.observer.origin)
                if origin is None:
                    raise BadInput("MANIFEST_FORMAT", "an observer is of no chain of the manifest", where=chain.caip2)
                node, payer = payers[origin.chain_id].node, payers[chain.chain_id]
                key = (origin.chain_id, chain.chain_id, holder.observer.policy)
                self._bearers[key] = HeaderBearer(holder, origin, node, payer)

    @property
    def bearers(self) -> tuple[HeaderBearer, ...]:
        """Whoever brings headers, in the manifest's order; each may have a light client to keep alive."""
        return tuple(self._bearers.values())

    def bearer(self, origin: int, destination: int, policy: Policy) -> HeaderBearer | None:
        """Who brings the headers of one chain (by id) to another, for this policy; None where nobody does."""
        return self._bearers.get((origin, destination, policy))

    def policy_of(self, message: Message) -> Policy | None:
        """The policy of a message's lane at its destination; None while no lane there is of the message's generation,
        which the destination's gateway says in its own words.

        Errors: those of `Node.request`.
        """
        key = (message.lane, message.generation)
        if (known := self._policies.get(key)) is not None:
            return known
        generation, policy = self._lane(message)
        if generation != message.generation:
            return None
        with self._lock:
            if len(self._policies) >= MAX_KNOWN_LANES:
                self._policies.pop(next(iter(self._policies)))
            self._policies[key] = Policy(policy)
        return Policy(policy)

    def generation_of(self, message: Message) -> int | None:
        """The present generation of a message's lane at its destination; None while nobody can be asked."""
        try:
            return self._lane(message)[0]
        except Problem:
            return None

    def _lane(self, message: Message) -> tuple[int, int]:
        destination = self._manifest.by_id(message.destination.chain_id)
        assert destination is not None  # read_proposal took the message for one of this deployment
        node = self._payers[destination.chain_id].node
        generation, policy, *_ = destination.contract("Gateway").read(node, "lanes", message.lane)
        return generation, policy

    def observe(self, message: Message, place: Place, policy: Policy) -> bytes:
        """The packed observation of a message whose log stands at `place`, its header held at the destination.

        Errors: `Refused` OBSERVER_MISSING; NODE_* and HEADER_HASH; RECEIPT_*; those of `HeaderBearer.bring`.
        """
        origin = self._manifest.by_id(message.origin.chain_id)
        kind = policy.observed_under
        assert origin is not None
        bearer = None if kind is None else self._bearers.get((origin.chain_id, message.destination.chain_id, kind))
        if bearer is None:
            raise Refused(
                "OBSERVER_MISSING",
                f"the manifest names nobody who shows {origin.caip2} to the destination under this lane's policy",
                where=f"0x{message.lane.hex()}",
                cure="Use the manifest of the deployment that opened the lane.",
            )
        node = self._payers[origin.chain_id].node
        header = read_header(node, origin, place.block)
        if header.hash != place.block_hash:
            raise Unavailable("NODE_BEHIND", "the node shows another block than the one that was final", where=node.url)
        bearer.bring(header, self._certifier)
        receipts = tx_receipts_from_rpc(node.request("eth_getBlockReceipts", hex(place.block)))
        return observe(header, receipts, place.transaction_index, place.log_index).pack()
