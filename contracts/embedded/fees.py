"""`eth_feeHistory`: what recent blocks cost. Bounded in blocks and percentiles, as in geth."""

from __future__ import annotations

from typing import Any, Final

from eth.vm.forks.london.headers import calculate_expected_base_fee_per_gas

from contracts.embedded.archive import Block
from contracts.embedded.chain import EmbeddedChain
from contracts.embedded.methods import header_for
from contracts.embedded.parameters import SERVER_ERROR, RpcError, block_reference, invalid, quantity
from contracts.embedded.views import Json, number

MAX_BLOCKS: Final = 1024
MAX_PERCENTILES: Final = 100
BLOB_BASE_FEE_WEI: Final = 1  # EIP-4844's minimum: no block here carries blobs


def fee_history(chain: EmbeddedChain, count: Any, newest: Any, percentiles: Any = None) -> Json:
    """Base fees (one more than blocks), use of gas, and priority fees at the percentiles of gas asked for."""
    wanted = min(count if type(count) is int and count >= 0 else quantity(count, "block count", bits=64), MAX_BLOCKS)
    shares = _percentiles(percentiles)
    last = header_for(chain, block_reference(newest))
    if last is None:
        raise RpcError(SERVER_ERROR, "request beyond head block")
    first = max(0, last.block_number - wanted + 1)
    blocks = [chain.archive.block(n) for n in range(first, last.block_number + 1)] if wanted else []
    sealed = [block for block in blocks if block is not None]
    base_fees = [block.header.base_fee_per_gas for block in sealed]
    if sealed:
        base_fees.append(calculate_expected_base_fee_per_gas(sealed[-1].header))
    view: Json = {
        "oldestBlock": number(first),
        "baseFeePerGas": [number(fee) for fee in base_fees],
        "gasUsedRatio": [block.header.gas_used / block.header.gas_limit for block in sealed],
        "baseFeePerBlobGas": [number(BLOB_BASE_FEE_WEI) for _ in base_fees],
        "blobGasUsedRatio": [0 for _ in sealed],
    }
    return view | {"reward": [_rewards(block, shares) for block in sealed]} if shares else view


def _percentiles(value: Any) -> list[float]:
    shares = [] if value is None else value
    if not isinstance(shares, list) or len(shares) > MAX_PERCENTILES:
        raise invalid(f"reward percentiles must be a list of at most {MAX_PERCENTILES} numbers")
    for before, share in zip([0, *shares], shares, strict=False):
        if type(share) not in (int, float) or not before <= share <= 100:
            raise invalid("reward percentiles must be numbers from 0 to 100 in ascending order")
    return shares


def _rewards(block: Block, shares: list[float]) -> list[str]:
    base_fee = block.header.base_fee_per_gas
    paid, before = [], 0
    for transaction, receipt in zip(block.transactions, block.receipts, strict=True):
        paid.append((transaction.price_at(base_fee) - base_fee, receipt.gas_used - before))
        before = receipt.gas_used
    paid.sort()
    rewards = []
    for share in shares:
        threshold, seen, reward = block.header.gas_used * share / 100, 0, 0
        for reward, gas in paid:  # noqa: B007 - the reward at which the threshold is reached is the answer
            seen += gas
            if seen >= threshold:
                break
        rewards.append(number(reward))
    return rewards
