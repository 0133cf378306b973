"""The hashes of a block's ancestors, for BLOCKHASH: each one hash-linked to the parent, none taken on
trust.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from contracts.node import Node
from contracts.reexecution.verdict import Disagreement
from ledger.errors import Unavailable
from ledger.ethereum.header import Header, header_from_rpc

DEPTH = 256  # BLOCKHASH reaches no further
FETCHED_AT_ONCE = 32
MAX_KNOWN = 4_096


class Ancestors:
    """Remembers which block follows which, and fetches older headers only when the execution asks for
    them.
    """

    def __init__(self, node: Node, form: type[Header] = Header) -> None:
        """`form`: how the chain hashes its headers."""
        self._node, self._form = node, form
        self.headers: dict[bytes, Header] = {}  # the verified ones that are remembered, by their hash

    def learn(self, header: Header) -> None:
        """Remember a verified header's parent."""
        if len(self.headers) > MAX_KNOWN:
            self.headers.clear()
        self.headers[header.hash] = header

    def of(self, parent: Header) -> Iterator[bytes]:
        """The hashes of `parent` and of those before it, at most 256. Lazy: errors come where a hash is
        asked for.
        """
        self.learn(parent)
        block_hash, number = parent.hash, parent.number
        for _ in range(min(DEPTH, parent.number + 1)):
            yield block_hash
            if number == 0:
                return
            if block_hash not in self.headers:
                self._fetch(block_hash, number)
            block_hash, number = self.headers[block_hash].parent_hash, number - 1

    def _fetch(self, block_hash: bytes, number: int) -> None:
        numbers = range(number, max(-1, number - FETCHED_AT_ONCE), -1)
        replies: list[Any] = self._node.batch([("eth_getBlockByNumber", [hex(each), False]) for each in numbers])
        for each, reply in zip(numbers, replies, strict=True):
            if not isinstance(reply, dict):
                raise Unavailable("BLOCK_MISSING", f"the node has no block {each}", where=self._node.url)
            header = header_from_rpc(reply, self._form)
            if header.hash != block_hash:
                raise Disagreement("an ancestor is not the one its child names", where=f"block {each}")
            self.headers[block_hash] = header
            block_hash = header.parent_hash
