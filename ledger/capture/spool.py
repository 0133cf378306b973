"""What a device has signed and not yet handed over, and the last thing it signed: a folder that survives a crash.

What happens here: a signed segment is one file, readings and gaps are lines of files of their own; `last.json` is the
envelope of the newest segment. What waits is counted, never searched: keeping one more costs the same before an empty
spool and before a week's backlog. A segment's file is written before `last.json`, so that a crash between the two
leaves a segment that is found and taken up again with the very same bytes. What may never happen here: one number with
two contents, two processes on one spool, or evidence dropped before it was taken.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from ledger.capture.statement_file import SUFFIX as STATEMENTS_SUFFIX
from ledger.capture.statement_file import StatementFile
from ledger.durable_file import UNFINISHED, write_whole
from ledger.errors import BadInput, Problem, Unavailable, WrongUse
from ledger.evidence import SignedEvidence, read_envelope, read_statement
from ledger.file_lock import hold_file
from ledger.segment_body import SegmentBody, read_segment_body, write_segment_body

MAX_SPOOL_BYTES = 4 * 1024**3
LAST_FILE = "last.json"
LOCK_FILE = "lock"
DAMAGED = ".damaged"
_SUFFIX = ".segment"
_DIGITS = 16  # of MAX_SEQUENCE, so that names sort as numbers

Item = SegmentBody | SignedEvidence
"""What waits: a segment with its video, or a statement that is whole by itself."""


@dataclass(slots=True)
class _Waiting:
    """One file. `numbers`: those in it that wait. `statements`: for a file of lines."""

    path: Path
    numbers: range
    size: int
    statements: StatementFile | None = None
    lines: deque[SignedEvidence] = field(default_factory=deque)


class Spool:
    """The spool in `folder`; one process at a time, any number of its threads. Use as a context manager, or `close` it.

    Raises `Unavailable` SPOOL_BUSY, SPOOL_FULL, SPOOL_DISK; `WrongUse` SPOOL_FOLDER; `BadInput` SPOOL_DAMAGED.
    """

    def __init__(self, folder: Path, *, max_bytes: int = MAX_SPOOL_BYTES) -> None:
        self.folder, self._max_bytes = folder, max_bytes
        self._changed = threading.Condition()
        self._files: deque[_Waiting] = deque()
        self._bytes = self._count = 0
        self._lock = _locked(folder)
        try:
            with _disk(folder):
                for leftover in folder.glob(f"*{UNFINISHED}"):
                    leftover.unlink()
                self._take_up()
            self._last = self._read_last()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let another process use the folder."""
        for file in self._files:
            if file.statements is not None:
                file.statements.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @property
    def last(self) -> SignedEvidence | None:
        """The newest evidence signed here; None before the first."""
        return self._last

    @property
    def count(self) -> int:
        """How many pieces of evidence wait."""
        return self._count

    @property
    def size(self) -> int:
        """How many bytes they take."""
        return self._bytes

    def check_room(self, size: int) -> None:
        """Whether so many bytes more can be kept. `Unavailable` SPOOL_FULL."""
        if self._bytes + size > self._max_bytes:
            raise Unavailable(
                "SPOOL_FULL",
                f"The spool holds {self._bytes} of {self._max_bytes} bytes that nobody has taken yet.",
                where=str(self.folder),
                cure="Bring the uplink back; nothing that was signed is given up.",
            )

    def add(self, item: Item) -> None:
        """Keep an item, durably; afterwards it is the last."""
        raw = write_segment_body(item) if isinstance(item, SegmentBody) else item.envelope()
        signed = item.evidence if isinstance(item, SegmentBody) else item
        sequence = read_statement(signed.statement_bytes).sequence
        self.check_room(len(raw))
        with _disk(self.folder):
            if isinstance(item, SegmentBody):
                write_whole(self._path(sequence, _SUFFIX), raw)
                self._added(_Waiting(self._path(sequence, _SUFFIX), range(sequence, sequence + 1), len(raw)))
                write_whole(self.folder / LAST_FILE, signed.envelope())
            else:
                self._append(sequence, raw)
        self._last = signed

    def waiting(self) -> tuple[int, ...]:
        """The numbers that are still to be handed over, oldest first."""
        with self._changed:
            return tuple(number for file in self._files for number in file.numbers)

    def first(self) -> tuple[int, Item] | None:
        """The oldest that waits, byte for byte as it was signed, with its number; None where nothing waits."""
        with self._changed:
            file = next((file for file in self._files if file.numbers), None)
            if file is None:
                return None
            number = file.numbers[0]
            if file.statements is not None:
                with _disk(self.folder), _damaged(file.path):
                    return number, self._line(file.statements, file)
        with _disk(self.folder), _damaged(file.path):
            return number, read_segment_body(file.path.read_bytes())

    def read(self, sequence: int) -> SegmentBody:
        """A waiting segment, byte for byte as it was signed."""
        path = self._path(sequence, _SUFFIX)
        with _disk(self.folder):
            raw = path.read_bytes()
        with _damaged(path):
            return read_segment_body(raw)

    def drop(self, sequence: int) -> None:
        """Forget the oldest, which was taken. Should a crash undo this, it is handed over once more, and held already.

        A file of statements goes when all of its lines went, and not while it is the newest: its last line tells which
        number comes next.
        """
        with self._changed, _disk(self.folder):
            file = next((file for file in self._files if file.numbers), None)
            if file is None or file.numbers[0] != sequence:
                return
            file.numbers = file.numbers[1:]
            self._count -= 1
            if file.lines:
                file.lines.popleft()
            while self._files and not self._files[0].numbers:
                if self._files[0].statements is not None and len(self._files) == 1:
                    break
                self._give_back(self._files.popleft())

    def set_aside(self, sequence: int) -> None:
        """Put a damaged file out of the way of those behind it, under another name, for a person to look at."""
        with self._changed, _disk(self.folder):
            file = next((file for file in self._files if sequence in file.numbers), None)
            if file is not None:
                self._files.remove(file)
                self._bytes, self._count = self._bytes - file.size, self._count - len(file.numbers)
                file.path.replace(file.path.with_name(file.path.name + DAMAGED))

    def wait_for_more(self, seconds: float) -> None:
        """Return when something waits, when woken, or after that time."""
        with self._changed:
            if not self._count:
                self._changed.wait(seconds)

    def wake(self) -> None:
        """Let whoever waits look around."""
        with self._changed:
            self._changed.notify_all()

    def _line(self, statements: StatementFile, file: _Waiting) -> SignedEvidence:
        """The oldest statement of a file; the file is read once, not for each of its lines."""
        if not file.lines:
            lines = list(statements.read_all())
            # A line that is just being added belongs to whoever adds it.
            file.lines.extend(lines[file.numbers.start - statements.first : file.numbers.stop - statements.first])
        return file.lines[0]

    def _append(self, sequence: int, line: bytes) -> None:
        with self._changed:
            newest = self._files[-1] if self._files else None
            goes_on = newest is not None and newest.statements is not None and not newest.statements.is_full
            if newest is None or not goes_on or (newest.statements and newest.statements.last + 1 != sequence):
                path = self._path(sequence, STATEMENTS_SUFFIX)
                newest = _Waiting(path, range(sequence, sequence), 0, StatementFile(path, sequence))
                self._files.append(newest)
            file = newest
        assert file.statements is not None
        file.statements.append(line)
        with self._changed:
            grown = len(line) + 1
            self._bytes, file.size, self._count = self._bytes + grown, file.size + grown, self._count + 1
            file.numbers = range(file.numbers.start, sequence + 1)
            if file.lines:
                file.lines.append(read_envelope(line))
            self._changed.notify_all()

    def _added(self, file: _Waiting) -> None:
        with self._changed:
            self._files.append(file)
            self._bytes, self._count = self._bytes + file.size, self._count + 1
            # The segment now tells the next number, so that a file of statements before it may go.
            while not self._files[0].numbers:
                self._give_back(self._files.popleft())
            self._changed.notify_all()

    def _give_back(self, file: _Waiting) -> None:
        if file.statements is not None:
            file.statements.close()
        file.path.unlink(missing_ok=True)
        self._bytes -= file.size

    def _take_up(self) -> None:
        """Find what waits, in order."""
        for path in sorted(self.folder.iterdir()):
            if path.suffix == _SUFFIX:
                number = int(path.stem)
                self._files.append(_Waiting(path, range(number, number + 1), path.stat().st_size))
            elif path.suffix == STATEMENTS_SUFFIX:
                statements = StatementFile(path, int(path.stem))
                numbers = range(statements.first, statements.last + 1)
                self._files.append(_Waiting(path, numbers, statements.size, statements))
        self._bytes = sum(file.size for file in self._files)
        self._count = sum(len(file.numbers) for file in self._files)

    def _read_last(self) -> SignedEvidence | None:
        path = self.folder / LAST_FILE
        with _disk(self.folder):
            raw = path.read_bytes() if path.exists() else None
        with _damaged(path):
            last = None if raw is None else read_envelope(raw)
        known = 0 if last is None else read_statement(last.statement_bytes).sequence
        newest = next((file for file in reversed(self._files) if file.numbers), None)
        if newest is None or newest.numbers[-1] <= known:
            return last
        with _disk(self.folder), _damaged(newest.path):
            if newest.statements is not None:
                return newest.statements.newest()
            last = read_segment_body(newest.path.read_bytes()).evidence
            write_whole(path, last.envelope())
        return last

    def _path(self, sequence: int, suffix: str) -> Path:
        return self.folder / f"{sequence:0{_DIGITS}d}{suffix}"


def _locked(folder: Path) -> int:
    busy = Unavailable(
        "SPOOL_BUSY",
        "Another process uses this folder.",
        where=str(folder),
        cure="Stop the other process, or give this device a folder of its own.",
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return hold_file(folder / LOCK_FILE, busy=busy)
    except OSError as error:
        raise WrongUse(
            "SPOOL_FOLDER",
            f"The device's folder cannot be used: {error.strerror}.",
            where=str(folder),
            cure="Choose a folder that this user may write.",
        ) from error


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            "SPOOL_DISK",
            f"The device's folder failed: {error.strerror}.",
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
            "A file of the device's spool is not what the device wrote.",
            where=str(path),
            cure="Restore the folder. If it is lost, enrol the device under a new id: its numbers must never repeat.",
        ) from error
