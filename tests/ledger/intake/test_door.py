"""The intake over HTTP under attack: typed answers, nothing half kept, and nobody else the slower for it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn, cast
from urllib.parse import quote

import httpx
import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from ledger.api.app import create_app
from ledger.errors import Refused
from ledger.evidence import Code, read_envelope
from ledger.evidence.replay import Replay
from ledger.http import lanes as lanes_of
from ledger.http import requests
from ledger.http.lanes import ComeAgain, Lanes
from ledger.http.memory import MAX_AT_WORK_BYTES, SPOOL_BYTES, BodyMemory
from ledger.intake.quota import Quota
from ledger.intake.receive import Receiver
from ledger.serve import serve
from tests.ledger.capture.estate import NOW as FILMED
from tests.ledger.capture.estate import bodies, device
from tests.ledger.intake.speaking import NOON, OTHER_KEY, Listening, Voice, listening, scale
from tests.ledger.refusals import refused

STATEMENTS = "/api/v1/evidence/statements"
JSON = {"Content-Type": "application/json"}
WAIT_SECONDS = 60.0


class Clock:
    """A monotonic clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Listening]:
    with listening(tmp_path) as found:
        found.ledger.evidence.enrol(scale("urn:example:scale/2", OTHER_KEY))
        yield found


@pytest.fixture
def client(at: Listening, clock: Clock) -> TestClient:
    return TestClient(create_app(at.ledger, quota=Quota(1, 5, clock=clock)))


def other(voice: Voice | None = None) -> Voice:
    return voice or Voice("urn:example:scale/2", OTHER_KEY)


def test_a_reading_is_taken_once_and_a_repeat_is_answered(client: TestClient, at: Listening) -> None:
    envelope = Voice().reading().envelope()
    answers = [client.post(STATEMENTS, content=envelope, headers=JSON) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].json()["entry"] == answers[1].json()["entry"]
    assert at.held() == 1


def test_OD01_a_statement_under_another_device_s_address(client: TestClient, at: Listening) -> None:
    size, envelope = at.ledger.log.size, other().reading().envelope()
    answer = client.post("/api/v1/devices/scale-1/statements", content=envelope, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (403, "DEVICE_MISMATCH")
    assert at.ledger.log.size == size
    own = f"/api/v1/devices/{quote('urn:example:scale/2', safe='')}/statements"
    assert client.post(own, content=envelope, headers=JSON).status_code == 201


def test_OD01_a_segment_under_another_device_s_address(client: TestClient, at: Listening, tmp_path: Path) -> None:
    at.ledger.evidence.enrol(device())
    at.ledger.clock = lambda: FILMED
    cbor = {"Content-Type": "application/cbor"}
    (first, *_) = bodies(tmp_path / "camera")
    answer = client.post("/api/v1/devices/scale-1/segments", content=first, headers=cbor)
    assert (answer.status_code, answer.json()["code"]) == (403, "DEVICE_MISMATCH")
    assert at.held("camera-1") == 0
    assert client.post("/api/v1/devices/camera-1/segments", content=first, headers=cbor).status_code == 201


def test_a_statement_out_of_turn_is_told_the_number_to_send(client: TestClient) -> None:
    voice = Voice()
    first, second = voice.reading(), voice.reading()
    answer = client.post(STATEMENTS, content=second.envelope(), headers=JSON)
    assert (answer.status_code, answer.json()["code"], answer.json()["expected"]) == (409, "EVIDENCE_GAP", 1)
    for signed in (first, second):
        assert client.post(STATEMENTS, content=signed.envelope(), headers=JSON).status_code == 201


class TestFlood:
    def test_OD12_one_device_beyond_its_rate_is_told_when_to_come_again(
        self, client: TestClient, at: Listening, clock: Clock
    ) -> None:
        voice = Voice()
        sent = [voice.reading() for _ in range(1000)]
        answers = [client.post(STATEMENTS, content=signed.envelope(), headers=JSON) for signed in (*sent[:6], sent[5])]
        assert [answer.status_code for answer in answers] == [201] * 5 + [429] * 2
        assert answers[-1].json()["code"] == "DEVICE_QUOTA" and answers[-1].headers["Retry-After"] == "1"
        assert at.held() == 5
        quiet = client.post(STATEMENTS, content=other().reading().envelope(), headers=JSON)
        assert quiet.status_code == 201  # the other device's quota is its own
        clock.now += 1
        again = [client.post(STATEMENTS, content=signed.envelope(), headers=JSON) for signed in sent[5:7]]
        assert [answer.status_code for answer in again] == [201, 429]

    def test_OD12_whoever_has_no_key_cannot_use_up_a_device_s_quota(self, client: TestClient, at: Listening) -> None:
        forged, played_back = Voice(key=OTHER_KEY).reading().envelope(), Voice()
        first = played_back.reading().envelope()
        for _ in range(9):
            assert client.post(STATEMENTS, content=forged, headers=JSON).status_code == 403
        assert client.post(STATEMENTS, content=first, headers=JSON).status_code == 201
        replays = [client.post(STATEMENTS, content=first, headers=JSON).status_code for _ in range(7)]
        assert replays == [200] * 5 + [429] * 2
        for _ in range(4):
            honest = played_back.reading().envelope()
            assert client.post(STATEMENTS, content=honest, headers=JSON).status_code == 201
        assert at.codes() == [Code.BAD_SIGNATURE]

    def test_OD12_statements_out_of_turn_are_limited_too(self, client: TestClient) -> None:
        ahead = Voice(number=6, digest=bytes([1]) * 32).reading().envelope()
        answers = [client.post(STATEMENTS, content=ahead, headers=JSON).status_code for _ in range(7)]
        assert answers == [409] * 5 + [429] * 2
        assert client.post(STATEMENTS, content=Voice().reading().envelope(), headers=JSON).status_code == 201

    def test_OD12_forked_statements_fill_the_log_no_faster_than_true_ones(
        self, client: TestClient, at: Listening
    ) -> None:
        client.post(STATEMENTS, content=Voice().reading().envelope(), headers=JSON)
        forks = [Voice().reading(value=str(600 + number)).envelope() for number in range(9)]
        answers = [client.post(STATEMENTS, content=fork, headers=JSON).status_code for fork in forks]
        assert answers == [409] * 4 + [429] * 5
        assert len(at.ledger.evidence.findings("scale-1", limit=100)) == 2 * 4  # a fork and a clone each

    def test_a_quota_remembers_no_more_devices_than_it_may(self, clock: Clock) -> None:
        quota = Quota(1, 1, clock=clock, most=3)
        for name in "abcd":
            quota(name)
        with refused("DEVICE_QUOTA"):
            quota("d")
        quota("a")  # forgotten as the longest unused one
        with refused("DEVICE_QUOTA"):
            quota("a")


class TestSlowBodies:
    @pytest.fixture
    def served(self, at: Listening, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
        monkeypatch.setattr(requests, "BODY_GRACE_SECONDS", 3.0)
        server = serve(create_app(at.ledger), port=0)
        yield server.url
        server.stop()

    @staticmethod
    def _drip(url: str, answers: list[bytes], heads: threading.Semaphore) -> None:
        """Announce a whole envelope, send a byte five times a second, and keep what is answered."""
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=WAIT_SECONDS) as connection:
            head = f"POST {STATEMENTS} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            connection.sendall(f"{head}Content-Length: 5000\r\n\r\n".encode())
            heads.release()
            connection.settimeout(0.2)
            until = time.monotonic() + WAIT_SECONDS
            while time.monotonic() < until:
                try:
                    found = connection.recv(4096)
                    while found and not found.endswith(b"}"):
                        found += connection.recv(4096)
                    answers.append(found)
                    return
                except TimeoutError:
                    connection.sendall(b"{")

    def test_a_byte_now_and_then_is_cut_off_and_holds_no_worker(self, served: str, at: Listening) -> None:
        answers: list[bytes] = []
        heads = threading.Semaphore(0)
        drips = [threading.Thread(target=self._drip, args=(served, answers, heads)) for _ in range(60)]
        for drip in drips:
            drip.start()
        for _ in drips:
            assert heads.acquire(timeout=WAIT_SECONDS)
        voice = Voice()
        with httpx.Client(trust_env=False, timeout=WAIT_SECONDS) as quick:  # more slow ones than there are workers
            for _ in range(3):
                taken = quick.post(served + STATEMENTS, content=voice.reading().envelope(), headers=JSON)
                assert taken.status_code == 201
        for drip in drips:
            drip.join(WAIT_SECONDS)
        assert len(answers) == len(drips)
        assert all(b" 408 " in answer.split(b"\r\n")[0] and b"BODY_SLOW" in answer for answer in answers)
        assert at.held() == 3

    def test_bodies_together_hold_no_more_memory_than_they_may(self) -> None:
        from ledger.errors import Unavailable

        memory, seen = BodyMemory(1000), []

        async def take(size: int, hold: asyncio.Event | None) -> None:
            async with memory.body(_Posted(size), limit=5000, types=("a/b",)) as raw:  # type: ignore[arg-type]
                seen.append(len(raw))
                if hold is not None:
                    await hold.wait()

        async def play() -> None:
            hold = asyncio.Event()
            first = asyncio.create_task(take(900, hold))
            while not seen:
                await asyncio.sleep(0)
            with pytest.raises(Unavailable, match="INTAKE_BUSY"):
                await take(200, None)
            await take(100, None)
            hold.set()
            await first
            await take(1000, None)

        asyncio.run(play())
        assert (seen, memory.held) == ([900, 100, 1000], 0)

    def test_a_large_body_stands_in_a_file_that_has_no_name(self, tmp_path: Path) -> None:
        memory = BodyMemory(2 * SPOOL_BYTES, 4 * SPOOL_BYTES)

        async def take(length: int) -> None:
            async with memory.large_body(_posted(length), tmp_path, limit=length, types=("a/b",)) as raw:
                assert bytes(raw) == b"x" * length and memory.held == length
                assert list(tmp_path.iterdir()) == []

        for length in (0, 100, 1_048_500, 1_048_600, 3_200_000):
            asyncio.run(take(length))
            assert memory.held == 0

    @pytest.mark.parametrize("why", ["too long", "too much in memory", "too much in files", "the disk is full"])
    def test_a_large_body_that_is_refused_gives_all_back(
        self, tmp_path: Path, why: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        memory = BodyMemory(1000 if "memory" in why else 2 * SPOOL_BYTES, 1000 if "files" in why else 8 * SPOOL_BYTES)
        codes = {"too long": "BODY_SIZE", "the disk is full": "MEDIA_UNAVAILABLE"}

        async def take(length: int, limit: int) -> int:
            async with memory.large_body(_posted(length), tmp_path, limit=limit, types=("a/b",)) as raw:
                return len(raw)

        def full(**_: object) -> NoReturn:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch, refused(codes.get(why, "INTAKE_BUSY")):
            if "disk" in why:
                patch.setattr("ledger.http.memory.tempfile.TemporaryFile", full)
            asyncio.run(take(2_000_000, 1_500_000 if "long" in why else 3_000_000))
        assert memory.held == 0 and list(tmp_path.iterdir()) == []
        assert asyncio.run(take(900, 900)) == 900

    def test_large_bodies_are_worked_on_as_room_allows_and_in_turn(self) -> None:
        memory, working, begun = BodyMemory(), list[str](), list[str]()
        sizes = {
            "half": MAX_AT_WORK_BYTES // 2,
            "all": MAX_AT_WORK_BYTES,
            "small": SPOOL_BYTES,
            "more": SPOOL_BYTES + 1,
        }

        async def work(name: str, until: asyncio.Event) -> None:
            async with memory.working(_Long(sizes[name])):  # type: ignore[arg-type]
                begun.append(name)
                working.append(name)
                await until.wait()
                working.remove(name)

        async def play() -> None:
            events = {name: asyncio.Event() for name in sizes}
            tasks = []
            for name in ("half", "all", "more", "small"):
                tasks.append(asyncio.create_task(work(name, events[name])))
                await asyncio.sleep(0)
            while "small" not in begun:
                await asyncio.sleep(0)
            assert working == ["half", "small"]  # "more" would fit, and waits behind "all"
            for event in events.values():
                event.set()
            await asyncio.gather(*tasks)

        asyncio.run(play())
        assert begun == ["half", "small", "all", "more"] and working == []


class _Long:
    """Something of a length."""

    def __init__(self, length: int) -> None:
        self._length = length

    def __len__(self) -> int:
        return self._length


def _posted(size: int) -> Request:
    return cast("Request", _Posted(size))


class _Posted:
    """As much of a request as a body needs."""

    def __init__(self, size: int) -> None:
        self._size, self.headers = size, {"content-type": "a/b"}

    async def stream(self) -> object:
        for _ in range(0, self._size, 100):
            yield b"x" * 100


NONSENSE = {
    "nothing": (b"", 400),
    "NaN": (b'{"signature":NaN}', 422),
    "1e999": (b'{"signature":1e999}', 422),
    "half a pair": (b'{"signature":"\\ud800","statement":{}}', 422),
    "beyond 64 bits": (b'{"signature":18446744073709551616}', 422),
    "deep": (b"[" * 10_000, 400),
    "a list": (b"[]", 422),
    "truncated": (Voice().reading().envelope()[:-9], 400),
    "followed by more": (Voice().reading().envelope() + b"{}", 400),
    "null bytes": (b"\0" * 900, 400),
    "no statement": (b'{"signature":"' + b"00" * 64 + b'","statement":null}', 422),
    "a device without end": (Voice(name="x" * 256).reading().envelope().replace(b"x" * 256, b"x" * 257), 422),
    "a script": (b"<script>alert(1)</script>", 400),
}


@pytest.mark.parametrize(("body", "status"), NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_refused_with_its_reason_and_keeps_nothing(
    client: TestClient, at: Listening, body: bytes, status: int
) -> None:
    size = at.ledger.log.size
    answer = client.post(STATEMENTS, content=body, headers=JSON)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert at.ledger.log.size == size
    assert client.post(STATEMENTS, content=Voice().reading().envelope(), headers=JSON).status_code == 201


@pytest.mark.parametrize("moment", ["1e999", "23:59:60", "+00:00", "NaN", "9223372036854775808", "٢٠٢٦"])
def test_OD07_a_time_of_another_spelling_is_no_statement(client: TestClient, at: Listening, moment: str) -> None:
    document = json.loads(Voice().reading().envelope())
    document["statement"]["observed_at"] = moment if ":" not in moment else f"2026-05-04T{moment}"
    body = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    answer = client.post(STATEMENTS, content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (422, "EVIDENCE_FIELD")
    assert at.held() == 0


def test_bodies_of_another_kind_or_size_are_refused_by_their_head(client: TestClient) -> None:
    envelope = Voice().reading().envelope()
    wrong = client.post(STATEMENTS, content=envelope, headers={"Content-Type": "application/cbor"})
    large = client.post(STATEMENTS, content=b" " * 40_000, headers=JSON)
    found = [(answer.status_code, answer.json()["code"]) for answer in (wrong, large)]
    assert found == [(415, "BODY_TYPE"), (413, "BODY_SIZE")]
    assert client.post(STATEMENTS, content=envelope, headers=JSON).status_code == 201


def test_a_segment_s_statement_without_its_video_is_refused(client: TestClient, at: Listening, tmp_path: Path) -> None:
    at.ledger.evidence.enrol(device())
    from ledger.segment_body import read_segment_body

    (first, *_) = bodies(tmp_path / "camera")
    envelope = read_segment_body(first).evidence.envelope()
    answer = client.post(STATEMENTS, content=envelope, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (422, "SEGMENT_WITHOUT_VIDEO")
    assert at.held("camera-1") == 0


def test_workers_that_take_one_device_s_statements_at_once_lose_and_double_none(at: Listening) -> None:
    voice, receiver = Voice(), Receiver(at.ledger.evidence, at.ledger.media)
    sent = [voice.reading().envelope() for _ in range(24)]
    added: list[bool] = []
    digests = [read_envelope(envelope).digest.hex() for envelope in sent]

    def work() -> None:
        for number, envelope in enumerate(sent):
            until = time.monotonic() + WAIT_SECONDS
            while time.monotonic() < until:
                try:
                    added.append(receiver.statement(envelope, received_at=NOON).added)
                    break
                except Replay as stands:  # another worker has gone on past it, with this very statement
                    assert stands.held == digests[number], stands
                    added.append(False)
                    break
                except Refused as problem:
                    assert problem.code in ("EVIDENCE_GAP", "EVIDENCE_MEANWHILE"), problem

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (len(added), added.count(True), at.held(), at.codes()) == (96, 24, 24, [])


class TestReturning:
    """Very many devices come back at once: those that speak all along go past them."""

    @staticmethod
    def _named(name: str) -> bytes:
        return f'{{"signature":"","statement":{{"device":"{name}"}}}}'.encode()

    def test_OD12_the_crowd_waits_or_comes_again_and_a_live_device_goes_straight_in(self) -> None:
        lanes, log = Lanes(at_work=2, waiting=3, kept=0), list[str]()

        async def work(name: str, hold: asyncio.Event) -> None:
            async with lanes.enter(self._named(name)):
                log.append(name)
                await hold.wait()

        async def play() -> list[object]:
            none = asyncio.Event()
            none.set()
            await work("live", none)
            hold = asyncio.Event()
            crowd = [asyncio.create_task(work(f"back-{number}", hold)) for number in range(8)]
            while sum(task.done() for task in crowd) < 3:
                await asyncio.sleep(0)
            await work("live", none)
            assert log == ["live", "back-0", "back-1", "live"]
            hold.set()
            return list(await asyncio.gather(*crowd, return_exceptions=True))

        ended = asyncio.run(play())
        refusals = [problem for problem in ended if isinstance(problem, ComeAgain)]
        assert ended[:5] == [None] * 5 and len(refusals) == 3
        assert all(2 <= problem.retry_after <= 30 for problem in refusals)

    @pytest.mark.parametrize("counted", [0.5, 0.02])  # of work that takes half a second
    def test_OD12_each_that_is_sent_away_has_a_turn_of_its_own_and_no_sooner_than_the_work_goes(
        self, counted: float, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        usual = lanes_of.LONGEST_WORK_SECONDS
        monkeypatch.setattr(lanes_of, "LONGEST_WORK_SECONDS", counted)
        now = [0.0]
        lanes = Lanes(at_work=2, waiting=0, kept=0, clock=lambda: now[0])

        async def work(seconds: float) -> None:
            async with lanes.enter(self._named(f"worked-{now[0]}")):
                now[0] += seconds

        async def turns(count: int) -> list[int]:
            told = []
            async with lanes.enter(self._named(f"one-{now[0]}")), lanes.enter(self._named(f"two-{now[0]}")):
                for number in range(count):
                    with pytest.raises(ComeAgain) as caught:
                        async with lanes.enter(self._named(f"back-{number}")):
                            pass
                    told.append(caught.value.retry_after)
            return told

        async def play() -> None:
            for _ in range(200):
                await work(0.5)
            now[0] += 1000
            told = await turns(400)
            assert told[0] == 2 and told == sorted(told)
            assert told[-1] == pytest.approx(2 + 399 * counted / 2, abs=2)  # two are worked on at a time
            assert max(told.count(second) for second in set(told)) <= 2 / counted + 1
            now[0] += 10  # of those the first forty had their turn meanwhile
            assert (await turns(1))[0] == pytest.approx(max(told[-1] - 10, 2), abs=2)
            now[0] += 10_000
            assert (await turns(1)) == [2]
            now[0] += 1
            longest = max(await turns(20_000))
            assert longest == 1800 if counted > usual else longest <= 2 + 20_000 * usual / 2

        asyncio.run(play())

    def test_OD12_whoever_failed_is_no_live_device(self) -> None:
        lanes = Lanes(at_work=1, waiting=0, kept=0)

        async def play() -> None:
            with pytest.raises(Refused):
                async with lanes.enter(self._named("forged")):
                    raise Refused("EVIDENCE_SIGNATURE", "Not signed.")
            async with lanes.enter(self._named("back")):
                with pytest.raises(ComeAgain):
                    async with lanes.enter(self._named("forged")):
                        pass
            async with lanes.enter(self._named("forged")), lanes.enter(self._named("back")):
                pass

        asyncio.run(play())

    def test_OD12_the_answer_says_when_to_come_again(self, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(_lanes: Lanes, _body: bytes) -> NoReturn:
            raise ComeAgain

        envelope = Voice().reading().envelope()
        with monkeypatch.context() as patch:
            patch.setattr(Lanes, "enter", full)
            answer = client.post(STATEMENTS, content=envelope, headers=JSON)
        assert (answer.status_code, answer.json()["code"]) == (503, "INTAKE_BUSY")
        assert 2 <= int(answer.headers["Retry-After"]) <= 30 and answer.headers["Connection"] == "close"
        assert client.post(STATEMENTS, content=envelope, headers=JSON).status_code == 201
