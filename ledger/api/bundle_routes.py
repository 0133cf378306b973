"""The proof bundles of single things: one event, one device's statement, one pledge. A unit's is with its account."""

from __future__ import annotations

import hashlib
import re

from fastapi import APIRouter, Request, Response

from ledger.bundle import EventSubject, EvidenceSubject, GoodsSubject, Subject
from ledger.errors import BadInput, Refused, Unavailable
from ledger.http.pledges import find_loan
from ledger.http.requests import read_query
from ledger.store import Ledger

_DIGEST = re.compile(r"[0-9a-f]{64}")


def bundle_routes(ledger: Ledger) -> APIRouter:
    """`/api/v1/events/{digest}/bundle`, `/api/v1/evidence/{digest}/bundle` and `/api/v1/pledges/{loan_id}/bundle`."""
    router = APIRouter(prefix="/api/v1", tags=["bundles"])

    @router.get("/events/{digest}/bundle")
    def event(request: Request, digest: str) -> Response:
        """What proves one event offline."""
        read_query(request, ())
        return bundle_answer(ledger, EventSubject(_digest(digest)))

    @router.get("/evidence/{digest}/bundle")
    def evidence(request: Request, digest: str) -> Response:
        """What proves one statement of a device offline: a segment, a reading, a loss."""
        read_query(request, ())
        return bundle_answer(ledger, EvidenceSubject(_digest(digest)))

    @router.get("/pledges/{loan_id}/bundle")
    def pledge(request: Request, loan_id: str) -> Response:
        """What proves a pledge offline: the goods' history, what the loan asked for, and what was answered."""
        read_query(request, ())
        loan = find_loan(ledger, loan_id)
        lot = ledger.papers.lot(loan.goods_key)
        if lot is None:
            raise Refused("PLEDGE_GOODS", "The ledger does not know which lot this goods key is.", where=loan_id)
        return bundle_answer(ledger, GoodsSubject(lot.identifier), loan.id)

    return router


def bundle_answer(ledger: Ledger, subject: Subject, loan: bytes | None = None) -> Response:
    """The bundle as a file to keep. Errors: `Unavailable` BUNDLE_NOT_READY, and what `Ledger.bundle_of` raises."""
    if ledger.bundle_of is None:
        raise Unavailable(
            "BUNDLE_NOT_READY", "This server does not write proof bundles.", cure="Ask the ledger's operator."
        )
    bundle = ledger.bundle_of(subject, loan)
    name = hashlib.sha256(subject.text.encode() + (loan or b"")).hexdigest()[:12]
    headers = {"Content-Disposition": f'attachment; filename="pledgetrail-{name}.bundle"', "Cache-Control": "no-cache"}
    return Response(bundle, media_type="application/octet-stream", headers=headers)


def _digest(text: str) -> bytes:
    if not _DIGEST.fullmatch(text):
        raise BadInput("DIGEST_FORMAT", "A digest is 64 lower-case hexadecimal digits.", where=ascii(text)[:80])
    return bytes.fromhex(text)
