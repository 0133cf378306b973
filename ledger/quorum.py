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
# Packed signatures: signers (13 bytes, a bit per member) | parities (13, v = 27 + bit) | r (32) | s (32) per signer.
BITMAP_BYTES = 13
HEAD_BYTES = 2 * BITMAP_BYTES
PAIR_BYTES = 64


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

        Errors: `Refused` SET_EPOCH, QUORUM, SIG_UNKNOWN and those of `split`. The count is checked before any
        cryptography (attack row A20).
        """
        if epoch != self.epoch:
            raise Refused("SET_EPOCH", f"signed in epoch {epoch}, the committee is of epoch {self.epoch}")
        return check_signatures(self.members, digest, packed, needed=self.quorum if needed is None else needed)


def check_signatures(members: Sequence[bytes | None], digest: bytes, packed: bytes, *, needed: int) -> tuple[int, ...]:
    """Return the indices of the members that signed. A member that is None is barred: its signature counts for nobody.

    Errors: `Refused` QUORUM, SIG_UNKNOWN and those of `split`.
    """
    pairs = split(packed, len(members))
    if len(pairs) < needed:
        raise Refused("QUORUM", f"{len(pairs)} of {needed} signatures")
    for index, (raw, parity) in pairs.items():
        signature = Signature.parse(raw + bytes([27 + parity]))
        if recover(digest, signature) != members[index]:
            raise Refused("SIG_UNKNOWN", "not this member's signature", where=f"member {index}")
    return tuple(pairs)


def pack(signatures: Mapping[int, Signature]) -> bytes:
    """Signatures by member index → the packed form the contracts take. There is one form of one set of signatures."""
    signers = sum(1 << index for index in signatures)
    parities = sum((signature.v - 27) << index for index, signature in signatures.items())
    head = signers.to_bytes(BITMAP_BYTES, "big") + parities.to_bytes(BITMAP_BYTES, "big")
    return head + b"".join(signatures[index].pack()[:PAIR_BYTES] for index in sorted(signatures))


def split(packed: bytes, members: int) -> dict[int, tuple[bytes, int]]:
    """Packed signatures → `r ‖ s` and parity by member index, in order; no cryptography.

    Errors: `Refused` SIG_LENGTH (not exactly one pair for each signer, or no signer), SIG_UNKNOWN (a signer outside
    the committee), SIG_BAD_V (a parity where nobody signed).
    """
    if len(packed) < HEAD_BYTES + PAIR_BYTES:
        raise Refused("SIG_LENGTH", f"{len(packed)} bytes hold no signature")
    signers = int.from_bytes(packed[:BITMAP_BYTES], "big")
    parities = int.from_bytes(packed[BITMAP_BYTES:HEAD_BYTES], "big")
    if signers >> members:
        raise Refused("SIG_UNKNOWN", "a signer is no member", where=f"member {signers.bit_length() - 1}")
    if parities & ~signers:
        raise Refused("SIG_BAD_V", "a recovery value is given where nobody signed")
    if len(packed) != HEAD_BYTES + PAIR_BYTES * signers.bit_count():
        raise Refused("SIG_LENGTH", f"{len(packed)} bytes are not one signature of {PAIR_BYTES} per signer")
    indices = [index for index in range(members) if signers >> index & 1]
    places = range(HEAD_BYTES, len(packed), PAIR_BYTES)
    pairs = (packed[at : at + PAIR_BYTES] for at in places)
    return {index: (pair, parities >> index & 1) for index, pair in zip(indices, pairs, strict=True)}


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
