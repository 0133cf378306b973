"""A network that can be cut: bytes pass between a free loopback port and the one behind it, until they do not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

REFUSED_CONNECTIONS = 2


class Network:
    """`url`: of this side. `cut()`: connections break off and new ones are refused. `mend()`: they pass again.

    `cut_after`: bytes of requests after which it cuts itself, until some connections were refused; None for never.
    """

    def __init__(self, port: int) -> None:
        self._behind, self._lock = port, threading.Lock()
        self._open: set[socket.socket] = set()
        self._is_cut = self._closed = False
        self.cut_after: int | None = None
        self._refusals = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def cut(self) -> None:
        with self._lock:
            self._is_cut = True
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self._is_cut = False

    def close(self) -> None:
        self._closed = True
        self.cut()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        while not self._closed:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._is_cut:
                near.close()
                self._refusals -= 1
                if self._refusals == 0:
                    self._is_cut = False
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._behind), timeout=10)
            except OSError:
                near.close()
                continue
            with self._lock:
                self._open |= {near, far}
            for origin, target, counts in ((near, far, True), (far, near, False)):
                threading.Thread(target=self._pass, args=(origin, target, counts), daemon=True).start()

    def _pass(self, origin: socket.socket, target: socket.socket, counts: bool) -> None:
        with suppress(OSError):
            while piece := origin.recv(65536):
                if counts and self.cut_after is not None:
                    self.cut_after -= len(piece)
                    if self.cut_after <= 0:
                        self.cut_after = None
                        self._refusals = REFUSED_CONNECTIONS
                        self.cut()
                        break
                target.sendall(piece)
        for each in (origin, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextmanager
def network(port: int) -> Iterator[Network]:
    """A network in front of a port of this machine."""
    made = Network(port)
    try:
        yield made
    finally:
        made.close()
