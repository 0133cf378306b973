"""What a responder has promised to a lock and no final block tells of yet: on disk before anything is sent.

The chain says what was funded; between the sending and the final block only this file does, so that a process that is
killed there, and started again, still knows how much of its float is gone. May never happen here: a funding that is
sent and not written down, or a damaged file that is taken for an empty one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path

from ledger.canonical import parse_json
from ledger.durable_file import write_whole
from ledger.errors import BadInput, Problem, Unavailable
from ledger.hash_lock import Stake

MAX_FILE_BYTES = 1024 * 1024
_SWAP, _ACCOUNT = re.compile(r"0x[0-9a-f]{64}"), re.compile(r"0x[0-9a-f]{40}")


class Stakes:
    """Stakes by swap id (32 bytes). `path` None keeps them in memory only. For one thread at a time."""

    def __init__(self, path: Path | None = None) -> None:
        """Errors: `BadInput` STAKES_FORMAT; `Unavailable` STAKES_UNREADABLE."""
        self._path = path
        self._promised = {} if path is None else _read(path)

    @property
    def promised(self) -> dict[bytes, Stake]:
        """All that was written down and not forgotten."""
        return dict(self._promised)

    def promise(self, swap: bytes, stake: Stake) -> None:
        """Write one down. Errors: `Unavailable` STAKES_UNWRITABLE, and then nothing is to be sent."""
        self._keep(self._promised | {swap: stake})

    def forget(self, swaps: Collection[bytes]) -> None:
        """The chain tells of these, or they can never be funded. Errors as `promise`."""
        if not self._promised.keys().isdisjoint(swaps):
            self._keep({swap: stake for swap, stake in self._promised.items() if swap not in swaps})

    def _keep(self, promised: dict[bytes, Stake]) -> None:
        if self._path is not None:
            told = {
                f"0x{swap.hex()}": [f"0x{stake.counterparty.hex()}", str(stake.units), stake.at]
                for swap, stake in promised.items()
            }
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                write_whole(self._path, json.dumps(told, indent=1).encode(), mode=0o600)
            except OSError as error:
                what = f"what is at stake cannot be written: {error.strerror}"
                raise Unavailable("STAKES_UNWRITABLE", what, where=str(self._path), cure="Make room.") from error
        self._promised = promised


def _read(path: Path) -> dict[bytes, Stake]:
    try:
        raw = path.read_bytes() if path.exists() else b"{}"
    except OSError as error:
        what = f"what is at stake cannot be read: {error.strerror}"
        raise Unavailable("STAKES_UNREADABLE", what, where=str(path)) from error
    try:
        found = parse_json(raw, max_bytes=MAX_FILE_BYTES)
        if not isinstance(found, dict):
            raise ValueError
        return {_hex(swap, _SWAP): _stake(row) for swap, row in found.items()}
    except (Problem, ValueError) as error:
        cure = "Restore it; without it the float could be exceeded by what was sent and is not final."
        raise BadInput("STAKES_FORMAT", "the file does not say what is at stake", where=str(path), cure=cure) from error


def _stake(row: object) -> Stake:
    if not (isinstance(row, list) and len(row) == 3 and isinstance(row[1], str) and row[1].isdecimal()):
        raise ValueError
    if type(row[2]) is not int:
        raise ValueError
    return Stake(_hex(row[0], _ACCOUNT), int(row[1]), row[2])


def _hex(text: object, form: re.Pattern[str]) -> bytes:
    if not isinstance(text, str) or form.fullmatch(text) is None:
        raise ValueError
    return bytes.fromhex(text[2:])
