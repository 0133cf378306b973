"""Recoverable secp256k1 signatures, strictly: one signature has one form, and identity comes only from recovery.

The usual libraries recover from high-s signatures and from any `v`; nothing here does (attack rows A01 to A05, A14).
Signing is deterministic (RFC 6979) and gives low s.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

import coincurve

from ledger.errors import Refused
from ledger.ethereum.keccak import keccak256 as keccak

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
HALF_ORDER = ORDER // 2

_HEX = re.compile(r"0x(?:[0-9a-f]{2})*")
# What hashing nothing gives: a signature over it would be one over no statement at all.
_EMPTY_DIGEST = keccak(b"")


@dataclass(frozen=True, slots=True)
class Signature:
    """`r` and `s` as integers, `v` 27 or 28; strict by construction.

    Errors: `Refused` SIG_RANGE (r or s is no integer, 0 or not below the order), SIG_MALLEABLE (high s), SIG_BAD_V.
    """

    r: int
    s: int
    v: int

    def __post_init__(self) -> None:
        if type(self.v) is not int or self.v not in (27, 28):
            raise Refused("SIG_BAD_V", "the recovery value is neither 27 nor 28", where=repr(self.v))
        if not all(type(part) is int and 0 < part < ORDER for part in (self.r, self.s)):
            raise Refused("SIG_RANGE", "r or s is outside the curve's order")
        if self.s > HALF_ORDER:
            raise Refused("SIG_MALLEABLE", "s is in the upper half of the order", cure="Normalise s when signing.")

    @classmethod
    def parse(cls, raw: bytes) -> Signature:
        """Read `r (32) ‖ s (32) ‖ v (1)`; another length is `Refused` SIG_LENGTH."""
        if len(raw) != 65:
            raise Refused("SIG_LENGTH", f"a signature has 65 bytes, not {len(raw)}")
        return cls(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:64], "big"), raw[64])

    @classmethod
    def parse_hex(cls, text: str) -> Signature:
        """Read `0x` and 130 lower-case hex digits: one signature has one spelling. `Refused` SIG_HEX, SIG_LENGTH."""
        if not isinstance(text, str) or _HEX.fullmatch(text) is None:
            raise Refused("SIG_HEX", "a signature is written as 0x and lower-case hex digits")
        return cls.parse(bytes.fromhex(text[2:]))

    def pack(self) -> bytes:
        """`r ‖ s ‖ v`, 65 bytes."""
        return self.r.to_bytes(32, "big") + self.s.to_bytes(32, "big") + bytes([self.v])


def recover(digest: bytes, signature: Signature) -> bytes:
    """Return the 20-byte address that signed the 32-byte digest.

    Errors: `Refused` DIGEST_SHAPE (not 32 bytes, all zero, or the hash of nothing), SIG_UNKNOWN (recovers to no key).
    """
    _check_digest(digest)
    compact = signature.pack()[:64] + bytes([signature.v - 27])
    try:
        key = coincurve.PublicKey.from_signature_and_message(compact, digest, hasher=None)
    except Exception as error:  # coincurve raises a bare Exception when recovery fails
        raise Refused("SIG_UNKNOWN", "the signature recovers to no key") from error
    return keccak(key.format(compressed=False)[1:])[12:]


class DigestSigner(Protocol):
    """Whatever signs digests as one account: a key in memory, or one in a token."""

    @property
    def address(self) -> bytes:
        """The 20-byte account address."""
        ...

    def sign(self, digest: bytes) -> Signature:
        """Sign a 32-byte digest."""
        ...


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key held in memory. `repr` never shows it."""

    _key: coincurve.PrivateKey

    @classmethod
    def from_secret(cls, secret: bytes) -> SigningKey:
        """`secret`: 32 bytes, a valid scalar; else `Refused` KEY_INVALID."""
        try:
            if len(secret) != 32:
                raise ValueError
            return cls(coincurve.PrivateKey(secret))
        except ValueError:
            raise Refused("KEY_INVALID", "a secp256k1 key is 32 bytes and below the curve's order") from None

    @property
    def address(self) -> bytes:
        """The 20-byte account address."""
        return keccak(self._key.public_key.format(compressed=False)[1:])[12:]

    @property
    def secret(self) -> bytes:
        """The 32 secret bytes, for writing a key file and for signing transactions."""
        return bytes(self._key.secret)

    def sign(self, digest: bytes) -> Signature:
        """Sign a 32-byte digest; the same digest always gives the same signature (RFC 6979)."""
        _check_digest(digest)
        raw = self._key.sign_recoverable(digest, hasher=None)
        return Signature.parse(raw[:64] + bytes([raw[64] + 27]))

    def __repr__(self) -> str:
        return f"SigningKey(0x{self.address.hex()})"


def _check_digest(digest: bytes) -> None:
    if len(digest) != 32 or digest in (bytes(32), _EMPTY_DIGEST):
        raise Refused("DIGEST_SHAPE", "a digest is 32 bytes, not all zero and not the hash of nothing")
