"""The account database that py-evm executes on: reads come proven from a `Witness`, writes stay in a
journal.

Nothing here touches a trie or a disk. Every first read asks the witness, so that what the execution depends
on is exactly what was proven. A read that cannot be proven is remembered in `failure`, because the EVM
swallows errors in places (EIP-7702 authorizations): after each transaction the caller must look there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from eth.abc import AccountDatabaseAPI
from eth.db.journal import get_next_checkpoint
from eth_utils.exceptions import ValidationError

from contracts.reexecution.witness import Witness
from ledger.errors import Problem
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.trie import EMPTY_CODE_HASH, Account

_ABSENT = object()
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """An account while it is executed on; its storage stands elsewhere."""

    nonce: int = 0
    balance: int = 0
    code_hash: bytes = EMPTY_CODE_HASH


@dataclass(frozen=True, slots=True)
class Change:
    """What the block made of one account: None where it is gone. `wiped`: its earlier storage counts no
    more.
    """

    after: Entry | None
    slots: dict[int, int]
    wiped: bool


class ProvenAccounts(AccountDatabaseAPI):  # type: ignore[misc]
    """py-evm's `AccountDatabaseAPI` over a witness. One block, one thread."""

    def __init__(self, witness: Witness) -> None:
        self.failure: Problem | None = None
        self._witness = witness
        self._entries: dict[bytes, Entry | None] = {}
        self._slots: dict[tuple[bytes, int, int], int] = {}  # address, generation, slot
        self._generations: dict[bytes, int] = {}  # how often an address's storage was wiped
        self._codes: dict[bytes, bytes] = {}
        self._warm: dict[Any, bool] = {}
        self._at_start: dict[tuple[bytes, int], int] = {}  # values at the start of the transaction, EIP-2200
        self._generations_at_start: dict[bytes, int] = {}
        self._undo: list[tuple[dict[Any, Any], Any, Any]] = []
        self._marks: dict[int, int] = {}

    # Storage

    def get_storage(self, address: bytes, slot: int, from_journal: bool = True) -> int:
        """The slot's value now, or with `from_journal` false at the start of the transaction."""
        now = self._generations.get(address, 0)
        if from_journal:
            return self._stored(address, now, slot)
        if (address, slot) in self._at_start:
            return self._at_start[address, slot]
        return self._stored(address, self._generations_at_start.get(address, now), slot)

    def set_storage(self, address: bytes, slot: int, value: int) -> None:
        """Set a slot; 0 clears it."""
        self._at_start.setdefault((address, slot), self.get_storage(address, slot, from_journal=False))
        self._write(self._slots, (address, self._generations.get(address, 0), slot), value)

    def delete_storage(self, address: bytes) -> None:
        """Forget all slots of an account."""
        generation = self._generations.get(address, 0)
        self._generations_at_start.setdefault(address, generation)
        self._write(self._generations, address, generation + 1)

    def _stored(self, address: bytes, generation: int, slot: int) -> int:
        value = self._slots.get((address, generation, slot))
        if value is not None:
            return value
        before = self._ask(self._witness.slot, address, slot)  # asked even if wiped: its way is needed for the root
        return 0 if generation else before

    def is_storage_warm(self, address: bytes, slot: int) -> bool:
        return (address, slot) in self._warm

    def mark_storage_warm(self, address: bytes, slot: int) -> None:
        self._warm_up((address, slot))

    # Accounts

    def get_balance(self, address: bytes) -> int:
        return self._entry(address).balance

    def set_balance(self, address: bytes, balance: int) -> None:
        if not 0 <= balance < 2**256:
            raise ValidationError("a balance leaves 256 bits")
        self._change(address, balance=balance)

    def get_nonce(self, address: bytes) -> int:
        return self._entry(address).nonce

    def set_nonce(self, address: bytes, nonce: int) -> None:
        if not 0 <= nonce < 2**64:
            raise ValidationError("a nonce leaves 64 bits")
        self._change(address, nonce=nonce)

    def increment_nonce(self, address: bytes) -> None:
        self.set_nonce(address, self.get_nonce(address) + 1)

    def set_code(self, address: bytes, code: bytes) -> None:
        code_hash = keccak256(code)
        self._codes[code_hash] = code
        self._change(address, code_hash=code_hash)

    def get_code(self, address: bytes) -> bytes:
        code_hash = self._entry(address).code_hash
        if code_hash in self._codes:
            return self._codes[code_hash]
        return self._ask(self._witness.code, address, code_hash)

    def get_code_hash(self, address: bytes) -> bytes:
        return self._entry(address).code_hash

    def delete_code(self, address: bytes) -> None:
        self._change(address, code_hash=EMPTY_CODE_HASH)

    def account_has_code_or_nonce(self, address: bytes) -> bool:
        entry = self._entry(address)
        return entry.nonce != 0 or entry.code_hash != EMPTY_CODE_HASH

    def delete_account(self, address: bytes) -> None:
        self.delete_storage(address)
        self._found(address)
        self._write(self._entries, address, None)

    def account_exists(self, address: bytes) -> bool:
        return self._found(address) is not None

    def touch_account(self, address: bytes) -> None:
        self._change(address)

    def account_is_empty(self, address: bytes) -> bool:
        return self._entry(address) == Entry()

    def is_address_warm(self, address: bytes) -> bool:
        return address in self._warm

    def mark_address_warm(self, address: bytes) -> None:
        self._warm_up(address)

    # Checkpoints

    def record(self) -> int:
        """A point to come back to."""
        checkpoint = int(get_next_checkpoint())  # shared with the transient storage, which refuses a number twice
        self._marks[checkpoint] = len(self._undo)
        return checkpoint

    def discard(self, checkpoint: int) -> None:
        """Come back to it."""
        mark = self._marks.pop(checkpoint)
        while len(self._undo) > mark:
            table, key, old = self._undo.pop()
            if old is _ABSENT:
                del table[key]
            else:
                table[key] = old

    def commit(self, checkpoint: int) -> None:
        """Keep what was done since; an earlier point can still undo it."""
        del self._marks[checkpoint]

    def lock_changes(self) -> None:
        """A new transaction begins: what was written is now what it starts from, and nothing is warm."""
        self._undo.clear()
        self._marks.clear()
        self._at_start.clear()
        self._generations_at_start.clear()
        self._warm.clear()

    # What py-evm's state also asks of an account database, and which has no meaning without a trie

    @property
    def state_root(self) -> bytes:
        """Constant: roots are computed once, at the end, elsewhere."""
        return self._witness.root

    @state_root.setter
    def state_root(self, value: bytes) -> None:
        pass

    def has_root(self, state_root: bytes) -> bool:
        return state_root == self._witness.root

    def make_state_root(self) -> bytes:
        return self._witness.root

    def persist(self) -> Any:
        raise NotImplementedError("a re-execution persists nothing")

    # The outcome

    def changes(self) -> dict[bytes, Change]:
        """Every account that was written to, as it stands now."""
        slots: dict[bytes, dict[int, int]] = {address: {} for address in (*self._entries, *self._generations)}
        for (address, generation, slot), value in self._slots.items():
            if generation == self._generations.get(address, 0):
                slots.setdefault(address, {})[slot] = value
        return {
            address: Change(self._found(address), values, self._generations.get(address, 0) > 0)
            for address, values in slots.items()
        }

    def _entry(self, address: bytes) -> Entry:
        return self._found(address) or Entry()

    def _found(self, address: bytes) -> Entry | None:
        if address in self._entries:
            return self._entries[address]
        account: Account | None = self._ask(self._witness.account, address)
        return None if account is None else Entry(account.nonce, account.balance, account.code_hash)

    def _change(self, address: bytes, **fields: Any) -> None:
        self._write(self._entries, address, replace(self._entry(address), **fields))

    def _warm_up(self, key: Any) -> None:
        if key not in self._warm:
            self._write(self._warm, key, True)

    def _write(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        self._undo.append((table, key, table.get(key, _ABSENT)))
        table[key] = value

    def _ask(self, question: Callable[..., T], *subject: Any) -> T:
        try:
            return question(*subject)
        except Problem as error:
            self.failure = self.failure or error
            raise
