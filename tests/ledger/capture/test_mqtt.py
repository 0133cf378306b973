"""Readings over MQTT 5, against Debian's Mosquitto as the project configures it, into a ledger's book."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger.capture.agent import Running, device_of, utc_now
from ledger.capture.config import Broker as BrokerPlace
from ledger.capture.config import load_sensor
from ledger.capture.keys import make_key, open_key
from ledger.capture.mqtt import AnnouncingUplink, MqttUplink
from ledger.capture.uplink import Uplink
from ledger.errors import Refused, Unavailable
from ledger.evidence import SegmentStatement, SignedEvidence, read_envelope, read_statement, sign_statement
from ledger.intake.broker import ALL_TOPICS, INTAKE_USER, password_of
from ledger.intake.mqtt import BrokerAddress, Desk, Subscriber
from ledger.intake.receive import Receiver
from ledger.store import Ledger
from tests.ledger.capture.estate import KEY, device
from tests.ledger.capture.test_agent import READING, SENSOR, write
from tests.ledger.evidence.test_evidence import FIRST
from tests.ledger.intake.mosquitto import SECRET, Broker, Peer, broker, wait_for
from tests.ledger.refusals import refused

SIGNED = sign_statement(FIRST, KEY)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with broker(tmp_path_factory.mktemp("mqtt") / "broker", [device("camera-1"), device("scale-1")]) as found:
        yield found


def place(folder: Path, running: Broker, name: str, password: str | None = None) -> BrokerPlace:
    path = folder / "password"
    path.write_text(password or password_of(SECRET, name))
    path.chmod(0o600)
    return BrokerPlace("127.0.0.1", running.port, path)


def test_an_envelope_goes_to_the_device_s_own_topic_and_is_not_retained(tmp_path: Path, running: Broker) -> None:
    reader = Peer(INTAKE_USER, INTAKE_USER).connect(running.port)
    assert reader.subscribe(ALL_TOPICS) == "Granted QoS 1"
    with MqttUplink(place(tmp_path, running, "camera-1"), "camera-1") as uplink:
        uplink.state(SIGNED)
        uplink.state(SIGNED)
    wait_for(lambda: len(reader.heard) == 2, "both messages")
    for message in reader.heard:
        assert message.topic == "pledgetrail/camera-1/evidence" and message.qos == 1 and not message.retain
        assert read_envelope(bytes(message.payload)) == SIGNED
        assert getattr(message.properties, "ContentType", None) == "application/json"
    reader.close()


def test_a_message_that_nobody_listens_for_was_not_taken(tmp_path: Path) -> None:
    with (
        broker(tmp_path / "broker", [device("camera-1")]) as lonely,
        MqttUplink(place(tmp_path, lonely, "camera-1"), "camera-1") as uplink,
        refused("UPLINK_DOWN"),
    ):
        uplink.state(SIGNED)


def test_OD01_another_password_or_another_s_topic_is_refused(tmp_path: Path, running: Broker) -> None:
    with MqttUplink(place(tmp_path, running, "camera-1", "guessed"), "camera-1") as uplink, refused("BROKER_REFUSED"):
        uplink.state(SIGNED)
    with MqttUplink(place(tmp_path, running, "stranger"), "stranger") as uplink, refused("BROKER_REFUSED"):
        uplink.state(SIGNED)


def test_a_broker_that_is_away_comes_back(tmp_path: Path) -> None:
    with broker(tmp_path / "broker", [device("camera-1")]) as own:
        reader = Peer(INTAKE_USER, INTAKE_USER).connect(own.port)
        reader.subscribe(ALL_TOPICS)
        with MqttUplink(place(tmp_path, own, "camera-1"), "camera-1") as uplink:
            uplink.state(SIGNED)
            own.stop()
            with refused("UPLINK_DOWN"):
                uplink.state(SIGNED)
            own.start()
            reader.close()
            again = Peer(INTAKE_USER, INTAKE_USER).connect(own.port)
            again.subscribe(ALL_TOPICS)
            uplink.state(SIGNED)
            again.close()


class Video(Uplink):
    """An uplink that counts, in place of HTTP."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:9")
        self.sent: list[SignedEvidence] = []

    def submit(self, evidence: SignedEvidence, init: bytes, media: bytes) -> None:
        if not self.sent:
            self.sent.append(evidence)
            raise Unavailable("UPLINK_DOWN", "The ledger is away.")
        self.sent.append(evidence)


def test_a_segment_is_announced_once_and_its_video_goes_by_http(tmp_path: Path, running: Broker) -> None:
    reader = Peer(INTAKE_USER, INTAKE_USER).connect(running.port)
    reader.subscribe(ALL_TOPICS)
    with MqttUplink(place(tmp_path, running, "camera-1"), "camera-1") as own:
        both = AnnouncingUplink(own, video := Video())
        with refused("UPLINK_DOWN"):
            both.submit(SIGNED, b"init", b"media")
        both.submit(SIGNED, b"init", b"media")
    wait_for(lambda: len(reader.heard) >= 1, "the announcement")
    announced = read_envelope(bytes(reader.heard[0].payload))
    assert isinstance(read_statement(announced.statement_bytes), SegmentStatement)
    assert len(reader.heard) == 1 and len(video.sent) == 2
    reader.close()


def test_an_announcement_that_fails_holds_nothing_up(tmp_path: Path) -> None:
    class Gone(MqttUplink):
        def state(self, evidence: SignedEvidence) -> None:
            raise Refused("BROKER_REFUSED", "No.")

    video = Video()
    video.sent.append(SIGNED)
    both = AnnouncingUplink(Gone(BrokerPlace("127.0.0.1", 9), "camera-1"), video)
    both.submit(SIGNED, b"init", b"media")
    assert len(video.sent) == 2


def listening(ledger: Ledger, port: int) -> Callable[[], None]:
    """The ledger's subscriber in a thread; call to stop it."""
    subscriber = Subscriber(
        BrokerAddress("127.0.0.1", port, password_of(SECRET, INTAKE_USER)),
        Desk(Receiver(ledger.evidence, ledger.media), lambda: datetime.now(UTC)),
    )
    thread = threading.Thread(target=subscriber.run)
    thread.start()

    def stop() -> None:
        subscriber.stop()
        thread.join(60)

    subscriber.wait_until_listening(60)
    return stop


def test_OD13_a_sensor_s_readings_survive_a_broker_and_a_ledger_that_go_away(tmp_path: Path) -> None:
    make_key(tmp_path / "device.key", "Ed25519")
    ledger = Ledger.open(tmp_path / "ledger", origin="ledger.example/log")
    with broker(tmp_path / "broker", [device("scale-1")]) as own:
        settings = place(tmp_path, own, "scale-1")
        mqtt = {"host": settings.host, "port": settings.port, "password_file": "password"}
        config = load_sensor(write(tmp_path, SENSOR | {"source": {"file": "readings"}, "mqtt": mqtt}))
        ledger.evidence.enrol(device_of(config.agent, open_key(config.agent.key)))
        stop = listening(ledger, own.port)

        def say(first: int, last: int) -> None:
            with (tmp_path / "readings").open("a") as file:
                for number in range(first, last):
                    file.write(json.dumps(READING | {"value": str(number)}) + "\n")

        def held() -> int:
            last = ledger.evidence.last("scale-1")
            return 0 if last is None else last.statement.sequence

        with Running(config.agent, has_video=False, clock=utc_now) as agent:
            agent.read(config)
            say(1, 11)
            wait_for(lambda: held() == 10, "the first ten readings")
            stop()  # the ledger goes away: the broker keeps its session
            say(11, 21)
            wait_for(lambda: agent.delivery.taken >= 20, "the broker has twenty")
            own.stop()  # and the broker
            say(21, 31)
            wait_for(lambda: agent.show()["kept"] == 30, "thirty were kept on the device")
            own.start()
            stop = listening(ledger, own.port)
            wait_for(lambda: held() == 30, "all of them, once and in order")
        stop()
    assert ledger.log.size == 1 + 30
    ledger.close()
