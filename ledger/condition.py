"""Liens on a condition: whose a title is when a slot on another chain was set by a date, or was not. Pure.

Twin of `contracts/vyper/ConditionalLien.vy`. The truth is what stood in the write-once slot at the date. A proof of
*set* under a header before the date and a proof of *unset* under one at or after it exclude each other and are final; a
proof of *set* under a later header may be about a slot that was set too late, so that it can be contested.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

from ledger.attestation import address_word, fits, word
from ledger.errors import BadInput, Refused
from ledger.ethereum.keccak import keccak256 as keccak

MAX_AHEAD_SECONDS = 20 * 365 * 24 * 3600
MIN_CONTEST_SECONDS, MAX_CONTEST_SECONDS = 3600, 90 * 24 * 3600
MIN_PATIENCE_SECONDS, MAX_PATIENCE_SECONDS = 24 * 3600, 2 * 365 * 24 * 3600

_ID_TAG = keccak(b"pledgetrail/conditional-lien/v1")


class Meaning(IntEnum):
    """What a slot that was set by the date means; unset means the other."""

    RELEASES = 1
    FORFEITS = 2


class LienState(IntEnum):
    """Where a lien stands."""

    UNKNOWN = 0
    AGREED = 1
    FROZEN = 2
    CLAIMED = 3
    RELEASED = 4
    FORFEITED = 5
    HANDED_OVER = 6


@dataclass(frozen=True, slots=True)
class Terms:
    """What a holder agrees to. Accounts: 20 bytes; `subject`, `code_hash`, `slot`, `salt`: 32 bytes.

    `date`: seconds of the foreign chain's time; `contest`, `patience`: seconds. Errors: `BadInput` TERMS_RANGE.
    """

    title: bytes
    subject: bytes
    holder: bytes
    beneficiary: bytes
    arbiter: bytes
    reader: bytes
    account: bytes
    code_hash: bytes
    slot: bytes
    set_means: Meaning
    date: int
    contest: int
    patience: int
    salt: bytes

    def __post_init__(self) -> None:
        accounts = (self.title, self.holder, self.beneficiary, self.arbiter, self.reader, self.account)
        words = (self.subject, self.code_hash, self.slot, self.salt)
        numbers = all(fits(number, 64) for number in (self.date, self.contest, self.patience))
        sizes = all(len(each) == 20 for each in accounts) and all(len(each) == 32 for each in words)
        if not (sizes and numbers and self.set_means in Meaning.__members__.values()):
            raise BadInput("TERMS_RANGE", "a field of the terms is outside its type")

    def id(self, *, chain_id: int, contract: bytes) -> bytes:
        """The lien's identity at a contract of a chain."""
        ends = address_word(self.title) + self.subject
        parties = b"".join(address_word(each) for each in (self.holder, self.beneficiary, self.arbiter))
        condition = address_word(self.reader) + address_word(self.account) + self.code_hash + self.slot
        numbers = b"".join(word(number) for number in (self.set_means, self.date, self.contest, self.patience))
        here = word(chain_id) + address_word(contract)
        return keccak(_ID_TAG + here + ends + parties + condition + numbers + self.salt)

    def as_abi(self) -> tuple[object, ...]:
        """The contract's `Terms` struct, for an ABI encoder."""
        condition = (self.reader, self.account, self.code_hash, self.slot, int(self.set_means))
        parties = (self.title, self.subject, self.holder, self.beneficiary, self.arbiter)
        return (*parties, *condition, self.date, self.contest, self.patience, self.salt)

    def check(self, now: int) -> None:
        """Whether the contract takes these terms at a time; `Refused` LIEN_PARTIES, LIEN_CONDITION, LIEN_DATE."""
        nobody = bytes(20)
        if len({nobody, self.holder, self.beneficiary, self.arbiter}) != 4:
            raise Refused("LIEN_PARTIES", "holder, beneficiary and arbiter are three different accounts")
        if nobody in (self.reader, self.account) or not any(self.code_hash):
            raise Refused("LIEN_CONDITION", "the condition names a reader, and a contract with its code")
        if not now < self.date <= now + MAX_AHEAD_SECONDS:
            raise Refused("LIEN_DATE", "the date is past or too far", where=f"{self.date}")
        if not MIN_CONTEST_SECONDS <= self.contest <= MAX_CONTEST_SECONDS:
            raise Refused("LIEN_DATE", "the time to contest is out of bounds", where=f"{self.contest}")
        if not MIN_PATIENCE_SECONDS <= self.patience <= MAX_PATIENCE_SECONDS:
            raise Refused("LIEN_DATE", "the arbiter's patience is out of bounds", where=f"{self.patience}")


@dataclass(frozen=True, slots=True)
class Lien:
    """A lien at its contract. `contestable_until`: seconds of that chain's time, 0 where nothing is claimed."""

    terms: Terms
    state: LienState = LienState.FROZEN
    contestable_until: int = 0

    def prove_set(self, header_time: int, now: int) -> Lien:
        """After a proof that the slot is set under a header of that time; `Refused` LIEN_STATE."""
        in_time = header_time < self.terms.date
        if self.state != LienState.FROZEN and not (self.state == LienState.CLAIMED and in_time):
            raise Refused("LIEN_STATE", "the lien does not wait for this", where=self.state.name)
        if in_time:
            return self._ended(is_set=True)
        return replace(self, state=LienState.CLAIMED, contestable_until=now + self.terms.contest)

    def prove_unset(self, header_time: int, now: int) -> Lien:
        """After a proof of absence under a header of that time; `Refused` LIEN_STATE, LIEN_HEADER, LIEN_CONTEST."""
        if self.state not in (LienState.FROZEN, LienState.CLAIMED):
            raise Refused("LIEN_STATE", "the lien does not wait for this", where=self.state.name)
        if self.state == LienState.CLAIMED and now >= self.contestable_until:
            raise Refused("LIEN_CONTEST", "the contest is over", where=f"{self.contestable_until}")
        if header_time < self.terms.date:
            raise Refused("LIEN_HEADER", "the header is of before the date", where=f"{header_time}")
        return self._ended(is_set=False)

    def settle(self, now: int) -> Lien:
        """After a claim that nobody contested; `Refused` LIEN_STATE, LIEN_CONTEST."""
        if self.state != LienState.CLAIMED:
            raise Refused("LIEN_STATE", "nothing is claimed", where=self.state.name)
        if now < self.contestable_until:
            raise Refused("LIEN_CONTEST", "the claim can still be contested", where=f"{self.contestable_until}")
        return self._ended(is_set=True)

    def arbitrate(self, now: int, *, releases: bool) -> Lien:
        """After the arbiter's word; `Refused` LIEN_STATE, LIEN_ARBITER before date and patience have passed."""
        if self.state != LienState.FROZEN:
            raise Refused("LIEN_STATE", "the lien does not wait for this", where=self.state.name)
        if now < self.terms.date + self.terms.patience:
            raise Refused("LIEN_ARBITER", "too early for the arbiter", where=f"{self.terms.date + self.terms.patience}")
        return Lien(self.terms, LienState.RELEASED if releases else LienState.FORFEITED)

    def hand_over(self) -> tuple[Lien, bytes]:
        """After the title was handed over, and to whom; `Refused` LIEN_STATE."""
        if self.state not in (LienState.RELEASED, LienState.FORFEITED):
            raise Refused("LIEN_STATE", "the lien has not ended, or its title was handed over", where=self.state.name)
        to = self.terms.holder if self.state == LienState.RELEASED else self.terms.beneficiary
        return Lien(self.terms, LienState.HANDED_OVER), to

    def _ended(self, *, is_set: bool) -> Lien:
        releases = (self.terms.set_means == Meaning.RELEASES) == is_set
        return Lien(self.terms, LienState.RELEASED if releases else LienState.FORFEITED)
