"""EPCIS 2.0 capture and a simple query. A document is captured whole or refused whole."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from ledger.canonical import parse_json
from ledger.epcis.limits import MAX_DOCUMENT_BYTES
from ledger.gs1 import parse
from ledger.http.requests import read_body, read_query, whole_number
from ledger.store import CapturedEvent, Ledger, StoredEvent
from ledger.store.event_book import MAX_PAGE

_JSON = ("application/json", "application/ld+json")
_DEFAULT_PAGE = 100
_MAX_INDEX = 2**63 - 1


def event_routes(ledger: Ledger) -> APIRouter:
    """`/api/v1/capture` and `/api/v1/events`."""
    router = APIRouter(prefix="/api/v1", tags=["events"])

    @router.post("/capture")
    async def capture(request: Request) -> Response:
        """Capture an EPCIS 2.0 document: 201 with a line per event, 200 when everything was held already."""
        read_query(request, ())
        raw = await read_body(request, limit=MAX_DOCUMENT_BYTES, types=_JSON)
        captured = await run_in_threadpool(ledger.events.capture_document, raw, ledger.clock())
        status = 201 if any(event.added for event in captured) else 200
        return JSONResponse({"events": [_captured(event) for event in captured]}, status_code=status)

    @router.get("/events")
    def events(request: Request) -> Response:
        """Events in the order of their log entries; `next` goes into `after` for the next page."""
        query = read_query(request, ("about", "event_id", "biz_step", "after", "limit"))
        limit = whole_number(query.get("limit", str(_DEFAULT_PAGE)), where="limit", most=MAX_PAGE)
        after = whole_number(query["after"], where="after", most=_MAX_INDEX) if "after" in query else -1
        found = ledger.events.find(
            about=parse(query["about"]).normal if "about" in query else None,
            event_id=query.get("event_id"),
            biz_step=query.get("biz_step"),
            after_entry=after,
            limit=limit,
        )
        last = found[-1].entry if found and len(found) == limit else None
        return JSONResponse({"events": [_stored(event) for event in found], "next": last})

    return router


def _captured(captured: CapturedEvent) -> dict[str, object]:
    return {
        "digest": captured.digest.hex(),
        "eventID": captured.event.event_id,
        "entry": captured.entry,
        "new": captured.added,
    }


def _stored(stored: StoredEvent) -> dict[str, object]:
    return {
        "digest": stored.event.digest.hex(),
        "entry": stored.entry,
        "receivedAt": stored.received_at.isoformat(),
        "event": parse_json(stored.event.canonical()),
    }
