"""A header must follow from its parent before anything is executed."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from eth.vm.forks.london.headers import calculate_expected_base_fee_per_gas
from hypothesis import given
from hypothesis import strategies as st

from contracts.reexecution import ChainRules
from contracts.reexecution.header_rules import NO_OMMERS, check_header, next_base_fee
from ledger.errors import Refused
from ledger.ethereum.header import Header

PARENT = Header(
    parent_hash=b"p" * 32,
    ommers_hash=NO_OMMERS,
    beneficiary=b"b" * 20,
    state_root=b"s" * 32,
    transactions_root=b"t" * 32,
    receipts_root=b"r" * 32,
    logs_bloom=bytes(256),
    difficulty=0,
    number=7,
    gas_limit=30_000_000,
    gas_used=15_000_000,
    timestamp=100,
    extra_data=b"",
    prev_randao=bytes(32),
    nonce=bytes(8),
    base_fee_per_gas=1_000,
    withdrawals_root=b"w" * 32,
    blob_gas_used=0,
    excess_blob_gas=0,
    parent_beacon_block_root=bytes(32),
    requests_hash=b"q" * 32,
)
CHILD = replace(PARENT, parent_hash=PARENT.hash, number=8, timestamp=101)
RULES = ChainRules(7102)


def test_a_child_that_follows_is_accepted() -> None:
    check_header(PARENT, CHILD, RULES)
    free = replace(CHILD, base_fee_per_gas=5)
    check_header(PARENT, free, ChainRules(7102, base_fee="free"))


@pytest.mark.parametrize(
    ("child", "code"),
    [
        (replace(CHILD, number=9), "HEADER_HASH"),
        (replace(CHILD, parent_hash=bytes(32)), "HEADER_HASH"),
        (replace(CHILD, timestamp=99), "HEADER_HASH"),
        (replace(CHILD, ommers_hash=bytes(32)), "REEXECUTION_DIFFERS"),
        (replace(CHILD, gas_used=30_000_001), "REEXECUTION_DIFFERS"),
        (replace(CHILD, base_fee_per_gas=1_001), "REEXECUTION_DIFFERS"),
        (replace(CHILD, excess_blob_gas=1), "REEXECUTION_DIFFERS"),
        (replace(CHILD, requests_hash=None), "REEXECUTION_UNSUPPORTED"),
        (replace(CHILD, difficulty=1), "REEXECUTION_UNSUPPORTED"),
    ],
    ids=["number", "parent", "time", "ommers", "gas", "base fee", "blob gas", "earlier fork", "proof of work"],
)
def test_a_child_that_does_not_follow_is_refused(child: Header, code: str) -> None:
    with pytest.raises(Refused) as refusal:
        check_header(PARENT, child, RULES)
    assert refusal.value.code == code


def test_excess_blob_gas_carries_over_what_is_above_the_target() -> None:
    parent = replace(PARENT, blob_gas_used=786_432 + 131_072)
    child = replace(CHILD, parent_hash=parent.hash, excess_blob_gas=131_072)
    check_header(parent, child, RULES)
    with pytest.raises(Refused):
        check_header(parent, replace(child, excess_blob_gas=0), RULES)


@given(st.integers(0, 30_000_000), st.integers(7, 10**12))
def test_the_base_fee_is_py_evm_s(gas_used: int, base_fee: int) -> None:
    ours = next_base_fee(replace(PARENT, gas_used=gas_used, base_fee_per_gas=base_fee))
    theirs = SimpleNamespace(base_fee_per_gas=base_fee, gas_limit=PARENT.gas_limit, gas_used=gas_used)
    assert ours == calculate_expected_base_fee_per_gas(theirs)
    assert next_base_fee(replace(PARENT, base_fee_per_gas=None)) is None
