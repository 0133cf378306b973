"""A proxy in front of an honest JSON-RPC node that spoils what passes through it, over real sockets.

Each fault is one that a public endpoint has been seen to commit; all of them are deterministic.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

HUGE_BYTES = 65 * 1024 * 1024  # a little more than a client takes


def _each(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A change of every reply's result."""

    def spoil(reply: Any) -> Any:
        replies = reply if isinstance(reply, list) else [reply]
        spoilt = [each | {"result": change(each.get("result"))} for each in replies]
        return spoilt if isinstance(reply, list) else spoilt[0]

    return spoil


def _swapped(reply: Any) -> Any:
    """The results of a batch under one another's ids."""
    if not isinstance(reply, list):
        return reply | {"id": reply["id"] + 1}
    return [each | {"result": other["result"]} for each, other in zip(reply, reply[1:] + reply[:1], strict=True)]


def _same_ids(reply: Any) -> Any:
    return [each | {"id": reply[0]["id"]} for each in reply] if isinstance(reply, list) else reply | {"id": 0}


def _stale(result: Any) -> Any:
    return "0x1" if isinstance(result, str) else None


def _future(result: Any) -> Any:
    return result | {"number": hex(10**12), "hash": f"0x{'11' * 32}"} if isinstance(result, dict) else "0x7"


BODIES: dict[str, Callable[[Any], Any]] = {
    "null": _each(lambda _: None),
    "wrong chain id": _each(lambda result: "0x539" if isinstance(result, str) else result | {"hash": "0x1"}),
    "stale": _each(_stale),
    "future": _each(_future),
    "swapped replies": _swapped,
    "duplicate ids": _same_ids,
    "forged header": _each(lambda r: r | {"hash": f"0x{'22' * 32}"} if isinstance(r, dict) else "0x9"),
}
RAW: dict[str, tuple[int, bytes]] = {
    "429": (429, b'{"error": "too many requests"}'),
    "200 and HTML": (200, b"<html><body>Welcome to the gateway</body></html>"),
    "NaN": (200, b'{"jsonrpc": "2.0", "id": NaN, "result": NaN}'),
    "nothing": (200, b""),
    "deep": (200, b"[" * 100_000),
}
SLOW = "one byte at a time"
HUGE = "huge body"
FAULTS = (*BODIES, *RAW, SLOW, HUGE)


@contextmanager
def faulty(url: str, fault: str) -> Iterator[str]:
    """The URL of a proxy to the node at `url` with a fault of `FAULTS`, or none ("none")."""
    stopping = threading.Event()
    inner = httpx.Client(trust_env=False, timeout=30)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if fault in RAW:
                self._send(*RAW[fault])
            elif fault == HUGE:
                self._drip(HUGE_BYTES, b" " * 2**20, 0)
            elif fault == SLOW:
                self._drip(10**6, b" ", 0.2)
            else:
                reply = json.loads(inner.post(url, content=body, headers={"Content-Type": "application/json"}).content)
                spoilt = BODIES.get(fault, lambda honest: honest)(reply)
                self._send(200, json.dumps(spoilt).encode())

        def log_message(self, *_arguments: Any) -> None:
            """Say nothing."""

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _drip(self, total: int, chunk: bytes, seconds: float) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(total))
            self.end_headers()
            try:
                for _ in range(total // len(chunk)):
                    self.wfile.write(chunk)
                    if stopping.wait(seconds):
                        break
            except OSError:
                self.close_connection = True  # the client has had enough, as it should

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()
        inner.close()
