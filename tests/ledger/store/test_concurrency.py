"""G09: two processes of eight workers fold the same messages' blocks at once: one effect, and nobody waits for ever.

On SQLite, the only database that is served; another kind is refused (STORE_URL), so there is none to race on.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.store import ChainBook, Database
from tests.crowd import DONE, crowd
from tests.ledger.chain_tale import named
from tests.ledger.refusals import refused
from tests.ledger.store.folding import BLOCKS, CHAIN, FILE, fold


def test_G09_sixteen_workers_fold_one_message_once_and_one_of_two_rivals(tmp_path: Path) -> None:
    Database.open(tmp_path / FILE).close()
    outcomes = [worker for process in crowd("tests.ledger.store.folding", tmp_path) for worker in process]
    assert len(outcomes) == 16
    # The same block again is no error for anybody; of the rivals one stands, and whoever brought the other is told.
    assert all(worker[:-1] == [DONE] * BLOCKS for worker in outcomes)
    last = [worker[-1] for worker in outcomes]
    assert (sorted(set(last)), last.count(DONE), last.count("CURSOR_FORK")) == (["CURSOR_FORK", DONE], 8, 8)
    database = Database.open(tmp_path / FILE)
    book = ChainBook(database)
    assert [fact.block for fact in book.facts()] == list(range(1, BLOCKS + 2))
    for number in range(1, BLOCKS + 1):
        assert len(book.facts_about(named(f"subject {number}"))) == 1
    rivals = [len(book.facts_about(named(f"subject {BLOCKS + 1} of fork {fork}"))) for fork in range(2)]
    assert sorted(rivals) == [0, 1]
    cursor = book.cursor(CHAIN)
    assert cursor is not None
    # The honest twin, afterwards: the standing one again, and its rival as before.
    standing = rivals.index(1)
    fold(book, BLOCKS + 1, f" of fork {standing}")
    with refused("CURSOR_FORK"):
        fold(book, BLOCKS + 1, f" of fork {1 - standing}")
    assert book.cursor(CHAIN) == cursor
    database.close()


@pytest.mark.parametrize("url", ["postgresql://localhost/ledger", "postgresql+psycopg://localhost/ledger"])
def test_G09_a_database_that_nothing_was_proven_on_is_refused(url: str) -> None:
    with refused("STORE_URL"):
        Database.open(url)
