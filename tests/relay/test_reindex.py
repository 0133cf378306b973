"""The chain book folded again from the chains alone: the same rows, or an exit that says so; never half a book."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from contracts.manifest import Role
from contracts.node import Node
from ledger.cli import build
from ledger.errors import Problem
from ledger.store.chain_book import ChainBook
from ledger.store.database import Database
from ledger.store.ledger import DATABASE_FILE
from relay.indexer import Indexer
from relay.reindex import FRESH_FILE, Reindexed, reindex
from relay.watcher import SeenBlock, Watcher
from tests.contracts.world import CHAIN_IDS, World
from tests.ledger.refusals import refused
from tests.relay.test_config_and_verbs import write
from tests.relay.test_indexer import follow
from tests.relay.written import IDS, MANIFEST, MESSAGE, attested, committed, judged, message, proposed, sent
from tests.simulator.inline import Killed
from tests.simulator.nodes import FaultyNode, WrittenNode


class Books:
    """Three written chains, and a ledger's database that followed them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes = {role: WrittenNode() for role in Role}
        self.nodes[Role.ORIGIN].add(sent(MESSAGE), sent(message(1)))
        self.nodes[Role.DESTINATION].add(committed(MESSAGE))
        self.nodes[Role.TRANSACTION].add(proposed(MESSAGE), attested(MESSAGE))
        self.nodes[Role.TRANSACTION].add()
        self.nodes[Role.TRANSACTION].add(judged(MESSAGE, 4))
        self.database = Database.open(folder / DATABASE_FILE)
        self.book = ChainBook(self.database)
        self.follow()
        self.shown: list[tuple[str, int, int]] = []

    def follow(self) -> None:
        for role, node in self.nodes.items():
            follow(self.book, node, role)

    def reindex(self, **other: Node) -> Reindexed:
        nodes: dict[int, Any] = {IDS[role]: node for role, node in self.nodes.items()}
        nodes |= {IDS[Role[name.upper()]]: node for name, node in other.items()}
        return reindex(self.database, self.folder, MANIFEST, nodes, lambda *said: self.shown.append(said))

    def rows(self) -> tuple[Any, ...]:
        return self.book.facts(), self.book.cursors(), self.book.facts_about(MESSAGE.id)


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    made = Books(tmp_path)
    yield made
    made.database.close()


def test_the_chains_alone_give_the_same_ordered_rows(books: Books) -> None:
    rows = books.rows()
    found = books.reindex()
    assert found.is_equal
    assert (found.before, found.after.blocks, found.after.facts) == (found.after, 8, 6)
    assert books.rows() == rows
    assert books.book.digest() == found.after
    assert {(chain, block == target) for chain, block, target in books.shown} == {
        ("eip155:7101", True),
        ("eip155:7102", True),
        ("eip155:7103", True),
    }
    assert [path.name for path in books.folder.iterdir() if path.name.startswith(FRESH_FILE)] == []


def test_blocks_that_came_since_are_left_to_the_relay_and_make_no_difference(books: Books) -> None:
    rows = books.rows()
    books.nodes[Role.TRANSACTION].add(proposed(message(1)))
    assert books.reindex().is_equal
    assert books.rows() == rows
    books.follow()
    assert len(books.book.facts()) == len(rows[0]) + 1


TAMPERED = {
    "a fact that was moved": "UPDATE {facts} SET log_index = 9 WHERE id = 1",
    "a fact that was changed": "UPDATE {facts} SET event = 'Nothing' WHERE id = 2",
    "a time that was changed": "UPDATE {facts} SET time = 7 WHERE id = 2",
    "a block that was changed": "UPDATE {blocks} SET parent_hash = x'00' WHERE number = 1",
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_book_that_told_something_else_is_put_right_and_called_different(books: Books, what: str) -> None:
    rows = books.rows()
    with books.database.writing() as session:
        connection = session.connection()
        tables = {"facts": _table("ChainFactRow"), "blocks": _table("BlockRow")}
        connection.exec_driver_sql(TAMPERED[what].format(**tables))
    found = books.reindex()
    assert not found.is_equal
    assert found.before.digest != found.after.digest
    assert books.rows() == rows
    assert books.reindex().is_equal


def _table(model: str) -> str:
    from ledger.store import tables

    return str(getattr(tables, model).__tablename__)


def test_E03_a_reorganisation_that_the_book_never_saw_is_put_right(books: Books) -> None:
    node = books.nodes[Role.TRANSACTION]
    node.reorganise(1)
    node.add(proposed(message(1)))
    node.add()
    assert not books.reindex().is_equal
    fresh = Database.open(books.folder / "fresh.sqlite")
    for role, each in books.nodes.items():
        follow(ChainBook(fresh), each, role)
    assert books.book.digest() == ChainBook(fresh).digest()
    fresh.close()


def test_a_node_that_lacks_what_the_book_holds_changes_nothing(books: Books) -> None:
    rows = books.rows()
    behind = FaultyNode(books.nodes[Role.TRANSACTION])
    behind.behind = 1
    with refused("NODE_BEHIND"):
        books.reindex(transaction=behind)
    behind.down = True
    with refused("NODE_UNREACHABLE"):
        books.reindex(transaction=behind)
    assert books.rows() == rows
    behind.down, behind.behind = False, 0
    assert books.reindex(transaction=behind).is_equal


def test_a_relay_that_folds_meanwhile_loses_nothing(books: Books) -> None:
    node = books.nodes[Role.TRANSACTION]
    came: list[int] = []

    def folds(_parameters: list[Any], reply: Any) -> Any:
        if not came:  # the relay is one block ahead by the time the fresh book is done
            came.append(node.add(proposed(message(1))))
            follow(books.book, node, Role.TRANSACTION)
        return reply

    busy = FaultyNode(node)
    busy.lies["eth_getBlockReceipts"] = folds
    assert books.reindex(transaction=busy).is_equal
    cursor = books.book.cursor(7103)
    assert cursor is not None
    assert (came, cursor.number) == ([4], 4)
    assert [fact.event for fact in books.book.facts_about(message(1).id)] == ["MessageSent", "Proposed"]


def test_a_book_that_never_stands_still_is_left_alone(books: Books) -> None:
    node = books.nodes[Role.TRANSACTION]

    def folds(_parameters: list[Any], reply: Any) -> Any:
        node.add()
        follow(books.book, node, Role.TRANSACTION)
        return reply

    busy = FaultyNode(node)
    busy.lies["eth_getBlockReceipts"] = folds
    facts = books.book.facts()
    with refused("REINDEX_BUSY"):
        books.reindex(transaction=busy)
    assert books.book.facts() == facts


@pytest.mark.parametrize("after", range(1, 8))
def test_killed_in_between_the_book_is_the_old_one_and_the_next_run_goes_through(
    books: Books, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    rows, taken = books.rows(), 0
    take = Indexer.take

    def dies(self: Indexer, block: Any) -> None:
        nonlocal taken
        taken += 1
        if taken > after:
            raise Killed
        take(self, block)

    with monkeypatch.context() as patched:
        patched.setattr(Indexer, "take", dies)
        with pytest.raises(Killed):
            books.reindex()
    (books.folder / FRESH_FILE).write_bytes(b"what a dead process left")
    assert books.rows() == rows
    assert books.reindex().is_equal
    assert books.rows() == rows


def test_killed_while_it_is_replaced_the_book_is_whole(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    from ledger.store import chain_book

    rows, added = books.rows(), 0
    add = chain_book._add_fact

    def dies(*arguments: Any) -> None:
        nonlocal added
        added += 1
        if added > 8:  # the fresh book has six facts: this is the third of those that replace the old ones
            raise Killed
        add(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(chain_book, "_add_fact", dies)
        with pytest.raises(Killed):
            books.reindex()
    assert added == 9
    assert books.rows() == rows
    assert books.reindex().is_equal


def test_an_empty_book_is_filled_up_to_the_heads(books: Books, tmp_path: Path) -> None:
    digest = books.book.digest()
    (tmp_path / "other").mkdir()
    other = Database.open(tmp_path / "other" / DATABASE_FILE)
    nodes: dict[int, Any] = {IDS[role]: node for role, node in books.nodes.items()}
    found = reindex(other, tmp_path / "other", MANIFEST, nodes, lambda *_: None)
    assert (found.is_equal, found.before.blocks, found.after) == (True, 0, digest)
    other.close()


def test_the_command_prints_both_digests_and_exits_by_whether_they_are_equal(world: World, tmp_path: Path) -> None:
    urls = {f"eip155:{CHAIN_IDS[role]}": world.nodes[role].url for role in Role}
    config = write(tmp_path, nodes=urls, database="data")
    (tmp_path / "manifest.json").write_bytes(world.manifest.dump())
    (tmp_path / "data").mkdir()
    database = Database.open(tmp_path / "data" / DATABASE_FILE)
    indexer = Indexer(ChainBook(database))
    for role in Role:
        chain = world.manifest.chain(role)
        watcher = Watcher(world.nodes[role], chain, first_block=chain.first_block)
        head = int(world.nodes[role].request("eth_blockNumber"), 16)
        while watcher.next_block <= head:
            for news in watcher.poll():
                assert isinstance(news, SeenBlock)
                indexer.take(news)
    run = CliRunner()
    shown = run.invoke(build(), ["reindex", "--config", str(config)])
    assert shown.exit_code == 0, shown.exception
    told = json.loads(shown.stdout)
    assert (told["equal"], told["before"]) == (True, told["after"])
    assert told["after"]["facts"] > 10
    with database.writing() as session:
        session.connection().exec_driver_sql(f"UPDATE {_table('ChainFactRow')} SET event = 'Nothing' WHERE id = 1")
    database.close()
    shown = run.invoke(build(), ["reindex", "--config", str(config)])
    assert (shown.exit_code, json.loads(shown.stdout)["equal"]) == (1, False)
    assert run.invoke(build(), ["reindex", "--config", str(config)]).exit_code == 0
    found = run.invoke(build(), ["reindex", "--config", str(write(tmp_path, nodes=urls))]).exception
    assert isinstance(found, Problem)
    assert (found.code, found.exit_status) == ("NO_DATABASE", 2)
