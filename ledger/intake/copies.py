"""Copies of chunks whose originals are kept elsewhere, in a folder of bounded size.

What happens here: for each object a folder of its own, `<last two characters>/<cid>/`, with its outline and those of
its chunks that were fetched; both are checked each time they are read. What may never happen here: bytes handed out
that are not what their name says, or more in the folder than it may hold, by more than one chunk for each thread that
writes. Nothing here is forced to the disk: what a power cut spoils is fetched again.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ledger.cid import check_cid
from ledger.errors import BadInput, Refused, Unavailable, WrongUse
from ledger.intake.media import write_once
from ledger.outline import Outline, read_outline, verify_outline

OUTLINE_FILE: Final = "outline"
_KEPT_OF_FULL: Final = 0.9  # so that a full folder is not listed for every chunk


class Copies:
    """Copies in `folder`, of `most_bytes` at most; the oldest go first. Safe between threads.

    Raises `Unavailable` MEDIA_UNAVAILABLE where the disk fails.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        """Makes the folder where it is missing; WrongUse MEDIA_FOLDER where that cannot be done."""
        self._folder, self._most, self._lock = folder, most_bytes, threading.Lock()
        self._held: int | None = None  # unknown until the first one is kept
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WrongUse(
                "MEDIA_FOLDER", f"the folder of copies cannot be used: {error.strerror}", where=str(folder)
            ) from error

    def outline(self, cid: str) -> Outline | None:
        """The object's outline; None where it is not here, or was damaged."""
        raw = self._read(self.path(cid) / OUTLINE_FILE, cid)
        try:
            return None if raw is None else verify_outline(read_outline(raw), cid)
        except (BadInput, Refused):
            return None

    def chunk(self, outline: Outline, number: int) -> bytes | None:
        """The chunk of this number; None where it is not here, or was damaged."""
        raw = self._read(self.path(outline.cid) / str(number), outline.cid)
        try:
            if raw is not None:
                outline.check(number, raw)
        except Refused:
            return None
        return raw

    def keep_outline(self, outline: Outline) -> None:
        """Keep an outline."""
        self._write(outline.cid, OUTLINE_FILE, outline.encode())

    def keep_chunk(self, outline: Outline, number: int, chunk: bytes | memoryview) -> None:
        """Keep a chunk that was found to be the one of this number."""
        self._write(outline.cid, str(number), chunk)

    def forget(self, cid: str) -> None:
        """Delete what is here of an object; of one that is not here, nothing."""
        with _disk(cid), suppress(FileNotFoundError):
            shutil.rmtree(self.path(cid))

    def path(self, cid: str) -> Path:
        """The folder of an object's copies. `BadInput` CID_SYNTAX."""
        check_cid(cid)
        return self._folder / cid[-2:] / cid

    def _read(self, path: Path, cid: str) -> bytes | None:
        with _disk(cid):
            try:
                return path.read_bytes()
            except FileNotFoundError:
                return None

    def _write(self, cid: str, name: str, data: bytes | memoryview) -> None:
        with _disk(cid), self._lock:
            held = sum(size for _, size, _ in self._files()) if self._held is None else self._held
            if held + len(data) > self._most:
                held = self._make_room(len(data))
            self._held = held + len(data)  # what was here already counts twice, until room is made again
            if len(data) <= self._most:
                path = self.path(cid) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                write_once(path, data, durable=False)

    def _make_room(self, size: int) -> int:
        """Let what was kept first go; returns how much stays."""
        files = sorted(self._files())
        held = sum(each for _, each, _ in files)
        for _, each, path in files:
            if held + size <= self._most * _KEPT_OF_FULL:
                break
            path.unlink(missing_ok=True)
            held -= each
            with suppress(OSError):  # the folder of an object goes with its last file
                path.parent.rmdir()
        return held

    def _files(self) -> Iterator[tuple[int, int, Path]]:
        """(time, bytes, path) of every file."""
        for path in self._folder.glob("*/*/*"):
            with suppress(FileNotFoundError):  # forgotten meanwhile
                stat = path.stat()
                yield stat.st_mtime_ns, stat.st_size, path


def damaged(folder: Path) -> Iterator[Path]:
    """Files below `folder` that are no copy of what their names say. Raises nothing, and changes nothing."""
    if not folder.is_dir():
        return
    copies = Copies(folder, 0)
    for path in sorted(path for path in folder.rglob("*") if not path.is_dir()):
        try:
            sound = path.parent == copies.path(path.parent.name) and _is_sound(copies, path)
        except (BadInput, Unavailable):
            sound = False
        if not sound:
            yield path


def _is_sound(copies: Copies, path: Path) -> bool:
    outline = copies.outline(path.parent.name)
    if outline is None or path.name == OUTLINE_FILE:
        return outline is not None
    number = int(path.name) if path.name.isdecimal() else -1
    return 0 <= number < len(outline.digests) and copies.chunk(outline, number) is not None


@contextmanager
def _disk(cid: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            "MEDIA_UNAVAILABLE",
            f"the folder of copies failed: {error.strerror}",
            where=cid,
            cure="Check the disk's space and the folder's permissions, then try again.",
        ) from error
