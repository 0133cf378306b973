"""One chain through one node, at one block: calls, logs and blocks, all of the same moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

from contracts.binding import Contract, DecodedLog, log_topic
from contracts.manifest import ChainManifest, Manifest
from contracts.node import Node, data, quantity
from ledger.errors import Unavailable
from ledger.ethereum.tx_receipt import Log

BLOCKS_PER_EXCHANGE = 25
BLOCKS_PER_FILTER = 5_000  # what nodes answer at least in one `eth_getLogs`


class Sight:
    """What a verification sees. Errors everywhere: those of `Node.request`, `Unavailable` NODE_GARBAGE."""

    def __init__(self, manifest: Manifest, chain: ChainManifest, node: Node) -> None:
        self.manifest, self.chain, self.node = manifest, chain, node

    @property
    def where(self) -> str:
        """The chain and the node, for findings."""
        return f"{self.chain.name} ({self.chain.caip2}) by {self.node.url}"

    @cached_property
    def head(self) -> int:
        """The block that is read."""
        return quantity(self.node.request("eth_blockNumber"), what="block number")

    @cached_property
    def timestamp(self) -> int:
        """Its time in seconds."""
        return quantity(self.block(self.head, full=False).get("timestamp"), what="timestamp")

    def block(self, number: int, *, full: bool) -> dict[str, Any]:
        """A block, as the node states it."""
        return self._block(self.node.request("eth_getBlockByNumber", hex(number), full), number)

    def blocks(self, first: int, last: int, on_block: Callable[[int], None]) -> Iterator[dict[str, Any]]:
        """Blocks first..last with their transactions; `on_block` hears of each exchange's last one."""
        for begin in range(first, last + 1, BLOCKS_PER_EXCHANGE):
            numbers = range(begin, min(begin + BLOCKS_PER_EXCHANGE, last + 1))
            replies = self.node.batch([("eth_getBlockByNumber", [hex(number), True]) for number in numbers])
            for number, reply in zip(numbers, replies, strict=True):
                yield self._block(reply, number)
            on_block(numbers[-1])

    def code(self, address: bytes) -> bytes:
        """The runtime code of an account."""
        return data(self.node.request("eth_getCode", f"0x{address.hex()}", hex(self.head)), what="code")

    def slot(self, address: bytes, place: int) -> int:
        """One storage slot."""
        raw = self.node.request("eth_getStorageAt", f"0x{address.hex()}", f"0x{place:064x}", hex(self.head))
        return int.from_bytes(data(raw, what="storage slot", length=32), "big")

    def read(self, contract: Contract, function: str, *arguments: Any) -> Any:
        """Call a view function."""
        return contract.read(self.node, function, *arguments, block=hex(self.head))

    def logs(self, contract: Contract, event: str) -> list[DecodedLog]:
        """Every log of one event since the deployment began, oldest first."""
        found = []
        for begin in range(self.chain.first_block, self.head + 1, BLOCKS_PER_FILTER):
            wanted = {
                "address": f"0x{contract.address.hex()}",
                "topics": [f"0x{log_topic(contract.name, event).hex()}"],
                "fromBlock": hex(begin),
                "toBlock": hex(min(begin + BLOCKS_PER_FILTER - 1, self.head)),
            }
            replies = self.node.request("eth_getLogs", wanted)
            if not isinstance(replies, list):
                raise self.garbage("the logs are no list")
            found += [self._log(contract, event, reply) for reply in replies]
        return found

    def garbage(self, why: str) -> Unavailable:
        """The error for what no honest node answers."""
        return Unavailable("NODE_GARBAGE", why, where=self.node.url, cure="Ask another node.")

    def _log(self, contract: Contract, event: str, reply: Any) -> DecodedLog:
        try:
            raw = Log(data(reply["address"]), tuple(data(topic) for topic in reply["topics"]), data(reply["data"]))
        except (KeyError, TypeError) as error:
            raise self.garbage(f"a log is malformed: {error!r}") from error
        decoded = contract.decode_log(raw)
        if decoded is None or decoded.name != event:
            raise self.garbage(f"a log that was not asked for, instead of {contract.name}.{event}")
        return decoded

    def _block(self, reply: Any, number: int) -> dict[str, Any]:
        if not isinstance(reply, dict) or quantity(reply.get("number"), what="block number") != number:
            raise self.garbage(f"no block {number}")
        return reply
