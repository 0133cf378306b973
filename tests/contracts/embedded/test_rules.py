"""The rules alone, as re-execution uses them: what py-evm lacks is refused inside a block too."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from eth_utils.exceptions import ValidationError

from contracts.embedded.database import Workspace
from contracts.embedded.rules import DELEGATION_PREFIX, RECURSION_LIMIT, calldata_floor_gas, chain_class
from contracts.embedded.transaction import decode_transaction
from tests.contracts.embedded.conftest import HandChain
from tests.contracts.embedded.probe import CHAIN_ID


@pytest.fixture
def vm(hand: HandChain) -> Any:
    """py-evm's machine for the next block of a funded chain."""
    return chain_class(CHAIN_ID)(Workspace(hand.chain.archive.database)).get_vm()


@pytest.mark.parametrize(
    ("calldata", "gas"),
    [(b"", 21_000), (b"\x00", 21_010), (b"\x01", 21_040), (b"\x00\x01" * 100, 26_000), (bytes(1000), 31_000)],
)
def test_the_floor_is_ten_gas_for_each_token(calldata: bytes, gas: int) -> None:
    """EIP-7623: tokens = zero bytes + 4 x other bytes."""
    assert calldata_floor_gas(calldata) == gas


def test_a_block_cannot_hold_a_transaction_under_the_floor(vm: Any, hand: HandChain) -> None:
    """EIP-7623 makes the block invalid; py-evm alone would execute it and charge more than the limit."""
    evm = decode_transaction(hand.wallet.sign(0, data=b"\x01" * 1000, gas=61_000), chain_id=CHAIN_ID).evm
    under = type(evm)(2, evm._inner.copy(gas=60_999))
    with pytest.raises(ValidationError, match="floor"):
        vm.validate_transaction_against_header(vm.get_header(), under)
    vm.validate_transaction_against_header(vm.get_header(), evm)


def test_a_contract_cannot_send_a_transaction_and_a_delegated_account_can(vm: Any, hand: HandChain) -> None:
    """EIP-3607, as EIP-7702 amends it."""
    evm = decode_transaction(hand.wallet.sign(0), chain_id=CHAIN_ID).evm
    vm.state.set_code(hand.wallet.raw_address, b"\x00")
    with pytest.raises(ValidationError, match="contract"):
        vm.apply_transaction(vm.get_header(), evm)
    vm.state.set_code(hand.wallet.raw_address, DELEGATION_PREFIX + bytes(20))
    receipt, _ = vm.apply_transaction(vm.get_header(), evm)
    assert receipt.gas_used == 21_000


def test_py_evm_does_not_leave_the_process_open_to_nested_json() -> None:
    assert sys.getrecursionlimit() <= RECURSION_LIMIT
