"""One told story for each kind of chain, shared by all tests that only read it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contracts.reexecution.chains import Chain, anvil, embedded
from tests.contracts.reexecution.story import tell


@dataclass(frozen=True)
class Told:
    """A chain and the numbers of its story's blocks."""

    chain: Chain
    blocks: dict[str, int]


@pytest.fixture(scope="session", params=["anvil", "embedded"])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    folder: Path = tmp_path_factory.mktemp("chain")
    with anvil() if request.param == "anvil" else embedded(folder) as chain:
        yield Told(chain, tell(chain))
