"""SQLite's write-ahead log, read from outside: which page versions it holds, and whether each is as it was written.

The file format is SQLite's own (sqlite.org/fileformat2.html, "WAL File Format"): a header of 32 bytes, then frames of a
24-byte header and one page, each with the log's salts and a checksum over all before it. SQLite takes the first frame
whose checksum fails for the end of the log and says nothing; here that place is named.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_HEADER, _FRAME = 32, 24
TRANSACTIONS_CHECKED = 16
_HEAD = struct.Struct(">6I")  # of a frame: page, size after, salts, sums
_MAGIC = (0x377F0682, 0x377F0683)  # the last bit: whether checksums are over big-endian words


@dataclass(frozen=True, slots=True)
class Wal:
    """What the log holds. `pages`: the newest committed version of each page; `page_count`: of the database then.

    `committed`: bytes up to the last commit. `unread`: bytes in use after it: what was being written when the process
    died, or frames that are no longer what was written. What an earlier use of the file left is in neither.
    """

    page_size: int
    page_count: int
    pages: dict[int, bytes]
    committed: int
    unread: int


def read_wal(path: Path, *, thorough: bool = True) -> Wal | None:
    """Read the log; None where it is absent or empty, or where not even its header can be read (see `wal_bytes`).

    `thorough`: check every frame. Else only the first of each of the last transactions, which takes no time: enough to
    tell what is live from what killed processes left behind it, one transaction each, while the system is still up.
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
    frames = _of_salts(raw, page_size, (salt_1, salt_2))
    checked = range(len(frames)) if thorough else _begins(frames)[-TRANSACTIONS_CHECKED:]
    for at in checked:
        frame, before = frames[at], frames[at - 1].sums if at else (sum_1, sum_2)
        if _checksum(raw[frame.start : frame.start + 8] + frame.page(raw, page_size), before, order) != frame.sums:
            frames = frames[:at]
            break
    last = max((at for at, frame in enumerate(frames) if frame.size_after), default=-1)
    newest = {frame.number: frame for frame in frames[: last + 1]}  # before anything is copied: hot pages come often
    pages = {number: frame.page(raw, page_size) for number, frame in newest.items()}
    committed = _HEADER if last < 0 else frames[last].start + _FRAME + page_size
    unread = max(0, _end_of_use(raw, page_size, (salt_1, salt_2)) - committed)
    return Wal(page_size, 0 if last < 0 else frames[last].size_after, pages, committed, unread)


def live_bytes(path: Path) -> int:
    """How much of the file is in use, found without reading it: what an earlier use left behind its end is not."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        header, size = os.pread(handle, _HEADER, 0), os.fstat(handle).st_size
        if len(header) < _HEADER:
            return size
        step, salts = _FRAME + int.from_bytes(header[8:12], "big"), header[16:24]
        low, high = 0, (size - _HEADER) // step
        while low < high:
            middle = (low + high) // 2
            if os.pread(handle, 8, _HEADER + middle * step + 8) == salts:
                low = middle + 1
            else:
                high = middle
        return _HEADER + low * step
    finally:
        os.close(handle)


def wal_bytes(path: Path) -> int:
    """The log's length; 0 where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


class _Frame(NamedTuple):
    """`size_after`: pages of the database after the commit that this frame ends; 0 for any other frame."""

    start: int
    number: int
    size_after: int
    sums: tuple[int, int]

    def page(self, raw: bytes, page_size: int) -> bytes:
        return raw[self.start + _FRAME : self.start + _FRAME + page_size]


def _of_salts(raw: bytes, page_size: int, salts: tuple[int, int]) -> list[_Frame]:
    """The frames up to the first that an earlier use of the file left."""
    frames, step = list[_Frame](), _FRAME + page_size
    for start in range(_HEADER, len(raw) - step + 1, step):
        number, size_after, salt_1, salt_2, sum_1, sum_2 = _HEAD.unpack_from(raw, start)
        if (salt_1, salt_2) != salts:
            break
        frames.append(_Frame(start, number, size_after, (sum_1, sum_2)))
    return frames


def _end_of_use(raw: bytes, page_size: int, salts: tuple[int, int]) -> int:
    """The end of the last frame that bears a salt of this use; one that bears only one of both was damaged."""
    end, step, (first, second) = _HEADER, _FRAME + page_size, (salt.to_bytes(4, "big") for salt in salts)
    for start in range(_HEADER, len(raw) - _FRAME + 1, step):
        if raw[start + 8 : start + 12] == first or raw[start + 12 : start + 16] == second:
            end = start + step
    return min(end, len(raw))


def _begins(frames: list[_Frame]) -> list[int]:
    """Which frames are the first of a transaction."""
    return [at for at in range(len(frames)) if at == 0 or frames[at - 1].size_after]


def _checksum(content: bytes, begun: tuple[int, int], order: str) -> tuple[int, int]:
    """SQLite's own: two sums over 32-bit words, each fed with the other."""
    first, second = begun
    words = struct.unpack(f"{order}{len(content) // 4}I", content)
    for at in range(0, len(words), 2):
        first = (first + words[at] + second) & 0xFFFFFFFF
        second = (second + words[at + 1] + first) & 0xFFFFFFFF
    return first, second
