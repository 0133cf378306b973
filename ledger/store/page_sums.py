"""A checksum of every page of the database file, kept beside it, so that no bit of it changes unnoticed.

SQLite keeps none: a bit that flips in a row is another value, and one that flips in unused space is nothing at all
until that space is used. Sums are written when pages move from the write-ahead log into the file, which only
`Pages.fold` does: first the sums to come (`-sums.new`), then the pages, then the sums. A page is whole when it gives
either. One that was damaged before it is written over stays marked, or its damage would be signed for.
May never happen here: a page in the file without a sum; a sum over a page that was read damaged.
Closing any handle on the database file would drop SQLite's locks in this process (POSIX), so ours stay open while any
`Pages` of that file is.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sqlite3
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ledger.durable_file import write_whole
from ledger.store.wal import Wal, live_bytes, read_wal, wal_bytes

SUMS, COMING, LOCK, WAL = "-sums", "-sums.new", "-lock", "-wal"
BESIDE = ("", WAL, "-shm", SUMS, COMING, LOCK)  # what belongs to one database, by what follows its name
FOLD_BYTES = 4 * 1024**2  # of write-ahead log: about 1,000 pages, as SQLite does by itself
WRITE_BYTES = 256 * 1024  # of write-ahead log: more than a write usually adds
MUST_FOLD_BYTES = 16 * FOLD_BYTES
READERS_SECONDS = 0.05  # how long a fold waits for those who read an old state
SUM_BYTES = 8
DAMAGED = b"\xff" * SUM_BYTES  # a page that was damaged before it was written over
UNKNOWN = bytes(SUM_BYTES)  # a page that is only in the write-ahead log so far

_MAGIC = b"pledgetrail page sums 1\n"
_HEAD = struct.Struct(">24sII")  # magic, page size, pages
_SEAL_BYTES = 32


@dataclass(slots=True)
class Sums:
    """The sums of pages 1 to `len(of)`."""

    page_size: int
    of: list[bytes]

    def encode(self) -> bytes:
        """The file: a head, the sums, and a digest over both."""
        body = _HEAD.pack(_MAGIC, self.page_size, len(self.of)) + b"".join(self.of)
        return body + hashlib.sha256(body).digest()


def read_sums(path: Path) -> Sums | None:
    """The sums in a file; None where it is absent or not as it was written."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    body, seal = raw[:-_SEAL_BYTES], raw[-_SEAL_BYTES:]
    if len(raw) < _HEAD.size + _SEAL_BYTES or hashlib.sha256(body).digest() != seal:
        return None
    _, page_size, count = _HEAD.unpack(body[: _HEAD.size])
    return Sums(page_size, [body[at : at + SUM_BYTES] for at in range(_HEAD.size, len(body), SUM_BYTES)][:count])


def sum_of(number: int, page: bytes) -> bytes:
    """The sum of page `number`: a page in another one's place has another."""
    return hashlib.blake2b(page, digest_size=SUM_BYTES, salt=number.to_bytes(8, "big")).digest()


def beside(path: Path, suffix: str) -> Path:
    """The file that belongs to the database at `path`."""
    return path.with_name(path.name + suffix)


class Pages:
    """The pages of one database file. Whoever writes to the database does so within `writing`."""

    def __init__(self, path: Path) -> None:
        """`path`: of a database that exists. Raises OSError."""
        self._path = path
        self._lock = os.open(beside(path, LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._file, self._identity = _opened(path)
        self._wal = beside(path, WAL)
        self._unlooked = 0  # writes to come before the log's length is worth a look
        self._not_before = 0  # bytes of write-ahead log: what a fold that readers kept waiting puts off the next one to

    def close(self) -> None:
        """Give up the handles. May be called twice."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
            _closed(self._identity)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """No fold happens meanwhile, in whichever process; other writers are SQLite's own business."""
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def begin(self) -> None:
        """Take up the database as it stands: its write-ahead log is folded, and sums are made where it has none."""
        with self._alone(wait=True):
            if beside(self._path, SUMS).exists():
                self._fold(truncate=True)
                return
            checkpoint(self._path, truncate=True)
            page_size = int.from_bytes(os.pread(self._file, 2, 16), "big")
            size = 65_536 if page_size == 1 else page_size
            count = os.fstat(self._file).st_size // size
            sums = Sums(size, [sum_of(at + 1, self._page(at + 1, size)) for at in range(count)])
            write_whole(beside(self._path, SUMS), sums.encode())

    def fold(self, *, at_least: int = FOLD_BYTES) -> None:
        """Move what was committed from the write-ahead log into the file, with its sums, once it is `at_least` bytes.

        Put off where somebody writes just now, or still reads an old state. No other thread may write meanwhile.
        """
        if at_least == FOLD_BYTES and self._unlooked:
            self._unlooked -= 1
            return
        held = live_bytes(self._wal)
        if held < max(at_least, 1) or self._lock < 0:
            self._unlooked = max(at_least - held, 0) // WRITE_BYTES
            return
        if at_least == FOLD_BYTES and held < self._not_before:
            return
        with self._alone(wait=held >= MUST_FOLD_BYTES) as alone:
            if alone:
                # At the end the file goes. Before, it stays as long as it is: to grow it anew costs the disk more than
                # to write over it, half of the speed of small writes.
                self._not_before = 0 if self._fold(truncate=at_least < FOLD_BYTES) else held + FOLD_BYTES

    def empty(self) -> bool:
        """Fold all of the write-ahead log and cut the file off; whether nothing is left in it.

        A file that is only written over keeps what it held before. No other thread may write meanwhile.
        """
        with self._alone(wait=True):
            self._fold(truncate=True)
            return not wal_bytes(beside(self._path, WAL))

    def _fold(self, *, truncate: bool) -> bool:
        sums, wal = self._settled(), read_wal(beside(self._path, WAL), thorough=truncate)
        if sums is None or wal is None:
            return checkpoint(
                self._path, truncate=truncate
            )  # a sums file that was damaged stays as it is: `fsck` says so
        coming = self._coming(sums, wal)
        write_whole(beside(self._path, COMING), coming.encode())
        folded = checkpoint(self._path, truncate=truncate)
        if folded:
            self._settle(coming)
        return folded

    def _coming(self, sums: Sums, wal: Wal) -> Sums:
        of = (sums.of + [UNKNOWN] * wal.page_count)[: wal.page_count]
        for number, page in wal.pages.items():
            if number > wal.page_count:
                continue
            known = of[number - 1]
            if known != UNKNOWN and known != sum_of(number, self._page(number, wal.page_size)):
                of[number - 1] = DAMAGED
            else:
                of[number - 1] = sum_of(number, page)
        return Sums(wal.page_size, of)

    def _settled(self) -> Sums | None:
        """The sums, after a fold that was broken off has been taken as far as it came."""
        sums, coming = read_sums(beside(self._path, SUMS)), read_sums(beside(self._path, COMING))
        if sums is None or coming is None:
            return sums
        count = max(os.fstat(self._file).st_size // sums.page_size, len(sums.of))
        of = (sums.of + [UNKNOWN] * count)[:count]
        for at, new in enumerate(coming.of[:count]):
            if of[at] != new and new in (DAMAGED, sum_of(at + 1, self._page(at + 1, sums.page_size))):
                of[at] = new
        settled = Sums(sums.page_size, of)
        self._settle(settled)
        return settled

    def _settle(self, sums: Sums) -> None:
        write_whole(beside(self._path, SUMS), sums.encode())
        beside(self._path, COMING).unlink(missing_ok=True)

    def _page(self, number: int, size: int) -> bytes:
        return os.pread(self._file, size, (number - 1) * size)

    @contextmanager
    def _alone(self, *, wait: bool) -> Iterator[bool]:
        """Whether nobody writes, in whichever process, until the block ends."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        try:
            yield True
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)


def checkpoint(path: Path, *, truncate: bool) -> bool:
    """Have SQLite move its log into the file; whether all of it is there now and forced to the disk."""
    how = "TRUNCATE" if truncate else "PASSIVE"
    with closing(sqlite3.connect(path, isolation_level=None, timeout=READERS_SECONDS)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        busy, held, moved = connection.execute(f"PRAGMA wal_checkpoint({how})").fetchone()
    return (truncate and not busy) or held == moved


_handles: dict[tuple[int, int], list[int]] = {}  # by device and inode: our handle on a file, and how many share it
_handles_lock = threading.Lock()


def _opened(path: Path) -> tuple[int, tuple[int, int]]:
    with _handles_lock:
        found = path.stat()
        identity = (found.st_dev, found.st_ino)
        held = _handles.get(identity)
        if held is None:
            held = _handles[identity] = [os.open(path, os.O_RDONLY | os.O_CLOEXEC), 0]
        held[1] += 1
        return held[0], identity


def _closed(identity: tuple[int, int]) -> None:
    with _handles_lock:
        held = _handles[identity]
        held[1] -= 1
        if not held[1]:
            os.close(_handles.pop(identity)[0])
