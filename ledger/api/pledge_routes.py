"""Pledges as JSON, for loan officers' programs. Not public: it names lenders and amounts."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from ledger.collateral import Leg, Loan, Record
from ledger.http.pledges import find_loan, loan_state
from ledger.http.requests import read_query
from ledger.interoperable import caip2
from ledger.store import Ledger


def pledge_routes(ledger: Ledger) -> APIRouter:
    """`/api/v1/pledges` and `/api/v1/pledges/{loan_id}`."""
    router = APIRouter(prefix="/api/v1/pledges", tags=["pledges"])

    @router.get("")
    def pledges(request: Request) -> Response:
        """Every pledge, in the order they were opened; `?state=` for those in one state."""
        query = read_query(request, ("state",))
        state = loan_state(query["state"]) if "state" in query else None
        found = [loan for loan in ledger.collateral().loans.values() if state in (None, loan.state)]
        return JSONResponse({"pledges": [_loan(ledger, loan) for loan in found]})

    @router.get("/{loan_id}")
    def pledge(request: Request, loan_id: str) -> Response:
        """One pledge."""
        read_query(request, ())
        return JSONResponse(_loan(ledger, find_loan(ledger, loan_id)))

    return router


def _loan(ledger: Ledger, loan: Loan) -> dict[str, object]:
    paper = ledger.papers.loan_document(loan.id)
    return {
        "loanId": _hex(loan.id),
        "state": loan.state,
        "refusal": loan.refusal,
        "goodsKey": _hex(loan.goods_key),
        "receiptId": _hex(loan.receipt_id),
        "document": None
        if paper is None
        else {
            "number": paper.number,
            "lender": paper.lender,
            "amount": str(paper.amount),
            "currency": paper.currency,
        },
        "opened": _record(loan.opened),
        "changed": _record(loan.changed),
        "legs": {name: _leg(ledger, leg) for name, leg in loan.legs},
    }


def _leg(ledger: Ledger, leg: Leg) -> dict[str, object]:
    messages = ledger.collateral().messages
    securing, releasing = messages.get(leg.message), messages.get(leg.release) if leg.release else None
    return {
        "message": _hex(leg.message),
        "messageState": None if securing is None else securing.state,
        "credential": None if securing is None or securing.credential is None else _hex(securing.credential),
        "answer": leg.answer or None,
        "answered": _record(leg.answered),
        "release": None if releasing is None else _hex(releasing.id),
        "releaseState": None if releasing is None else releasing.state,
        "releaseAnswer": leg.release_answer or None,
    }


def _record(record: Record | None) -> dict[str, object] | None:
    if record is None:
        return None
    return {
        "chain": caip2(record.chain_id),
        "block": record.block,
        "tx": _hex(record.transaction),
        "time": record.time,
    }


def _hex(value: bytes) -> str:
    return f"0x{value.hex()}"
