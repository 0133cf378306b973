"""An EVM in this process for contract tests: deploy, call, send, go back. Nothing to start, nothing to wait for.

    evm = Evm()
    committee = evm.deploy("Committee", *constructor(keys))   # one of `compiler.CONTRACTS`
    probe = evm.deploy(Path(__file__).parent / "Probe.vy")    # or a test's own contract, which may import the modules
    assert committee.call("epoch") == 1
    with pytest.raises(Reverted, match="Committee: below quorum"):
        committee.call("check", 1, digest, b"")

`Evm()` runs on revm and is fast; `Evm(exact=True)` runs on py-evm under the embedded chain's Prague rules, ten to
twenty times slower, and measures gas. Both answer the same (`test_evm.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError

from contracts.binding import DecodedLog, Interface, interface
from contracts.compiler import Artifact, artifact, artifact_at
from ledger.errors import Refused
from ledger.ethereum.tx_receipt import Log
from tests.contracts.engines import GAS_LIMIT, Act, Engine, PyEvm, Ran, Revm

CHAIN_ID: Final = 7102
TIMESTAMP: Final = 1_800_000_000  # seconds
OWNER: Final = b"\x0e" * 20
STRANGER: Final = b"\x5a" * 20
WEI: Final = 10**24  # what these two own

ERROR_STRING: Final = bytes.fromhex("08c379a0")
PANIC: Final = bytes.fromhex("4e487b71")

BASE_GAS: Final = 21_000
ZERO_BYTE_GAS, BYTE_GAS = 4, 16  # EIP-2028
ZERO_BYTE_FLOOR, BYTE_FLOOR = 10, 40  # EIP-7623


class Reverted(Refused):
    """The contract said no. `reason`: its revert string; empty where it gave none (a failed call, out of gas)."""

    def __init__(self, reason: str, *, where: str, output: bytes = b"") -> None:
        super().__init__("CALL_REVERTED", reason, where=where)
        self.reason = reason
        self.output = output

    @classmethod
    def of(cls, output: bytes, *, where: str) -> Reverted:
        """From the data that the call returned."""
        return cls(_reason(output), where=where, output=output)


class NotMeasuredError(AssertionError):
    """Gas was asked of the fast engine."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A transaction that went through. `values` as `Deployed.call` gives them; `logs` of contracts known here."""

    values: Any
    logs: tuple[DecodedLog, ...]
    raw_logs: tuple[Log, ...]
    calldata: bytes
    gas_measured: tuple[int, int] | None
    """Gas before refunds and the refund counter, of a whole transaction."""

    @property
    def gas_frame(self) -> int:
        """Gas of the call frame, from cold, before refunds; intrinsic gas not counted. Exact engine only."""
        if self.gas_measured is None:
            raise NotMeasuredError("gas is measured on Evm(exact=True) only")
        return self.gas_measured[0] - intrinsic_gas(self.calldata)

    @property
    def gas(self) -> int:
        """Gas that the transaction's receipt would state under Prague. Exact engine only."""
        frame = self.gas_frame
        assert self.gas_measured is not None
        return total_gas(self.calldata, frame, refund=self.gas_measured[1])

    def log(self, name: str) -> dict[str, Any]:
        """The fields of the only log of that name."""
        (found,) = [log.fields for log in self.logs if log.name == name]
        return found


def intrinsic_gas(calldata: bytes) -> int:
    """Gas charged before the first instruction of a call (EIP-2028)."""
    zeros = calldata.count(0)
    return BASE_GAS + ZERO_BYTE_GAS * zeros + BYTE_GAS * (len(calldata) - zeros)


def floor_gas(calldata: bytes) -> int:
    """The least that a transaction with this call data costs (EIP-7623)."""
    zeros = calldata.count(0)
    return BASE_GAS + ZERO_BYTE_FLOOR * zeros + BYTE_FLOOR * (len(calldata) - zeros)


def total_gas(calldata: bytes, frame_gas: int, *, refund: int = 0) -> int:
    """Gas that the receipt of a transaction states: call frame, intrinsic gas, at most a fifth refunded, the floor."""
    used = intrinsic_gas(calldata) + frame_gas
    return max(used - min(refund, used // 5), floor_gas(calldata))


class Evm:
    """One chain's state. `time`: block time of what runs next, seconds since 1970; set it freely."""

    def __init__(self, *, chain_id: int = CHAIN_ID, timestamp: int = TIMESTAMP, exact: bool = False) -> None:
        self.chain_id, self.time = chain_id, timestamp
        self.engine: Engine = PyEvm(chain_id) if exact else Revm(chain_id)
        self._deployed: dict[bytes, Deployed] = {}
        for account in (OWNER, STRANGER):
            self.engine.fund(account, WEI)

    def deploy(self, source: str | Path, *arguments: Any, by: bytes = OWNER, value: int = 0) -> Deployed:
        """Compile (or take from the cache) and create. Errors: `Reverted` by the constructor."""
        compiled, found = _compiled(source)
        code = compiled.bytecode + encode(found.constructor, arguments)
        ran = self._checked(self.engine.transact(Act(by, None, code, value), time=self.time, keep=True), compiled.name)
        assert ran.created is not None
        deployed = Deployed(self, found, ran.created)
        self._deployed[ran.created] = deployed
        return deployed

    def at(self, source: str | Path, address: bytes) -> Deployed:
        """A contract that another one created."""
        deployed = self._deployed[address] = Deployed(self, _compiled(source)[1], address)
        return deployed

    def transact(
        self,
        to: bytes,
        calldata: bytes,
        *,
        by: bytes = OWNER,
        value: int = 0,
        gas: int = GAS_LIMIT,
        keep: bool = True,
    ) -> Ran:
        """Raw call data to any address; with `keep` False its effects are thrown away. Errors: `Reverted`."""
        act = Act(by, to, calldata, value, gas)
        return self._checked(self.engine.transact(act, time=self.time, keep=keep), to.hex())

    def decode_logs(self, logs: tuple[Log, ...]) -> tuple[DecodedLog, ...]:
        """The logs of contracts deployed here, in order."""
        known = ((self._deployed.get(log.address), log) for log in logs)
        decoded = (deployed.interface.decode_log(log) for deployed, log in known if deployed is not None)
        return tuple(log for log in decoded if log is not None)

    def snapshot(self) -> tuple[Any, int]:
        """A point to come back to with `revert`, once; `rolled_back` does both."""
        return self.engine.snapshot(), self.time

    def revert(self, point: tuple[Any, int]) -> None:
        """Go back: state and time."""
        self.engine.revert(point[0])
        self.time = point[1]

    @contextmanager
    def rolled_back(self) -> Iterator[None]:
        """What happens inside leaves nothing behind."""
        point = self.snapshot()
        try:
            yield
        finally:
            self.revert(point)

    def balance(self, address: bytes) -> int:
        """Wei."""
        return self.engine.balance(address)

    def fund(self, address: bytes, wei: int) -> None:
        """Set a balance."""
        self.engine.fund(address, wei)

    def fingerprint(self, *contracts: Deployed) -> tuple[object, ...]:
        """Storage and balance of these contracts (of all, if none is named): equal exactly if nothing changed."""
        return tuple(self.engine.fingerprint(contract.address) for contract in contracts or self._deployed.values())

    def _checked(self, ran: Ran, where: str) -> Ran:
        if not ran.succeeded:
            raise Reverted.of(ran.output, where=where)
        return ran


@dataclass(frozen=True, slots=True, eq=False)
class Deployed:
    """A contract on an `Evm`."""

    evm: Evm
    interface: Interface
    address: bytes

    def call(self, function: str, *arguments: Any, by: bytes = OWNER, gas: int = GAS_LIMIT) -> Any:
        """Ask; whatever it would change is thrown away. One result bare, several as a tuple. Errors: `Reverted`."""
        calldata = self.interface.encode_call(function, *arguments)
        ran = self.evm.transact(self.address, calldata, by=by, gas=gas, keep=False)
        return self.interface.decode_result(function, ran.output)

    def send(self, function: str, *arguments: Any, by: bytes = OWNER, value: int = 0, gas: int = GAS_LIMIT) -> Outcome:
        """Send a transaction. Errors: `Reverted`, with nothing changed."""
        calldata = self.interface.encode_call(function, *arguments)
        ran = self.evm.transact(self.address, calldata, by=by, value=value, gas=gas)
        measured = None if ran.gas_used is None or ran.refund is None else (ran.gas_used, ran.refund)
        logs = self.evm.decode_logs(ran.logs)
        return Outcome(self.interface.decode_result(function, ran.output), logs, ran.logs, calldata, measured)

    def storage(self, slot: int) -> int:
        """One storage slot."""
        return self.evm.engine.storage(self.address, slot)


@lru_cache
def _compiled(source: str | Path) -> tuple[Artifact, Interface]:
    compiled = artifact(source) if isinstance(source, str) else artifact_at(source)
    return compiled, interface(compiled)


def _reason(output: bytes) -> str:
    if output[:4] == PANIC:
        return f"panic {int.from_bytes(output[4:], 'big'):#x}"
    if output[:4] != ERROR_STRING:
        return ""
    try:
        return str(decode(["string"], output[4:])[0])
    except (DecodingError, UnicodeDecodeError, OverflowError):
        return ""
