"""What a statement is held against: the device's terms, its cadence, and what was said before. Values in, findings out.

May never happen here: a clock, a table, or a finding about a device that has no terms for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from ledger.evidence.findings import Code
from ledger.evidence.gap import GapStatement
from ledger.evidence.reading import ReadingStatement
from ledger.evidence.segment import SegmentStatement
from ledger.evidence.statement import Statement
from ledger.evidence.terms import Terms

POSITION: Final = "position"
DEFAULT_SPEED_KMH = 150
NEARBY_METRES = 500  # what satellites and clocks may be wrong by
EARTH_METRES = 6_371_000


@dataclass(frozen=True, slots=True)
class Silence:
    """A stretch of time (UTC) in which a device that always speaks said nothing. `begins`: when it was last heard."""

    begins: datetime
    ends: datetime


def against_terms(statement: Statement, terms: Terms | None) -> Iterator[tuple[Code, str, dict[str, str]]]:
    """What of a statement goes beyond the device's terms: code, sentence, facts."""
    if terms is None or isinstance(statement, GapStatement):
        return
    if terms.place and statement.place is not None and statement.place != terms.place:
        told = {"stated": statement.place, "agreed": terms.place}
        yield Code.OUT_OF_PLACE, "It speaks from another place than was agreed for this device.", told
    if isinstance(statement, SegmentStatement):
        if terms.steps and statement.step not in terms.steps:
            told = {"stated": statement.step, "agreed": ", ".join(terms.steps)[:256]}
            yield Code.UNEXPECTED_STEP, "It speaks of a step that was not agreed for this device.", told
    elif statement.quantity in terms.limits and statement.quantity != POSITION:
        limits = terms.limits[statement.quantity]
        if not limits.least <= Decimal(statement.value) <= limits.most:
            told = {"stated": statement.value, "unit": statement.unit, "least": str(limits.least)}
            yield Code.IMPOSSIBLE_VALUE, "No such value is plausible here.", told | {"most": str(limits.most)}


def against_earlier(
    statement: Statement, earlier: Statement | None, terms: Terms | None
) -> Iterator[tuple[Code, str, dict[str, str]]]:
    """What of a statement cannot be true where the device's statement before it is: code, sentence, facts."""
    here, there = position_of(statement), position_of(earlier)
    if here is None or there is None or earlier is None:
        return
    speed = DEFAULT_SPEED_KMH if terms is None else terms.speed_kmh
    metres, seconds = distance_m(here, there), abs((statement.begins - earlier.ends).total_seconds())
    if metres > NEARBY_METRES + seconds * speed / 3.6:
        told = {"metres": str(round(metres)), "seconds": str(round(seconds)), "speed_kmh": str(speed)}
        yield Code.IMPOSSIBLE_TRAVEL, "It is further from its last position than it can have travelled.", told
        yield Code.CLONED_KEY, "Its key speaks from two places: more than one device holds it.", told


def position_of(statement: Statement | None) -> tuple[float, float] | None:
    """Latitude and longitude (degrees) of a reading that is a position."""
    if not isinstance(statement, ReadingStatement) or statement.quantity != POSITION:
        return None
    latitude, _, longitude = statement.value.partition(",")
    return float(latitude), float(longitude)


def distance_m(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Metres along the surface between two points (degrees), on a sphere: half a per cent is near enough here."""
    (south, west), (north, east) = (tuple(map(math.radians, point)) for point in (one, other))
    half = math.sin((north - south) / 2) ** 2 + math.cos(south) * math.cos(north) * math.sin((east - west) / 2) ** 2
    return 2 * EARTH_METRES * math.asin(min(1.0, math.sqrt(half)))


def silences(
    terms: Terms, spoken: Iterable[tuple[datetime, datetime]], *, begins: datetime, ends: datetime
) -> tuple[Silence, ...]:
    """The silences of a device from `begins` to `ends` (UTC), in order; none where its terms set no cadence.

    `spoken`: from when until when each of its statements with a trusted time speaks, in any order. A device that never
    spoke is silent for the whole time: that is what proves absence.
    """
    if not terms.every_seconds or ends <= begins:
        return ()
    found, heard = [], begins
    for since, until in sorted(spoken):
        if since >= ends:
            break
        if since - heard > terms.every:
            found.append(Silence(heard, since))
        heard = max(heard, until)
    if ends - heard > terms.every:
        found.append(Silence(heard, ends))
    return tuple(found)
