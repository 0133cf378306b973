"""A device's private key: in a file that nobody else may read, or in a PKCS#11 token that never hands it out.

What happens here: keys are made and opened behind one seam (`ledger.evidence.DeviceSigner`). What may never happen
here: a key file that others can read, a key overwritten, or a signature of another key than the one that was opened.
"""

from __future__ import annotations

import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from ledger import ed25519, p256
from ledger.durable_file import write_new
from ledger.errors import Unavailable, WrongUse
from ledger.evidence import Algorithm, DeviceSigner, SoftwareKey
from ledger.evidence.keys import SECRET_BYTES


@dataclass(frozen=True, slots=True)
class TokenPlace:
    """Where a key is: the PKCS#11 `library` (a path), the token's `label`, the key's own label, and the PIN's file."""

    library: Path
    label: str
    key: str
    pin_file: Path


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where a device's key is: in a `file`, or in a `token`; exactly one of both."""

    algorithm: Algorithm
    file: Path | None = None
    token: TokenPlace | None = None


def open_key(place: KeyPlace) -> DeviceSigner:
    """The key. `WrongUse` KEY_MODE; `Unavailable` KEY_MISSING, TOKEN_MISSING; `Refused` TOKEN_…; `BadInput` KEY_…."""
    if place.token is not None:
        from ledger.capture.token import TokenKey  # noqa: PLC0415  # most devices have none

        return TokenKey(place.token, place.algorithm, read_secret(place.token.pin_file).strip())
    assert place.file is not None
    secret = read_secret(place.file)
    key = SoftwareKey(secret, place.algorithm)
    _ = key.public_key  # refuses what is no key before anything is captured
    return key


def make_key(path: Path, algorithm: Algorithm) -> SoftwareKey:
    """Make a key file with mode 0600 where there is none, and open it. Raises as `open_key`."""
    try:
        write_new(path, _new_secret(algorithm), mode=0o600)
    except OSError as error:
        raise Unavailable("KEY_MISSING", f"The key cannot be written: {error.strerror}.", where=str(path)) from error
    return SoftwareKey(read_secret(path), algorithm)


def read_secret(path: Path) -> bytes:
    """A secret file's content. `WrongUse` KEY_MODE for one that others may read; `Unavailable` KEY_MISSING."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
            raw = file.read(4096)
    except OSError as error:
        cure = "Make it with `pledgetrail camera keygen`, or correct the path."
        what = f"The secret file cannot be read: {error.strerror}."
        raise Unavailable("KEY_MISSING", what, where=str(path), cure=cure) from error
    if mode & 0o077:
        raise WrongUse(
            "KEY_MODE",
            f"Others may read or change this secret (mode {mode:04o}).",
            where=str(path),
            cure="Take the rights away with `chmod 600`; if others could read it, make a new key and enrol that.",
        )
    return raw


def _new_secret(algorithm: Algorithm) -> bytes:
    while True:
        secret = secrets.token_bytes(SECRET_BYTES)
        if algorithm == "Ed25519" or 0 < int.from_bytes(secret, "big") < p256.ORDER:
            ed25519.public_key(secret)
            return secret
