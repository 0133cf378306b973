"""Final blocks are folded in order and whole; a rewound chain leaves nothing behind (journey row 9)."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.collateral import ChainFact
from ledger.store import ChainBook, Cursor, Database
from tests.ledger.chain_tale import named
from tests.ledger.refusals import refused

CHAIN = 7101


@pytest.fixture
def book(tmp_path: Path) -> ChainBook:
    return ChainBook(Database.open(tmp_path / "a.sqlite"))


def _fact(number: int, fork: str = "", **fields: int | str) -> ChainFact:
    return ChainFact(
        CHAIN, number, named(f"block {number}{fork}"), named(f"tx {number}{fork}"), 0, "Gateway", "Sent", fields
    )


def _fold(book: ChainBook, number: int, fork: str = "", parent: str = "") -> None:
    facts = [_fact(number, fork, id=f"0x{named(f'subject {number}{fork}').hex()}", size=2**256 - 1)]
    book.fold_block(
        CHAIN, number, named(f"block {number}{fork}"), named(f"block {number - 1}{parent}"), facts, time=number
    )


def test_blocks_are_folded_in_order_and_the_cursor_follows(book: ChainBook) -> None:
    assert book.cursor(CHAIN) is None
    for number in (5, 6, 7):  # a chain may begin anywhere: its deployment ended there
        _fold(book, number)
    assert book.cursor(CHAIN) == Cursor(CHAIN, 7, named("block 7"), 7)
    assert book.cursors() == (Cursor(CHAIN, 7, named("block 7"), 7),)


def test_facts_come_back_exactly_with_integers_of_any_size(book: ChainBook) -> None:
    _fold(book, 1)
    (fact,) = book.facts(contract="Gateway", event="Sent")
    assert fact.fields["size"] == 2**256 - 1
    assert fact.time == 1
    assert book.facts_about(named("subject 1")) == (fact,)
    assert book.facts_of(CHAIN, fact.transaction) == (fact,)
    assert book.facts(chain_id=1) == book.facts_about(named("other")) == ()


def test_a_block_folded_twice_changes_nothing(book: ChainBook) -> None:
    for number in (1, 2, 1, 2):
        _fold(book, number)
    assert [fact.block for fact in book.facts()] == [1, 2]


def test_refuses_a_gap(book: ChainBook) -> None:
    _fold(book, 1)
    with refused("CURSOR_GAP"):
        _fold(book, 3)
    assert [fact.block for fact in book.facts()] == [1]
    _fold(book, 2)


def test_refuses_a_block_of_another_branch_until_rewound(book: ChainBook) -> None:
    for number in (1, 2, 3):
        _fold(book, number)
    with refused("CURSOR_FORK"):
        _fold(book, 3, fork="'")
    with refused("CURSOR_FORK"):
        _fold(book, 4, parent="'")
    book.rewind(CHAIN, 2)
    _fold(book, 3, fork="'")
    assert [fact.block_hash for fact in book.facts()] == [named("block 1"), named("block 2"), named("block 3'")]


def test_a_rewind_leaves_nothing_of_what_it_forgets(book: ChainBook) -> None:
    for number in (1, 2, 3):
        _fold(book, number)
    book.rewind(CHAIN, 1)
    assert book.cursor(CHAIN) == Cursor(CHAIN, 1, named("block 1"), 1)
    assert [fact.block for fact in book.facts()] == [1]
    assert book.facts_about(named("subject 3")) == ()
    assert book.hash_at(CHAIN, 2) is None


def test_a_rewind_of_one_chain_leaves_the_others(book: ChainBook) -> None:
    book.fold_block(1, 9, named("other"), named("before"))
    _fold(book, 1)
    _fold(book, 2)
    book.rewind(CHAIN, 1)
    assert book.cursor(1) == Cursor(1, 9, named("other"))


def test_refuses_to_rewind_to_what_was_never_folded(book: ChainBook) -> None:
    _fold(book, 5)
    with refused("CURSOR_UNKNOWN"):
        book.rewind(CHAIN, 4)
    assert len(book.facts()) == 1


def test_refuses_facts_of_another_block_and_keeps_none_of_this_one(book: ChainBook) -> None:
    with refused("FACT_BLOCK"):
        book.fold_block(CHAIN, 1, named("block 1"), named("block 0"), [_fact(1), _fact(2)])
    assert (book.cursor(CHAIN), book.facts()) == (None, ())
    _fold(book, 1)
