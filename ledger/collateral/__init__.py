"""What secures what: the chains' facts folded into loans, receipts, reservations, messages and anchors. Pure.

`fold(facts)` gives the whole state; the facts are claims of the indexer, so what follows from them is shown with the
block and transaction where anybody can look it up.
"""

from ledger.collateral.attention import Attention, attention_of
from ledger.collateral.fact import ChainFact, FactValue
from ledger.collateral.fold import Collateral, fold
from ledger.collateral.loan import Leg, Loan, LoanState
from ledger.collateral.message import Action, CarriedMessage, Instruction, MessageState
from ledger.collateral.record import Record, outcome_text
from ledger.collateral.security import Anchor, Mirror, Receipt, ReceiptState, Reservation

__all__ = [
    "Action",
    "Anchor",
    "Attention",
    "CarriedMessage",
    "ChainFact",
    "Collateral",
    "FactValue",
    "Instruction",
    "Leg",
    "Loan",
    "LoanState",
    "MessageState",
    "Mirror",
    "Receipt",
    "ReceiptState",
    "Record",
    "Reservation",
    "attention_of",
    "fold",
    "outcome_text",
]
