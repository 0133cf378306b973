"""A running embedded chain: the chain, its miner thread and its HTTP endpoint, started and stopped as one.

Several may run in one process; each has its own threads and locks and shares nothing. The endpoint listens on loopback
unless told otherwise: it has no users and no secrets, and whoever reaches it may submit signed transactions.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from contracts.embedded.chain import EmbeddedChain, open_chain
from contracts.embedded.genesis import Genesis
from contracts.embedded.miner import Miner
from contracts.embedded.rpc import answer
from ledger.errors import Unavailable

MAX_BODY_BYTES: Final = 8 * 1024 * 1024
BODY_SECONDS: Final = 30.0
WORKERS: Final = 4
BACKLOG: Final = 128
STACK_BYTES: Final = 64 * 1024 * 1024  # the EVM calls itself 1,024 deep, each through several Python frames
STOP_SECONDS: Final = 20.0


class EmbeddedNode:
    """One embedded chain answering JSON-RPC at `url`. Usable with `with`; `stop` may be called twice."""

    def __init__(self, chain: EmbeddedChain, listener: socket.socket, block_seconds: float | None) -> None:
        """Use `start`."""
        self._chain = chain
        host, port = listener.getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix=f"rpc-{chain.chain_id}")
        self._miner = Miner(chain, block_seconds)
        app = Starlette(routes=[Route("/", self._answer, methods=["POST"])])
        settings = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=2
        )
        self._server = uvicorn.Server(settings)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name=f"node-{chain.chain_id}", daemon=True
        )
        self._stopped = False

    @classmethod
    def start(
        cls,
        data_folder: Path,
        genesis: Genesis | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        block_seconds: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> EmbeddedNode:
        """Open or create the chain in `data_folder` and answer at once. `port` 0 takes a free one.

        `block_seconds`: None makes a block whenever a transaction waits; a number makes one at that interval, empty
        or not. Errors: `Unavailable` PORT_IN_USE; those of `open_chain`.
        """
        listener = listen(host, port)
        try:
            chain = open_chain(data_folder, genesis, clock=clock)
        except BaseException:
            listener.close()
            raise
        node = cls(chain, listener, block_seconds)
        _start_threads(node._miner, node._thread, node._workers)
        return node

    @property
    def chain_id(self) -> int:
        """EIP-155 id."""
        return self._chain.chain_id

    def stop(self) -> None:
        """Stop answering, stop mining, close the folder. What was acknowledged is durable already."""
        if self._stopped:
            return
        self._stopped = True
        self._server.should_exit = True
        self._thread.join(STOP_SECONDS)
        self._workers.shutdown(wait=True)
        self._miner.stop()
        self._chain.close()

    def __enter__(self) -> EmbeddedNode:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def _answer(self, request: Request) -> Response:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _read_body(request)
        except TimeoutError:
            return Response(b"request body too slow", status_code=408)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        if body is None:
            return Response(b"request body too large", status_code=413)
        # Executing takes milliseconds to seconds: never in the event loop, which others wait for.
        loop = asyncio.get_running_loop()
        reply = await loop.run_in_executor(self._workers, answer, self._chain, body)
        return Response(reply, media_type="application/json")


async def _read_body(request: Request) -> bytes | None:
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > MAX_BODY_BYTES:
            return None
    return bytes(received)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; `port` 0 takes a free one. Errors: `Unavailable` PORT_IN_USE."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches Nagle's delay off only for sockets that say they are TCP; without it every reply takes 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)  # a client that comes before the server's thread runs waits instead of being refused
    except (OSError, OverflowError) as error:
        listener.close()
        raise Unavailable(
            "PORT_IN_USE",
            f"the node cannot listen there: {error}",
            where=f"{host}:{port}",
            cure="Choose another port, or stop what uses it.",
        ) from error
    return listener


_starting = threading.Lock()


def _start_threads(miner: Miner, server: threading.Thread, workers: ThreadPoolExecutor) -> None:
    # The stack size is a setting of the whole process: set it, start the threads that need it, set it back.
    with _starting:
        previous = threading.stack_size(STACK_BYTES)
        try:
            miner.start()
            barrier = threading.Barrier(WORKERS + 1)
            for _ in range(WORKERS):
                workers.submit(barrier.wait)
            barrier.wait()
        finally:
            threading.stack_size(previous)
        server.start()
