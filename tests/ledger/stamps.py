"""Timestamps and certificates made at will, with keys of every kind: what an authority may hand out, and what none may.

Written in DER by hand, so that each part can be false while the rest is signed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

STAMPED_AT = datetime(2026, 4, 3, 7, tzinfo=UTC)
SIGNED_DATA, STAMP_INFO = "1.2.840.113549.1.7.2", "1.2.840.113549.1.9.16.1.4"
CONTENT_TYPE, MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
DIGESTS = {
    "sha256": "2.16.840.1.101.3.4.2.1",
    "sha384": "2.16.840.1.101.3.4.2.2",
    "sha512": "2.16.840.1.101.3.4.2.3",
    "sha1": "1.3.14.3.2.26",
}
RSA, ECDSA = "1.2.840.113549.1.1.1", "1.2.840.10045.4.3."
_SIGNING: dict[str, hashes.SHA256 | hashes.SHA384 | hashes.SHA512] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
_HASHES: dict[str, hashes.HashAlgorithm] = {**_SIGNING, "sha1": hashes.SHA1()}
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def der(tag: int, *parts: bytes) -> bytes:
    """One element."""
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 + len(length)]) + length + body


def oid(dotted: str) -> bytes:
    """An object identifier."""
    first, second, *rest = map(int, dotted.split("."))
    out = b""
    for arc in (40 * first + second, *rest):
        digits = [arc & 0x7F]
        while arc := arc >> 7:
            digits.append(0x80 | arc & 0x7F)
        out += bytes(reversed(digits))
    return der(0x06, out)


def integer(value: int) -> bytes:
    """An integer that is not negative."""
    return der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def algorithm(dotted: str) -> bytes:
    """An AlgorithmIdentifier without parameters."""
    return der(0x30, oid(dotted))


def octets(value: bytes) -> bytes:
    """An OCTET STRING."""
    return der(0x04, value)


def many(*items: bytes, tag: int = 0x31) -> bytes:
    """A SET OF, in its order."""
    return der(tag, *sorted(items))


@cache
def key(kind: str, number: int = 0) -> Key:
    """A key by kind, the same each time it is asked for; `number` tells keys of one kind apart."""
    del number
    if kind == "rsa":
        return rsa.generate_private_key(65537, 2048)
    curve = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1(), "k256": ec.SECP256K1()}[kind]
    return ec.generate_private_key(curve)


@dataclass(frozen=True)
class Certified:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def der(self) -> bytes:
        """The certificate's bytes."""
        return self.certificate.public_bytes(Encoding.DER)


def certify(
    name: str,
    own: Key,
    issuer: Certified | None = None,
    *,
    ca: bool = True,
    below: int | None = None,
    begins: datetime = STAMPED_AT - timedelta(days=99),
    until: datetime = STAMPED_AT + timedelta(days=99),
    purposes: Sequence[x509.ObjectIdentifier] | None = None,
    critical: bool = True,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    digest: str = "sha256",
    pss: bool = False,
    signer: Key | None = None,
) -> Certified:
    """A certificate of this name; without an issuer its own. `below`: its path length; `signer`: whose key signs it."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(own.public_key())
        .serial_number(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1)
        .not_valid_before(begins)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=below), critical=True)
    )
    if purposes is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=critical)
    for extension, is_critical in extensions:
        builder = builder.add_extension(extension, critical=is_critical)
    signing = signer or (own if issuer is None else issuer.key)
    if pss:
        assert isinstance(signing, rsa.RSAPrivateKey)
        padded = padding.PSS(padding.MGF1(_SIGNING[digest]), 32)
        return Certified(builder.sign(signing, _SIGNING[digest], rsa_padding=padded), own)
    return Certified(builder.sign(signing, _SIGNING[digest]), own)


def authority(root: Certified, kind: str = "p256", **changes: object) -> Certified:
    """A certificate for timestamps under a root."""
    fields = {"ca": False, "purposes": [ExtendedKeyUsageOID.TIME_STAMPING], **changes}
    return certify("Stamping office", key(kind, 1), root, **fields)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Office:
    """An authority that stamps as told. `issuers`: what stands in the response beside its own certificate."""

    own: Certified
    issuers: Sequence[Certified] = ()
    digest: str = "sha256"
    at: datetime = STAMPED_AT
    status: int = 0
    signers: int = 1
    hidden: bool = False  # whether its own certificate is left out
    version: int = 1
    info: Callable[[bytes], bytes] = field(default=lambda content: content)  # after it was signed
    attributes: Callable[[list[bytes]], list[bytes]] = field(default=lambda listed: listed)  # before they are signed
    named: str | None = None  # the signature's algorithm, where it is not the key's
    signing: Key | None = None

    def stamp(self, message: bytes) -> bytes:
        """The response over a message."""
        imprint = der(0x30, algorithm(DIGESTS[self.digest]), octets(hashlib.new(self.digest, message).digest()))
        moment = der(0x18, self.at.strftime("%Y%m%d%H%M%SZ").encode())
        content = der(0x30, integer(self.version), oid("1.2.3.4.1"), imprint, integer(7), moment)
        certificates = [each.der for each in (() if self.hidden else (self.own,))] + [each.der for each in self.issuers]
        signed = der(
            0x30,
            integer(3),
            many(algorithm(DIGESTS[self.digest])),
            der(0x30, oid(STAMP_INFO), der(0xA0, octets(self.info(content)))),
            *([many(*certificates, tag=0xA0)] if certificates else []),
            many(*([self._signer(content)] * self.signers)),
        )
        token = der(0x30, oid(SIGNED_DATA), der(0xA0, signed))
        return der(0x30, der(0x30, integer(self.status)), token)

    def _signer(self, content: bytes) -> bytes:
        listed = [
            der(0x30, oid(CONTENT_TYPE), many(oid(STAMP_INFO))),
            der(0x30, oid(MESSAGE_DIGEST), many(octets(hashlib.new(self.digest, content).digest()))),
        ]
        listed = self.attributes(listed)
        signing = self.signing or self.own.key
        used = _HASHES[self.digest]
        if isinstance(signing, rsa.RSAPrivateKey):
            signature = signing.sign(many(*listed), padding.PKCS1v15(), used)
        else:
            signature = signing.sign(many(*listed), ec.ECDSA(used))
        number = {"sha256": "2", "sha384": "3", "sha512": "4", "sha1": "1"}[self.digest]
        scheme = self.named or (RSA if isinstance(self.own.key, rsa.RSAPrivateKey) else ECDSA + number)
        own = self.own.certificate
        return der(
            0x30,
            integer(1),
            der(0x30, own.issuer.public_bytes(), integer(own.serial_number)),
            algorithm(DIGESTS[self.digest]),
            many(*listed, tag=0xA0),
            der(0x30, oid(scheme), b"\x05\x00") if scheme == RSA else algorithm(scheme),
            octets(signature),
        )
