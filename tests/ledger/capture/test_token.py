"""A device's key in a PKCS#11 token (Debian's SoftHSM): it signs as any other, and nobody gets it out."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pkcs11
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from pkcs11 import Attribute, KeyType
from pkcs11.util.ec import encode_named_curve_parameters

from ledger import p256
from ledger.capture.camera import Camera
from ledger.capture.keys import KeyPlace, TokenPlace, open_key
from ledger.capture.spool import Spool
from ledger.capture.token import TokenKey
from ledger.errors import Refused
from ledger.evidence import Algorithm, Device, DeviceSigner, sign_statement, verify_evidence
from ledger.evidence.keys import verify_signature
from ledger.media_signing import (
    Authenticity,
    Codec,
    MediaSigner,
    Provenance,
    SegmentSigner,
    length_prefixed_units,
    verify_video,
)
from ledger.mp4.fragments import video_samples
from tests.ledger.capture.estate import NOW, Receiver, recording, shot
from tests.ledger.evidence.test_evidence import CAMERA, FIRST, RECEIVED
from tests.ledger.media_signing.authority import MAKER, TRUST, issue
from tests.ledger.media_signing.film import VENDOR
from tests.ledger.refusals import refused

LIBRARY = Path("/usr/lib/softhsm/libsofthsm2.so")
ED25519 = bytes.fromhex("06032b6570")
LABEL = "device0"


@pytest.fixture(scope="module")
def pin_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The PIN of a fresh token with some pairs of keys; made in a folder of its own."""
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(folder / "conf")
    command = ["softhsm2-util", "--init-token", "--free", "--label", LABEL, "--pin", "1234", "--so-pin", "5678"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    library = pkcs11.lib(str(LIBRARY))
    library.reinitialize()  # other tests of this process may have brought a configuration of their own
    with library.get_token(token_label=LABEL).open(user_pin="1234", rw=True) as session:
        p256_parameters = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
        curve = session.create_domain_parameters(KeyType.EC, p256_parameters, local=True)
        edwards = session.create_domain_parameters(KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: ED25519}, local=True)
        k1 = session.create_domain_parameters(
            KeyType.EC, {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256k1")}, local=True
        )
        for made, label, private in (
            (curve, "camera", {}),
            (curve, "twice", {}),
            (curve, "twice", {}),
            (curve, "open", {Attribute.EXTRACTABLE: True}),
            (curve, "shown", {Attribute.SENSITIVE: False}),
            (k1, "another curve", {}),
            (edwards, "drone", {}),
        ):
            made.generate_keypair(store=True, label=label, private_template=private)
    path = folder / "pin"
    path.write_text("1234\n")
    path.chmod(0o600)
    yield path
    del os.environ["SOFTHSM2_CONF"]


@contextmanager
def opened(at: KeyPlace) -> Iterator[DeviceSigner]:
    """The key, given up afterwards: a process logs in to a token once."""
    key = open_key(at)
    try:
        yield key
    finally:
        assert isinstance(key, TokenKey)
        key.close()


def place(pin_file: Path, key: str = "camera", algorithm: Algorithm = "P-256", label: str = LABEL) -> KeyPlace:
    return KeyPlace(algorithm, token=TokenPlace(LIBRARY, label, key, pin_file))


@pytest.mark.parametrize(("key", "algorithm"), [("camera", "P-256"), ("drone", "Ed25519")])
def test_it_signs_as_a_key_in_a_file_does(pin_file: Path, key: str, algorithm: Algorithm) -> None:
    with opened(place(pin_file, key, algorithm)) as own:
        device = Device("camera-07", own.public_key, "x", CAMERA.valid_from, CAMERA.valid_until, algorithm=algorithm)
        for _ in range(8):  # tokens give a high s as often as a low one
            verify_signature(algorithm, own.public_key, b"tea", own.sign(b"tea"))
        signed = sign_statement(FIRST, own)
        assert verify_evidence(signed, device=device, previous=None, received_at=RECEIVED).statement == FIRST
        assert len(own.public_key) == (p256.PUBLIC_KEY_BYTES if algorithm == "P-256" else 32)


def test_a_camera_films_with_it(pin_file: Path, tmp_path: Path) -> None:
    receiver = Receiver()
    with opened(place(pin_file)) as own, Spool(tmp_path / "spool") as spool, recording(tmp_path) as film:
        device = Device("camera-1", own.public_key, "x", CAMERA.valid_from, CAMERA.valid_until, algorithm="P-256")
        Camera(device, own, spool=spool, intake=receiver, clock=lambda: NOW).film(film, shot())
    assert len(receiver.taken) == 3


def test_it_signs_inside_the_video_beside_the_devices_own_key(pin_file: Path, tmp_path: Path) -> None:
    """Both keys of a camera may be in one token, to which a process logs in once."""
    with opened(place(pin_file)) as own, opened(place(pin_file)) as video, recording(tmp_path) as film:
        assert own.public_key == video.public_key
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), video.public_key)
        chain = issue("camera 1", MAKER, public=public).chain
        signer = MediaSigner(Codec.H264, video, chain, vendor=VENDOR)
        made = SegmentSigner(signer, film.init, NOW)
        for segment in film.segments:
            samples = video_samples(film.init, made.sign(segment.data))
            verdict = verify_video(length_prefixed_units(samples, 4), Codec.H264, TRUST)
            assert (verdict.authenticity, verdict.provenance) == (Authenticity.AUTHENTIC, Provenance.TRUSTED)
        verify_signature("P-256", own.public_key, b"tea", own.sign(b"tea"))


@pytest.mark.parametrize(
    ("key", "algorithm", "code"),
    [
        ("none", "P-256", "TOKEN_KEY"),
        ("twice", "P-256", "TOKEN_KEY"),
        ("another curve", "P-256", "TOKEN_KEY"),
        ("drone", "P-256", "TOKEN_KEY"),
        ("camera", "Ed25519", "TOKEN_KEY"),
        ("open", "P-256", "TOKEN_EXTRACTABLE"),
        ("shown", "P-256", "TOKEN_EXTRACTABLE"),
    ],
)
def test_K03_no_other_key_is_opened(pin_file: Path, key: str, algorithm: Algorithm, code: str) -> None:
    with refused(code):
        open_key(place(pin_file, key, algorithm))
    with opened(place(pin_file)) as own:
        assert own.sign(b"tea")


def test_a_wrong_pin_or_a_missing_token_is_told(pin_file: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "pin"
    wrong.write_text("4321")
    wrong.chmod(0o600)
    with refused("TOKEN_PIN"):
        open_key(place(wrong))
    with refused("TOKEN_MISSING"):
        open_key(place(pin_file, label="nobody's"))
    with refused("TOKEN_MISSING"):
        open_key(KeyPlace("P-256", token=TokenPlace(tmp_path / "none.so", LABEL, "camera", pin_file)))
    wrong.chmod(0o644)
    with refused("KEY_MODE"):
        open_key(place(wrong))


@pytest.mark.parametrize(("pin", "key"), [("4321", "camera"), ("1234", "no such key")])
def test_whoever_is_refused_is_told_what_to_do(pin_file: Path, tmp_path: Path, pin: str, key: str) -> None:
    file = pin_file if pin == "1234" else tmp_path / "pin"
    if file != pin_file:
        file.write_text(pin)
        file.chmod(0o600)
    with pytest.raises(Refused) as told:
        open_key(place(file, key))
    assert told.value.code in ("TOKEN_PIN", "TOKEN_KEY") and told.value.cure


def test_K03_nothing_shows_the_key(pin_file: Path) -> None:
    with opened(place(pin_file)) as own:
        assert repr(own) == f"TokenKey({own.public_key.hex()})"
