"""A partner's own server for webhooks, and a subscription of it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from relay.partner import described

if TYPE_CHECKING:
    from tests.relay.partner.conftest import Counter  # which gives every test a receiver


class Receiver:
    """A partner's own server: keeps what it is sent, and answers with the statuses a test sets, then 204."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                status = receiver.statuses.pop(0) if receiver.statuses else 204
                self.send_response(status)
                if status in (301, 302, 307):
                    self.send_header("Location", receiver.url + "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def ids(self) -> list[str]:
        return [json.loads(body)["id"] for _, body in self.got]


def subscribe(counter: Counter, receiver: Receiver, **fields: Any) -> dict[str, Any]:
    answer = counter.post("/v1/subscriptions", {"url": receiver.url} | fields)
    assert answer.status_code == 201, answer.text
    shown: dict[str, Any] = answer.json()
    Draft202012Validator(described.SUBSCRIPTION).validate(shown)
    return shown


JSON = {"Content-Type": "application/json"}


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
