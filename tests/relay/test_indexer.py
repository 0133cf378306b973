"""Folding final blocks into the chain book: all of them, once, and nothing above a fork."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.manifest import Role
from ledger.collateral.fact import ChainFact
from ledger.store.chain_book import ChainBook
from ledger.store.database import Database
from relay.indexer import Indexer
from relay.watcher import Rewound, Watcher
from tests.ledger.refusals import refused
from tests.relay.written import MESSAGE, attested, chain, committed, judged, message, proposed, sent
from tests.simulator.nodes import WrittenNode


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path / "ledger.sqlite")
    yield opened
    opened.close()


def follow(
    book: ChainBook, node: WrittenNode, role: Role = Role.TRANSACTION, watcher: Watcher | None = None
) -> Watcher:
    """Read everything into the book, as a relay that was just started, or with the watcher given."""
    watcher = watcher or Watcher(node, chain(role))
    indexer = Indexer(book)
    while news := [each for each in watcher.poll() if _take(indexer, each)]:
        assert news
    return watcher


def _take(indexer: Indexer, news: object) -> bool:
    if isinstance(news, Rewound):
        indexer.rewind(news)
    else:
        indexer.take(news)  # type: ignore[arg-type]
    return True


def written(*messages: int) -> WrittenNode:
    node = WrittenNode()
    for sequence in messages:
        node.add(proposed(message(sequence)), attested(message(sequence)))
        node.add()
        node.add(judged(message(sequence), 4))
    return node


def rows(book: ChainBook) -> list[tuple[str, int, int, object]]:
    return [(fact.event, fact.block, fact.log_index, fact.fields.get("id")) for fact in book.facts()]


def test_every_log_becomes_one_fact_in_order(database: Database) -> None:
    book = ChainBook(database)
    follow(book, written(0, 1))
    shown = {number: f"0x{message(number).id.hex()}" for number in (0, 1)}
    assert rows(book) == [
        ("Proposed", 1, 0, shown[0]),
        ("Attested", 1, 1, shown[0]),
        ("CommitJudged", 3, 0, shown[0]),
        ("Proposed", 4, 0, shown[1]),
        ("Attested", 4, 1, shown[1]),
        ("CommitJudged", 6, 0, shown[1]),
    ]
    cursor = book.cursor(7103)
    assert cursor is not None
    assert (cursor.number, cursor.time) == (6, 1006)
    assert [fact.event for fact in book.facts_about(message(1).id)] == ["Proposed", "Attested", "CommitJudged"]


def test_values_are_what_the_tables_keep(database: Database) -> None:
    book = ChainBook(database)
    for role, log in ((Role.ORIGIN, sent(MESSAGE)), (Role.DESTINATION, committed(MESSAGE))):
        node = WrittenNode()
        node.add(log)
        follow(book, node, role)
    left, arrived = book.facts()
    assert isinstance(left, ChainFact)
    assert left.fields["payload"] == "0x7061796c6f6164"
    assert isinstance(left.fields["attributes"], list)
    assert len(left.fields["attributes"]) == 5
    assert (arrived.fields["executed"], arrived.fields["outcome"]) == (True, "0x" + b"done".ljust(32, b"\x00").hex())


@pytest.mark.parametrize("fork", range(6))
def test_rewound_and_folded_again_gives_the_rows_of_a_fresh_book(database: Database, tmp_path: Path, fork: int) -> None:
    book, node = ChainBook(database), written(0, 1)
    watcher = follow(book, node)
    node.reorganise(fork)
    for sequence in (2, 3, 4):
        node.add(proposed(message(sequence)))
        node.add()
    follow(book, node, watcher=watcher)
    fresh_database = Database.open(tmp_path / "fresh.sqlite")
    fresh = ChainBook(fresh_database)
    follow(fresh, node)
    assert book.facts() == fresh.facts()
    assert book.cursor(7103) == fresh.cursor(7103)
    assert [book.facts_about(message(n).id) for n in range(5)] == [fresh.facts_about(message(n).id) for n in range(5)]
    fresh_database.close()


def test_a_restarted_indexer_folds_nothing_twice(database: Database) -> None:
    book, node = ChainBook(database), written(0)
    follow(book, node)
    before = book.facts()
    follow(book, node)
    follow(ChainBook(database), node)
    assert book.facts() == before
    node.add(proposed(message(1)))
    follow(book, node)
    assert len(book.facts()) == len(before) + 1


@pytest.mark.parametrize("fork", [0, 1, 3, 5])
def test_a_reorganisation_while_nobody_watched_is_seen_after_the_start(database: Database, fork: int) -> None:
    book, node = ChainBook(database), written(0, 1)
    follow(book, node)
    node.reorganise(fork)
    node.add(proposed(message(7)))
    node.add()
    follow(book, node)
    events = [event for event, block, _, _ in rows(book) if block > fork]
    assert events == ["Proposed"]
    assert [fact.event for fact in book.facts_about(message(7).id)] == ["Proposed"]
    cursor = book.cursor(7103)
    assert cursor is not None
    assert f"0x{cursor.hash.hex()}" == node.dump()[-1]


def test_a_book_of_another_chain_is_never_overwritten(database: Database) -> None:
    book = ChainBook(database)
    follow(book, written(0))
    before = book.facts()
    # Another network under the same id: not even the first block is known, so there is nothing to go back to.
    other = WrittenNode()
    for _ in range(5):
        other.reorganise(-1)
        other.add()
    with refused("CURSOR_FORK"):
        follow(book, other)
    assert book.facts() == before
