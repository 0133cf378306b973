"""What sensors measured of a unit or its lots, for people: a picture of each series, and what stands out by itself.

Positions are told as how far something moved, never as where it was: this account is public. May never happen here: a
value outside its limits that thinning hides, a doubted reading without its doubt, or a series without a bound.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from ledger.evidence import Code, Terms
from ledger.evidence.expected import POSITION, distance_m
from ledger.evidence.fields import read_time
from ledger.evidence.terms import Limits
from ledger.history.place_names import place_name
from ledger.history.thinning import Point, thinned
from ledger.standing import Standing, Witnesses
from ledger.store import Entry, Ledger, Name, StoredFinding
from ledger.store.reading_book import MAX_READINGS, MAX_SERIES, SeriesKey, StoredReading

MAX_TOLD = 12  # readings that stand out, named one by one; the others are counted
MAX_SILENCES = 16
METRES = "MTR"


class Why(StrEnum):
    """Why a reading is named by itself."""

    FIRST = "first"
    NEWEST = "newest"
    LEAST = "least"
    GREATEST = "greatest"
    OUTSIDE = "outside"  # its limits, as they are agreed now
    DOUBTED = "doubted"  # a finding of the log is about it
    NOT_LOGGED = "not_logged"  # what is stored is not what was logged


@dataclass(frozen=True, slots=True)
class ToldReading:
    """A reading that stands out. `codes`: the findings about it. `reading.value`: as it was signed."""

    reading: StoredReading
    why: tuple[Why, ...]
    codes: tuple[Code, ...]


@dataclass(frozen=True, slots=True)
class Silent:
    """A stretch of time (UTC) in which the device should have spoken, or said that it lost something."""

    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class ReadingSeries:
    """What one device measured of one thing. Times UTC; `place` is None where it has no public name, or several.

    `unit`: UN/CEFACT code; of a position metres from where it began (`is_distance`), and then none is told by itself.
    `points`: thinned for a picture. `limits`: as agreed now. `outside`, `doubted`: how many readings.
    `findings`: how many of each code are about these readings or silences among them. `standing`: the least witnessed
    one's. `is_whole`: False where there are older readings than are shown.
    """

    device: str
    device_label: str
    subject: str
    quantity: str
    unit: str
    place: Name | None
    count: int
    begins: datetime
    ends: datetime
    points: tuple[Point, ...]
    told: tuple[ToldReading, ...]
    limits: Limits | None
    outside: int
    doubted: int
    silent: tuple[Silent, ...]
    findings: Mapping[Code, int]
    standing: Standing
    is_distance: bool
    is_whole: bool

    def told_as(self, why: Why) -> ToldReading | None:
        """The first reading that is told for this reason."""
        return next((each for each in self.told if why in each.why), None)


def series_of(ledger: Ledger, subjects: Iterable[str], vouching: Witnesses) -> tuple[tuple[ReadingSeries, ...], bool]:
    """The series about any of `subjects` (normal identifiers), and whether that is all of them."""
    keys = ledger.readings.series_of(dict.fromkeys(subjects))
    return tuple(_series(ledger, key, vouching) for key in keys), len(keys) < MAX_SERIES


def _series(ledger: Ledger, key: SeriesKey, vouching: Witnesses) -> ReadingSeries:
    readings = ledger.readings.readings(key)
    device, terms, _ = ledger.evidence.known(key.device)
    stored = ledger.evidence.findings(key.device)
    about, silent = _findings(stored, readings), _silent(stored, readings)
    limits = _limits(terms, key.quantity)
    is_distance = key.quantity == POSITION
    told = () if is_distance else _told(ledger, readings, limits, about)
    places = {reading.place for reading in readings}
    place = places.pop() if len(places) == 1 else None
    codes = Counter(code for each in about.values() for code in each)
    if silent:
        codes[Code.SILENCE] = len(silent)
    return ReadingSeries(
        device=key.device,
        device_label=device.label,
        subject=key.subject,
        quantity=key.quantity,
        unit=METRES if is_distance else key.unit,
        place=None if place is None else place_name(ledger, place),
        count=key.count,
        begins=readings[0].at,
        ends=readings[-1].at,
        points=thinned(_points(readings, is_distance=is_distance)),
        told=told,
        limits=None if is_distance else limits,
        outside=0 if is_distance else sum(_is_outside(reading, limits) for reading in readings),
        doubted=sum(not reading.usable for reading in readings),
        silent=silent[:MAX_SILENCES],
        findings=dict(codes),
        standing=vouching.standing(max(reading.entry for reading in readings)),
        is_distance=is_distance,
        is_whole=key.count <= MAX_READINGS,
    )


def _points(readings: Sequence[StoredReading], *, is_distance: bool) -> list[Point]:
    if not is_distance:
        return [Point(reading.at, float(reading.value)) for reading in readings]
    began = _position(readings[0].value)
    return [Point(reading.at, distance_m(began, _position(reading.value))) for reading in readings]


def _position(value: str) -> tuple[float, float]:
    latitude, _, longitude = value.partition(",")
    return float(latitude), float(longitude)


def _findings(stored: Iterable[StoredFinding], readings: Iterable[StoredReading]) -> dict[int, tuple[Code, ...]]:
    """The codes of the findings about these readings, by the device's number."""
    numbers = {reading.sequence for reading in readings}
    found: dict[int, list[Code]] = defaultdict(list)
    for each in stored:
        if each.finding.sequence is not None and each.finding.sequence in numbers:
            found[each.finding.sequence].append(each.finding.code)
    return {number: tuple(codes) for number, codes in found.items()}


def _silent(stored: Iterable[StoredFinding], readings: Sequence[StoredReading]) -> tuple[Silent, ...]:
    """The silences between the first reading and the last, the oldest first; each until it was heard again."""
    found = []
    times = [reading.at for reading in readings]
    for each in stored:
        if each.finding.code is Code.SILENCE:
            since = read_time(each.finding.facts["since"])
            again = bisect_right(times, since)
            if 0 < again < len(times):
                found.append(Silent(since, times[again]))
    return tuple(sorted(found, key=lambda silent: silent.begins))


def _told(
    ledger: Ledger, readings: Sequence[StoredReading], limits: Limits | None, about: Mapping[int, tuple[Code, ...]]
) -> tuple[ToldReading, ...]:
    """What stands out, in the order of time: at most `MAX_TOLD` beyond the four that always do."""
    whole = range(len(readings))
    values = [Decimal(reading.value) for reading in readings]
    always = {
        Why.FIRST: 0,
        Why.LEAST: min(whole, key=values.__getitem__),
        Why.GREATEST: max(whole, key=values.__getitem__),
        Why.NEWEST: len(readings) - 1,
    }
    wrong = [n for n in whole if _is_outside(readings[n], limits) or readings[n].sequence in about]
    numbers = sorted({*always.values(), *wrong[-MAX_TOLD:]})  # the newest that are wrong, where there are more
    logged = ledger.log.entries(readings[number].entry for number in numbers)
    told = []
    for number in numbers:
        reading = readings[number]
        codes, entry = about.get(reading.sequence, ()), logged.get(reading.entry)
        reasons = {
            **{why: number == place for why, place in always.items()},
            Why.OUTSIDE: _is_outside(reading, limits),
            Why.DOUBTED: bool(codes) or not reading.usable,
            Why.NOT_LOGGED: not _stands(ledger, reading, entry),
        }
        told.append(ToldReading(reading, tuple(why for why, holds in reasons.items() if holds), codes))
    return tuple(told)


def _stands(ledger: Ledger, reading: StoredReading, entry: Entry | None) -> bool:
    """Whether what is stored is what its log entry was made over."""
    held = ledger.evidence.held(reading.digest)
    return entry is not None and held is not None and entry.holds(held.evidence.signed.envelope())


def _limits(terms: Terms | None, quantity: str) -> Limits | None:
    return None if terms is None else terms.limits.get(quantity)


def _is_outside(reading: StoredReading, limits: Limits | None) -> bool:
    return limits is not None and not limits.least <= Decimal(reading.value) <= limits.most
