"""How much of all requests' bodies together may stand in memory while they come in and are worked on.

Bytes count as they arrive, not as they are announced: whoever announces much and sends little holds little. May never
happen here: bytes that are counted and never given back.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ledger.errors import Unavailable
from ledger.http.requests import read_body

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

MAX_HELD_BYTES = 256 * 1024 * 1024


class BodyMemory:
    """Room for bodies of `most` bytes together."""

    def __init__(self, most: int = MAX_HELD_BYTES) -> None:
        self._most, self._held, self._lock = most, 0, threading.Lock()

    @property
    def held(self) -> int:
        """How many bytes are held now."""
        return self._held

    @asynccontextmanager
    async def body(self, request: Request, *, limit: int, types: Collection[str]) -> AsyncIterator[bytes]:
        """The request's body, counted until the block ends. Raises as `read_body` does; `Unavailable` INTAKE_BUSY."""
        mine = 0

        def count(length: int) -> None:
            nonlocal mine
            with self._lock:
                if self._held + length > self._most:
                    raise Unavailable(
                        "INTAKE_BUSY", "Too much is coming in at once.", cure="Send it again in some seconds."
                    )
                self._held += length
                mine += length

        try:
            yield await read_body(request, limit=limit, types=types, held=count)
        finally:
            with self._lock:
                self._held -= mine
