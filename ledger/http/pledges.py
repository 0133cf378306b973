"""How an address names pledges, for the API and the portal alike."""

from __future__ import annotations

import re

from ledger.collateral import Loan, LoanState
from ledger.errors import Refused, WrongUse
from ledger.store import Ledger

_LOAN_ID = re.compile(r"0x[0-9a-f]{64}", re.ASCII)


def loan_state(text: str) -> LoanState:
    """The state a query names. `WrongUse` QUERY_VALUE."""
    try:
        return LoanState(text)
    except ValueError:
        raise WrongUse(
            "QUERY_VALUE", "There is no such state.", where="state", cure=f"One of {', '.join(LoanState)}."
        ) from None


def find_loan(ledger: Ledger, text: str) -> Loan:
    """The loan of an id in 0x-hex. `Refused` PLEDGE_UNKNOWN."""
    loan = ledger.collateral().loans.get(bytes.fromhex(text[2:])) if _LOAN_ID.fullmatch(text) else None
    if loan is None:
        raise Refused("PLEDGE_UNKNOWN", "No such pledge is known here.", where=ascii(text)[:80])
    return loan
