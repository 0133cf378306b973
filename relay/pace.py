"""How often a log is published."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """When a checkpoint is due: `entries` wait, or one of them has waited for `seconds`."""

    seconds: float = 600.0
    entries: int = 10_000
