"""The seam to one EVM node: ordinary JSON-RPC over HTTP, the same for the embedded chain, anvil and Besu.

What comes back is *claimed*, never believed: callers that need a fact check it with `ledger.ethereum`. This module
only guarantees that the reply is well-formed JSON-RPC, answers the request that was sent, and is bounded in size and
time.
"""

from __future__ import annotations

import itertools
import json
import ssl
from collections.abc import Sequence
from functools import cache
from typing import Any, Protocol

import httpx

from ledger.errors import Refused, Unavailable

MAX_REPLY_BYTES = 64 * 1024 * 1024
TIMEOUT_SECONDS = 30.0


class Node(Protocol):
    """One EVM node. `RpcNode` is the production implementation; the simulator in `tests/` is another."""

    @property
    def url(self) -> str:
        """Where it is, for messages to people."""
        ...

    def request(self, method: str, *params: Any) -> Any:
        """Send one request and return its result.

        Errors: `Unavailable` NODE_UNREACHABLE, NODE_GARBAGE; `Refused` NODE_ERROR when the node answers an error.
        """
        ...

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """Send several requests in one HTTP exchange; results stand in the order of the calls. Errors as `request`."""
        ...


class RpcNode:
    """JSON-RPC 2.0 over HTTP with one kept-alive connection pool; safe to share between threads."""

    def __init__(self, url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._url = url
        self._ids = itertools.count(1)
        # trust_env: a proxy of the environment must never see, nor answer, what a notary asks its own node.
        self._http = httpx.Client(timeout=timeout_seconds, trust_env=False, verify=_tls())

    @property
    def url(self) -> str:
        return self._url

    def close(self) -> None:
        self._http.close()

    def request(self, method: str, *params: Any) -> Any:
        return self.batch([(method, params)])[0]

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        if not calls:
            return []
        requests = [
            {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(params)}
            for method, params in calls
        ]
        reply = self._exchange(requests[0] if len(requests) == 1 else requests)
        replies = reply if isinstance(reply, list) else [reply]
        by_id = {item.get("id"): item for item in replies if isinstance(item, dict)}
        # Equal counts and a reply for each id: swapped, duplicated and missing answers are all caught here.
        if len(by_id) != len(requests) or len(replies) != len(requests):
            raise self._garbage("the replies do not match the requests")
        return [self._result(request, by_id.get(request["id"])) for request in requests]

    def _exchange(self, body: Any) -> Any:
        try:
            with self._http.stream("POST", self._url, json=body) as response:
                received = bytearray()
                for chunk in response.iter_bytes():
                    received += chunk
                    if len(received) > MAX_REPLY_BYTES:
                        raise self._garbage(f"the reply is larger than {MAX_REPLY_BYTES} bytes")
                status = response.status_code
        except httpx.HTTPError as error:
            raise Unavailable(
                "NODE_UNREACHABLE",
                f"the node did not answer: {type(error).__name__}",
                where=self._url,
                cure="Check that it runs and that the URL is right.",
            ) from error
        if status != httpx.codes.OK:
            raise self._garbage(f"HTTP status {status}")
        try:
            return json.loads(received)
        except (ValueError, RecursionError) as error:
            raise self._garbage("the reply is not JSON") from error

    def _result(self, request: dict[str, Any], reply: Any) -> Any:
        if not isinstance(reply, dict) or ("result" not in reply and "error" not in reply):
            raise self._garbage("a reply carries neither result nor error")
        if reply.get("error") is not None:
            error = reply["error"]
            message = error.get("message", "") if isinstance(error, dict) else str(error)
            raise Refused("NODE_ERROR", f"{request['method']}: {message}", where=self._url)
        return reply.get("result")

    def _garbage(self, why: str) -> Unavailable:
        return Unavailable(
            "NODE_GARBAGE", f"the node's answer is unusable: {why}", where=self._url, cure="Use another endpoint."
        )


@cache
def _tls() -> ssl.SSLContext:
    """The machine's certificates, read once: a client of its own would read them anew, tens of milliseconds each."""
    return ssl.create_default_context()


def quantity(value: Any, *, what: str = "quantity") -> int:
    """Decode a JSON-RPC quantity ("0x0", "0x1f"); anything else is `Unavailable` NODE_GARBAGE."""
    if not isinstance(value, str) or not value.startswith("0x") or len(value) > 66:
        raise Unavailable("NODE_GARBAGE", f"{what} is not a quantity", where=repr(value)[:80])
    try:
        return int(value[2:], 16)
    except ValueError:
        raise Unavailable("NODE_GARBAGE", f"{what} is not a quantity", where=repr(value)[:80]) from None


def data(value: Any, *, what: str = "data", length: int | None = None) -> bytes:
    """Decode JSON-RPC data ("0x", "0x00ff") of `length` bytes where given; else `Unavailable` NODE_GARBAGE."""
    try:
        if not isinstance(value, str) or not value.startswith("0x"):
            raise ValueError
        decoded = bytes.fromhex(value[2:])
    except ValueError:
        raise Unavailable("NODE_GARBAGE", f"{what} is not hex data", where=repr(value)[:80]) from None
    if length is not None and len(decoded) != length:
        raise Unavailable("NODE_GARBAGE", f"{what} has {len(decoded)} bytes, not {length}", where=value[:80])
    return decoded
