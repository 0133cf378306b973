"""Whose key signed a video: the certificate chain that travels with it, and the list of roots that are trusted.

What happens here: a chain is read (PEM, leaf first, as ONVIF Media Signing carries it), a signature is checked with the
leaf's key, and the chain is judged as of the time of signing, so that a certificate which expired later undoes nothing
and one that was not valid yet proves nothing. What may never happen here: fetching a certificate or a revocation list,
taking the stream's own root for a trusted one, or a digest older than SHA-256.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import verification

from ledger.errors import BadInput
from ledger.media_signing.verdict import Provenance
from ledger.printable import printable

MAX_CERTIFICATES = 10
MAX_CHAIN_BYTES = 64 * 1024
MAX_ROOTS = 256
MIN_RSA_BITS, MAX_RSA_BITS, MAX_RSA_EXPONENT_BITS = 2048, 4096, 32
"""A signature under a larger key, or one with a longer exponent, takes a hundred times as long to check: a stream holds
thousands, and its sender chooses the key."""

_DIGESTS: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
_PKCS1_OIDS = tuple(bytes.fromhex("2a864886f70d0101" + end) for end in ("0b", "0c", "0d"))
# What names and uses a camera's certificate states follows no rule; who issued it must say that it is an issuer.
_ISSUERS = verification.ExtensionPolicy.permit_all().require_present(
    x509.BasicConstraints, verification.Criticality.AGNOSTIC, None
)
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)


class SignerChain:
    """A certificate chain as it came, leaf first. `pem`: the bytes to archive."""

    def __init__(self, pem: bytes) -> None:
        """Raises `BadInput` CERTIFICATES for what is not 1 to `MAX_CERTIFICATES` certificates in PEM."""
        self.pem = pem
        self.certificates = _read(pem, MAX_CERTIFICATES)

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the bytes: the name under which the chain is archived."""
        return sha256(self.pem).digest()

    @cached_property
    def key(self) -> bytes:
        """SHA-256 of the leaf's public key (SubjectPublicKeyInfo, DER): renewing a certificate keeps it."""
        public = self.certificates[0].public_key()
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return sha256(public.public_bytes(serialization.Encoding.DER, form)).digest()

    @cached_property
    def subject(self) -> str:
        """Whom the leaf names (RFC 4514), at most 200 printable characters."""
        try:
            text = self.certificates[0].subject.rfc4514_string()
        except ValueError:
            text = "?"
        return printable(text)[:200] or "?"

    def is_of(self, public_key: bytes) -> bool:
        """Whether the leaf is for this P-256 key (65 bytes, uncompressed)."""
        public = self.certificates[0].public_key()
        if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
            return False
        form = serialization.PublicFormat.UncompressedPoint
        return public.public_bytes(serialization.Encoding.X962, form) == public_key

    def verifies(self, signature: bytes, document: bytes, *, algorithm: str, oid: bytes) -> bool:
        """Whether the leaf's key signed `document`. `oid`: of the signing algorithm, empty for elliptic curves."""
        digest = _DIGESTS.get(algorithm)
        try:
            key = self.certificates[0].public_key()
            if digest is None:
                return False
            if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES):
                key.verify(signature, document, ec.ECDSA(digest))
            elif isinstance(key, rsa.RSAPublicKey) and key.key_size >= MIN_RSA_BITS and not _is_slow(key):
                key.verify(signature, document, _padding(digest, oid), digest)
            else:
                return False
        except (InvalidSignature, UnsupportedAlgorithm, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class TrustList:
    """Roots whose word counts. Empty: every signer is untrusted."""

    roots: tuple[x509.Certificate, ...] = ()

    @classmethod
    def load(cls, pem: bytes) -> TrustList:
        """Roots from PEM; `BadInput` CERTIFICATES."""
        return cls(_read(pem, MAX_ROOTS))

    def judge(self, chain: SignerChain, signed_at: datetime | None) -> Provenance:
        """TRUSTED, NOT_VALID_THEN or UNTRUSTED_SIGNER, as of `signed_at` (UTC), the time that the signer stated.

        Without a stated time no certificate can be shown to have been valid: NOT_VALID_THEN where a root vouches.
        """
        if self.vouches(chain, signed_at):
            return Provenance.TRUSTED
        return Provenance.NOT_VALID_THEN if self.vouches_sometime(chain) else Provenance.UNTRUSTED_SIGNER

    def vouches_sometime(self, chain: SignerChain) -> bool:
        """Whether a root vouches for the chain at a time when all of it was valid: for the signer, not for then."""
        moments = {each.not_valid_before_utc for each in (*chain.certificates, *self.roots)}
        return any(self.vouches(chain, moment) for moment in moments)

    def period(self, chain: SignerChain, moment: datetime) -> tuple[int, int]:
        """Which of the stretches of time, in which one answer of `vouches` holds for this chain, `moment` is in."""
        every = (*chain.certificates, *self.roots)
        turns = sorted({each.not_valid_before_utc for each in every} | {each.not_valid_after_utc for each in every})
        at = moment.replace(microsecond=0)
        return bisect_left(turns, at), bisect_right(turns, at)

    def vouches(self, chain: SignerChain, moment: datetime | None) -> bool:
        """Whether a root vouches for the chain as of `moment` (UTC, to the second)."""
        if not self.roots or moment is None or any(_is_slow(each.public_key()) for each in chain.certificates):
            return False
        builder = (
            verification.PolicyBuilder()
            .store(verification.Store(list(self.roots)))
            .time(moment.astimezone(UTC).replace(tzinfo=None, microsecond=0))
            .max_chain_depth(MAX_CERTIFICATES)
            .extension_policies(ca_policy=_ISSUERS, ee_policy=verification.ExtensionPolicy.permit_all())
        )
        try:
            builder.build_client_verifier().verify(chain.certificates[0], list(chain.certificates[1:]))
        except (verification.VerificationError, ValueError, UnsupportedAlgorithm):
            return False
        return True


def _is_slow(key: object) -> bool:
    if not isinstance(key, rsa.RSAPublicKey):
        return False
    return key.key_size > MAX_RSA_BITS or key.public_numbers().e.bit_length() > MAX_RSA_EXPONENT_BITS


def _padding(digest: hashes.HashAlgorithm, oid: bytes) -> padding.AsymmetricPadding:
    if oid.removeprefix(b"\x06\x09").removeprefix(b"\x06\x08") in _PKCS1_OIDS:
        return padding.PKCS1v15()
    return padding.PSS(padding.MGF1(digest), padding.PSS.AUTO)


def _read(pem: bytes, most: int) -> tuple[x509.Certificate, ...]:
    try:
        if len(pem) > MAX_CHAIN_BYTES * 4:
            raise ValueError("too long")
        found = tuple(x509.load_pem_x509_certificates(pem))
        for certificate in found:
            certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _bad_chain("these are no certificates in PEM") from error
    if len(found) > most:
        raise _bad_chain(f"more than {most} certificates")
    return found


def _bad_chain(what: str) -> BadInput:
    return BadInput(
        "CERTIFICATES",
        f"the certificates cannot be read: {what}",
        cure="Hand in X.509 certificates as PEM text, the signer's own first.",
    )
