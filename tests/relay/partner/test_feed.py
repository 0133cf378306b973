"""Events of the partner API are final logs, numbered: each is told once, and what a chain leaves behind is followed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from relay.partner import described
from relay.partner.book import Book
from relay.partner.feed import Feed
from tests.ledger.refusals import refused
from tests.relay.test_journeys import HERE, RECORD, THERE, WHOLE, Chains
from tests.relay.written import MESSAGE, committed, message, proposed, sent

DEPLOYMENT = b"\x01" * 32
ID = f"0x{MESSAGE.id.hex()}"


class Followed(Chains):
    """Three written chains, folded into a feed that can be opened again."""

    feed: Feed

    def __init__(self, folder: Path, **options: Any) -> None:
        super().__init__()
        self._folder, self._options = folder, options
        self.book = Book(folder, deployment=DEPLOYMENT)
        self.feed = Feed(self.book, **options)
        self.docket = self.feed  # type: ignore[assignment]

    def again(self) -> Followed:
        """A new process over the same book and chains: it reads them from the beginning."""
        self.book.close()
        found = Followed(self._folder, **self._options)
        found.nodes = self.nodes
        for role, watcher in found.watchers.items():
            watcher.node = self.nodes[role]
        return found

    def told(self, after: int = 0) -> list[tuple[int, str, str]]:
        return [(each.sequence, each.kind, each.message) for each in self.feed.after(after, 1_000)]


@pytest.fixture
def followed(tmp_path: Path) -> Iterator[Followed]:
    made = Followed(tmp_path / "book")
    yield made
    made.book.close()


def test_each_final_log_is_one_numbered_event(followed: Followed) -> None:
    for role, log in WHOLE:
        followed.add(role, log)
        followed.read(role)
    kinds = ["message.sent", "message.proposed", "message.attested", "message.committed", "message.judged"]
    assert followed.told() == [(number, kind, ID) for number, kind in enumerate(kinds, 1)]
    for each in followed.feed.after(0, 10):
        Draft202012Validator(described.EVENT).validate(json.loads(each.body))
    last = json.loads(followed.feed.after(4, 10)[0].body)
    assert (last["id"], last["state"], last["credential"], last["chain"]) == (
        "5",
        "closed",
        "0x" + "04" * 32,
        "eip155:7103",
    )


def test_a_restart_tells_nothing_twice_and_goes_on_counting(followed: Followed) -> None:
    followed.add(HERE, sent(MESSAGE))
    followed.read()
    before = followed.told()
    again = followed.again()
    again.read()
    assert again.told() == before
    again.add(RECORD, proposed(MESSAGE))
    again.read()
    assert again.told(1) == [(2, "message.proposed", ID)]
    again.book.close()


@pytest.mark.parametrize("while_down", [False, True])
def test_E03_what_a_chain_leaves_behind_is_followed_by_a_word_about_it(followed: Followed, while_down: bool) -> None:
    followed.add(HERE, sent(MESSAGE))
    followed.add(THERE, committed(MESSAGE))
    followed.read()
    found = followed.again() if while_down else followed
    found.nodes[THERE].reorganise(0)
    found.add(THERE)
    found.add(THERE, committed(MESSAGE))
    found.read()
    kinds = [kind for _, kind, _ in found.told()]
    assert kinds == ["message.sent", "message.committed", "chain.rewound", "message.committed"]
    word = json.loads(found.feed.after(2, 1)[0].body)
    assert word == {"id": "3", "type": "chain.rewound", "chain": "eip155:7102", "block": 0}
    before = found.told()
    again = found.again()
    again.read()
    assert again.told() == before
    again.book.close()


def test_a_reorganisation_that_touches_no_message_is_no_event(followed: Followed) -> None:
    followed.add(THERE)
    followed.read()
    followed.nodes[THERE].reorganise(0)
    followed.add(THERE)
    followed.add(THERE)
    followed.read()
    assert followed.told() == []


def test_old_events_are_forgotten_and_not_told_again(tmp_path: Path) -> None:
    followed = Followed(tmp_path / "book", kept=3)
    for sequence in range(10):
        followed.add(HERE, sent(message(sequence)))
        followed.read()
    kept = followed.told(after=followed.feed.newest - 2)
    assert [number for number, _, _ in kept] == [9, 10]
    with refused("EVENTS_GONE"):
        followed.feed.after(0, 1)
    again = followed.again()
    again.read()
    assert again.feed.newest == 10
    assert again.told(after=8) == kept
    again.book.close()


def test_a_book_of_another_deployment_or_in_use_is_refused(followed: Followed, tmp_path: Path) -> None:
    with refused("PARTNER_BOOK_IN_USE"):
        Book(tmp_path / "book", deployment=DEPLOYMENT)
    followed.book.close()
    with refused("PARTNER_BOOK_OTHER"):
        Book(tmp_path / "book", deployment=b"\x02" * 32)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "partners.sqlite").write_bytes(b"not a database" * 100)
    with refused("PARTNER_BOOK_FAILED"):
        Book(tmp_path / "broken", deployment=DEPLOYMENT)
    Book(tmp_path / "book", deployment=DEPLOYMENT).close()


def test_nothing_is_kept_of_a_transaction_that_was_cut_off(followed: Followed) -> None:
    with pytest.raises(ZeroDivisionError), followed.book.transaction() as db:
        db.execute("INSERT INTO floor VALUES (1, 2)")
        with followed.book.transaction():
            raise ZeroDivisionError
    assert followed.book.rows("SELECT * FROM floor") == []
