"""Any node of the simulator behind HTTP, so that processes of their own can be lied to, or shown sealed blocks."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from contracts.node import Node, NodeError
from ledger.errors import Problem
from ledger.serve import serve


@contextmanager
def proxied(node: Node) -> Iterator[str]:
    """The URL at which a node answers JSON-RPC until the block ends; one request at a time, as its state may ask."""
    lock = threading.Lock()

    def ask(call: dict[str, Any]) -> dict[str, Any]:
        head = {"jsonrpc": "2.0", "id": call["id"]}
        try:
            return head | {"result": node.request(call["method"], *call.get("params", []))}
        except NodeError as error:
            words = error.what.removeprefix(f"{call['method']}: ")
            return head | {"error": {"code": error.rpc_code or -32000, "message": words}}

    def ask_all(body: Any) -> Any:
        with lock:
            return [ask(each) for each in body] if isinstance(body, list) else ask(body)

    async def answer(request: Request) -> Response:
        body = json.loads(await request.body())
        try:
            return JSONResponse(await run_in_threadpool(ask_all, body))
        except Problem as problem:
            return Response(str(problem), status_code=503)

    server = serve(Starlette(routes=[Route("/", answer, methods=["POST"])]), port=0)
    try:
        yield server.url
    finally:
        server.stop()
