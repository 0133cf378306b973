"""Evidence by MQTT 5: each message is acknowledged to the broker once what it says is durable, and not before.

The broker keeps the session, so a ledger that was away finds everything that was published meanwhile. What comes before
its predecessor, or faster than its device may speak, waits unacknowledged for a bounded time. What is refused for good
is acknowledged too, after what it shows was kept: the broker would offer it for ever. A message that meets a defect of
ours stays at the broker, and the others go on. May never happen here: an acknowledgement ahead of the row, a retained
message, or a message that its topic's device did not sign.
"""

from __future__ import annotations

import logging
import threading
import time
from bisect import insort
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from ledger.errors import BadInput, Problem, Refused, Unavailable
from ledger.evidence import Code, DeviceFinding, SegmentStatement, read_envelope, read_statement
from ledger.evidence.verification import OutOfTurn
from ledger.intake.broker import ALL_TOPICS, INTAKE_USER
from ledger.intake.quota import QuotaExceeded
from ledger.uplink_protocol import ENVELOPE_TYPE, device_of

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

    from ledger.intake.receive import Receiver

WAIT_SECONDS = 60.0  # for a predecessor that is on its way, or for the device's quota
ROOM_OF_A_DEVICE = 64
ROOM = 1000
IN_FLIGHT = 2 * ROOM  # what the broker may offer unacknowledged: more than ever waits
SESSION_SECONDS = 14 * 86_400
KEEP_ALIVE_SECONDS = 30
RETRY_SECONDS = 5.0
LOOK_SECONDS = 0.5  # between two looks at what waits: messages go past those that wait in vain
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it came from the broker."""

    topic: str
    payload: bytes
    retain: bool
    content_type: str | None


@dataclass(slots=True)
class _Waiting:
    """`sequence`: the device's number of what is said."""

    message: Message
    acknowledge: Callable[[], None]
    sequence: int
    until: float


@dataclass
class Desk:
    """Decides over each message. One thread at a time. `clock`: UTC; `ticks`: monotonic seconds."""

    receiver: Receiver
    clock: Callable[[], datetime]
    ticks: Callable[[], float] = time.monotonic
    _waiting: dict[str, list[_Waiting]] = field(default_factory=lambda: defaultdict(list))

    @property
    def waiting(self) -> int:
        """How many messages wait unacknowledged."""
        return sum(map(len, self._waiting.values()))

    def take(self, message: Message, acknowledge: Callable[[], None]) -> None:
        """Take in one message; `acknowledge` is called now or later, at most once.

        Raises `Unavailable` of the store: then nothing was acknowledged, and the broker offers it again.
        """
        try:
            device = device_of(message.topic)
            if message.retain or (message.content_type or ENVELOPE_TYPE) != ENVELOPE_TYPE:
                raise BadInput("MQTT_MESSAGE", "The message is retained, or of another content type.")
        except BadInput:  # no device's word: the broker's rules let none of this through
            acknowledge()
            return
        settled = self._try(device, message, final=False)
        if settled is None:
            return
        if settled:
            acknowledge()
            self._look_again(device)
        elif len(self._waiting[device]) < ROOM_OF_A_DEVICE and self.waiting < ROOM:
            waiting = _Waiting(message, acknowledge, _sequence_in(message.payload), self.ticks() + WAIT_SECONDS)
            insort(self._waiting[device], waiting, key=lambda each: each.sequence)
        elif self._try(device, message, final=True) is not None:
            acknowledge()

    def look_again(self) -> None:
        """Try what waits; give up what waited too long."""
        for device in list(self._waiting):
            self._look_again(device)

    def forget(self) -> None:
        """Let go of what waits: the connection is lost, and the broker offers it again."""
        self._waiting.clear()

    def _look_again(self, device: str) -> None:
        """Try what waits by rising numbers, up to the first that still has to: none behind it can be taken before it.

        A device that makes others wait for nothing costs one look, however many of its messages are here.
        """
        waiting = self._waiting.get(device, [])
        while waiting and self._settle(device, waiting[0]):
            waiting.pop(0)
        for late in [each for each in waiting if self.ticks() >= each.until]:
            self._settle(device, late)
            waiting.remove(late)
        if not waiting:
            self._waiting.pop(device, None)

    def _settle(self, device: str, waiting: _Waiting) -> bool:
        """Whether it need not wait any longer."""
        final = self.ticks() >= waiting.until
        settled = self._try(device, waiting.message, final=final)
        if settled is None:
            return True
        if settled or final:
            waiting.acknowledge()
        return settled or final

    def _try(self, device: str, message: Message, *, final: bool) -> bool | None:
        """Whether the message is settled; None where it meets a defect of ours, and must stay unacknowledged: the
        broker offers it again at the next connection. `final`: keep what it shows instead of letting it wait."""
        try:
            return self._judge(device, message, final=final)
        except Unavailable:
            raise
        except Exception:  # noqa: BLE001  one device's message must not keep the others' from coming in
            _log.exception("a message of %s cannot be judged, and stays at the broker", ascii(device))
            return None

    def _judge(self, device: str, message: Message, *, final: bool) -> bool:
        now = self.clock()
        try:
            self._receive(device, message.payload, now)
        except (OutOfTurn, QuotaExceeded) as early:
            if final:
                self._give_up(device, message.payload, now, early)
            return False
        except Unavailable:
            raise
        except Problem:
            return True  # refused for good, and what it shows is kept
        return True

    def _receive(self, device: str, payload: bytes, now: datetime) -> None:
        signed = read_envelope(payload)
        if isinstance(read_statement(signed.statement_bytes), SegmentStatement):
            self.receiver.announce(signed, received_at=now, claimed=device)
        else:
            self.receiver.statement(payload, received_at=now, claimed=device)

    def _give_up(self, device: str, payload: bytes, now: datetime, early: Problem) -> None:
        """Keep what a device signed and could not be taken, so that not even that is lost."""
        if isinstance(early, QuotaExceeded):
            hour = now.replace(minute=0, second=0, microsecond=0)
            what = "It sent more than it may, and what was beyond that was not taken, in this hour."
            found = DeviceFinding(Code.FLOOD, device, None, what, hour)
        else:
            sequence = _sequence_in(payload)
            what = "It came before its predecessor, which did not come in time."
            found = DeviceFinding(Code.OUT_OF_TURN, device, sequence, what, now, {}, payload)
        self.receiver.book.record(found)


def _sequence_in(payload: bytes) -> int:
    return read_statement(read_envelope(payload).statement_bytes).sequence


@dataclass(frozen=True)
class BrokerAddress:
    """Where the broker listens, and the password of the ledger's account. `ca_file`: for TLS, else plain."""

    host: str
    port: int
    password: str = field(repr=False)
    ca_file: str | None = None


class Subscriber:
    """The connection to the broker. `desk` is called from its thread alone.

    `trouble`: why nothing comes in now, None while it listens. It is told in the log too, and never the end of it.
    """

    def __init__(self, address: BrokerAddress, desk: Desk) -> None:
        from paho.mqtt.client import Client, MQTTv5  # noqa: PLC0415  (a third of a second, which no other verb needs)
        from paho.mqtt.enums import CallbackAPIVersion  # noqa: PLC0415

        self._address, self._desk = address, desk
        # What was heard of the first connection that the broker answered: it listens, or why it does not.
        self._stopping, self._answered = threading.Event(), threading.Event()
        client = Client(CallbackAPIVersion.VERSION2, client_id=INTAKE_USER, protocol=MQTTv5, manual_ack=True)
        client.username_pw_set(INTAKE_USER, address.password)
        if address.ca_file is not None:
            client.tls_set(ca_certs=address.ca_file)
        client.on_connect, client.on_message = self._connected, self._arrived
        client.on_subscribe = self._listening
        self._client: Client = client
        self._refusal: Problem | None = None
        self.trouble: Exception | None = None

    def run(self) -> None:
        """Take in evidence until `stop` is called, connecting again after a pause whenever that ended."""
        while not self._stopping.is_set():
            try:
                self._listen()
            except (OSError, Unavailable) as away:  # broker or store: what was not acknowledged comes again
                self.trouble = away
                _log.warning("nothing comes in from the broker: %s", away)
            except Refused as refusal:
                self.trouble = refusal
                _log.warning("nothing comes in from the broker: %s", refusal)
                self._answered.set()
            except Exception as defect:  # noqa: BLE001  a thread that ends unnoticed takes in nothing for ever
                self.trouble = defect
                _log.exception("taking in from the broker failed")
                self._answered.set()
            self._desk.forget()
            self._client.disconnect()
            self._stopping.wait(RETRY_SECONDS)

    def wait_until_listening(self, seconds: float) -> None:
        """Return once it reads what devices publish.

        What keeps it from that: `Refused` BROKER_REFUSED where the broker does not let the ledger's account in or read,
        `Unavailable` BROKER_DOWN after so many `seconds`, or a defect as it came.
        """
        if not self._answered.wait(seconds):
            where, cure = f"{self._address.host}:{self._address.port}", "Start it, then try again."
            raise Unavailable("BROKER_DOWN", "The broker cannot be reached.", where=where, cure=cure)
        if self.trouble is not None:
            raise self.trouble

    def stop(self) -> None:
        """Let `run` return soon."""
        self._stopping.set()

    def _listen(self) -> None:
        self._refusal = None
        self._connect()
        due = 0.0
        while not self._stopping.is_set():
            is_lost = self._client.loop(timeout=0.5) != 0
            if self._refusal is not None:
                raise self._refusal
            if is_lost:
                raise ConnectionResetError("the connection was lost")
            if time.monotonic() >= due:
                self._desk.look_again()
                due = time.monotonic() + LOOK_SECONDS

    def _connect(self) -> None:
        from paho.mqtt.packettypes import PacketTypes  # noqa: PLC0415
        from paho.mqtt.properties import Properties  # noqa: PLC0415

        session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        session.SessionExpiryInterval, session.ReceiveMaximum = SESSION_SECONDS, IN_FLIGHT
        self._client.connect(
            self._address.host, self._address.port, KEEP_ALIVE_SECONDS, clean_start=False, properties=session
        )

    def _connected(
        self, client: Client, _data: object, _flags: object, reason: ReasonCode, _properties: object
    ) -> None:
        if reason.is_failure:
            self._refuse(f"does not let the account {INTAKE_USER} in: {reason}")
        else:
            client.subscribe(ALL_TOPICS, qos=1)

    def _listening(
        self, _client: Client, _data: object, _number: int, reasons: list[ReasonCode], _properties: Properties
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self._refuse(f"does not let the account {INTAKE_USER} read {ALL_TOPICS}")
        else:
            self.trouble = None
            self._answered.set()

    def _arrived(self, client: Client, _data: object, message: MQTTMessage) -> None:
        properties = message.properties
        arrived = Message(
            message.topic, bytes(message.payload), message.retain, getattr(properties, "ContentType", None)
        )
        self._desk.take(arrived, lambda: self._acknowledge(client, message))

    def _acknowledge(self, client: Client, message: MQTTMessage) -> None:
        client.ack(message.mid, message.qos)

    def _refuse(self, why: str) -> None:
        self._refusal = Refused(
            "BROKER_REFUSED",
            f"The broker {why}.",
            where=f"{self._address.host}:{self._address.port}",
            cure="Give the broker the files of `pledgetrail intake broker-config`, made from this data folder.",
        )
