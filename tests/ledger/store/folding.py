"""Run by `test_concurrency`: every worker folds the same blocks, and then one of two rival ones."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ledger.collateral import ChainFact
from ledger.store import ChainBook, Database
from tests.crowd import work
from tests.ledger.chain_tale import named

CHAIN, BLOCKS = 7101, 5
FILE = "ledger.sqlite"


def fold(book: ChainBook, number: int, fork: str = "") -> None:
    """Fold a block with its one fact, of the chain or of a fork of it."""
    block, parent = named(f"block {number}{fork}"), named(f"block {number - 1}")
    fields = {"id": f"0x{named(f'subject {number}{fork}').hex()}"}
    fact = ChainFact(CHAIN, number, block, named(f"tx {number}{fork}"), 0, "Gateway", "MessageCommitted", fields)
    book.fold_block(CHAIN, number, block, parent, [fact], time=number)


def acts(book: ChainBook, worker: int) -> list[Callable[[], object]]:
    same = [partial(fold, book, number) for number in range(1, BLOCKS + 1)]
    return [*same, partial(fold, book, BLOCKS + 1, f" of fork {worker % 2}")]


if __name__ == "__main__":
    database = Database.open(Path(sys.argv[1]) / FILE)
    work(partial(acts, ChainBook(database)))
    database.close()
