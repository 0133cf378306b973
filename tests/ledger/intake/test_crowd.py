"""OD12: a crowd is refused before its requests are read, and nobody who speaks all along notices it."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from ledger import serve as serving
from ledger.api import app as application
from ledger.api.app import create_app
from ledger.http import lanes as lanes_of
from ledger.http.door import MAX_HEAD_BYTES, Door
from ledger.http.lanes import ComeAgain, Lanes
from ledger.intake.receive import Received, Receiver
from ledger.serve import serve
from tests.benchmarks.evidence_herd import Tale, come_back, herd, key_of, names
from tests.ledger.intake.speaking import Voice, listening, scale

STATEMENTS = "/api/v1/evidence/statements"
HEAD = f"POST {STATEMENTS} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
WAIT_SECONDS = 60.0


def named(name: str) -> bytes:
    return f'{{"signature":"","statement":{{"device":"{name}"}}}}'.encode()


def request(body: bytes, head: str = HEAD, length: int | None = None) -> bytes:
    return f"{head}Content-Length: {len(body) if length is None else length}\r\n\r\n".encode() + body


class Clock:
    """A monotonic clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Crowded:
    """Lanes into which nobody fits, save who is live or whose turn it is."""

    def __init__(self, kept: int = 0) -> None:
        self.clock = Clock()
        self.lanes = Lanes(at_work=1, waiting=0, kept=kept, clock=self.clock)
        self.door = Door(self.lanes)

    async def __aenter__(self) -> Crowded:
        async with self.lanes.enter(named("live")):
            pass
        self._stack = AsyncExitStack()
        await self._stack.enter_async_context(self.lanes.enter(named("one")))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def turn(self, name: str) -> int | None:
        """After how many seconds this one may come again; None where it may enter."""
        refusal = self.lanes.turned_away(named(name))
        return None if refusal is None else refusal.retry_after


def crowded(play: Any, kept: int = 0) -> None:
    """Run `play` with lanes that are crowded."""

    async def run() -> None:
        async with Crowded(kept) as found:
            play(found)

    asyncio.run(run())


LET_IN = {
    "a live device": request(named("live")),
    "another method": request(named("two")).replace(b"POST", b"PUT"),
    "another address": request(named("two")).replace(b"statements", b"segments"),
    "a query": request(named("two")).replace(b"statements", b"statements?a=1"),
    "an older protocol": request(named("two")).replace(b"HTTP/1.1", b"HTTP/1.0"),
    "a body of unknown length": f"{HEAD}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n".encode(),
    "a length and chunks": request(named("two"), HEAD + "Transfer-Encoding: chunked\r\n"),
    "two lengths": request(named("two"), HEAD + "Content-Length: 5\r\n"),
    "two lengths that are equal": request(named("two"), f"{HEAD}Content-Length: {len(named('two'))}\r\n"),
    "a length that is no number": request(named("two")).replace(b"Content-Length: ", b"Content-Length: +"),
    "a length beyond any envelope": request(b" ", length=10**6),
    "another request behind it": request(named("two")) * 2,
    "whoever waits for a word to go on": request(named("two"), HEAD + "Expect: 100-continue\r\n"),
    "a head that does not end": HEAD.encode() + b"X: " + b"x" * MAX_HEAD_BYTES,
    "no HTTP": b"\x16\x03\x01\x02\x00\x01",
}


@pytest.mark.parametrize("begun", LET_IN.values(), ids=LET_IN)
def test_OD12_what_is_no_plain_statement_of_the_crowd_goes_its_usual_way(begun: bytes) -> None:
    def play(found: Crowded) -> None:
        answer = found.door.answer(request(named("two")))
        assert answer is not None and answer.startswith(b"HTTP/1.1 503 ")
        assert found.door.answer(begun) == b""

    crowded(play)


def test_OD12_nothing_is_looked_at_while_there_is_room() -> None:
    door = Door(Lanes(at_work=1, waiting=0, kept=0))
    assert not door.looks and door.answer(request(named("two"))) == b""
    crowded(lambda found: pytest.fail("looks away") if not found.door.looks else None)


def test_OD12_a_request_in_pieces_is_answered_once_it_is_whole_and_not_before() -> None:
    whole = request(named("two"))

    def play(found: Crowded) -> None:
        assert {found.door.answer(whole[:length]) for length in range(1, len(whole))} == {None}
        assert (found.door.answer(whole) or b"").startswith(b"HTTP/1.1 503 ")

    crowded(play)


@pytest.mark.parametrize("path", [STATEMENTS, "/api/v1/devices/urn%3Aa/statements"])
def test_OD12_the_refusal_at_the_door_is_the_one_that_the_usual_way_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def full(_lanes: Lanes, _body: bytes) -> ComeAgain:
        return ComeAgain(7)

    monkeypatch.setattr(Lanes, "turned_away", full)
    raw = Door(Lanes()).answer(request(named("two"), HEAD.replace(STATEMENTS, path)))
    assert raw is not None
    head, _, body = raw.partition(b"\r\n\r\n")
    fields = [tuple(line.split(b": ", 1)) for line in head.split(b"\r\n")[1:]]
    with listening(tmp_path) as at:
        client = TestClient(create_app(at.ledger), base_url="http://127.0.0.1")
        usual = client.post(path, content=named("two"), headers={"Content-Type": "application/json"})
    assert usual.status_code == 503 and head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert body == usual.content and usual.json()["code"] == "INTAKE_BUSY"
    assert sorted(fields) == sorted((name.lower(), value) for name, value in usual.headers.raw)
    assert (b"retry-after", b"7") in fields and (b"connection", b"close") in fields


def test_OD12_whoever_comes_before_its_turn_keeps_it_and_puts_nobody_off() -> None:
    def play(found: Crowded) -> None:
        told = [found.turn(f"back-{number}") for number in range(400)]
        assert told[0] == 2 and told == sorted(told, key=lambda turn: turn or 0)
        last = told[-1]
        assert last is not None and last >= 5
        assert [found.turn("back-399") for _ in range(1000)] == [last] * 1000
        found.clock.now += 1
        assert found.turn("back-399") == last - 1
        assert found.turn("newcomer") in (last - 1, last)  # behind them: a thousand askings moved it no further

    crowded(play)


def test_OD12_whose_turn_it_is_finds_a_place_that_no_newcomer_gets() -> None:
    async def run() -> None:
        async with Crowded(kept=1) as found:
            turn = found.turn("back")
            assert turn == 2
            found.clock.now += turn
            assert found.turn("newcomer") == 2
            assert found.turn("back") is None
            waits = asyncio.create_task(_enter(found.lanes, "back"))
            await asyncio.sleep(0)
            assert found.turn("other") == 3 and not waits.done()
        assert await waits == "back"

    asyncio.run(run())


async def _enter(lanes: Lanes, name: str) -> str:
    async with lanes.enter(named(name)):
        return name


def test_OD12_no_more_turns_are_remembered_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes_of, "MAX_TURNS", 3)

    def play(found: Crowded) -> None:
        assert all(found.turn(f"back-{number}") for number in range(9))
        assert list(found.lanes._turns) == [b"back-6", b"back-7", b"back-8"]

    crowded(play)


class TestGoingFirst:
    """Work of the crowd begins when no live device's is under way."""

    @pytest.mark.parametrize("patience", [WAIT_SECONDS, 0.01])
    def test_OD12_the_crowd_s_work_lets_live_devices_go_first_but_not_for_ever(
        self, monkeypatch: pytest.MonkeyPatch, patience: float
    ) -> None:
        monkeypatch.setattr(lanes_of, "YIELDS_SECONDS", patience)
        log = list[str]()

        async def work(lanes: Lanes, name: str, until: asyncio.Event) -> None:
            async with lanes.enter(named(name)):
                log.append(name)
                await until.wait()

        async def play() -> None:
            lanes, now, ends = Lanes(), asyncio.Event(), asyncio.Event()
            now.set()
            await work(lanes, "live", now)
            alive = [asyncio.create_task(work(lanes, "live", ends)) for _ in range(2)]
            crowd = asyncio.create_task(work(lanes, "back", now))
            if patience < 1:
                await crowd  # though live work has not ended
                ends.set()
            else:
                for _ in range(9):
                    await asyncio.sleep(0)
                assert not crowd.done()
                ends.set()
                await crowd
            await asyncio.gather(*alive)

        asyncio.run(play())
        assert log == ["live", "live", "live", "back"]


class Porter:
    """A door that says what a test says; implements `ledger.serve.Door`."""

    looks = True

    def __init__(self, whole: bytes, answer: bytes) -> None:
        self._whole, self._answer = whole, answer

    def answer(self, begun: bytes) -> bytes | None:
        if begun == self._whole:
            return self._answer
        return None if self._whole.startswith(begun) else b""


AWAY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
WHOLE = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\n\r\nbody"


@contextmanager
def _connected(answer: bytes = AWAY) -> Iterator[tuple[socket.socket, Porter]]:
    async def take(asked: Request) -> PlainTextResponse:
        return PlainTextResponse(await asked.body())

    app = Starlette(routes=[Route("/", take, methods=["GET", "POST"])])
    app.state.door = Porter(WHOLE, answer)
    server = serve(app, port=0)
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_SECONDS) as connection:
            yield connection, app.state.door
    finally:
        server.stop()


def _until(connection: socket.socket, ending: bytes) -> bytes:
    received = b""
    while not received.endswith(ending):
        piece = connection.recv(4096)
        assert piece, received
        received += piece
    return received


class TestServing:
    """What stands at an application's door, over a socket."""

    def test_OD12_whoever_is_turned_away_has_the_answer_and_the_end(self) -> None:
        with _connected() as (connection, _):
            for piece in (WHOLE[:9], WHOLE[9:40], WHOLE[40:]):
                connection.sendall(piece)
            assert _until(connection, AWAY) == AWAY and connection.recv(1) == b""

    def test_OD12_who_is_let_in_is_answered_and_stands_there_again_with_what_comes_next(self) -> None:
        with _connected() as (connection, door):
            connection.sendall(WHOLE.replace(b"body", b"else"))
            assert _until(connection, b"else").startswith(b"HTTP/1.1 200 ")
            door.looks = False
            connection.sendall(WHOLE)
            assert _until(connection, b"body").startswith(b"HTTP/1.1 200 ")
            door.looks = True
            connection.sendall(WHOLE)
            assert _until(connection, AWAY) == AWAY

    def test_OD12_what_began_while_nobody_looked_is_read_to_its_end(self) -> None:
        with _connected() as (connection, door):
            door.looks = False
            connection.sendall(WHOLE.replace(b"body", b"else") + WHOLE[:12])  # the second one stands half read
            _until(connection, b"else")
            door.looks = True
            connection.sendall(WHOLE[12:])
            assert _until(connection, b"body").startswith(b"HTTP/1.1 200 ")

    def test_OD12_what_does_not_come_to_its_end_waits_at_the_door_only_so_long(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(serving, "HELD_SECONDS", 0.01)
        with _connected() as (connection, _):
            connection.sendall(WHOLE[:-1])
            connection.sendall(b"e")  # whatever it comes to
            assert _until(connection, b"bode").startswith(b"HTTP/1.1 200 ")
            connection.sendall(WHOLE[:5])


def test_OD12_every_one_of_a_herd_is_held_once_and_a_live_device_goes_straight_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count, waiting, kept, live = 60, 4, 16, Voice()
    monkeypatch.setattr(lanes_of, "SOONEST_SECONDS", 0.5)
    monkeypatch.setattr(application, "Lanes", partial(Lanes, waiting=waiting, kept=kept))
    go_on, real = threading.Event(), Receiver.statement

    def held_up(self: Receiver, envelope: bytes, **more: Any) -> Received:
        if b"herd-" in envelope:
            assert go_on.wait(WAIT_SECONDS)
        return real(self, envelope, **more)

    monkeypatch.setattr(Receiver, "statement", held_up)
    tale = Tale()

    async def speak(url: str) -> list[int]:
        async with httpx.AsyncClient(trust_env=False, timeout=WAIT_SECONDS) as client:

            async def say() -> int:
                headers = {"Content-Type": "application/json"}
                envelope = live.reading().envelope()
                return (await client.post(url + STATEMENTS, content=envelope, headers=headers)).status_code

            said = [await say()]
            crowd = asyncio.create_task(come_back(herd(url, count, tale)))
            async with asyncio.timeout(WAIT_SECONDS):
                while tale.told["503"] < count - 1 - waiting:
                    await asyncio.sleep(0.01)
                said += [await say() for _ in range(5)]  # while nobody of the herd goes on
                assert tale.told["201"] == 0
                go_on.set()
                await crowd
        return said

    with listening(tmp_path) as at:
        for name in names(count):
            at.ledger.evidence.enrol(scale(name, key_of(name)))
        size = at.ledger.log.size
        server = serve(create_app(at.ledger), port=0)
        try:
            assert asyncio.run(speak(server.url)) == [201] * 6
        finally:
            go_on.set()
            server.stop()
        assert at.ledger.log.size == size + count + 6
        assert {at.held(name) for name in names(count)} == {1} and at.held() == 6
    assert set(tale.told) == {"201", "503"} and tale.told["201"] == count
