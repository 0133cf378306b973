"""What a camera has signed and not yet handed over, and the last thing it signed: a folder that survives a crash.

What happens here: a signed segment is one file; `last.json` is the envelope of the newest. The segment's file is
written first, so that a crash between the two leaves a segment that is found and taken up again with the very same
bytes. What may never happen here: one sequence number with two contents, two cameras on one spool, or a segment
dropped before it was taken.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from ledger.durable_file import UNFINISHED, write_whole
from ledger.errors import BadInput, Problem, Unavailable, WrongUse
from ledger.evidence import SignedEvidence, read_envelope, read_statement
from ledger.segment_body import SegmentBody, read_segment_body, write_segment_body

MAX_SPOOL_BYTES = 4 * 1024**3
LAST_FILE = "last.json"
LOCK_FILE = "lock"
_SUFFIX = ".segment"
_DIGITS = 16  # of MAX_SEQUENCE, so that names sort as numbers


class Spool:
    """The spool in `folder`; one process at a time. Use as a context manager, or `close` it.

    Raises `Unavailable` SPOOL_BUSY, SPOOL_FULL, SPOOL_DISK; `WrongUse` SPOOL_FOLDER; `BadInput` SPOOL_DAMAGED.
    """

    def __init__(self, folder: Path, *, max_bytes: int = MAX_SPOOL_BYTES) -> None:
        self._folder, self._max_bytes = folder, max_bytes
        self._lock = _locked(folder)
        try:
            with _disk(folder):
                for leftover in folder.glob(f"*{UNFINISHED}"):
                    leftover.unlink()
            self._last = self._read_last()
            self._take_up_orphans()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let another process use the folder."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @property
    def last(self) -> SignedEvidence | None:
        """The newest evidence signed here; None before the first."""
        return self._last

    def add(self, body: SegmentBody) -> None:
        """Keep a segment, durably; afterwards it is the last."""
        raw = write_segment_body(body)
        sequence = read_statement(body.evidence.statement_bytes).sequence
        if sum(self._path(number).stat().st_size for number in self.waiting()) + len(raw) > self._max_bytes:
            raise Unavailable(
                "SPOOL_FULL",
                f"The spool holds {self._max_bytes} bytes that nobody has taken yet.",
                where=str(self._folder),
                cure="Bring the uplink back; nothing that was signed is given up.",
            )
        with _disk(self._folder):
            write_whole(self._path(sequence), raw)
        self._advance(body.evidence)

    def waiting(self) -> tuple[int, ...]:
        """The sequence numbers that are still to be handed over, oldest first."""
        with _disk(self._folder):
            return tuple(sorted(int(path.stem) for path in self._folder.glob(f"*{_SUFFIX}")))

    def read(self, sequence: int) -> SegmentBody:
        """A waiting segment, byte for byte as it was signed."""
        with _disk(self._folder):
            raw = self._path(sequence).read_bytes()
        with _damaged(self._path(sequence)):
            return read_segment_body(raw)

    def drop(self, sequence: int) -> None:
        """Forget a segment that was taken. Should a crash undo this, it is handed over once more, and held already."""
        with _disk(self._folder):
            self._path(sequence).unlink(missing_ok=True)

    def _take_up_orphans(self) -> None:
        for sequence in self.waiting():
            known = 0 if self._last is None else read_statement(self._last.statement_bytes).sequence
            if sequence > known:
                self._advance(self.read(sequence).evidence)

    def _advance(self, signed: SignedEvidence) -> None:
        with _disk(self._folder):
            write_whole(self._folder / LAST_FILE, signed.envelope())
        self._last = signed

    def _read_last(self) -> SignedEvidence | None:
        path = self._folder / LAST_FILE
        with _disk(self._folder):
            raw = path.read_bytes() if path.exists() else None
        with _damaged(path):
            return None if raw is None else read_envelope(raw)

    def _path(self, sequence: int) -> Path:
        return self._folder / f"{sequence:0{_DIGITS}d}{_SUFFIX}"


def _locked(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise WrongUse(
            "SPOOL_FOLDER",
            f"The camera's folder cannot be used: {error.strerror}.",
            where=str(folder),
            cure="Choose a folder that this user may write.",
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise Unavailable(
            "SPOOL_BUSY",
            "Another camera process uses this folder.",
            where=str(folder),
            cure="Stop the other process, or give this device a folder of its own.",
        ) from error
    return descriptor


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            "SPOOL_DISK",
            f"The camera's folder failed: {error.strerror}.",
            where=str(folder),
            cure="Free space on the disk or replace it; nothing was signed that is not kept.",
        ) from error


@contextmanager
def _damaged(path: Path) -> Iterator[None]:
    try:
        yield
    except Problem as error:
        raise BadInput(
            "SPOOL_DAMAGED",
            "A file of the camera's spool is not what the camera wrote.",
            where=str(path),
            cure="Restore the folder. If it is lost, enrol the device under a new id: its numbers must never repeat.",
        ) from error
