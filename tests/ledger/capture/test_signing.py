"""A camera agent that is told to sign inside its video: every segment it hands over verifies by itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ledger.capture.agent import Running
from ledger.capture.config import load_camera
from ledger.capture.keys import make_key
from ledger.errors import BadInput, Problem, WrongUse
from ledger.media_signing import Authenticity, Codec, Provenance, length_prefixed_units, verify_video
from ledger.mp4.fragments import video_samples
from ledger.segment_body import read_segment_body
from tests.ledger.capture.estate import NOW, Receiver
from tests.ledger.capture.films import film
from tests.ledger.media_signing.authority import CAMERA, MAKER, TRUST, issue

WAIT_SECONDS = 60.0


def _config(folder: Path, **changes: Any) -> Path:
    folder.mkdir(exist_ok=True)
    make_key(folder / "device.key", "Ed25519")
    (folder / "video.pem").write_bytes(CAMERA.private_pem)
    (folder / "video.pem").chmod(0o600)
    (folder / "chain.pem").write_bytes(CAMERA.chain)
    (folder / "film.mp4").write_bytes(film("plain", 3.0))
    value: dict[str, Any] = {
        "device": "camera-1",
        "label": "Workshop",
        "key": {"algorithm": "Ed25519", "file": "device.key"},
        "folder": "spool",
        "ledger": "http://127.0.0.1:9",
        "place": "yard",
        "lot": "lot-1",
        "step": "picking",
        "segment_seconds": 1,
        "source": {"file": "film.mp4", "name": "r-1", "started_at": "2026-03-01T12:00:00.000Z"},
        "media_signing": {"key": {"algorithm": "P-256", "file": "video.pem"}, "chain": "chain.pem"},
    }
    path = folder / "camera.json"
    path.write_text(json.dumps({name: each for name, each in (value | changes).items() if each is not None}))
    return path


def _run(config: Path) -> list[bytes]:
    receiver = Receiver()
    camera = load_camera(config)
    with Running(camera.agent, intake=receiver, clock=lambda: NOW) as running:
        running.film(camera)
        assert running.finished.wait(WAIT_SECONDS)
        if running.problem is not None:
            raise running.problem
    assert len(receiver.taken) == 3
    return receiver.taken


def _says(raw: bytes) -> set[tuple[Authenticity, Provenance]]:
    body = read_segment_body(raw)
    units = length_prefixed_units(video_samples(body.init, body.media), 4)
    return {(group.authenticity, group.provenance) for group in verify_video(units, Codec.H264, TRUST).groups}


def test_every_segment_carries_signatures_that_verify_and_evidence_about_those_very_bytes(tmp_path: Path) -> None:
    for raw in _run(_config(tmp_path / "signed")):
        assert _says(raw) == {(Authenticity.AUTHENTIC, Provenance.TRUSTED)}
    for raw in _run(_config(tmp_path / "plain", media_signing=None)):
        assert _says(raw) == {(Authenticity.UNSIGNED, Provenance.NO_CERTIFICATE)}


def test_the_same_recording_is_signed_to_the_same_bytes_so_that_a_crash_changes_nothing(tmp_path: Path) -> None:
    once, again = _run(_config(tmp_path / "a")), _run(_config(tmp_path / "b"))
    assert [read_segment_body(raw).media for raw in once] == [read_segment_body(raw).media for raw in again]


@pytest.mark.parametrize(
    ("signing", "words"),
    [
        ({"key": {"algorithm": "Ed25519", "file": "device.key"}, "chain": "chain.pem"}, "takes a P-256 key"),
        ({"key": {"algorithm": "P-256", "file": "video.pem"}}, "media_signing lacks chain; it has chain, key"),
        (
            {
                "key": {
                    "algorithm": "P-256",
                    "token": {"library": "l.so", "label": "t", "key": "k", "pin_file": "pin"},
                },
                "chain": "chain.pem",
            },
            "takes a key in a file",
        ),
    ],
)
def test_a_configuration_that_could_not_sign_is_refused(signing: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        load_camera(_config(tmp_path / "bad", media_signing=signing))
    assert caught.value.code == "CONFIG_FORMAT" and words in caught.value.what
    assert load_camera(_config(tmp_path / "good")).signing is not None


def test_a_key_without_its_certificate_signs_nothing(tmp_path: Path) -> None:
    config = _config(tmp_path / "a")
    (tmp_path / "a" / "chain.pem").write_bytes(issue("camera 2", MAKER).chain)
    with pytest.raises(WrongUse) as caught:
        _run(config)
    assert caught.value.code == "MEDIA_SIGNING_KEY"
    (tmp_path / "a" / "video.pem").write_bytes(issue("x", private=ec.generate_private_key(ec.SECP384R1())).private_pem)
    with pytest.raises(Problem) as refused:
        _run(config)
    assert refused.value.code == "P256_KEY"
