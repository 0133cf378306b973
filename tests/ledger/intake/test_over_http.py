"""From the camera over HTTP into the ledger and back to a player: the same frames, with nothing left in the spool."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from ledger.api.app import create_app
from ledger.capture.camera import Camera
from ledger.capture.spool import Spool
from ledger.capture.uplink import Uplink
from ledger.store import Ledger
from tests.ledger.capture.estate import KEY, NOW, OTHER_KEY, device, recording, shot
from tests.ledger.capture.films import film, packets
from tests.ledger.refusals import refused


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(tmp_path / "ledger", origin="ledger.example/log", clock=lambda: NOW)


def test_what_was_filmed_can_be_played(tmp_path: Path, ledger: Ledger) -> None:
    ledger.evidence.enrol(device())
    with TestClient(create_app(ledger), base_url="http://127.0.0.1") as client:
        uplink = Uplink("http://127.0.0.1", client=client)
        with Spool(tmp_path / "spool") as spool, recording(tmp_path, "B-frames and sound") as opened:
            camera = Camera(device(), KEY, spool=spool, intake=uplink, clock=lambda: NOW)
            filmed = camera.film(opened, shot())
            init = opened.init
        assert filmed.waiting == 0

        last = filmed.evidence[-1]
        stored = next(s for s in ledger.evidence.segments_of_lots(["lot-1"]) if s.signed == last.signed)
        played = client.get(f"/recordings/{stored.recording}.mp4").content
        uplink.submit(last.signed, init, client.get(f"/media/{stored.media_cid}").content)

    assert len(ledger.evidence.segments_of_lots(["lot-1"])) == len(filmed.evidence)
    for kind in ("video", "audio"):
        assert packets(played, kind) == packets(film("B-frames and sound"), kind)
    ledger.close()


def test_od01_a_device_that_is_not_enrolled_is_told_so_and_keeps_everything(tmp_path: Path, ledger: Ledger) -> None:
    ledger.evidence.enrol(device("camera-2", OTHER_KEY))
    size = ledger.log.size
    with TestClient(create_app(ledger), base_url="http://127.0.0.1") as client:
        uplink = Uplink("http://127.0.0.1", client=client)
        with Spool(tmp_path / "spool") as spool, recording(tmp_path) as opened:
            camera = Camera(device(), KEY, spool=spool, intake=uplink, clock=lambda: NOW)
            with refused("DEVICE_UNKNOWN"):
                camera.film(opened, shot())
            assert spool.waiting() == (1, 2, 3) and ledger.log.size == size
            ledger.evidence.enrol(device())
            assert camera.deliver() == 3
    ledger.close()
