from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contracts.gateway_bed import Bed
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


@pytest.fixture(scope="session")
def laid_bed() -> Bed:
    """A gateway with one open lane, as every test of the gateway finds it."""
    return Bed.lay()


@pytest.fixture
def bed(laid_bed: Bed) -> Iterator[Bed]:
    """The same gateway for every test: what one does leaves nothing behind."""
    with laid_bed.evm.rolled_back():
        yield laid_bed


@pytest.fixture(scope="session")
def laid_watched_bed() -> Bed:
    """A gateway whose peer is observed: under policy relay by sealed headers, under certified by others."""
    return Bed.lay(is_watched=True)


@pytest.fixture
def watched_bed(laid_watched_bed: Bed) -> Iterator[Bed]:
    """As `bed`, with the observers."""
    with laid_watched_bed.evm.rolled_back():
        yield laid_watched_bed
