"""A server that says it runs is listening, and one that cannot says why."""

from __future__ import annotations

import resource
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from ledger import serve as serving
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


@contextmanager
def _held_open(port: int, count: int) -> Iterator[list[socket.socket]]:
    """So many connections, each let in before the next, that say nothing."""
    held = list[socket.socket]()
    try:
        for _ in range(count):
            held.append(socket.create_connection(("127.0.0.1", port), timeout=60))
        yield held
    finally:
        for each in held:
            each.close()


def test_OD12_six_hundred_who_connect_and_say_nothing_keep_nobody_out() -> None:
    server = serve(APP, port=0)
    with httpx.Client(trust_env=False, timeout=60) as early, _held_open(server.port, 600) as held:
        assert early.get(server.url).status_code == 200
        assert httpx.get(server.url, trust_env=False, timeout=60).status_code == 200
        held[0].sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert held[0].recv(64).startswith(b"HTTP/1.1 200")
        assert early.get(server.url).status_code == 200
    server.stop()


def test_OD12_beyond_the_bound_those_that_were_quiet_longest_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "most_connections", lambda: 8)
    monkeypatch.setattr(serving, "LET_GO_AT_ONCE", 2)
    server = serve(APP, port=0)
    with httpx.Client(trust_env=False, timeout=60) as spoken, _held_open(server.port, 7) as held:
        assert spoken.get(server.url).text == "here"  # the eighth, and the last that spoke
        with _held_open(server.port, 1):
            assert [each.recv(1) for each in held[:2]] == [b"", b""]  # closed: there is nothing to come
            assert spoken.get(server.url).text == "here"
            held[2].sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert held[2].recv(64).startswith(b"HTTP/1.1 200")
    server.stop()


def test_OD12_whoever_comes_while_the_server_is_busy_waits_and_is_not_turned_away() -> None:
    busy, go_on = threading.Event(), threading.Event()

    async def stuck(_: Request) -> PlainTextResponse:
        busy.set()
        go_on.wait(60)  # nothing else runs in the loop meanwhile
        return PlainTextResponse("done")

    server = serve(Starlette(routes=[Route("/", _hello), Route("/stuck", stuck)]), port=0)
    try:
        with ThreadPoolExecutor(1) as other:
            answer = other.submit(lambda: httpx.get(f"{server.url}/stuck", trust_env=False, timeout=60).text)
            assert busy.wait(60)
            with _held_open(server.port, 100) as held:
                go_on.set()
                assert answer.result(60) == "done"
                held[99].sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                assert held[99].recv(64).startswith(b"HTTP/1.1 200")
    finally:
        go_on.set()
        server.stop()


def test_OD12_there_are_never_more_connections_than_files_that_may_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    for files, most in ((100, 64), (1024, 768), (1 << 20, serving.MAX_CONNECTIONS)):
        monkeypatch.setattr(resource, "getrlimit", lambda _kind, files=files: (files, files))
        assert serving.most_connections() == most
