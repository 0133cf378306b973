from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contracts.world import World, deployed_world, in_process_world


@pytest.fixture(scope="module")
def world() -> World:
    """One deployment per module, in this process; tests use ids of their own."""
    return in_process_world()


@pytest.fixture(scope="module")
def served_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The same on three embedded chains behind their RPC, for tests of what a node answers."""
    with deployed_world(tmp_path_factory.mktemp("world")) as deployed:
        yield deployed
