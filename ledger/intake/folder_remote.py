"""A folder as a `Remote`, for what is done with any store alike: copying into it, and reading all of it again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ledger.errors import Refused
from ledger.intake.media import FolderStore
from ledger.outline import ClaimedOutline, Outline


class FolderRemote:
    """A `Remote` over a `FolderStore`. Its errors are that one's."""

    def __init__(self, folder: Path) -> None:
        """As `FolderStore`."""
        self._folder, self._store = folder, FolderStore(folder)

    def put(self, data: bytes | memoryview, outline: Outline) -> None:
        """As `Remote.put`."""
        self._store.put(data, outline=outline)

    def outline(self, cid: str) -> ClaimedOutline | None:
        """None: a folder keeps no outlines."""
        del cid
        return None

    def read(self, cid: str, start: int, length: int) -> bytes | None:
        """As `Remote.read`; `Refused` MEDIA_CORRUPT, since what lies here was hashed on the way."""
        try:
            return b"".join(self._store.chunks(cid, start, length))
        except Refused as problem:
            if problem.code != "MEDIA_UNKNOWN":
                raise
            return None

    def has(self, cid: str) -> bool:
        """As `Remote.has`."""
        return self._store.has(cid)

    def remove(self, cid: str) -> None:
        """As `Remote.remove`."""
        self._store.remove(cid)

    def names(self) -> Iterator[str]:
        """As `Remote.names`."""
        return (path.name for path in sorted(self._folder.glob("*/[!.]*")))

    def unfinished(self) -> Iterator[str]:
        """Files that a process which died was writing."""
        return (path.name for path in sorted(self._folder.glob("*/.*")))

    def tidy(self) -> int:
        """As `Remote.tidy`."""
        begun = list(self._folder.glob("*/.*"))
        for path in begun:
            path.unlink(missing_ok=True)
        return len(begun)
