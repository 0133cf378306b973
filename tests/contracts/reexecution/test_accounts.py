"""The account database behaves as py-evm's own, and asks the witness for everything it did not write
itself.
"""

from typing import Any

import pytest
from eth.db.account import AccountDB
from eth.db.atomic import AtomicDB
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.reexecution.accounts import Entry, ProvenAccounts
from contracts.reexecution.verdict import Disagreement
from ledger.errors import Problem
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.partial_trie import EMPTY_TRIE_ROOT
from ledger.ethereum.trie import EMPTY_CODE_HASH, Account

ALICE, BOB = b"\xaa" * 20, b"\xbb" * 20
CODE = b"\x60\x01"


class KnownWitness:
    """A witness that knows Alice, and cannot prove anything of `unprovable`."""

    root = b"r" * 32

    def __init__(self, unprovable: bytes = b"") -> None:
        self.asked: list[Any] = []
        self._unprovable = unprovable

    def account(self, address: bytes) -> Account | None:
        self.asked.append(address)
        if address == self._unprovable:
            raise Disagreement("the state does not prove it")
        return Account(5, 100, b"s" * 32, keccak256(CODE)) if address == ALICE else None

    def slot(self, address: bytes, slot: int) -> int:
        self.asked.append((address, slot))
        return slot if address == ALICE else 0

    def code(self, address: bytes, code_hash: bytes) -> bytes:
        return CODE if code_hash == keccak256(CODE) else b""


class NoWitness(KnownWitness):
    """The witness of an empty state."""

    def account(self, address: bytes) -> Account | None:
        return None

    def slot(self, address: bytes, slot: int) -> int:
        return 0


def known(unprovable: bytes = b"") -> ProvenAccounts:
    return ProvenAccounts(KnownWitness(unprovable))  # type: ignore[arg-type]


def test_what_was_not_written_comes_from_the_witness() -> None:
    accounts = known()
    assert (accounts.get_nonce(ALICE), accounts.get_balance(ALICE), accounts.get_code(ALICE)) == (5, 100, CODE)
    assert (accounts.get_storage(ALICE, 9), accounts.get_storage(BOB, 9)) == (9, 0)
    assert (accounts.account_exists(ALICE), accounts.account_exists(BOB)) == (True, False)
    assert accounts.changes() == {}


def test_what_was_written_is_what_changed() -> None:
    accounts = known()
    accounts.set_storage(ALICE, 9, 0)
    accounts.set_balance(BOB, 3)
    changes = accounts.changes()
    assert changes[ALICE].slots == {9: 0}
    assert changes[ALICE].after == Entry(5, 100, keccak256(CODE))
    assert changes[BOB].after == Entry(0, 3, EMPTY_CODE_HASH)


def test_what_was_discarded_never_happened() -> None:
    accounts = known()
    outer = accounts.record()
    accounts.set_storage(ALICE, 9, 1)
    inner = accounts.record()
    accounts.set_storage(ALICE, 9, 2)
    accounts.delete_account(ALICE)
    accounts.mark_storage_warm(ALICE, 9)
    accounts.discard(inner)
    assert accounts.get_storage(ALICE, 9) == 1
    assert not accounts.is_storage_warm(ALICE, 9)
    accounts.discard(outer)
    assert accounts.changes() == {}


def test_a_wiped_storage_reads_zero_and_its_new_slots_count() -> None:
    accounts = known()
    accounts.delete_storage(ALICE)
    assert accounts.get_storage(ALICE, 9) == 0
    accounts.set_storage(ALICE, 8, 1)
    assert accounts.changes()[ALICE].wiped
    assert accounts.changes()[ALICE].slots == {8: 1}


def test_the_value_at_the_start_of_the_transaction_survives_writes_and_reverts() -> None:
    accounts = known()
    accounts.set_storage(ALICE, 9, 1)
    accounts.lock_changes()
    point = accounts.record()
    accounts.set_storage(ALICE, 9, 2)
    assert accounts.get_storage(ALICE, 9, from_journal=False) == 1
    accounts.discard(point)
    assert accounts.get_storage(ALICE, 9, from_journal=False) == accounts.get_storage(ALICE, 9) == 1


def test_a_failed_read_is_remembered_even_if_the_machine_swallows_it() -> None:
    accounts = known(unprovable=BOB)
    with pytest.raises(Disagreement):
        accounts.get_balance(BOB)
    with pytest.raises(Problem):
        accounts.account_exists(BOB)
    assert isinstance(accounts.failure, Disagreement)
    assert accounts.get_balance(ALICE) == 100


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("slot"), st.sampled_from([ALICE, BOB]), st.integers(0, 2), st.integers(0, 3)),
        st.tuples(st.just("balance"), st.sampled_from([ALICE, BOB]), st.integers(0, 3)),
        st.tuples(st.just("nonce"), st.sampled_from([ALICE, BOB]), st.integers(0, 3)),
        st.tuples(st.just("code"), st.sampled_from([ALICE, BOB]), st.binary(min_size=1, max_size=2)),
        st.tuples(st.just("delete"), st.sampled_from([ALICE, BOB])),
        st.tuples(st.just("touch"), st.sampled_from([ALICE, BOB])),
        st.tuples(st.just("warm"), st.sampled_from([ALICE, BOB]), st.integers(0, 2)),
        st.tuples(st.sampled_from(["record", "discard", "commit", "lock"])),
    ),
    max_size=25,
)


def take(accounts: Any, points: list[int], step: tuple[Any, ...]) -> None:
    kind, *values = step
    if kind == "record":
        points.append(accounts.record())
    elif kind in ("discard", "commit"):
        if points:
            getattr(accounts, kind)(points.pop())
    elif kind == "lock":
        while points:
            accounts.commit(points.pop())
        accounts.lock_changes()
    elif kind != "delete" or not points:  # py-evm deletes only between transactions
        names = {"slot": "set_storage", "balance": "set_balance", "nonce": "set_nonce", "code": "set_code"}
        names |= {"delete": "delete_account", "touch": "touch_account", "warm": "mark_storage_warm"}
        getattr(accounts, names[kind])(*values)


def seen(accounts: Any) -> list[Any]:
    return [
        (
            accounts.account_exists(address),
            accounts.account_is_empty(address),
            accounts.account_has_code_or_nonce(address),
            accounts.get_balance(address),
            accounts.get_nonce(address),
            accounts.get_code(address),
            [accounts.get_storage(address, slot) for slot in range(3)],
            [accounts.get_storage(address, slot, from_journal=False) for slot in range(3)],
            [accounts.is_storage_warm(address, slot) for slot in range(3)],
        )
        for address in (ALICE, BOB)
    ]


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_it_answers_as_py_evm_s_own_database_does(steps: list[tuple[Any, ...]]) -> None:
    ours, theirs = ProvenAccounts(NoWitness()), AccountDB(AtomicDB(), EMPTY_TRIE_ROOT)  # type: ignore[arg-type]
    our_points: list[int] = []
    their_points: list[int] = []
    for step in steps:
        take(ours, our_points, step)
        take(theirs, their_points, step)
        assert seen(ours) == seen(theirs), step
