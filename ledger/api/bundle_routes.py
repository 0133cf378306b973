"""The proof bundles of single things: one event, one device's statement, one pledge. A unit's is with its account.

An event's and a statement's entry is also there as a SCITT statement, for tools that know COSE receipts.
"""

from __future__ import annotations

import hashlib
import re

from fastapi import APIRouter, Request, Response

from ledger.bundle import EventSubject, EvidenceSubject, GoodsSubject, Subject
from ledger.bundle.transparent import MEDIA_TYPE
from ledger.epcis import EVENT_DOMAIN
from ledger.errors import BadInput, Refused, Unavailable
from ledger.http.pledges import find_loan
from ledger.http.requests import read_query
from ledger.store import EVIDENCE_ENTRY_DOMAIN, Ledger

_DIGEST = re.compile(r"[0-9a-f]{64}")


def bundle_routes(ledger: Ledger) -> APIRouter:
    """`…/bundle` under `/api/v1/events/{digest}`, `/api/v1/evidence/{digest}` and `/api/v1/pledges/{loan_id}`."""
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

    @router.get("/events/{digest}/statement")
    def event_statement(request: Request, digest: str) -> Response:
        """One event as a SCITT statement with its COSE receipt."""
        read_query(request, ())
        ledger.erasures.refuse_erased(_digest(digest))
        found = ledger.events.of_digest(_digest(digest))
        if found is None:
            raise _unknown(digest)
        return _statement(ledger.log.transparent(found.entry, EVENT_DOMAIN, found.event.canonical()), digest)

    @router.get("/evidence/{digest}/statement")
    def evidence_statement(request: Request, digest: str) -> Response:
        """One statement of a device as a SCITT statement with its COSE receipt."""
        read_query(request, ())
        held = ledger.evidence.held(_digest(digest))
        if held is None:
            raise _unknown(digest)
        envelope = held.evidence.signed.envelope()
        return _statement(ledger.log.transparent(held.entry, EVIDENCE_ENTRY_DOMAIN, envelope), digest)

    return router


def bundle_answer(ledger: Ledger, subject: Subject, loan: bytes | None = None) -> Response:
    """The bundle as a file to keep.

    Of a subject from which something was erased it holds what is left, and says so.

    Errors: `Unavailable` BUNDLE_NOT_READY, and what `Ledger.bundle_of` raises.
    """
    if ledger.bundle_of is None:
        raise Unavailable(
            "BUNDLE_NOT_READY", "This server does not write proof bundles.", cure="Ask the ledger's operator."
        )
    bundle = ledger.bundle_of(subject, loan)
    name = hashlib.sha256(subject.text.encode() + (loan or b"")).hexdigest()[:12]
    headers = {"Content-Disposition": f'attachment; filename="pledgetrail-{name}.bundle"', "Cache-Control": "no-cache"}
    return Response(bundle, media_type="application/octet-stream", headers=headers)


def _statement(raw: bytes, digest: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{digest[:12]}.cose"', "Cache-Control": "no-cache"}
    return Response(raw, media_type=MEDIA_TYPE, headers=headers)


def _unknown(digest: str) -> Refused:
    return Refused("SUBJECT_UNKNOWN", "The ledger holds nothing of this digest.", where=digest, cure="Check it.")


def _digest(text: str) -> bytes:
    if not _DIGEST.fullmatch(text):
        raise BadInput("DIGEST_FORMAT", "A digest is 64 lower-case hexadecimal digits.", where=ascii(text)[:80])
    return bytes.fromhex(text)
