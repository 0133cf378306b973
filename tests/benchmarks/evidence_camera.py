"""What a camera's agent costs: 1080p at 25 frames a second over RTSP, cut, hashed, signed, spooled and handed over.

The processor time of the agent and of its worker, read from the kernel while it films in real time, as a part of one
core; the camera and the ledger are this process, and are not counted. `python -m tests.benchmarks.evidence_camera`.
"""

from __future__ import annotations

import functools
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av

from ledger.api.app import create_app
from ledger.capture.agent import device_of
from ledger.capture.config import load_camera
from ledger.capture.keys import make_key, open_key
from ledger.serve import serve
from ledger.store import Ledger
from tests.benchmarks.peak import processor_seconds
from tests.benchmarks.relay_figures import Figure
from tests.rtsp_server import RtspCamera, rtsp_camera

WIDTH, HEIGHT, FRAMES_PER_SECOND, BIT_RATE = 1920, 1080, 25, 4_000_000
FILM_SECONDS, MEASURED_SECONDS = 4, 30.0
_START_SECONDS = 60.0


def agents() -> list[Figure]:
    """The part of one core that an agent takes."""
    with tempfile.TemporaryDirectory() as folder:
        used, megabytes = _measure(Path(folder))
    work = f"camera agent, 1080p at 25 fps ({megabytes * 8 / MEASURED_SECONDS:.1f} Mbit/s), segments of 2 s"
    return [Figure.against(work, used / MEASURED_SECONDS, "of one core", 1.0)]


def _measure(folder: Path) -> tuple[float, float]:
    """Processor seconds of the agent while it films `MEASURED_SECONDS`, and the megabytes of video it signed."""
    ledger = Ledger.open(folder / "ledger", origin="ledger.example/log")
    server = serve(create_app(ledger), port=0)
    camera = RtspCamera(film(), loops=10_000, real_time=True)
    try:
        with rtsp_camera(camera):
            config = _configure(folder, camera.url, server.url, ledger)
            program = "from ledger.cli import main; main()"
            command = [sys.executable, "-c", program, "camera", "run", "--config", str(config)]
            agent = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            try:
                _until_segments(ledger, 2)
                begun, sizes = processor_seconds(agent.pid), _signed(ledger)
                time.sleep(MEASURED_SECONDS)
                return processor_seconds(agent.pid) - begun, (_signed(ledger) - sizes) / 1e6
            finally:
                agent.terminate()
                agent.wait(_START_SECONDS)
    finally:
        server.stop()
        ledger.close()


def _configure(folder: Path, source: str, url: str, ledger: Ledger) -> Path:
    path = folder / "camera.json"
    fields = {
        "device": "camera-1",
        "label": "1080p",
        "key": {"algorithm": "Ed25519", "file": "device.key"},
        "folder": "spool",
        "ledger": url,
        "place": "hall",
        "lot": "lot-1",
        "step": "firing",
        "source": {"rtsp": source},
    }
    path.write_text(json.dumps(fields))
    make_key(folder / "device.key", "Ed25519")
    agent = load_camera(path).agent
    ledger.evidence.enrol(device_of(agent, open_key(agent.key)))
    return path


def _until_segments(ledger: Ledger, count: int) -> None:
    limit = time.monotonic() + _START_SECONDS
    while len(ledger.evidence.segments_of_lots(["lot-1"])) < count:
        if time.monotonic() > limit:
            raise SystemExit("the agent films nothing")
        time.sleep(0.1)


def _signed(ledger: Ledger) -> int:
    return sum(each.statement.media.size for each in ledger.evidence.segments_of_lots(["lot-1"]))


@functools.cache
def film() -> bytes:
    """Some seconds of 1080p with noise in it, so that it compresses as a yard at dusk does, not as a test card."""
    out = io.BytesIO()
    source = f"testsrc2=size={WIDTH}x{HEIGHT}:rate={FRAMES_PER_SECOND}:duration={FILM_SECONDS},noise=alls=12:allf=t"
    options = {"preset": "ultrafast", "tune": "zerolatency", "b": str(BIT_RATE), "maxrate": str(BIT_RATE)}
    with av.open(source, "r", format="lavfi") as origin, av.open(out, "w", format="mp4") as target:
        video = target.add_stream("libx264", rate=FRAMES_PER_SECOND, options=options | {"bufsize": str(BIT_RATE)})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.codec_context.gop_size = 2 * FRAMES_PER_SECOND
        for index, frame in enumerate(origin.decode(video=0)):
            plain = frame.reformat(format="yuv420p")
            plain.pts, plain.time_base = index, Fraction(1, FRAMES_PER_SECOND)
            target.mux(video.encode(plain))
        target.mux(video.encode(None))
    return out.getvalue()


if __name__ == "__main__":
    for figure in agents():
        sys.stdout.write(f"{figure}   load {os.getloadavg()[0]:.1f}\n")
