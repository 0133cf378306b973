"""Fewer points for a small picture, never so that the highest or the lowest of any part of it is gone. Values only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

COLUMNS = 160


@dataclass(frozen=True, slots=True)
class Point:
    """A value at a time (UTC), for drawing: what was measured exactly stands in the reading."""

    at: datetime
    value: float


def thinned(points: Sequence[Point], columns: int = COLUMNS) -> tuple[Point, ...]:
    """At most four points of each of `columns` equal stretches of time: its first, least, greatest and last, in order.

    `points`: in the order of time. So a value outside any limits stays, or one further outside beside it.
    """
    if len(points) <= columns:
        return tuple(points)
    begins = points[0].at
    length = (points[-1].at - begins).total_seconds() or 1.0
    kept: dict[int, Point] = {}
    column: list[tuple[int, Point]] = []
    current = 0

    def keep() -> None:
        least, greatest = (choose(column, key=lambda each: each[1].value) for choose in (min, max))
        kept.update((column[0], least, greatest, column[-1]))

    for number, point in enumerate(points):
        place = min(columns - 1, int((point.at - begins).total_seconds() / length * columns))
        if place != current and column:
            keep()
            column = []
        current = place
        column.append((number, point))
    keep()
    return tuple(kept[number] for number in sorted(kept))
