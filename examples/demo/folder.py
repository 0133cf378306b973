"""The demo's data folder: one format version, one process at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from ledger.errors import Refused, Unavailable, WrongUse

VERSION = "pledgetrail-data/1\n"
VERSION_FILE = "VERSION"
LOCK_FILE = "lock"


class DataFolder:
    """An opened and locked data folder; paths of everything the demo keeps. Use it with `with`.

    Errors: `WrongUse` DATA_FOLDER; `Refused` DATA_VERSION (another version's, or not ours); `Unavailable` DATA_IN_USE.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._check_or_create()
        self._lock = os.open(self.path / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise Unavailable(
                "DATA_IN_USE",
                "another process works in this data folder",
                where=str(self.path),
                cure="Stop it, or choose another folder with --data.",
            ) from None

    def _check_or_create(self) -> None:
        version = self.path / VERSION_FILE
        try:
            if version.exists():
                found = version.read_text(errors="replace")
            elif self.path.exists() and any(self.path.iterdir()):
                found = "no version"
            else:
                self.path.mkdir(parents=True, exist_ok=True)
                version.write_text(VERSION)
                return
        except OSError as error:
            raise WrongUse(
                "DATA_FOLDER", f"the data folder cannot be used: {error.strerror}", where=str(self.path)
            ) from error
        if found != VERSION:
            raise Refused(
                "DATA_VERSION",
                f"the folder holds {found.strip()[:40]!r}, this program writes {VERSION.strip()!r}",
                where=str(self.path),
                cure="Choose another folder with --data; nothing in this one was changed.",
            )

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def notary(self, index: int) -> Path:
        """The folder of one notary: its keys and its journal, which nobody else reads."""
        return self.path / "notaries" / str(index)

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._lock)

    def __enter__(self) -> DataFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
