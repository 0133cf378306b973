"""A timestamping authority of our own: openssl's, with a root and a certificate that are made here."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CONFIG = """[tsa]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
"""


@dataclass(frozen=True)
class Authority:
    """`root`: its root certificate in DER. `folder`: keys and configuration, for openssl."""

    folder: Path
    root: bytes

    def reply(self, query: bytes) -> bytes:
        """The response (DER) to a request."""
        (self.folder / "query").write_bytes(query)
        command = ["openssl", "ts", "-reply", "-config", "tsa.conf", "-section", "tsa", "-queryfile", "query"]
        command += ["-signer", "tsa.pem", "-inkey", "tsa.key", "-out", "reply"]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True, timeout=60)
        return (self.folder / "reply").read_bytes()


def make_authority(
    folder: Path,
    *,
    name: str = "Test TSA",
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.TIME_STAMPING,
    until: datetime | None = None,
) -> Authority:
    """A new authority in `folder`; `until`: when its signing certificate ends."""
    folder.mkdir()
    now = datetime.now(UTC)
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} root")])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    def begin(subject: x509.Name, key: ec.EllipticCurvePrivateKey, until: datetime) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().issuer_name(issuer).subject_name(subject).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        return builder.not_valid_before(now - timedelta(days=1)).not_valid_after(until)

    root = begin(issuer, root_key, now + timedelta(days=9))
    root = root.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    own = begin(subject, key, until or now + timedelta(days=8))
    own = own.add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
    own = own.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    signed_root, signed = root.sign(root_key, hashes.SHA256()), own.sign(root_key, hashes.SHA256())
    (folder / "root.pem").write_bytes(signed_root.public_bytes(Encoding.PEM))
    (folder / "tsa.pem").write_bytes(signed.public_bytes(Encoding.PEM))
    (folder / "tsa.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "tsa.conf").write_text(_CONFIG.format(folder=folder))
    (folder / "serial").write_text("01\n")
    return Authority(folder, signed_root.public_bytes(Encoding.DER))
