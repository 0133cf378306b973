"""Statements that wait without video: a file of envelopes, one a line, with consecutive numbers.

A file for each reading would cost a sensor's card its inodes; one file for all could never be given back. So each file
holds a few hundred. What may never happen here: a line that is told to be kept before it is on the disk, or a half
line, which a power cut leaves, taken for a statement.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ledger.durable_file import sync_folder
from ledger.evidence import SignedEvidence, read_envelope

MAX_LINES = 512
SUFFIX = ".statements"


class StatementFile:
    """The file at `path`, whose first line has the number `first`. Raises OSError; `BadInput` for a damaged line."""

    def __init__(self, path: Path, first: int) -> None:
        """Opens it, or makes it; a half line at its end is cut off."""
        self.path, self.first = path, first
        is_new = not path.exists()
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        raw = b"" if is_new else path.read_bytes()
        whole = raw.rfind(b"\n") + 1
        if whole < len(raw):
            os.ftruncate(self._descriptor, whole)
        self.size, self.count = whole, raw.count(b"\n", 0, whole)
        if is_new:
            sync_folder(path.parent)

    @property
    def last(self) -> int:
        """The number of its last line; `first - 1` while it is empty."""
        return self.first + self.count - 1

    @property
    def is_full(self) -> bool:
        return self.count >= MAX_LINES

    def append(self, line: bytes) -> None:
        """Keep one envelope, durably, under the next number."""
        whole = line + b"\n"
        try:
            if os.write(self._descriptor, whole) != len(whole):
                raise OSError(28, "No space left on device")
            os.fdatasync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self.size)
            raise
        self.size, self.count = self.size + len(whole), self.count + 1

    def read_all(self) -> Iterator[SignedEvidence]:
        """Its statements, in order."""
        for line in self.path.read_bytes().splitlines():
            yield read_envelope(line)

    def newest(self) -> SignedEvidence | None:
        """Its last statement."""
        lines = self.path.read_bytes().splitlines()
        return read_envelope(lines[-1]) if lines else None

    def close(self) -> None:
        """Give the descriptor back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
