"""The page of one piece of evidence: what a device stated, what is wrong with it, and how well it is witnessed.

May never happen here: a position or the name of a place that is not public; the word authentic.
"""

from __future__ import annotations

import re

from fastapi import APIRouter, Request, Response

from ledger.errors import BadInput, Refused
from ledger.evidence import GapStatement, SegmentStatement, Statement
from ledger.evidence.expected import POSITION
from ledger.evidence.gap import GAP
from ledger.evidence.reading import READING
from ledger.evidence.segment import SEGMENT
from ledger.gs1 import Identifier, parse
from ledger.history.place_names import place_name
from ledger.http.addresses import evidence_path
from ledger.http.requests import read_query
from ledger.interoperable import caip2
from ledger.store import Ledger, StoredFinding
from ledger.store.evidence_rows import recording_key
from ledger.web.pages import render

_DIGEST = re.compile(r"[0-9a-f]{64}")


def evidence_pages(ledger: Ledger) -> APIRouter:
    """`/evidence/{digest}`."""
    router = APIRouter(include_in_schema=False)

    def page(request: Request, digest: str) -> Response:
        read_query(request, ("lang",))
        return _page(ledger, request, digest)

    router.add_api_route("/evidence/{digest}", page, methods=["GET", "HEAD"])
    return router


def _page(ledger: Ledger, request: Request, digest: str) -> Response:
    if not _DIGEST.fullmatch(digest):
        raise BadInput("DIGEST_FORMAT", "A digest is 64 lower-case hexadecimal digits.", where=ascii(digest)[:80])
    held = ledger.evidence.held(bytes.fromhex(digest))
    if held is None:
        raise Refused("SUBJECT_UNKNOWN", "The ledger holds nothing of this digest.", where=digest, cure="Check it.")
    statement = held.evidence.statement
    is_private = getattr(statement, "quantity", "") == POSITION
    place = getattr(statement, "place", None)
    return render(
        request,
        "evidence.html",
        cache_control="no-cache",
        kind=_kind(statement),
        statement=statement,
        value=None if is_private else getattr(statement, "value", None),
        recording=recording_key(statement) if isinstance(statement, SegmentStatement) else "",
        about=_about(statement),
        device_label=ledger.evidence.device(statement.device).label,
        place=None if place is None else place_name(ledger, place),
        received_at=held.received_at,
        findings=_findings(ledger, statement),
        entry=held.entry,
        logged=ledger.log.entry(held.entry).holds(held.evidence.signed.envelope()),
        standing=ledger.witnesses().standing(held.entry),
        is_private=is_private,
        bundle=f"/api/v1{evidence_path(held.evidence.digest)}/bundle" if ledger.bundle_of is not None else None,
        chain_name=caip2,  # not the chain's name, which may be a lender's
    )


def _kind(statement: Statement) -> str:
    if isinstance(statement, SegmentStatement):
        return SEGMENT
    return GAP if isinstance(statement, GapStatement) else READING


def _about(statement: Statement) -> Identifier | None:
    """What it is about, where that has a page of its own."""
    try:
        return parse(str(getattr(statement, "lot", "") or getattr(statement, "subject", "")))
    except BadInput:
        return None


def _findings(ledger: Ledger, statement: Statement) -> list[StoredFinding]:
    found = ledger.evidence.findings(statement.device)
    return [stored for stored in reversed(found) if stored.finding.sequence == statement.sequence]
