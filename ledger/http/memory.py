"""How much of all requests' bodies together may be here while they come in and are worked on: in memory, and on disk.

Bytes count as they arrive, not as they are announced: whoever announces much and sends little holds little. A body that
may be large goes to a file without a name as it comes, and is looked at there. May never happen here: bytes that are
counted and never given back; a large body in memory; a file that a process which died leaves behind.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Collection
from contextlib import asynccontextmanager
from mmap import ACCESS_READ, mmap
from typing import IO, TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool

from ledger.errors import Unavailable
from ledger.http.requests import read_body, receive_body

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from starlette.requests import Request

MAX_HELD_BYTES: Final = 64 * 1024 * 1024
"""In memory."""
MAX_SPOOLED_BYTES: Final = 1024 * 1024 * 1024
"""In files."""
MAX_AT_WORK_BYTES: Final = 128 * 1024 * 1024
"""Of the bodies in files that are worked on at a time: so much of them may stand in memory then."""
SPOOL_BYTES: Final = 1024 * 1024
"""Of a body that may be large, this much is held until it goes to its file."""


class BodyMemory:
    """Room for bodies of `most` bytes in memory and `most_spooled` in files, together. For one event loop."""

    def __init__(self, most: int = MAX_HELD_BYTES, most_spooled: int = MAX_SPOOLED_BYTES) -> None:
        self._held, self._spooled = _Room(most), _Room(most_spooled)
        self._turn, self._at_work, self._less = asyncio.Lock(), 0, asyncio.Condition()

    @property
    def held(self) -> int:
        """How many bytes are held now, in memory and in files."""
        return self._held.taken + self._spooled.taken

    @asynccontextmanager
    async def body(self, request: Request, *, limit: int, types: Collection[str]) -> AsyncIterator[bytes]:
        """The request's body, counted until the block ends. Raises as `read_body` does; `Unavailable` INTAKE_BUSY."""
        mine = 0

        def count(length: int) -> None:
            nonlocal mine
            self._held.take(length)
            mine += length

        try:
            yield await read_body(request, limit=limit, types=types, held=count)
        finally:
            self._held.give(mine)

    @asynccontextmanager
    async def large_body(
        self, request: Request, folder: Path, *, limit: int, types: Collection[str]
    ) -> AsyncIterator[memoryview]:
        """The same of a body that may be large: what is more than `SPOOL_BYTES` stands in a file in `folder`.

        Work on it inside `working`. Also `Unavailable` MEDIA_UNAVAILABLE.
        """
        coming = _Coming(folder, self._held, self._spooled)
        try:
            await receive_body(request, limit=limit, types=types, take=coming.take)
            yield await run_in_threadpool(coming.whole)
        finally:
            coming.end()

    @asynccontextmanager
    async def working(self, body: bytes | memoryview) -> AsyncIterator[None]:
        """Wait for this body's turn to be read as a whole: of large ones `MAX_AT_WORK_BYTES` at a time."""
        length = len(body) if len(body) > SPOOL_BYTES else 0
        if not length:
            yield
            return
        async with self._turn, self._less:  # one after the other, so that small ones do not go past a large one
            await self._less.wait_for(lambda: self._at_work == 0 or self._at_work + length <= MAX_AT_WORK_BYTES)
            self._at_work += length
        try:
            yield
        finally:
            async with self._less:
                self._at_work -= length
                self._less.notify()


class _Room:
    def __init__(self, most: int) -> None:
        self._most, self.taken, self._lock = most, 0, threading.Lock()

    def take(self, length: int) -> None:
        with self._lock:
            if self.taken + length > self._most:
                raise Unavailable(
                    "INTAKE_BUSY", "Too much is coming in at once.", cure="Send it again in some seconds."
                )
            self.taken += length

    def give(self, length: int) -> None:
        with self._lock:
            self.taken -= length


class _Coming:
    """One body on its way: what came last in memory, and all before in a file."""

    def __init__(self, folder: Path, held: _Room, spooled: _Room) -> None:
        self._folder, self._held, self._spooled = folder, held, spooled
        self._last, self._written = bytearray(), 0
        self._file: IO[bytes] | None = None

    async def take(self, piece: bytes) -> None:
        self._held.take(len(piece))
        self._last += piece
        if len(self._last) >= SPOOL_BYTES:
            self._spooled.take(len(self._last))
            self._written += len(self._last)
            await run_in_threadpool(self._write)

    def whole(self) -> memoryview:
        if self._file is None:
            return memoryview(bytes(self._last))
        if self._last:
            self._spooled.take(len(self._last))
            self._written += len(self._last)
            self._write()
        return memoryview(mmap(self._file.fileno(), 0, access=ACCESS_READ))

    def end(self) -> None:
        self._held.give(len(self._last))
        self._spooled.give(self._written)
        self._last, self._written = bytearray(), 0
        if self._file is not None:
            self._file.close()  # what still looks at it keeps the bytes, which nobody else can reach

    def _write(self) -> None:
        try:
            if self._file is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115  (closed by `end`)
            view = memoryview(self._last)
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise Unavailable(
                "MEDIA_UNAVAILABLE",
                f"The uploads' folder failed: {error.strerror}.",
                where=str(self._folder),
                cure="Check the disk's space and the folder's permissions, then try again.",
            ) from error
        self._held.give(len(self._last))
        self._last = bytearray()
