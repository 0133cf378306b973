"""The maker of the demo's signing camera: a root of its own, and a certificate for the key that signs video.

Made once in a folder, before the ledger opens it: the ledger reads whose cameras it calls trusted when it starts.
Made up like everything here; no camera of any real maker is signed for.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from examples.demo.folder import DataFolder
from ledger.capture.keys import KeyPlace
from ledger.capture.signing import SigningPlace
from ledger.durable_file import write_whole
from ledger.store import utc_now
from ledger.store.ledger import SIGNERS_FILE

MAKER, CAMERA = "Demonstration camera maker", "Demonstration camera 4"
VALID_BEFORE, VALID_AFTER = timedelta(days=30), timedelta(days=3650)
_FOLDER, _KEY, _CHAIN = "camera-maker", "video.pem", "chain.pem"


def make_maker(folder: DataFolder) -> None:
    """Root, key and certificate, unless they are there. The root's own key is not kept: it signs nothing else."""
    home = folder / _FOLDER
    if (home / _CHAIN).exists():
        return
    home.mkdir(parents=True, exist_ok=True)
    now, root, camera = utc_now(), ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    by = _issue(MAKER, root.public_key(), MAKER, root, now, is_maker=True)
    own = _issue(CAMERA, camera.public_key(), MAKER, root, now, is_maker=False)
    secret = camera.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_whole(folder / SIGNERS_FILE, by.public_bytes(serialization.Encoding.PEM))
    write_whole(home / _KEY, secret, mode=0o600)
    write_whole(home / _CHAIN, own.public_bytes(serialization.Encoding.PEM))  # last: it says that all is there


def signing_place(folder: DataFolder) -> SigningPlace:
    """Where the key and the chain of the signing camera are."""
    home = folder / _FOLDER
    return SigningPlace(KeyPlace("P-256", file=home / _KEY), home / _CHAIN)


def _issue(
    name: str,
    key: ec.EllipticCurvePublicKey,
    by: str,
    with_key: ec.EllipticCurvePrivateKey,
    now: datetime,
    *,
    is_maker: bool,
) -> x509.Certificate:
    usage = x509.KeyUsage(
        digital_signature=not is_maker,
        key_cert_sign=is_maker,
        crl_sign=is_maker,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(by))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - VALID_BEFORE)
        .not_valid_after(now + VALID_AFTER)
        .add_extension(x509.BasicConstraints(ca=is_maker, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(with_key.public_key()), critical=False)
        .add_extension(usage, critical=True)
        .sign(with_key, hashes.SHA256())
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
