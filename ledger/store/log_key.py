"""The key the log signs its checkpoints with: 32 bytes in a file that only its owner may read.

Beside it stands its public side as other C2SP tools take it, for whoever verifies the log, and so that a bit that flips
in either is noticed.

May never happen here: a key that other users can read, a second key made where one is, or a log
that takes another name.
"""

from __future__ import annotations

import secrets
import stat
from pathlib import Path

from ledger.checkpoint import LogSigner
from ledger.durable_file import write_new
from ledger.ed25519 import KEY_BYTES
from ledger.errors import BadInput, WrongUse
from ledger.note_keys import read_log_key

PUBLIC_SUFFIX = ".vkey"


def log_signer(path: Path, origin: str) -> LogSigner:
    """The signer of the log `origin` with the key in `path`, which is made at first use.

    `WrongUse` KEY_FILE (unreadable, or not 32 bytes), KEY_FILE_MODE (others may read it), LOG_ORIGIN (its log
    has another name).
    """
    _check_name(path.with_suffix(PUBLIC_SUFFIX), origin)
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


def _check_name(path: Path, origin: str) -> None:
    # The name is part of all that is signed. Before the first checkpoint this file alone remembers it; where it is
    # missing or damaged, the checkpoints decide, and `fsck` names it.
    try:
        stated = read_log_key(path.read_text(encoding="ascii").removesuffix("\n"))
    except (OSError, ValueError, BadInput):
        return
    if stated.name != origin:
        raise WrongUse(
            "LOG_ORIGIN",
            f"This folder's log is named {stated.name}, and a log keeps its name.",
            where=origin,
            cure=f"Give --origin {stated.name}, or another folder.",
        )


def _state_public(path: Path, signer: LogSigner) -> None:
    try:
        write_new(path, f"{signer.key.verifier_key}\n".encode(), mode=0o644)
    except OSError as error:
        raise WrongUse("KEY_FILE", f"The log's key cannot be used: {error.strerror}.", where=str(path)) from error
