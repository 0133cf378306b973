"""Running a block's transactions in py-evm on a proven state, and what came out.

py-evm decides; the rules are the embedded chain's (`EmbeddedVM`, Prague with EIP-7623 and EIP-3607
complete). Nothing that the node claims about the outcome is read here: not its receipts, not its gas, not
its roots.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from eth.exceptions import PyEVMError
from eth.vm.chain_context import ChainContext
from eth.vm.forks.cancun.constants import BEACON_ROOTS_ADDRESS, HISTORY_BUFFER_LENGTH
from eth.vm.forks.prague.blocks import PragueBlockHeader
from eth.vm.forks.prague.constants import (
    CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
    HISTORY_SERVE_WINDOW,
    HISTORY_STORAGE_ADDRESS,
    WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
)
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError
from rlp.exceptions import DecodingError, DeserializationError

from contracts.embedded.rules import EmbeddedState, EmbeddedVM
from contracts.reexecution.accounts import Change, ProvenAccounts
from contracts.reexecution.claims import ClaimedBlock
from contracts.reexecution.metering import Allowance, MeteredComputation, require_bounded
from contracts.reexecution.rules import ChainRules
from contracts.reexecution.verdict import Disagreement, Inexecutable
from contracts.reexecution.witness import Witness
from ledger.errors import Problem
from ledger.ethereum.header import Header
from ledger.ethereum.tx_receipt import TxReceipt, decode_tx_receipt

WEI_PER_GWEI = 10**9

# What py-evm and its libraries raise about a transaction that no honest block could hold.
_VERDICTS = (ValidationError, PyEVMError, BadSignature, DecodingError, DeserializationError)


class ProvenState(EmbeddedState):
    """py-evm's Prague state over `ProvenAccounts`, handed in where a database would be."""

    computation_class = MeteredComputation
    allowance: Allowance | None = None  # of the transaction that is executed; a system call has none, and 30 M gas

    @classmethod
    def get_account_db_class(cls) -> Any:
        return lambda accounts, _state_root: accounts


class ProvenVM(EmbeddedVM):
    """The embedded chain's rules over a proven state."""

    _state_class = ProvenState


@dataclass(frozen=True, slots=True)
class Outcome:
    """What executing the block's transactions gave."""

    receipts: tuple[TxReceipt, ...]
    changes: dict[bytes, Change]
    blob_gas_used: int
    requests_hash: bytes


def execute(block: ClaimedBlock, before: Witness, ancestors: Iterable[bytes], rules: ChainRules) -> Outcome:
    """Execute `block` on the state `before` it.

    `ancestors` are the hashes of its ancestors, parent first. Errors: `Disagreement` when a transaction
    could not have been in this block, or takes more than the block says it used; `Inexecutable` as `require_bounded`;
    whatever the witness says about a state that does not prove.
    """
    require_bounded(block.header)
    accounts = ProvenAccounts(before)
    vm, header = _machine(block.header, accounts, ancestors, rules)
    sealed = SimpleNamespace(header=header, number=header.block_number, block_requests=[])
    if rules.system_writes:
        vm.block_preprocessing(sealed)  # EIP-4788 and EIP-2935
    receipts, encoded = [], []
    for index, raw in enumerate(block.transactions):
        where = f"transaction {index} of block {header.block_number}"
        transaction = _decode(vm, raw, rules, where)
        vm.state.allowance = Allowance(block.header, header.gas_used, where)
        receipt, header = _apply(vm, header, transaction, where, accounts)
        receipts.append(receipt)
        encoded.append(receipt.encode())
    vm.state.allowance = None
    for withdrawal in block.withdrawals:
        vm.state.delta_balance(withdrawal.address, withdrawal.amount * WEI_PER_GWEI)
        if vm.state.account_is_empty(withdrawal.address):
            vm.state.delete_account(withdrawal.address)
    if rules.system_writes:
        sealed.get_receipts = lambda _database: receipts
        vm.process_deposit_request_data(sealed)
        vm.process_withdrawal_request_data(sealed)
        vm.process_consolidation_request_data(sealed)
    _raise_failure(accounts)
    return Outcome(
        receipts=tuple(decode_tx_receipt(each) for each in encoded),
        changes=accounts.changes(),
        blob_gas_used=header.blob_gas_used,
        requests_hash=_requests_hash(sealed.block_requests),
    )


def system_slots(header: Header) -> dict[bytes, set[int]]:
    """The accounts and slots that the system writes and requests of a block read, by address."""
    moment = header.timestamp % int(HISTORY_BUFFER_LENGTH)
    return {
        bytes(BEACON_ROOTS_ADDRESS): {moment, moment + int(HISTORY_BUFFER_LENGTH)},
        bytes(HISTORY_STORAGE_ADDRESS): {(header.number - 1) % int(HISTORY_SERVE_WINDOW)},
        bytes(WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS): set(),
        bytes(CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS): set(),
    }


def _machine(
    header: Header, accounts: ProvenAccounts, ancestors: Iterable[bytes], rules: ChainRules
) -> tuple[Any, Any]:
    evm_header = PragueBlockHeader(
        difficulty=header.difficulty,
        block_number=header.number,
        gas_limit=header.gas_limit,
        timestamp=header.timestamp,
        coinbase=header.beneficiary,
        parent_hash=header.parent_hash,
        mix_hash=header.prev_randao,
        extra_data=header.extra_data,
        nonce=header.nonce,
        base_fee_per_gas=header.base_fee_per_gas or 0,
        excess_blob_gas=header.excess_blob_gas or 0,
        parent_beacon_block_root=header.parent_beacon_block_root or bytes(32),
    )
    context = ChainContext(rules.chain_id)
    vm = ProvenVM(evm_header, None, context, None)
    execution = ProvenVM.create_execution_context(evm_header, ancestors, context)
    vm._state = ProvenState(accounts, execution, header.state_root)
    return vm, evm_header


def _decode(vm: Any, raw: bytes, rules: ChainRules, where: str) -> Any:
    try:
        transaction = vm.get_transaction_builder().decode(raw)
        transaction.validate()
        transaction.check_signature_validity()
    except _VERDICTS as error:
        raise _impossible(error, where) from error
    if transaction.chain_id not in (None, rules.chain_id):
        raise Disagreement(f"the transaction was signed for chain {transaction.chain_id}", where=where)
    return transaction


def _apply(vm: Any, header: Any, transaction: Any, where: str, accounts: ProvenAccounts) -> tuple[Any, Any]:
    try:
        receipt, _ = vm.apply_transaction(header, transaction)
    except _VERDICTS as error:
        _raise_failure(accounts)
        raise _impossible(error, where) from error
    except Problem:
        raise
    except Exception as error:  # a fault of the engine is no verdict about the block
        _raise_failure(accounts)
        raise Inexecutable(f"py-evm failed: {type(error).__name__}: {error}"[:300], where=where) from error
    _raise_failure(accounts)
    return receipt, vm.increment_blob_gas_used(vm.add_receipt_to_header(header, receipt), transaction)


def _impossible(error: Exception, where: str) -> Disagreement:
    return Disagreement(f"the transaction could not have been executed: {error}"[:300], where=where)


def _raise_failure(accounts: ProvenAccounts) -> None:
    if accounts.failure is not None:
        raise accounts.failure


def _requests_hash(requests: list[bytes]) -> bytes:
    """EIP-7685: requests without data do not count."""
    digest = hashlib.sha256()
    for request in requests:
        if len(request) > 1:
            digest.update(hashlib.sha256(request).digest())
    return digest.digest()
