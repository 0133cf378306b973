"""The keys of devices: which algorithms there are, and the seam behind which a private key stays.

The algorithm stands in the enrolment and nowhere else, so that no message can choose how it is verified. May never
happen here: trying one algorithm after another, or a private key in a `repr`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, get_args

from ledger import ed25519, p256
from ledger.errors import BadInput

Algorithm = Literal["Ed25519", "P-256"]
"""`Ed25519` (RFC 8032), or `P-256`: ECDSA with SHA-256, `r ‖ s`, low s."""

ALGORITHMS: Final[tuple[Algorithm, ...]] = get_args(Algorithm)
SIGNATURE_BYTES: Final = 64  # of both
SECRET_BYTES: Final = 32  # of both


class DeviceSigner(Protocol):
    """Whatever signs as one device: a key in a file, or one in a token that never leaves it."""

    @property
    def algorithm(self) -> Algorithm: ...

    @property
    def public_key(self) -> bytes:
        """As it is enrolled: 32 bytes for Ed25519, 65 for P-256."""
        ...

    def sign(self, message: bytes) -> bytes:
        """64 bytes over the message. `Unavailable` where the key cannot be reached now."""
        ...


@dataclass(frozen=True, slots=True)
class SoftwareKey:
    """A device's private key (32 bytes) in memory. Raises `BadInput` KEY_LENGTH, KEY_INVALID when it is used."""

    secret: bytes = field(repr=False)
    algorithm: Algorithm = "Ed25519"

    @property
    def public_key(self) -> bytes:
        return ed25519.public_key(self.secret) if self.algorithm == "Ed25519" else p256.public_key(self.secret)

    def sign(self, message: bytes) -> bytes:
        return ed25519.sign(self.secret, message) if self.algorithm == "Ed25519" else p256.sign(self.secret, message)


def as_algorithm(name: str) -> Algorithm:
    """The algorithm of this name. `BadInput` KEY_ALGORITHM for any other word."""
    for known in ALGORITHMS:
        if name == known:
            return known
    raise BadInput("KEY_ALGORITHM", f"Devices sign with {' or '.join(ALGORITHMS)}.", where=ascii(name)[:40])


def check_public_key(algorithm: Algorithm, key: bytes) -> None:
    """Check a key before it is enrolled. `BadInput` KEY_ALGORITHM, KEY_LENGTH, KEY_WEAK, KEY_INVALID."""
    if as_algorithm(algorithm) == "Ed25519":
        ed25519.check_public_key(key)
    else:
        p256.check_public_key(key)


def verify_signature(algorithm: Algorithm, public_key: bytes, message: bytes, signature: bytes) -> None:
    """Check one signature of an enrolled key. `Refused` SIG_INVALID, SIG_MALLEABLE; `BadInput` as for enrolment."""
    if as_algorithm(algorithm) == "Ed25519":
        ed25519.verify(public_key, message, signature)
    else:
        p256.verify(public_key, message, signature)
