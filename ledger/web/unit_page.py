"""The page behind a code: phone first, for whoever holds the thing in their hand.

Shown are the product, its steps with place, time, camera and video, how well each is witnessed, and what is doubtful.
May never happen here: a lender, an amount, a position or a person; the word authentic.
"""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from ledger.errors import Refused
from ledger.gs1 import Identifier, Level
from ledger.history import UnitHistory, can_be_checked, history_of
from ledger.http.addresses import base_url, page_path
from ledger.http.requests import identifier_after, read_query
from ledger.interoperable import caip2
from ledger.standing import STAGES, Stage
from ledger.store import Ledger, Scans
from ledger.web.check_words import CHECKS, IN_BROWSER, STATES
from ledger.web.modules import modules
from ledger.web.pages import CHECKING_POLICY, qr_code, render

WHOLE_BYTES = 8 * 1024 * 1024  # recordings up to this size are checked before they play, longer ones as they play
CHUNKED_BYTES = 4 * 1024 * 1024  # larger pieces of those are checked chunk by chunk
MANY_SCANS = 10  # more openings of one unit's code than one household makes


@dataclass(frozen=True, slots=True)
class Summary:
    """The page's first sentence. `stage`: what every step has reached; None when there is no step."""

    filmed: int
    said: int
    stage: Stage | None


def unit_pages(ledger: Ledger) -> APIRouter:
    """`/01/…` (GS1 Digital Link) and `/id/{encoded identifier}`."""
    router = APIRouter(include_in_schema=False)

    def page(request: Request) -> Response:
        read_query(request, ("lang",))
        return _page(ledger, request, identifier_after(request, "/"))

    for path in ("/01/{rest:path}", "/id/{rest:path}"):
        router.add_api_route(path, page, methods=["GET", "HEAD"])
    return router


def _page(ledger: Ledger, request: Request, unit: Identifier) -> Response:
    history = history_of(ledger, unit)
    if not history.known:
        raise Refused("UNIT_UNKNOWN", "The ledger knows nothing of this.", where=ascii(unit.normal)[:200])
    published = can_be_checked(ledger)
    link = base_url(request, ledger.public_url) + page_path(unit)
    return render(
        request,
        "unit.html",
        cache_control="no-cache",
        policy=CHECKING_POLICY,
        history=history,
        summary=_summary(history),
        scans=_scans(ledger, request, unit),
        many_scans=MANY_SCANS,
        link=link,
        qr=qr_code(link),
        bundle=f"/api/v1/units{page_path(unit)}/bundle" if ledger.bundle_of is not None else None,
        modules=modules(),
        records=f"/api/v1/units{page_path(unit)}/records" if published else None,
        whole_bytes=WHOLE_BYTES,
        chunked_bytes=CHUNKED_BYTES,
        checks=CHECKS,
        states=STATES,
        in_browser=IN_BROWSER,
        chain_name=caip2,  # not the chain's name, which may be a lender's
    )


def _scans(ledger: Ledger, request: Request, unit: Identifier) -> Scans | None:
    """Only a unit has a code of its own, and only its plain address is what the code opens."""
    if unit.level is not Level.INSTANCE:
        return None
    if request.method == "GET" and not request.query_params:
        return ledger.scans.count(unit.normal, ledger.clock())
    return ledger.scans.of(unit.normal)


def _summary(history: UnitHistory) -> Summary:
    filmed = len({step.step for step in history.filmed})
    reached = [STAGES.index(step.standing.stage) for step in history.steps]
    return Summary(filmed, filmed + len(history.missing), STAGES[min(reached)] if reached else None)
