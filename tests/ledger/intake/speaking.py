"""A device that speaks in readings and gaps, honestly or as a test says, and a ledger that listens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ledger.evidence import (
    NO_PREVIOUS,
    Code,
    Device,
    GapStatement,
    ReadingStatement,
    SignedEvidence,
    SoftwareKey,
    sign_statement,
)
from ledger.intake.receive import Received, Receiver
from ledger.store import Ledger

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
KEY, OTHER_KEY = SoftwareKey(bytes([21]) * 32), SoftwareKey(bytes([22]) * 32)
PEN = "urn:example:pen-4"
COW = "urn:example:animal-77"


def scale(name: str = "scale-1", key: SoftwareKey = KEY) -> Device:
    return Device(name, key.public_key, "Scale", NOON - timedelta(days=30), NOON + timedelta(days=300))


@dataclass
class Voice:
    """One device's chain. `said`: the number and digest of what it last said."""

    name: str = "scale-1"
    key: SoftwareKey = KEY
    number: int = 0
    digest: bytes = NO_PREVIOUS

    def reading(self, at: datetime = NOON, **changes: Any) -> SignedEvidence:
        """The next reading, which the device then goes on from."""
        honest = ReadingStatement(
            self.name, self.number + 1, self.digest, at, PEN, COW, "weight", f"{500 + self.number}.5", "KGM"
        )
        return self._say(replace(honest, **changes))

    def gap(self, *, unsent: int = 0, at: datetime = NOON, **changes: Any) -> SignedEvidence:
        """The next statement, of a loss."""
        honest = GapStatement(self.name, self.number + 1, self.digest, at, at, "spool-lost", 0, unsent)
        return self._say(replace(honest, **changes))

    def _say(self, statement: ReadingStatement | GapStatement) -> SignedEvidence:
        signed = sign_statement(statement, self.key)
        self.number, self.digest = statement.sequence, signed.digest
        return signed

    def twin(self) -> Voice:
        """Another device with the same key and memory."""
        return replace(self)


@dataclass
class Listening:
    """A ledger with one scale enrolled."""

    ledger: Ledger

    def hear(self, signed: SignedEvidence, at: datetime = NOON, claimed: str | None = None) -> Received:
        receiver = Receiver(self.ledger.evidence, self.ledger.media)
        return receiver.statement(signed.envelope(), received_at=at, claimed=claimed)

    def codes(self, device: str = "scale-1") -> list[Code]:
        """The findings about a device, the oldest first."""
        return [stored.finding.code for stored in reversed(self.ledger.evidence.findings(device))]

    def held(self, device: str = "scale-1") -> int:
        """The device's last number."""
        last = self.ledger.evidence.last(device)
        return 0 if last is None else last.statement.sequence


@contextmanager
def listening(folder: Path, clock: datetime = NOON) -> Iterator[Listening]:
    ledger = Ledger.open(folder / "ledger", origin="ledger.example/log", clock=lambda: clock)
    try:
        ledger.evidence.enrol(scale())
        yield Listening(ledger)
    finally:
        ledger.close()
