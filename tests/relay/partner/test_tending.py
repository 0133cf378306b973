"""What was handed in is looked after in turn: nothing that is stuck, lost or answered with nonsense stops others."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from eth_abi.abi import encode

from contracts.binding import log_topic
from contracts.manifest import Role
from contracts.node import NodeError
from ledger.errors import Refused, Unavailable
from ledger.ethereum.keccak import keccak256
from ledger.secp256k1 import SigningKey
from relay.partner.book import FILE, Book
from relay.partner.submissions import LOST_SECONDS, TENDED_AT_ONCE, Submission, Submissions
from relay.relay import Relay
from tests.contracts.world import CHAIN_IDS, World
from tests.relay.partner.test_messages import signed_call

HERE, THERE = CHAIN_IDS[Role.ORIGIN], CHAIN_IDS[Role.DESTINATION]


class Pool:
    """A node that takes every transaction and mines those it is told to; or is away, refuses, or tells nonsense."""

    url = "http://pool.example"

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.receipts: dict[str, Any] = {}
        self.away = self.refuses = False
        self.head = 9
        self.asked: list[str] = []

    def request(self, method: str, *params: Any) -> Any:
        self.asked.append(method)
        if self.away:
            raise Unavailable("NODE_UNREACHABLE", "away", where=self.url)
        if method == "eth_getTransactionReceipt":
            return self.receipts.get(params[0])
        if method == "eth_blockNumber":
            return hex(self.head)
        if method == "eth_getTransactionByHash":
            return {} if params[0] in self.known else None
        assert method == "eth_sendRawTransaction"
        if self.refuses:
            raise NodeError("nonce too low", rpc_code=-32000)
        self.known.add(f"0x{keccak256(bytes.fromhex(params[0][2:])).hex()}")
        return None

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        return [self.request(method, *params) for method, params in calls]

    def mine(self, transaction: bytes, logs: Sequence[Any] = (), *, block: int = 9, status: str = "0x1") -> None:
        receipt = {"status": status, "logs": list(logs), "blockNumber": hex(block)}
        self.receipts[f"0x{keccak256(transaction).hex()}"] = receipt

    def reorganise(self, transaction: bytes, *, keeps: bool) -> None:
        """Take it out of its block; `keeps`: back into the pool, and not out of the world."""
        name = f"0x{keccak256(transaction).hex()}"
        del self.receipts[name]
        if not keeps:
            self.known.remove(name)


def sent_log(world: World) -> dict[str, Any]:
    """A log that says a message was sent, as a node reports it."""
    data = encode(["bytes", "bytes", "bytes", "uint256", "bytes[]"], [b"", b"", b"", 0, []])
    topics = [f"0x{log_topic('Gateway', 'MessageSent').hex()}", f"0x{bytes(32).hex()}"]
    return {
        "address": f"0x{world.contract(Role.ORIGIN, 'Gateway').address.hex()}",
        "topics": topics,
        "data": f"0x{data.hex()}",
    }


class Handed:
    """Submissions of a deployment of which two chains are such nodes."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.here, self.there = world, Pool(), Pool()
        self.book = Book(folder, deployment=bytes(32))
        relay = SimpleNamespace(manifest=world.manifest, nodes={HERE: self.here, THERE: self.there})
        self.submissions = Submissions(self.book, cast(Relay, relay))

    def hand_in(self, number: int, role: Role = Role.ORIGIN, *, partner: str = "harbour") -> bytes:
        key = SigningKey.from_secret((number + 1).to_bytes(32, "big"))
        transaction = signed_call(self.world, role=role, by=key)
        self.submissions.submit_signed(CHAIN_IDS[role], transaction, partner=partner)
        return transaction

    def found(self, transaction: bytes) -> Submission:
        found = self.submissions.find(keccak256(transaction))
        assert found is not None
        return found

    def state(self, transaction: bytes) -> str:
        return self.found(transaction).state

    def age(self, seconds: int) -> None:
        with self.book.transaction() as db:
            db.execute("UPDATE submission SET at = at - ?", (seconds,))


@pytest.fixture
def handed(world: World, tmp_path: Path) -> Iterator[Handed]:
    made = Handed(world, tmp_path / "book")
    yield made
    made.book.close()


def test_what_is_never_mined_keeps_no_other_from_its_turn(handed: Handed) -> None:
    """Transactions above a gap of nonces: the node knows them, and no block ever takes them."""
    for number in range(TENDED_AT_ONCE):
        handed.hand_in(number)
    handed.age(60)
    honest = handed.hand_in(TENDED_AT_ONCE)
    handed.here.mine(honest)
    handed.submissions.tend()
    handed.submissions.tend()
    assert handed.state(honest) == "mined"
    first = handed.hand_in(TENDED_AT_ONCE + 1)
    handed.here.mine(first)
    for _ in range(2):
        handed.submissions.tend()
    assert handed.state(first) == "mined"


def test_k_a_node_that_tells_nonsense_or_is_away_stops_no_other_chains_turn(handed: Handed) -> None:
    stuck, other = handed.hand_in(0), handed.hand_in(1, Role.DESTINATION)
    handed.hand_in(2)
    handed.here.mine(stuck, [sent_log(handed.world) | {"data": "0x"}])
    handed.there.mine(other)
    handed.submissions.tend()
    assert (handed.state(stuck), handed.state(other)) == ("waiting", "mined")
    handed.here.away, handed.here.asked = True, []
    handed.submissions.tend()
    assert len(handed.here.asked) == 1, "one wait for a node that hangs is enough"


def test_a_lost_transaction_that_is_handed_in_again_has_a_day_again(handed: Handed) -> None:
    transaction = handed.hand_in(0)
    handed.here.known.clear()
    handed.here.refuses = True
    handed.age(LOST_SECONDS + 1)
    handed.submissions.tend()
    assert handed.state(transaction) == "lost"
    handed.here.refuses = False
    assert handed.submissions.submit_signed(HERE, transaction, partner="harbour").state == "waiting"
    handed.here.known.clear()
    handed.here.refuses = True
    handed.submissions.tend()
    assert handed.state(transaction) == "waiting"


@pytest.mark.parametrize("keeps", [True, False], ids=["into the pool", "out of the world"])
@pytest.mark.parametrize("status", ["0x1", "0x0"])
def test_E06_what_a_reorganisation_takes_out_of_its_block_waits_again_and_is_sent_again(
    handed: Handed, status: str, keeps: bool
) -> None:
    transaction = handed.hand_in(0)
    handed.here.mine(transaction, block=handed.here.head + 1, status=status)
    handed.submissions.tend()
    mined = handed.found(transaction)
    assert (mined.state, mined.is_final) == ("mined" if status == "0x1" else "failed", False)
    handed.here.reorganise(transaction, keeps=keeps)
    handed.submissions.tend()
    assert handed.state(transaction) == "waiting"
    assert handed.here.known, "the node has it, again or still"
    handed.here.mine(transaction, block=handed.here.head)
    handed.submissions.tend()
    again = handed.found(transaction)
    assert (again.state, again.is_final) == ("mined", True)
    handed.here.asked = []
    handed.submissions.tend()
    assert handed.here.asked == [], "what is final is looked after no more"


def test_E06_a_transaction_that_was_only_named_waits_for_its_sender_after_a_reorganisation(handed: Handed) -> None:
    transaction = signed_call(handed.world)
    handed.here.known.add(f"0x{keccak256(transaction).hex()}")
    handed.here.mine(transaction, [sent_log(handed.world)], block=handed.here.head + 1)
    found = handed.submissions.submit_log(HERE, keccak256(transaction), partner="harbour")
    assert (found.state, found.is_final) == ("mined", False)
    handed.here.reorganise(transaction, keeps=False)
    handed.submissions.tend()
    assert handed.state(transaction) == "waiting"
    assert "eth_sendRawTransaction" not in handed.here.asked, "there is nothing to send"
    handed.age(LOST_SECONDS + 1)
    handed.submissions.tend()
    assert (handed.state(transaction), handed.found(transaction).is_final) == ("lost", True)


def test_one_partners_waiting_transactions_keep_no_other_partner_out(
    handed: Handed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.partner.submissions.MAX_WAITING", 2)
    first, _ = handed.hand_in(0), handed.hand_in(1)
    with pytest.raises(Unavailable) as refusal:
        handed.hand_in(2)
    assert refusal.value.code == "SUBMISSIONS_FULL"
    assert handed.state(handed.hand_in(2, partner="mill")) == "waiting"
    handed.here.mine(first, block=handed.here.head + 1)
    handed.submissions.tend()
    assert handed.state(handed.hand_in(3)) == "waiting", "what is mined waits no more, final or not"


def test_a_book_of_the_version_before_is_taken_on_with_what_is_in_it(handed: Handed, tmp_path: Path) -> None:
    transaction = handed.hand_in(0)
    handed.book.close()
    with sqlite3.connect(tmp_path / "book" / FILE) as db:
        db.execute("DROP INDEX submission_open")
        for column in ("partner", "is_final"):
            db.execute(f"ALTER TABLE submission DROP COLUMN {column}")
        db.execute("CREATE INDEX submission_waiting ON submission (state)")
        db.execute("PRAGMA user_version = 1")
    db.close()
    with pytest.raises(Refused) as refusal:
        Book(tmp_path / "book", deployment=b"\x01" * 32)
    assert refusal.value.code == "PARTNER_BOOK_OTHER"
    handed.book = Book(tmp_path / "book", deployment=bytes(32))
    handed.submissions._book = handed.book
    handed.here.mine(transaction)
    handed.submissions.tend()
    assert handed.found(transaction).is_final
