"""The demo's data folder: one format version, one process at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from ledger.durable_file import UNFINISHED, write_whole
from ledger.errors import Problem, Refused, Unavailable, WrongUse
from ledger.file_lock import hold_file

VERSION = "pledgetrail-data/1\n"
VERSION_FILE = "VERSION"
LOCK_FILE = "lock"
# What a process that was killed while it began here may leave: still a new folder.
BEGINNING = {LOCK_FILE, VERSION_FILE + UNFINISHED}
MAX_VERSION_BYTES = 64


def version_in(folder: Path) -> str | None:
    """The version that a data folder says it has; "no version" for somebody else's; None where it would be new.

    It only looks. Raises OSError where the folder cannot be read.
    """
    try:
        with (folder / VERSION_FILE).open("rb") as file:
            return file.read(MAX_VERSION_BYTES).decode("utf-8", "replace")
    except FileNotFoundError:
        others = folder.exists() and any(path.name not in BEGINNING for path in folder.iterdir())
        return "no version" if others else None


def is_in_use(folder: Path) -> bool:
    """Whether another process holds the folder. It only looks."""
    try:
        with (folder / LOCK_FILE).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


class DataFolder:
    """An opened and locked data folder; paths of everything the demo keeps. Use it with `with`.

    Errors: `WrongUse` DATA_FOLDER; `Refused` DATA_VERSION (another version's, or not ours); `Unavailable` DATA_IN_USE.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock = -1
        try:
            self._open()
        except OSError as error:
            self.close()
            raise WrongUse(
                "DATA_FOLDER",
                f"the data folder cannot be used: {error.strerror}",
                where=str(error.filename or self.path),
                cure="Choose another folder with --data.",
            ) from error
        except Problem:
            self.close()
            raise

    def _open(self) -> None:
        found = version_in(self.path)
        if found is not None and found != VERSION:
            raise Refused(
                "DATA_VERSION",
                f"the folder holds {found.strip()[:40]!r}, this program writes {VERSION.strip()!r}",
                where=str(self.path),
                cure="Choose another folder with --data; nothing in this one was changed.",
            )
        self.path.mkdir(parents=True, exist_ok=True)
        # The lock comes before the first word is written: of two that begin here at once, one begins.
        busy = Unavailable(
            "DATA_IN_USE",
            "another process works in this data folder",
            where=str(self.path),
            cure="Stop it, or choose another folder with --data.",
        )
        self._lock = hold_file(self.path / LOCK_FILE, busy=busy)
        if version_in(self.path) is None:
            write_whole(self.path / VERSION_FILE, VERSION.encode())

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def notary(self, index: int) -> Path:
        """The folder of one notary: its keys and its journal, which nobody else reads."""
        return self.path / "notaries" / str(index)

    def close(self) -> None:
        """Let go of the folder."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> DataFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
