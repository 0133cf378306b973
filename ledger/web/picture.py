"""A series of readings as a small picture: values in, the geometry of an SVG out. The page says the same in words.

May never happen here: a value outside its limits that is drawn like the others, or markup: numbers alone leave here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ledger.history import ReadingSeries
from ledger.history.readings import Why
from ledger.history.thinning import Point

WIDTH: Final = 320
HEIGHT: Final = 88
MARGIN: Final = 6
STEPPED: Final = frozenset({"count", "meter"})  # what stays until it changes


@dataclass(frozen=True, slots=True)
class Band:
    """An upright or level stretch of the picture, in its units."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Picture:
    """`line`, `outside`, `doubted`: path data; the last two are dots. `limits`: heights at which a limit is drawn.

    `allowed`: between the limits, as far as it is in the picture. `silent`: where nothing was heard. `newest`: x and y.
    """

    line: str
    outside: str
    doubted: str
    limits: tuple[float, ...]
    allowed: Band | None
    silent: tuple[Band, ...]
    newest: tuple[float, float]
    width: int = WIDTH
    height: int = HEIGHT


@dataclass(frozen=True, slots=True)
class _Scale:
    begins: datetime
    seconds: float
    low: float
    span: float

    def x(self, at: datetime) -> float:
        part = (at - self.begins).total_seconds() / self.seconds
        return round(MARGIN + (WIDTH - 2 * MARGIN) * min(1.0, max(0.0, part)), 1)

    def y(self, value: float) -> float:
        part = (value - self.low) / self.span
        return round(HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * min(1.0, max(0.0, part)), 1)


def picture_of(series: ReadingSeries) -> Picture:
    """The picture of a series. A limit far from every value is left out: it would press them into one line."""
    values = [point.value for point in series.points]
    low, high = min(values), max(values)
    span = (high - low) or max(abs(high) * 0.1, 1.0)
    known = () if series.limits is None else (float(series.limits.least), float(series.limits.most))
    near = [limit for limit in known if low - span <= limit <= high + span]
    low, high = min([low, *near]), max([high, *near])
    if high == low:
        low, high = low - span / 2, high + span / 2
    seconds = (series.ends - series.begins).total_seconds() or 1.0
    scale = _Scale(series.begins, seconds, low, high - low)
    last = series.points[-1]
    doubted = [Point(each.reading.at, float(each.reading.value)) for each in series.told if Why.DOUBTED in each.why]
    return Picture(
        line=_line(series, scale),
        outside=_dots((point for point in series.points if known and not known[0] <= point.value <= known[1]), scale),
        doubted=_dots(doubted, scale),
        limits=tuple(scale.y(limit) for limit in near),
        allowed=_allowed(known, scale) if near else None,
        silent=tuple(_silent(each.begins, each.ends, scale) for each in series.silent),
        newest=(scale.x(last.at), scale.y(last.value)),
    )


def _line(series: ReadingSeries, scale: _Scale) -> str:
    """Broken where the device was silent: nobody knows what was so in between."""
    drawn: list[str] = []
    ends = {silent.ends for silent in series.silent}
    for point in series.points:
        x, y = scale.x(point.at), scale.y(point.value)
        if not drawn or point.at in ends:
            drawn.append(f"M{x:g} {y:g}")
        else:
            drawn.append(f"H{x:g}V{y:g}" if series.quantity in STEPPED else f"L{x:g} {y:g}")
    return "".join(drawn)


def _dots(points: Iterable[Point], scale: _Scale) -> str:
    """Lines of no length, which round caps make dots of."""
    return "".join(f"M{scale.x(point.at):g} {scale.y(point.value):g}h0" for point in points)


def _allowed(limits: tuple[float, ...], scale: _Scale) -> Band:
    top, bottom = scale.y(limits[1]), scale.y(limits[0])
    return Band(MARGIN, top, WIDTH - 2 * MARGIN, round(bottom - top, 1))


def _silent(begins: datetime, ends: datetime, scale: _Scale) -> Band:
    left, right = scale.x(begins), scale.x(ends)
    return Band(left, MARGIN, round(max(right - left, 1.0), 1), HEIGHT - 2 * MARGIN)
