"""What is agreed: a lane (two contracts, two tokens, bounds) and the terms of one swap on it, with their identities."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any

from ledger.attestation import address_word, fits, word
from ledger.errors import BadInput, Refused
from ledger.ethereum.keccak import keccak256
from ledger.hash_lock.bounds import PPM, Bounds

MAX_QUANTITY = 2**128 - 1  # units of a token
TERMS_BYTES = 10 * 32

_LANE_TAG = keccak256(b"pledgetrail/value-lane/v1")
_ID_TAG = keccak256(b"pledgetrail/swap/v1")


class Role(StrEnum):
    """Whose leg a contract holds. The initiator made the secret, funds first and claims first."""

    INITIATOR = "initiator"
    RESPONDER = "responder"


class State(IntEnum):
    """Where one leg stands, as the contract numbers it. Claimed and refunded are terminal."""

    UNKNOWN = 0
    BONDED = 1
    OPEN = 2
    CLAIMED = 3
    REFUNDED = 4


@dataclass(frozen=True, slots=True)
class End:
    """One side of a lane: chain id, genesis hash (32 bytes), lock contract and token (20 bytes each, not zero).

    Errors: `BadInput` OFFER_FORM.
    """

    chain_id: int
    genesis: bytes
    lock: bytes
    token: bytes

    def __post_init__(self) -> None:
        if not fits(self.chain_id, 256) or self.chain_id == 0 or not _is_set(self.genesis, 32):
            raise BadInput("OFFER_FORM", "an end names a chain id and a genesis hash of 32 bytes")
        if not (_is_set(self.lock, 20) and _is_set(self.token, 20)):
            raise BadInput("OFFER_FORM", "an end names a contract and a token, 20 bytes each")

    def words(self) -> bytes:
        """The end as ABI words."""
        return word(self.chain_id) + self.genesis + address_word(self.lock) + address_word(self.token)


@dataclass(frozen=True, slots=True)
class Lane:
    """A pair of lock contracts. `Refused` LOCK_BOUNDS where both ends are one chain."""

    initiator: End
    responder: End
    bounds: Bounds

    def __post_init__(self) -> None:
        if self.initiator.chain_id == self.responder.chain_id:
            raise Refused("LOCK_BOUNDS", "both ends of the lane are one chain", where=str(self.initiator.chain_id))

    @property
    def id(self) -> bytes:
        """Keccak-256 of tag, both ends and the bounds: what both contracts answer as `LANE`."""
        return keccak256(_LANE_TAG + self.initiator.words() + self.responder.words() + self.bounds.words())

    def end(self, role: Role) -> End:
        """The side a role's leg is on."""
        return self.initiator if role is Role.INITIATOR else self.responder


@dataclass(frozen=True, slots=True)
class Leg:
    """One side of a swap: units of the token, who pays, who is paid (20 bytes), and when it can be refunded (seconds
    of that chain's block time). Errors: `BadInput` AMOUNT, OFFER_FORM; `Refused` OFFER_PARTIES.
    """

    quantity: int
    funder: bytes
    receiver: bytes
    refund_time: int

    def __post_init__(self) -> None:
        if not fits(self.quantity, 128) or self.quantity == 0:
            raise BadInput("AMOUNT", "a quantity is an integer from 1 to 2^128 - 1", where=f"{self.quantity!r}"[:80])
        if len(self.funder) != 20 or len(self.receiver) != 20 or not fits(self.refund_time, 64):
            raise BadInput("OFFER_FORM", "a leg names two accounts of 20 bytes and a time of 64 bits")
        if bytes(20) in (self.funder, self.receiver) or self.funder == self.receiver:
            raise Refused("OFFER_PARTIES", "a leg is between two different accounts", where=f"0x{self.funder.hex()}")

    def words(self) -> bytes:
        """The leg as ABI words."""
        parties = address_word(self.funder) + address_word(self.receiver)
        return word(self.quantity) + parties + word(self.refund_time)


@dataclass(frozen=True, slots=True)
class Terms:
    """A swap: `hashlock` is the SHA-256 of the 32-byte secret, `bond` is in units of the responder's token.

    Errors: `BadInput` OFFER_FORM, AMOUNT; `Refused` OFFER_HASH for a zero hash.
    """

    hashlock: bytes
    bond: int
    initiator: Leg
    responder: Leg

    def __post_init__(self) -> None:
        if len(self.hashlock) != 32:
            raise BadInput("OFFER_FORM", "a hash lock is a SHA-256 digest of 32 bytes")
        if self.hashlock == bytes(32):
            raise Refused("OFFER_HASH", "the hash lock is zero")
        if not fits(self.bond, 128):
            raise BadInput("AMOUNT", "a bond is an integer from 0 to 2^128 - 1", where=f"{self.bond!r}"[:80])

    def leg(self, role: Role) -> Leg:
        """The leg a role funds."""
        return self.initiator if role is Role.INITIATOR else self.responder

    def id(self, lane: bytes) -> bytes:
        """The swap's identity on a lane: Keccak-256 of tag, lane and words. The same on both chains."""
        return keccak256(_ID_TAG + lane + self.words())

    def words(self) -> bytes:
        """The terms as ten ABI words: hash lock, bond, the initiator's leg, the responder's leg."""
        return self.hashlock + word(self.bond) + self.initiator.words() + self.responder.words()

    def as_abi(self) -> tuple[Any, ...]:
        """The contract's `Terms` struct, for an ABI encoder."""
        legs = ((leg.quantity, leg.funder, leg.receiver, leg.refund_time) for leg in (self.initiator, self.responder))
        return (self.hashlock, self.bond, *legs)

    @classmethod
    def parse(cls, words: bytes) -> Terms:
        """Read ten ABI words, as a log carries them. Errors: OFFER_FORM and those of the fields."""
        if len(words) != TERMS_BYTES:
            raise BadInput("OFFER_FORM", f"terms are {TERMS_BYTES} bytes, not {len(words)}")
        each = [words[at : at + 32] for at in range(0, TERMS_BYTES, 32)]
        if any(each[place][:12] != bytes(12) for place in (3, 4, 7, 8)):
            raise BadInput("OFFER_FORM", "an account has more than 20 bytes")
        legs = (Leg(_int(q), payer[12:], paid[12:], _int(time)) for q, payer, paid, time in (each[2:6], each[6:]))
        return cls(each[0], _int(each[1]), *legs)


def check_terms(terms: Terms, bounds: Bounds) -> None:
    """Refuse terms that both contracts would refuse, whatever the time. `Refused` OFFER_BOND, OFFER_MARGIN."""
    quantity = terms.responder.quantity
    if terms.bond > quantity or terms.bond * PPM < quantity * bounds.bond_ppm:
        least = bounds.least_bond(quantity)
        raise Refused("OFFER_BOND", f"the bond is {terms.bond}, not from {least} to {quantity}")
    gap = terms.initiator.refund_time - terms.responder.refund_time
    if gap < bounds.margin:
        cure = f"Let the initiator's leg be refundable at least {bounds.margin} seconds after the responder's."
        raise Refused("OFFER_MARGIN", f"the refund times are {gap} seconds apart", cure=cure)


def _int(word: bytes) -> int:
    return int.from_bytes(word, "big")


def _is_set(value: bytes, length: int) -> bool:
    return len(value) == length and value != bytes(length)
