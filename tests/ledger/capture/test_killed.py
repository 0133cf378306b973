"""Killed at any point, cut off at any byte: every segment arrives, once, in order, and none is signed twice.

This is the sentence by which the capture agent is judged: zero lost and zero doubled segments.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ledger.api.app import create_app
from ledger.capture.agent import device_of
from ledger.capture.config import load_camera
from ledger.capture.keys import make_key, open_key
from ledger.serve import serve
from ledger.store import Ledger
from tests.cutting_proxy import Network, network
from tests.ledger.capture import dying_agent
from tests.ledger.capture.dying_agent import POINTS
from tests.ledger.capture.films import film, packets
from tests.rtsp_server import RtspCamera, rtsp_camera

WAIT_SECONDS = 60.0
SECONDS = 12.0  # of film: six segments


@dataclass
class Yard:
    """A camera's folder, and the ledger behind a network that can be cut."""

    folder: Path
    ledger: Ledger
    net: Network

    @property
    def config(self) -> Path:
        return self.folder / "camera.json"

    def configure(self, source: dict[str, object]) -> None:
        fields = {
            "device": "camera-1",
            "label": "Hall, north",
            "key": {"algorithm": "P-256", "file": "device.key"},
            "folder": "spool",
            "ledger": self.net.url,
            "place": "hall",
            "lot": "lot-1",
            "step": "firing",
            "source": source,
        }
        self.config.write_text(json.dumps(fields))
        make_key(self.folder / "device.key", "P-256")
        agent = load_camera(self.config).agent
        self.ledger.evidence.enrol(device_of(agent, open_key(agent.key)))

    def start(self, point: str = "none", count: int = 1) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", dying_agent.__name__, str(self.config), point, str(count)]
        with (self.folder / "out.txt").open("ab") as out:
            return subprocess.Popen(command, stdout=out, stderr=out, cwd=Path(__file__).parents[3])

    def findings(self) -> int:
        """Entries of the log that are neither the enrolment nor evidence."""
        return len(self.ledger.evidence.findings("camera-1"))

    def held(self) -> list[int]:
        return [each.statement.sequence for each in self.ledger.evidence.segments_of_lots(["lot-1"])]


@contextmanager
def yard(folder: Path) -> Iterator[Yard]:
    ledger = Ledger.open(folder / "ledger", origin="ledger.example/log")
    server = serve(create_app(ledger), port=0)
    try:
        with network(server.port) as net:
            yield Yard(folder, ledger, net)
    finally:
        server.stop()
        ledger.close()


def ended(agent: subprocess.Popen[bytes]) -> int:
    try:
        return agent.wait(WAIT_SECONDS)
    finally:
        agent.kill()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_and_disconnected_a_recording_arrives_with_nothing_lost_and_nothing_doubled(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    original = film("B-frames and sound", SECONDS)
    (tmp_path / "film.mp4").write_bytes(original)
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    with yard(tmp_path) as own:
        began_text = began.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        own.configure({"file": "film.mp4", "name": "r-1", "started_at": began_text})
        killed = 0
        for point in chance.sample(POINTS, k=5):
            own.net.cut_after = chance.choice([None, chance.randrange(1, 200_000)])
            status = ended(own.start(point, chance.randrange(1, 5)))
            own.net.mend()
            assert status in (0, -signal.SIGKILL), (tmp_path / "out.txt").read_text()
            killed += status != 0
        assert killed >= 2
        assert ended(own.start()) == 0, (tmp_path / "out.txt").read_text()
        stored = own.ledger.evidence.segments_of_lots(["lot-1"])
        assert [each.statement.sequence for each in stored] == list(range(1, 7))
        init = own.ledger.media.get(stored[0].init_cid)
        again = init + b"".join(own.ledger.media.get(each.media_cid) for each in stored)
        for kind in ("video", "audio"):
            assert packets(again, kind) == packets(original, kind)
        assert own.ledger.log.size == 1 + 6  # the enrolment and each segment, once
        assert not list((tmp_path / "spool").glob("*.segment"))


def test_a_live_camera_killed_and_cut_off_loses_nothing_that_it_signed(tmp_path: Path) -> None:
    with yard(tmp_path) as own, rtsp_camera(RtspCamera(film("plain", 3.0))) as camera:
        own.configure({"rtsp": camera.url})
        own.net.cut()
        for point, count in (("behind the segment's file", 3), ("before signing", 4), ("behind the last number", 2)):
            assert ended(own.start(point, count)) == -signal.SIGKILL
        assert not own.held()  # the network was away all the time, and capture never waited for it
        signed = [int(path.stem) for path in (tmp_path / "spool").glob("*.segment")]
        assert len(signed) >= 6
        own.net.mend()
        agent = own.start()
        limit = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < limit and len(own.held()) < len(signed) + 2:
            time.sleep(0.1)
        agent.send_signal(signal.SIGTERM)
        assert ended(agent) == 0, (tmp_path / "out.txt").read_text()
        held = own.held()
        assert held == sorted(set(held)) and set(signed) <= set(held) and len(held) > len(signed)
        told = own.ledger.evidence.last("camera-1")
        assert told is not None and told.statement.sequence == own.ledger.log.size - 1 - own.findings()
