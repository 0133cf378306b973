"""Where devices hand in large segments in pieces, and go on where the network broke off (`ledger.uplink_protocol`)."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from ledger.errors import BadInput
from ledger.evidence.signed import MAX_ENVELOPE_BYTES
from ledger.http.memory import BodyMemory
from ledger.http.requests import read_query
from ledger.http.strangers import limited
from ledger.intake.receive import Receiver
from ledger.intake.strangers import Strangers
from ledger.intake.uploads import Uploads
from ledger.store import Ledger
from ledger.uplink_protocol import (
    CHUNK_BYTES,
    CHUNK_TYPE,
    COMPLETE,
    COMPLETE_HEADER,
    ENVELOPE_TYPE,
    INCOMPLETE,
    OFFSET_HEADER,
    UPLOADS_PATH,
)


def upload_routes(ledger: Ledger, receiver: Receiver, memory: BodyMemory, strangers: Strangers) -> APIRouter:
    """`/api/v1/evidence/uploads`, and one of them."""
    router = APIRouter(tags=["evidence"])
    uploads = Uploads(ledger.uploads_folder)

    @router.post(UPLOADS_PATH)
    async def begin(request: Request) -> Response:
        """Begin an upload, or learn how much of it is here; the envelope's signature is the authorisation."""
        read_query(request, ())
        async with memory.body(request, limit=MAX_ENVELOPE_BYTES, types=(ENVELOPE_TYPE,)) as raw:
            with limited(strangers, request, raw):
                name, offset = await run_in_threadpool(
                    uploads.begin, raw, book=ledger.evidence, received_at=ledger.clock()
                )
        headers = {"Location": f"{UPLOADS_PATH}/{name}", **_headers(offset)}
        return JSONResponse({"upload": name, "offset": offset, "held": offset is None}, headers=headers)

    @router.patch(UPLOADS_PATH + "/{name}")
    async def append(request: Request, name: str) -> Response:
        """Add a piece; with the last one the segment is taken in."""
        read_query(request, ())
        offset, is_last = _offset(request), _is_last(request)
        async with memory.body(request, limit=CHUNK_BYTES, types=(CHUNK_TYPE,)) as piece:
            with limited(strangers, request, b""):
                held = await run_in_threadpool(uploads.append, name, offset, piece)
        if not is_last:
            return JSONResponse({"offset": held}, headers=_headers(held))
        received = await run_in_threadpool(uploads.complete, name, receiver=receiver, received_at=ledger.clock())
        body = {"digest": received.evidence.digest.hex(), "entry": received.entry, "new": received.added}
        return JSONResponse(body, status_code=201 if received.added else 200, headers=_headers(None))

    return router


def _headers(offset: int | None) -> dict[str, str]:
    if offset is None:
        return {COMPLETE_HEADER: COMPLETE}
    return {COMPLETE_HEADER: INCOMPLETE, OFFSET_HEADER: str(offset)}


def _offset(request: Request) -> int:
    text = request.headers.get(OFFSET_HEADER, "")
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise BadInput("UPLOAD_HEADER", "Where the piece belongs is not said.", where=OFFSET_HEADER)
    return int(text)


def _is_last(request: Request) -> bool:
    text = request.headers.get(COMPLETE_HEADER, "")
    if text not in (COMPLETE, INCOMPLETE):
        raise BadInput("UPLOAD_HEADER", "Whether this is the last piece is not said.", where=COMPLETE_HEADER)
    return text == COMPLETE
