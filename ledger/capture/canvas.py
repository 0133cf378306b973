"""A picture as three planes of bytes (Y, U, V), on which rectangles and ellipses are filled.

What happens here: whole rows are replaced by slices, which is fast enough in plain Python. Shapes are clipped to the
picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

from ledger.capture.glyphs import Rectangle


@dataclass(frozen=True, slots=True)
class Colour:
    """Luma 16 to 235, chroma 16 to 240 with 128 as neutral (ITU-R BT.601)."""

    y: int
    u: int = 128
    v: int = 128


class Canvas:
    """`width` x `height` pixels; chroma at half size each way unless `full_chroma`."""

    def __init__(self, width: int, height: int, *, full_chroma: bool = False) -> None:
        self.width, self.height = width, height
        self._shrink = 1 if full_chroma else 2
        chroma = (-(-width // self._shrink)) * (-(-height // self._shrink))
        self._planes = bytearray(width * height), bytearray(b"\x80" * chroma), bytearray(b"\x80" * chroma)

    def copy(self) -> Self:
        """A picture of its own with the same content."""
        twin = object.__new__(type(self))
        twin.width, twin.height, twin._shrink = self.width, self.height, self._shrink
        twin._planes = bytearray(self._planes[0]), bytearray(self._planes[1]), bytearray(self._planes[2])
        return twin

    def planes(self) -> tuple[bytes, bytes, bytes]:
        """Y, U and V, row by row without padding."""
        return bytes(self._planes[0]), bytes(self._planes[1]), bytes(self._planes[2])

    def fill(self, place: Rectangle, colour: Colour) -> None:
        """Fill a rectangle."""
        left, top, width, height = place
        for line in range(max(0, top), min(self.height, top + height)):
            self._line(line, left, left + width, colour)

    def ellipse(self, place: Rectangle, colour: Colour) -> None:
        """Fill the ellipse inside a rectangle."""
        left, top, width, height = place
        for line in range(max(0, top), min(self.height, top + height)):
            away = 2 * (line - top + 0.5) / height - 1
            half = math.sqrt(max(0.0, 1 - away * away)) * width / 2
            self._line(line, round(left + width / 2 - half), round(left + width / 2 + half), colour)

    def _line(self, line: int, start: int, end: int, colour: Colour) -> None:
        start, end = max(0, start), min(self.width, end)
        if start >= end:
            return
        row = line * self.width
        self._planes[0][row + start : row + end] = bytes([colour.y]) * (end - start)
        shrink = self._shrink
        if line % shrink:
            return
        row, start, end = line // shrink * -(-self.width // shrink), start // shrink, -(-end // shrink)
        for plane, value in ((self._planes[1], colour.u), (self._planes[2], colour.v)):
            plane[row + start : row + end] = bytes([value]) * (end - start)
