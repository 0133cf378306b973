from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contracts.world import World, deployed_world
from tests.simulator.network import Network


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One deployment for all tests of the relay; each reads it from its own first block."""
    with deployed_world(tmp_path_factory.mktemp("world")) as deployed:
        yield deployed


@pytest.fixture
def network(world: World) -> Network:
    """Fresh faults and notaries over the shared chains."""
    return Network(world)
