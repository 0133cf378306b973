"""Nodes that misbehave: a wrapper around any node, and a chain of blocks written by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from contracts.node import Node
from ledger.errors import Unavailable
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.tx_receipt import Log
from tests.simulator.inline import Killed

Lie = Callable[[list[Any], Any], Any]


class FaultyNode:
    """A node behind a bad connection, or in bad hands. All faults are off until a test sets them.

    `down`: nothing is answered. `behind`: the newest blocks it does not show. `forked_above`: blocks above this number
    are shown as other, empty ones. `lies`: by method, (parameters, honest result) → result. `kill_before` and
    `kill_after`: the process of whoever calls this method dies before the node has it, or before the answer arrives.
    """

    def __init__(self, inner: Node) -> None:
        self.inner = inner
        self.down = False
        self.behind = 0
        self.forked_above: int | None = None
        self.lies: dict[str, Lie] = {}
        self.kill_before = self.kill_after = ""
        self.calls: list[str] = []

    @property
    def url(self) -> str:
        return self.inner.url

    def dump(self) -> dict[str, Any]:
        """The faults that are on, and how often each method was called."""
        return {
            "down": self.down,
            "behind": self.behind,
            "forked_above": self.forked_above,
            "lies": sorted(self.lies),
            "calls": {method: self.calls.count(method) for method in sorted(set(self.calls))},
        }

    def request(self, method: str, *params: Any) -> Any:
        return self.batch([(method, params)])[0]

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        methods = [method for method, _ in calls]
        self.calls += methods
        if self.down:
            raise Unavailable("NODE_UNREACHABLE", "the node did not answer: ConnectError", where=self.url)
        if self.kill_before in methods:
            self.kill_before = ""
            raise Killed
        replies = self.inner.batch(calls)
        if self.kill_after in methods:
            self.kill_after = ""
            raise Killed
        return [self._told(method, list(params), reply) for (method, params), reply in zip(calls, replies, strict=True)]

    def _told(self, method: str, params: list[Any], reply: Any) -> Any:
        if method == "eth_blockNumber":
            reply = hex(int(reply, 16) - self.behind)
        if self.forked_above is not None and method in ("eth_getBlockByNumber", "eth_getBlockReceipts"):
            reply = self._forked(method, params[0], reply, self.forked_above)
        lie = self.lies.get(method)
        return reply if lie is None else lie(params, reply)

    @staticmethod
    def _forked(method: str, reference: str, reply: Any, above: int) -> Any:
        if not reference.startswith("0x") or int(reference, 16) <= above:
            return reply
        if method == "eth_getBlockReceipts":
            return []
        number = int(reference, 16)
        parent = reply["parentHash"] if number == above + 1 else _other(reply["parentHash"])
        return {**reply, "hash": _other(reply["hash"]), "parentHash": parent, "transactions": []}


def _other(block_hash: str) -> str:
    return f"0x{keccak256(bytes.fromhex(block_hash[2:])).hex()}"


class WrittenNode:
    """A chain whose blocks a test writes: each `add` makes one, with the given logs in one transaction each."""

    url = "written://chain"

    def __init__(self) -> None:
        self._blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
        self._made = 0
        self.add()

    def dump(self) -> list[str]:
        """The hashes of the blocks on the chain, from genesis."""
        return [header["hash"] for header, _ in self._blocks]

    @property
    def head(self) -> int:
        return len(self._blocks) - 1

    def add(self, *logs: Log, status: int = 1, timestamp: int | None = None) -> int:
        """Append a block; its number."""
        number = len(self._blocks)
        self._made += 1
        block_hash = _word(b"block", self._made)
        transactions = [_word(b"transaction", self._made, index) for index in range(len(logs))]
        header = {
            "number": hex(number),
            "hash": block_hash,
            "parentHash": self._blocks[-1][0]["hash"] if self._blocks else _word(b"nothing"),
            "timestamp": hex(1_000 + number if timestamp is None else timestamp),
            "transactions": transactions,
        }
        receipts = [
            {
                "blockHash": block_hash,
                "blockNumber": hex(number),
                "transactionHash": transactions[index],
                "transactionIndex": hex(index),
                "gasUsed": "0x5208",
                "status": hex(status),
                "logs": [
                    {
                        "address": f"0x{log.address.hex()}",
                        "topics": [f"0x{topic.hex()}" for topic in log.topics],
                        "data": f"0x{log.data.hex()}",
                        "logIndex": hex(index),
                    }
                ],
            }
            for index, log in enumerate(logs)
        ]
        self._blocks.append((header, receipts))
        return number

    def reorganise(self, above: int) -> None:
        """Leave every block above `above` behind."""
        del self._blocks[above + 1 :]

    def request(self, method: str, *params: Any) -> Any:
        match method:
            case "eth_blockNumber":
                return hex(self.head)
            case "eth_getBlockByNumber" | "eth_getBlockReceipts":
                number = int(params[0], 16)
                if number > self.head:
                    return None
                return self._blocks[number][0 if method == "eth_getBlockByNumber" else 1]
            case _:
                raise AssertionError(f"nobody asks a written chain for {method}")

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        return [self.request(method, *params) for method, params in calls]


def _word(*parts: bytes | int) -> str:
    joined = b"|".join(part if isinstance(part, bytes) else str(part).encode() for part in parts)
    return f"0x{keccak256(joined).hex()}"
