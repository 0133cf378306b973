"""The database file by its pages: each against its sum, used or not, and the write-ahead log by its own checksums."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger.store.check.found import UNREADABLE, Found, Progress, Severity
from ledger.store.page_sums import COMING, LOCK, SUMS, WAL, Sums, beside, read_sums, sum_of
from ledger.store.wal import read_wal, wal_bytes

_AT_ONCE = 1024  # pages between two words about progress


def check_pages(path: Path, names: sqlite3.Connection | None, progress: Progress) -> Iterator[Found]:
    """`names`: a connection that may tell whose page it is; it may be damaged too."""
    with _no_fold(path) as lock:
        yield from _check_wal(beside(path, WAL))
        if lock is not None:
            fcntl.flock(lock, fcntl.LOCK_SH)  # writers may go on, into the log; the file stays
        sums, coming = read_sums(beside(path, SUMS)), read_sums(beside(path, COMING))
        if sums is None:
            yield _no_sums(beside(path, SUMS))
            return
        if coming is None and beside(path, COMING).exists():
            yield Found("SUMS_DAMAGED", beside(path, COMING).name, "The file of sums to come cannot be read.")
        with path.open("rb") as file:
            total = os.fstat(file.fileno()).st_size
            yield from _compare(path, file.fileno(), total, sums, coming, names, progress)


def _compare(
    path: Path, file: int, total: int, sums: Sums, coming: Sums | None, names: sqlite3.Connection | None, show: Progress
) -> Iterator[Found]:
    size = sums.page_size
    count = -(-total // size)
    right = [sums.of] if coming is None else [sums.of, coming.of]
    if total % size or count not in {len(of) for of in right}:
        what = f"The file has {total} bytes; {len(sums.of)} pages of {size} bytes were written."
        yield Found("FILE_LENGTH", path.name, what)
    for at in range(count):
        if at % _AT_ONCE == 0:
            show("database pages", at, count)
        found = sum_of(at + 1, os.pread(file, size, at * size))
        if not any(at < len(of) and of[at] == found for of in right):
            thing = f"{path.name} page {at + 1} ({_owner(names, at + 1)})"
            yield Found("PAGE_DAMAGED", thing, "The page is not what was written.")


def _check_wal(path: Path) -> Iterator[Found]:
    held = read_wal(path)
    if held is None:
        if wal_bytes(path):
            yield Found("WAL_DAMAGED", path.name, "The write-ahead log's header is not what was written.")
    elif held.unread:
        yield Found(
            "WAL_DAMAGED",
            f"{path.name} from byte {held.committed}",
            f"The last {held.unread} bytes are no whole write: the end of one that was broken off before it was "
            "acknowledged, or of one that was acknowledged and is damaged.",
            "If the process was killed or the power failed, start the ledger: it drops them. Else restore from a copy.",
        )


def _no_sums(path: Path) -> Found:
    if path.exists():
        return Found(
            "SUMS_DAMAGED",
            path.name,
            "The file of page sums is not what was written; pages cannot be compared.",
            "If nothing else is found, remove it: it is made anew at the next start.",
        )
    return Found(
        "SUMS_MISSING",
        path.name,
        "There are no page sums to compare with.",
        "They are made at the next start, from the pages as they are then.",
        Severity.NOTE,
    )


@contextmanager
def _no_fold(path: Path) -> Iterator[int | None]:
    """Nobody moves pages meanwhile, and at first nobody writes. Nothing is made: a copied folder has no lock file."""
    try:
        lock = os.open(beside(path, LOCK), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)


def _owner(names: sqlite3.Connection | None, number: int) -> str:
    if names is None:
        return "the database cannot be opened"
    try:
        row = names.execute("SELECT name FROM dbstat WHERE pageno = ?", (number,)).fetchone()
    except UNREADABLE:
        return "whose it is cannot be told"
    return "unused" if row is None else f"of {row[0]}"
