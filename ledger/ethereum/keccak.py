"""Keccak-256 as Ethereum uses it (the padding of the competition entry, not of FIPS 202 SHA-3)."""

from __future__ import annotations

from eth_hash.auto import keccak


def keccak256(message: bytes) -> bytes:
    """The 32-byte Keccak-256 digest of `message`."""
    return bytes(keccak(message))
