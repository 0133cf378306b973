"""OD12: of very many who speak at once, whoever was here before is looked after first, and newcomers in turn."""

from __future__ import annotations

import asyncio
import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from ledger.http import lanes
from ledger.newcomers import AT_ONCE, KnownFirst, ServingLoop
from ledger.serve import serve

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
WAIT_SECONDS = 60.0


@pytest.fixture
def first() -> Iterator[KnownFirst]:
    found = KnownFirst(3)
    yield found
    found.close()


@pytest.fixture
def spoken() -> Iterator[Callable[[], socket.socket]]:
    """Makes connections on which something is to be read."""
    with ExitStack() as stack:

        def make() -> socket.socket:
            here, there = (stack.enter_context(each) for each in socket.socketpair())
            there.sendall(b"x")
            return here

        yield make


def _told(first: KnownFirst) -> list[object]:
    return [key.data for key, _ in first.select(0)]


def test_newcomers_are_told_of_a_few_at_a_time_in_turn_and_behind_all_others(
    first: KnownFirst, spoken: Callable[[], socket.socket]
) -> None:
    for number in range(9):
        made = spoken()
        first.is_new(made.fileno())
        first.register(made, READ, number)
    for name in ("known", "other"):
        first.register(spoken(), READ, name)
    rounds = [_told(first) for _ in range(3)]  # nothing is read: all of them stay ready
    assert [set(found[:2]) for found in rounds] == [{"known", "other"}] * 3
    assert [len(found) for found in rounds] == [5] * 3
    assert {number for found in rounds for number in found[2:]} == set(range(9))


def test_a_newcomer_that_becomes_known_is_told_of_with_them(
    first: KnownFirst, spoken: Callable[[], socket.socket]
) -> None:
    made = [spoken() for _ in range(9)]
    for number, each in enumerate(made):
        first.is_new(each.fileno())
        first.register(each, READ, number)
    for each in made[4:]:
        first.is_known(each.fileno())
    assert set(_told(first)[:5]) == {4, 5, 6, 7, 8}
    assert first.get_key(made[8]).events == READ
    first.is_known(made[8].fileno())  # once more changes nothing
    assert len(_told(first)) == 5 + 3


def test_newcomers_who_are_held_back_stay_ready_and_known_ones_go_on(
    first: KnownFirst, spoken: Callable[[], socket.socket]
) -> None:
    made = spoken()
    first.is_new(made.fileno())
    first.register(made, READ, "new")
    first.register(spoken(), READ, "known")
    for _ in range(2):  # twice is as once
        first.hold_back()
        assert _told(first) == ["known"]
    first.go_on()
    first.hold_back()  # nobody looked meanwhile: however often they are held back, some are looked after between
    assert _told(first) == ["known", "new"]
    first.hold_back()
    assert _told(first) == ["known"]
    for _ in range(2):
        first.go_on()
        assert _told(first) == ["known", "new"]


@pytest.mark.parametrize("patience", [WAIT_SECONDS, 0.01])
def test_OD12_newcomers_wait_while_a_live_device_s_work_is_under_way_but_not_for_ever(
    monkeypatch: pytest.MonkeyPatch, spoken: Callable[[], socket.socket], patience: float
) -> None:
    monkeypatch.setattr(lanes, "YIELDS_SECONDS", patience)
    body = b'"device":"live"'

    async def play() -> None:
        loop, heard, made = asyncio.get_running_loop(), asyncio.Event(), spoken()
        assert isinstance(loop, ServingLoop)
        entry = lanes.Lanes()
        async with entry.enter(body):
            pass
        async with entry.enter(body), entry.enter(body):
            loop.first.is_new(made.fileno())
            loop.add_reader(made, heard.set)
            if patience < 1:
                await asyncio.wait_for(heard.wait(), WAIT_SECONDS)
            else:
                for _ in range(9):
                    await asyncio.sleep(0)
                assert not heard.is_set()
        await asyncio.wait_for(heard.wait(), WAIT_SECONDS)
        loop.remove_reader(made)

    with asyncio.Runner(loop_factory=ServingLoop) as runner:
        runner.run(play())


def test_what_is_changed_or_taken_back_is_so_for_newcomers_too(
    first: KnownFirst, spoken: Callable[[], socket.socket]
) -> None:
    made, other = spoken(), spoken()
    first.is_new(made.fileno())
    for each in (made, other):
        first.register(each, READ, "reads")
        with pytest.raises(KeyError):
            first.register(each, READ, "twice")
        assert first.modify(each, READ | WRITE, "both").data == "both"
        assert first.get_key(each).data == first.get_map()[each.fileno()].data == "both"
    assert {(key.data, events) for key, events in first.select(0)} == {("both", READ | WRITE)}
    first.modify(made, WRITE, "writes")
    assert ("writes", WRITE) in [(key.data, events) for key, events in first.select(0)]
    for each in (made, other):
        assert first.unregister(each).fd == each.fileno()
        for ask in (first.unregister, first.get_key):
            with pytest.raises(KeyError):
                ask(each)
    assert first.select(0) == []
    first.register(made, READ, "new")  # it still is one: it was never answered
    assert _told(first) == ["new"]


def test_OD12_who_was_answered_before_is_answered_before_a_crowd_that_spoke_sooner() -> None:
    order, busy, go_on = list[str](), threading.Event(), threading.Event()

    async def here(request: Request) -> PlainTextResponse:
        order.append(request.query_params["name"])
        return PlainTextResponse("here")

    async def stuck(_: Request) -> PlainTextResponse:
        busy.set()
        go_on.wait(WAIT_SECONDS)  # nothing else runs in the loop meanwhile
        return PlainTextResponse("done")

    server = serve(Starlette(routes=[Route("/", here), Route("/stuck", stuck)]), port=0)
    with ExitStack() as stack:
        stack.callback(server.stop)
        stack.callback(go_on.set)

        def connect() -> socket.socket:
            return stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_SECONDS))

        crowd = [connect() for _ in range(40)]
        known = connect()
        _ask(known, "known")
        _is_answered(known)  # so all that connected before it are let in, too
        with ThreadPoolExecutor(1) as other:
            answer = other.submit(lambda: httpx.get(f"{server.url}/stuck", trust_env=False, timeout=WAIT_SECONDS).text)
            assert busy.wait(WAIT_SECONDS)
            for number, each in enumerate(crowd):
                _ask(each, str(number))
            _ask(known, "again")
            go_on.set()
            assert answer.result(WAIT_SECONDS) == "done"
        for each in (known, *crowd):
            _is_answered(each)
    assert order.index("again") <= AT_ONCE + 1
    assert set(order) == {"known", "again", *map(str, range(40))} and len(order) == 42


def _ask(connection: socket.socket, name: str) -> None:
    connection.sendall(f"GET /?name={name} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())


def _is_answered(connection: socket.socket) -> None:
    received = b""
    while not received.endswith(b"here"):
        piece = connection.recv(4096)
        assert piece, received
        received += piece
    assert received.startswith(b"HTTP/1.1 200 ")
