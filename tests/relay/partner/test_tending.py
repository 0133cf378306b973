"""What was handed in is looked after in turn: nothing that is stuck, lost or answered with nonsense stops others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from contracts.manifest import Role
from contracts.node import NodeError
from ledger.errors import Unavailable
from ledger.ethereum.keccak import keccak256
from ledger.secp256k1 import SigningKey
from relay.partner.book import Book
from relay.partner.submissions import LOST_SECONDS, TENDED_AT_ONCE, Submissions
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
        self.asked: list[str] = []

    def request(self, method: str, *params: Any) -> Any:
        self.asked.append(method)
        if self.away:
            raise Unavailable("NODE_UNREACHABLE", "away", where=self.url)
        if method == "eth_getTransactionReceipt":
            return self.receipts.get(params[0])
        if method == "eth_getTransactionByHash":
            return {} if params[0] in self.known else None
        assert method == "eth_sendRawTransaction"
        if self.refuses:
            raise NodeError("nonce too low", rpc_code=-32000)
        self.known.add(f"0x{keccak256(bytes.fromhex(params[0][2:])).hex()}")
        return None

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        return [self.request(method, *params) for method, params in calls]

    def mine(self, transaction: bytes, logs: Sequence[Any] = ()) -> None:
        self.receipts[f"0x{keccak256(transaction).hex()}"] = {"status": "0x1", "logs": list(logs)}


class Handed:
    """Submissions of a deployment of which two chains are such nodes."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.here, self.there = world, Pool(), Pool()
        self.book = Book(folder, deployment=bytes(32))
        relay = SimpleNamespace(manifest=world.manifest, nodes={HERE: self.here, THERE: self.there})
        self.submissions = Submissions(self.book, cast(Relay, relay))

    def hand_in(self, number: int, role: Role = Role.ORIGIN) -> bytes:
        key = SigningKey.from_secret((number + 1).to_bytes(32, "big"))
        transaction = signed_call(self.world, role=role, by=key)
        self.submissions.submit_signed(CHAIN_IDS[role], transaction)
        return transaction

    def state(self, transaction: bytes) -> str:
        found = self.submissions.find(keccak256(transaction))
        assert found is not None
        return found.state

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
    gateway = handed.world.contract(Role.ORIGIN, "Gateway")
    topic = next(each for each, event in gateway.interface.events.items() if event[0] == "MessageSent")
    log = {"address": f"0x{gateway.address.hex()}", "topics": [f"0x{topic.hex()}"], "data": "0x"}
    handed.here.mine(stuck, [log])
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
    assert handed.submissions.submit_signed(HERE, transaction).state == "waiting"
    handed.here.known.clear()
    handed.here.refuses = True
    handed.submissions.tend()
    assert handed.state(transaction) == "waiting"
