"""`eth_getLogs`: the filter, and the search through blocks by their blooms. Bounded in blocks and in results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from eth_bloom.bloom import BloomFilter

from contracts.embedded.archive import Archive, Block, Place
from contracts.embedded.parameters import SERVER_ERROR, RpcError, data, invalid
from contracts.embedded.views import Json, log_views

MAX_BLOCKS: Final = 10_000
MAX_RESULTS: Final = 10_000
MAX_ALTERNATIVES: Final = 1000  # addresses, or values for one topic
MAX_TOPICS: Final = 4


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Addresses (empty: any) and, for each topic position, the values allowed (empty: any)."""

    addresses: frozenset[bytes]
    topics: tuple[frozenset[bytes], ...]

    def may_match(self, bloom: int) -> bool:
        """Whether a block with that bloom can hold a match."""
        seen = BloomFilter(bloom)
        wanted = (self.addresses, *self.topics)
        return all(not allowed or any(item in seen for item in allowed) for allowed in wanted)

    def matches(self, log: Any) -> bool:
        """Whether a log (py-evm's) is wanted: by address, and by topic at every position named."""
        if self.addresses and bytes(log.address) not in self.addresses:
            return False
        if len(log.topics) < len(self.topics):
            return False
        return all(
            not allowed or topic.to_bytes(32, "big") in allowed
            for allowed, topic in zip(self.topics, log.topics, strict=False)
        )


def read_filter(value: dict[str, Any]) -> LogFilter:
    """The address and topics of a filter object."""
    topics = value.get("topics")
    topics = [] if topics is None else topics
    if not isinstance(topics, list) or len(topics) > MAX_TOPICS:
        raise invalid(f"topics must be a list of at most {MAX_TOPICS} positions")
    return LogFilter(
        _alternatives(value.get("address"), "address", 20),
        tuple(_alternatives(position, "topic", 32) for position in topics),
    )


def find_logs(archive: Archive, wanted: LogFilter, first: int, last: int) -> list[Json]:
    """The wanted logs of the blocks first..last, in chain order.

    Errors: `RpcError` -32602 where the range exceeds `MAX_BLOCKS`, -32000 where the result exceeds `MAX_RESULTS`.
    """
    last = min(last, archive.head.block_number)
    if last - first >= MAX_BLOCKS:
        raise invalid(f"block range too large: at most {MAX_BLOCKS} blocks")
    found: list[Json] = []
    for number in range(first, last + 1):
        header = archive.header(number)
        if header is None or not header.bloom or not wanted.may_match(header.bloom):
            continue
        block = archive.block(number)
        if block is not None:
            found += block_logs(block, wanted)
        if len(found) > MAX_RESULTS:
            raise RpcError(SERVER_ERROR, f"query returned more than {MAX_RESULTS} results")
    return found


def block_logs(block: Block, wanted: LogFilter) -> list[Json]:
    """The wanted logs of one block."""
    found: list[Json] = []
    for index, receipt in enumerate(block.receipts):
        hits = [wanted.matches(log) for log in receipt.logs]
        if any(hits):
            views = log_views(Place(block, index))
            found += [view for view, hit in zip(views, hits, strict=True) if hit]
    return found


def _alternatives(value: Any, what: str, length: int) -> frozenset[bytes]:
    if value is None:
        return frozenset()
    values = value if isinstance(value, list) else [value]
    if len(values) > MAX_ALTERNATIVES:
        raise invalid(f"{what}: at most {MAX_ALTERNATIVES} alternatives")
    if None in values:
        return frozenset()
    return frozenset(data(item, what, length=length) for item in values)
