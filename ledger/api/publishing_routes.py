"""For the program that publishes the log: its state, checkpoints, cosigned notes, timestamps, what crossed the chains.

With the operator's key only: a checkpoint that nobody cosigned yet tells how many entries there are. May never happen
here: something published or kept on the publisher's word alone.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from ledger.bundle.format import MAX_CROSSING_BYTES
from ledger.bundling import Publishing
from ledger.canonical import JsonValue
from ledger.errors import BadInput
from ledger.http.operator import check_operator, operator_body, text_field
from ledger.http.requests import read_body, read_query, whole_number
from ledger.store import Ledger

MAX_BODY_BYTES: Final = 256 * 1024
MAX_CREDENTIALS: Final = 256  # asked after at once
CROSSING_TYPE: Final = "application/cbor"

_MAX_SIZE = 2**63 - 1
_CREDENTIAL = re.compile(r"[0-9a-f]{64}")


def publishing_routes(ledger: Ledger) -> APIRouter:
    """`/api/v1/log/publishing/…`."""
    router = APIRouter(prefix="/api/v1/log/publishing", tags=["publishing"])
    publishing = Publishing(ledger)
    _add_questions(router, ledger, publishing)
    _add_keeping(router, ledger, publishing)
    return router


def _add_questions(router: APIRouter, ledger: Ledger, publishing: Publishing) -> None:
    """What is asked, and changes nothing."""

    @router.get("/state")
    def state(request: Request) -> Response:
        """How many entries there are, what is published, whether it is stamped, and what has crossed."""
        check_operator(ledger, request)
        read_query(request, ())
        found = publishing.state()
        note = None if found.note is None else found.note.decode()
        known = {"origin": found.origin, "size": found.size, "stamped": found.stamped, "crossed": found.crossed}
        return JSONResponse({**known, "note": note})

    @router.get("/consistency")
    def consistency(request: Request) -> Response:
        """The consistency proof between two sizes of the log."""
        check_operator(ledger, request)
        query = read_query(request, ("from", "to"))
        old, new = (whole_number(query.get(name, ""), where=name, most=_MAX_SIZE) for name in ("from", "to"))
        return JSONResponse({"proof": [node.hex() for node in publishing.consistency(old, new)]})

    @router.post("/missing")
    async def missing(request: Request) -> Response:
        """Which of these credentials' messages nobody has handed over."""
        body = await operator_body(ledger, request, {"credentials"}, limit=MAX_BODY_BYTES)
        found = await run_in_threadpool(publishing.missing, _credentials(body["credentials"]))
        return JSONResponse({"missing": [each.hex() for each in found]})


def _add_keeping(router: APIRouter, ledger: Ledger, publishing: Publishing) -> None:
    """What is signed or kept; each is verified first."""

    @router.post("/checkpoint")
    async def checkpoint(request: Request) -> Response:
        """Sign the present state; what has crossed is recorded in it."""
        await operator_body(ledger, request, set(), limit=MAX_BODY_BYTES)
        return JSONResponse({"note": (await run_in_threadpool(publishing.checkpoint)).decode()})

    @router.post("/cosigned")
    async def cosigned(request: Request) -> Response:
        """Publish a note that a quorum has cosigned."""
        body = await operator_body(ledger, request, {"note"}, limit=MAX_BODY_BYTES)
        return JSONResponse({"size": await run_in_threadpool(publishing.publish, _note(body))})

    @router.post("/stamp")
    async def stamp(request: Request) -> Response:
        """Keep a timestamp over a published note."""
        body = await operator_body(ledger, request, {"note", "stamp"}, limit=MAX_BODY_BYTES)
        await run_in_threadpool(publishing.keep_stamp, _note(body), _base64(body, "stamp"))
        return JSONResponse({})

    async def kept(request: Request, keep: Callable[[bytes], None]) -> Response:
        check_operator(ledger, request)
        read_query(request, ())
        raw = await read_body(request, limit=MAX_CROSSING_BYTES, types=(CROSSING_TYPE,))
        await run_in_threadpool(keep, raw)
        return JSONResponse({})

    @router.post("/anchors")
    async def anchors(request: Request) -> Response:
        """Keep what shows that an anchor has crossed."""
        return await kept(request, publishing.keep_anchor)

    @router.post("/instructions")
    async def instructions(request: Request) -> Response:
        """Keep what shows that a loan's instruction was answered."""
        return await kept(request, publishing.keep_instruction)


def _note(body: dict[str, JsonValue]) -> bytes:
    try:
        return text_field(body, "note").encode()
    except UnicodeEncodeError:
        raise BadInput("REQUEST_INVALID", "This is no text.", where="note") from None


def _base64(body: dict[str, JsonValue], name: str) -> bytes:
    try:
        return base64.b64decode(text_field(body, name), validate=True)
    except (binascii.Error, ValueError):
        raise BadInput("REQUEST_INVALID", "This is no base64.", where=name) from None


def _credentials(value: JsonValue) -> list[bytes]:
    if not isinstance(value, list) or len(value) > MAX_CREDENTIALS:
        raise BadInput("REQUEST_INVALID", f"This is no list of at most {MAX_CREDENTIALS}.", where="credentials")
    if not all(isinstance(each, str) and _CREDENTIAL.fullmatch(each) for each in value):
        raise BadInput("REQUEST_INVALID", "A credential is 64 lower-case hexadecimal digits.", where="credentials")
    return [bytes.fromhex(str(each)) for each in value]
