"""One lane of hash locks, for every test here as it was at first.

`Side.do` asks contract and twin, compares their answers, and asserts that a refusal changed nothing in either.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledger.hash_lock import Lock
from tests.contracts.swaps import START, Swaps, opened_lane


@pytest.fixture(scope="session")
def deployed() -> Swaps:
    return opened_lane()


@pytest.fixture
def swaps(deployed: Swaps) -> Iterator[Swaps]:
    """The deployed lane as it was at first, at `START`."""
    sides = (deployed.first, deployed.second)
    points = [side.evm.snapshot() for side in sides]
    for side in sides:
        side.twin = Lock(side.role, deployed.lane)
    deployed.at(START)
    yield deployed
    for side, point in zip(sides, points, strict=True):
        side.evm.revert(point)
