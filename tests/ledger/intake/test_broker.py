"""The broker, configured as the project writes it, lets each device do one thing. Against Debian's Mosquitto."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest
from paho.mqtt.client import MQTTv311

from ledger.intake.broker import ALL_TOPICS, INTAKE_USER, broker_accounts, broker_config, password_of
from tests.ledger.intake.mosquitto import SECRET, WAIT_SECONDS, Broker, Peer, broker, wait_for
from tests.ledger.intake.speaking import NOON, OTHER_KEY, scale
from tests.ledger.refusals import refused

A, B = "urn:example:scale-a", "urn:example:scale-b"
TOPIC_A, TOPIC_B = f"pledgetrail/{A}/evidence", f"pledgetrail/{B}/evidence"
DEVICES = (scale(A), scale(B, OTHER_KEY))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with broker(tmp_path_factory.mktemp("mqtt") / "broker", DEVICES) as found:
        yield found


@pytest.fixture
def device_a(running: Broker) -> Iterator[Peer]:
    peer = Peer(A, A).connect(running.port)
    yield peer
    peer.close()


@pytest.fixture
def reader(running: Broker) -> Iterator[Peer]:
    peer = Peer(INTAKE_USER, INTAKE_USER).connect(running.port)
    assert peer.subscribe(ALL_TOPICS) == "Granted QoS 1"
    yield peer
    peer.close()


def heard(reader: Peer) -> list[tuple[str, bytes]]:
    return [(message.topic, bytes(message.payload)) for message in reader.heard]


def test_a_device_publishes_to_its_own_topic_and_the_ledger_hears_it(device_a: Peer, reader: Peer) -> None:
    assert device_a.publish(TOPIC_A, b"{}") == "Success"
    wait_for(lambda: bool(reader.heard), "the message")
    assert heard(reader) == [(TOPIC_A, b"{}")]


@pytest.mark.parametrize("topic", [TOPIC_B, "pledgetrail/evidence", f"{TOPIC_A}/more", "$CONTROL/dynamic-security/v1"])
def test_OD01_a_device_publishes_to_no_other_topic(device_a: Peer, reader: Peer, topic: str) -> None:
    assert device_a.publish(topic, b"{}") == "Not authorized"
    assert device_a.publish(TOPIC_A, b"honest") == "Success"
    wait_for(lambda: bool(reader.heard), "the honest message")
    assert heard(reader) == [(TOPIC_A, b"honest")]


def test_OD02_another_account_does_not_take_over_a_client_id(running: Broker, device_a: Peer, reader: Peer) -> None:
    thief = Peer(B, A).connect(running.port)
    guesser = Peer(A, A, password="guessed").connect(running.port)
    assert {*thief.connected, *guesser.connected} <= {"Not authorized", "Bad user name or password"}
    assert device_a.publish(TOPIC_A, b"still here") == "Success"
    wait_for(lambda: bool(reader.heard), "the message")
    assert device_a.disconnected == []
    for peer in (thief, guesser):
        peer.close()


def test_OD03_nobody_connects_without_a_name(running: Broker) -> None:
    for peer in (Peer(None, "someone"), Peer("nobody", "nobody", password="x"), Peer("", "x", password="")):
        peer.connect(running.port)
        assert peer.connected[0] in ("Not authorized", "Bad user name or password"), peer
        peer.close()


@pytest.mark.parametrize(
    "topic", ["#", "+/+/+", "$SYS/#", "tenant/+/x", ALL_TOPICS, TOPIC_A, TOPIC_B, "$share/g/pledgetrail/+/evidence"]
)
def test_OD03_a_device_reads_nothing(running: Broker, device_a: Peer, topic: str) -> None:
    assert device_a.subscribe(topic) in ("Not authorized", "disconnected")
    other = Peer(B, B).connect(running.port)
    assert other.publish(TOPIC_B, b"secret") in ("Success", "No matching subscribers")
    assert device_a.heard == []
    other.close()


def test_OD03_nobody_publishes_to_a_shared_subscription(device_a: Peer, reader: Peer) -> None:
    assert device_a.publish(f"$share/g/{TOPIC_A}", b"{}") in ("", "Not authorized")
    assert heard(reader) == []


def test_OD03_the_ledger_s_own_account_reads_devices_and_nothing_else(running: Broker, reader: Peer) -> None:
    for topic in ("#", "$SYS/#", "pledgetrail/#"):
        assert reader.subscribe(topic) == "Not authorized"
    assert reader.publish(TOPIC_A, b"{}") == "Not authorized"


@pytest.mark.parametrize("version", [None, MQTTv311], ids=["MQTT 5", "MQTT 3.1.1"])
def test_OD04_nothing_is_retained(running: Broker, version: object) -> None:
    device = Peer(A, A) if version is None else Peer(A, A, version=version)
    device.connect(running.port)
    device.publish(TOPIC_A, b"poison", retain=True)
    device.close()
    late = Peer(INTAKE_USER, INTAKE_USER).connect(running.port)
    late.subscribe(ALL_TOPICS)
    honest = Peer(A, A).connect(running.port)
    assert honest.publish(TOPIC_A, b"honest") == "Success"
    wait_for(lambda: bool(late.heard), "the honest message")
    assert heard(late) == [(TOPIC_A, b"honest")] and not late.heard[0].retain
    for peer in (late, honest):
        peer.close()


def test_OD04_a_last_will_reaches_no_topic_but_one_s_own(running: Broker, reader: Peer) -> None:
    dying = Peer(A, A).connect(running.port, will=(TOPIC_B, b"will"))
    dying.drop()
    honest = Peer(B, B).connect(running.port)
    assert honest.publish(TOPIC_B, b"honest") == "Success"
    wait_for(lambda: bool(reader.heard), "the honest message")
    assert heard(reader) == [(TOPIC_B, b"honest")]
    honest.close()


def _variable(number: int) -> bytes:
    out = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def _text(value: str) -> bytes:
    return len(value.encode()).to_bytes(2, "big") + value.encode()


def _connect() -> bytes:
    flags = _text("MQTT") + b"\x05\xc2\x00\x3c\x00"
    body = flags + _text(A) + _text(A) + _text(password_of(SECRET, A))
    return b"\x10" + _variable(len(body)) + body


def _publish(topic: str, announced: int) -> bytes:
    body = _text(topic) + b"\x00"
    return b"\x30" + _variable(announced or len(body)) + body


PACKETS = {
    "256 MB": _publish(TOPIC_A, 268_435_455),
    "just too large": _publish(TOPIC_A, 64 * 1024),
    "a topic of 65,535 bytes": _publish("x" * 65_535, 0),
    "a topic a thousand levels deep": _publish("a/" * 1000, 0),
    "a topic with a zero": _publish("pledgetrail/\0/evidence", 0),
    "a topic with a wildcard": _publish(ALL_TOPICS, 0),
}


@pytest.mark.parametrize("packet", PACKETS.values(), ids=PACKETS)
def test_OD04_a_packet_without_measure_ends_its_connection_and_not_the_broker(running: Broker, packet: bytes) -> None:
    with socket.create_connection(("127.0.0.1", running.port), timeout=WAIT_SECONDS) as raw:
        raw.sendall(_connect())
        assert raw.recv(4)[0] == 0x20
        raw.sendall(packet + b"x" * 1000)
        received = b""
        try:
            while piece := raw.recv(4096):
                received += piece
        except ConnectionResetError:
            pass
    assert running.is_alive
    honest = Peer(A, A).connect(running.port)
    assert honest.publish(TOPIC_A, b"{}") in ("Success", "No matching subscribers")
    honest.close()


def test_a_revoked_device_has_no_account() -> None:
    accounts = json.loads(broker_accounts((DEVICES[0], replace(DEVICES[1], revoked_at=NOON)), SECRET))
    assert [client["username"] for client in accounts["clients"]] == [INTAKE_USER, A]
    assert B not in json.dumps(accounts)


def test_no_password_stands_in_what_the_broker_is_given() -> None:
    accounts, config = broker_accounts(DEVICES, SECRET), broker_config("/x", host="127.0.0.1", port=1)
    for user in (A, B, INTAKE_USER):
        assert password_of(SECRET, user) not in accounts + config
    assert len({password_of(secret, user) for secret in (SECRET, bytes(32)) for user in (A, B)}) == 4


def test_a_device_named_like_the_ledger_s_account_is_refused() -> None:
    with refused("BROKER_NAME"):
        broker_accounts((scale(INTAKE_USER),), SECRET)
    with refused("BROKER_SECRET"):
        password_of(b"short", A)
