"""Ed25519 (RFC 8032 section 5.1) for cameras, logs and cosigners: the only place that uses it.

Keys and signatures are plain bytes: a private key is any 32 random bytes (the RFC's seed), a public key
has 32, a signature 64. May never happen here: accepting a second spelling of a signature or a key, or one
of the eight weak keys under which a signature says nothing about the message.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledger.errors import BadInput, Refused

KEY_BYTES = 32
SIGNATURE_BYTES = 64

_FIELD = 2**255 - 19
# y coordinates of the eight points whose order divides 8 (a point and its negative share one). Under such
# a key anybody can write a signature that holds for many messages, so its owner could deny everything.
_WEAK_Y = frozenset(
    {
        0,
        1,
        _FIELD - 1,
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
    }
)


def public_key(private_key: bytes) -> bytes:
    """The public key (32 bytes) of a private key (32 bytes). Raises `BadInput` KEY_LENGTH."""
    return _private(private_key).public_key().public_bytes_raw()


def sign(private_key: bytes, message: bytes) -> bytes:
    """The 64-byte signature; always the same for the same key and message. Raises `BadInput` KEY_LENGTH."""
    return _private(private_key).sign(message)


def check_public_key(key: bytes) -> None:
    """Check a key before it is enrolled. Raises `BadInput` KEY_LENGTH, KEY_WEAK (it would bind nobody)."""
    if len(key) != KEY_BYTES:
        raise BadInput("KEY_LENGTH", f"An Ed25519 public key has {KEY_BYTES} bytes, this one {len(key)}.")
    y = int.from_bytes(key, "little") & (2**255 - 1)
    if y >= _FIELD or y in _WEAK_Y:
        raise BadInput(
            "KEY_WEAK",
            "This key is of small order or a second spelling of another key: its signatures bind nobody.",
            where=key.hex(),
            cure="Make a new key pair.",
        )


def verify(public_key: bytes, message: bytes, signature: bytes) -> None:
    """Check one signature; return only when it holds.

    Raises `Refused` SIG_INVALID (also for a wrong length or a scalar out of range); `BadInput` KEY_LENGTH,
    KEY_WEAK.
    """
    check_public_key(public_key)
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise Refused("SIG_INVALID", "The signature does not hold for these bytes and this key.") from None


def _private(private_key: bytes) -> Ed25519PrivateKey:
    if len(private_key) != KEY_BYTES:
        raise BadInput("KEY_LENGTH", f"An Ed25519 private key has {KEY_BYTES} bytes, this one {len(private_key)}.")
    return Ed25519PrivateKey.from_private_bytes(private_key)
