"""The letters and digits that a synthetic scene carries in its picture.

What happens here: a five by seven dot face for capitals, digits and some signs, and a seven-segment face for the
clock, both as rectangles to be filled. Drawn for this project; no font file is needed on any machine.
"""

from __future__ import annotations

from collections.abc import Iterator

COLUMNS, ROWS = 5, 7

# One glyph: seven rows of five dots, each row a number whose highest of five bits is the leftmost dot.
_DOTS: dict[str, tuple[int, ...]] = {
    "A": (14, 17, 17, 31, 17, 17, 17),
    "B": (30, 17, 17, 30, 17, 17, 30),
    "C": (14, 17, 16, 16, 16, 17, 14),
    "D": (30, 17, 17, 17, 17, 17, 30),
    "E": (31, 16, 16, 30, 16, 16, 31),
    "F": (31, 16, 16, 30, 16, 16, 16),
    "G": (14, 17, 16, 23, 17, 17, 14),
    "H": (17, 17, 17, 31, 17, 17, 17),
    "I": (14, 4, 4, 4, 4, 4, 14),
    "J": (1, 1, 1, 1, 1, 17, 14),
    "K": (17, 18, 20, 24, 20, 18, 17),
    "L": (16, 16, 16, 16, 16, 16, 31),
    "M": (17, 27, 21, 21, 17, 17, 17),
    "N": (17, 25, 21, 21, 19, 17, 17),
    "O": (14, 17, 17, 17, 17, 17, 14),
    "P": (30, 17, 17, 30, 16, 16, 16),
    "Q": (14, 17, 17, 17, 21, 18, 13),
    "R": (30, 17, 17, 30, 20, 18, 17),
    "S": (15, 16, 16, 14, 1, 1, 30),
    "T": (31, 4, 4, 4, 4, 4, 4),
    "U": (17, 17, 17, 17, 17, 17, 14),
    "V": (17, 17, 17, 17, 10, 10, 4),
    "W": (17, 17, 17, 21, 21, 27, 17),
    "X": (17, 17, 10, 4, 10, 17, 17),
    "Y": (17, 17, 10, 4, 4, 4, 4),
    "Z": (31, 1, 2, 4, 8, 16, 31),
    "0": (14, 17, 19, 21, 25, 17, 14),
    "1": (4, 12, 4, 4, 4, 4, 14),
    "2": (14, 17, 1, 6, 8, 16, 31),
    "3": (30, 1, 1, 14, 1, 1, 30),
    "4": (2, 6, 10, 18, 31, 2, 2),
    "5": (31, 16, 30, 1, 1, 17, 14),
    "6": (6, 8, 16, 30, 17, 17, 14),
    "7": (31, 1, 2, 4, 4, 4, 4),
    "8": (14, 17, 17, 14, 17, 17, 14),
    "9": (14, 17, 17, 15, 1, 2, 12),
    "-": (0, 0, 0, 14, 0, 0, 0),
    ".": (0, 0, 0, 0, 0, 4, 4),
    ",": (0, 0, 0, 0, 4, 4, 8),
    ":": (0, 4, 4, 0, 4, 4, 0),
    "/": (1, 1, 2, 4, 8, 16, 16),
    "(": (2, 4, 8, 8, 8, 4, 2),
    ")": (8, 4, 2, 2, 2, 4, 8),
    "#": (10, 10, 31, 10, 31, 10, 10),
    "+": (0, 4, 4, 31, 4, 4, 0),
    " ": (0, 0, 0, 0, 0, 0, 0),
}
_UNKNOWN = (31, 17, 17, 17, 17, 17, 31)

# Segments a (top) to g (middle), clockwise from the top, as bits 0 to 6.
_SEGMENTS = {
    "0": 0b0111111,
    "1": 0b0000110,
    "2": 0b1011011,
    "3": 0b1001111,
    "4": 0b1100110,
    "5": 0b1101101,
    "6": 0b1111101,
    "7": 0b0000111,
    "8": 0b1111111,
    "9": 0b1101111,
}

Rectangle = tuple[int, int, int, int]
"""Left, top, width, height in pixels."""


def text(words: str, left: int, top: int, dot: int) -> Iterator[Rectangle]:
    """The dots of `words`, each `dot` pixels wide. Letters are shown as capitals, unknown signs as a box."""
    for index, sign in enumerate(words.upper()):
        at = left + index * (COLUMNS + 1) * dot
        for row, bits in enumerate(_DOTS.get(sign, _UNKNOWN)):
            for column in range(COLUMNS):
                if bits >> (COLUMNS - 1 - column) & 1:
                    yield at + column * dot, top + row * dot, dot, dot


def text_width(words: str, dot: int) -> int:
    """Pixels from the first to the last dot of `words`."""
    return max(0, len(words) * (COLUMNS + 1) - 1) * dot


def clock(digits: str, left: int, top: int, height: int) -> Iterator[Rectangle]:
    """Digits and colons in seven segments, `height` pixels tall."""
    stroke, width = max(2, height // 8), height // 2
    for sign in digits:
        if sign == ":":
            for third in (1, 2):
                yield left + stroke // 2, top + third * height // 3 - stroke // 2, stroke, stroke
            left += stroke * 3
            continue
        parts = _segment_places(left, top, width, height, stroke)
        yield from (place for bit, place in enumerate(parts) if _SEGMENTS[sign] >> bit & 1)
        left += width + stroke * 2


def _segment_places(left: int, top: int, width: int, height: int, stroke: int) -> tuple[Rectangle, ...]:
    half, right, bottom = height // 2, left + width - stroke, top + height - stroke
    middle = top + half - stroke // 2
    return (
        (left, top, width, stroke),
        (right, top, stroke, half),
        (right, top + half, stroke, height - half),
        (left, bottom, width, stroke),
        (left, top + half, stroke, height - half),
        (left, top, stroke, half),
        (left, middle, width, stroke),
    )
