"""Where devices hand in evidence: 201 when it is new, 200 when it is held already. The signature is the authorisation.

`…/segments` takes a segment with its video, `…/statements` what is whole without. Under `/api/v1/devices/{id}/` the
same addresses take only that device's own.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote_to_bytes

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from ledger.api.upload_routes import upload_routes
from ledger.errors import BadInput
from ledger.evidence.signed import MAX_ENVELOPE_BYTES
from ledger.http.lanes import Lanes
from ledger.http.memory import BodyMemory
from ledger.http.requests import raw_path, read_query
from ledger.http.strangers import limited
from ledger.intake.quota import Quota
from ledger.intake.receive import Received, Receiver
from ledger.intake.signed_video import SignedVideo
from ledger.intake.strangers import Strangers
from ledger.segment_body import MAX_BODY_BYTES, MEDIA_TYPE
from ledger.store import Ledger
from ledger.uplink_protocol import ENVELOPE_TYPE, SEGMENTS_PATH, STATEMENTS_PATH

_DEVICES = "/api/v1/devices/"
_SEGMENTS, _STATEMENTS = "/segments", "/statements"


def evidence_routes(
    ledger: Ledger, quota: Quota | None = None, strangers: Strangers | None = None, lanes: Lanes | None = None
) -> APIRouter:
    """`/api/v1/evidence/segments`, `…/statements`, and the same of one device."""
    router = APIRouter(tags=["evidence"])
    video = SignedVideo(ledger.signed_video, ledger.media, ledger.signers, ledger.evidence.record)
    receiver = Receiver(ledger.evidence, ledger.media, quota or Quota(), video.take)
    memory, lanes, strangers = BodyMemory(), lanes or Lanes(), strangers or Strangers()

    @router.post(SEGMENTS_PATH)
    async def segments(request: Request) -> Response:
        """Take in one segment (`ledger.segment_body`)."""
        return await _take_segment(request, None)

    @router.post(STATEMENTS_PATH)
    async def statements(request: Request) -> Response:
        """Take in one envelope: a reading, or a gap."""
        return await _take_statement(request, None)

    @router.post(_DEVICES + "{device:path}" + _SEGMENTS)
    async def own_segments(request: Request) -> Response:
        """Take in one segment of this device."""
        return await _take_segment(request, _device(request, _SEGMENTS))

    @router.post(_DEVICES + "{device:path}" + _STATEMENTS)
    async def own_statements(request: Request) -> Response:
        """Take in one envelope of this device."""
        return await _take_statement(request, _device(request, _STATEMENTS))

    async def _take_segment(request: Request, claimed: str | None) -> Response:
        read_query(request, ())
        folder = ledger.uploads_folder
        async with memory.large_body(request, folder, limit=MAX_BODY_BYTES, types=(MEDIA_TYPE,)) as raw:
            return await _take(request, raw, receiver.segment, claimed)

    async def _take_statement(request: Request, claimed: str | None) -> Response:
        read_query(request, ())
        async with memory.body(request, limit=MAX_ENVELOPE_BYTES, types=(ENVELOPE_TYPE,)) as raw:
            return await _take(request, raw, receiver.statement, claimed)

    async def _take(
        request: Request, raw: bytes | memoryview, take: Callable[..., Received], claimed: str | None
    ) -> Response:
        with limited(strangers, request, raw):
            async with lanes.enter(raw), memory.working(raw):
                received = await run_in_threadpool(take, raw, received_at=ledger.clock(), claimed=claimed)
        body = {"digest": received.evidence.digest.hex(), "entry": received.entry, "new": received.added}
        return JSONResponse(body, status_code=201 if received.added else 200)

    router.include_router(upload_routes(ledger, receiver, memory, strangers))
    return router


def _device(request: Request, ending: str) -> str:
    """The device that an address names. `BadInput` DEVICE_PATH."""
    named = raw_path(request).removeprefix(_DEVICES).removesuffix(ending)
    try:
        return unquote_to_bytes(named).decode("utf-8")
    except UnicodeDecodeError:
        raise BadInput("DEVICE_PATH", "The device's name in the address is not UTF-8.", where=named[:80]) from None
