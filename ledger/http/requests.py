"""Reading requests strictly: bodies bounded before they are whole, one content type, no query parameter unread.

May never happen here: a body in memory that is larger than its route allows, or a misspelt parameter that is ignored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from urllib.parse import unquote_to_bytes

from starlette.requests import ClientDisconnect, Request

from ledger.errors import BadInput, Unavailable, WrongUse
from ledger.gs1 import CANONICAL_BASE, Identifier, parse

BODY_GRACE_SECONDS = 10.0  # before the first byte, and for a pause
BODY_BYTES_PER_SECOND = 8 * 1024  # less than this on the whole is no transfer: a byte a second holds no place for long
MAX_QUERY_VALUE_CHARS = 2048


async def read_body(
    request: Request, *, limit: int, types: Collection[str], held: Callable[[int], None] = lambda _length: None
) -> bytes:
    """The body, at most `limit` bytes, of one of `types` (media types without parameters).

    `held`: told of each piece as it comes, may refuse. Raises as `receive_body`.
    """
    received = bytearray()

    async def take(piece: bytes) -> None:
        held(len(piece))
        received.extend(piece)

    await receive_body(request, limit=limit, types=types, take=take)
    return bytes(received)


async def receive_body(
    request: Request, *, limit: int, types: Collection[str], take: Callable[[bytes], Awaitable[None]]
) -> None:
    """Hand the body to `take`, piece by piece as it comes; what that raises ends it. `limit`, `types`: as `read_body`.

    `BadInput` BODY_TYPE, BODY_SIZE; `Unavailable` BODY_CUT where
    the client hung up, BODY_SLOW where it is sent slower than `BODY_BYTES_PER_SECOND` after a grace of
    `BODY_GRACE_SECONDS`.
    """
    offered = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if offered not in types:
        raise BadInput(
            "BODY_TYPE", "The body has another content type than this address takes.", cure=f"Send {', '.join(types)}."
        )
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise BadInput("BODY_TYPE", "Compressed bodies are not taken.", cure="Send the bytes as they are.")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limit:
        raise _too_large(limit)
    received = 0
    try:
        begun = asyncio.get_running_loop().time() + BODY_GRACE_SECONDS
        async with asyncio.timeout_at(begun) as deadline:
            async for chunk in request.stream():
                received += len(chunk)
                if received > limit:
                    raise _too_large(limit)
                await take(chunk)
                deadline.reschedule(begun + received / BODY_BYTES_PER_SECOND)
    except ClientDisconnect:
        raise Unavailable("BODY_CUT", "The connection broke off.", cure="Send it again.") from None
    except TimeoutError:
        raise Unavailable(
            "BODY_SLOW",
            f"The body comes slower than {BODY_BYTES_PER_SECOND} bytes a second.",
            cure="Send it in smaller pieces, or when the network is better.",
        ) from None


def read_query(request: Request, allowed: Collection[str]) -> Mapping[str, str]:
    """The query parameters, each of `allowed` at most once. `WrongUse` QUERY_UNKNOWN, QUERY_REPEATED, QUERY_VALUE."""
    found: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in allowed:
            raise WrongUse(
                "QUERY_UNKNOWN",
                "This address has no such parameter.",
                where=ascii(name)[:80],
                cure=f"It takes: {', '.join(sorted(allowed)) or 'none'}.",
            )
        if name in found:
            raise WrongUse("QUERY_REPEATED", "A parameter is given twice.", where=name)
        if len(value) > MAX_QUERY_VALUE_CHARS:
            raise WrongUse("QUERY_VALUE", f"A value has at most {MAX_QUERY_VALUE_CHARS} characters.", where=name)
        found[name] = value
    return found


def whole_number(text: str, *, where: str, most: int) -> int:
    """A decimal number from 0 to `most`. `WrongUse` QUERY_VALUE."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 19) or int(text) > most:
        raise WrongUse("QUERY_VALUE", f"This is no whole number from 0 to {most}.", where=where)
    return int(text)


def identifier_after(request: Request, prefix: str) -> Identifier:
    """The identifier that the rest of the path names after `prefix`: `01/{gtin}/21/{serial}` or `id/{encoded URI}`.

    Read from the path as it was sent: a serial may hold an encoded slash. Raises what `ledger.gs1.parse` raises.
    """
    return identifier_in(raw_path(request).removeprefix(prefix))


def identifier_in(rest: str) -> Identifier:
    """The identifier a percent-encoded path names; see `identifier_after`."""
    kind, _, named = rest.partition("/")
    if kind == "id":
        try:
            return parse(unquote_to_bytes(named).decode("utf-8"))
        except UnicodeDecodeError:
            raise BadInput("GS1_SYNTAX", "The identifier is not UTF-8.", where=named[:80]) from None
    return parse(f"{CANONICAL_BASE}/{rest}")


def raw_path(request: Request) -> str:
    """The path as the client encoded it."""
    sent = request.scope.get("raw_path")
    text = sent.decode("ascii", "replace") if isinstance(sent, bytes) else request.url.path
    return text.partition("?")[0]


def _too_large(limit: int) -> BadInput:
    return BadInput("BODY_SIZE", f"The body is larger than the {limit} bytes this address takes.", cure="Split it.")
