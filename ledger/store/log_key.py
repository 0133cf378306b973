"""The key the log signs its checkpoints with: 32 bytes in a file that only its owner may read.

Beside it stands its public side as other C2SP tools take it, for whoever verifies the log, and so that a bit that flips
in either is noticed.

May never happen here: a key that other users can read, or a second key made where one is.
"""

from __future__ import annotations

import secrets
import stat
from pathlib import Path

from ledger.checkpoint import LogSigner
from ledger.durable_file import write_new
from ledger.ed25519 import KEY_BYTES
from ledger.errors import WrongUse

PUBLIC_SUFFIX = ".vkey"


def log_signer(path: Path, origin: str) -> LogSigner:
    """The signer of the log `origin` with the key in `path`, which is made at first use.

    `WrongUse` KEY_FILE (unreadable, or not 32 bytes), KEY_FILE_MODE (others may read it).
    """
    try:
        # A crash leaves no short key, a race makes no second one.
        write_new(path, secrets.token_bytes(KEY_BYTES), mode=0o600)
        mode = stat.S_IMODE(path.stat().st_mode)
        key = path.read_bytes()
    except OSError as error:
        raise WrongUse("KEY_FILE", f"The log's key cannot be used: {error.strerror}.", where=str(path)) from error
    if mode & 0o077:
        raise WrongUse(
            "KEY_FILE_MODE",
            f"Others may read the log's key (mode {mode:04o}).",
            where=str(path),
            cure="Set mode 0600; if somebody may have read it, begin a new log.",
        )
    if len(key) != KEY_BYTES:
        raise WrongUse("KEY_FILE", f"The log's key has {len(key)} bytes, not {KEY_BYTES}.", where=str(path))
    signer = LogSigner(origin, key)
    _state_public(path.with_suffix(PUBLIC_SUFFIX), signer)
    return signer


def _state_public(path: Path, signer: LogSigner) -> None:
    try:
        write_new(path, f"{signer.key.verifier_key}\n".encode(), mode=0o644)
    except OSError as error:
        raise WrongUse("KEY_FILE", f"The log's key cannot be used: {error.strerror}.", where=str(path)) from error
