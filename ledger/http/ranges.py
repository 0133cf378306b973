"""Byte ranges (RFC 9110 section 14) over bytes that are kept under content ids, one object or several in a row.

May never happen here: a whole recording in memory; more than one range in an answer (a request for several gets it
all); an answer that begins as if all were well where the first of its bytes cannot be had.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ledger.intake.media import MediaStore

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class Content(Protocol):
    """What is answered with: its length, and its bytes from anywhere."""

    @property
    def size(self) -> int: ...

    def chunks(self, start: int, length: int) -> Iterator[bytes]: ...


@dataclass(frozen=True, slots=True)
class Held:
    """A few bytes, written for this answer."""

    raw: bytes

    @property
    def size(self) -> int:
        """The length in bytes."""
        return len(self.raw)

    def chunks(self, start: int, length: int) -> Iterator[bytes]:
        """`length` bytes from `start`."""
        yield self.raw[start : start + length]


@dataclass(frozen=True, slots=True)
class Joined:
    """Objects read as one: (content id, length) each."""

    media: MediaStore
    parts: tuple[tuple[str, int], ...]

    @property
    def size(self) -> int:
        """The length in bytes."""
        return sum(length for _, length in self.parts)

    def chunks(self, start: int, length: int) -> Iterator[bytes]:
        """`length` bytes from `start`, in pieces of at most 262,144 bytes, each hashed just before."""
        for cid, size in self.parts:
            if start < size and length > 0:
                asked = min(size - start, length)
                yield from self.media.chunks(cid, start, asked)
                start, length = start + asked, length - asked
            start -= size
            if length <= 0:
                return


def range_response(
    request: Request, content: Content, *, etag: str, media_type: str, headers: Mapping[str, str]
) -> Response:
    """200 with everything, 206 with one range, 304 for a copy that is still right, 416 for a range outside.

    A range counts in a GET alone (RFC 9110, 14.2). Raises what the media store raises for the first of the bytes.
    """
    shared = {"Accept-Ranges": "bytes", "ETag": etag, **headers}
    if _names(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=shared)
    asked = request.headers.get("range", "") if request.method == "GET" else ""
    if request.headers.get("if-range", etag) != etag:
        asked = ""
    found = _span(asked, content.size)
    if found is None:
        # Not to be kept: the next one who asks may ask for another part.
        shared |= {"Content-Range": f"bytes */{content.size}", "Cache-Control": "no-store"}
        return Response(status_code=416, headers=shared)
    start, length, partial = found
    if partial:
        shared["Content-Range"] = f"bytes {start}-{start + length - 1}/{content.size}"
    shared["Content-Length"] = str(length)
    status = 206 if partial else 200
    if request.method == "HEAD":
        return Response(status_code=status, headers=shared, media_type=media_type)
    pieces = content.chunks(start, length)
    first = list(islice(pieces, 1))  # a lost or changed object is told as such while that can still be told
    return StreamingResponse(chain(first, pieces), status_code=status, headers=shared, media_type=media_type)


def _span(asked: str, size: int) -> tuple[int, int, bool] | None:
    """(start, length, partial); None when the range lies outside. What is no single range counts as none asked."""
    match = _RANGE.fullmatch(asked.strip())
    if match is None or match.groups() == ("", ""):
        return 0, size, False
    first, last = match.groups()
    if not first:
        length = min(int(last), size)
        return (size - length, length, True) if length else None
    start = int(first)
    end = min(int(last), size - 1) if last else size - 1
    if last and int(last) < start:
        return 0, size, False  # RFC 9110 14.1.1: such a range is invalid, and ignored
    return (start, end - start + 1, True) if start < size else None


def _names(header: str, etag: str) -> bool:
    return etag in (candidate.strip().removeprefix("W/") for candidate in header.split(",")) or header == "*"
