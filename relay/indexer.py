"""Folds final logs into the ledger's chain book, and rewinds it when a chain rewinds.

The book can be thrown away and folded again from the chains alone. Blocks it holds already change nothing, so that a
restarted relay, which reads from the beginning, and its indexer need not agree on a position; another block under a
known number rewinds the book, so that a reorganisation while the relay was down is seen too.
"""

from __future__ import annotations

from typing import Any

from ledger.collateral.fact import ChainFact, FactValue
from ledger.store.chain_book import ChainBook
from relay.watcher import Rewound, SeenBlock, SeenLog


class Indexer:
    """A `BlockSink` that writes to one chain book."""

    def __init__(self, book: ChainBook) -> None:
        self._book = book

    def take(self, block: SeenBlock) -> None:
        """Fold one block with its facts. Errors as `ChainBook.fold_block`."""
        held = self._book.hash_at(block.chain_id, block.number)
        if held is not None and held != block.hash and self._book.hash_at(block.chain_id, block.number - 1):
            # The chain left this block while nobody watched: what was folded from here on is void.
            self._book.rewind(block.chain_id, block.number - 1)
        facts = [_fact(seen, block.timestamp) for seen in block.logs]
        self._book.fold_block(block.chain_id, block.number, block.hash, block.parent_hash, facts, time=block.timestamp)

    def rewind(self, rewound: Rewound) -> None:
        """Forget what the chain left behind. Errors as `ChainBook.rewind`."""
        self._book.rewind(rewound.chain_id, rewound.block)


def _fact(seen: SeenLog, time: int) -> ChainFact:
    return ChainFact(
        chain_id=seen.place.chain_id,
        block=seen.place.block,
        block_hash=seen.place.block_hash,
        transaction=seen.place.transaction,
        log_index=seen.place.log_index_in_block,
        contract=seen.decoded.contract,
        event=seen.decoded.name,
        fields={name: _value(value) for name, value in seen.decoded.fields.items()},
        time=time,
    )


def _value(value: Any) -> FactValue:
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, (bool, int, str)):
        return value
    return [_value(item) for item in value]
