"""SQLite's write-ahead log, read from outside: which page versions it holds, and whether each is as it was written.

The file format is SQLite's own (sqlite.org/fileformat2.html, "WAL File Format"): a header of 32 bytes, then frames of a
24-byte header and one page, each with the log's salts and a checksum over all before it. SQLite takes the first frame
whose checksum fails for the end of the log and says nothing; here that place is named.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_HEADER, _FRAME = 32, 24
_MAGIC = (0x377F0682, 0x377F0683)  # the last bit: whether checksums are over big-endian words


@dataclass(frozen=True, slots=True)
class Wal:
    """What the log holds. `pages`: the newest committed version of each page; `page_count`: of the database then.

    `committed`: bytes up to the last commit. `unread`: bytes after it: what was being written when the process died, or
    frames that are no longer what was written.
    """

    page_size: int
    page_count: int
    pages: dict[int, bytes]
    committed: int
    unread: int


def read_wal(path: Path, *, thorough: bool = True) -> Wal | None:
    """Read the log; None where it is absent or empty, or where not even its header can be read (see `wal_bytes`).

    `thorough`: check every frame. Else only the first of each transaction, at a quarter of the time: enough to tell
    what is live from what a killed process left behind it, while the system that wrote the file is still up.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    if len(raw) < _HEADER:
        return None
    magic, _, page_size, _, salt_1, salt_2, sum_1, sum_2 = struct.unpack(">8I", raw[:_HEADER])
    if magic not in _MAGIC or not 512 <= page_size <= 65_536:
        return None
    order = ">" if magic & 1 else "<"
    if _checksum(raw[: _HEADER - 8], (0, 0), order) != (sum_1, sum_2):
        return None
    pages, uncommitted = dict[int, bytes](), dict[int, bytes]()
    page_count, committed = 0, _HEADER
    known = _Known((salt_1, salt_2), (sum_1, sum_2), order, thorough)
    for end, number, size_after, page in _frames(raw, page_size, known):
        uncommitted[number] = page
        if size_after:
            pages.update(uncommitted)
            uncommitted.clear()
            page_count, committed = size_after, end
    return Wal(page_size, page_count, pages, committed, len(raw) - committed)


def wal_bytes(path: Path) -> int:
    """The log's length; 0 where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


@dataclass(slots=True)
class _Known:
    salts: tuple[int, int]
    sums: tuple[int, int]
    order: str
    thorough: bool


def _frames(raw: bytes, page_size: int, known: _Known) -> Iterator[tuple[int, int, int, bytes]]:
    """End, page number, database size after a commit (else 0) and content of each frame, up to the first false one."""
    step, begins = _FRAME + page_size, True
    for start in range(_HEADER, len(raw) - step + 1, step):
        number, size_after, *rest = struct.unpack(">6I", raw[start : start + _FRAME])
        page, stored = raw[start + _FRAME : start + step], (rest[2], rest[3])
        if (rest[0], rest[1]) != known.salts:
            return
        if (known.thorough or begins) and _checksum(raw[start : start + 8] + page, known.sums, known.order) != stored:
            return
        known.sums, begins = stored, size_after > 0
        yield start + step, number, size_after, page


def _checksum(content: bytes, begun: tuple[int, int], order: str) -> tuple[int, int]:
    """SQLite's own: two sums over 32-bit words, each fed with the other."""
    first, second = begun
    words = struct.unpack(f"{order}{len(content) // 4}I", content)
    for at in range(0, len(words), 2):
        first = (first + words[at] + second) & 0xFFFFFFFF
        second = (second + words[at + 1] + first) & 0xFFFFFFFF
    return first, second
