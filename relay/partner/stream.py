"""Server-sent events (WHATWG HTML section 9.2): the feed from an event on, for as long as the partner listens.

May never happen here: a thread held by a listener, an event passed over, or a stream that keeps the server from ending.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from ledger.errors import Refused, Unavailable
from relay.partner.desk import Desk
from relay.partner.feed import Event

MAX_STREAMS = 4  # of one partner
LOOK_SECONDS = 0.05
HEARTBEAT_SECONDS = 15.0
RETRY_MILLISECONDS = 1_000
PAGE = 256

_HEADERS = {"X-Accel-Buffering": "no"}


def event_stream(desk: Desk, partner: str, after: int, kinds: frozenset[str]) -> StreamingResponse:
    """The answer that never ends by itself. `Refused` STREAM_LIMIT for more than four of one partner."""
    with desk.streams_lock:  # counted from here on: several that are asked for at once must not all find room
        if desk.streams[partner] >= MAX_STREAMS:
            raise Refused("STREAM_LIMIT", f"a partner has at most {MAX_STREAMS} streams", cure="Close another one.")
        desk.streams[partner] += 1
    return _Stream(desk, partner, _events(desk, after, kinds))


class _Stream(StreamingResponse):
    """Counted until it is over, however it ends: also where its listener left before it began, or does not read."""

    def __init__(self, desk: Desk, partner: str, events: AsyncIterator[bytes]) -> None:
        super().__init__(events, media_type="text/event-stream", headers=_HEADERS)
        self._desk, self._partner = desk, partner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            with self._desk.streams_lock:
                self._desk.streams[self._partner] -= 1


async def _events(desk: Desk, after: int, kinds: frozenset[str]) -> AsyncIterator[bytes]:
    yield b"retry: %d\n\n" % RETRY_MILLISECONDS
    silent = 0.0
    while not desk.is_closing.is_set():
        if after >= desk.feed.newest:
            await asyncio.sleep(LOOK_SECONDS)
            silent += LOOK_SECONDS
            if silent >= HEARTBEAT_SECONDS:
                silent = 0.0
                yield b": still here\n\n"
            continue
        try:
            page = await run_in_threadpool(desk.feed.after, after, PAGE)
        except (Refused, Unavailable) as problem:
            # The listener comes back with the same number, and is then answered with the problem itself.
            yield f": {problem.code}\n\n".encode()
            return
        for event in page:
            after = event.sequence
            if event.kind in kinds:
                silent = 0.0
                yield _frame(event)


def _frame(event: Event) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.sequence, event.kind.encode(), event.body)
