"""What every long-running program of this project does at the command line: run until interrupted, say how it is.

Imported by each room's verbs, hence light: HTTP is loaded only by whoever asks.
"""

from __future__ import annotations

import gc
import json
import signal
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

import typer

from ledger.canonical import JsonValue, parse_json
from ledger.errors import Problem, Refused, Unavailable

if TYPE_CHECKING:
    from ledger.exchange import Peer

STATUS_SECONDS = 10.0
MAX_STATUS_BYTES = 1024 * 1024

MAX_WORDS = 500  # of each field of a problem, in characters

_GOOD = range(200, 300)
_REFUSALS = range(400, 500)


class Running(Protocol):
    """A program that was started."""

    def stop(self) -> None: ...


R = TypeVar("R", bound=Running)


def run_until_interrupted(start: Callable[[], R], show: Callable[[R], dict[str, JsonValue]]) -> None:
    """Start, print what `show` says as one line of JSON, and stop at SIGINT or SIGTERM. Errors: those of `start`."""
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stopping.set())
    running = start()
    # What is loaded by now stays until the end: a full collection that walks over it stops every answer for 0.1 s.
    gc.collect()
    gc.freeze()
    try:
        typer.echo(json.dumps(show(running)))
        stopping.wait()
    finally:
        running.stop()


def ask_running(url: str, path: str, peer: Peer, *, body: JsonValue = None) -> dict[str, JsonValue]:
    """What a running program answers at a path, as a JSON object; where there is a `body`, what it answers to that.

    Errors: `Unavailable` with the peer's codes; the program's own problem (RFC 9457) as `Refused` with its code.
    """
    from ledger.exchange import Exchange  # noqa: PLC0415

    where = f"{url.rstrip('/')}{path}"
    asking = Exchange(peer, seconds=STATUS_SECONDS, max_bytes=MAX_STATUS_BYTES)
    try:
        sent = None if body is None else json.dumps(body).encode()
        reply = asking.get(where) if sent is None else asking.post(where, sent, media_type="application/json")
        answer = parse_json(reply.body, max_bytes=MAX_STATUS_BYTES)
    except Unavailable:
        raise
    except Problem:
        answer = None
    finally:
        asking.close()
    if isinstance(answer, dict) and reply.status in _REFUSALS and isinstance(answer.get("code"), str):
        said = {name: str(answer.get(name) or "")[:MAX_WORDS] for name in ("code", "title", "where", "cure")}
        raise Refused(said["code"], said["title"], where=said["where"], cure=said["cure"])
    if not isinstance(answer, dict) or reply.status not in _GOOD:
        what = f"what answers there is not {peer.name} (HTTP status {reply.status})"
        raise Unavailable(peer.unreachable, what, where=where, cure=peer.cure)
    return answer
