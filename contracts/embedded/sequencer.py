"""Building one block: the system writes, then every transaction whose turn it is, then the roots.

Works in a `Workspace` and leaves it full; nothing is durable and nobody sees the block until the chain commits it.
A transaction that cannot be executed now (too dear for the block, its fee under the base fee, its balance spent) keeps
its place in the pool; one that breaks py-evm itself is named, so that the block can be built again without it.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Any, Final

from eth_utils.exceptions import ValidationError

from contracts.embedded.archive import Block
from contracts.embedded.genesis import ZERO_HASH
from contracts.embedded.pool import Pool
from contracts.embedded.rules import TRANSACTION_GAS
from contracts.embedded.transaction import Transaction

MAX_BLOCK_BYTES: Final = 4 * 1024 * 1024  # of transactions; EIP-7934 allows 8 MiB for a block


class UnexecutableError(Exception):
    """py-evm raised something else than a verdict while executing `transaction`."""

    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction.hash.hex())
        self.transaction = transaction


@dataclass(frozen=True, slots=True)
class BlockParameters:
    """What the sequencer decides about a block, apart from its transactions."""

    timestamp: int
    gas_limit: int
    fee_recipient: bytes
    parent_beacon_block_root: bytes = ZERO_HASH


def build_block(evm_chain: Any, parent: Any, parameters: BlockParameters, pool: Pool, held: Container[bytes]) -> Block:
    """Build the block after `parent` (py-evm header) from what waits in `pool` and is not in `held`.

    Errors: `UnexecutableError`; the workspace is then to be thrown away.
    """
    header = evm_chain.create_header_from_parent(
        parent,
        timestamp=parameters.timestamp,
        gas_limit=parameters.gas_limit,
        coinbase=parameters.fee_recipient,
        parent_beacon_block_root=parameters.parent_beacon_block_root,
    )
    vm = evm_chain.get_vm(header)
    # EIP-4788 and EIP-2935. py-evm does this when it imports a block, and forgets it when it mines one.
    vm.block_preprocessing(vm.get_block())
    header, transactions, receipts = _execute(vm, header, pool, held)
    filled = vm.set_block_transactions_and_withdrawals(
        vm.get_block(), header, [transaction.evm for transaction in transactions], receipts
    )
    sealed = vm.mine_block(vm.block_postprocessing(filled)).block  # EIP-7685 requests hash, then the state root
    evm_chain.chaindb.persist_block(sealed)
    return Block(sealed.header, tuple(transactions), tuple(receipts))


def _execute(vm: Any, header: Any, pool: Pool, held: Container[bytes]) -> tuple[Any, list[Transaction], list[Any]]:
    transactions: list[Transaction] = []
    receipts: list[Any] = []
    size = 0
    turns = pool.turns({sender: vm.state.get_nonce(sender) for sender in pool.senders()})
    for transaction in turns:
        gas_left = header.gas_limit - header.gas_used
        fits = transaction.gas <= gas_left and size + len(transaction.raw) <= MAX_BLOCK_BYTES
        if transaction.hash in held or not fits or transaction.max_fee < header.base_fee_per_gas:
            turns.skip()
            if gas_left < TRANSACTION_GAS:
                break
            continue
        try:
            receipt, _ = vm.apply_transaction(header, transaction.evm)
        except ValidationError:
            turns.skip()  # its balance was spent by the transactions before it
            continue
        except Exception as error:
            raise UnexecutableError(transaction) from error
        header = vm.add_receipt_to_header(header, receipt)
        transactions.append(transaction)
        receipts.append(receipt)
        size += len(transaction.raw)
    return header, transactions, receipts
