"""Executing what nobody will store: `eth_call`, and the search for the gas a transaction needs.

Each run has a state of its own over the read-only database, so that runs never see or disturb one another. As in geth,
fees are not charged and the base fee reads as zero, because a caller need not own anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from eth.exceptions import Revert
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.london.transactions import UnsignedDynamicFeeTransaction
from eth.vm.spoof import SpoofTransaction
from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.exceptions import ValidationError

from contracts.embedded.archive import Archive
from contracts.embedded.rules import EmbeddedState, EmbeddedVM, calldata_floor_gas
from ledger.errors import Refused

CALL_GAS_CAP: Final = 50_000_000  # as in geth
MAX_ANCESTORS: Final = 256
ERROR_STRING_SELECTOR: Final = bytes.fromhex("08c379a0")
STIPEND_GAS: Final = 2_300
MAX_ERROR_CHARACTERS: Final = 200
ESTIMATE_TOLERANCE: Final = 0.015  # geth's: where the exact need is a search, this much above it is good enough


@dataclass(frozen=True, slots=True)
class Call:
    """A message from nobody in particular. `to` empty to create; `gas` None: as much as is allowed."""

    sender: bytes
    to: bytes
    value: int
    data: bytes
    gas: int | None = None
    access_list: tuple[tuple[bytes, tuple[int, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run. `error` empty on success; `reverted` tells a REVERT, whose `output` is its data."""

    output: bytes
    error: str
    reverted: bool
    gas_used: int
    gas_needed: int
    """Gas consumed before refunds: no run with less can be the same run."""

    @property
    def message(self) -> str:
        """The failure as geth words it, with the reason where the revert data carries a string."""
        if not self.reverted:
            return self.error
        reason = _revert_reason(self.output)
        return f"execution reverted: {reason}" if reason else "execution reverted"


def run_call(archive: Archive, chain_id: int, header: Any, call: Call) -> Outcome:
    """Execute `call` on the state after the block of `header` (py-evm's), in that block's context.

    Errors: `Refused` TX_INTRINSIC_GAS, CALL_INVALID (the sender does not own the value).
    """
    return _run(archive, chain_id, header, call, min(call.gas or CALL_GAS_CAP, CALL_GAS_CAP))


def estimate_gas(archive: Archive, chain_id: int, header: Any, call: Call) -> int | Outcome:
    """The gas limit with which `call` succeeds as a transaction, floor included; or why it does not.

    Errors: as `run_call`.
    """
    allowance = min(call.gas or CALL_GAS_CAP, int(header.gas_limit))
    floor = calldata_floor_gas(call.data)
    if allowance < floor:
        raise Refused("TX_FLOOR_GAS", f"gas required exceeds allowance ({allowance})")
    first = _run(archive, chain_id, header, call, allowance)
    if first.error:
        return first
    # Most calls need what they used, refunds aside; one that looks at its gas, or hands on 63/64, needs more.
    exact = max(first.gas_needed, floor)
    if exact >= allowance or not _run(archive, chain_id, header, call, exact).error:
        return min(exact, allowance)
    low, generous = exact, (exact + STIPEND_GAS) * 64 // 63
    if generous < allowance:
        if _run(archive, chain_id, header, call, generous).error:
            low = generous
        else:
            allowance = generous
    while low + 1 < allowance and (allowance - low) / allowance > ESTIMATE_TOLERANCE:
        middle = (low + allowance) // 2
        if _run(archive, chain_id, header, call, middle).error:
            low = middle
        else:
            allowance = middle
    return allowance


def _run(archive: Archive, chain_id: int, header: Any, call: Call, gas: int) -> Outcome:
    state = EmbeddedState(archive.database, _context(archive, chain_id, header), header.state_root)
    unsigned = UnsignedDynamicFeeTransaction(
        chain_id, state.get_nonce(call.sender), 0, 0, gas, call.to, call.value, call.data, call.access_list
    )
    if gas < unsigned.intrinsic_gas:
        raise Refused("TX_INTRINSIC_GAS", f"intrinsic gas too low: gas {gas}, minimum needed {unsigned.intrinsic_gas}")
    transaction = SpoofTransaction(unsigned, from_=call.sender)
    try:
        computation = state.apply_transaction(transaction)
    except ValidationError as error:
        raise Refused("CALL_INVALID", f"insufficient funds for transfer: {error}") from error
    failure = computation.error if computation.is_error else None
    used = gas - computation.get_gas_remaining()
    return Outcome(
        output=bytes(computation.output),
        error="" if failure is None else f"{type(failure).__name__}: {failure}"[:MAX_ERROR_CHARACTERS],
        reverted=isinstance(failure, Revert),
        gas_used=EmbeddedVM.finalize_gas_used(transaction, computation),
        gas_needed=used,
    )


def _context(archive: Archive, chain_id: int, header: Any) -> ExecutionContext:
    number = header.block_number
    return ExecutionContext(
        coinbase=header.coinbase,
        timestamp=header.timestamp,
        block_number=number,
        difficulty=header.difficulty,
        mix_hash=header.mix_hash,
        gas_limit=header.gas_limit,
        prev_hashes=(archive.ancestor_hash(n) for n in range(number - 1, max(-1, number - 1 - MAX_ANCESTORS), -1)),
        chain_id=chain_id,
        base_fee_per_gas=0,
        excess_blob_gas=header.excess_blob_gas,
    )


def _revert_reason(output: bytes) -> str:
    if output[:4] != ERROR_STRING_SELECTOR:
        return ""
    try:
        return str(decode(["string"], output[4:])[0])
    except (DecodingError, UnicodeDecodeError, OverflowError):
        return ""
