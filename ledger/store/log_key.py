"""The key the log signs its checkpoints with: 32 bytes in a file that only its owner may read.

May never happen here: a key that other users can read, or a second key made where one is.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from ledger.checkpoint import LogSigner
from ledger.ed25519 import KEY_BYTES
from ledger.errors import WrongUse


def log_signer(path: Path, origin: str) -> LogSigner:
    """The signer of the log `origin` with the key in `path`, which is made at first use.

    `WrongUse` KEY_FILE (unreadable, or not 32 bytes), KEY_FILE_MODE (others may read it).
    """
    try:
        _make(path)
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
    return LogSigner(origin, key)


def _make(path: Path) -> None:
    if path.exists():
        return
    # Written whole under another name and then linked: a crash leaves no short key, a race makes no second one.
    incoming = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(incoming, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(incoming, path)
        except FileExistsError:
            return
    finally:
        incoming.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
