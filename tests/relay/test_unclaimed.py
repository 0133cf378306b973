"""What logs say of messages that are not known yet takes a bounded memory, and none of it is lost."""

from __future__ import annotations

import sqlite3

import pytest

from contracts.manifest import Role
from ledger.errors import Unavailable
from relay.journey import Fact, State
from relay.unclaimed import Unclaimed
from relay.watcher import Place
from tests.relay.test_journeys import Chains
from tests.relay.written import attested, committed, message, proposed, sent

HERE, THERE, RECORD = Role.ORIGIN, Role.DESTINATION, Role.TRANSACTION
MANY, FEW = 200, 10


def named(number: int) -> bytes:
    return number.to_bytes(32, "big")


def fact(chain_id: int, block: int, *, kind: str = "MessageCommitted", log: int = 0) -> Fact:
    place = Place(chain_id, block, named(block), named(log), 1, 2, 3, 21_000, 7)
    return Fact(kind, place, executed=True, word=b"\x07" * 32, state=4)


def filled(held: int) -> Unclaimed:
    """Two logs for each of many messages, in two chains, put away after every few."""
    kept = Unclaimed(held=held)
    for number in range(MANY):
        kept.keep(named(number), fact(7103, number, kind="Attested"))
        kept.keep(named(number), fact(7102, number))
        if number % 7 == 0:
            kept.put_away()
    kept.put_away()
    return kept


def test_however_many_there_are_few_are_in_memory_and_each_is_claimed_as_it_was_kept() -> None:
    kept, whole = filled(FEW), filled(10**9)
    assert (len(kept), len(whole)) == (2 * MANY, 2 * MANY)
    assert kept.in_memory <= FEW < whole.in_memory
    for number in (0, 1, MANY // 2, MANY - 1):
        found = kept.claim(named(number))
        assert found == whole.claim(named(number)) == [fact(7103, number, kind="Attested"), fact(7102, number)]
        assert kept.claim(named(number)) == []
    assert (len(kept), len(whole)) == (2 * MANY - 8, 2 * MANY - 8)


def test_a_message_of_which_some_logs_are_away_and_some_are_not_is_told_all_in_their_order() -> None:
    kept = Unclaimed(held=0)
    said = [fact(7102, 5, log=log) for log in range(4)]
    for each in said[:2]:
        kept.keep(named(1), each)
    kept.put_away()
    for each in (*said[2:], fact(7103, 4, kind="Proposed")):
        kept.keep(named(1), each)
    assert kept.claim(named(1)) == [fact(7103, 4, kind="Proposed"), *said]
    assert (len(kept), kept.in_memory) == (0, 0)


def test_E03_what_a_fork_left_behind_is_kept_neither_in_memory_nor_away() -> None:
    kept, whole = filled(FEW), filled(10**9)
    for each in (kept, whole):
        each.keep(named(MANY), fact(7102, MANY))
        each.rewind(7102, 50)
    assert len(kept) == len(whole) == MANY + 51
    assert kept.claim(named(51)) == whole.claim(named(51)) == [fact(7103, 51, kind="Attested")]
    assert kept.claim(named(50)) == whole.claim(named(50)) == [fact(7103, 50, kind="Attested"), fact(7102, 50)]
    assert kept.claim(named(MANY)) == []


def test_a_full_disk_keeps_all_of_them_in_memory_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Unclaimed(held=FEW)
    for number in range(MANY):
        kept.keep(named(number), fact(7102, number))
    with monkeypatch.context() as patched:
        patched.setattr("relay.unclaimed.pack_fact", lambda _fact: object())  # nothing that a database can hold
        with pytest.raises(Unavailable) as refused:
            kept.put_away()
        assert (refused.value.code, len(kept), kept.in_memory) == ("AWAY_WRITE", MANY, MANY)
    kept.put_away()
    assert (len(kept), kept.in_memory) == (MANY, 0)
    assert kept.claim(named(3)) == [fact(7102, 3)]


def test_few_are_not_put_away_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(_tables: str) -> sqlite3.Connection:
        raise AssertionError("no file is needed")

    monkeypatch.setattr("relay.unclaimed.private_file", opened)
    kept = Unclaimed(held=2)
    for number in range(2):
        kept.keep(named(number), fact(7102, number))
    kept.put_away()
    assert kept.in_memory == 2


def test_J07_a_destination_that_is_read_long_before_its_origin_loses_nothing_and_fills_no_memory() -> None:
    chains = Chains()
    chains.docket.unclaimed = Unclaimed(held=FEW)
    numbers = range(MANY)
    chains.add(THERE, *(committed(message(number)) for number in numbers))
    chains.add(RECORD, *(proposed(message(number)) for number in numbers), *(attested(message(0)),))
    chains.read(THERE, RECORD)
    chains.docket.put_away(lambda _named: False)
    unclaimed = chains.docket.unclaimed
    assert (len(unclaimed), unclaimed.in_memory) == (2 * MANY + 1, MANY), (
        "the proposals, which have a bound of their own"
    )
    chains.add(HERE, *(sent(message(number)) for number in numbers))
    chains.read(HERE)
    assert {chains.journey(message(number)).state for number in numbers} == {State.COMMITTED}
    assert len(unclaimed) == 0
