"""Every ordinary transaction: deployment, an anchor carried, a loan from consent to release; 3 of 4 notaries sign.

The gas of a function is that of its last successful call in the tour, where slots that are written over and over are
no longer new.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cache, partial
from unittest.mock import patch

from contracts.manifest import Role
from ledger.ethereum.keccak import keccak256
from tests.benchmarks.gas_figures import Spent, Work
from tests.benchmarks.gas_scene import node
from tests.contracts import test_collateral
from tests.contracts.inprocess import receipt_gas
from tests.contracts.test_collateral import open_loan, settle
from tests.contracts.world import LENDER, World, in_process_world


def works() -> Iterator[Work]:
    """One line per function that the tour calls, in alphabetical order. Runs the tour."""
    for function in sorted(toured()):
        yield Work(function, partial(spent, function), is_ordinary=True, is_quick=True)


def spent(function: str) -> Spent:
    """What the last call of `Contract.function` cost."""
    return toured()[function]


@cache
def toured() -> dict[str, Spent]:
    """Gas by `Contract.function`."""
    world = in_process_world(exact=True)
    # A zero byte of call data is cheaper than another, so the ids must be the same whoever drew some before.
    with patch.object(test_collateral, "NUMBERS", itertools.count(1)):
        _anchors(world)
        for _ in range(2):
            _loan(world)
    return {function: cost for role in Role for function, cost in _called(world, role).items()}


def _anchors(world: World) -> None:
    for size in (10, 20):
        world.send(Role.ORIGIN, "AnchorRegistry", "anchor", size, keccak256(bytes([size])))
        mirror = world.address(Role.DESTINATION, "AnchorMirror")
        latest = (mirror, size, keccak256(bytes([size])))
        carried = world.send(Role.ORIGIN, "AnchorRegistry", "carry", *latest)
        (anchor,) = world.sent(Role.ORIGIN, carried)
        world.close(anchor, world.commit(anchor), outcome=b"mirrored")


def _loan(world: World) -> None:
    opened = open_loan(world)
    settle(world, opened.to_goods)
    settle(world, opened.to_receipt)
    repaid = world.send(Role.DESTINATION, "PledgeRegistry", "repay", opened.loan, by=LENDER)
    for release in world.sent(Role.DESTINATION, repaid):
        settle(world, release)


def _called(world: World, role: Role) -> dict[str, Spent]:
    names = {}
    for name, address in world.manifest.chain(role).contracts.items():
        for function, (selector, _, _) in world.contract(role, name).interface.functions.items():
            names[address, selector] = f"{name}.{function}"
    calls = ((names.get((sent.to, sent.data[:4])), receipt_gas(sent, ran)) for sent, ran in node(world, role).sent)
    return {function: Spent(*cost) for function, cost in calls if function is not None}
