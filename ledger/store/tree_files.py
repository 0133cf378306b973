"""The log's tree on disk: one file for each height, 32 bytes for each full subtree of that height, from left to right.

Every eighth file is a level of tiles (`ledger.tiles`), back to back; those between spare a proof all hashing. A proof
reads one hash a height: the lowest from their files, those above from memory, two bytes an entry altogether. Nothing
here is the record: the entry table is, and these files are made from it again wherever they are missing. What they hold
follows from the table alone, so that writing it again, or two processes writing it at once, changes nothing.
May never happen here: a hash that counts before those under it are written.
"""

from __future__ import annotations

import os
import weakref
from pathlib import Path

from ledger.durable_file import sync_folder
from ledger.errors import Refused, Unavailable
from ledger.merkle import HASH_BYTES, Subtrees, parent_hashes

IN_MEMORY_FROM = 5  # the height whose hashes, and all above, are also held in memory: 20 MB for 10 million entries


class TreeFiles(Subtrees):
    """A growing tree in a folder. Reading is safe from any thread; one thread at a time may `extend` and `restore`."""

    def __init__(self, folder: Path) -> None:
        """Holds no leaf until `restore` or `extend`. `Unavailable` LOG_TREE where the folder cannot be used."""
        super().__init__()
        self._folder, self._size = folder, 0
        self._handles: list[int] = []
        self._upper: list[bytearray] = []  # by height, from `IN_MEMORY_FROM`
        self._unsynced = False
        self.close = weakref.finalize(self, _close, self._handles)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unavailable(error, folder) from error

    def __len__(self) -> int:
        return self._size

    def restore(self, size: int) -> bool:
        """Take the first `size` leaves as they stand on disk; False, and an empty tree, where files are too short."""
        height = 0
        while held := size >> height:
            if os.fstat(self._handle(height)).st_size < held * HASH_BYTES:
                size = 0
            height += 1
        self._size = 0
        self._edges.clear()
        self._upper = [bytearray(self.run(at, 0, size >> at)) for at in range(IN_MEMORY_FROM, height if size else 0)]
        self._size = size
        return size > 0

    def extend(self, leaves: list[bytes]) -> None:
        """Add leaf hashes at the right. `Unavailable` LOG_TREE (a full disk), and then nothing was added."""
        added, height = leaves, 0
        while added:
            place = self._size >> height
            # A subtree without its right half is hashed once that half is there.
            begun = [self._full(height, place - 1)] if place & 1 else []
            self._write(height, place * HASH_BYTES, b"".join(added))
            self._hold(height, place * HASH_BYTES, b"".join(added))
            added, height = parent_hashes(begun + added), height + 1
        self._size += len(leaves)

    def sync(self) -> None:
        """Force to the disk all that was added. `Unavailable` LOG_TREE."""
        if not self._unsynced:
            return
        try:
            for handle in self._handles:
                os.fsync(handle)
            sync_folder(self._folder)
        except OSError as error:
            raise _unavailable(error, self._folder) from error
        self._unsynced = False

    def run(self, height: int, start: int, count: int) -> bytes:
        """`count` neighbouring hashes of one height from position `start`, joined. `Refused` LOG_DAMAGED."""
        length = count * HASH_BYTES
        try:
            found = os.pread(self._handle(height), length, start * HASH_BYTES)
        except OSError as error:
            raise _unavailable(error, self._file(height)) from error
        if len(found) != length:
            raise Refused(
                "LOG_DAMAGED",
                "A file of the log's tree is shorter than the log.",
                where=str(self._file(height)),
                cure="Stop the ledger and remove the folder: it is made again from the entries.",
            )
        return found

    def _full(self, height: int, position: int) -> bytes:
        start = position * HASH_BYTES
        if height >= IN_MEMORY_FROM:
            return bytes(self._upper[height - IN_MEMORY_FROM][start : start + HASH_BYTES])
        if height < len(self._handles):
            found = os.pread(self._handles[height], HASH_BYTES, start)
            if len(found) == HASH_BYTES:
                return found
        return self.run(height, position, 1)  # says what is wrong

    def _hold(self, height: int, start: int, hashes: bytes) -> None:
        if height < IN_MEMORY_FROM:
            return
        if height - IN_MEMORY_FROM == len(self._upper):
            self._upper.append(bytearray())
        # In the place they have, not at the end: what was added when a write above failed comes again.
        self._upper[height - IN_MEMORY_FROM][start : start + len(hashes)] = hashes

    def _write(self, height: int, offset: int, content: bytes) -> None:
        handle, view = self._handle(height), memoryview(content)
        self._unsynced = True
        try:
            while view:
                written = os.pwrite(handle, view, offset)
                view, offset = view[written:], offset + written
        except OSError as error:
            raise _unavailable(error, self._file(height)) from error

    def _handle(self, height: int) -> int:
        while height >= len(self._handles):
            path = self._file(len(self._handles))
            try:
                self._handles.append(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644))
            except OSError as error:
                raise _unavailable(error, path) from error
        return self._handles[height]

    def _file(self, height: int) -> Path:
        return self._folder / file_name(height)


def file_name(height: int) -> str:
    """The name of one height's file."""
    return f"height-{height:02}"


def _close(handles: list[int]) -> None:
    while handles:
        os.close(handles.pop())


def _unavailable(error: OSError, path: Path) -> Unavailable:
    return Unavailable(
        "LOG_TREE",
        f"The log's tree cannot be kept on disk: {error.strerror}.",
        where=str(path),
        cure="Check the disk's space and the folder's permissions, then try again.",
    )
