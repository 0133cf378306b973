"""A maker vouches for a key by certificates that lead to one the operator trusts, and by nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from ledger.evidence import SoftwareKey
from ledger.evidence.keys import Algorithm
from ledger.evidence.maker import read_makers, vouched_by
from ledger.evidence.request import EnrolmentRequest
from tests.ledger.evidence.test_evidence import NOON
from tests.ledger.refusals import refused


@dataclass(frozen=True)
class Authority:
    """A certificate and the key it is for."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def issue(self, name: str, key: Any, *, is_ca: bool = False, until: datetime | None = None) -> x509.Certificate:
        return certify(name, key, self.certificate.subject, self.key, is_ca=is_ca, until=until)


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def certify(
    name: str, key: Any, issuer: x509.Name, issuer_key: Any, *, is_ca: bool, until: datetime | None = None
) -> x509.Certificate:
    usage = x509.KeyUsage(not is_ca, False, False, False, False, is_ca, is_ca, False, False)
    return (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOON - timedelta(days=400))
        .not_valid_after(until or NOON + timedelta(days=4000))
        .add_extension(x509.BasicConstraints(is_ca, None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


def authority(name: str) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    return Authority(key, certify(name, key.public_key(), named(name), key, is_ca=True))


MAKER, STRANGER = authority("Fair Cameras"), authority("Nobody Knows")
PLANT_KEY = ec.generate_private_key(ec.SECP256R1())
PLANT = Authority(PLANT_KEY, MAKER.issue("Plant 3", PLANT_KEY.public_key(), is_ca=True))


def public(algorithm: Algorithm, secret: bytes) -> Any:
    raw = SoftwareKey(secret, algorithm).public_key
    if algorithm == "Ed25519":
        return ed25519.Ed25519PublicKey.from_public_bytes(raw)
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)


def request(chain: Sequence[x509.Certificate], algorithm: Algorithm = "Ed25519") -> EnrolmentRequest:
    key = SoftwareKey(bytes([5]) * 32, algorithm)
    der = tuple(each.public_bytes(Encoding.DER) for each in chain)
    return EnrolmentRequest("camera-07", algorithm, key.public_key, "Hall, north", NOON, der)


@pytest.mark.parametrize("algorithm", ["Ed25519", "P-256"])
def test_a_key_with_a_chain_to_a_maker_is_vouched_for(algorithm: Algorithm) -> None:
    own = PLANT.issue("camera-07", public(algorithm, bytes([5]) * 32))
    asked = request([own, PLANT.certificate], algorithm)
    assert vouched_by(asked, [STRANGER.certificate, MAKER.certificate], at=NOON) == "CN=Fair Cameras"


OWN = public("Ed25519", bytes([5]) * 32)
CHAINS = {
    "OD10 no chain": ([], "ATTESTATION_NONE"),
    "OD10 of an unknown maker": ([STRANGER.issue("camera-07", OWN)], "ATTESTATION_CHAIN"),
    "OD10 whose root it brings itself": (
        [STRANGER.issue("camera-07", OWN), STRANGER.certificate],
        "ATTESTATION_CHAIN",
    ),
    "OD10 without the plant between": ([PLANT.issue("camera-07", OWN)], "ATTESTATION_CHAIN"),
    "OD10 expired": ([MAKER.issue("camera-07", OWN, until=NOON - timedelta(days=1))], "ATTESTATION_CHAIN"),
    "OD10 of another device's key": (
        [MAKER.issue("camera-07", public("Ed25519", bytes([6]) * 32))],
        "ATTESTATION_KEY",
    ),
    "OD10 of another kind of key": ([MAKER.issue("camera-07", public("P-256", bytes([5]) * 32))], "ATTESTATION_FORMAT"),
}


@pytest.mark.parametrize(("chain", "code"), CHAINS.values(), ids=CHAINS)
def test_any_other_chain_vouches_for_nothing(chain: list[x509.Certificate], code: str) -> None:
    with refused(code):
        vouched_by(request(chain), [MAKER.certificate], at=NOON)
    assert vouched_by(request([MAKER.issue("camera-07", OWN)]), [MAKER.certificate], at=NOON)


def test_OD10_a_device_certificate_cannot_issue_others() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    device = Authority(key, MAKER.issue("camera-01", key.public_key()))
    with refused("ATTESTATION_CHAIN"):
        vouched_by(request([device.issue("camera-07", OWN), device.certificate]), [MAKER.certificate], at=NOON)


def test_OD10_a_self_signed_certificate_vouches_for_nothing_where_nobody_is_trusted() -> None:
    for makers in ((), (MAKER.certificate,)):
        with refused("ATTESTATION_CHAIN"):
            vouched_by(request([STRANGER.issue("camera-07", OWN), STRANGER.certificate]), makers, at=NOON)


def test_bytes_that_are_no_certificates_are_refused() -> None:
    with refused("ATTESTATION_FORMAT"):
        vouched_by(
            EnrolmentRequest("camera-07", "Ed25519", SoftwareKey(bytes([5]) * 32).public_key, "x", NOON, (b"leaf",)),
            [MAKER.certificate],
            at=NOON,
        )
    for pem in (b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"x" * 300_000):
        with refused("MAKER_CERTIFICATE"):
            read_makers(pem)
    assert read_makers(MAKER.certificate.public_bytes(Encoding.PEM)) == (MAKER.certificate,)
