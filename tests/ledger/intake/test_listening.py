"""The thread that listens to the broker ends only when it is told to: whatever else befalls it is said, and passes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger.intake import mqtt, mqtt_service
from ledger.intake.broker import ACCOUNTS_FILE
from ledger.intake.mqtt import Desk
from ledger.intake.mqtt_service import IntakeConfig, RunningIntake, start
from ledger.intake.receive import Receiver
from tests.ledger.intake.mosquitto import SECRET, Broker, Peer, broker, wait_for
from tests.ledger.intake.speaking import OTHER_KEY, Listening, Voice, listening, scale
from tests.ledger.refusals import refused

OTHER = "scale-2"


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Listening]:
    with listening(tmp_path) as found:
        found.ledger.evidence.enrol(scale(OTHER, OTHER_KEY))
        yield found


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Broker]:
    with broker(tmp_path / "broker", (scale(), scale(OTHER, OTHER_KEY))) as found:
        yield found


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "RETRY_SECONDS", 0.05)


@contextmanager
def intake(at: Listening, folder: Path, port: int) -> Iterator[RunningIntake]:
    found = start(IntakeConfig(folder / "ledger", "127.0.0.1", port), at.ledger.evidence, SECRET)
    try:
        yield found
    finally:
        found.stop()


def say(port: int, voice: Voice, count: int = 1) -> None:
    peer = Peer(voice.name, voice.name).connect(port)
    for _ in range(count):
        assert peer.publish(f"pledgetrail/{voice.name}/evidence", voice.reading().envelope()) == "Success"
    peer.close()


def test_a_defect_is_told_and_after_a_pause_it_listens_again(
    at: Listening,
    running: Broker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    voice = Voice()
    with intake(at, tmp_path, running.port) as listens, caplog.at_level(logging.WARNING):
        assert listens.trouble is None
        with monkeypatch.context() as patch:

            def fails(_desk: Desk) -> None:
                raise RuntimeError("nobody foresaw this")

            patch.setattr(Desk, "look_again", fails)
            wait_for(lambda: isinstance(listens.trouble, RuntimeError), "the defect is told")
            say(running.port, voice)
        wait_for(lambda: at.held() == 1, "what came meanwhile, once")
        wait_for(lambda: listens.trouble is None, "it listens again")
        say(running.port, voice)
        wait_for(lambda: at.held() == 2, "what comes after")
    told = [record for record in caplog.records if record.message == "taking in from the broker failed"]
    assert told and told[0].exc_info is not None and "nobody foresaw this" in str(told[0].exc_info[1])


def test_OD12_a_message_that_meets_a_defect_keeps_no_other_device_out_and_is_not_lost(
    at: Listening, running: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = Voice(), Voice(OTHER, OTHER_KEY)
    real = Receiver.statement

    def fails(receiver: Receiver, payload: bytes, **named: object) -> object:
        if named["claimed"] == one.name:
            raise ValueError("one device's words only")
        return real(receiver, payload, **named)  # type: ignore[arg-type]

    with intake(at, tmp_path, running.port) as listens, monkeypatch.context() as patch:
        patch.setattr(Receiver, "statement", fails)
        say(running.port, one, 3)
        say(running.port, other, 2)
        wait_for(lambda: at.held(OTHER) == 2, "the other device's")
        assert (at.held(), listens.trouble) == (0, None)
        assert "a message of 'scale-1' cannot be judged" in caplog.text
    with intake(at, tmp_path, running.port):  # the broker still has them
        wait_for(lambda: at.held() == 3, "the first device's, in order")


def test_a_broker_that_no_longer_lets_the_ledger_in_is_told_until_it_does_again(
    at: Listening, running: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    accounts = running.folder / ACCOUNTS_FILE
    right = accounts.read_text()
    with intake(at, tmp_path, running.port) as listens, caplog.at_level(logging.WARNING):
        running.stop()
        wait_for(lambda: isinstance(listens.trouble, OSError), "the broker is missed")
        accounts.write_text("".join(line for line in right.splitlines(True) if "scale" in line))
        running.start()
        wait_for(lambda: getattr(listens.trouble, "code", "") == "BROKER_REFUSED", "the refusal is told")
        running.stop()
        accounts.write_text(right)
        running.start()
        wait_for(lambda: listens.trouble is None, "it listens again")
        say(running.port, Voice())
        wait_for(lambda: at.held() == 1, "what comes after")
    assert "BROKER_REFUSED" in caplog.text


def test_OD03_refuses_to_start_at_a_broker_with_other_accounts(at: Listening, running: Broker, tmp_path: Path) -> None:
    with refused("BROKER_REFUSED"):
        start(IntakeConfig(tmp_path / "ledger", "127.0.0.1", running.port), at.ledger.evidence, bytes(32))
    with intake(at, tmp_path, running.port) as listens:
        assert listens.trouble is None


def test_refuses_to_start_where_no_broker_is(
    at: Listening, running: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.stop()
    with monkeypatch.context() as patch:
        patch.setattr(mqtt_service, "START_SECONDS", 0.2)
        with refused("BROKER_DOWN"):
            start(IntakeConfig(tmp_path / "ledger", "127.0.0.1", running.port), at.ledger.evidence, SECRET)
    running.start()
    with intake(at, tmp_path, running.port) as listens:
        assert listens.trouble is None
