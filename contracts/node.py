"""The seam to one EVM node: ordinary JSON-RPC over HTTP, the same for the embedded chain, anvil and Besu.

What comes back is *claimed*, never believed: callers that need a fact check it with `ledger.ethereum`. This module
only guarantees that the reply is well-formed JSON-RPC, answers the request that was sent, and is bounded in size and
time.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Sequence
from typing import Any, Protocol

from ledger.errors import Refused, Unavailable
from ledger.exchange import Exchange, Peer

MAX_REPLY_BYTES = 64 * 1024 * 1024
TIMEOUT_SECONDS = 30.0  # for a whole exchange
MAX_WORDS = 500  # of what a node says about an error, in characters
REVERTED = 3  # the JSON-RPC error code of a call that the contract itself refused (geth, anvil, our embedded chain)

_HTTP_OK = 200
_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")


class NodeError(Refused):
    """NODE_ERROR: the node answered a JSON-RPC error. `rpc_code`: the error's own code, None where it has none."""

    def __init__(self, what: str, *, rpc_code: int | None, where: str = "") -> None:
        super().__init__("NODE_ERROR", what, where=where)
        self.rpc_code = rpc_code

    @property
    def is_revert(self) -> bool:
        """Whether the contract refused the call; any other error is about the node or the account, and may pass.

        Besu and older clients answer a revert under -32000, and say in words what it is.
        """
        return self.rpc_code == REVERTED or "execution reverted" in self.what.lower()


class Node(Protocol):
    """One EVM node. `RpcNode` is the production implementation; the simulator in `tests/` is another."""

    @property
    def url(self) -> str:
        """Where it is, for messages to people."""
        ...

    def request(self, method: str, *params: Any) -> Any:
        """Send one request and return its result.

        Errors: `Unavailable` NODE_UNREACHABLE, NODE_GARBAGE; `NodeError` when the node answers an error.
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
        peer = Peer("the node", "NODE_UNREACHABLE", "NODE_GARBAGE", "Check that it runs and that the URL is right.")
        self._http = Exchange(peer, seconds=timeout_seconds, max_bytes=MAX_REPLY_BYTES)

    @property
    def url(self) -> str:
        return self._url

    def break_off(self) -> None:
        """End what is asked just now, and ask nothing more: see `Exchange.break_off`."""
        self._http.break_off()

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
        by_id = {item["id"]: item for item in replies if isinstance(item, dict) and type(item.get("id")) is int}
        # Equal counts and a reply for each id: swapped, duplicated and missing answers are all caught here.
        if len(by_id) != len(requests) or len(replies) != len(requests):
            raise self._garbage("the replies do not match the requests")
        return [self._result(request, by_id.get(request["id"])) for request in requests]

    def _exchange(self, body: Any) -> Any:
        reply = self._http.post(self._url, json.dumps(body, allow_nan=False).encode(), media_type="application/json")
        if reply.status != _HTTP_OK:
            raise self._garbage(f"HTTP status {reply.status}")
        try:
            return json.loads(reply.body)
        except (ValueError, RecursionError) as error:
            raise self._garbage("the reply is not JSON") from error

    def _result(self, request: dict[str, Any], reply: Any) -> Any:
        if not isinstance(reply, dict) or ("result" not in reply and "error" not in reply):
            raise self._garbage("a reply carries neither result nor error")
        if reply.get("error") is not None:
            raise self._error(request["method"], reply["error"])
        return reply.get("result")

    def _error(self, method: str, error: Any) -> NodeError:
        fields = error if isinstance(error, dict) else {"message": error}
        # Half of a surrogate pair passes as JSON and can be written nowhere.
        words = str(fields.get("message", ""))[:MAX_WORDS].encode("utf-8", errors="replace").decode()
        code = fields.get("code")
        return NodeError(f"{method}: {words}", rpc_code=code if type(code) is int else None, where=self._url)

    def _garbage(self, why: str) -> Unavailable:
        return self._http.garbage(why, where=self._url)


def quantity(value: Any, *, what: str = "quantity") -> int:
    """Decode a JSON-RPC quantity ("0x0", "0x1f"); anything else is `Unavailable` NODE_GARBAGE."""
    # int() alone would take signs, spaces and underscores as well.
    if not isinstance(value, str) or _QUANTITY.fullmatch(value) is None:
        raise Unavailable("NODE_GARBAGE", f"{what} is not a quantity", where=repr(value)[:80])
    return int(value, 16)


def data(value: Any, *, what: str = "data", length: int | None = None) -> bytes:
    """Decode JSON-RPC data ("0x", "0x00ff") of `length` bytes where given; else `Unavailable` NODE_GARBAGE."""
    try:
        if not isinstance(value, str) or not value.startswith("0x"):
            raise ValueError
        decoded = bytes.fromhex(value[2:])
        if len(value) != 2 + 2 * len(decoded):
            raise ValueError  # it passes over spaces
    except ValueError:
        raise Unavailable("NODE_GARBAGE", f"{what} is not hex data", where=repr(value)[:80]) from None
    if length is not None and len(decoded) != length:
        raise Unavailable("NODE_GARBAGE", f"{what} has {len(decoded)} bytes, not {length}", where=value[:80])
    return decoded
