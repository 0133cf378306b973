"""One gateway with its administration and notaries, and an application that behaves as it is told.

The other end of every lane is made up: the test writes the messages that a peer is said to have sent, and signs them
with whichever notaries it likes, so that only what is checked here stands between a forged message and its effect.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pytest
from eth_abi.abi import encode

from ledger import interoperable, merkle
from ledger.attestation import attestation_digest, domain_separator, pause_digest, word
from ledger.ethereum.keccak import keccak256
from ledger.multiproof import multiproof
from ledger.proposal import Chain, Kind, Message, Proposal, lane_id, read_proposal
from ledger.quorum import Certificate, pack, root_over
from tests.contracts.evm import OWNER, STRANGER, Deployed, Evm, Outcome, Reverted
from tests.contracts.header_bed import deploy_committee
from tests.contracts.world import NOTARIES

HERE: Final = Path(__file__).parent
GENESIS: Final = b"\x72" * 32
PEER: Final = Chain(7101, b"\x71" * 32, b"\x07" * 20)
SENDER: Final = b"\x5e" * 20
DAY: Final = 24 * 3600
DELAY: Final = 2 * DAY
WINDOW: Final = 7 * DAY  # seconds in which a due order can be taken
LIFETIME: Final = 60 * DAY
NOTARY, CERTIFIED, RELAY, NOTARY_AND_RELAY = 1, 2, 3, 4
FAILED, HELD, APPROVED, VOIDED = 1, 2, 3, 4
REVERTS, REVERTS_LONG, ANSWERS_LONG, ANSWERS_31_BYTES, ANSWERS_OTHER_MAGIC = 1, 2, 3, 4, 5
BURNS_ALL_GAS, CALLS_BACK, ANSWERS_MAGIC_ONLY, ANSWERS_NOTHING = 6, 7, 8, 9
SEALED, VOUCHED = b"sealed", b"vouched"
TAKEN: Final = b"taken".ljust(32, b"\x00")
QUORUM: Final = (0, 1, 2)
ASSET: Final = b"\xa5" * 32


@dataclass(slots=True)
class Bed:
    """The contracts, and what is needed to write and to prove messages to them."""

    evm: Evm
    committee: Deployed
    administration: Deployed
    gateway: Deployed
    app: Deployed
    is_word: bool = False
    """The committee is `AnyQuorum`, whose epochs a test can end."""
    epoch: int = 1
    sequences: Iterator[int] = field(default_factory=lambda: iter(range(1000, 10**6)))

    @classmethod
    def lay(cls, *, is_word: bool = False, exact: bool = False, is_open: bool = True, is_watched: bool = False) -> Bed:
        """Deploy; with `is_open` also name the peer, open a lane of policy notary from SENDER, and seal; with
        `is_watched` name observers too, which believe the words SEALED and VOUCHED before a message's id.
        """
        evm = Evm(exact=exact)
        committee = evm.deploy(HERE / "AnyQuorum.vy") if is_word else deploy_committee(evm)
        administration = evm.deploy("Administration", committee.address, DELAY)
        gateway = evm.deploy("Gateway", GENESIS, committee.address, administration.address)
        app = evm.deploy(HERE / "Recipient.vy", gateway.address)
        bed = cls(evm, committee, administration, gateway, app, is_word)
        if is_word:
            committee.send("seat_at", gateway.address, [int.from_bytes(key.address, "big") for key in NOTARIES])
        else:
            committee.send("attach", gateway.address)
        if is_open:
            administration.send("attach", gateway.address)
            administration.send("register_peer", PEER.as_abi())
            for policy, known in ((CERTIFIED, VOUCHED), (RELAY, SEALED)) if is_watched else ():
                lookout = evm.deploy(HERE / "Lookout.vy", known, PEER.chain_id, PEER.genesis, policy == RELAY)
                administration.send("register_observer", PEER.chain_id, policy, lookout.address)
            bed.open()
            administration.send("seal")
        return bed

    @property
    def here(self) -> Chain:
        """This end of every message."""
        return Chain(self.evm.chain_id, GENESIS, self.gateway.address)

    # -- lanes

    def open(self, policy: int = NOTARY, *, value: bool = False, sender: bytes = SENDER) -> bytes:
        """Open a lane to the application, by its owner; answer its id."""
        self.administration.send("open_lane", PEER.chain_id, sender, self.app.address, policy, value)
        return self.lane(sender)

    def lane(self, sender: bytes = SENDER, recipient: bytes | None = None) -> bytes:
        """Id of a lane into this chain."""
        return lane_id(PEER, self.here, sender, recipient or self.app.address)

    def lane_out(self, sender: bytes = OWNER, recipient: bytes = SENDER) -> bytes:
        """Id of a lane out of this chain."""
        return lane_id(self.here, PEER, sender, recipient)

    def limit(self, per_message: int, per_window: int, window: int = DAY, *, sender: bytes = SENDER) -> None:
        """Set a lane's limits, by the application's owner."""
        where = (PEER.chain_id, sender, self.app.address)
        self.administration.send("limit_lane", *where, (per_message, per_window, window))

    # -- messages

    def message(self, payload: bytes = b"payload", **changed: Any) -> Proposal:
        """A fresh message on the lane, or one with some fields changed."""
        honest = Message(
            kind=Kind.NOTICE,
            origin=PEER,
            destination=self.here,
            generation=1,
            sequence=next(self.sequences),
            sender=SENDER,
            recipient=self.app.address,
            expiry=self.evm.time + LIFETIME,
            gas_limit=400_000,
            payload_digest=keccak256(payload),
        )
        return Proposal(replace(honest, **changed), payload)

    def transfer(self, quantity: int, total: int, *, asset: bytes = ASSET, **changed: Any) -> Proposal:
        """A message that brings value."""
        return self.message(transfer_head(quantity, total, asset=asset), kind=Kind.TRANSFER, **changed)

    def sign(self, digest: bytes, signers: Sequence[int] = QUORUM) -> bytes:
        """Packed signatures of these notaries."""
        if self.is_word:
            return b"quorum" if len(signers) >= 3 else b"few"
        return pack({index: NOTARIES[index].sign(digest) for index in signers})

    def attest(self, root: bytes, *, signers: Sequence[int] = QUORUM) -> bytes:
        """Signatures over a root, for this gateway."""
        gateway = self.gateway.address
        digest = attestation_digest(chain_id=self.evm.chain_id, gateway=gateway, root=root, epoch=self.epoch)
        return pack({index: NOTARIES[index].sign(digest) for index in signers})

    def certificate(self, *proposals: Proposal, place: int = 0, signers: Sequence[int] = QUORUM) -> Certificate:
        """A certificate over a root of messages, proving the one at `place`."""
        messages = [proposal.message for proposal in proposals]
        leaves = [merkle.leaf_hash(message.id) for message in messages]
        root = root_over(messages)
        proof = tuple(merkle.inclusion_proof(leaves, place))
        return Certificate(root, place, len(leaves), proof, self.epoch, self.attest(root, signers=signers))

    def commit(self, proposal: Proposal, certificate: Certificate | None = None, **changed: Any) -> Outcome:
        """Commit a message, by a stranger; `changed` replaces fields of the certificate. Keyword `gas` as `send`."""
        gas = {"gas": changed.pop("gas")} if "gas" in changed else {}
        proof = as_arguments(replace(certificate or self.certificate(proposal), **changed))
        delivery = proposal.message.as_delivery()
        if not proof[-1]:
            return self.gateway.send("commit_certified", delivery, proposal.payload, *proof[:3], by=STRANGER, **gas)
        return self.gateway.send("commit", delivery, proposal.payload, *proof, by=STRANGER, **gas)

    def together(self, proposals: Sequence[Proposal], among: Sequence[Proposal] = (), **changed: Any) -> Outcome:
        """Commit several messages under one root; `changed` replaces arguments."""
        return self.gateway.send("commit_together", *self.together_arguments(proposals, among, **changed), by=STRANGER)

    def together_arguments(
        self, proposals: Sequence[Proposal], among: Sequence[Proposal] = (), **changed: Any
    ) -> tuple[Any, ...]:
        """As `commit_together` takes several messages out of all those under the root."""
        leaves = [proposal.message for proposal in among or proposals]
        places = [leaves.index(proposal.message) for proposal in proposals]
        message, root = proposals[0].message, root_over(leaves)
        arguments = {
            "run": message.as_run(),
            "items": [proposal.as_item(place) for place, proposal in zip(places, proposals, strict=True)],
            "size": len(leaves),
            "multiproof": multiproof([merkle.leaf_hash(leaf.id) for leaf in leaves], sorted(set(places))),
            "epoch": self.epoch,
            "signatures": self.attest(root) if "signatures" not in changed else b"",
        }
        return tuple((arguments | changed).values())

    def retry(self, proposal: Proposal, payload: bytes | None = None) -> Outcome:
        """Retry, by a stranger."""
        told = proposal.payload if payload is None else payload
        return self.gateway.send("retry", proposal.message.as_delivery(), told, by=STRANGER)

    def send(self, payload: bytes = b"payload", *attributes: bytes, by: bytes = OWNER) -> Proposal:
        """Send a message from here to SENDER on the peer, and read it from the log."""
        recipient = interoperable.encode(PEER.chain_id, SENDER)
        sent = self.gateway.send("sendMessage", recipient, payload, list(attributes), by=by)
        (log,) = sent.raw_logs
        return read_proposal(log, origin=self.here, destinations={PEER.chain_id: PEER})

    # -- administration

    def action(self, function: str, *arguments: Any) -> bytes:
        """What an order to call a function of the administration signs."""
        types = self.administration.interface.functions[function][1][:-1]
        tag = keccak256(f"pledgetrail/order/Administration.{function}".encode())
        return keccak256(encode(["bytes32", *types], [tag, *arguments]))

    def order_signatures(
        self, action: bytes, salt: bytes, *, signers: Sequence[int] = QUORUM, kind: str = "Order", **domain: Any
    ) -> bytes:
        """Signatures over an order, or an approval; `domain`: another `chain_id` or `contract`."""
        struct_type = keccak256(f"{kind}(bytes32 action,bytes32 salt,uint64 epoch)".encode())
        struct_hash = keccak256(struct_type + action + salt + word(self.epoch))
        chain_id = domain.get("chain_id", self.evm.chain_id)
        separator = domain_separator(chain_id, domain.get("contract", self.administration.address))
        return self.sign(keccak256(b"\x19\x01" + separator + struct_hash), signers)

    def announce(self, function: str, *arguments: Any, salt: bytes = bytes(32)) -> None:
        """Announce an order, by a stranger."""
        action = self.action(function, *arguments)
        signatures = self.order_signatures(action, salt)
        self.administration.send("announce", action, salt, self.epoch, signatures, by=STRANGER)

    def order(self, function: str, *arguments: Any, salt: bytes = bytes(32), by: bytes = STRANGER) -> Outcome:
        """Announce an order, wait until it is due, and carry it out."""
        self.announce(function, *arguments, salt=salt)
        self.evm.time += DELAY
        return self.administration.send(function, *arguments, salt, by=by)

    def approve(self, proposal: Proposal, *, signers: Sequence[int] = QUORUM) -> Outcome:
        """A quorum's approval of a held message, submitted by a stranger."""
        id_ = proposal.message.id
        signatures = self.order_signatures(RELEASE, id_, signers=signers, kind="Approval")
        return self.administration.send("approve", id_, self.epoch, signatures, by=STRANGER)

    def pause(self, lane: bytes, *, member: int = 0, is_inbound: bool = True) -> Outcome:
        """A member's pause, submitted by a stranger."""
        signature = self.pause_signature(lane, member=member, is_inbound=is_inbound)
        return self.administration.send("pause", lane, is_inbound, self.epoch, signature, by=STRANGER)

    def pause_signature(self, lane: bytes, *, member: int = 0, is_inbound: bool = True) -> bytes:
        """One member's signature over a pause, with its index."""
        if self.is_word:
            return bytes([member])
        digest = pause_digest(
            chain_id=self.evm.chain_id,
            administration=self.administration.address,
            lane=lane,
            is_inbound=is_inbound,
            epoch=self.epoch,
        )
        return bytes([member]) + NOTARIES[member].sign(digest).pack()

    # -- what became of it

    def status(self, proposal: Proposal) -> int:
        """0, FAILED, HELD, APPROVED or VOIDED."""
        return int(self.gateway.call("status", proposal.message.id))

    def is_committed(self, proposal: Proposal) -> bool:
        """Whether its sequence is used."""
        message = proposal.message
        return bool(self.gateway.call("is_committed", message.lane, message.generation, message.sequence))

    def taken(self, proposal: Proposal) -> int:
        """How often the application has taken it."""
        return int(self.app.call("taken", proposal.message.id))

    @contextmanager
    def refused(self, reason: str) -> Iterator[None]:
        """What happens inside is refused with exactly this reason, and changes nothing in any contract."""
        before = self.evm.fingerprint()
        with pytest.raises(Reverted) as refused:
            yield
        assert refused.value.reason == reason
        assert self.evm.fingerprint() == before


RELEASE: Final = keccak256(b"pledgetrail/order/Administration.approve")


def transfer_head(quantity: int, total: int, *, asset: bytes = ASSET) -> bytes:
    """The payload of a transfer that says nothing further."""
    return asset + word(quantity) + word(total)


def attribute(signature: str, value: int) -> bytes:
    """An attribute of `sendMessage`."""
    return keccak256(signature.encode())[:4] + word(value)


def as_arguments(proof: Certificate) -> tuple[Any, ...]:
    """A certificate as `commit` takes it."""
    return proof.index, proof.size, list(proof.proof), proof.epoch, proof.signatures
