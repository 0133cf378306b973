"""What a header must say given its parent, before any transaction runs. Prague, after the merge."""

from __future__ import annotations

from eth.vm.forks.prague.constants import TARGET_BLOB_GAS_PER_BLOCK

from contracts.reexecution.rules import ChainRules
from contracts.reexecution.verdict import Disagreement, Inexecutable
from ledger.ethereum.header import Header
from ledger.ethereum.keccak import keccak256

ELASTICITY = 2  # EIP-1559
BASE_FEE_CHANGE_DENOMINATOR = 8
NO_OMMERS = keccak256(b"\xc0")


def check_header(parent: Header, header: Header, rules: ChainRules) -> None:
    """Refuse a header that does not continue `parent` under `rules`.

    Errors: `Refused` HEADER_HASH (not the parent's child), `Disagreement`, `Inexecutable` (another fork's
    header).
    """
    where = f"block {header.number}"
    header.require_parent(parent)
    if header.requests_hash is None or header.difficulty != int(rules.sealed):
        raise Inexecutable(f"the header is not of the fork {rules.fork}", where=where)
    if header.ommers_hash != NO_OMMERS:
        raise Disagreement("the block has ommers", where=where)
    if header.gas_used > header.gas_limit:
        raise Disagreement("the block uses more gas than its limit", where=where)
    if rules.base_fee == "eip1559" and header.base_fee_per_gas != next_base_fee(parent):
        raise Disagreement(
            f"the base fee is {header.base_fee_per_gas}, EIP-1559 gives {next_base_fee(parent)}", where=where
        )
    excess = (parent.excess_blob_gas or 0) + (parent.blob_gas_used or 0)
    if header.excess_blob_gas != max(0, excess - int(TARGET_BLOB_GAS_PER_BLOCK)):
        raise Disagreement("the excess blob gas is not what EIP-4844 gives", where=where)


def next_base_fee(parent: Header) -> int | None:
    """The base fee after `parent` in wei per gas (EIP-1559); None where the parent has none."""
    if parent.base_fee_per_gas is None:
        return None
    target = parent.gas_limit // ELASTICITY
    distance = abs(parent.gas_used - target)
    step = parent.base_fee_per_gas * distance // target // BASE_FEE_CHANGE_DENOMINATOR if target else 0
    if parent.gas_used > target:
        return parent.base_fee_per_gas + max(step, 1)
    return parent.base_fee_per_gas - (step if parent.gas_used < target else 0)
