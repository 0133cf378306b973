"""`fold`: every fact of every chain in, the present state of all collateral out.

Facts of one chain count in their order; facts of different chains have none, so nothing here depends on it: each value
is told of by one chain, and a message by three that each fill in their own stages. Going back is folding fewer facts.
May never happen here: a fact that is dropped because it fits nothing. It is kept as `unexplained`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from ledger.collateral import loan as loans
from ledger.collateral import message as messages
from ledger.collateral import security
from ledger.collateral.fact import ChainFact
from ledger.collateral.loan import Leg, Loan
from ledger.collateral.message import Action, CarriedMessage
from ledger.collateral.record import number, raw, record_of
from ledger.collateral.security import Anchor, Mirror, Receipt, Reservation


@dataclass(frozen=True, slots=True)
class Collateral:
    """Everything by its id (32 bytes), in the order the chains first told of it."""

    loans: Mapping[bytes, Loan]
    receipts: Mapping[bytes, Receipt]
    reservations: Mapping[bytes, Reservation]
    messages: Mapping[bytes, CarriedMessage]
    anchors: tuple[Anchor, ...]
    mirrors: tuple[Mirror, ...]
    unexplained: tuple[ChainFact, ...]


def fold(facts: Iterable[ChainFact]) -> Collateral:
    """The state after these facts, whatever order they come in. `BadInput` FACT_FIELD for a malformed one."""
    state = _State()
    for fact in sorted(facts, key=lambda fact: (fact.chain_id, fact.block, fact.log_index)):
        step = _STEPS.get((fact.contract, fact.event))
        if step is not None:
            step(state, fact)
    return state.frozen()


@dataclass(slots=True)
class _State:
    loans: dict[bytes, Loan] = field(default_factory=dict)
    receipts: dict[bytes, Receipt] = field(default_factory=dict)
    reservations: dict[bytes, Reservation] = field(default_factory=dict)
    messages: dict[bytes, CarriedMessage] = field(default_factory=dict)
    anchors: list[Anchor] = field(default_factory=list)
    mirrors: list[Mirror] = field(default_factory=list)
    unexplained: list[ChainFact] = field(default_factory=list)

    def frozen(self) -> Collateral:
        for message in self.messages.values():
            self._join_release(message)
        return Collateral(
            MappingProxyType(self.loans),
            MappingProxyType(self.receipts),
            MappingProxyType(self.reservations),
            MappingProxyType(self.messages),
            tuple(self.anchors),
            tuple(self.mirrors),
            tuple(self.unexplained),
        )

    def message(self, fact: ChainFact, name: str = "id") -> CarriedMessage:
        found = raw(fact, name)
        return self.messages.get(found) or CarriedMessage(found)

    def _join_release(self, message: CarriedMessage) -> None:
        """A release is announced by no event of the pledge registry: the message's own payload names its loan."""
        asked = message.instruction
        if asked is None or asked.action is Action.SECURE or asked.loan_id not in self.loans:
            return
        loan = self.loans[asked.loan_id]
        securing = self.messages.get(loan.goods.message)
        if securing is not None and securing.recipient == message.recipient:
            self.loans[loan.id] = replace(loan, goods=_released_by(loan.goods, message))
        else:
            self.loans[loan.id] = replace(loan, receipt=_released_by(loan.receipt, message))


def _released_by(leg: Leg, message: CarriedMessage) -> Leg:
    return replace(leg, release=message.id)


def _sent(state: _State, fact: ChainFact) -> None:
    message = messages.sent(state.message(fact, "sendId"), fact)
    state.messages[message.id] = message


def _proposed(state: _State, fact: ChainFact) -> None:
    message = replace(state.message(fact), proposed=record_of(fact))
    state.messages[message.id] = message


def _attested(state: _State, fact: ChainFact) -> None:
    message = replace(state.message(fact), attested=record_of(fact))
    state.messages[message.id] = message


def _committed(state: _State, fact: ChainFact) -> None:
    message = messages.committed(state.message(fact), fact)
    state.messages[message.id] = message


def _judged(state: _State, fact: ChainFact) -> None:
    message = messages.judged(state.message(fact), fact)
    state.messages[message.id] = message


def _opened(state: _State, fact: ChainFact) -> None:
    loan = loans.opened(fact)
    state.loans[loan.id] = loan


def _loan(change: Callable[[Loan, ChainFact], Loan]) -> Callable[[_State, ChainFact], None]:
    def step(state: _State, fact: ChainFact) -> None:
        loan = state.loans.get(raw(fact, "loan_id"))
        if loan is None:
            state.unexplained.append(fact)
        else:
            state.loans[loan.id] = change(loan, fact)

    return step


def _issued(state: _State, fact: ChainFact) -> None:
    receipt = security.issued(fact)
    state.receipts[receipt.id] = receipt


def _receipt(state: _State, fact: ChainFact) -> None:
    receipt = state.receipts.get(raw(fact, "receipt_id"))
    if receipt is None:
        state.unexplained.append(fact)
    else:
        state.receipts[receipt.id] = security.receipt_after(receipt, fact)


def _split(state: _State, fact: ChainFact) -> None:
    whole = state.receipts.get(raw(fact, "receipt_id"))
    if whole is None:
        state.unexplained.append(fact)
    else:
        _replace_receipts(state, security.split(whole, fact))


def _merged(state: _State, fact: ChainFact) -> None:
    parts = [state.receipts.get(raw(fact, name)) for name in ("first", "second")]
    if parts[0] is None or parts[1] is None:
        state.unexplained.append(fact)
    else:
        _replace_receipts(state, security.merged(parts[0], parts[1], fact))


def _replace_receipts(state: _State, changed: Iterable[Receipt]) -> None:
    state.receipts.update({receipt.id: receipt for receipt in changed})


def _reservation(state: _State, fact: ChainFact) -> None:
    key = raw(fact, "goods_key")
    state.reservations[key] = security.reservation_after(state.reservations.get(key), fact)


def _anchored(state: _State, fact: ChainFact) -> None:
    state.anchors.append(Anchor(number(fact, "size"), raw(fact, "root"), record_of(fact)))


def _mirrored(state: _State, fact: ChainFact) -> None:
    mirror = Mirror(raw(fact, "log_origin"), number(fact, "size"), raw(fact, "root"), record_of(fact))
    state.mirrors.append(mirror)


_STEPS: Mapping[tuple[str, str], Callable[[_State, ChainFact], None]] = MappingProxyType(
    {
        ("Gateway", "MessageSent"): _sent,
        ("Gateway", "MessageCommitted"): _committed,
        ("TransactionRegistry", "Proposed"): _proposed,
        ("TransactionRegistry", "Attested"): _attested,
        ("TransactionRegistry", "CommitJudged"): _judged,
        ("PledgeRegistry", "LoanOpening"): _opened,
        ("PledgeRegistry", "LegAnswered"): _loan(loans.answered),
        ("PledgeRegistry", "LoanActive"): _loan(loans.moved),
        ("PledgeRegistry", "LoanRefused"): _loan(loans.moved),
        ("PledgeRegistry", "LoanRepaid"): _loan(loans.moved),
        ("PledgeRegistry", "LoanEnforced"): _loan(loans.moved),
        ("PledgeRegistry", "LoanReleased"): _loan(loans.moved),
        ("WarehouseReceipt", "ReceiptIssued"): _issued,
        ("WarehouseReceipt", "PledgeConsented"): _receipt,
        ("WarehouseReceipt", "ReceiptFrozen"): _receipt,
        ("WarehouseReceipt", "ReceiptReleased"): _receipt,
        ("WarehouseReceipt", "ReceiptEnforced"): _receipt,
        ("WarehouseReceipt", "ReceiptSplit"): _split,
        ("WarehouseReceipt", "ReceiptsMerged"): _merged,
        ("WarehouseReceipt", "ReceiptTransferred"): _receipt,
        ("WarehouseReceipt", "ReceiptPresented"): _receipt,
        ("WarehouseReceipt", "ReceiptRedeemed"): _receipt,
        ("WarehouseReceipt", "LegConsented"): _receipt,
        ("WarehouseReceipt", "ReceiptHeld"): _receipt,
        ("WarehouseReceipt", "ReceiptDelivered"): _receipt,
        ("WarehouseReceipt", "ReceiptLetGo"): _receipt,
        ("GoodsRegistry", "GoodsReserved"): _reservation,
        ("GoodsRegistry", "GoodsReleased"): _reservation,
        ("GoodsRegistry", "ReservationRefused"): _reservation,
        ("AnchorRegistry", "Anchored"): _anchored,
        ("AnchorMirror", "AnchorMirrored"): _mirrored,
    }
)
