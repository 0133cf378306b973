"""Evidence that a member attested two different messages of one lane, generation and sequence.

Twin of `Committee.report`. What a member signs is a root; both inclusions say which messages stood under it. One
message under two roots, or attested again in a later epoch, is no conflict: it can be committed only once.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger import merkle
from ledger.attestation import attestation_digest
from ledger.errors import Refused
from ledger.proposal import Message
from ledger.secp256k1 import Signature, recover


@dataclass(frozen=True, slots=True)
class Attested:
    """A message, its RFC 9162 place under the root that was signed, the epoch signed in, and the signature."""

    message: Message
    index: int
    size: int
    inclusion: tuple[bytes, ...]
    epoch: int
    signature: bytes

    @property
    def root(self) -> bytes:
        """The root its place leads to. Errors: `Refused` PROOF_INVALID."""
        return merkle.root_from(
            leaf=merkle.leaf_hash(self.message.id), index=self.index, size=self.size, proof=self.inclusion
        )

    def signer(self) -> bytes:
        """Who signed the root for the message's own destination. Errors: those of `Signature` and `recover`."""
        end = self.message.destination
        digest = attestation_digest(chain_id=end.chain_id, gateway=end.gateway, root=self.root, epoch=self.epoch)
        return recover(digest, Signature.parse(self.signature))

    def as_abi(self) -> tuple[object, ...]:
        """The contract's `Attested` struct, for an ABI encoder."""
        place = (self.index, self.size, list(self.inclusion))
        return (self.message.as_abi(), *place, self.epoch, self.signature)


def conflicting_signer(first: Attested, second: Attested) -> bytes:
    """The address that signed both; refuse what proves nothing against anybody.

    Errors: `Refused` NO_CONFLICT (different sequences, one message, or different signers), PROOF_INVALID, those of
    `Signature` and `recover`.
    """
    a, b = first.message, second.message
    # The lane binds both ends whole: chain, genesis and gateway.
    if (a.lane, a.generation, a.sequence) != (b.lane, b.generation, b.sequence):
        raise Refused("NO_CONFLICT", "the messages are of different sequences")
    if a.id == b.id:
        raise Refused("NO_CONFLICT", "both attest one message")
    signer = first.signer()
    if second.signer() != signer:
        raise Refused("NO_CONFLICT", "the attestations are of different signers")
    return signer
