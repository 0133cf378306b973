"""A loan and its two securities, as the pledge registry tells of them (`contracts/vyper/PledgeRegistry.vy`)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from ledger.collateral.fact import ChainFact
from ledger.collateral.record import Record, number, outcome_text, raw, record_of

_SECURED = {"reserved", "frozen"}
_GOODS = 1


class LoanState(StrEnum):
    """Where a loan stands."""

    OPENING = "opening"
    ACTIVE = "active"
    REFUSED = "refused"
    REPAID = "repaid"
    RELEASED = "released"
    ENFORCED = "enforced"


@dataclass(frozen=True, slots=True)
class Leg:
    """One security of a loan: the goods on the transaction chain, or the warehouse receipt on the origin chain.

    `message`: the instruction that secures it; `answer`: its outcome, empty until acknowledged; `release` and
    `release_answer` likewise, once the loan has asked for the release (or for the receipt to be handed over).
    """

    message: bytes
    answer: str = ""
    answered: Record | None = None
    release: bytes | None = None
    release_answer: str = ""
    release_answered: Record | None = None

    @property
    def secured(self) -> bool:
        """Whether the security was given."""
        return self.answer in _SECURED

    @property
    def denied(self) -> bool:
        """Whether it was refused."""
        return bool(self.answer) and not self.secured


@dataclass(frozen=True, slots=True)
class Loan:
    """One loan. `lender`: 20 bytes; ids of 32 bytes; `refusal`: the outcome that refused it, as text.

    `opened`: the first fact about it; `changed`: the one that put it into its present state.
    """

    id: bytes
    lender: bytes
    goods_key: bytes
    receipt_id: bytes
    terms_digest: bytes
    goods: Leg
    receipt: Leg
    opened: Record
    changed: Record
    state: LoanState = LoanState.OPENING
    refusal: str = ""

    @property
    def legs(self) -> tuple[tuple[str, Leg], tuple[str, Leg]]:
        """Both legs by name."""
        return ("goods", self.goods), ("receipt", self.receipt)


def opened(fact: ChainFact) -> Loan:
    """After `LoanOpening`."""
    record = record_of(fact)
    return Loan(
        id=raw(fact, "loan_id"),
        lender=raw(fact, "lender"),
        goods_key=raw(fact, "goods_key"),
        receipt_id=raw(fact, "receipt_id"),
        terms_digest=raw(fact, "terms_digest"),
        goods=Leg(raw(fact, "goods_message")),
        receipt=Leg(raw(fact, "receipt_message")),
        opened=record,
        changed=record,
    )


def answered(loan: Loan, fact: ChainFact) -> Loan:
    """After `LegAnswered`: the first answer of a leg is about securing it, the second about its release."""
    outcome, record = outcome_text(raw(fact, "outcome")), record_of(fact)
    is_goods = number(fact, "leg") == _GOODS
    leg = loan.goods if is_goods else loan.receipt
    if leg.answered is None:
        leg = replace(leg, answer=outcome, answered=record)
    else:
        leg = replace(leg, release_answer=outcome, release_answered=record)
    return replace(loan, goods=leg) if is_goods else replace(loan, receipt=leg)


def moved(loan: Loan, fact: ChainFact) -> Loan:
    """After `LoanActive`, `LoanRefused`, `LoanRepaid`, `LoanEnforced` or `LoanReleased`."""
    state = LoanState(fact.event.removeprefix("Loan").lower())
    refusal = outcome_text(raw(fact, "outcome")) if state is LoanState.REFUSED else loan.refusal
    return replace(loan, state=state, refusal=refusal, changed=record_of(fact))
