"""Reading the chain: headers, blocks, transactions and accounts, up to the durable head and never above it.

Any thread may read without a lock: what is read is immutable, and `advance` moves the head only after the block is
durable. Caches are bounded and belong to one chain.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from eth.db.schema import SchemaV1
from eth.exceptions import TransactionNotFound

from contracts.embedded.database import ChainDatabase
from contracts.embedded.proofs import Account, read_account, slot_value, walk_storage
from contracts.embedded.rules import EmbeddedChainDB, EmbeddedVM
from contracts.embedded.transaction import Transaction, decode_transaction

CACHED_BLOCKS: Final = 256
CACHED_HEADERS: Final = 2048


@dataclass(frozen=True, slots=True)
class Block:
    """A sealed block. `header` and `receipts` are py-evm's; receipts stand in the order of the transactions."""

    header: Any
    transactions: tuple[Transaction, ...]
    receipts: tuple[Any, ...]

    @property
    def number(self) -> int:
        return int(self.header.block_number)

    @property
    def hash(self) -> bytes:
        return bytes(self.header.hash)


def number_key(block_hash: bytes) -> bytes:
    """Where the database keeps a block's number (big-endian).

    py-evm keeps headers under their bare hash, where trie nodes stand too: a state root is not a block's hash.
    """
    return b"pledgetrail:block-number:" + block_hash


@dataclass(frozen=True, slots=True)
class Place:
    """Where a transaction stands."""

    block: Block
    index: int


class Archive:
    """The read side of one chain. A number, hash or place that does not exist is answered None."""

    def __init__(self, database: ChainDatabase, chain_id: int) -> None:
        self.database = database
        self._chain_id = chain_id
        self._chaindb = EmbeddedChainDB(database)
        self._head: Any = self._chaindb.get_canonical_head()
        # Caches per instance, so that they end with it.
        self._header_at = lru_cache(CACHED_HEADERS)(self._load_header)
        self._block_at = lru_cache(CACHED_BLOCKS)(self._load_block)
        self._fresh: dict[int, Block] = {}

    @property
    def head(self) -> Any:
        """py-evm's header of the newest durable block."""
        return self._head

    def advance(self, block: Block) -> None:
        """Make a block that is now durable the head."""
        self._fresh[block.number] = block  # spares the decoding and signer recovery of what was just executed
        self._fresh.pop(block.number - CACHED_BLOCKS, None)
        self._head = block.header

    def header(self, number: int) -> Any | None:
        """py-evm's header of a block."""
        head = self._head
        if number == head.block_number:
            return head
        return self._header_at(number) if 0 <= number < head.block_number else None

    def header_of(self, block_hash: bytes) -> Any | None:
        """py-evm's header of the block with that hash."""
        try:
            number = int.from_bytes(self.database[number_key(block_hash)], "big")
        except KeyError:
            return None
        return self.header(number)

    def block(self, number: int) -> Block | None:
        """The block of that number."""
        header = self.header(number)
        if header is None:
            return None
        return self._fresh.get(number) or self._block_at(number)

    def place(self, digest: bytes) -> Place | None:
        """Where the transaction of that hash was executed."""
        try:
            number, index = self._chaindb.get_transaction_index(digest)
        except TransactionNotFound:
            return None
        block = self.block(number)
        return None if block is None else Place(block, index)

    def account(self, header: Any, address: bytes) -> Account:
        """An account after the block of that header."""
        return read_account(self.database.__getitem__, header.state_root, address)

    def code(self, header: Any, address: bytes) -> bytes:
        """The code of an account after the block of that header."""
        account = self.account(header, address)
        return b"" if account.code_hash == Account().code_hash else self.database[account.code_hash]

    def storage(self, header: Any, address: bytes, slot: int) -> int:
        """A storage slot after the block of that header."""
        account = self.account(header, address)
        return slot_value(walk_storage(self.database.__getitem__, account.storage_root, slot))

    def ancestor_hash(self, number: int) -> bytes:
        """The hash of a canonical block, read without decoding it."""
        return bytes(self.database[SchemaV1.make_block_number_to_hash_lookup_key(number)][1:])

    def _load_header(self, number: int) -> Any:
        return self._chaindb.get_canonical_block_header_by_number(number)

    def _load_block(self, number: int) -> Block:
        header = self._header_at(number) if number != self._head.block_number else self._head
        vm = EmbeddedVM
        evm = self._chaindb.get_block_transactions(header, vm.get_transaction_builder())
        transactions = tuple(decode_transaction(item.encode(), chain_id=self._chain_id) for item in evm)
        return Block(header, transactions, tuple(self._chaindb.get_receipts(header, vm.get_receipt_builder())))
