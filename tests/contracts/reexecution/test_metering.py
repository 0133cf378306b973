"""Whoever makes a block, or a replay file, chooses its gas limit: executing it again ends all the same (rows E, F)."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
import rlp
from eth_account import Account
from trie import HexaryTrie

from contracts.reexecution import ChainRules, Verdict, replay
from contracts.reexecution.claims import ClaimedBlock, Hints
from contracts.reexecution.header_rules import NO_OMMERS
from contracts.reexecution.metering import MAX_BLOCK_GAS, SPARE_GAS, Allowance, Meter
from contracts.reexecution.replay_file import WitnessFile
from contracts.reexecution.replaying import Replayed
from contracts.reexecution.verdict import Disagreement
from ledger.errors import Problem
from ledger.ethereum.header import Header
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.partial_trie import EMPTY_TRIE_ROOT, known_nodes
from ledger.ethereum.trie import EMPTY_CODE_HASH, ordered_root

KEY = b"\x21" * 32
RULES = ChainRules(7102, system_writes=False, base_fee="free")
EMPTY_BLOOM, NO_REQUESTS = bytes(256), bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
HUGE = 2**60
A, B = b"\xaa" * 20, b"\xbb" * 20

LOOP = bytes.fromhex("5b5f56")  # JUMPDEST PUSH0 JUMP
SINK = bytes.fromhex("5f5f5f5f5f73" + A.hex() + "5af1005b")  # calls itself with all gas: 1,024 deep, then ends
CALLS_LOOP = bytes.fromhex("5b5f5f5f5f5f73" + B.hex() + "620f4240f1505f56")  # a million of gas to a loop, for ever
MEMORY = bytes.fromhex("5f6401000000005200")  # writes the word at 2^32: 67 M gas and 4 GiB
BURN = bytes.fromhex("fe")  # takes all that there is, at once


def header(parent: Header | None, **fields: Any) -> Header:
    plain: dict[str, Any] = {
        "parent_hash": bytes(32) if parent is None else parent.hash,
        "ommers_hash": NO_OMMERS,
        "beneficiary": A,
        "transactions_root": EMPTY_TRIE_ROOT,
        "receipts_root": EMPTY_TRIE_ROOT,
        "logs_bloom": EMPTY_BLOOM,
        "difficulty": 0,
        "number": 1 if parent is None else parent.number + 1,
        "gas_limit": 2**62,
        "gas_used": 0,
        "timestamp": 1_800_000_000,
        "extra_data": b"",
        "prev_randao": bytes(32),
        "nonce": bytes(8),
        "base_fee_per_gas": 0,
        "withdrawals_root": EMPTY_TRIE_ROOT,
        "blob_gas_used": 0,
        "excess_blob_gas": 0,
        "parent_beacon_block_root": bytes(32),
        "requests_hash": NO_REQUESTS,
    }
    return Header(**(plain | fields))


def bomb(*codes: bytes, gas: int = HUGE, states: int = 21_000, times: int = 1) -> bytes:
    """A replay file whose parts bind: `times` calls of the first contract, in a block that `states` so much gas."""
    state = HexaryTrie({}, prune=True)
    owners = dict(zip((A, B), codes, strict=False))
    accounts = [(0, keccak256(code), owner) for owner, code in owners.items()]
    accounts.append((10**21, EMPTY_CODE_HASH, bytes.fromhex(Account.from_key(KEY).address[2:])))
    for balance, code_hash, address in accounts:
        state[keccak256(address)] = rlp.encode([0, balance, EMPTY_TRIE_ROOT, code_hash])
    fields = {"chainId": RULES.chain_id, "to": A, "gas": gas, "value": 0, "maxFeePerGas": 0, "maxPriorityFeePerGas": 0}
    signed = [Account.sign_transaction(fields | {"nonce": nonce}, KEY).raw_transaction for nonce in range(times)]
    transactions = tuple(bytes(each) for each in signed)
    parent = header(None, state_root=state.root_hash)
    roots = {"transactions_root": ordered_root(transactions), "state_root": b"\x01" * 32}
    block = ClaimedBlock(header(parent, gas_used=states, **roots), transactions, (), (), Hints({}, {}))
    nodes, by_hash = known_nodes(state.db.values()), {keccak256(code): code for code in codes}
    return WitnessFile(RULES, parent, block, nodes, by_hash, {}).encode()


def told(raw: bytes) -> Replayed:
    began = time.process_time()
    found = replay(raw, rules=RULES)
    assert time.process_time() - began < 120, "bounded work: some seconds of an idle core"
    return found


@pytest.mark.parametrize(
    "codes", [(LOOP,), (CALLS_LOOP, LOOP), (MEMORY,)], ids=["a loop", "a loop of calls that end", "memory"]
)
def test_e_a_replay_file_with_endless_gas_ends_as_what_it_is(codes: tuple[bytes, ...]) -> None:
    found = told(bomb(*codes))
    assert found.verdict is Verdict.DIFFERS
    assert "takes more gas than the block states" in found.reason


def test_e_many_transactions_together_have_no_more_room_than_one() -> None:
    found = told(bomb(LOOP, gas=SPARE_GAS // 4, times=40))
    assert found.verdict is Verdict.DIFFERS
    assert "takes more gas than the block states" in found.reason
    assert "transaction 4 " in found.reason or "transaction 3 " in found.reason


def test_e_a_block_that_states_more_than_is_executed_is_not_executed() -> None:
    with pytest.raises(Problem, match=str(MAX_BLOCK_GAS)) as caught:
        replay(bomb(BURN, states=MAX_BLOCK_GAS + 1), rules=RULES)
    assert caught.value.code == "REEXECUTION_UNSUPPORTED"


def test_a_false_block_within_the_room_is_executed_to_its_end_and_shows_what_differs() -> None:
    found = told(bomb(BURN, gas=SPARE_GAS // 2))
    assert found.verdict is Verdict.DIFFERS
    assert {"gas used", "state root"} <= {each.what for each in found.comparisons if each.reason}


def test_an_honest_block_that_takes_all_it_states_is_executed() -> None:
    """Twin: more gas than any room beyond the statement, in one call, and deep ones; what is stated is what counts."""
    stated = MAX_BLOCK_GAS - 1
    for code in (BURN, SINK):
        found = told(bomb(code, gas=stated, states=stated))
        assert "takes more gas" not in found.reason
        assert [each.what for each in found.comparisons][-1] == "state root"  # only the made-up roots differ


def meters(*gas: int, states: int = 1_000) -> tuple[Allowance, Meter]:
    of = replace(header(None, state_root=bytes(32)), gas_used=states)
    allowance = Allowance(of, 0, "here")
    return allowance, Meter(gas[0], allowance)


def test_what_a_nested_call_gives_back_is_room_again() -> None:
    allowance, outer = meters(HUGE)
    for _ in range(3):
        outer.consume_gas(allowance.gas * 2 // 3, "CALL")
        inner = Meter(allowance.gas * 2 // 3, allowance)
        inner.consume_gas(allowance.gas // 4, "its work")
        outer.return_gas(inner.gas_remaining)
    outer.consume_gas(allowance.gas // 5, "work")
    with pytest.raises(Disagreement):
        outer.consume_gas(allowance.gas // 4, "work")


def test_a_nested_call_has_no_more_room_than_is_left_around_it() -> None:
    allowance, outer = meters(HUGE)
    outer.consume_gas(allowance.gas // 2, "work")
    outer.consume_gas(HUGE // 2, "CALL")
    inner = Meter(HUGE // 2, allowance)
    inner.consume_gas(allowance.gas // 2, "work")
    with pytest.raises(Disagreement):
        inner.consume_gas(1, "work")
