"""Media kept elsewhere: whatever comes back is hashed before it is used, whoever sends it.

What happens here: `RemoteStore` is a `MediaStore` over any `Remote` and a folder for what was fetched and found right,
so that seeking in a video asks the remote side once. All judging is here; a `Remote` only carries bytes.
What may never happen here: bytes handed out, or kept in the folder, that do not hash to their name; an object called
kept before the remote side has it; memory or disk that the other side's answer decides about.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final, Protocol

from ledger.cid import cid_of, parse_cid
from ledger.errors import Refused
from ledger.intake.media import FolderStore
from ledger.mp4.fragments import MAX_SEGMENT_BYTES

MAX_OBJECT_BYTES: Final = MAX_SEGMENT_BYTES
"""Of what is asked back; nothing larger comes in as a segment or an initialisation part."""
MAX_CACHE_BYTES: Final = 4 * 1024**3


class Remote(Protocol):
    """Carries objects by CID; believed in nothing. Every method raises `Unavailable` MEDIA_UNAVAILABLE."""

    def put(self, cid: str, data: bytes, /) -> None:
        """Keep the object durably, or raise."""
        ...

    def get(self, cid: str, /, *, at_most: int) -> bytes | None:
        """What it has under this name, of which `at_most` bytes are read and one more; None for nothing."""
        ...

    def has(self, cid: str, /) -> bool:
        """Whether it says that it has the object."""
        ...

    def remove(self, cid: str, /) -> None:
        """Delete the object for good, or raise; one that it does not have is no error."""
        ...


class RemoteStore:
    """A `MediaStore` over `remote`. `cache`: a folder for verified copies, of at most `most_bytes` and one object."""

    def __init__(self, remote: Remote, cache: Path, *, most_bytes: int = MAX_CACHE_BYTES) -> None:
        self._remote, self._folder, self._most = remote, cache, most_bytes
        self._cache, self._lock = FolderStore(cache), threading.Lock()

    def put(self, data: bytes, *, cid: str | None = None) -> str:
        """As `MediaStore.put`; sent again where it is held already, which repairs a remote side that lost it."""
        cid = cid_of(data) if cid is None else cid
        self._remote.put(cid, data)
        self._keep(cid, data)
        return cid

    def get(self, cid: str) -> bytes:
        """The whole object, hashed anew, from the folder or from the remote side."""
        parse_cid(cid)
        try:
            return self._cache.get(cid)
        except Refused:  # not in the folder, or damaged there: the remote side has the original
            return self._fetch(cid)

    def size(self, cid: str) -> int:
        """Its length in bytes, of bytes that were seen: no remote side is asked for a number."""
        try:
            return self._cache.size(cid)
        except Refused:
            return len(self._fetch(cid))

    def read(self, cid: str, start: int, length: int) -> bytes:
        """As `MediaStore.read`."""
        try:
            return self._cache.read(cid, start, length)
        except Refused:
            self._fetch(cid)
            return self._cache.read(cid, start, length)

    def has(self, cid: str) -> bool:
        """Whether the remote side says that it holds the object; only `get` finds out whether that is true."""
        parse_cid(cid)
        return self._remote.has(cid)

    def remove(self, cid: str) -> None:
        """Delete the object for good, there first: what cannot be deleted there is not called deleted."""
        parse_cid(cid)
        self._remote.remove(cid)
        self._cache.remove(cid)

    def _fetch(self, cid: str) -> bytes:
        data = self._remote.get(cid, at_most=MAX_OBJECT_BYTES)
        if data is None:
            raise Refused(
                "MEDIA_UNKNOWN",
                "this store does not hold the object",
                where=cid,
                cure="Ask the ledger that received it, or send the segment.",
            )
        if len(data) > MAX_OBJECT_BYTES or cid_of(data) != cid:
            raise Refused(
                "MEDIA_CORRUPT",
                "what the media store sent is not what its name says",
                where=cid,
                cure="Restore this object there from a copy; sending the same segment again repairs it.",
            )
        self._keep(cid, data)
        return data

    def _keep(self, cid: str, data: bytes) -> None:
        with self._lock:
            self._make_room(len(data))
            self._cache.put(data, cid=cid)

    def _make_room(self, size: int) -> None:
        """Let the copies that were fetched first go."""
        files = [(path.stat(), path) for path in self._folder.glob("*/*")]
        held = sum(stat.st_size for stat, _ in files)
        for stat, path in sorted(files, key=lambda each: each[0].st_mtime_ns):
            if held + size <= self._most:
                return
            path.unlink(missing_ok=True)
            held -= stat.st_size
