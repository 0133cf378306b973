"""What this machine remembers of a key outside the notary's folder: how far its journal had come, and that it runs.

A copy of the folder put back after a loss looks whole from inside: only something that was not put back with it can say
that promises are missing. The chains cannot say it in time (a promise stands on no chain until a relay has carried it),
a file beside the folder can. May never happen here: a journal opened that holds less than this key has promised from
this machine; one key in two processes of this machine.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from ledger.durable_file import write_whole
from ledger.errors import Refused, Unavailable
from ledger.file_lock import hold_file

MAX_RECORD_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class Remembered:
    """`tally`: of the journal when it was last written, see `Journal.tally`; `moved`: it was handed on from here."""

    tally: int = 0
    moved: bool = False


class Guard:
    """The record of one key on this machine; one process at a time may `hold` it."""

    def __init__(self, folder: Path, address: bytes) -> None:
        """`folder`: outside the notary's own, shared by all keys of the machine; `address`: of the attesting key."""
        self._path = folder / f"{address.hex()}.json"
        self._handle = -1

    def hold(self) -> None:
        """Keep other processes of the machine from the key until `close`. May be called twice.

        Errors: `Refused` KEY_IN_USE; `Unavailable` GUARD_UNREADABLE.
        """
        if self._handle >= 0:
            return
        cure = "Stop the other one: a key signs in one process only."
        busy = Refused("KEY_IN_USE", "another process uses this key", where=f"0x{self._path.stem}", cure=cure)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._handle = hold_file(self._path.with_suffix(".lock"), busy=busy)
        except OSError as error:
            raise _unreadable(self._path, error) from error

    def close(self) -> None:
        """Let another process take the key. May be called twice."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def remembered(self) -> Remembered:
        """What was noted last; nothing where this machine does not know the key. Errors: `Unavailable`."""
        try:
            fields = json.loads(self._path.read_bytes()[:MAX_RECORD_BYTES])
            return Remembered(int(fields["tally"]), bool(fields["moved"]))
        except FileNotFoundError:
            return Remembered()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _unreadable(self._path, error) from error

    def require(self, tally: int) -> None:
        """Refuse a journal that holds less than this key promised here, or that was handed on.

        Errors: `Refused` JOURNAL_OLD, JOURNAL_MOVED; `Unavailable` GUARD_UNREADABLE.
        """
        held = self.remembered()
        if tally < held.tally:
            what = f"the journal is an old copy: it holds {tally} of {held.tally} entries that this key has made here"
            cure = "Import the newest journal there is, or retire the key: see notary/README.md."
            raise Refused("JOURNAL_OLD", what, where=str(self._path), cure=cure)
        if held.moved:
            cure = "Run it where the journal went, or import it back with `pledgetrail notary import-journal`."
            raise Refused("JOURNAL_MOVED", "the journal was handed on from here", where=str(self._path), cure=cure)

    def note(self, tally: int, *, moved: bool = False) -> None:
        """Remember, durably, how far the journal has come. Errors: `Unavailable` JOURNAL_WRITE."""
        record = {"moved": moved, "tally": tally}
        try:
            write_whole(self._path, json.dumps(record).encode() + b"\n", mode=0o600)
        except OSError as error:
            what = f"what the journal holds cannot be noted: {error}"
            raise Unavailable("JOURNAL_WRITE", what, where=str(self._path), cure="Make room on the disk.") from error


def _unreadable(path: Path, error: Exception) -> Unavailable:
    cure = "Repair the file or its folder. Without it nobody knows whether the journal is the newest."
    return Unavailable("GUARD_UNREADABLE", f"the key's record cannot be read: {error}", where=str(path), cure=cure)
