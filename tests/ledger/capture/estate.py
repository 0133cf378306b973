"""A camera, a recording and an intake for tests; the intake keeps what it is given and can be told to fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from ledger.capture.camera import Camera, Shot
from ledger.capture.segments import Recording, read_recording
from ledger.capture.spool import Spool
from ledger.errors import Problem
from ledger.evidence import Device, SignedEvidence, SoftwareKey
from ledger.segment_body import SegmentBody, write_segment_body
from tests.ledger.capture.films import NOON, film

KEY, OTHER_KEY = SoftwareKey(bytes([7]) * 32), SoftwareKey(bytes([8]) * 32)
NOW = NOON + timedelta(hours=1)


def device(name: str = "camera-1", key: SoftwareKey = KEY, revoked_at: datetime | None = None) -> Device:
    period = NOON - timedelta(days=30), NOON + timedelta(days=300)
    return Device(name, key.public_key, "Workshop", *period, revoked_at)


def shot(name: str = "r-1", started_at: datetime = NOON) -> Shot:
    return Shot(name, started_at, "garden", "lot-1", "picking")


@dataclass
class Receiver:
    """An `Intake` that keeps the bodies it is given, after raising `problems` one by one."""

    taken: list[bytes] = field(default_factory=list)
    stated: list[SignedEvidence] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def submit(self, evidence: SignedEvidence, init: bytes, media: bytes) -> None:
        if self.problems:
            raise self.problems.pop(0)
        self.taken.append(write_segment_body(SegmentBody(evidence, init, media)))

    def state(self, evidence: SignedEvidence) -> None:
        if self.problems:
            raise self.problems.pop(0)
        self.stated.append(evidence)


def camera(spool: Spool, receiver: Receiver, *, now: datetime = NOW, key: SoftwareKey = KEY) -> Camera:
    return Camera(device(key=key), key, spool=spool, intake=receiver, clock=lambda: now)


@contextmanager
def recording(folder: Path, kind: str = "plain", seconds: float = 6.0) -> Iterator[Recording]:
    path = folder / "recording.mp4"
    path.write_bytes(film(kind, seconds))
    with read_recording(path) as opened:
        yield opened


def bodies(folder: Path, kind: str = "plain", name: str = "r-1", key: SoftwareKey = KEY) -> list[bytes]:
    """The bodies a camera sends for one recording of three segments."""
    receiver = Receiver()
    folder.mkdir(parents=True, exist_ok=True)
    with Spool(folder / "spool") as spool, recording(folder, kind) as opened:
        camera(spool, receiver, key=key).film(opened, shot(name))
    return receiver.taken
