"""One account with many transactions in flight: killed anywhere it has one effect of each and no stuck nonce."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.manifest import Role
from contracts.node import NodeError
from contracts.submissions import SubmissionBook
from contracts.submitter import MAX_IN_FLIGHT, Spending, Submitter, Ticket
from contracts.transactor import Mined
from ledger.errors import Problem, Unavailable
from tests.contracts.world import CHAIN_IDS, OWNER, STRANGER, World
from tests.ledger.refusals import refused
from tests.simulator.inline import Clock, Killed
from tests.simulator.nodes import FaultyNode
from tests.simulator.pool import BASE_FEE, GAS_USED, PoolNode

TO = b"\x77" * 20
WAIT = Spending().replace_seconds
GWEI = 10**9
RESERVED = int(100_000 * 1.25) * 3 * GWEI  # of one call, at twice the base fee and the tip


class Bed:
    """A pool behind a faulty connection, a book on disk, and one submitter after the other."""

    def __init__(self, folder: Path) -> None:
        self.pool, self.clock = PoolNode(), Clock()
        self.node = FaultyNode(self.pool)
        self.path, self.book = folder / "book.sqlite3", SubmissionBook(folder / "book.sqlite3")

    def submitter(self, spending: Spending | None = None) -> Submitter:
        return Submitter(self.node, OWNER, chain_id=7, book=self.book, spending=spending, clock=self.clock)

    def restarted(self, spending: Spending | None = None) -> Submitter:
        """A new process: what was in memory is gone, the file is opened again."""
        self.book.close()
        self.book = SubmissionBook(self.path)
        return self.submitter(spending)

    def later(self) -> None:
        self.clock.advance(WAIT + 1)

    def effects(self) -> Counter[bytes]:
        return Counter(seen.data for seen in self.pool.mined)


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    made = Bed(tmp_path)
    yield made
    made.book.close()


def submit(sender: Submitter, *names: bytes) -> list[Ticket]:
    return [sender.submit(TO, name, tag=name) for name in names]


def outcomes(tickets: list[Ticket]) -> dict[bytes, str]:
    return {
        each.tag: each.outcome.code if isinstance(each.outcome, Problem) else type(each.outcome).__name__
        for each in tickets
    }


def drained(bed: Bed, sender: Submitter) -> dict[bytes, str]:
    """Poll, with time passing and blocks being made, until nothing is in flight."""
    found: dict[bytes, str] = {}
    for _ in range(20):
        found |= outcomes(sender.poll())
        if not sender.in_flight:
            return found
        bed.later()
        bed.pool.mine()
    raise AssertionError(f"still in flight: {sender.in_flight}")


def test_many_are_in_flight_before_the_first_is_mined(bed: Bed) -> None:
    sender = bed.submitter()
    submit(sender, b"one", b"two", b"three")
    assert sorted(nonce for _, nonce in bed.pool.pool) == [0, 1, 2]
    assert sender.poll() == []
    bed.pool.fails.add(b"two")
    bed.pool.mine()
    assert outcomes(sender.poll()) == {b"one": "Mined", b"two": "TX_FAILED", b"three": "Mined"}
    assert (sender.in_flight, sender.poll()) == ([], [])


def test_what_the_contract_refuses_costs_nothing_and_takes_no_nonce(bed: Bed) -> None:
    sender = bed.submitter()
    bed.pool.reverts.add(b"bad")
    with refused("CALL_REVERTED"):
        submit(sender, b"bad")
    assert (bed.node.calls.count("eth_sendRawTransaction"), sender.in_flight, sender.spent_today()) == (0, [], 0)
    submit(sender, b"good")
    bed.pool.mine()
    assert outcomes(sender.poll()) == {b"good": "Mined"}
    assert bed.pool.mined[0].nonce == 0


def test_E12_nothing_is_sent_to_another_chain(bed: Bed) -> None:
    bed.pool.chain_id = 8
    sender = bed.submitter()
    with refused("CHAIN_ID"):
        submit(sender, b"one")
    assert (bed.pool.sent, sender.in_flight) == ([], [])
    bed.pool.chain_id = 7
    submit(sender, b"one")
    assert len(bed.pool.sent) == 1


def test_what_a_node_refuses_frees_its_nonce(bed: Bed) -> None:
    sender = bed.submitter()

    def poor(_params: object, _honest: object) -> object:
        raise NodeError("insufficient funds", rpc_code=-32000)

    bed.node.lies["eth_sendRawTransaction"] = poor
    # The lie is told on the way back: take out what the pool holds, as a node that refused would not.
    with refused("NODE_ERROR"):
        submit(sender, b"one")
    bed.pool.forget(0)
    bed.node.lies.clear()
    assert bed.book.pending(OWNER.address, 7) == []
    (ticket,) = submit(sender, b"two")
    assert ticket.nonce == 0


# -- the process dies -----------------------------------------------------------------------------------------------

COUNT, SEND, RECEIPT = "eth_getTransactionCount", "eth_sendRawTransaction", "eth_getTransactionReceipt"
POINTS = {
    "before_it_is_written_down": ("kill_after", COUNT),
    "before_broadcast": ("kill_before", SEND),
    "after_broadcast": ("kill_after", SEND),
    "before_the_receipt": ("kill_before", RECEIPT),
    "after_the_receipt": ("kill_after", RECEIPT),
}


@pytest.mark.parametrize("mined", [False, True], ids=["waiting", "mined"])
@pytest.mark.parametrize("before", [0, 1, 3])
@pytest.mark.parametrize("point", POINTS)
def test_J05_killed_anywhere_each_has_one_effect_and_no_nonce_is_stuck(
    bed: Bed, point: str, before: int, mined: bool
) -> None:
    attribute, method = POINTS[point]
    names = [b"call %d" % number for number in range(before + 1)]
    first = bed.submitter()
    submit(first, *names[:before])
    setattr(bed.node, attribute, method)
    with pytest.raises(Killed):
        submit(first, names[before])
        first.poll()
    if mined:
        bed.pool.mine()
    second = bed.restarted()
    # Whoever asked looks first what is under way, as the relay does.
    known = {ticket.tag for ticket in second.in_flight}
    submit(second, *(name for name in names if name not in known))
    found = drained(bed, second)
    assert set(found.values()) == {"Mined"}
    assert {*bed.effects()} == set(names)
    if point != "before_it_is_written_down":
        assert bed.effects() == Counter(names), "each once"
    assert [seen.nonce for seen in bed.pool.mined] == list(range(len(bed.pool.mined)))
    submit(second, b"next")
    assert drained(bed, second) == {b"next": "Mined"}


def test_J05_a_nonce_gap_is_closed_by_broadcasting_what_the_pool_lost(bed: Bed) -> None:
    sender = bed.submitter()
    submit(sender, b"one", b"two", b"three")
    bed.pool.forget(0)
    bed.pool.mine(3)
    assert (sender.poll(), bed.pool.mined) == ([], [])
    assert set(drained(bed, sender).values()) == {"Mined"}
    assert bed.effects() == Counter([b"one", b"two", b"three"])


def test_J05_a_gap_that_nobody_fills_is_filled_with_nothing_after_a_wait(bed: Bed) -> None:
    counted = iter(["0x3"])
    bed.node.lies[COUNT] = lambda _params, honest: next(counted, honest)
    sender = bed.submitter()
    (ticket,) = submit(sender, b"one")
    assert ticket.nonce == 3
    bed.pool.mine()
    sender.poll()
    assert bed.pool.mined == [], "nothing is filled before the wait is over"
    assert drained(bed, sender) == {b"one": "Mined"}
    assert [seen.data for seen in bed.pool.mined] == [b"", b"", b"", b"one"]


def test_J05_what_blocks_pass_over_is_replaced_at_a_higher_price_and_has_one_effect(bed: Bed) -> None:
    sender = bed.submitter()
    bed.pool.floor = 2 * GWEI
    submit(sender, b"slow")
    bed.later()
    sender.poll()
    assert len({seen.tip for seen in bed.pool.sent}) == 1, "no block was made: nobody is in a hurry"
    for _ in range(3):
        bed.pool.mine(2)
        bed.later()
        sender.poll()
    tips = [seen.tip for seen in bed.pool.sent]
    assert tips == sorted(set(tips)) and len(tips) == 4
    # Killed between two replacements, the next process goes on from the last.
    sender = bed.restarted()
    assert drained(bed, sender) == {b"slow": "Mined"}
    assert bed.effects() == Counter([b"slow"])


def test_J05_an_earlier_attempt_that_is_mined_after_all_counts(bed: Bed) -> None:
    sender = bed.submitter()
    submit(sender, b"slow")
    cheap = bed.pool.sent[0]
    bed.pool.floor = 2 * GWEI
    bed.pool.mine(2)
    bed.later()
    sender.poll()
    assert len(bed.pool.sent) == 2
    bed.pool.pool[cheap.sender, 0] = cheap
    bed.pool.floor = 0
    bed.pool.mine()
    (ticket,) = sender.poll()
    assert isinstance(ticket.outcome, Mined) and ticket.outcome.transaction == cheap.transaction
    assert sender.spent_today() == GAS_USED * (BASE_FEE + cheap.tip)


def test_replacements_are_bounded(bed: Bed) -> None:
    limits = Spending(replacements=2)
    sender = bed.submitter(limits)
    bed.pool.floor = 10**15
    submit(sender, b"never")
    for _ in range(8):
        bed.pool.mine(2)
        bed.later()
        sender.poll()
    assert len(bed.pool.sent) == 3
    bed.pool.floor = 0
    bed.pool.mine()
    assert outcomes(sender.poll()) == {b"never": "Mined"}


def test_a_nonce_that_somebody_else_used_is_given_up_once_that_is_certain(bed: Bed) -> None:
    sender = bed.submitter()
    submit(sender, b"mine")
    bed.pool.forget(0)
    other = Submitter(bed.pool, OWNER, chain_id=7)
    other.submit(TO, b"theirs")
    bed.pool.mine()
    assert sender.poll() == [], "a node may count a block before it shows its receipts"
    assert outcomes(sender.poll()) == {b"mine": "TX_REPLACED"}
    submit(sender, b"mine")
    assert drained(bed, sender) == {b"mine": "Mined"}


def test_a_node_that_is_away_while_it_is_sent_gets_it_later(bed: Bed) -> None:
    sender = bed.submitter()
    submit(sender, b"first")

    def lost(_params: object, _honest: object) -> object:
        raise Unavailable("NODE_UNREACHABLE", "no answer")

    bed.node.lies[SEND] = lost
    (ticket,) = submit(sender, b"lost")
    bed.pool.forget(1)
    bed.node.lies.clear()
    assert ticket.outcome is None
    assert set(drained(bed, sender).values()) == {"Mined"}
    assert bed.effects() == Counter([b"first", b"lost"])


# -- what it may cost -----------------------------------------------------------------------------------------------


def test_J03_a_lane_stops_at_its_budget_and_others_go_on(bed: Bed) -> None:
    sender = bed.submitter(Spending(share_wei_per_day=2 * RESERVED))
    for name in (b"one", b"two"):
        sender.submit(TO, name, tag=name, shares={"lane": 1})
    with refused("BUDGET"):
        sender.submit(TO, b"three", tag=b"three", shares={"lane": 1})
    sender.submit(TO, b"other", tag=b"other", shares={"another": 1})
    assert sender.spent_today("lane") == 2 * RESERVED
    # What it really cost counts once it is known, across a restart; on the next day all is free again.
    bed.pool.mine()
    sender.poll()
    paid = GAS_USED * (BASE_FEE + GWEI)
    assert (sender.spent_today("lane"), sender.spent_today()) == (2 * paid, 3 * paid)
    again = bed.restarted(Spending(share_wei_per_day=2 * paid + RESERVED - 1))
    with refused("BUDGET"):
        again.submit(TO, b"three", tag=b"three", shares={"lane": 1})
    assert b"three" not in {seen.data for seen in bed.pool.sent}
    bed.clock.advance(24 * 3600)
    again.submit(TO, b"three", tag=b"three", shares={"lane": 1})
    assert len(again.in_flight) == 1


def test_J03_a_hundred_thousand_cheap_messages_cost_no_more_than_the_budget(bed: Bed) -> None:
    budget = 10 * RESERVED
    sender = bed.submitter(Spending(wei_per_day=budget, share_wei_per_day=budget))
    sent = 0
    for number in range(300):
        try:
            sender.submit(TO, b"%d" % number, tag=b"x", shares={"dust": 1})
            sent += 1
        except Problem as problem:
            assert problem.code == "BUDGET"
        bed.pool.mine()
        sender.poll()
    assert 0 < sender.spent_today() <= budget
    assert sent == len(bed.pool.mined) < 300


def test_one_call_for_several_lanes_is_paid_by_each_for_its_part(bed: Bed) -> None:
    sender = bed.submitter()
    sender.submit(TO, b"all", tag=b"all", shares={"a": 3, "b": 1})
    assert (sender.spent_today("a"), sender.spent_today("b")) == (RESERVED * 3 // 4, RESERVED // 4)
    bed.pool.mine()
    sender.poll()
    paid = GAS_USED * (BASE_FEE + GWEI)
    assert (sender.spent_today("a"), sender.spent_today("b"), sender.spent_today()) == (paid * 3 // 4, paid // 4, paid)


def test_a_price_beyond_the_allowed_is_waited_out(bed: Bed) -> None:
    sender = bed.submitter(Spending(max_fee_wei=3 * GWEI - 1))
    with refused("FEE_TOO_HIGH"):
        submit(sender, b"one")
    assert (bed.pool.sent, sender.in_flight) == ([], [])
    submit(bed.submitter(Spending(max_fee_wei=3 * GWEI)), b"one")
    assert len(bed.pool.sent) == 1


def test_no_more_are_in_flight_than_pools_let_wait(bed: Bed) -> None:
    sender = bed.submitter()
    submit(sender, *(b"%d" % number for number in range(MAX_IN_FLIGHT)))
    with refused("IN_FLIGHT"):
        submit(sender, b"more")
    bed.pool.mine()
    sender.poll()
    submit(sender, b"more")


# -- the book -------------------------------------------------------------------------------------------------------


def test_a_book_belongs_to_one_process(bed: Bed) -> None:
    with refused("BOOK_IN_USE"):
        SubmissionBook(bed.path)
    bed.book.close()
    bed.book = SubmissionBook(bed.path)


def test_a_book_that_was_deleted_leaves_no_nonce_stuck(bed: Bed) -> None:
    submit(bed.submitter(), b"one", b"two")
    bed.book.close()
    bed.path.unlink()
    bed.book = SubmissionBook(bed.path)
    sender = bed.submitter()
    (ticket,) = submit(sender, b"three")
    assert ticket.nonce == 2
    assert drained(bed, sender) == {b"three": "Mined"}
    assert bed.effects() == Counter([b"one", b"two", b"three"])


def test_a_book_that_is_none_is_refused_and_left_as_it_is(bed: Bed) -> None:
    other = bed.path.with_name("other.sqlite3")
    other.write_bytes(b"no database at all, but long enough to be looked at" * 100)
    before = other.read_bytes()
    with refused("BOOK_UNREADABLE"):
        SubmissionBook(other)
    assert other.read_bytes() == before


def test_it_sends_and_waits_as_a_transactor_does(served_world: World) -> None:
    role = Role.DESTINATION
    mirror = served_world.contract(role, "AnchorMirror")
    sender = Submitter(served_world.nodes[role], OWNER, chain_id=CHAIN_IDS[role])
    mined = sender.send(mirror.address, mirror.encode_call("admit", 7101, OWNER.address))
    assert (mined.contract, sender.in_flight, sender.poll()) == (None, [], [])
    with refused("CALL_REVERTED"):
        stranger = Submitter(served_world.nodes[role], STRANGER, chain_id=CHAIN_IDS[role])
        stranger.send(mirror.address, mirror.encode_call("admit", 7101, OWNER.address))
