"""The simulator's notaries behind HTTP, so that a relay in a process of its own asks them as it would ask any."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from threading import Lock

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ledger.errors import Problem
from ledger.serve import serve
from tests.simulator.notaries import HonestNotary


@contextmanager
def served(notaries: Sequence[HonestNotary]) -> Iterator[dict[str, str]]:
    """Their URLs by name, until the block ends."""
    with ExitStack() as opened:
        urls = {}
        for notary in notaries:
            server = serve(_app(notary), port=0)
            opened.callback(server.stop)
            urls[notary.name] = server.url
        yield urls


def _app(notary: HonestNotary) -> Starlette:
    lock = Lock()

    async def answer(request: Request) -> Response:
        body = json.loads(await request.body())

        def ask() -> Response:
            with lock:
                try:
                    return JSONResponse(notary.ask(request.url.path, body))
                except Problem as problem:
                    told = {"code": problem.code, "detail": problem.what, "title": problem.what}
                    return JSONResponse(told, status_code=problem.http_status)

        return await run_in_threadpool(ask)

    async def cosign(request: Request) -> Response:
        body = await request.body()

        def ask() -> Response:
            with lock:
                status, answered = notary.add_checkpoint(body)
                return Response(answered, status_code=status, media_type="text/plain")

        return await run_in_threadpool(ask)

    paths = ("/attestations", "/verdicts", "/verdicts/together", "/headers")
    routes = [Route(path, answer, methods=["POST"]) for path in paths]
    return Starlette(routes=[*routes, Route("/add-checkpoint", cosign, methods=["POST"])])
