"""What a check finds, and how it tells how far it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

FROM_A_COPY = "Restore the folder from a copy, and compare the log with what the notaries cosigned."


class Severity(StrEnum):
    """Only `DAMAGE` makes the exit status 1."""

    DAMAGE = "damage"
    NOTE = "note"  # nothing of ours is harmed


@dataclass(frozen=True, slots=True)
class Found:
    """One finding. `code` is stable; `thing` names the object: a file, page, row, entry or tile."""

    code: str
    thing: str
    what: str
    cure: str = FROM_A_COPY
    severity: Severity = Severity.DAMAGE


UNREADABLE = (sqlite3.Error, UnicodeDecodeError)
"""What reading a damaged database raises; the second where SQLite's own message quotes damaged text."""

Progress = Callable[[str, int, int], None]
"""Told what is looked at, how much of it is done, and how much there is; units are the check's own."""
