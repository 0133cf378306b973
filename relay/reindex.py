"""The chain book, thrown away and folded again from the chains alone, and compared with what it was.

The new book grows in a file of its own beside the ledger's database and takes the old one's place in one transaction,
so that a process that dies at any moment leaves the old book or the new one. May never happen here: a book half
replaced, or one that ends at another block than the old one and is called different for that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from contracts.manifest import Manifest
from contracts.node import Node, quantity
from ledger.errors import Unavailable
from ledger.store.chain_book import BookDigest, ChainBook
from ledger.store.database import Database, remove
from relay.indexer import Indexer
from relay.watcher import Rewound, Watcher

FRESH_FILE = "chain-book.reindexing.sqlite"
ROUNDS = 8  # while a running relay goes on folding into the book that is to be replaced

# Chain by CAIP-2, last block folded, block to reach.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Reindexed:
    """The book as it was and as it is, at the same last blocks."""

    before: BookDigest
    after: BookDigest

    @property
    def is_equal(self) -> bool:
        """Whether the chains tell what the book told. A book that held nothing could not tell anything else."""
        return self.before.blocks == 0 or self.before == self.after


def reindex(
    database: Database, folder: Path, manifest: Manifest, nodes: Mapping[int, Node], show: Progress
) -> Reindexed:
    """Fold every chain again, up to where the book had it (its head, where it had none), and replace the book.

    `nodes` by chain id. Errors: `Unavailable` NODE_BEHIND (a node does not show the blocks that the book holds),
    REINDEX_BUSY, and those of `Watcher.poll`; nothing is changed then.
    """
    path = folder / FRESH_FILE
    remove(path)  # of a process that died
    fresh_database = Database.open(path)
    try:
        old, fresh = ChainBook(database), ChainBook(fresh_database)
        folded = {
            chain.chain_id: _Folding(fresh, Watcher(nodes[chain.chain_id], chain, first_block=chain.first_block))
            for chain in manifest.chains
        }
        for _ in range(ROUNDS):
            cursors = old.cursors()
            held = {cursor.chain_id: cursor.number for cursor in cursors}
            for chain_id, folding in folded.items():
                folding.fold(held.get(chain_id, folding.target), show)
            replaced = old.replace(fresh, cursors)
            if replaced is not None:
                return Reindexed(*replaced)
        raise Unavailable("REINDEX_BUSY", "the book grows faster than it is read", cure="Stop the relay meanwhile.")
    finally:
        fresh_database.close()
        remove(path)


class _Folding:
    """One chain on its way into the fresh book."""

    def __init__(self, book: ChainBook, watcher: Watcher) -> None:
        self._indexer, self._watcher = Indexer(book), watcher
        self._folded = watcher.next_block - 1
        rules = watcher.chain.rules
        self.target = quantity(watcher.node.request("eth_blockNumber"), what="block number") - rules.finality_blocks

    def fold(self, target: int, show: Progress) -> None:
        """Fold blocks up to `target`, and none above."""
        while self._folded < target:
            reached = self._folded
            for news in self._watcher.poll():
                if isinstance(news, Rewound):
                    self._indexer.rewind(news)
                    self._folded = news.block
                elif news.number > target:
                    break  # the watcher offers it again
                else:
                    self._indexer.take(news)
                    self._folded = news.number
            show(self._watcher.chain.caip2, self._folded, target)
            if self._folded == reached:
                raise Unavailable(
                    "NODE_BEHIND",
                    f"the node shows no final block {target}, which the book holds",
                    where=self._watcher.chain.caip2,
                    cure="Use a node that has the whole chain.",
                )
