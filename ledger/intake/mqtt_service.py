"""The intake as a program: its configuration file, and the thread that listens to the broker."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ledger.canonical import JsonValue
from ledger.config_file import about, non_empty, read_fields
from ledger.intake.broker import ALL_TOPICS, INTAKE_USER, password_of
from ledger.intake.media_config import open_media
from ledger.intake.mqtt import BrokerAddress, Desk, Subscriber
from ledger.intake.quota import BURST, PER_SECOND, Quota
from ledger.intake.receive import EvidenceBook, Receiver

START_SECONDS = 30.0
_FIELDS = {"data", "broker_host", "broker_port"}
_OPTIONAL = {"ca_file", "statements_per_second", "burst"}


@dataclass(frozen=True, slots=True)
class IntakeConfig:
    """`data`: the ledger's data folder. `per_second`, `burst`: how often one device may speak."""

    data: Path
    host: str
    port: int
    ca_file: str | None = None
    per_second: int = int(PER_SECOND)
    burst: int = BURST

    @classmethod
    def load(cls, path: Path) -> IntakeConfig:
        """Read the file; relative paths start at it. `Unavailable` CONFIG_UNREADABLE; `BadInput` CONFIG_FORMAT."""
        with about(path, cure="See ledger/intake/README.md, section Operating it."):
            value = read_fields(path, _FIELDS, _OPTIONAL)
            return cls(
                data=path.parent / non_empty(value["data"]),
                host=non_empty(value["broker_host"]),
                port=_number(value["broker_port"], 65_535),
                ca_file=str(path.parent / non_empty(value["ca_file"])) if "ca_file" in value else None,
                per_second=_number(value.get("statements_per_second", int(PER_SECOND)), 100_000),
                burst=_number(value.get("burst", BURST), 1_000_000),
            )


class RunningIntake:
    """A subscriber in a thread of its own. `broker`: where it is connected to; `topic`: what it reads."""

    def __init__(self, subscriber: Subscriber, broker: str) -> None:
        self.broker, self.topic = broker, ALL_TOPICS
        self._subscriber = subscriber
        self._thread = threading.Thread(target=subscriber.run, name="mqtt-intake", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> Exception | None:
        """Why nothing comes in now; None while it listens."""
        return self._subscriber.trouble

    def wait_until_listening(self) -> None:
        """Return once it reads; else it is stopped. Errors: those of `Subscriber.wait_until_listening`."""
        try:
            self._subscriber.wait_until_listening(START_SECONDS)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop listening; what is being written is finished."""
        self._subscriber.stop()
        self._thread.join(START_SECONDS)


def start(config: IntakeConfig, book: EvidenceBook, secret: bytes) -> RunningIntake:
    """Listen to the broker for the ledger in `config.data`. `secret`: the broker's, which its passwords come from."""
    receiver = Receiver(book, open_media(config.data), Quota(config.per_second, config.burst))
    address = BrokerAddress(config.host, config.port, password_of(secret, INTAKE_USER), config.ca_file)
    subscriber = Subscriber(address, Desk(receiver, lambda: datetime.now(UTC)))
    running = RunningIntake(subscriber, f"{config.host}:{config.port}")
    running.wait_until_listening()
    return running


def _number(value: JsonValue, most: int) -> int:
    if type(value) is not int or not 1 <= value <= most:
        raise ValueError(f"ports and rates are whole numbers from 1 to {most}")
    return value
