"""Freezes on a condition: a title that is its holder's to take back until another chain's state freezes it. Pure.

Twin of `contracts/vyper/ConditionalFreeze.vy`. What freezes is a fact that stays true: a write-once slot is set, or was
unset at a date. Whoever relies on it must prove it before a notice is over; a frozen title only ever goes back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

from ledger.attestation import address_word, fits, word
from ledger.errors import BadInput, Refused
from ledger.ethereum.keccak import keccak256 as keccak

MIN_NOTICE_SECONDS, MAX_NOTICE_SECONDS = 3600, 90 * 24 * 3600
MAX_AHEAD_SECONDS = 20 * 365 * 24 * 3600

_ID_TAG = keccak(b"pledgetrail/conditional-freeze/v1")


class Trigger(IntEnum):
    """What freezes a title."""

    WHEN_SET = 1
    WHEN_UNSET = 2


class FreezeState(IntEnum):
    """Where a freeze stands."""

    UNKNOWN = 0
    AGREED = 1
    GUARDED = 2
    FROZEN = 3
    RETURNED = 4


@dataclass(frozen=True, slots=True)
class FreezeTerms:
    """What a holder agrees to. Accounts: 20 bytes; `subject`, `code_hash`, slots and `salt`: 32 bytes.

    `date`: seconds of the foreign chain's time, 0 where the slot being set freezes; `notice`: seconds; `until`: seconds
    of the title's chain. Errors: `BadInput` TERMS_RANGE.
    """

    title: bytes
    subject: bytes
    holder: bytes
    beneficiary: bytes
    reader: bytes
    account: bytes
    code_hash: bytes
    freeze_slot: bytes
    freezes_when: Trigger
    date: int
    release_slot: bytes
    notice: int
    until: int
    salt: bytes

    def __post_init__(self) -> None:
        accounts = (self.title, self.holder, self.beneficiary, self.reader, self.account)
        words = (self.subject, self.code_hash, self.freeze_slot, self.release_slot, self.salt)
        numbers = all(fits(number, 64) for number in (self.date, self.notice, self.until))
        sizes = all(len(each) == 20 for each in accounts) and all(len(each) == 32 for each in words)
        if not (sizes and numbers and self.freezes_when in Trigger.__members__.values()):
            raise BadInput("TERMS_RANGE", "a field of the terms is outside its type")

    def id(self, *, chain_id: int, contract: bytes) -> bytes:
        """The freeze's identity at a contract of a chain."""
        here = word(chain_id) + address_word(contract)
        ends = address_word(self.title) + self.subject
        parties = b"".join(address_word(each) for each in (self.holder, self.beneficiary, self.reader, self.account))
        condition = self.code_hash + self.freeze_slot + word(self.freezes_when) + word(self.date) + self.release_slot
        return keccak(_ID_TAG + here + ends + parties + condition + word(self.notice) + word(self.until) + self.salt)

    def as_abi(self) -> tuple[object, ...]:
        """The contract's `Terms` struct, for an ABI encoder."""
        parties = (self.title, self.subject, self.holder, self.beneficiary, self.reader, self.account)
        condition = (self.code_hash, self.freeze_slot, int(self.freezes_when), self.date, self.release_slot)
        return (*parties, *condition, self.notice, self.until, self.salt)

    def check(self, now: int) -> None:
        """Whether the contract takes these terms at a time; `Refused` FREEZE_PARTIES, FREEZE_CONDITION, FREEZE_TIME."""
        nobody = bytes(20)
        if len({nobody, self.holder, self.beneficiary}) != 3:
            raise Refused("FREEZE_PARTIES", "holder and beneficiary are two different accounts")
        if (self.date != 0) != (self.freezes_when is Trigger.WHEN_UNSET):
            raise Refused("FREEZE_CONDITION", "a date is given where an unset slot freezes, and nowhere else")
        if nobody in (self.reader, self.account) or not any(self.code_hash) or self.freeze_slot == self.release_slot:
            raise Refused("FREEZE_CONDITION", "the condition names a reader, a contract with its code, and two slots")
        if not MIN_NOTICE_SECONDS <= self.notice <= MAX_NOTICE_SECONDS:
            raise Refused("FREEZE_TIME", "the notice is out of bounds", where=f"{self.notice}")
        if not now < self.until <= now + MAX_AHEAD_SECONDS:
            raise Refused("FREEZE_TIME", "the end is past or too far", where=f"{self.until}")


@dataclass(frozen=True, slots=True)
class Freeze:
    """A freeze at its contract. `due`: when a notice is over, seconds of that chain's time; 0 where none was given."""

    terms: FreezeTerms
    state: FreezeState = FreezeState.GUARDED
    due: int = 0

    def prove(self, header_time: int, now: int, *, is_set: bool) -> Freeze:
        """After a reading of the freeze slot; `Refused` FREEZE_STATE, FREEZE_TIME, FREEZE_CONDITION."""
        self._require(FreezeState.GUARDED)
        if now >= self.terms.until:
            raise Refused("FREEZE_TIME", "the freeze is over", where=f"{self.terms.until}")
        if header_time < self.terms.date:
            raise Refused("FREEZE_CONDITION", "the header is of before the date", where=f"{header_time}")
        if is_set != (self.terms.freezes_when is Trigger.WHEN_SET):
            raise Refused("FREEZE_CONDITION", "what would freeze the title has not happened")
        return Freeze(self.terms, FreezeState.FROZEN)

    def give_notice(self, now: int) -> Freeze:
        """After the holder's notice; `Refused` FREEZE_STATE, FREEZE_TIME while an earlier one stands."""
        self._require(FreezeState.GUARDED)
        if self.due and now < self.due + self.terms.notice:
            raise Refused("FREEZE_TIME", "notice was given", where=f"{self.due}")
        return replace(self, due=now + self.terms.notice)

    def take_back(self, now: int) -> Freeze:
        """After the title was taken back; `Refused` FREEZE_STATE, FREEZE_TIME too early or once the notice is void."""
        self._require(FreezeState.GUARDED)
        if not self.due or not self.due <= now < self.due + self.terms.notice:
            raise Refused("FREEZE_TIME", "no notice is over, or it is void", where=f"{self.due}")
        return Freeze(self.terms, FreezeState.RETURNED)

    def release(self, *, is_set: bool) -> Freeze:
        """After a reading of the release slot; `Refused` FREEZE_STATE, FREEZE_CONDITION."""
        self._require(FreezeState.GUARDED, FreezeState.FROZEN)
        if not is_set:
            raise Refused("FREEZE_CONDITION", "the slot is unset")
        return Freeze(self.terms, FreezeState.RETURNED)

    def lapse(self, now: int) -> Freeze:
        """After its end; `Refused` FREEZE_STATE, FREEZE_TIME before."""
        self._require(FreezeState.GUARDED, FreezeState.FROZEN)
        if now < self.terms.until:
            raise Refused("FREEZE_TIME", "the freeze is not over", where=f"{self.terms.until}")
        return Freeze(self.terms, FreezeState.RETURNED)

    def _require(self, *states: FreezeState) -> None:
        if self.state not in states:
            raise Refused("FREEZE_STATE", "the title does not wait for this", where=self.state.name)
