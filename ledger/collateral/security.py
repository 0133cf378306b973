"""What secures loans: warehouse receipts on the origin chain, reserved goods on the transaction chain, and the anchors
that tie both to the evidence log."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from ledger.collateral.fact import ChainFact
from ledger.collateral.record import Record, number, raw, record_of


class ReceiptState(StrEnum):
    """Where a warehouse receipt stands; `held` is a prepared leg of a two-phase commit, `free` one that was frozen or
    held before, `divided` one that other receipts stand for since it was split or merged."""

    ISSUED = "issued"
    FROZEN = "frozen"
    HELD = "held"
    FREE = "free"
    REDEEMED = "redeemed"
    DIVIDED = "divided"


@dataclass(frozen=True, slots=True)
class Receipt:
    """A warehouse receipt. `keeper`, `holder`: 20 bytes; `frozen_by`: the loan that holds the lien, if one does."""

    id: bytes
    goods_key: bytes
    keeper: bytes
    holder: bytes
    quantity: int
    issued: Record
    changed: Record
    state: ReceiptState = ReceiptState.ISSUED
    consented_to: bytes | None = None
    frozen_by: bytes | None = None


@dataclass(frozen=True, slots=True)
class Reservation:
    """One goods key. `held_by`: the loan that reserved it, None when free; `refused`: loans that came too late."""

    goods_key: bytes
    held_by: bytes | None
    changed: Record
    refused: tuple[tuple[bytes, Record], ...] = ()


@dataclass(frozen=True, slots=True)
class Anchor:
    """A checkpoint recorded on the origin chain."""

    size: int
    root: bytes
    record: Record


@dataclass(frozen=True, slots=True)
class Mirror:
    """An anchor that a proven message brought to another chain. `log`: SHA-256 of the log's origin line."""

    log: bytes
    size: int
    root: bytes
    record: Record


def issued(fact: ChainFact) -> Receipt:
    """After `ReceiptIssued`."""
    record = record_of(fact)
    return Receipt(
        id=raw(fact, "receipt_id"),
        goods_key=raw(fact, "goods_key"),
        keeper=raw(fact, "keeper"),
        holder=raw(fact, "holder"),
        quantity=number(fact, "quantity"),
        issued=record,
        changed=record,
    )


def receipt_after(receipt: Receipt, fact: ChainFact) -> Receipt:
    """After any later event of the warehouse receipt contract."""
    changed = replace(receipt, changed=record_of(fact))
    match fact.event:
        case "PledgeConsented":
            loan = raw(fact, "loan_id")
            return replace(changed, consented_to=loan if any(loan) else None)
        case "LegConsented" | "ReceiptPresented":  # instead of the loan that was consented to
            return replace(changed, consented_to=None)
        case "ReceiptFrozen":
            return replace(changed, state=ReceiptState.FROZEN, frozen_by=raw(fact, "loan_id"), consented_to=None)
        case "ReceiptTransferred":
            return replace(changed, holder=raw(fact, "holder"), consented_to=None)
        case "ReceiptRedeemed":
            return replace(changed, state=ReceiptState.REDEEMED, holder=bytes(20), consented_to=None)
        case _:
            return _held_or_freed(changed, fact)


def _held_or_freed(receipt: Receipt, fact: ChainFact) -> Receipt:
    """After a leg took the receipt (ReceiptHeld), or a leg or a loan let it go, to its holder or a new one."""
    if fact.event == "ReceiptHeld":
        return replace(receipt, state=ReceiptState.HELD, consented_to=None)
    holder = raw(fact, "holder") if fact.event in ("ReceiptEnforced", "ReceiptDelivered") else receipt.holder
    return replace(receipt, state=ReceiptState.FREE, frozen_by=None, holder=holder)


def split(whole: Receipt, fact: ChainFact) -> tuple[Receipt, ...]:
    """After `ReceiptSplit`: the spent receipt and its two parts."""
    record, first = record_of(fact), number(fact, "first_quantity")
    parts = (("first", first), ("second", whole.quantity - first))
    return (
        _spent(whole, record),
        *(_created(raw(fact, name), whole, quantity, record) for name, quantity in parts),
    )


def merged(first: Receipt, second: Receipt, fact: ChainFact) -> tuple[Receipt, ...]:
    """After `ReceiptsMerged`: the two spent receipts and the one over both."""
    record = record_of(fact)
    over_both = _created(raw(fact, "receipt_id"), first, number(fact, "quantity"), record)
    return _spent(first, record), _spent(second, record), over_both


def _spent(receipt: Receipt, record: Record) -> Receipt:
    return replace(receipt, state=ReceiptState.DIVIDED, holder=bytes(20), changed=record)


def _created(receipt_id: bytes, whole: Receipt, quantity: int, record: Record) -> Receipt:
    return Receipt(receipt_id, whole.goods_key, whole.keeper, whole.holder, quantity, record, record)


def reservation_after(held: Reservation | None, fact: ChainFact) -> Reservation:
    """After an event of the goods registry."""
    loan, record, key = raw(fact, "loan_id"), record_of(fact), raw(fact, "goods_key")
    held = held or Reservation(key, None, record)
    match fact.event:
        case "GoodsReserved":
            return replace(held, held_by=loan, changed=record)
        case "GoodsReleased":
            return replace(held, held_by=None, changed=record)
        case _:  # ReservationRefused
            return replace(held, refused=(*held.refused, (loan, record)))
