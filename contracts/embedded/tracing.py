"""`prestateTracer`: which accounts and slots each transaction of a block touched, with their values before it.

The block is executed again on its parent's state, in a workspace that is thrown away, with an account database that
notes each account and slot at its first touch. A touch inside a call that reverted counts too: whoever re-executes the
block will need it.
"""

from __future__ import annotations

from typing import Any

from eth.constants import BLANK_ROOT_HASH
from eth.db.account import AccountDB

from contracts.embedded.archive import Archive, Block
from contracts.embedded.database import Workspace
from contracts.embedded.proofs import EMPTY_CODE_HASH
from contracts.embedded.rules import EmbeddedState, EmbeddedVM, chain_class
from contracts.embedded.views import Json, number, text, word


class RecordingAccountDB(AccountDB):  # type: ignore[misc]
    """py-evm's account database, noting what a transaction touches. `start` begins a new transaction."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.start()
        super().__init__(*arguments, **named)

    def start(self) -> None:
        """Forget what was noted."""
        self.accounts: dict[bytes, Any] = {}
        self.slots: dict[bytes, dict[int, int]] = {}

    def _get_account(self, address: bytes, from_journal: bool = True) -> Any:
        account = super()._get_account(address, from_journal)
        self.accounts.setdefault(bytes(address), account)
        return account

    def account_exists(self, address: bytes) -> bool:
        self._get_account(address)
        return bool(super().account_exists(address))

    def get_storage(self, address: bytes, slot: int, from_journal: bool = True) -> int:
        value = super().get_storage(address, slot, from_journal)
        self.slots.setdefault(bytes(address), {}).setdefault(slot, value)
        return int(value)

    def set_storage(self, address: bytes, slot: int, value: int) -> None:
        self.get_storage(address, slot)
        super().set_storage(address, slot, value)


class RecordingState(EmbeddedState):
    """The embedded state over a recording account database."""

    account_db_class = RecordingAccountDB


class RecordingVM(EmbeddedVM):
    """The embedded rules over a recording state."""

    _state_class = RecordingState


def trace_prestate(archive: Archive, chain_id: int, block: Block, parent: Any) -> list[Json]:
    """One `{"txHash", "result"}` for each transaction of `block`; `parent` is py-evm's header of the one before."""
    header = block.header.copy(
        state_root=parent.state_root,
        gas_used=0,
        bloom=0,
        blob_gas_used=0,
        transaction_root=BLANK_ROOT_HASH,
        receipt_root=BLANK_ROOT_HASH,
    )
    recording = chain_class(chain_id).configure(vm_configuration=((0, RecordingVM),))
    vm = recording(Workspace(archive.database)).get_vm(header)
    vm.block_preprocessing(vm.get_block())
    traces = []
    for transaction in block.transactions:
        notes = vm.state._account_db
        notes.start()
        receipt, _ = vm.apply_transaction(header, transaction.evm)
        header = vm.add_receipt_to_header(header, receipt)
        traces.append({"txHash": text(transaction.hash), "result": _prestate(archive, notes)})
    return traces


def _prestate(archive: Archive, notes: RecordingAccountDB) -> Json:
    accounts: Json = {}
    for address, account in sorted(notes.accounts.items()):
        view: Json = {"balance": number(account.balance)}
        if account.nonce:
            view["nonce"] = account.nonce  # geth gives this one as a number
        if account.code_hash != EMPTY_CODE_HASH:
            view["code"] = text(_code(archive, notes, account.code_hash))
        slots = notes.slots.get(address)
        if slots:
            view["storage"] = {word(slot): word(value) for slot, value in sorted(slots.items())}
        accounts[text(address)] = view
    return accounts


def _code(archive: Archive, notes: RecordingAccountDB, code_hash: bytes) -> bytes:
    try:
        return archive.database[code_hash]
    except KeyError:  # deployed earlier in the same block, and not kept since: still in the journal
        return bytes(notes._journaldb[code_hash])
