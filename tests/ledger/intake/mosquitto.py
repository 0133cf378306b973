"""Debian's Mosquitto on a free port with the project's own configuration, and clients that say what they are told."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ledger.evidence import Device
from ledger.intake.broker import ACCOUNTS_FILE, broker_accounts, broker_config, password_of
from ledger.serve import take_port

PROGRAM = "/usr/sbin/mosquitto"
SECRET = bytes(range(32))
WAIT_SECONDS = 60.0


def wait_for(condition: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > until:
            raise AssertionError(f"not within {WAIT_SECONDS:.0f} s: {what}")
        time.sleep(0.02)


@dataclass
class Broker:
    """A running broker, which can be stopped and started again with what it kept."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen([PROGRAM, "-c", str(self.folder / "mosquitto.conf")], stderr=subprocess.DEVNULL)
        wait_for(self._answers, "the broker listens")

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(WAIT_SECONDS)

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None and self._answers()

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


@contextmanager
def broker(folder: Path, devices: Iterable[Device]) -> Iterator[Broker]:
    folder.mkdir()
    listener = take_port("127.0.0.1", 0)
    port = int(listener.getsockname()[1])
    listener.close()
    (folder / ACCOUNTS_FILE).write_text(broker_accounts(devices, SECRET))
    (folder / ACCOUNTS_FILE).chmod(0o666)  # where the broker gives up root's rights it still has to read it
    folder.chmod(0o777)
    config = broker_config(str(folder), host="127.0.0.1", port=port)
    (folder / "mosquitto.conf").write_text(config + "user root\n")
    found = Broker(folder, port)
    found.start()
    try:
        yield found
    finally:
        found.stop()


@dataclass
class Peer:
    """One MQTT 5 client in a thread of paho's. What the broker answered stands in the lists."""

    user: str | None
    client_id: str
    password: str | None = None
    version: Any = MQTTv5
    connected: list[str] = field(default_factory=list)
    disconnected: list[str] = field(default_factory=list)
    granted: list[str] = field(default_factory=list)
    acknowledged: dict[int, str] = field(default_factory=dict)
    heard: list[MQTTMessage] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    def connect(self, port: int, will: tuple[str, bytes] | None = None) -> Peer:
        self.client = Client(CallbackAPIVersion.VERSION2, client_id=self.client_id, protocol=self.version)
        if self.user is not None:
            self.client.username_pw_set(self.user, self.password or password_of(SECRET, self.user))
        if will is not None:
            self.client.will_set(*will, qos=1)
        self.client.on_connect = lambda c, d, f, reason, p: self.connected.append(str(reason))
        self.client.on_disconnect = lambda c, d, f, reason, p: self.disconnected.append(str(reason))
        self.client.on_subscribe = lambda c, d, m, reasons, p: self.granted.extend(map(str, reasons))
        self.client.on_publish = self._published
        self.client.on_message = lambda c, d, message: self.heard.append(message)
        self.client.reconnect_delay_set(60, 60)  # a test connects by itself
        self.client.connect("127.0.0.1", port, keepalive=60)
        self.client.loop_start()
        wait_for(lambda: bool(self.connected), f"an answer to {self.client_id}")
        return self

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, qos: int = 1) -> str:
        """What the broker answered to it; empty where it broke the connection instead."""
        properties = None
        if self.version == MQTTv5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.ContentType = "application/json"
        number = self.client.publish(topic, payload, qos=qos, retain=retain, properties=properties).mid
        wait_for(lambda: number in self.acknowledged or bool(self.disconnected), "an answer to a message")
        return self.acknowledged.get(number, "")

    def subscribe(self, topic: str) -> str:
        before = len(self.granted)
        self.client.subscribe(topic, qos=1)
        wait_for(lambda: len(self.granted) > before or bool(self.disconnected), "an answer to a subscription")
        return self.granted[-1] if len(self.granted) > before else "disconnected"

    def drop(self) -> None:
        """End the connection without a goodbye."""
        if (held := self.client.socket()) is not None:
            held.close()
        self.client.loop_stop()

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def _published(self, _client: Client, _data: Any, number: int, reason: ReasonCode, _properties: Any) -> None:
        self.acknowledged[number] = str(reason)
