"""What depends on nothing but its arguments is worked out once in a run, and not by everybody who looks at it: who
signed a digest, and what a message's id is. That is half of a run's time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from unittest.mock import patch

from ledger import quorum
from ledger.proposal import Message
from ledger.secp256k1 import recover


@contextmanager
def remembered() -> Iterator[None]:
    """Inside, a question that was asked before has the answer that was given."""
    identity = property(lru_cache(maxsize=1024)(vars(Message)["id"].fget))
    known = lru_cache(maxsize=4096)(recover)
    with patch.object(quorum, "recover", known), patch.object(Message, "id", identity):
        yield
