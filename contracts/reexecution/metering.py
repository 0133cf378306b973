"""How far executing a block may go beyond what the block itself says it used, before it is broken off.

A node, or whoever writes a replay file, chooses both the gas limit and the transactions: without a bound of our own a
loop with 2^60 gas would keep a notary, or a court's laptop, busy for ever. An honest block never meets it, since what
it took is what it states.

May never happen here: a bound that depends on time or on the machine, or that an honest block could meet.
"""

from __future__ import annotations

from typing import Any

from eth.vm import opcode_values as codes
from eth.vm.forks.prague.computation import PragueComputation
from eth.vm.gas_meter import GasMeter, allow_negative_refund_strategy

from contracts.embedded.rules import EmbeddedComputation
from contracts.reexecution.verdict import Disagreement, Inexecutable
from ledger.ethereum.header import Header

MAX_BLOCK_GAS = 2**28  # that a block may say it used: minutes of py-evm; public chains allow about a fifth of it
SPARE_GAS = 2**22  # a false block is executed to its end where that is cheap: what differs can then be shown
# Gas that goes to a nested call under these names is not yet spent: it is counted there.
_HANDED = frozenset({"CALL", "CALLCODE", "DELEGATECALL", "STATICCALL", "CREATE", "CREATE2"})
REFUND_QUOTIENT = 5  # EIP-3529: at most a fifth of what was used comes back, and is not stated


def require_bounded(header: Header) -> None:
    """Refuse a block that says it used more than we execute. Errors: `Inexecutable`."""
    if header.gas_used > MAX_BLOCK_GAS:
        what = f"the block says it used {header.gas_used} gas, and at most {MAX_BLOCK_GAS} are executed again"
        raise Inexecutable(what, where=f"block {header.number}")


class Allowance:
    """What one transaction may take, counted over all its nested calls."""

    def __init__(self, header: Header, used: int, where: str) -> None:
        """`header`: of its block; `used`: what the transactions before it took; `where`: the transaction, for people.

        Errors: `Disagreement` where nothing is left.
        """
        self.gas = (header.gas_used - used) * REFUND_QUOTIENT // (REFUND_QUOTIENT - 1) + SPARE_GAS
        self.where = where
        self.current: Meter | None = None  # the meter that counted last: a new call's gas was taken from it
        if self.gas <= 0:
            raise self.spent()

    def spent(self) -> Disagreement:
        """The error beyond it."""
        return Disagreement("executing the transactions takes more gas than the block states", where=self.where)


class Meter(GasMeter):  # type: ignore[misc]
    """py-evm's gas meter of one call, which also knows the least that may remain in it.

    A call takes the gas of a nested one from its own meter first, and counts nothing while that runs: so what remains
    in all open calls is what remains here and `_around`, which stands still meanwhile. Checked before anything that the
    gas pays for is done: memory is not even allocated.
    """

    def __init__(self, start_gas: int, allowance: Allowance) -> None:
        super().__init__(start_gas, allow_negative_refund_strategy)
        outer, self._allowance = allowance.current, allowance
        self.gas_remaining: int
        self._around: int = 0 if outer is None else outer._around + outer.gas_remaining
        self._floor: int = start_gas - allowance.gas if outer is None else outer._floor
        self._least = max(0, self._floor - self._around)
        allowance.current = self

    def consume_gas(self, amount: int, reason: str) -> None:
        """As py-evm's. Errors: `Disagreement` beyond the allowance."""
        self._allowance.current = self
        left = self.gas_remaining - amount
        if amount >= 0 and left >= self._least:
            self.gas_remaining = left
            return
        super().consume_gas(amount, reason)  # which says what is wrong by the EVM's own rules
        if reason not in _HANDED:
            raise self._allowance.spent()


class MeteredComputation(EmbeddedComputation):
    """The embedded chain's execution of a message, under the allowance that its state holds, where it holds one.

    Operations that are done at once take their gas past the meter. Whatever goes on for ever jumps, and lands on a
    JUMPDEST: that one is py-evm's own, so that the meter sees each time what all of them have left.
    """

    opcodes = EmbeddedComputation.opcodes | {codes.JUMPDEST: PragueComputation.opcodes[codes.JUMPDEST]}

    def _configure_gas_meter(self) -> Any:
        allowance = self.state.allowance
        return super()._configure_gas_meter() if allowance is None else Meter(self.msg.gas, allowance)
