"""Media kept elsewhere: whatever comes back is hashed before it is used, whoever sends it.

What happens here: `RemoteStore` is a `MediaStore` over any `Remote` and a folder for what was fetched and found right,
so that seeking in a video asks the remote side once. An object's outline is fetched first and must give its CID; each
chunk is then checked by itself, so that a range costs its own chunks and no more. All judging is here; a `Remote` only
carries bytes.
What may never happen here: bytes handed out, or kept in the folder, that are not what their name says; an object called
kept before the remote side has it; memory or disk that the other side's answer decides about.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol, TypeVar

from ledger.cid import CHUNK_BYTES, check_cid
from ledger.errors import Refused, Unavailable
from ledger.intake.copies import Copies
from ledger.intake.media import check_range, unknown
from ledger.mp4.fragments import MAX_SEGMENT_BYTES
from ledger.outline import ClaimedOutline, Outline, corrupt, in_chunks, outline_of, verify_outline

MAX_OBJECT_BYTES: Final = MAX_SEGMENT_BYTES
"""Of what is asked back; nothing larger comes in as a segment or an initialisation part."""
MAX_CACHE_BYTES: Final = 4 * 1024**3
RUN_CHUNKS: Final = 16
"""Chunks asked for at once, 4 MiB: what one reader holds in memory, and enough to hide the way there and back."""
AWAY_SECONDS: Final = 15.0
"""For so long a store that did not answer is not asked again; then by one, while the others do not wait for it."""
SEEN_SECONDS: Final = 60.0
"""For so long `had` believes what it was told."""
_T = TypeVar("_T")
_OUTLINES_AT_MOST = 512  # in memory, of at most 8 KiB each
_SEEN_AT_MOST = 10_000


class Remote(Protocol):
    """Carries objects by CID; believed in nothing. Every method raises `Unavailable` MEDIA_UNAVAILABLE."""

    def put(self, data: bytes | memoryview, outline: Outline, /) -> None:
        """Keep the object durably and whole, or raise. Where something else stands under its name, that is replaced."""
        ...

    def outline(self, cid: str, /) -> ClaimedOutline | None:
        """What it says that the object consists of, of at most `MAX_OBJECT_BYTES`; None where it does not say."""
        ...

    def read(self, cid: str, start: int, length: int, /) -> bytes | None:
        """At most `length` bytes from `start` of what it has under this name; None where it has nothing."""
        ...

    def has(self, cid: str, /) -> bool:
        """Whether it says that it has the object."""
        ...

    def remove(self, cid: str, /) -> None:
        """Delete the object for good, or raise; one that it does not have is no error."""
        ...

    def names(self) -> Iterator[str]:
        """What it says that it has: CIDs, and the names of whatever else stands there."""
        ...

    def unfinished(self) -> Iterator[str]:
        """What was begun to be put there and never ended, as it is called there."""
        ...

    def tidy(self) -> int:
        """Take away all that is unfinished; returns how much that was. Nothing may be put meanwhile."""
        ...


class RemoteStore:
    """A `MediaStore` over `remote`. `copies`: a folder for verified copies, of at most `most_bytes`.

    `clock`: monotonic seconds, for how long a remote side that did not answer is left alone.
    """

    def __init__(
        self,
        remote: Remote,
        copies: Path,
        *,
        most_bytes: int = MAX_CACHE_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._remote, self._copies, self._clock = remote, Copies(copies, most_bytes), clock
        self._outlines: dict[str, Outline] = {}
        self._seen: dict[str, tuple[float, bool]] = {}  # until when, and whether it was there
        self._away: tuple[float, Unavailable] | None = None  # until when, and what it failed with

    def put(self, data: bytes | memoryview, *, outline: Outline | None = None) -> str:
        """As `MediaStore.put`; sent again where it is held already, which repairs a remote side that lost it."""
        outline = outline_of([data]) if outline is None else outline
        self._ask(lambda: self._remote.put(data, outline))
        self._seen.pop(outline.cid, None)
        self._know(outline)
        for number, chunk in enumerate(in_chunks(data)):
            self._copies.keep_chunk(outline, number, chunk)
        return outline.cid

    @contextmanager
    def incoming(self, data: bytes | memoryview, cid: str) -> Iterator[Callable[[Outline], str]]:
        """As `MediaStore.incoming`; sent once it was looked at: what nobody signed is not begun to be sent anywhere."""
        check_cid(cid)
        yield lambda outline: self.put(data, outline=outline)

    def get(self, cid: str) -> bytes:
        """The whole object, each chunk hashed anew."""
        return b"".join(self.chunks(cid))

    def size(self, cid: str) -> int:
        """Its length in bytes, which its CID binds: no remote side is believed a number."""
        check_cid(cid)
        return self._outline(cid).size

    def chunks(self, cid: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """As `MediaStore.chunks`; at most `RUN_CHUNKS` chunks are in memory."""
        check_range(cid, start, length)
        outline = self._outline(cid)
        end = outline.size if length is None else min(start + length, outline.size)
        numbers = outline.chunks_of(start, end - start)
        for first in numbers[::RUN_CHUNKS]:
            run = self._run(outline, range(first, min(first + RUN_CHUNKS, numbers.stop)))
            for at, chunk in enumerate(run, first):
                yield chunk[max(start - at * CHUNK_BYTES, 0) : end - at * CHUNK_BYTES]

    def has(self, cid: str) -> bool:
        """Whether the remote side says that it holds the object; only reading it finds out whether that is true."""
        check_cid(cid)
        return self._ask(lambda: self._remote.has(cid))

    def had(self, cid: str) -> bool:
        """As `MediaStore.had`."""
        until, there = self._seen.get(cid, (0.0, False))
        if self._clock() >= until:
            there = self.has(cid)
            if len(self._seen) >= _SEEN_AT_MOST:
                self._seen.clear()
            self._seen[cid] = self._clock() + SEEN_SECONDS, there
        return there

    def remove(self, cid: str) -> None:
        """Delete the object for good, there first: what cannot be deleted there is not called deleted."""
        check_cid(cid)
        self._ask(lambda: self._remote.remove(cid))
        self._outlines.pop(cid, None)
        self._seen.pop(cid, None)
        self._copies.forget(cid)

    def _ask(self, question: Callable[[], _T]) -> _T:
        if self._away is not None:
            until, why = self._away
            if self._clock() < until:
                raise Unavailable(why.code, why.what, where=why.where, cure=why.cure)
            self._away = self._clock() + AWAY_SECONDS, why  # who comes now asks for all
        try:
            answer = question()
        except Unavailable as problem:
            self._away = self._clock() + AWAY_SECONDS, problem
            raise
        self._away = None
        return answer

    def _outline(self, cid: str) -> Outline:
        known = self._outlines.get(cid) or self._copies.outline(cid)
        if known is None:
            known, seen = self._ask(lambda: fetch_outline(self._remote, cid))
            for number, chunk in enumerate(in_chunks(seen) if seen else ()):
                self._copies.keep_chunk(known, number, chunk)
        if cid not in self._outlines:
            self._know(known)
        return known

    def _know(self, outline: Outline) -> None:
        if len(self._outlines) >= _OUTLINES_AT_MOST:
            self._outlines.clear()
        self._outlines[outline.cid] = outline
        self._copies.keep_outline(outline)

    def _run(self, outline: Outline, numbers: range) -> Iterator[bytes]:
        """The chunks of these numbers, those that no copy holds fetched together."""
        held = {number: self._copies.chunk(outline, number) for number in numbers}
        missing = [number for number in numbers if held[number] is None]
        if missing:
            span = range(missing[0], missing[-1] + 1)
            chunks = self._ask(lambda: fetch_chunks(self._remote, outline, span))
            for number, fetched in zip(span, chunks, strict=True):
                held[number] = fetched
                if number in missing:
                    self._copies.keep_chunk(outline, number, fetched)
        return (chunk for number in numbers if (chunk := held.pop(number)) is not None)


def fetch_outline(remote: Remote, cid: str) -> tuple[Outline, bytes]:
    """The object's outline: as `remote` tells it where that gives the CID, else from all its bytes.

    Also those bytes, where all of them were seen and are one run at most. `Refused` MEDIA_UNKNOWN, MEDIA_CORRUPT;
    `Unavailable` MEDIA_UNAVAILABLE.
    """
    claimed = remote.outline(cid)
    if claimed is not None and claimed.size <= MAX_OBJECT_BYTES:
        try:
            return verify_outline(claimed, cid), b""
        except Refused:  # a spoilt outline may stand beside an object that is whole
            pass
    return scan(remote, cid)


def scan(remote: Remote, cid: str) -> tuple[Outline, bytes]:
    """The outline of all the bytes that `remote` has under the name; raises and returns as `fetch_outline`."""
    run, seen = RUN_CHUNKS * CHUNK_BYTES, b""

    def pieces() -> Iterator[bytes]:
        nonlocal seen
        for start in range(0, MAX_OBJECT_BYTES + 1, run):  # not one run more than an object may have
            data = remote.read(cid, start, run)
            if data is None:
                raise unknown(cid)
            yield data
            if len(data) < run:
                seen = b"" if start else data
                return

    outline = outline_of(pieces())
    if outline.cid != cid:
        raise corrupt(cid, "what the media store sent")
    return outline, seen


def fetch_chunks(remote: Remote, outline: Outline, numbers: range) -> list[bytes]:
    """The chunks of these numbers, which follow one another. Raises as `fetch_outline`."""
    start = numbers.start * CHUNK_BYTES
    length = sum(outline.chunk_bytes(number) for number in numbers)
    data = remote.read(outline.cid, start, length)
    if data is None:
        raise unknown(outline.cid)
    chunks = [data[at : at + CHUNK_BYTES] for at in range(0, max(length, 1), CHUNK_BYTES)]
    for number, chunk in zip(numbers, chunks, strict=True):
        outline.check(number, chunk)
    return chunks
