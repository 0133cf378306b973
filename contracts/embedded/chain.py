"""One embedded chain: a data folder, a pool, and one block after another.

The order that keeps promises: a transaction is durable before it is acknowledged; a block is durable before anyone sees
it. If the process dies between the two, the pool goes on where it stopped, and nothing acknowledged is lost. There is
one sequencer and it never goes back, so that every block is final as soon as it exists.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from eth.vm.forks.london.headers import calculate_expected_base_fee_per_gas

from contracts.embedded.archive import Archive, Block, number_key
from contracts.embedded.database import Workspace
from contracts.embedded.folder import ChainFolder, open_folder
from contracts.embedded.genesis import Genesis
from contracts.embedded.pool import Pool
from contracts.embedded.rules import chain_class
from contracts.embedded.sequencer import BlockParameters, UnexecutableError, build_block
from contracts.embedded.transaction import Transaction, decode_transaction
from ledger.errors import Refused

MAX_HELD: Final = 64  # transactions that py-evm cannot execute; beyond, the chain stops rather than search on

logger = logging.getLogger(__name__)


class EmbeddedChain:
    """Safe to share between threads. Reads go to `archive`; `submit` and `mine` share one lock."""

    def __init__(self, folder: ChainFolder, clock: Callable[[], float]) -> None:
        """Use `open_chain`."""
        self._folder = folder
        self._clock = clock
        self._lock = threading.RLock()
        self.genesis = folder.genesis
        self._evm_class = chain_class(folder.genesis.chain_id)
        self._workspace = Workspace(folder.database)
        if folder.is_new:
            self._write_genesis()
        self.archive = Archive(folder.database, folder.genesis.chain_id)
        self._evm_chain = self._evm_class(self._workspace)
        self.tracing = threading.Lock()
        self.traces: OrderedDict[bytes, Any] = OrderedDict()
        self._pool = Pool()
        self._held: set[bytes] = set()
        self.arrived = threading.Condition(self._lock)
        self.mined = threading.Condition(self._lock)
        for arrival, raw in folder.database.pooled():
            self._pool.add(decode_transaction(raw, chain_id=self.chain_id), arrival)

    @property
    def chain_id(self) -> int:
        """EIP-155 id."""
        return self.genesis.chain_id

    def next_base_fee(self) -> int:
        """Wei per gas of the block that would be made now (EIP-1559)."""
        return int(calculate_expected_base_fee_per_gas(self.archive.head))

    def submit(self, raw: bytes) -> bytes:
        """Take a signed transaction; when this returns its hash, the transaction is durable and will be executed.

        Errors: those of `decode_transaction` and `Pool.admit`; `Refused` TX_GAS_LIMIT, TX_BASE_FEE.
        """
        transaction = decode_transaction(raw, chain_id=self.chain_id)
        if transaction.gas > self.genesis.gas_limit:
            raise Refused("TX_GAS_LIMIT", f"exceeds block gas limit: {transaction.gas} > {self.genesis.gas_limit}")
        with self._lock:
            self._check_base_fee(transaction)
            account = self.archive.account(self.archive.head, transaction.sender)
            arrival, replaced = self._pool.admit(transaction, account_nonce=account.nonce, balance=account.balance)
            self._folder.database.keep_transaction(transaction.hash, arrival, raw, instead_of=replaced)
            self._pool.add(transaction, arrival)
            self.arrived.notify_all()
        return transaction.hash

    def waiting(self, digest: bytes) -> Transaction | None:
        """A transaction of the pool."""
        with self._lock:
            return self._pool.get(digest)

    def pending_nonce(self, sender: bytes) -> int:
        """The nonce that the sender's next transaction should carry."""
        with self._lock:
            return self._pool.next_nonce(sender, self.archive.account(self.archive.head, sender).nonce)

    def has_turns(self) -> bool:
        """Whether a block made now could hold a transaction, or would bring one nearer by lowering the base fee."""
        with self._lock:
            return any(transaction.hash not in self._held for transaction in self._turns())

    def mine(self) -> Block:
        """Make one block of everything whose turn it is, possibly of nothing. Durable when this returns."""
        with self._lock:
            block = self._build()
            self._workspace[number_key(block.hash)] = block.number.to_bytes(8, "big")
            mined = [transaction.hash for transaction in block.transactions]
            self._folder.database.commit_block(self._workspace.entries, mined=mined)
            self._workspace.entries.clear()
            for transaction in block.transactions:
                self._pool.remove(transaction)
            self.archive.advance(block)
            self.mined.notify_all()
            return block

    def hold_off(self) -> threading.RLock:
        """A lock for `with`: while it is held no block is made, so that several submissions share one."""
        return self._lock

    def close(self) -> None:
        """Close the folder; the chain object is of no use afterwards."""
        with self._lock:
            self._folder.close()

    def _build(self) -> Block:
        parent = self.archive.head
        parameters = BlockParameters(
            timestamp=max(int(self._clock()), parent.timestamp + 1),
            gas_limit=parent.gas_limit,
            fee_recipient=bytes.fromhex(self.genesis.fee_recipient[2:]),
        )
        while True:
            try:
                return build_block(self._evm_chain, parent, parameters, self._pool, self._held)
            except UnexecutableError as error:
                # Blocks must go on without it. It stays in the pool: a corrected program executes it after a restart.
                logger.exception("transaction %s cannot be executed and is held", error)
                self._held.add(error.transaction.hash)
                self._start_over()
                if len(self._held) > MAX_HELD:
                    raise
            except BaseException:
                self._start_over()
                raise

    def _start_over(self) -> None:
        self._workspace.entries.clear()
        self._evm_chain = self._evm_class(self._workspace)

    def _turns(self) -> Any:
        head = self.archive.head
        return self._pool.turns({sender: self.archive.account(head, sender).nonce for sender in self._pool.senders()})

    def _check_base_fee(self, transaction: Transaction) -> None:
        base_fee = self.next_base_fee()
        if transaction.max_fee < base_fee:
            raise Refused(
                "TX_BASE_FEE",
                f"max fee per gas less than block base fee: maxFeePerGas: {transaction.max_fee}, baseFee: {base_fee}",
            )

    def _write_genesis(self) -> None:
        fields, state = self.genesis.header_fields(), self.genesis.state()
        block_hash = self._evm_class.from_genesis(self._workspace, fields, state).get_canonical_head().hash
        self._workspace[number_key(block_hash)] = bytes(8)
        self._folder.database.commit_block(self._workspace.entries, meta=self._folder.description())
        self._workspace.entries.clear()


def open_chain(path: Path, genesis: Genesis | None = None, *, clock: Callable[[], float] = time.time) -> EmbeddedChain:
    """Open the chain in a folder, creating it from `genesis` where there is none.

    `clock` gives seconds since 1970 UTC. Errors: those of `open_folder`.
    """
    folder = open_folder(path, genesis)
    try:
        return EmbeddedChain(folder, clock)
    except BaseException:
        folder.close()
        raise
