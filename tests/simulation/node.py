"""One process's node of a model chain, with its faults; it speaks as much JSON-RPC as a relay's watcher asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ledger.errors import Unavailable
from tests.simulation.chain import Block, ModelChain
from tests.simulation.headers import Seals


class View:
    """Implements `contracts.node.Node`. All faults are off until somebody sets them.

    `lag`: newest blocks it does not show; `omits`: it leaves out logs; `shown`: another chain that it shows instead.
    """

    def __init__(self, chain: ModelChain) -> None:
        self.chain = chain
        self.heal()

    def heal(self) -> None:
        """An honest node again."""
        self.is_down, self.omits, self.lag = False, False, 0
        self.shown: ModelChain | None = None

    @property
    def url(self) -> str:
        return f"model://{self.chain.manifest.name}"

    def head(self) -> Block:
        """The newest block it shows. Errors: `Unavailable` NODE_UNREACHABLE."""
        if self.is_down:
            raise Unavailable("NODE_UNREACHABLE", "the node did not answer", where=self.url)
        blocks = (self.shown or self.chain).blocks
        return blocks[max(0, len(blocks) - 1 - self.lag)]

    def block(self, number: int) -> Block:
        """A block it shows. Errors: `Unavailable` NODE_UNREACHABLE, NODE_BEHIND."""
        if not 0 <= number <= self.head().number:
            raise Unavailable("NODE_BEHIND", "the node does not have the block", where=f"block {number}")
        block = (self.shown or self.chain).blocks[number]
        return replace(block, logs=block.logs[1:]) if self.omits and block.logs else block

    def seals(self, block: Block) -> Seals:
        """Who sealed a block that it shows."""
        return (self.shown or self.chain).seals(block.number)

    def request(self, method: str, *params: Any) -> Any:
        return self.batch([(method, params)])[0]

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        head = self.head().number
        return [self._answer(method, params, head) for method, params in calls]

    def _answer(self, method: str, params: Sequence[Any], head: int) -> Any:
        if method == "eth_blockNumber":
            return hex(head)
        number = int(params[0], 16)
        if number > head:
            return None
        return (self.shown or self.chain).blocks[number].rpc[0 if method == "eth_getBlockByNumber" else 1]
