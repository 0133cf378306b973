"""Who signed what is worked out once in a run, and not by everybody who looks at it: that is much of a run's time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from unittest.mock import patch

from ledger import quorum
from ledger.secp256k1 import recover


@contextmanager
def remembered() -> Iterator[None]:
    """Inside, recovering the signer of a digest again gives the answer known. It depends on nothing else."""
    with patch.object(quorum, "recover", lru_cache(maxsize=4096)(recover)):
        yield
