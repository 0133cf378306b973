"""The camera's part of the journey: an enrolled camera for each step films a scene, or takes the user's own video."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from examples.demo import story
from examples.demo.folder import DataFolder
from examples.demo.maker import signing_place
from ledger.capture.camera import Camera, Shot
from ledger.capture.scene import encode_scene
from ledger.capture.segments import Recording, read_recording
from ledger.capture.signing import VideoSigning
from ledger.capture.spool import Spool
from ledger.capture.uplink import Uplink
from ledger.durable_file import write_new
from ledger.evidence import Device, SoftwareKey
from ledger.evidence.keys import SECRET_BYTES
from ledger.gs1 import Identifier
from ledger.store import Ledger, utc_now

VALID_BEFORE, VALID_AFTER = timedelta(days=30), timedelta(days=365)


def film_step(
    number: int,
    folder: DataFolder,
    ledger: Ledger,
    uplink: Uplink,
    lot: Identifier,
    start: datetime,
    video: Path | None,
) -> Sequence[bytes]:
    """Film step `number` of the story and return its segments' evidence digests as the ledger holds them.

    `start`: the demo's own beginning (UTC), the same on every run in a folder, so that a second run signs nothing new.
    Errors: those of `read_recording`, `Camera.film` and the uplink.
    """
    step = story.STEPS[number]
    home = folder / "cameras" / str(number + 1)
    home.mkdir(parents=True, exist_ok=True)
    key = device_key(home / "device.key")
    device = Device(
        id=f"camera-{number + 1}",
        public_key=key.public_key,
        label=f"Fixed camera, {step.name}",
        valid_from=start - VALID_BEFORE,
        valid_until=start + VALID_AFTER,
        revoked_at=None,
    )
    ledger.evidence.enrol(device)
    source = video or _scene(home / "scene.mp4", step, start)
    with (
        Spool(home / "spool") as spool,
        read_recording(source, target_seconds=story.SECONDS_PER_SEGMENT) as recording,
    ):
        camera = Camera(device, key, spool=spool, intake=uplink, clock=utc_now)
        # A long film of the user's own ends before now, whatever the story says: evidence from the future is refused.
        begins = start - max(step.before, timedelta(milliseconds=recording.duration_ms))
        shot = Shot(f"{step.name}-1", begins, step.place.normal, lot.normal, step.name)
        signs = number == story.SIGNING_STEP and video is None
        camera.film(_signed(folder, device, recording, begins) if signs else recording, shot)
        camera.deliver()
    held = ledger.evidence.segments_of_lots([lot.normal])
    return [segment.signed.digest for segment in held if segment.statement.device == device.id]


def _signed(folder: DataFolder, device: Device, recording: Recording, begins: datetime) -> Recording:
    """The recording with the camera's own signatures inside its video."""
    return VideoSigning(signing_place(folder), device=device.id, label=device.label).recording(recording, begins)


def _scene(path: Path, step: story.Step, start: datetime) -> Path:
    if not path.exists():
        unfinished = path.with_suffix(".unfinished")
        encode_scene(unfinished, caption=step.caption, started_at=start - step.before, seconds=story.SECONDS_PER_STEP)
        unfinished.replace(path)
    return path


def device_key(path: Path) -> SoftwareKey:
    """The key in a file of its own, made where it is missing."""
    write_new(path, secrets.token_bytes(SECRET_BYTES), mode=0o600)
    return SoftwareKey(path.read_bytes())
