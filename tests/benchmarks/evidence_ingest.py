"""How fast segments come in: hashed, verified, stored and logged, against hashing the same bytes once.

The segments are one film's, made different from each other in the middle of a picture, each signed anew. They are taken
in one after another, as one camera sends them, on the disk of the temporary folder and in memory (`/dev/shm`), where
only the work counts. Memory is the peak of a process of its own that does nothing else.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import av
from av.video.stream import VideoStream

from ledger.capture.segments import read_recording
from ledger.cid import cid_of
from ledger.evidence import NO_PREVIOUS, Device, Media, SegmentStatement, SoftwareKey, sign_statement
from ledger.intake.quota import Quota
from ledger.intake.receive import Receiver
from ledger.intake.signed_video import SignedVideo
from ledger.mp4.fragments import group_digests, segment_facts
from ledger.segment_body import SegmentBody, write_segment_body
from ledger.store import Ledger
from tests.benchmarks.peak import peak_mebibytes
from tests.benchmarks.relay_figures import Figure
from tests.ledger.capture.films import NOON

TOTAL_BYTES = 1_000_000_000
SEGMENT_SECONDS = 2
_TOUCHED_AT_ONCE = 4 * 1024**2
KEY = SoftwareKey(bytes([77]) * 32)
ROOT = Path(__file__).parents[2]


def ingests(total: int = TOTAL_BYTES) -> Sequence[Figure]:
    """Ingest of `total` bytes, on disk and in memory, and the memory that it takes."""
    figures = []
    for place, folder in (("on disk", None), ("in memory", "/dev/shm")):
        with tempfile.TemporaryDirectory(dir=folder) as home:
            figures += _ingest(place, Path(home), total)
    return figures


def _ingest(place: str, home: Path, total: int) -> list[Figure]:
    command = [sys.executable, "-m", "tests.benchmarks.evidence_ingest", str(home), str(total)]
    bodies = home / "bodies"
    bodies.mkdir()
    media = sum(write_bodies(bodies, total))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    openssl, processor = map(min, zip(*(_openssl(bodies) for _ in range(3)), strict=True))
    name = f"ingest of {media / 1e9:.2g} GB of segments, {place}"
    speed, baseline = media / told["seconds"] / 1e6, media / openssl / 1e6
    return [
        Figure.against(f"{name}, against openssl sha256", speed, "MB/s", baseline),
        Figure.against(
            f"{name}: processor time, user and system", told["processor"] / media * 1e9, "s/GB", processor / media * 1e9
        ),
        Figure(f"{name}: peak memory", told["mebibytes"], "MiB"),
    ]


def _touch(path: Path, size: int) -> None:
    """Write `size` bytes to the disk and delete them, so that the page cache has room that was used before.

    A virtual machine is handed its memory at the first touch, and that of a gigabyte takes longer than the ingest.
    """
    with path.open("wb") as file:
        for _ in range(0, size, _TOUCHED_AT_ONCE):
            file.write(bytes(_TOUCHED_AT_ONCE))
        os.fsync(file.fileno())
    path.unlink()


def _openssl(bodies: Path) -> tuple[float, float]:
    """Seconds by the clock and of processor time that openssl takes to hash the bodies, from the page cache."""
    begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    files = sorted(str(path) for path in bodies.iterdir())
    subprocess.run(["openssl", "dgst", "-sha256", *files], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - begun, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def write_bodies(folder: Path, total: int) -> Iterator[int]:
    """Write numbered bodies with `total` bytes of video at least; yields the bytes of each one's video."""
    init, template = _template()
    facts = segment_facts(init, template)
    previous, written, number = NO_PREVIOUS, 0, 0
    while written < total:
        number += 1
        changed = bytearray(template)
        changed[len(template) // 2 : len(template) // 2 + 8] = b"\x7f" + number.to_bytes(7, "big")
        media = bytes(changed)
        begins = NOON + number * timedelta(milliseconds=facts.duration_ms)
        named = Media(
            init_sha256=sha256(init).digest(),
            sha256=sha256(media).digest(),
            size=len(media),
            cid=cid_of(media),
            codec=facts.codec,
            width=facts.width,
            height=facts.height,
            duration_ms=facts.duration_ms,
            groups=group_digests(media),
        )
        ends = begins + timedelta(milliseconds=facts.duration_ms)
        statement = SegmentStatement(
            "camera-1", number, previous, begins, ends, "yard", "lot-1", "storing", "r-1", named
        )
        signed = sign_statement(statement, KEY)
        (folder / f"{number:06d}").write_bytes(write_segment_body(SegmentBody(signed, init, media)))
        previous, written = signed.digest, written + len(media)
        yield len(media)


def _template() -> tuple[bytes, bytes]:
    """The initialisation part and one segment of some 20 MB: noise, which no codec makes small."""
    noise = random.Random(7)
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "noise.mp4"
        with av.open(str(path), "w") as target:
            stream = target.add_stream("libx264", rate=25, options={"preset": "ultrafast", "crf": "30", "g": "50"})
            assert isinstance(stream, VideoStream)
            stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
            for _ in range(25 * SEGMENT_SECONDS):
                picture = av.VideoFrame(1280, 720, "yuv420p")
                for plane in picture.planes:
                    plane.update(noise.randbytes(plane.buffer_size))
                target.mux(stream.encode(picture))
            target.mux(stream.encode())
        with read_recording(path, target_seconds=SEGMENT_SECONDS) as recording:
            return recording.init, next(iter(recording.segments)).data


def _child(home: Path) -> None:
    """Take in every body; print the seconds spent and the peak of this process's memory."""
    bodies = sorted((home / "bodies").iterdir())
    ledger = Ledger.open(home / "ledger", origin="ledger.example/log")
    ledger.evidence.enrol(
        Device("camera-1", KEY.public_key, "Yard", NOON - timedelta(days=1), NOON + timedelta(days=99))
    )
    video = SignedVideo(ledger.signed_video, ledger.media, ledger.signers, ledger.evidence.record)
    receiver = Receiver(ledger.evidence, ledger.media, Quota(), video.take)
    seconds, processor = 0.0, 0.0
    _touch(home / "touched", sum(path.stat().st_size for path in bodies))
    for number, path in enumerate(bodies, 1):
        raw = path.read_bytes()
        begun, used = time.perf_counter(), time.process_time()
        taken = receiver.segment(raw, received_at=NOON + timedelta(days=2))
        seconds, processor = seconds + time.perf_counter() - begun, processor + time.process_time() - used
        if not taken.added or taken.evidence.statement.sequence != number:
            raise AssertionError(number)
    ledger.close()
    sys.stdout.write(json.dumps({"seconds": seconds, "processor": processor, "mebibytes": round(peak_mebibytes())}))


if __name__ == "__main__":
    _child(Path(sys.argv[1]))
