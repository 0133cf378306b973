"""The log's key against the verifier key beside it, and both against the newest checkpoint."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from pathlib import Path

from ledger.checkpoint import LogKey, open_checkpoint
from ledger.ed25519 import KEY_BYTES, public_key
from ledger.errors import Problem
from ledger.note_keys import read_log_key
from ledger.store.check.found import UNREADABLE, Found
from ledger.store.ledger import KEY_FILE
from ledger.store.log_key import PUBLIC_SUFFIX

_NEWEST = "SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1"
_AGAIN = "If nothing else is found, remove it: it is made again at the next start."


def check_key(folder: Path, database: sqlite3.Connection) -> Generator[Found, None, LogKey | None]:
    """What is wrong with the key files; returns the key to verify checkpoints with, None where none can be told."""
    public = (folder / KEY_FILE).with_suffix(PUBLIC_SUFFIX)
    stated: LogKey | None = None
    try:
        stated = read_log_key(public.read_text("utf-8").removesuffix("\n"))
    except (OSError, UnicodeDecodeError, Problem) as error:
        yield Found("KEY_DAMAGED", public.name, f"The log's public key cannot be read: {error}", _AGAIN)
    try:
        secret = (folder / KEY_FILE).read_bytes()
    except OSError as error:
        yield Found("KEY_DAMAGED", KEY_FILE, f"The log's key cannot be read: {error.strerror}.")
        return stated
    if len(secret) != KEY_BYTES:
        yield Found("KEY_DAMAGED", KEY_FILE, f"The log's key has {len(secret)} bytes, not {KEY_BYTES}.")
        return stated
    if stated is None:
        return None
    own = LogKey(stated.name, public_key(secret))
    if own == stated:
        return stated
    if _signed_with(own, database):
        yield Found("KEY_DAMAGED", public.name, "It is not the public side of the log's key.", _AGAIN)
        return own
    yield Found("KEY_DAMAGED", KEY_FILE, f"It is not the key whose public side stands in {public.name}.")
    return stated


def _signed_with(key: LogKey, database: sqlite3.Connection) -> bool:
    try:
        row = database.execute(_NEWEST).fetchone()
        if row is None:
            return False
        open_checkpoint(row[0], log_key=key)
    except (*UNREADABLE, Problem, TypeError, AttributeError):
        return False
    return True
