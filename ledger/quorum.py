"""Committees and certificates: who the notaries of an epoch are, and whether enough of them signed.

Twin of `contracts/vyper/Committee.vy`: the same packed signatures are judged alike, in the same order of checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ledger import merkle
from ledger.attestation import attestation_digest
from ledger.errors import Refused
from ledger.proposal import Message
from ledger.secp256k1 import Signature, recover

MAX_MEMBERS = 100
PACKED_BYTES = 66  # index (1) | r (32) | s (32) | v (1)


def quorum(members: int) -> int:
    """floor(2n/3)+1 signatures of n members: 4 → 3, 19 → 13. No members is `Refused` CONFIG_SET, never 1."""
    if not 0 < members <= MAX_MEMBERS:
        raise Refused("CONFIG_SET", f"a committee has 1 to {MAX_MEMBERS} members, not {members}")
    return 2 * members // 3 + 1


@dataclass(frozen=True, slots=True)
class Committee:
    """The notaries of an epoch: attesting addresses (20 bytes) by member index.

    Errors: `Refused` CONFIG_SET for fewer than four members, a zero member, or one member twice.
    """

    epoch: int
    members: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if len(self.members) < 4:
            raise Refused("CONFIG_SET", "fewer than four members tolerate no fault")
        if len(set(self.members)) != len(self.members) or any(len(m) != 20 or m == bytes(20) for m in self.members):
            raise Refused("CONFIG_SET", "members are distinct, non-zero 20-byte addresses")
        quorum(len(self.members))

    @property
    def quorum(self) -> int:
        """How many signatures a certificate needs."""
        return quorum(len(self.members))

    @property
    def blocking(self) -> int:
        """How many make a quorum of the others impossible: n - t + 1."""
        return len(self.members) - self.quorum + 1

    def index_of(self, digest: bytes, signature: Signature) -> int:
        """The member whose signature this is; `Refused` SIG_UNKNOWN when it is nobody's."""
        signer = recover(digest, signature)
        if signer not in self.members:
            raise Refused("SIG_UNKNOWN", "the signature is not a member's", where=f"0x{signer.hex()}")
        return self.members.index(signer)

    def check(self, epoch: int, digest: bytes, packed: bytes, *, needed: int | None = None) -> tuple[int, ...]:
        """Return the indices of the members that signed; refuse less than a quorum, or than `needed`, in strict form.

        Errors: `Refused` SET_EPOCH, SIG_LENGTH, QUORUM, SIG_DUPLICATE_SIGNER, SIG_ORDER, SIG_UNKNOWN and those of
        `Signature`. The count is checked before any cryptography (attack row A20).
        """
        if epoch != self.epoch:
            raise Refused("SET_EPOCH", f"signed in epoch {epoch}, the committee is of epoch {self.epoch}")
        count, rest = divmod(len(packed), PACKED_BYTES)
        if rest or count > len(self.members):
            raise Refused("SIG_LENGTH", f"{len(packed)} bytes are not one signature of {PACKED_BYTES} per member")
        needed = self.quorum if needed is None else needed
        if count < needed:
            raise Refused("QUORUM", f"{count} of {needed} signatures")
        indices: list[int] = []
        for start in range(0, len(packed), PACKED_BYTES):
            index, signature = packed[start], Signature.parse(packed[start + 1 : start + PACKED_BYTES])
            if index in indices:
                raise Refused("SIG_DUPLICATE_SIGNER", "one member counts once", where=f"member {index}")
            if indices and index < indices[-1]:
                raise Refused("SIG_ORDER", "signatures are ordered by member index", where=f"member {index}")
            if index >= len(self.members) or recover(digest, signature) != self.members[index]:
                raise Refused("SIG_UNKNOWN", "not this member's signature", where=f"member {index}")
            indices.append(index)
        return tuple(indices)


def pack(signatures: Mapping[int, Signature]) -> bytes:
    """Signatures by member index → the packed form the contracts take, in order."""
    return b"".join(bytes([index]) + signatures[index].pack() for index in sorted(signatures))


@dataclass(frozen=True, slots=True)
class Certificate:
    """A quorum's attestations over a root of message ids, with one message's place in it.

    `proof`: RFC 9162 inclusion of `merkle.leaf_hash(message.id)` at `index` of `size` under `root`.
    """

    root: bytes
    index: int
    size: int
    proof: tuple[bytes, ...]
    epoch: int
    signatures: bytes

    def check(self, message: Message, committee: Committee) -> tuple[int, ...]:
        """Return who signed; refuse unless it proves this message to its destination. Errors: PROOF_INVALID and
        those of `Committee.check`."""
        merkle.verify_inclusion(
            leaf=merkle.leaf_hash(message.id), index=self.index, size=self.size, proof=self.proof, root=self.root
        )
        digest = attestation_digest(
            chain_id=message.destination.chain_id,
            gateway=message.destination.gateway,
            root=self.root,
            epoch=self.epoch,
        )
        return committee.check(self.epoch, digest, self.signatures)


def root_over(messages: Sequence[Message]) -> bytes:
    """The root notaries attest for several messages of one destination."""
    return merkle.root_of([merkle.leaf_hash(message.id) for message in messages])
