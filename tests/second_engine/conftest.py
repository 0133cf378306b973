"""One process of the second engine for all tests; each begins with a state of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.second_engine.engine import Specification, specification


@pytest.fixture(scope="package")
def other() -> Iterator[Specification]:
    with specification() as engine:
        yield engine
