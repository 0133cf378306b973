"""Requests of the ledger's operator: whoever holds the key in the data folder's `operator.key`, and nobody else.

The ledger has no other sign-in. Without that file these requests serve nobody.
"""

from __future__ import annotations

import hmac
from collections.abc import Set as AbstractSet
from typing import Final

from starlette.requests import Request

from ledger.canonical import JsonValue, parse_json
from ledger.errors import BadInput, Refused
from ledger.http.requests import read_body, read_query
from ledger.store import Ledger

_JSON: Final = ("application/json",)


def check_operator(ledger: Ledger, request: Request) -> None:
    """`Refused` OPERATOR_KEY, in the same words whatever is wrong."""
    scheme, _, offered = request.headers.get("authorization", "").partition(" ")
    key = ledger.operator_key()
    if key is None or scheme.lower() != "bearer" or not hmac.compare_digest(key, offered.encode()):
        raise Refused(
            "OPERATOR_KEY",
            "This is for the ledger's operator.",
            cure="Send `Authorization: Bearer <key>`; `pledgetrail device operator-key` makes the key.",
        )


async def operator_body(
    ledger: Ledger, request: Request, fields: set[str], *, limit: int, optional: AbstractSet[str] = frozenset()
) -> dict[str, JsonValue]:
    """An operator's JSON object of exactly these fields, and perhaps the `optional` ones, of at most `limit` bytes.

    Errors: as `check_operator`, `read_query`, `read_body`, `parse_json`; `BadInput` REQUEST_INVALID.
    """
    check_operator(ledger, request)
    read_query(request, ())
    body = parse_json(await read_body(request, limit=limit, types=_JSON), max_bytes=limit)
    if not isinstance(body, dict) or body.keys() - optional != fields:
        raise BadInput("REQUEST_INVALID", f"The body is an object of {', '.join(sorted(fields)) or 'no fields'}.")
    return body


def text_field(body: dict[str, JsonValue], name: str) -> str:
    """A field's text. `BadInput` REQUEST_INVALID."""
    value = body[name]
    if not isinstance(value, str):
        raise BadInput("REQUEST_INVALID", "This is no text.", where=name)
    return value
