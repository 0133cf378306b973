"""Where devices hand in evidence with its video: 201 when it is new, 200 when it is held already."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from ledger.http.requests import read_body, read_query
from ledger.intake.receive import receive_segment
from ledger.segment_body import MAX_BODY_BYTES
from ledger.store import Ledger

_CBOR = ("application/cbor",)


def evidence_routes(ledger: Ledger) -> APIRouter:
    """`/api/v1/evidence/segments`."""
    router = APIRouter(prefix="/api/v1/evidence", tags=["evidence"])

    @router.post("/segments")
    async def segments(request: Request) -> Response:
        """Take in one segment (`ledger.segment_body`); the device's signature is its authorisation."""
        read_query(request, ())
        raw = await read_body(request, limit=MAX_BODY_BYTES, types=_CBOR)
        received = await run_in_threadpool(
            receive_segment, raw, book=ledger.evidence, media=ledger.media, received_at=ledger.clock()
        )
        body = {"digest": received.evidence.digest.hex(), "entry": received.entry, "new": received.added}
        return JSONResponse(body, status_code=201 if received.added else 200)

    return router
