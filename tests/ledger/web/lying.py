"""A ledger's server that lies: it changes what the honest application answers, over real sockets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ledger.bundle import TRUST_ROOT_DOMAIN, Notaries, TrustRoot
from ledger.proposal import Chain
from ledger.quorum import Committee
from ledger.store import Ledger
from tests.ledger.tea import COSIGNERS

Lie = Callable[[str, bytes], bytes | None]
"""The body of an answer, given the path that was asked for and the honest body; None denies that there is anything."""


class Liar:
    """ASGI middleware. `lie` changes bodies; None tells the truth. `asked`: the paths, in order."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.lie: Lie | None = None
        self.asked: list[str] = []

    @contextmanager
    def telling(self, lie: Lie) -> Iterator[None]:
        """Lie so for a while."""
        self.lie = lie
        try:
            yield
        finally:
            self.lie = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path, lie = scope["path"], self.lie
        self.asked.append(path)
        if lie is None:
            await self._app(scope, receive, send)
            return
        started: list[Message] = []
        body = bytearray()

        async def hold(message: Message) -> None:
            if message["type"] == "http.response.start":
                started.append(message)
                return
            body.extend(message.get("body", b""))
            if message.get("more_body"):
                return
            told = lie(path, bytes(body))
            if told is None:
                told, started[0]["status"] = b"", 404
            headers = [(name, value) for name, value in started[0]["headers"] if name != b"content-length"]
            length = (b"content-length", str(len(told)).encode())
            await send({**started[0], "headers": [*headers, length]})
            await send({"type": "http.response.body", "body": told})

        await self._app(scope, receive, hold)


def about(part: str, change: Callable[[bytes], bytes | None]) -> Lie:
    """A lie about paths that hold `part` only."""
    return lambda path, body: change(body) if part in path else body


def about_records(change: Callable[[dict[str, Any]], None]) -> Lie:
    """A lie about the records of a unit: `change` works on the parsed answer."""

    def changed(body: bytes) -> bytes:
        value = json.loads(body)
        change(value)
        return json.dumps(value, ensure_ascii=False).encode()

    return lambda path, body: changed(body) if path.endswith("/records") else body


def trust_root_of(ledger: Ledger, *, epoch: int = 1) -> TrustRoot:
    """A trust root that names the ledger's own log and the tea story's cosigners; its chains are made up."""
    ends = [Chain(7101 + number, bytes([0xA1 + number]) * 32, bytes([0xA1 + number]) * 20) for number in range(3)]
    return TrustRoot(
        dated=date(2026, 4, 2),
        log=ledger.log.key,
        pinned=Notaries(
            Committee(epoch, tuple(bytes([number]) * 20 for number in (1, 2, 3, 4))), COSIGNERS.keys, COSIGNERS.quorum
        ),
        past=(),
        origin=ends[0],
        destination=ends[1],
        transaction=ends[2],
        anchor_registry=bytes([0xB1]) * 20,
        anchor_mirror=bytes([0xB2]) * 20,
        transaction_registry=bytes([0xB3]) * 20,
    )


def publish_trust_root(ledger: Ledger, *, epoch: int = 1) -> TrustRoot:
    """Log a trust root, as the relay does when a deployment begins."""
    root = trust_root_of(ledger, epoch=epoch)
    ledger.statements.enter(TRUST_ROOT_DOMAIN, root.dump())
    return root
