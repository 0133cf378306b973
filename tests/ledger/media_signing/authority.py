"""Certificates for tests: a root, an intermediate, and cameras under it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from ledger.evidence.keys import SoftwareKey
from ledger.media_signing import TrustList

START, END = datetime(2020, 1, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Issued:
    """A certificate with its key, and the PEM of the chain up to the root, which is left out."""

    certificate: x509.Certificate
    private: PrivateKey
    chain: bytes

    @property
    def private_pem(self) -> bytes:
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def key(self) -> SoftwareKey:
        assert isinstance(self.private, ec.EllipticCurvePrivateKey)
        return SoftwareKey(self.private.private_numbers().private_value.to_bytes(32, "big"), "P-256")


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def issue(
    name: str,
    by: Issued | None = None,
    *,
    ca: bool = False,
    start: datetime = START,
    end: datetime = END,
    private: PrivateKey | None = None,
    usage: x509.ExtendedKeyUsage | None = None,
    signs_certificates: bool | None = None,
    public: ec.EllipticCurvePublicKey | None = None,
) -> Issued:
    """A certificate for `name`, issued by `by` or by itself. `public`: of a key that is elsewhere."""
    private = private or ec.generate_private_key(ec.SECP256R1())
    issuer_key, issuer = (private, _name(name)) if by is None else (by.private, by.certificate.subject)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(public or private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public or private.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .add_extension(_key_usage(ca=ca if signs_certificates is None else signs_certificates), critical=True)
    )
    if usage is not None:
        builder = builder.add_extension(usage, critical=False)
    certificate = builder.sign(issuer_key, hashes.SHA256())
    return Issued(
        certificate, private, pem(certificate) + (by.chain if by and by.certificate.issuer != issuer else b"")
    )


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(name: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )


ROOT = issue("Camera maker root", ca=True)
MAKER = issue("Camera maker", ROOT, ca=True)
CAMERA = issue("camera 1", MAKER)
TRUST = TrustList.load(pem(ROOT.certificate))
NOBODY = TrustList()
