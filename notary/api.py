"""The notary's HTTP interface: attestations, verdicts, headers, cosignatures, status.

It has no users and no secrets: whoever reaches it may ask, and every answer is either public or refused. May never
happen here: a body read without bound, an error without a code, a 5xx for what a caller sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from ledger.errors import BadInput, Problem
from notary import wire
from notary.journal import Attested
from notary.notary import Notary

T = TypeVar("T")

REPLAY_TYPE = "application/cbor"
PROBLEM_TYPE = "application/problem+json"
COSIGNATURES_TYPE = "text/plain; charset=utf-8"
SIZE_TYPE = "text/x.tlog.size"
BODY_SECONDS = 30.0

_BODY_STATUS = {"BODY_SIZE": 413, "BODY_SLOW": 408, "REPLAY_UNKNOWN": 404}

# C2SP tlog-witness names the status; 422 also where a log shows two roots for one size, which no retry can heal.
_WITNESS_STATUS = {
    "LOG_UNKNOWN": 404,
    "SIG_MISSING": 403,
    "SIG_INVALID": 403,
    "PROOF_INVALID": 422,
    "SPLIT_VIEW": 422,
    "OLD_SIZE": 400,
}


def create_app(notary: Notary) -> FastAPI:
    """The application of one notary; closing the notary is the caller's business."""
    app = FastAPI(title="Pledgetrail notary", docs_url=None, redoc_url=None)
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http_problem)

    @app.post("/attestations")
    async def attest(request: Request) -> Response:
        leaves = wire.read_attestation_request(await _body(request))
        return _json(wire.show_attestation(await _work(lambda: notary.attest(leaves))))

    @app.get("/attestations/{message_id}")
    async def attested(message_id: str) -> Response:
        named = wire.read_message_id(message_id)
        return _json(wire.show_attested(named, await _work(lambda: _attested(notary, named))))

    @app.post("/verdicts")
    async def judge(request: Request) -> Response:
        origin, commit = wire.read_verdict_request(await _body(request))
        return _json(wire.show_verdict(await _work(lambda: notary.judge(origin, commit))))

    @app.post("/verdicts/together")
    async def judge_together(request: Request) -> Response:
        asked = wire.read_verdicts_request(await _body(request))
        return _json(wire.show_verdicts(await _work(lambda: notary.judge_together(asked))))

    @app.post("/headers")
    async def vouch(request: Request) -> Response:
        asked = wire.read_header_request(await _body(request))
        return _json(wire.show_vouched(await _work(lambda: notary.vouch(asked))))

    @app.post("/add-checkpoint")
    async def add_checkpoint(request: Request) -> Response:
        raw = await _body(request)
        return await _work(lambda: _add_checkpoint(notary, raw))

    @app.get("/replays")
    async def replays() -> Response:
        return _json({"replays": await _work(notary.replays.names)})

    @app.get("/replays/{name}")
    async def replay(name: str) -> Response:
        return Response(await _work(lambda: notary.replays.read(name)), media_type=REPLAY_TYPE)

    @app.get("/log-doubts")
    async def log_doubts() -> Response:
        return _json(wire.show_doubts(await _work(notary.log_doubts)))

    @app.get("/status")
    async def status() -> Response:
        return _json(wire.show_status(await _work(notary.status)))

    return app


def _attested(notary: Notary, message_id: bytes) -> list[tuple[Attested, int | None, bytes]]:
    return [(held, notary.member(held), signature) for held, signature in notary.attested(message_id)]


def _add_checkpoint(notary: Notary, raw: bytes) -> Response:
    """C2SP tlog-witness `add-checkpoint`, with its status codes."""
    try:
        old_size, proof, note = wire.read_checkpoint_request(raw)
        line = notary.add_checkpoint(note, old_size=old_size, proof=proof)
    except Problem as problem:
        if problem.code in ("LOG_STALE", "LOG_SHRINKS"):
            return Response(f"{notary.log_size}\n", status_code=409, headers={"content-type": SIZE_TYPE})
        malformed = 400 if isinstance(problem, BadInput) else problem.http_status
        return _answer(problem, _WITNESS_STATUS.get(problem.code, malformed))
    return Response(line, media_type=COSIGNATURES_TYPE)


async def _work(call: Callable[[], T]) -> T:
    """Run what blocks (nodes, disk, execution) away from the event loop."""
    return await run_in_threadpool(call)


async def _body(request: Request) -> bytes:
    """The body, bounded in size and time. Errors: `BadInput` BODY_SIZE (413), BODY_SLOW (408), BODY_CUT."""
    received = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                received += chunk
                if len(received) > wire.MAX_BODY_BYTES:
                    raise BadInput("BODY_SIZE", f"a request has at most {wire.MAX_BODY_BYTES} bytes")
    except TimeoutError:
        raise BadInput("BODY_SLOW", f"the request did not arrive within {BODY_SECONDS:g} seconds") from None
    except ClientDisconnect:
        raise BadInput("BODY_CUT", "whoever asked left before the request was whole") from None
    return bytes(received)


async def _problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return _answer(error, _BODY_STATUS.get(error.code, error.http_status))


async def _http_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _answer(BadInput("HTTP", str(error.detail)), error.status_code)


def _answer(problem: Problem, status: int) -> Response:
    return JSONResponse(wire.show_problem(problem, status), status_code=status, media_type=PROBLEM_TYPE)


def _json(content: dict[str, Any]) -> Response:
    return JSONResponse(content)
