"""One HTTP exchange with a program that is not believed: bounded as a whole, in bytes and in seconds.

httpx bounds each read of the socket alone, so that a server which drips one byte a minute would hold its caller for
ever. Here every wait, for headers as for the body, is cut to what is left until one deadline.

Whoever has to stop breaks off what is under way.

May never happen here: a wait beyond the deadline, a reply beyond the bound in memory, an error that is not typed.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

import httpcore
import httpx

from ledger.errors import Unavailable

CONNECT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom an exchange is with, as its errors name it: in words, by code, and what to do about it."""

    name: str
    unreachable: str
    garbage: str
    cure: str


@dataclass(frozen=True, slots=True)
class Reply:
    """HTTP status, body and headers (asked for in any case of letters), as they came."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Exchange:
    """Exchanges with one peer over kept-alive connections; safe to share between threads.

    Errors of `ask`, `post` and `get`: `Unavailable` with the peer's `unreachable` (no whole answer within `seconds`, or
    no URL at all) or `garbage` (more than `max_bytes`, or an encoding nobody asked for).
    """

    def __init__(
        self,
        peer: Peer,
        *,
        seconds: float,
        max_bytes: int,
        connect_seconds: float = CONNECT_SECONDS,
        resolve: Callable[[str, int], str] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """`resolve`: from host and port to the address that is connected to, for whoever may not reach every address;
        what it raises ends the exchange. `transport`: instead of sockets, for tests.
        """
        self._peer, self._seconds, self._max_bytes = peer, seconds, max_bytes
        self._deadline, self._lines = _Deadline(), _Lines()
        # trust_env: a proxy of the environment must never see, nor answer, what is asked here.
        self._http = httpx.Client(
            transport=_Transport(self._deadline, self._lines, resolve) if transport is None else transport,
            timeout=httpx.Timeout(seconds, connect=min(connect_seconds, seconds)),
            trust_env=False,
            headers={"Accept-Encoding": "identity"},
        )

    def post(self, url: str, body: bytes, *, media_type: str, headers: Mapping[str, str] | None = None) -> Reply:
        """Send a body; the reply, whatever its status."""
        return self.ask("POST", url, content=body, headers={"Content-Type": media_type, **(headers or {})})

    def get(self, url: str) -> Reply:
        """Ask for a resource; the reply, whatever its status."""
        return self.ask("GET", url)

    def ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | Iterable[bytes] | None = None,
        seconds: float | None = None,
        max_bytes: int | None = None,
    ) -> Reply:
        """Any request; the reply, whatever its status. `seconds`, `max_bytes`: of this one, instead of the usual.

        `content`: with its length in `headers` where it comes in pieces.
        """
        most, received = self._max_bytes if max_bytes is None else max_bytes, bytearray()
        self._deadline.begin(self._seconds if seconds is None else seconds)
        if self._lines.are_cut:
            raise self._unreachable("is asked nothing any more", where=url)
        try:
            with self._http.stream(method, _read_url(url), headers=headers, content=content) as response:
                if response.headers.get("Content-Encoding", "identity") != "identity":
                    raise self.garbage("an encoding that was not asked for", where=url)
                for chunk in response.iter_raw():
                    received += chunk
                    if len(received) > most:
                        raise self.garbage(f"more than {most} bytes", where=url)
                return Reply(response.status_code, bytes(received), response.headers)
        # UnicodeError: a host name that cannot be written; ValueError is its base, and of no other origin here.
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError) as error:
            raise self._unreachable(f"does not answer: {type(error).__name__}", where=url) from error

    def break_off(self) -> None:
        """End every exchange under way, in whichever thread, and begin no more: each is answered as unreachable.

        What is only just connecting ends once it is connected, or after `connect_seconds`.
        """
        self._lines.cut()

    def close(self) -> None:
        """Close the connections, and break off what is under way. May be called twice."""
        self.break_off()
        self._http.close()

    def garbage(self, why: str, *, where: str) -> Unavailable:
        """The error for an answer that is of no use."""
        what = f"{self._peer.name} answered nonsense: {why}"
        return Unavailable(self._peer.garbage, what, where=where, cure="Use another one.")

    def _unreachable(self, why: str, *, where: str) -> Unavailable:
        return Unavailable(self._peer.unreachable, f"{self._peer.name} {why}", where=where, cure=self._peer.cure)


@lru_cache(maxsize=256)
def _read_url(url: str) -> httpx.URL:
    """A URL, read once: reading it anew cost a seventh of what a relay does under load. Errors: those of httpx."""
    return httpx.URL(url)


class _Deadline(threading.local):
    """When the exchange of the present thread must be over, in monotonic seconds."""

    at = 0.0

    def begin(self, seconds: float) -> None:
        self.at = time.monotonic() + seconds

    def cut(self, timeout: float | None) -> float:
        """A timeout of one wait, cut to what is left."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout
        return left if timeout is None else min(left, timeout)


class _Lines:
    """The open sockets of one exchange's connections: another thread can end what waits on them. Closing would not."""

    def __init__(self) -> None:
        self._lock, self._open = threading.Lock(), weakref.WeakSet[socket.socket]()
        self.are_cut = False

    def add(self, stream: httpcore.NetworkStream) -> None:
        """Keep a connection in sight; one that comes too late is refused."""
        line = stream.get_extra_info("socket")
        with self._lock:
            if not self.are_cut:
                self._open.add(line)
                return
        stream.close()
        raise httpcore.ConnectError

    def cut(self) -> None:
        """Wake whoever waits on a socket, and let no other be opened."""
        with self._lock:
            self.are_cut = True
            for line in self._open:
                with contextlib.suppress(OSError):  # closed already, or given over to its TLS
                    socket.socket.shutdown(line, socket.SHUT_RDWR)  # not TLS's own: another thread is inside it


class _Transport(httpx.HTTPTransport):
    """httpx's own transport, over sockets that know the deadline.

    httpx has no way to hand a network backend in, so its pool's is replaced; a release that moves it fails loudly.
    """

    def __init__(self, deadline: _Deadline, lines: _Lines, resolve: Callable[[str, int], str] | None) -> None:
        super().__init__(verify=_tls(), trust_env=False)
        self._pool._network_backend = _Backend(self._pool._network_backend, deadline, lines, resolve)


class _Backend(httpcore.NetworkBackend):
    def __init__(
        self,
        inner: httpcore.NetworkBackend,
        deadline: _Deadline,
        lines: _Lines,
        resolve: Callable[[str, int], str] | None,
    ) -> None:
        self._inner, self._deadline, self._lines, self._resolve = inner, deadline, lines, resolve

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        if self._resolve is not None:
            host = self._resolve(host, port)
        stream = self._inner.connect_tcp(host, port, self._deadline.cut(timeout), local_address, socket_options)
        return _Stream(stream, self._deadline, self._lines)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, deadline: _Deadline, lines: _Lines) -> None:
        self._inner, self._deadline, self._lines = inner, deadline, lines
        lines.add(inner)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.cut(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.cut(timeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        tls = self._inner.start_tls(ssl_context, server_hostname, self._deadline.cut(timeout))
        return _Stream(tls, self._deadline, self._lines)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def close(self) -> None:
        self._inner.close()


@cache
def _tls() -> ssl.SSLContext:
    """The machine's certificates, read once: a client of its own would read them anew, tens of milliseconds each."""
    return ssl.create_default_context()
