"""What a loan officer has to look at: a pledge that waits, was refused, is disputed, or lost its security. Pure."""

from __future__ import annotations

from enum import StrEnum

from ledger.collateral.fold import Collateral
from ledger.collateral.loan import Loan, LoanState
from ledger.collateral.message import MessageState


class Attention(StrEnum):
    """The one thing to know about a pledge now; what stops comes before what waits."""

    NOTHING = "nothing"
    WAIT_SECURITY = "wait_security"
    WAIT_RELEASE = "wait_release"
    OTHER_SECURITY = "other_security"
    DISPUTED = "disputed"
    SECURITY_LOST = "security_lost"


def attention_of(loan: Loan, collateral: Collateral) -> Attention:
    """What to tell the officer about `loan`."""
    if _is_disputed(loan, collateral):
        return Attention.DISPUTED
    match loan.state:
        case LoanState.OPENING:
            return Attention.WAIT_SECURITY
        case LoanState.REFUSED:
            return Attention.OTHER_SECURITY
        case LoanState.REPAID:
            return Attention.WAIT_RELEASE
        case LoanState.ACTIVE:
            return Attention.NOTHING if _stands(loan, collateral) else Attention.SECURITY_LOST
        case _:
            return Attention.NOTHING


def _is_disputed(loan: Loan, collateral: Collateral) -> bool:
    ids = (one for _, leg in loan.legs for one in (leg.message, leg.release))
    found = (collateral.messages.get(one) for one in ids if one is not None)
    return any(message is not None and message.state is MessageState.DISPUTED for message in found)


def _stands(loan: Loan, collateral: Collateral) -> bool:
    """Whether the goods are still reserved for the loan and the receipt still frozen by it, as the chains say now."""
    reserved = collateral.reservations.get(loan.goods_key)
    receipt = collateral.receipts.get(loan.receipt_id)
    return reserved is not None and reserved.held_by == loan.id and receipt is not None and receipt.frozen_by == loan.id
