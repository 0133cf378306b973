"""The scan book: how often the page of one unit was opened from its code, for the clone warning.

It counts and keeps two times. May never happen here: an address, a device or a place of a reader.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ledger.store.database import Database
from ledger.store.tables import ScanRow


@dataclass(frozen=True, slots=True)
class Scans:
    """Scans of one unit so far."""

    times: int
    first_at: datetime
    last_at: datetime


class ScanBook:
    """The scans of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self, unit: str, at: datetime) -> Scans:
        """Count one scan of a unit (normal identifier) and return all so far, this one included."""
        with self._database.writing() as session:
            row = session.get(ScanRow, unit) or ScanRow(unit=unit, times=0, first_at=at, last_at=at)
            row.times, row.last_at = row.times + 1, at
            session.add(row)
            return Scans(row.times, row.first_at, row.last_at)

    def of(self, unit: str) -> Scans | None:
        """The scans of a unit so far; None before the first."""
        with self._database.reading() as session:
            row = session.get(ScanRow, unit)
        return None if row is None else Scans(row.times, row.first_at, row.last_at)
