"""A server that says it runs is listening, and one that cannot says why."""

from __future__ import annotations

import socket

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from ledger.serve import serve, serve_on, take_port
from tests.ledger.refusals import refused


def _hello(_: Request) -> PlainTextResponse:
    return PlainTextResponse("here")


APP = Starlette(routes=[Route("/", _hello)])


def test_it_listens_when_it_returns_and_no_longer_when_stopped() -> None:
    server = serve(APP, port=0)
    assert httpx.get(server.url, trust_env=False).text == "here"
    server.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url, trust_env=False)


def test_a_port_is_free_again_as_soon_as_it_is_stopped() -> None:
    first = serve(APP, port=0)
    assert httpx.get(first.url, trust_env=False).text == "here"
    first.stop()
    second = serve(APP, port=first.port)
    assert httpx.get(second.url, trust_env=False).text == "here"
    second.stop()


def test_several_servers_run_beside_each_other() -> None:
    servers = [serve(APP, port=0) for _ in range(3)]
    assert len({server.port for server in servers}) == 3
    assert [httpx.get(server.url, trust_env=False).text for server in servers] == ["here"] * 3
    for server in servers:
        server.stop()


def test_refuses_a_port_in_use_and_says_which() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with refused("PORT_IN_USE"):
            serve(APP, port=taken.getsockname()[1])


def test_a_port_that_was_taken_is_ours_until_it_is_served_on() -> None:
    with take_port("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with refused("PORT_IN_USE"):
            take_port("127.0.0.1", port)
        server = serve_on(listener, APP)
        assert server.port == port
        assert httpx.get(server.url, trust_env=False).text == "here"
        server.stop()
    take_port("127.0.0.1", port).close()


@pytest.mark.parametrize("port", [-1, 65536])
def test_refuses_what_is_no_port(port: int) -> None:
    with refused("PORT_INVALID"):
        serve(APP, port=port)


def test_refuses_an_address_of_another_machine() -> None:
    with refused("HOST_INVALID"):
        serve(APP, host="192.0.2.1", port=0)
