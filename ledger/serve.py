"""Serve an ASGI application on this machine, in a thread, on a port that is known when `serve` returns.

Used by the ledger, the notaries, the relay and the embedded chains alike. Those who are connected are served while very
many others come: connections are let in one at a time between other work, the rest wait in the kernel's queue; and
beyond a bound the one that was quiet longest is let go, rather than everybody refused. May never happen here: a server
that looks started and is not listening, or one that listens beyond the given address.
"""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
import sys
import threading
from heapq import nsmallest
from typing import TYPE_CHECKING, Protocol

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ledger.errors import Unavailable, WrongUse
from ledger.newcomers import ServingLoop

if TYPE_CHECKING:
    from starlette.types import ASGIApp

START_SECONDS = 15.0
STOP_SECONDS = 5  # open connections, such as a paused video, are cut after this
KEEP_ALIVE_SECONDS = 30
MAX_CONNECTIONS = 4096  # of one server; some 10 KiB each while they are quiet
RESERVED_FILES = 256  # of those that the process may open: for everything but connections
LEAST_CONNECTIONS = 64
MAX_HEADER_BYTES = 64 * 1024
BACKLOG = 4096  # connections that wait in the kernel's queue; it takes fewer where it is set up so
HELD_SECONDS = 1.0  # so long what has begun to come waits at a door for its end; a whole request comes in less
SWITCH_SECONDS = 0.0005  # after which a thread that computes lets another one go on; Python's own is ten times that
LET_IN_AT_ONCE, LET_GO_AT_ONCE = 1, 64


class Door(Protocol):
    """Looks at requests before they are read; an application may keep one as its `state.door`. For one event loop."""

    @property
    def looks(self) -> bool:
        """Whether anything is to be looked at now."""
        ...

    def answer(self, begun: bytes) -> bytes | None:
        """What to answer before the connection ends; empty: let it in; None: more must come before that can be told."""
        ...


class RunningServer:
    """A server that is listening. `url` has no slash at its end."""

    def __init__(self, server: uvicorn.Server, thread: threading.Thread, host: str, port: int) -> None:
        self._server, self._thread = server, thread
        self.port = port
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def stop(self) -> None:
        """Stop listening, give open requests `STOP_SECONDS`, and return when all is over."""
        self._server.should_exit = True
        self._thread.join(STOP_SECONDS + 1)
        if self._thread.is_alive():
            self._server.force_exit = True
            self._thread.join(STOP_SECONDS)

    def wait(self) -> None:
        """Return when the server has stopped."""
        self._thread.join()


def serve(app: ASGIApp, *, host: str = "127.0.0.1", port: int) -> RunningServer:
    """Listen on `host`:`port` (0 takes a free one) and serve `app` in a thread of its own.

    Errors: those of `take_port`; `Unavailable` SERVER_START.
    """
    return serve_on(take_port(host, port), app, host=host)


def serve_on(listener: socket.socket, app: ASGIApp, *, host: str = "127.0.0.1") -> RunningServer:
    """Serve `app` in a thread of its own on a port taken before. `host`: as its URL writes it.

    `Unavailable` SERVER_START.
    """
    # Work on one request goes through the interpreter's lock dozens of times, once for each call of the database.
    sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_SECONDS))
    bound = int(listener.getsockname()[1])
    server = _Server(
        uvicorn.Config(
            app,
            http=_Connection,
            backlog=LET_IN_AT_ONCE,  # to asyncio it is also how many it lets in before it looks after anybody else
            log_config=None,
            access_log=False,
            lifespan="auto",
            server_header=False,
            proxy_headers=False,  # whoever sends X-Forwarded-For is not to be believed here
            ws="none",
            h11_max_incomplete_event_size=MAX_HEADER_BYTES,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
    )
    thread = threading.Thread(target=server.run, args=([listener],), name=f"serve-{bound}", daemon=True)
    thread.start()
    if not server.is_listening.wait(START_SECONDS) or not server.started:
        server.should_exit = True
        listener.close()
        raise Unavailable("SERVER_START", "The server did not start.", where=f"{host}:{bound}")
    return RunningServer(server, thread, host, bound)


class _Server(uvicorn.Server):
    """Says when it listens, looks after those it knows first, and leaves the process's signals to whoever owns it."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_listening = threading.Event()

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        with asyncio.Runner(loop_factory=ServingLoop) as runner:
            runner.run(self.serve(sockets=sockets))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            loop = asyncio.get_running_loop()
            for listener in sockets or ():
                if isinstance(loop, ServingLoop):
                    loop.first.is_new(listener.fileno())  # whoever is let in is a newcomer
            await super().startup(sockets)
            for listener in sockets or ():
                listener.listen(BACKLOG)  # asyncio has made the queue as short as it lets in at once
        finally:
            self.is_listening.set()


class _Connection(H11Protocol):
    """One connection. The one that makes them too many has those closed that were quiet for longest.

    What it is sent stands before the application's door first, where there is one and it looks.
    """

    _spoke_at = 0.0  # by the loop's clock: when it began, or had its last answer
    _held = b""  # what stands before the door
    _let_in: asyncio.TimerHandle | None = None  # when it is let in in any case

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._socket = transport.get_extra_info("socket").fileno()
        self._is(new=True)
        self._spoke_at = self.loop.time()
        if len(self.connections) > most_connections():
            quiet = [each for each in self.connections if isinstance(each, _Connection) and each is not self]
            quiet = [each for each in quiet if each.cycle is None or each.cycle.response_complete]
            for each in nsmallest(LET_GO_AT_ONCE, quiet, key=_spoke_at) or [self]:
                each.transport.close()

    def data_received(self, data: bytes) -> None:
        door = _door_of(self.config)
        if door is None or not (self._held or (door.looks and self._is_between_requests())):
            super().data_received(data)
            return
        self._held += data
        answer = door.answer(self._held)
        if answer is None:
            if self._let_in is None:
                self._unset_keepalive_if_required()
                self._let_in = self.loop.call_later(HELD_SECONDS, self._pass_on)
        elif answer:
            self._leave_door()
            self.transport.write(answer)
            self.transport.close()
        else:
            self._pass_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave_door()
        self._is(new=False)  # before the socket is closed, and its number another's
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self._spoke_at = self.loop.time()
        self._is(new=False)
        super().on_response_complete()

    def _is(self, *, new: bool) -> None:
        """Until it was answered once it is looked after behind all others."""
        if isinstance(self.loop, ServingLoop):
            self.loop.first.is_new(self._socket) if new else self.loop.first.is_known(self._socket)

    def _is_between_requests(self) -> bool:
        return self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]

    def _pass_on(self) -> None:
        super().data_received(self._leave_door())

    def _leave_door(self) -> bytes:
        held, self._held = self._held, b""
        if self._let_in is not None:
            self._let_in.cancel()
            self._let_in = None
        return held


def _door_of(config: uvicorn.Config) -> Door | None:
    return getattr(getattr(config.app, "state", None), "door", None)


def _spoke_at(connection: _Connection) -> float:
    return connection._spoke_at


def most_connections() -> int:
    """How many connections one server holds: `MAX_CONNECTIONS`, or as many as the process may open files for."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(MAX_CONNECTIONS, max(files - RESERVED_FILES, LEAST_CONNECTIONS))


def take_port(host: str, port: int) -> socket.socket:
    """Listen on `host`:`port` (0 takes a free one), for `serve_on`: the port is ours from now on.

    Whoever connects before `serve_on` waits for it. `WrongUse` PORT_INVALID, HOST_INVALID; `Unavailable` PORT_IN_USE,
    PORT_FORBIDDEN.
    """
    if not 0 <= port <= 65535:
        raise WrongUse("PORT_INVALID", f"{port} is no port.", cure="Choose one from 1 to 65535, or 0 for a free one.")
    where = f"{host}:{port}"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle off on accepted connections only where the listener names its protocol.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # So that a restart does not wait for the last connections to time out; it shares no port with a live server.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Replies in several writes would otherwise wait 40 ms for the other side's acknowledgement (Nagle).
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise Unavailable(
                "PORT_IN_USE",
                "Another program listens on this port.",
                where=where,
                cure="Stop it, or choose another port with --port; 0 takes a free one.",
            ) from None
        if error.errno == errno.EACCES:
            raise Unavailable(
                "PORT_FORBIDDEN", "This user may not listen on this port.", where=where, cure="Choose one above 1023."
            ) from None
        raise WrongUse("HOST_INVALID", f"This address cannot be listened on: {error.strerror}.", where=where) from None
    return listener
