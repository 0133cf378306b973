"""What each step of a swap by hash lock costs, on both chains of the lane.

A second swap of the same parties is measured, so that balances and counters stand; a lock's tokens never run out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial
from typing import Any

from ledger.hash_lock import Secret, Terms
from tests.benchmarks.gas_figures import Spent, Work
from tests.contracts.evm import Outcome
from tests.contracts.swaps import ALICE, BOB, START, Side, Swaps, opened_lane


def works() -> Iterator[Work]:
    """One line per step."""
    for step in sorted(toured()):
        yield Work(step, partial(spent, step), is_ordinary=True, is_quick=True)


def spent(step: str) -> Spent:
    """What the last such step cost."""
    return toured()[step]


@cache
def toured() -> dict[str, Spent]:
    """Gas by step: swaps that end in claims, then one that ends in refunds."""
    swaps, steps = opened_lane(exact=True), dict[str, Spent]()
    for number in (1, 2, 3):
        _swap(swaps, steps, Secret(hashlib.sha256(bytes([number])).digest()), ends_well=number < 3)
    return steps


def _swap(swaps: Swaps, steps: dict[str, Spent], secret: Secret, *, ends_well: bool) -> None:
    terms = replace(swaps.terms(), hashlock=secret.hashlock)
    swaps.at(START)
    _do(steps, swaps.first, "fund", terms, by=terms.initiator.funder)
    _do(steps, swaps.second, "bond", terms, by=terms.responder.receiver)
    _do(steps, swaps.second, "fund", terms, by=terms.responder.funder)
    if ends_well:
        _do(steps, swaps.second, "claim", terms, secret.preimage)
        _do(steps, swaps.first, "claim", terms, secret.preimage)
        _do(steps, swaps.second, "withdraw", ALICE[1])
        _do(steps, swaps.first, "withdraw", BOB[0])
    else:
        swaps.at(max(terms.initiator.refund_time, terms.responder.refund_time))
        _do(steps, swaps.second, "refund", terms)
        _do(steps, swaps.first, "refund", terms)


def _do(steps: dict[str, Spent], side: Side, action: str, terms: Terms | bytes, *arguments: Any, **by: bytes) -> None:
    outcome = side.do(action, terms, *arguments, **by)
    assert isinstance(outcome, Outcome), outcome
    steps[f"{side.lock.interface.name}.{action}"] = Spent(outcome.gas, outcome.gas_frame)
