"""What every route of the counter does first: admit, read strictly, and do a thing once.

May never happen here: an answer to somebody without a key, a field that is not read, or a request that is done twice
because its answer was lost.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ledger.canonical import JsonValue, parse_json
from ledger.errors import BadInput
from ledger.http.requests import read_body, read_query
from relay.partner.config import Partner
from relay.partner.desk import Desk

MAX_BODY_BYTES = 80 * 1024

Action = Callable[[Partner, dict[str, JsonValue]], tuple[int, dict[str, Any]]]
Check = Callable[[dict[str, JsonValue]], None]


def admit(desk: Desk, request: Request, allowed: Collection[str] = ()) -> tuple[Partner, dict[str, str]]:
    """Who asks, and the query. Errors: those of `Door.admit` and `read_query`."""
    partner = desk.door.admit(request.headers.get("authorization"))
    return partner, dict(read_query(request, allowed))


async def act(desk: Desk, request: Request, action: Action, *, atomic: bool, before: Check | None = None) -> Response:
    """Read a JSON object, do what it asks once (see `Answers.once`), and answer. `before`: of the body, likewise."""
    partner, _ = admit(desk, request)
    raw = await read_body(request, limit=MAX_BODY_BYTES, types=("application/json",))
    body = parse_json(raw, max_bytes=MAX_BODY_BYTES)
    if not isinstance(body, dict):
        raise BadInput("REQUEST_FORMAT", "the body is a JSON object", where="body")
    asked = f"{request.method} {request.url.path}\n".encode() + raw
    key = request.headers.get("idempotency-key")
    check = None if before is None else partial(before, body)
    once = partial(desk.answers.once, partner.name, key, asked, partial(action, partner, body))
    status, told, is_again = await run_in_threadpool(once, atomic=atomic, before=check)
    return JSONResponse(told, status_code=status, headers={"Idempotency-Replayed": "true"} if is_again else {})


def text_fields(value: JsonValue, names: set[str]) -> dict[str, str]:
    """An object of exactly these fields, all text. `BadInput` REQUEST_FORMAT."""
    if not isinstance(value, dict) or set(value) != names:
        raise BadInput("REQUEST_FORMAT", f"the fields are {', '.join(sorted(names)) or 'none'}", where="body")
    found = {name: each for name, each in value.items() if isinstance(each, str)}
    if len(found) < len(names):
        raise BadInput("REQUEST_FORMAT", "every field is text", where="body")
    return found
