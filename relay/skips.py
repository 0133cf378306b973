"""Messages that a person told the relay to leave alone, until a person takes them up again.

Kept in a file, because a restart must not send what somebody decided not to send. May never happen here: a skip that
is acknowledged and not on the disk, or a damaged file that is taken for an empty one.
"""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path

from ledger.canonical import parse_json
from ledger.durable_file import write_whole
from ledger.errors import BadInput, Problem, Refused, Unavailable

MAX_SKIPPED = 10_000
MAX_REASON_CHARS = 200
MAX_FILE_BYTES = 16 * 1024 * 1024
_ID = re.compile(r"0x[0-9a-f]{64}")


class Skips:
    """Reasons by message id (32 bytes). `path` None keeps them in memory only. Safe to share between threads."""

    def __init__(self, path: Path | None = None) -> None:
        """Errors: `BadInput` SKIPS_FORMAT; `Unavailable` SKIPS_UNREADABLE."""
        self._path, self._lock = path, threading.Lock()
        self._reasons = {} if path is None else _read(path)

    def reason(self, message_id: bytes) -> str | None:
        """Why a message is skipped, None when it is not."""
        return self._reasons.get(message_id)

    def add(self, message_id: bytes, reason: str) -> None:
        """Skip a message. Errors: `BadInput` SKIP_REASON; `Refused` SKIPS_FULL; `Unavailable` SKIPS_UNWRITABLE."""
        if not reason or len(reason) > MAX_REASON_CHARS or not reason.isprintable():
            raise BadInput("SKIP_REASON", f"a reason has 1 to {MAX_REASON_CHARS} printable characters", where="why")
        with self._lock:
            if len(self._reasons) >= MAX_SKIPPED and message_id not in self._reasons:
                raise Refused("SKIPS_FULL", f"{MAX_SKIPPED} messages are skipped", cure="Take some up again.")
            self._keep(self._reasons | {message_id: reason})

    def remove(self, message_id: bytes) -> None:
        """Skip a message no longer; one that is not skipped changes nothing. Errors: `Unavailable` SKIPS_UNWRITABLE."""
        with self._lock:
            if message_id in self._reasons:
                self._keep({each: reason for each, reason in self._reasons.items() if each != message_id})

    def _keep(self, reasons: dict[bytes, str]) -> None:
        if self._path is not None:
            told = {f"0x{each.hex()}": reason for each, reason in reasons.items()}
            try:
                write_whole(self._path, json.dumps(told, indent=1).encode(), mode=0o600)
            except OSError as error:
                what = f"what is skipped cannot be written: {error.strerror}"
                raise Unavailable("SKIPS_UNWRITABLE", what, where=str(self._path)) from error
        self._reasons = reasons


def _read(path: Path) -> dict[bytes, str]:
    try:
        raw = path.read_bytes() if path.exists() else b"{}"
    except OSError as error:
        raise Unavailable(
            "SKIPS_UNREADABLE", f"what is skipped cannot be read: {error.strerror}", where=str(path)
        ) from error
    try:
        value = parse_json(raw, max_bytes=MAX_FILE_BYTES)
    except Problem:
        value = None
    if not isinstance(value, dict) or not all(
        _ID.fullmatch(each) and isinstance(why, str) for each, why in value.items()
    ):
        cure = "Restore it; without it the relay would carry what somebody told it to leave alone."
        raise BadInput("SKIPS_FORMAT", "the file does not say which messages are skipped", where=str(path), cure=cure)
    return {bytes.fromhex(each[2:]): str(why) for each, why in value.items()}
