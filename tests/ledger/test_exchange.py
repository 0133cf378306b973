"""An exchange that is broken off ends at once, whoever waits in it, and none is begun after that."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from ledger.errors import Unavailable
from ledger.exchange import Exchange, Peer
from ledger.serve import serve
from tests.ledger.refusals import refused
from tests.tarpit import Tarpit, tarpit

PEER = Peer("the other", "OTHER_UNREACHABLE", "OTHER_GARBAGE", "Start it.")
FOR_EVER = 3600.0  # seconds: what a test would wait if nothing broke it off
SOON = 60.0


@pytest.fixture
def silent() -> Iterator[Tarpit]:
    with tarpit() as found:
        yield found


def test_what_hangs_is_unreachable_the_moment_it_is_broken_off(silent: Tarpit) -> None:
    exchange = Exchange(PEER, seconds=FOR_EVER, max_bytes=100)
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(exchange.post, silent.url, b"{}", media_type="application/json") for _ in range(3)]
        until_held(silent, 3)
        assert not any(each.done() for each in asked)
        exchange.break_off()
        codes = [failed.code for each in asked if isinstance(failed := each.exception(SOON), Unavailable)]
        assert codes == ["OTHER_UNREACHABLE"] * 3
    exchange.close()


def until_held(silent: Tarpit, count: int) -> None:
    reached = threading.Event()
    for _ in range(600):
        if len(silent.held) >= count:
            return
        reached.wait(0.1)
    raise AssertionError(f"{len(silent.held)} of {count} connections came")


def answering(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("yes")


def test_none_is_begun_once_it_was_broken_off_and_its_twin_goes_on() -> None:
    server = serve(Starlette(routes=[Route("/", answering)]), port=0)
    try:
        exchange, twin = (Exchange(PEER, seconds=SOON, max_bytes=100) for _ in range(2))
        assert exchange.get(server.url).body == b"yes"
        exchange.break_off()
        exchange.break_off()
        with refused("OTHER_UNREACHABLE"):
            exchange.get(server.url)
        assert twin.get(server.url).body == b"yes"
        exchange.close()
        with refused("OTHER_UNREACHABLE"):
            exchange.get(server.url)
        twin.close()
    finally:
        server.stop()


def test_what_was_connecting_meanwhile_is_refused(silent: Tarpit) -> None:
    """The address is looked up while it is broken off: the connection that follows is no way out."""
    breaks: list[Exchange] = []

    def resolve(host: str, _port: int) -> str:
        breaks[0].break_off()
        return host

    exchange = Exchange(PEER, seconds=FOR_EVER, max_bytes=100, resolve=resolve)
    breaks.append(exchange)
    with refused("OTHER_UNREACHABLE"):
        exchange.get(silent.url)
    exchange.close()
