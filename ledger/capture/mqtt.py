"""The device's way to the ledger over MQTT 5: envelopes to the device's own topic, each until the broker has it.

The spool is the session: nothing is kept in the client, and what was not acknowledged is published again, which the
ledger takes for what it is. What may never happen here: a retained message, a message of QoS 0, or evidence dropped
because the broker took it for nobody.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any, Self

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ledger.capture.config import Broker
from ledger.capture.keys import read_secret
from ledger.capture.uplink import Uplink
from ledger.errors import Refused, Unavailable
from ledger.evidence import SignedEvidence
from ledger.uplink_protocol import ENVELOPE_TYPE, topic_of

ANSWER_SECONDS = 20.0
KEEP_ALIVE_SECONDS = 60
NOBODY_LISTENS = 0x10
"""No matching subscribers: the broker took it, and threw it away."""


class MqttUplink:
    """Publishes as `device_id` to `broker`. Use as a context manager. One thread at a time."""

    def __init__(self, broker: Broker, device_id: str) -> None:
        """Connects when it has something to say. Raises what `read_secret` raises."""
        self._broker, self._topic, self._where = broker, topic_of(device_id), f"{broker.host}:{broker.port}"
        self._answers: dict[int, Any] = {}
        # What the broker said to the connection; None before it did, False once the connection is gone.
        self._connected: Any = None
        self._changed = threading.Condition()
        client = Client(CallbackAPIVersion.VERSION2, client_id=device_id, protocol=MQTTv5, reconnect_on_failure=False)
        if broker.password_file is not None:
            client.username_pw_set(device_id, read_secret(broker.password_file).decode().strip())
        if broker.ca_file is not None:
            client.tls_set(ca_certs=str(broker.ca_file))
        client.on_connect, client.on_publish, client.on_disconnect = self._on_connect, self._on_publish, self._on_gone
        self._client = client

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()

    def state(self, evidence: SignedEvidence) -> None:
        """Publish an envelope until the broker has it for the ledger.

        Raises `Unavailable` UPLINK_DOWN; `Refused` BROKER_REFUSED where the broker does not let this device speak.
        """
        try:
            self._connect()
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.ContentType = ENVELOPE_TYPE
            sent = self._client.publish(self._topic, evidence.envelope(), qos=1, retain=False, properties=properties)
            reason = self._wait_for(lambda: self._answers.pop(sent.mid, None))
        except (OSError, ValueError) as error:
            self._leave()
            raise self._down(f"the broker cannot be reached ({type(error).__name__})") from error
        except Unavailable:
            self._leave()
            raise
        if reason.value == NOBODY_LISTENS:
            raise self._down("the broker knows of no ledger that listens")
        if reason.is_failure:
            self._leave()
            raise self._refused(str(reason))

    def _connect(self) -> None:
        if self._connected:
            return
        self._leave()
        self._client.connect(self._broker.host, self._broker.port, KEEP_ALIVE_SECONDS, clean_start=True)
        self._client.loop_start()
        reason = self._wait_for(lambda: self._connected or None)
        if reason.is_failure:
            self._leave()
            raise self._refused(str(reason))

    def _wait_for(self, answer: Any) -> Any:
        limit = time.monotonic() + ANSWER_SECONDS
        with self._changed:
            while (found := answer()) is None:
                left = limit - time.monotonic()
                if left <= 0 or self._connected is False:
                    raise self._down("the broker does not answer")
                self._changed.wait(left)
        return found

    def _leave(self) -> None:
        with suppress(OSError, ValueError):
            self._client.disconnect()
        self._client.loop_stop()
        self._answers.clear()
        self._connected = None

    def _on_connect(self, _client: object, _data: object, _flags: object, reason: Any, _properties: object) -> None:
        with self._changed:
            self._connected = reason
            self._changed.notify_all()

    def _on_publish(self, _client: object, _data: object, mid: int, reason: Any, _properties: object) -> None:
        with self._changed:
            self._answers[mid] = reason
            self._changed.notify_all()

    def _on_gone(self, *_: object) -> None:
        with self._changed:
            if not (self._connected and self._connected.is_failure):
                self._connected = False
            self._changed.notify_all()

    def _down(self, why: str) -> Unavailable:
        cure = "It waits in the device's spool and is sent again."
        return Unavailable("UPLINK_DOWN", f"The broker did not take it: {why}.", where=self._where, cure=cure)

    def _refused(self, why: str) -> Refused:
        cure = "Check that the device is enrolled and its password is the one of `pledgetrail intake broker-config`."
        return Refused(
            "BROKER_REFUSED", f"The broker does not let this device speak: {why}.", where=self._where, cure=cure
        )


class AnnouncingUplink:
    """An `Intake` that announces a segment by MQTT before its video goes by HTTP, as everything else does.

    The announcement is early news, and the evidence needs it for nothing: one that fails is left out, not waited for.
    """

    def __init__(self, broker: MqttUplink, http: Uplink) -> None:
        self._broker, self._http = broker, http
        self._announced = b""

    def submit(self, evidence: SignedEvidence, init: bytes, media: bytes) -> None:
        """Announce the segment, once, and send it. Raises as `Uplink.submit`."""
        if self._announced != evidence.digest:
            with suppress(Unavailable, Refused):
                self._broker.state(evidence)
            self._announced = evidence.digest
        self._http.submit(evidence, init, media)

    def state(self, evidence: SignedEvidence) -> None:
        """Send a reading or a gap. Raises as `Uplink.state`."""
        self._http.state(evidence)
