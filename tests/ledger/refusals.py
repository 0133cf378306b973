"""How a test says "this is refused for that reason, and the honest twin beside it is not"."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger.errors import Problem

VECTORS = Path(__file__).parents[3] / "shared" / "vectors"


@contextmanager
def refused(code: str) -> Iterator[None]:
    """Fail unless the block raises an error of this project with exactly `code`."""
    with pytest.raises(Problem) as caught:
        yield
    assert caught.value.code == code, str(caught.value)
    assert caught.value.what


def public_vectors(relative: str) -> Path:
    """The path of a file among the public vectors; skips the test where they are not beside the project."""
    path = VECTORS / relative
    if not path.exists():
        pytest.skip(f"public test vectors are not here: ../shared/vectors/{relative}")
    return path
