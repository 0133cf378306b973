"""ECDSA on NIST P-256 with SHA-256 (FIPS 186-5) for devices whose secure element knows nothing else.

A private key is 32 bytes (the scalar), a public key 65 (SEC 1, uncompressed: the one form that browsers import), a
signature 64: `r ‖ s`, never DER. May never happen here: a second spelling of a signature (high s) or of a key.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ledger.errors import BadInput, Refused

PRIVATE_KEY_BYTES = 32
PUBLIC_KEY_BYTES = 65
SIGNATURE_BYTES = 64
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def public_key(private_key: bytes) -> bytes:
    """The public key (65 bytes) of a private key (32 bytes). Raises `BadInput` KEY_LENGTH, KEY_INVALID."""
    return _private(private_key).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def sign(private_key: bytes, message: bytes) -> bytes:
    """The 64-byte signature; always the same for the same key and message (RFC 6979). Raises as `public_key`."""
    der = _private(private_key).sign(message, ec.ECDSA(SHA256(), deterministic_signing=True))
    return low_s(b"".join(part.to_bytes(32, "big") for part in decode_dss_signature(der)))


def low_s(signature: bytes) -> bytes:
    """The one spelling of a signature `r ‖ s` that a token may have given with a high `s`."""
    s = int.from_bytes(signature[32:], "big")
    return signature[:32] + min(s, ORDER - s).to_bytes(32, "big")


def check_public_key(key: bytes) -> None:
    """Check a key before it is enrolled. Raises `BadInput` KEY_LENGTH, KEY_INVALID (no point of the curve)."""
    _public(key)


def verify(public_key: bytes, message: bytes, signature: bytes) -> None:
    """Check one signature; return only when it holds.

    Raises `Refused` SIG_INVALID (also for a wrong length), SIG_MALLEABLE (high s); `BadInput` KEY_LENGTH, KEY_INVALID.
    """
    key = _public(public_key)
    if len(signature) != SIGNATURE_BYTES:
        raise _does_not_hold()
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if s > ORDER // 2:
        raise Refused("SIG_MALLEABLE", "s is in the upper half of the order.", cure="Normalise s when signing.")
    try:
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(SHA256()))
    except InvalidSignature:
        raise _does_not_hold() from None


def _does_not_hold() -> Refused:
    return Refused("SIG_INVALID", "The signature does not hold for these bytes and this key.")


def _public(key: bytes) -> ec.EllipticCurvePublicKey:
    if len(key) != PUBLIC_KEY_BYTES:
        raise BadInput("KEY_LENGTH", f"A P-256 public key has {PUBLIC_KEY_BYTES} bytes, this one {len(key)}.")
    try:
        # Of this length it takes the uncompressed spelling alone.
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
    except ValueError:
        raise BadInput("KEY_INVALID", "This is no point of the curve P-256.", cure="Make a new key pair.") from None


def _private(private_key: bytes) -> ec.EllipticCurvePrivateKey:
    if len(private_key) != PRIVATE_KEY_BYTES:
        raise BadInput("KEY_LENGTH", f"A P-256 private key has {PRIVATE_KEY_BYTES} bytes, this one {len(private_key)}.")
    scalar = int.from_bytes(private_key, "big")
    if not 0 < scalar < ORDER:
        raise BadInput("KEY_INVALID", "A P-256 private key is a number from 1 below the order of the curve.")
    return ec.derive_private_key(scalar, ec.SECP256R1())
