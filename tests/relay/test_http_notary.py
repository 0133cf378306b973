"""A notary behind a URL: what comes back is bounded and typed, whatever the other side sends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from ledger.errors import Refused, Unavailable
from ledger.serve import serve
from relay.notaries import MAX_REPLY_BYTES, HttpNotary
from tests.ledger.refusals import refused

ANSWERS: dict[str, Callable[[], Response]] = {}


async def answer(_request: Request) -> Response:
    return ANSWERS["now"]()


@pytest.fixture(scope="module")
def notary() -> Iterator[HttpNotary]:
    routes = [Route(path, answer, methods=["POST"]) for path in ("/attestations", "/add-checkpoint")]
    server = serve(Starlette(routes=routes), port=0)
    client = HttpNotary("notary 1", server.url)
    yield client
    client.close()
    server.stop()


def ask(notary: HttpNotary, response: Callable[[], Response]) -> object:
    ANSWERS["now"] = response
    return notary.ask("/attestations", {"leaves": []})


def too_long() -> Response:
    return PlainTextResponse(b"[" + b" " * MAX_REPLY_BYTES)


NONSENSE: dict[str, Callable[[], Response]] = {
    "no_json": lambda: PlainTextResponse("<html>"),
    "an_empty_body": lambda: PlainTextResponse(""),
    "a_list": lambda: JSONResponse([1]),
    "a_key_twice": lambda: PlainTextResponse('{"member": 1, "member": 2}'),
    "not_a_number": lambda: PlainTextResponse('{"member": NaN}'),
    "a_page_of_a_proxy": lambda: PlainTextResponse("Bad gateway", status_code=502),
    "a_body_too_long": too_long,
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_is_a_typed_error(notary: HttpNotary, name: str) -> None:
    with refused("NOTARY_GARBAGE"):
        ask(notary, NONSENSE[name])
    assert ask(notary, lambda: JSONResponse({"member": 1})) == {"member": 1}


def problem(status: int, **fields: object) -> Callable[[], Response]:
    return lambda: JSONResponse({"code": "LEAVES_REFUSED", "what": "refused", "cure": "wait", **fields}, status)


def test_a_refusal_keeps_the_reason_of_its_first_leaf(notary: HttpNotary) -> None:
    with pytest.raises(Refused) as caught:
        ask(notary, problem(409, refused=[{"leaf": 0, "code": "LANE", "what": "not open", "where": "lane"}]))
    assert (caught.value.code, caught.value.what, caught.value.where) == ("LANE", "notary 1: not open", "lane")
    with refused("LEAVES_REFUSED"):
        ask(notary, problem(409))
    for odd in ([], "no list", [5], None):
        with refused("LEAVES_REFUSED"):
            ask(notary, problem(409, refused=odd))


def test_what_may_pass_by_itself_is_unavailable(notary: HttpNotary) -> None:
    with pytest.raises(Unavailable) as caught:
        ask(notary, problem(503, code="NOT_FINAL"))
    assert caught.value.code == "NOT_FINAL"


def test_one_that_is_not_there_is_named(notary: HttpNotary) -> None:
    server = serve(Starlette(), port=0)
    server.stop()
    gone = HttpNotary("notary 2", server.url)
    for act in (lambda: gone.ask("/attestations", {}), lambda: gone.add_checkpoint(b"")):
        with pytest.raises(Unavailable) as caught:
            act()
        assert caught.value.code == "NOTARY_UNREACHABLE"
        assert caught.value.what.startswith("notary 2 does not answer")
    gone.close()


def test_one_that_drips_holds_nobody_beyond_the_deadline(notary: HttpNotary) -> None:
    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(300):
            yield b" "
            await asyncio.sleep(0.02)
        yield b"{}"

    hurried = HttpNotary("notary 1", notary._url, timeout_seconds=0.3)
    with refused("NOTARY_UNREACHABLE"):
        ask(hurried, lambda: StreamingResponse(slowly()))
    assert ask(hurried, lambda: JSONResponse({"member": 1})) == {"member": 1}
    hurried.close()


def test_a_witness_answers_status_and_bytes(notary: HttpNotary) -> None:
    ANSWERS["now"] = lambda: PlainTextResponse("12\n", status_code=409)
    assert notary.add_checkpoint(b"old 0\n\nnote") == (409, b"12\n")
    ANSWERS["now"] = too_long
    with refused("NOTARY_GARBAGE"):
        notary.add_checkpoint(b"old 0\n\nnote")
