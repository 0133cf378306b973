"""The EVM rules of the embedded chain: py-evm's Prague, with what py-evm 0.12.1b1 lacks or gets wrong.

Each difference from `PragueVM` is one method below with its EIP. Re-execution must use the same rules, else a notary
would call an honest block different. No chain, database or clock lives here.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from eth.chains.base import MiningChain
from eth.db.chain import ChainDB
from eth.vm.forks.cancun.constants import BLOB_TX_TYPE, GAS_PER_BLOB
from eth.vm.forks.prague import PragueVM
from eth.vm.forks.prague.computation import PragueComputation
from eth.vm.forks.prague.constants import MAX_BLOB_GAS_PER_BLOCK
from eth.vm.forks.prague.state import PragueState
from eth_utils.exceptions import ValidationError

from contracts.embedded.operations import hastened

# Importing py-evm lets the whole process recurse 100,000 deep, whereupon 200 kB of "[" given to any JSON parser in it
# overflow the C stack and kill the process. 1,024 nested calls take about 6,200 Python frames.
RECURSION_LIMIT: Final = 12_000
sys.setrecursionlimit(RECURSION_LIMIT)

TRANSACTION_GAS: Final = 21_000
FLOOR_GAS_PER_TOKEN: Final = 10  # EIP-7623: TOTAL_COST_FLOOR_PER_TOKEN
TOKENS_PER_NON_ZERO_BYTE: Final = 4  # EIP-7623: a zero byte is one token, any other byte four
REFUND_QUOTIENT: Final = 5  # EIP-3529
DELEGATION_PREFIX: Final = b"\xef\x01\x00"  # EIP-7702


def calldata_floor_gas(calldata: bytes) -> int:
    """The least gas a transaction carrying `calldata` may cost (EIP-7623)."""
    zeros = calldata.count(0)
    tokens = zeros + (len(calldata) - zeros) * TOKENS_PER_NON_ZERO_BYTE
    return TRANSACTION_GAS + FLOOR_GAS_PER_TOKEN * tokens


class EmbeddedComputation(PragueComputation):  # type: ignore[misc]
    """Prague's computation, its common operations done at once."""

    opcodes = hastened(PragueComputation.opcodes)


class EmbeddedState(PragueState):  # type: ignore[misc]
    """Prague's state, without py-evm's rewriting of the system contracts' code each time a state is opened.

    The contracts stand in the genesis; writing them again would only touch two accounts that nobody asked for.
    """

    computation_class = EmbeddedComputation

    def set_system_contracts(self) -> None:
        """Nothing: see the class."""


class EmbeddedVM(PragueVM):  # type: ignore[misc]
    """Prague's block and transaction rules, complete in EIP-1559, EIP-3607, EIP-4844 and EIP-7623."""

    _state_class = EmbeddedState

    def validate_transaction_against_header(self, base_header: Any, transaction: Any) -> None:
        """Refuse what the block's header or the sender's account forbids, before any state changes.

        py-evm checks the gas left in the block only. Errors: `ValidationError`.
        """
        super().validate_transaction_against_header(base_header, transaction)
        if transaction.max_priority_fee_per_gas > transaction.max_fee_per_gas:  # EIP-1559
            raise ValidationError("the priority fee is above the whole fee")
        self._validate_blobs(base_header, transaction)
        if transaction.gas < calldata_floor_gas(transaction.data):  # EIP-7623
            raise ValidationError("gas limit under the calldata floor")
        code = self.state.get_code(transaction.sender)
        if code and not code.startswith(DELEGATION_PREFIX):  # EIP-3607, as amended by EIP-7702
            raise ValidationError("the sender is a contract")

    @staticmethod
    def _validate_blobs(base_header: Any, transaction: Any) -> None:
        """EIP-4844 and EIP-7691: blobs are sent to somebody, and a block holds so many."""
        if transaction.type_id != BLOB_TX_TYPE:
            return
        blobs = len(transaction.blob_versioned_hashes)
        if not transaction.to:
            raise ValidationError("a transaction with blobs creates no contract")
        if base_header.blob_gas_used + blobs * GAS_PER_BLOB > MAX_BLOB_GAS_PER_BLOCK:
            raise ValidationError("more blobs than a block holds")

    @classmethod
    def finalize_gas_used(cls, transaction: Any, computation: Any) -> int:
        """Gas that the receipt and the header state: max(used - refund, floor), EIP-7623.

        py-evm adds the floor before it caps the refund, so that its receipt can state less than what was paid.
        """
        used = transaction.gas - computation.get_gas_remaining()
        refund = min(computation.get_gas_refund(), used // REFUND_QUOTIENT)
        return max(int(used - refund), calldata_floor_gas(transaction.data))


class EmbeddedChainDB(ChainDB):  # type: ignore[misc]
    """py-evm's chain database without its process-wide caches, which would keep a closed chain alive."""

    def _get_block_transactions(self, transaction_root: bytes, transaction_decoder: Any) -> tuple[Any, ...]:
        encoded = self._get_block_data_from_root_hash(self.db, transaction_root)
        return tuple(transaction_decoder.decode(item) for item in encoded)

    def _get_block_withdrawals(self, _withdrawals_root: bytes) -> tuple[Any, ...]:
        return ()  # a single sequencer has no beacon chain, hence no withdrawals


def chain_class(chain_id: int) -> Any:
    """A py-evm `MiningChain` class for one EIP-155 id, under these rules from the genesis on."""
    return MiningChain.configure(
        __name__=f"EmbeddedChain{chain_id}",
        vm_configuration=((0, EmbeddedVM),),
        chain_id=chain_id,
        chaindb_class=EmbeddedChainDB,
    )
