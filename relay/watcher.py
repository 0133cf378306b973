"""Reads one chain at finality, block by block without gaps, and reports the logs of the deployment's contracts.

What a node reports is enough here: the relay is never trusted, and everything it carries is proven again by notaries
and contracts. What matters is that no block is passed over and that a reorganisation is noticed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from contracts.binding import DecodedLog
from contracts.chain_rules import Finality
from contracts.manifest import ChainManifest
from contracts.node import Node, data, quantity
from ledger.errors import Unavailable
from ledger.ethereum.tx_receipt import Log

REMEMBERED_BLOCKS = 256  # how far back a reorganisation can be followed
BLOCKS_PER_STEP = 64
FIRST_BLOCKS = 8  # of a chain that nobody knows yet: one look at full blocks must not take long
LOGS_PER_STEP = 512  # in one look, about


@dataclass(frozen=True, slots=True)
class Place:
    """Where a log stands: chain, block, transaction in the block, log in transaction and block; from 0.

    `gas_price`: wei that the transaction paid for each gas, None where the node did not say.
    """

    chain_id: int
    block: int
    block_hash: bytes
    transaction: bytes
    transaction_index: int
    log_index: int
    log_index_in_block: int
    gas_used: int
    gas_price: int | None = None


@dataclass(frozen=True, slots=True)
class SeenLog:
    """A contract's log with its place, decoded and as emitted."""

    place: Place
    decoded: DecodedLog
    raw: Log


@dataclass(frozen=True, slots=True)
class SeenBlock:
    """A final block and the logs of our contracts in it."""

    chain_id: int
    number: int
    hash: bytes
    parent_hash: bytes
    timestamp: int
    logs: tuple[SeenLog, ...]


@dataclass(frozen=True, slots=True)
class Rewound:
    """The chain left blocks behind: everything above `block` is void."""

    chain_id: int
    block: int


def last_final(node: Node, chain: ChainManifest) -> int:
    """The number of the newest final block by the chain's own rule; below 0 while there is none. Errors: as `Node`."""
    if chain.rules.finality is not Finality.FINALIZED:
        return quantity(node.request("eth_blockNumber"), what="block number") - chain.rules.finality_blocks
    header = node.request("eth_getBlockByNumber", "finalized", False)
    if header is None:
        return -1
    if not isinstance(header, dict):
        raise Unavailable("NODE_GARBAGE", "the finalized block is malformed", where=node.url)
    return quantity(header.get("number"), what="block number") - chain.rules.finality_blocks


class Watcher:
    """Follows one chain from `first_block`. Keeps its position in memory: on start it reads again from there."""

    def __init__(self, node: Node, chain: ChainManifest, *, first_block: int = 0) -> None:
        self.node, self.chain = node, chain
        self.next_block = first_block
        self._hashes: dict[int, bytes] = {}
        self._span = FIRST_BLOCKS
        self._contracts = {address: chain.contract(name) for name, address in chain.contracts.items()}

    def poll(self) -> Iterator[SeenBlock | Rewound]:
        """Yield what is new and final, at most `BLOCKS_PER_STEP` blocks, fewer of full ones.

        The position moves when the next is asked for: a reader that fails is given the same block, or the same rewind,
        again. Errors as `Node.request`.
        """
        head = last_final(self.node, self.chain)
        last = min(head, self.next_block + self._span - 1)
        if last < self.next_block:
            # Nothing new. A node that is merely behind shows blocks we know; one that has forked shows others.
            if head in self._hashes and self._is_left(head):
                yield from self._rewind(head)
            return
        numbers = range(self.next_block, last + 1)
        replies = self.node.batch(
            [
                call
                for number in numbers
                for call in (("eth_getBlockByNumber", [hex(number), False]), ("eth_getBlockReceipts", [hex(number)]))
            ]
        )
        logs = 0
        for number, header, receipts in zip(numbers, replies[::2], replies[1::2], strict=True):
            block = self._read(number, header, receipts)
            if block is None:
                return
            if self._hashes.get(number - 1, block.parent_hash) != block.parent_hash:
                yield from self._rewind(number - 1)
                return
            yield block
            self._remember(block)
            logs += len(block.logs)
        self._span = max(1, self._span // 2) if logs > LOGS_PER_STEP else min(2 * self._span, BLOCKS_PER_STEP)

    def _read(self, number: int, header: Any, receipts: Any) -> SeenBlock | None:
        """A block, or None where header and receipts are not (yet) of one block: the chain moved between the two."""
        if header is None or receipts is None:
            return None
        try:
            block_hash = data(header["hash"], length=32)
            of_one = {data(receipt["blockHash"], length=32) for receipt in receipts} <= {block_hash}
            if not of_one or len(receipts) != len(header["transactions"]):
                return None
            if quantity(header["number"]) != number:
                raise KeyError("number")
            parent, timestamp = data(header["parentHash"], length=32), quantity(header["timestamp"])
            logs = tuple(self._logs(block_hash, receipts))
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise Unavailable("NODE_GARBAGE", f"block {number} is malformed: {error!r}", where=self.node.url) from error
        return SeenBlock(self.chain.chain_id, number, block_hash, parent, timestamp, logs)

    def _logs(self, block_hash: bytes, receipts: list[dict[str, Any]]) -> Iterator[SeenLog]:
        for receipt in receipts:
            if quantity(receipt["status"]) != 1:
                continue
            for index, reported in enumerate(receipt["logs"]):
                contract = self._contracts.get(data(reported["address"], length=20))
                if contract is None:
                    continue
                raw = Log(contract.address, tuple(data(topic) for topic in reported["topics"]), data(reported["data"]))
                decoded = contract.decode_log(raw)
                if decoded is not None:
                    yield SeenLog(self._place(block_hash, receipt, index), decoded, raw)

    def _place(self, block_hash: bytes, receipt: dict[str, Any], log_index: int) -> Place:
        return Place(
            chain_id=self.chain.chain_id,
            block=quantity(receipt["blockNumber"]),
            block_hash=block_hash,
            transaction=data(receipt["transactionHash"], length=32),
            transaction_index=quantity(receipt["transactionIndex"]),
            log_index=log_index,
            log_index_in_block=quantity(receipt["logs"][log_index]["logIndex"]),
            gas_used=quantity(receipt["gasUsed"]),
            gas_price=quantity(receipt["effectiveGasPrice"]) if "effectiveGasPrice" in receipt else None,
        )

    def _is_left(self, number: int) -> bool:
        header = self.node.request("eth_getBlockByNumber", hex(number), False)
        return header is not None and data(header["hash"]) != self._hashes[number]

    def _rewind(self, above: int) -> Iterator[Rewound]:
        """Step back from `above` to the newest remembered block that is still on the chain."""
        number = above
        while number in self._hashes and self._is_left(number):
            number -= 1
        yield Rewound(self.chain.chain_id, number)
        self._hashes = {kept: known for kept, known in self._hashes.items() if kept <= number}
        self.next_block = number + 1

    def _remember(self, block: SeenBlock) -> None:
        self._hashes[block.number] = block.hash
        self._hashes.pop(block.number - REMEMBERED_BLOCKS, None)
        self.next_block = block.number + 1
