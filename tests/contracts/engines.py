"""Two EVMs in this process, behind one seam: revm, which is fast, and py-evm, which decides.

`Revm` is pyrevm 0.3.7 under its Cancun rules: an old revm that knows no EIP-7623 and keeps what an earlier transaction
touched warm. Results, logs and reverts are the same (`test_evm.py` compares them), its gas is not measured. `PyEvm`
runs the embedded chain's own Prague rules without a chain around them: each transaction starts cold, and its gas is
exact.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Protocol

import pyrevm
from eth.constants import BLANK_ROOT_HASH
from eth.db.atomic import AtomicDB
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.london.transactions import UnsignedDynamicFeeTransaction
from eth.vm.spoof import SpoofTransaction

from contracts.embedded.rules import EmbeddedState
from ledger.ethereum.tx_receipt import Log

GAS_LIMIT: Final = 30_000_000  # per transaction and per block
BLOCK_NUMBER: Final = 5
ZERO: Final = bytes(20)
PADDING: Final = 33  # bytes


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a transaction; `created` for a creation. `gas_used` before refunds, None where not measured."""

    succeeded: bool
    output: bytes
    logs: tuple[Log, ...]
    created: bytes | None
    gas_used: int | None
    refund: int | None


@dataclass(frozen=True, slots=True)
class Act:
    """A transaction: `to` None creates; `gas` limits the whole of it, intrinsic gas included."""

    sender: bytes
    to: bytes | None
    data: bytes
    value: int = 0
    gas: int = GAS_LIMIT


class Engine(Protocol):
    """An EVM with a state. A transaction that fails changes nothing."""

    def transact(self, act: Act, *, time: int, keep: bool) -> Ran:
        """Run one transaction at a block time; with `keep` False its effects are thrown away."""
        ...

    def snapshot(self) -> Any:
        """A point to come back to, any number of times; coming back to an earlier point ends the later ones."""
        ...

    def revert(self, point: Any) -> None:
        """Go back."""
        ...

    def balance(self, address: bytes) -> int:
        """Wei."""
        ...

    def fund(self, address: bytes, wei: int) -> None:
        """Set a balance."""
        ...

    def set_code(self, address: bytes, code: bytes) -> None:
        """Put other code at an address, as no transaction could. On revm this stays after a `revert`."""
        ...

    def storage(self, address: bytes, slot: int) -> int:
        """One storage slot."""
        ...

    def code(self, address: bytes) -> bytes:
        """The runtime code of an account."""
        ...

    def fingerprint(self, address: bytes) -> object:
        """Equal before and after, exactly if no slot of the account and not its balance has changed."""
        ...


class PyEvm:
    """py-evm under the embedded chain's rules, with exact gas."""

    def __init__(self, chain_id: int) -> None:
        self._chain_id = chain_id
        self._database = AtomicDB()
        self._state = self._open(BLANK_ROOT_HASH, 0)

    def transact(self, act: Act, *, time: int, keep: bool) -> Ran:
        state = self._state
        if state.timestamp != time:
            state = self._state = self._open(self.snapshot(), time)
        state.lock_changes()  # from here on nothing is warm
        before, nonce = state.snapshot(), state.get_nonce(act.sender)
        unsigned = UnsignedDynamicFeeTransaction(
            self._chain_id, nonce, 0, 0, act.gas, act.to or b"", act.value, act.data, ()
        )
        computation = state.apply_transaction(SpoofTransaction(unsigned, from_=act.sender))
        ran = Ran(
            succeeded=not computation.is_error,
            output=bytes(computation.output),
            logs=tuple(
                Log(bytes(address), tuple(topic.to_bytes(32, "big") for topic in topics), bytes(logged))
                for address, topics, logged in computation.get_log_entries()
            ),
            created=bytes(computation.msg.storage_address) if act.to is None else None,
            gas_used=act.gas - int(computation.get_gas_remaining()),
            refund=int(computation.get_gas_refund()),
        )
        if ran.succeeded and keep:
            if act.to is not None:
                state.set_nonce(act.sender, nonce)  # as in revm, so that both engines create at the same addresses
        else:
            state.revert(before)
        return ran

    def snapshot(self) -> bytes:
        self._state.lock_changes()
        root = bytes(self._state.make_state_root())
        self._state.persist()
        return root

    def revert(self, point: bytes) -> None:
        self._state = self._open(point, self._state.timestamp)

    def balance(self, address: bytes) -> int:
        return int(self._state.get_balance(address))

    def fund(self, address: bytes, wei: int) -> None:
        self._state.set_balance(address, wei)

    def set_code(self, address: bytes, code: bytes) -> None:
        self._state.set_code(address, code)

    def storage(self, address: bytes, slot: int) -> int:
        return int(self._state.get_storage(address, slot))

    def code(self, address: bytes) -> bytes:
        return bytes(self._state.get_code(address))

    def fingerprint(self, address: bytes) -> object:
        self.snapshot()
        return bytes(self._state._account_db._get_storage_root(address)), self.balance(address)

    def _open(self, root: bytes, time: int) -> Any:
        return EmbeddedState(self._database, self._context(time), root)

    def _context(self, time: int) -> ExecutionContext:
        return ExecutionContext(
            coinbase=ZERO,
            timestamp=time,
            block_number=BLOCK_NUMBER,
            difficulty=0,
            mix_hash=bytes(32),
            gas_limit=GAS_LIMIT,
            prev_hashes=(),
            chain_id=self._chain_id,
            base_fee_per_gas=0,
            excess_blob_gas=0,
        )


_OUTPUT = re.compile(r"output: 0x([0-9a-f]*)")
_ACCOUNT = re.compile(r"0x([0-9a-f]{40}): Account \{.*?storage: \{(.*?)\}, status:", re.DOTALL)
_SLOT = re.compile(r"(\d+): StorageSlot \{ previous_or_original_value: \d+, present_value: (\d+) \}")


class Revm:
    """pyrevm: ten to twenty times faster, gas not measured."""

    def __init__(self, chain_id: int) -> None:
        environment = pyrevm.Env(cfg=pyrevm.CfgEnv(chain_id=chain_id), block=self._block(0))
        self._evm = pyrevm.EVM(spec_id="CANCUN", env=environment, gas_limit=GAS_LIMIT)

    def transact(self, act: Act, *, time: int, keep: bool) -> Ran:
        self._evm.set_block_env(self._block(time))
        self._evm.reset_transient_storage()
        before = None if keep else self._evm.snapshot()
        try:
            return self._run(act)
        except RuntimeError as failure:
            # pyrevm says a revert in words: `Revert { gas_used: 1, output: 0x }`; a halt has no output.
            if self._evm.result is None or self._evm.result.is_success:
                raise
            found = _OUTPUT.search(str(failure))
            return Ran(False, bytes.fromhex(found[1]) if found else b"", (), None, None, None)
        finally:
            if before is not None:
                self._evm.revert(before)

    def _run(self, act: Act) -> Ran:
        created, output, sender = None, b"", _text(act.sender)
        if act.to is None:
            created = bytes.fromhex(self._evm.deploy(sender, act.data, act.value, act.gas)[2:])
        else:
            output = self._evm.message_call(sender, _text(act.to), calldata=act.data, value=act.value, gas=act.gas)
        assert self._evm.result is not None
        logs = tuple(
            Log(bytes.fromhex(log.address[2:]), tuple(bytes(topic) for topic in log.data[0]), bytes(log.data[1]))
            for log in self._evm.result.logs
        )
        return Ran(True, bytes(output), logs, created, None, None)

    def snapshot(self) -> Any:
        return self._evm.snapshot()

    def revert(self, point: Any) -> None:
        self._evm.revert(point)

    def balance(self, address: bytes) -> int:
        return self._evm.get_balance(_text(address))

    def fund(self, address: bytes, wei: int) -> None:
        self._evm.set_balance(_text(address), wei)

    def set_code(self, address: bytes, code: bytes) -> None:
        wei = self.balance(address)
        self._evm.insert_account_info(_text(address), pyrevm.AccountInfo(nonce=1, code=code))
        self.fund(address, wei)

    def storage(self, address: bytes, slot: int) -> int:
        return self._evm.storage(_text(address), slot)

    def code(self, address: bytes) -> bytes:
        # revm pads code for its analysis.
        return (self._evm.get_code(_text(address)) or b"")[:-PADDING]

    def fingerprint(self, address: bytes) -> object:
        # The whole state stands in the journal, which pyrevm can only print.
        for found, storage in _ACCOUNT.findall(self._evm.journal_str):
            if found == address.hex():
                slots = {int(slot): int(value) for slot, value in _SLOT.findall(storage) if value != "0"}
                return tuple(sorted(slots.items())), self.balance(address)
        return (), self.balance(address)

    @staticmethod
    def _block(time: int) -> pyrevm.BlockEnv:
        return pyrevm.BlockEnv(number=BLOCK_NUMBER, timestamp=time, gas_limit=GAS_LIMIT, coinbase=_text(ZERO))


def _text(address: bytes) -> str:
    return "0x" + address.hex()
