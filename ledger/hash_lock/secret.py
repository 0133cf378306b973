"""The secret of a swap: 32 bytes that nobody could guess and nobody has seen, and their hash."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field

from ledger.errors import BadInput, Refused

SECRET_BYTES = 32
_LEAST_DIFFERENT = 12  # of 256 byte values; 32 random bytes have fewer than so many once in 10^22 draws
_GUESSABLE_BITS = 128


def hash_of(preimage: bytes) -> bytes:
    """SHA-256 of exactly 32 bytes, as both contracts hash it; `BadInput` PREIMAGE_LEN for any other length.

    A hash of anything longer could be opened on a chain whose contract takes longer preimages, and on that one only.
    """
    if len(preimage) != SECRET_BYTES:
        raise BadInput("PREIMAGE_LEN", f"a preimage has {SECRET_BYTES} bytes, not {len(preimage)}")
    return hashlib.sha256(preimage).digest()


@dataclass(frozen=True, slots=True)
class Secret:
    """A preimage fit for one swap; its text never shows it.

    `preimage`: 32 bytes from the system's randomness. `public`: values that anybody can read, such as ids, hash locks
    and preimages of earlier swaps; a preimage among them opens the lock for everyone.
    Errors: `BadInput` PREIMAGE_LEN, `Refused` PREIMAGE_WEAK.
    """

    preimage: bytes = field(repr=False)
    public: Collection[bytes] = field(default=(), repr=False, compare=False)

    def __post_init__(self) -> None:
        hash_of(self.preimage)
        if (why := _weakness(self.preimage, self.public)) is not None:
            raise Refused("PREIMAGE_WEAK", why, cure="Draw 32 bytes from the system's randomness, once for each swap.")

    @property
    def hashlock(self) -> bytes:
        """What both legs are locked with."""
        return hash_of(self.preimage)

    def check(self, hashlock: bytes) -> None:
        """Refuse terms that this secret does not open: another function, hashed twice, a hash of its text.

        `Refused` OFFER_HASH.
        """
        if hashlock != self.hashlock:
            raise Refused("OFFER_HASH", "the hash lock is not the SHA-256 of the secret's 32 bytes")


def _weakness(preimage: bytes, public: Collection[bytes]) -> str | None:
    if min(int.from_bytes(preimage, "big"), int.from_bytes(preimage, "little")) < 2**_GUESSABLE_BITS:
        return "the preimage is a small number"
    if len(set(preimage)) < _LEAST_DIFFERENT:
        return "the preimage repeats a few bytes"
    if preimage in public or hash_of(preimage) in public:
        return "the preimage, or its hash, is public already"
    return None
