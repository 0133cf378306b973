"""The paper book: what stands on paper and not on chain. Lots and places by name, warehouse receipts and loans.

Each is kept under the digest that the chains know it by, so that a row here joins the facts there. May never happen
here: a paper that changes after it was registered. What is wrong on one is corrected by another one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlmodel import SQLModel, col, select

from ledger.canonical import DIGEST_BYTES
from ledger.errors import BadInput, Refused
from ledger.gs1 import Identifier, goods_key, parse
from ledger.store.database import Database
from ledger.store.tables import LoanDocumentRow, LotRow, LotStepRow, PlaceRow, ReceiptDocumentRow

MAX_TEXT_CHARS = 200
MAX_STEPS = 64
_CURRENCY = re.compile(r"[A-Z]{3}")  # ISO 4217
_UNIT = re.compile(r"[A-Z0-9]{2,3}")  # UN/CEFACT Recommendation 20


@dataclass(frozen=True, slots=True)
class Name:
    """What people call a thing, in the languages of the pages."""

    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class Lot:
    """A registered lot; `steps` in the order they are done."""

    identifier: Identifier
    goods_key: bytes
    name: Name
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReceiptDocument:
    """A warehouse receipt's paper. `unit`: UN/CEFACT Rec 20 code, such as KGM."""

    receipt_id: bytes
    number: str
    keeper: str
    goods_key: bytes
    quantity: Decimal
    unit: str


@dataclass(frozen=True, slots=True)
class LoanDocument:
    """A loan's paper. `currency`: ISO 4217."""

    loan_id: bytes
    number: str
    lender: str
    receipt_id: bytes
    amount: Decimal
    currency: str


class PaperBook:
    """The papers of one database. Registering the same again changes nothing; other content is PAPER_KNOWN."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def register_lot(self, identifier: Identifier, *, name: Name, steps: Sequence[str] = ()) -> Lot:
        """Name a lot (GTIN and lot code). `BadInput` GOODS_NOT_A_LOT, PAPER_FIELD; `Refused` PAPER_KNOWN."""
        lot = identifier.lot() or identifier
        made = Lot(lot, goods_key(lot), name, tuple(steps))
        _texts("lot", name.en, name.zh, *made.steps)
        if len(made.steps) > MAX_STEPS:
            raise _bad("lot.steps", f"a lot has at most {MAX_STEPS} steps")
        if self.lot(made.goods_key) == made:
            return made
        rows: list[SQLModel] = [
            LotStepRow(goods_key=made.goods_key, position=position, step=step)
            for position, step in enumerate(made.steps)
        ]
        lot_row = LotRow(goods_key=made.goods_key, identifier=lot.normal, name_en=name.en, name_zh=name.zh)
        self._write(LotRow, made.goods_key, [lot_row, *rows])
        return made

    def register_place(self, identifier: Identifier, *, name: Name) -> None:
        """Name a place. Only places named here are shown on public pages."""
        _texts("place", name.en, name.zh)
        if self.place(identifier) == name:
            return
        row = PlaceRow(identifier=identifier.normal, name_en=name.en, name_zh=name.zh)
        self._write(PlaceRow, identifier.normal, [row])

    def register_receipt_document(self, document: ReceiptDocument) -> None:
        """Enter a warehouse receipt's paper under the id it has on chain."""
        _digests("receipt", document.receipt_id, document.goods_key)
        _texts("receipt", document.number, document.keeper)
        _positive("receipt.quantity", document.quantity)
        if not _UNIT.fullmatch(document.unit):
            raise _bad("receipt.unit", "a unit is a UN/CEFACT Rec 20 code such as KGM")
        if self.receipt_document(document.receipt_id) == document:
            return
        self._write(
            ReceiptDocumentRow,
            document.receipt_id,
            [
                ReceiptDocumentRow(
                    receipt_id=document.receipt_id,
                    number=document.number,
                    keeper=document.keeper,
                    goods_key=document.goods_key,
                    quantity=str(document.quantity),
                    unit=document.unit,
                )
            ],
        )

    def register_loan_document(self, document: LoanDocument) -> None:
        """Enter a loan's paper under the id it has on chain."""
        _digests("loan", document.loan_id, document.receipt_id)
        _texts("loan", document.number, document.lender)
        _positive("loan.amount", document.amount)
        if not _CURRENCY.fullmatch(document.currency):
            raise _bad("loan.currency", "a currency is three letters (ISO 4217)")
        if self.loan_document(document.loan_id) == document:
            return
        self._write(
            LoanDocumentRow,
            document.loan_id,
            [
                LoanDocumentRow(
                    loan_id=document.loan_id,
                    number=document.number,
                    lender=document.lender,
                    receipt_id=document.receipt_id,
                    amount=str(document.amount),
                    currency=document.currency,
                )
            ],
        )

    def lot(self, key: bytes) -> Lot | None:
        """The lot of a goods key (32 bytes)."""
        with self._database.reading() as session:
            row = session.get(LotRow, key)
            steps = session.exec(
                select(LotStepRow.step).where(LotStepRow.goods_key == key).order_by(col(LotStepRow.position))
            ).all()
        if row is None:
            return None
        return Lot(parse(row.identifier), row.goods_key, Name(row.name_en, row.name_zh), tuple(steps))

    def place(self, identifier: Identifier) -> Name | None:
        """What a place is called."""
        with self._database.reading() as session:
            row = session.get(PlaceRow, identifier.normal)
        return None if row is None else Name(row.name_en, row.name_zh)

    def receipt_document(self, receipt_id: bytes) -> ReceiptDocument | None:
        """The paper of a warehouse receipt."""
        with self._database.reading() as session:
            row = session.get(ReceiptDocumentRow, receipt_id)
        if row is None:
            return None
        return ReceiptDocument(row.receipt_id, row.number, row.keeper, row.goods_key, Decimal(row.quantity), row.unit)

    def loan_document(self, loan_id: bytes) -> LoanDocument | None:
        """The paper of a loan."""
        with self._database.reading() as session:
            row = session.get(LoanDocumentRow, loan_id)
        if row is None:
            return None
        return LoanDocument(row.loan_id, row.number, row.lender, row.receipt_id, Decimal(row.amount), row.currency)

    def _write(self, table: type[SQLModel], key: bytes | str, rows: Sequence[SQLModel]) -> None:
        with self._database.writing() as session:
            if session.get(table, key) is not None:
                raise Refused(
                    "PAPER_KNOWN",
                    "Something else is registered under this id.",
                    where=key.hex() if isinstance(key, bytes) else key,
                    cure="Papers do not change: register the corrected one under its own number.",
                )
            for row in rows:
                session.add(row)
                session.flush()


def _digests(field: str, *values: bytes) -> None:
    if any(len(value) != DIGEST_BYTES for value in values):
        raise _bad(field, f"an id on chain has {DIGEST_BYTES} bytes")


def _texts(field: str, *values: str) -> None:
    for value in values:
        if not 0 < len(value) <= MAX_TEXT_CHARS or not value.isprintable():
            raise _bad(field, f"a text has 1 to {MAX_TEXT_CHARS} printable characters")


def _positive(field: str, value: Decimal) -> None:
    if not value.is_finite() or value <= 0 or len(value.as_tuple().digits) > 30 or abs(value.adjusted()) > 30:
        raise _bad(field, "an amount is more than zero and has at most 30 digits")


def _bad(field: str, reason: str) -> BadInput:
    return BadInput("PAPER_FIELD", f"The paper cannot be registered: {reason}.", where=field)
