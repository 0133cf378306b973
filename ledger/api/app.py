"""`create_app`: the API and the pages over one `Ledger`, as one ASGI application.

May never happen here: interactive API documentation from a third party's server, or an answer that is not typed.
"""

from __future__ import annotations

import logging
from functools import partial

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from ledger.api.bundle_routes import bundle_routes
from ledger.api.device_routes import device_routes
from ledger.api.event_routes import event_routes
from ledger.api.evidence_routes import evidence_routes
from ledger.api.log_routes import log_routes
from ledger.api.media_routes import media_routes
from ledger.api.pledge_routes import pledge_routes
from ledger.api.publishing_routes import publishing_routes
from ledger.api.unit_routes import unit_routes
from ledger.errors import BadInput, Problem
from ledger.http.door import Door
from ledger.http.failing import Failing
from ledger.http.guard import Guard
from ledger.http.lanes import Lanes
from ledger.http.problems import Defect, problem_of, problem_response
from ledger.intake.quota import Quota
from ledger.intake.strangers import Strangers
from ledger.store import Ledger
from ledger.web.evidence_page import evidence_pages
from ledger.web.pages import problem_page
from ledger.web.portal import portal_pages
from ledger.web.static_files import static_files
from ledger.web.unit_page import unit_pages
from ledger.web.verifier import verifier_page

_PAGES = ("/01/", "/evidence/", "/id/", "/portal")
_log = logging.getLogger(__name__)


def create_app(ledger: Ledger, *, quota: Quota | None = None, strangers: Strangers | None = None) -> FastAPI:
    """The application. It opens nothing and closes nothing: whoever opened `ledger` closes it.

    `quota`: how often each device may speak; `strangers`: how often an address may send what no device signed; None:
    the usual ones. `ledger.serve` finds its `state.door`, which refuses a crowd before its requests are read.
    """
    lanes = Lanes()
    app = FastAPI(
        title="Pledgetrail ledger", version="1", docs_url=None, redoc_url=None, openapi_url="/api/v1/openapi.json"
    )
    for routes in (
        partial(evidence_routes, quota=quota, strangers=strangers, lanes=lanes),
        device_routes,
        log_routes,
        publishing_routes,
        event_routes,
        media_routes,
        unit_routes,
        bundle_routes,
        pledge_routes,
        unit_pages,
        evidence_pages,
        portal_pages,
    ):
        app.include_router(routes(ledger))
    app.state.door = Door(lanes)
    app.include_router(static_files())
    app.include_router(verifier_page())

    @app.get("/healthz", tags=["health"])
    def healthz() -> Response:
        """Whether the store answers, and how far log and cursors are."""
        cursors = {f"eip155:{cursor.chain_id}": cursor.number for cursor in ledger.chains.cursors()}
        return JSONResponse({"status": "ok", "entries": ledger.log.size, "blocks": cursors})

    answer = partial(_answer, Failing(_log.error))
    for kind in (Problem, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, answer)
    app.add_middleware(Guard, public_url=lambda: ledger.public_url, on_defect=answer)
    return app


def _answer(failing: Failing, request: Request, error: Exception) -> Response:
    problem = failing.look(_typed(error, request))
    return problem_page(request, problem) if _is_read_by_a_person(request) else problem_response(problem)


def _is_read_by_a_person(request: Request) -> bool:
    # A browser that was sent to a mistyped address says that it wants a page; what speaks to the API never sees one.
    path, wanted = request.url.path, request.headers.get("accept", "")
    asks = request.method in ("GET", "HEAD") and "text/html" in wanted and not path.startswith("/api/")
    return asks or path.startswith(_PAGES)


def _typed(error: Exception, request: Request) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        return problem_of(error)
    if isinstance(error, RequestValidationError):
        return BadInput("REQUEST_INVALID", "The request cannot be read.")
    _log.error("unforeseen failure at %s", ascii(request.url.path)[:200], exc_info=error)
    return Defect()
