"""Two devices that watch one place and measure the same quantity should agree. Values in, findings out.

What is compared is agreed in a device's terms (`Terms.watches`): the quantity, how far values may lie apart, and within
what time. Which of the two is wrong nobody here can know, so that neither decides anything. May never happen here: a
clock, a table, or a comparison of what is doubted for another reason.

A device is at a place where its terms say so; any other only claims it. Whoever holds the key of one device could else
take the word of every other out of the reckoning. So a mere claim casts doubt on itself, and on no device that was put
there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from ledger.evidence.expected import POSITION, distance_m, position_of
from ledger.evidence.findings import Code, DeviceFinding
from ledger.evidence.reading import ReadingStatement
from ledger.evidence.terms import Terms, Watch

MAX_NEIGHBOURS: Final = 16  # devices that one reading is compared with


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A reading of another device at the same place. `digest`: of its statement. `doubted`: it disagreed before.

    `placed`: its terms say that it is at this place.
    """

    reading: ReadingStatement
    digest: bytes
    placed: bool
    doubted: bool = False


def disagreements(
    reading: ReadingStatement, digest: bytes, terms: Terms | None, beside: Iterable[Neighbour], *, found_at: datetime
) -> tuple[DeviceFinding, ...]:
    """Findings about both devices wherever a reading (with its `digest`) and a neighbour's lie too far apart; about
    one of them where only the other was put there.

    Of each other device the reading nearest in time counts, if it is near enough. A neighbour that is doubted gets no
    second finding. `found_at`: UTC, by the receiver's clock.
    """
    watch = None if terms is None else terms.watches.get(reading.quantity)
    if terms is None or watch is None or reading.place is None:
        return ()
    placed = terms.place == reading.place
    found: list[DeviceFinding] = []
    for other in _nearest(reading, watch, beside)[:MAX_NEIGHBOURS]:
        apart = _apart(reading, other.reading)
        if apart > watch.tolerance:
            if other.placed or not placed:
                found.append(_finding(reading, digest, other.reading, other.digest, apart, watch, found_at))
            if (placed or not other.placed) and not other.doubted:
                found.append(_finding(other.reading, other.digest, reading, digest, apart, watch, found_at))
    return tuple(found)


def _nearest(reading: ReadingStatement, watch: Watch, beside: Iterable[Neighbour]) -> list[Neighbour]:
    """The comparable reading of each other device that is nearest in time: those put there first, then by name."""

    def away(other: Neighbour) -> float:
        return abs((other.reading.observed_at - reading.observed_at).total_seconds())

    nearest: dict[str, Neighbour] = {}
    for other in sorted(beside, key=away):
        said = other.reading
        alike = (said.place, said.quantity, said.unit) == (reading.place, reading.quantity, reading.unit)
        if alike and said.device != reading.device and away(other) <= watch.within_seconds:
            nearest.setdefault(said.device, other)
    return [nearest[name] for name in sorted(nearest, key=lambda name: (not nearest[name].placed, name))]


def _apart(one: ReadingStatement, other: ReadingStatement) -> Decimal:
    """How far two values lie apart: in their unit, positions in metres."""
    if one.quantity != POSITION:
        return abs(Decimal(one.value) - Decimal(other.value))
    here, there = position_of(one), position_of(other)
    assert here is not None and there is not None
    return Decimal(round(distance_m(here, there)))


def _finding(
    about: ReadingStatement,
    digest: bytes,
    other: ReadingStatement,
    other_digest: bytes,
    apart: Decimal,
    watch: Watch,
    found_at: datetime,
) -> DeviceFinding:
    facts = {
        "statement": digest.hex(),
        "stated": about.value,
        "unit": about.unit,
        "beside": other.device,
        "beside_stated": other.value,
        "beside_statement": other_digest.hex(),
        "apart": str(apart),
        "tolerance": str(watch.tolerance),
        "within_seconds": str(watch.within_seconds),
    }
    what = f"Another device at the same place measures another {about.quantity}: one of the two is wrong."
    return DeviceFinding(Code.DISAGREEMENT, about.device, about.sequence, what, found_at, facts)
