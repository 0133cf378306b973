from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contracts.world import World, deployed_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One deployment per module; tests use ids of their own."""
    with deployed_world(tmp_path_factory.mktemp("world")) as deployed:
        yield deployed
