"""Whatever an ingester acknowledged is there after it was killed, once; whatever it did not, comes again."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from ledger.api.app import create_app
from ledger.evidence import read_envelope
from ledger.intake.mqtt_service import IntakeConfig, start
from ledger.store import Ledger
from tests.acceptance.loaded import Loaded, loaded
from tests.ledger.capture.estate import NOW as FILMED
from tests.ledger.capture.estate import bodies, device
from tests.ledger.intake.dying import POINTS
from tests.ledger.intake.mosquitto import SECRET, WAIT_SECONDS, Peer, broker, wait_for
from tests.ledger.intake.speaking import NOON, Voice, listening, scale

STATEMENTS = "/api/v1/evidence/statements"
JSON, CBOR = {"Content-Type": "application/json"}, {"Content-Type": "application/cbor"}


@pytest.fixture(scope="module")
def dying() -> Iterator[Loaded]:
    """`tests.ledger.intake.dying`, loaded once; each run of it is a process of its own."""
    with loaded((), first="import sys; from tests.ledger.intake.dying import main", then="main(*sys.argv[1:])") as done:
        yield done


@contextmanager
def ingester(dying: Loaded, folder: Path, kind: str, point: str, count: int, port: int = 0) -> Iterator[str]:
    """An ingester in a process of its own, with the line it says once it listens; within the block it kills itself."""
    running = dying.start([kind, str(folder), point, str(count), str(port)], home=folder.parent)
    try:
        wait_for(lambda: running.said().endswith("\n"), "it listens")
        yield running.said().strip()
    except BaseException:
        with suppress(ProcessLookupError):
            os.kill(running.pid, signal.SIGKILL)
        running.wait()
        raise
    else:
        assert running.wait().status == -signal.SIGKILL


@contextmanager
def intake(folder: Path, port: int) -> Iterator[None]:
    """The subscriber in this process."""
    with listening(folder.parent) as at:
        running = start(IntakeConfig(folder, "127.0.0.1", port), at.ledger.evidence, SECRET)
        try:
            yield
        finally:
            running.stop()


def held(folder: Path, name: str = "scale-1") -> list[int]:
    """The numbers in the book, each as often as it stands there; every one with the entry that was made over it."""
    ledger = Ledger.open(folder, origin="ledger.example/log", clock=lambda: NOON)
    try:
        found = []
        last = ledger.evidence.last(name)
        for number in range(1, (0 if last is None else last.statement.sequence) + 1):
            evidence = ledger.evidence.number(name, number)
            assert evidence is not None
            row = ledger.evidence.held(evidence.digest)
            assert row is not None and ledger.log.entry(row.entry).holds(evidence.signed.envelope())
            found.append(number)
        return found
    finally:
        ledger.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with listening(tmp_path):
        return tmp_path / "ledger"


@pytest.mark.parametrize("point", POINTS)
def test_OD14_http_killed_at_a_point_acknowledged_nothing_that_is_not_held(
    dying: Loaded, folder: Path, point: str
) -> None:
    voice = Voice()
    sent = [voice.reading().envelope() for _ in range(4)]
    acknowledged = []
    with ingester(dying, folder, "http", point, 3) as url, httpx.Client(trust_env=False) as client:
        for number, envelope in enumerate(sent, 1):
            try:
                answer = client.post(url + STATEMENTS, content=envelope, headers=JSON, timeout=WAIT_SECONDS)
            except httpx.HTTPError:
                break
            assert answer.status_code == 201
            acknowledged.append(number)
    after = held(folder)
    assert after[: len(acknowledged)] == acknowledged and len(after) <= len(acknowledged) + 1
    with listening(folder.parent) as at:
        client_again = TestClient(create_app(at.ledger))
        again = [client_again.post(STATEMENTS, content=envelope, headers=JSON) for envelope in sent]
    # What is held stands already: the last of it is answered with its entry, and older ones by what stands there.
    older = len(after) - 1
    assert [answer.status_code for answer in again] == [409] * older + [200] + [201] * (4 - len(after))
    stands = [(answer.json()["code"], answer.json()["held"]) for answer in again[:older]]
    assert stands == [("REPLAY", read_envelope(envelope).digest.hex()) for envelope in sent[:older]]
    assert held(folder) == [1, 2, 3, 4]


@pytest.mark.parametrize("point", ["before the media", "after the media", "before the commit", "before the answer"])
def test_OD14_a_segment_killed_at_a_point_is_whole_or_not_there(
    dying: Loaded, folder: Path, tmp_path: Path, point: str
) -> None:
    ledger = Ledger.open(folder, origin="ledger.example/log", clock=lambda: FILMED)
    ledger.evidence.enrol(device())
    (first, *_) = bodies(tmp_path / "camera")
    with ingester(dying, folder, "http", point, 1) as url, pytest.raises(httpx.HTTPError):
        httpx.post(url + "/api/v1/evidence/segments", content=first, headers=CBOR, timeout=WAIT_SECONDS)
    for stored in ledger.evidence.segments_of_lots(["lot-1"]):
        assert ledger.media.has(stored.media_cid) and ledger.media.has(stored.init_cid)
    answer = TestClient(create_app(ledger)).post("/api/v1/evidence/segments", content=first, headers=CBOR)
    assert answer.status_code == (200 if point == "before the answer" else 201)
    assert len(ledger.evidence.segments_of_lots(["lot-1"])) == 1
    ledger.close()


@pytest.mark.parametrize("point", POINTS)
def test_OD14_mqtt_killed_at_a_point_loses_and_doubles_nothing(
    dying: Loaded, folder: Path, tmp_path: Path, point: str
) -> None:
    """The broker has acknowledged to the device; the ingester dies with each message in its hands."""
    voice = Voice()
    with broker(tmp_path / "broker", (scale(),)) as running:
        with ingester(dying, folder, "mqtt", point, 3, running.port) as said:
            assert said == "listening"
            peer = Peer("scale-1", "scale-1").connect(running.port)
            for _ in range(4):
                assert peer.publish("pledgetrail/scale-1/evidence", voice.reading().envelope()) == "Success"
        assert len(held(folder)) in (2, 3)
        with intake(folder, running.port):
            wait_for(lambda: len(held(folder)) == 4, "all four are held")
        peer.close()
    assert held(folder) == [1, 2, 3, 4]


def test_OD14_a_broker_that_restarts_keeps_what_the_ledger_has_not_acknowledged(folder: Path, tmp_path: Path) -> None:
    voice = Voice()
    with broker(tmp_path / "broker", (scale(),)) as running:
        with intake(folder, running.port):
            pass  # from now on there is a session to keep messages for
        peer = Peer("scale-1", "scale-1").connect(running.port)
        for _ in range(3):
            assert peer.publish("pledgetrail/scale-1/evidence", voice.reading().envelope()) == "Success"
        peer.close()
        running.stop()
        running.start()
        with intake(folder, running.port):
            wait_for(lambda: len(held(folder)) == 3, "all three are held")


def test_OD05_a_captured_message_on_a_new_session_is_one_row(folder: Path, tmp_path: Path) -> None:
    voice = Voice()
    first, second = voice.reading().envelope(), voice.reading().envelope()
    with broker(tmp_path / "broker", (scale(),)) as running, intake(folder, running.port):
        for sent in ((first, first), (first, second, first)):
            peer = Peer("scale-1", "scale-1").connect(running.port)
            for envelope in sent:
                assert peer.publish("pledgetrail/scale-1/evidence", envelope) == "Success"
            peer.close()
        wait_for(lambda: held(folder) == [1, 2], "both are held, once")
