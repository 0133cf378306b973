"""Chains are started once for a whole run; whoever rewrites one takes `own_chains`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chains import Deployed, deployed_on_anvil
from tests.notary.subject import Subject


@pytest.fixture(scope="session")
def chains() -> Iterator[Deployed]:
    """A deployment on three anvil nodes without reorganisations (finality 0), shared: only ever add to it."""
    with deployed_on_anvil() as deployed:
        yield deployed


@pytest.fixture
def own_chains() -> Iterator[Deployed]:
    """A deployment of the test's own, finality 0."""
    with deployed_on_anvil() as deployed:
        yield deployed


@pytest.fixture
def slow_chains() -> Iterator[Deployed]:
    """A deployment of the test's own, where a block is final once two stand above it."""
    with deployed_on_anvil(finality_blocks=2) as deployed:
        for role in deployed.transactors:
            deployed.node(role).request("anvil_mine", "0x2")
        yield deployed


@pytest.fixture
def subject(chains: Deployed, tmp_path: Path) -> Iterator[Subject]:
    """Notary 0 on the shared chains."""
    found = Subject(chains, tmp_path / "notary0")
    yield found
    found.close()


@pytest.fixture
def own_subject(own_chains: Deployed, tmp_path: Path) -> Iterator[Subject]:
    """Notary 0 on chains of the test's own."""
    found = Subject(own_chains, tmp_path / "notary0")
    yield found
    found.close()
