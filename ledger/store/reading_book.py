"""The readings of a unit's account, as series: what one device measured of one thing, in one quantity and unit.

May never happen here: a series without a bound, or a reading that is left out because it is doubted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ledger.evidence import Code
from ledger.evidence.reading import QUANTITIES
from ledger.store.columns import read_utc, utc_text
from ledger.store.database import Database, driver

MAX_SERIES = 24
MAX_SUBJECTS = 500
MAX_OBSERVED = 256
MAX_READINGS = 10_000
"""Of one series, the newest: a reading a minute for a week."""

# On SQLite's own connection: thousands of rows become plain values at once.
_SERIES = (
    "SELECT e.device, r.subject, r.quantity, r.unit, count(*) FROM reading AS r JOIN evidence AS e USING (digest)"
    " WHERE r.subject IN ({marks}) GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4 LIMIT ?"
)
_OBSERVED = (
    "SELECT e.device, min(r.observed_at), min(r.usable) FROM reading AS r JOIN evidence AS e USING (digest)"
    " LEFT JOIN finding AS f ON f.device = e.device AND f.sequence = e.sequence AND f.code = ?"
    " WHERE r.place = ? AND r.quantity IN ({marks}) AND r.observed_at > ? AND r.observed_at < ?"
    " AND (r.usable OR f.digest IS NOT NULL) GROUP BY e.device ORDER BY 3, 1 LIMIT ?"
)
_READINGS = (
    "SELECT r.observed_at, r.value, r.usable, r.digest, e.entry, e.sequence, e.place"
    " FROM reading AS r JOIN evidence AS e USING (digest)"
    " WHERE r.subject = ? AND r.quantity = ? AND r.unit = ? AND e.device = ?"
    " ORDER BY r.observed_at DESC, e.entry DESC LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class SeriesKey:
    """Whose readings, of what. `subject`: as it was signed. `count`: how many there are."""

    device: str
    subject: str
    quantity: str
    unit: str
    count: int


@dataclass(frozen=True, slots=True)
class StoredReading:
    """One reading: when (UTC), what (as signed), and where it stands. `usable`: False where it is doubted."""

    at: datetime
    value: str
    usable: bool
    digest: bytes
    entry: int
    sequence: int
    place: str | None


@dataclass(frozen=True, slots=True)
class Observed:
    """That a device observed a place, first at a time (UTC). `agrees`: False where another there contradicts it."""

    device: str
    at: datetime
    agrees: bool


class ReadingBook:
    """The readings of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def series_of(self, subjects: Iterable[str]) -> tuple[SeriesKey, ...]:
        """Every series about one of `subjects` (normal identifiers), by device and quantity; at most `MAX_SERIES`."""
        asked = sorted(set(subjects))[:MAX_SUBJECTS]
        query = _SERIES.format(marks=",".join("?" * len(asked)))
        with self._database.reading() as session:
            return tuple(SeriesKey(*row) for row in driver(session).execute(query, (*asked, MAX_SERIES)))

    def observed_at(self, place: str, begins: datetime, ends: datetime) -> tuple[Observed, ...]:
        """Who observed something at a place (as it was signed) between two times (UTC), exclusive.

        At most `MAX_OBSERVED` devices, those that are contradicted first: one answer of each, so that none hides
        another by speaking often. Readings doubted for anything but a disagreement observed nothing, and are left out.
        """
        named = (str(Code.DISAGREEMENT), place, *QUANTITIES, utc_text(begins), utc_text(ends), MAX_OBSERVED)
        query = _OBSERVED.format(marks=",".join("?" * len(QUANTITIES)))  # the index is by place and quantity
        with self._database.reading() as session:
            rows = driver(session).execute(query, named).fetchall()
        return tuple(Observed(device, read_utc(at), bool(usable)) for device, at, usable in rows)

    def readings(self, key: SeriesKey) -> tuple[StoredReading, ...]:
        """The readings of a series by the time they tell of; the newest `MAX_READINGS`."""
        named = (key.subject, key.quantity, key.unit, key.device, MAX_READINGS)
        with self._database.reading() as session:
            rows = driver(session).execute(_READINGS, named).fetchall()
        return tuple(StoredReading(read_utc(at), value, bool(usable), *rest) for at, value, usable, *rest in rows[::-1])
