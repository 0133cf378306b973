"""The loan officer's portal: every pledge, what needs a decision, and for each number the evidence behind it.

It names lenders and amounts, has no sign-in yet, and so belongs on this machine's own address only.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from ledger.collateral import (
    Attention,
    CarriedMessage,
    ChainFact,
    Collateral,
    Leg,
    Loan,
    LoanState,
    MessageState,
    Receipt,
    Record,
    attention_of,
)
from ledger.errors import Refused
from ledger.history import UnitHistory, history_of
from ledger.http.pledges import find_loan, loan_state
from ledger.http.requests import read_query, whole_number
from ledger.standing import STAGES, Standing
from ledger.store import Ledger, LoanDocument, Lot, ReceiptDocument
from ledger.web.pages import render
from ledger.web.words import N_

_TRANSACTION = re.compile(r"0x[0-9a-f]{64}", re.ASCII)
_MAX_CHAIN_ID = 2**63 - 1
# The states a loan goes through when all is well, in order; a refused one ends after the first.
TRACK = (LoanState.OPENING, LoanState.ACTIVE, LoanState.REPAID, LoanState.RELEASED)


@dataclass(frozen=True, slots=True)
class PledgeRow:
    """One line of the table: what the chains say, joined with the papers where they are known."""

    loan: Loan
    paper: LoanDocument | None
    receipt_paper: ReceiptDocument | None
    receipt: Receipt | None
    lot: Lot | None
    attention: Attention


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a leg. `record` is None while it is not reached; `note` is an outcome, `credential` 32 bytes."""

    label: str
    record: Record | None
    note: str = ""
    credential: bytes | None = None


@dataclass(frozen=True, slots=True)
class LegView:
    """One leg with the stages of its instruction, and those of its release where one was asked."""

    name: str
    leg: Leg
    stages: tuple[Stage, ...]
    release: tuple[Stage, ...]
    waiting: MessageState | None


def portal_pages(ledger: Ledger) -> APIRouter:
    """`/portal`, `/portal/pledges/{loan_id}` and `/portal/transactions/{chain}/{tx}`."""
    router = APIRouter(include_in_schema=False)

    @router.get("/portal")
    def portal(request: Request) -> Response:
        query = read_query(request, ("lang", "state"))
        state = loan_state(query["state"]) if "state" in query else None
        collateral = ledger.collateral()
        rows = [pledge_row(ledger, collateral, loan) for loan in collateral.loans.values()]
        rows.sort(key=lambda row: (row.loan.opened.block, row.loan.opened.log_index), reverse=True)
        counts = Counter(row.loan.state for row in rows)
        chosen = [row for row in rows if state in (None, row.loan.state)]
        return render(
            request,
            "portal.html",
            cache_control="no-store",
            rows=chosen,
            counts=[(each, counts[each]) for each in LoanState],
            total=len(rows),
            chosen=state,
            cursors=ledger.chains.cursors(),
            witnesses=ledger.witnesses(),
            chain_name=ledger.chain_name,
        )

    @router.get("/portal/pledges/{loan_id}")
    def pledge(request: Request, loan_id: str) -> Response:
        read_query(request, ("lang",))
        collateral = ledger.collateral()
        row = pledge_row(ledger, collateral, find_loan(ledger, loan_id))
        history = history_of(ledger, row.lot.identifier) if row.lot is not None else None
        return render(
            request,
            "pledge.html",
            cache_control="no-store",
            row=row,
            track=TRACK,
            legs=[_leg_view(name, leg, collateral) for name, leg in row.loan.legs],
            history=history,
            vouched=_least_witnessed(history),
            bundle=ledger.bundle_of is not None,
            chain_name=ledger.chain_name,
        )

    @router.get("/portal/transactions/{chain_id}/{transaction}")
    def transaction(request: Request, chain_id: str, transaction: str) -> Response:
        read_query(request, ("lang",))
        chain = whole_number(chain_id, where="chain", most=_MAX_CHAIN_ID)
        facts: tuple[ChainFact, ...] = ()
        if _TRANSACTION.fullmatch(transaction):
            facts = ledger.chains.facts_of(chain, bytes.fromhex(transaction[2:]))
        if not facts:
            raise Refused("PATH_UNKNOWN", "No contract of ours logged anything in this transaction.")
        return render(request, "transaction.html", cache_control="no-store", facts=facts, chain_name=ledger.chain_name)

    return router


def pledge_row(ledger: Ledger, collateral: Collateral, loan: Loan) -> PledgeRow:
    """A loan with its papers."""
    return PledgeRow(
        loan,
        ledger.papers.loan_document(loan.id),
        ledger.papers.receipt_document(loan.receipt_id),
        collateral.receipts.get(loan.receipt_id),
        ledger.papers.lot(loan.goods_key),
        attention_of(loan, collateral),
    )


def _leg_view(name: str, leg: Leg, collateral: Collateral) -> LegView:
    securing = collateral.messages.get(leg.message)
    releasing = collateral.messages.get(leg.release) if leg.release else None
    release = tuple(_stages(releasing, leg.release_answered, leg.release_answer)) if leg.release else ()
    waiting = None
    if not leg.answer:
        waiting = securing.state if securing else MessageState.SENT
    elif leg.release and not leg.release_answer:
        waiting = releasing.state if releasing else MessageState.SENT
    return LegView(name, leg, tuple(_stages(securing, leg.answered, leg.answer)), release, waiting)


def _stages(message: CarriedMessage | None, answered: Record | None, answer: str) -> Iterator[Stage]:
    message = message or CarriedMessage(b"")
    yield Stage(N_("Asked"), message.sent)
    yield Stage(N_("Proposed"), message.proposed)
    yield Stage(N_("Attested by the notaries"), message.attested)
    yield Stage(N_("Committed"), message.committed, note=message.outcome)
    closed = message.judged if message.verdict is not MessageState.DISPUTED else None
    yield Stage(N_("Checked again, credential closed"), closed, credential=message.credential)
    yield Stage(N_("Answer arrived"), answered, note=answer)


def _least_witnessed(history: UnitHistory | None) -> Standing | None:
    """The standing of the least witnessed filmed step: what can be said of all of them."""
    filmed = history.filmed if history is not None else ()
    return min((step.standing for step in filmed), key=lambda standing: STAGES.index(standing.stage), default=None)
