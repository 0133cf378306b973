"""A server that takes every connection and what is sent on it, and never says a word."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from ledger.serve import take_port


@dataclass
class Tarpit:
    """`url`: where it listens. `held`: connections that somebody waits on."""

    url: str
    held: list[socket.socket] = field(default_factory=list)


@contextmanager
def tarpit() -> Iterator[Tarpit]:
    """One on a free port, until the block ends."""
    listener = take_port("127.0.0.1", 0)
    listener.listen(64)
    found = Tarpit(f"http://127.0.0.1:{listener.getsockname()[1]}")

    def take() -> None:
        with suppress(OSError):  # closed: the block has ended
            while True:
                found.held.append(listener.accept()[0])

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for each in found.held:
            each.close()
