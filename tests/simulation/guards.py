"""Takes guards out of the production code, so that a test can show what they keep away."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from notary import policy


def nothing(*_: Any, **__: Any) -> None:
    """A guard that was removed."""


def remove(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Rules of the notaries' policy: for whoever asks, and for the other rules."""
    for name in names:
        for module in (policy, sys.modules[getattr(policy, name).__module__]):
            monkeypatch.setattr(module, name, nothing)
