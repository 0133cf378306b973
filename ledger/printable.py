"""Text out of somebody else's bytes, made fit to be shown: nothing in it moves a cursor, colours, or turns a line.

A terminal obeys escape sequences, and every reader obeys the signs that reverse a line's direction: with either, a
file could write over what is said about it. May never happen here: dropping such a sign, so that two texts look alike.
"""

from __future__ import annotations

INSTEAD = "?"  # for each character that is not shown as itself


def printable(text: str, *, lines: bool = False) -> str:
    """The text with `INSTEAD` for what is no printable character (Unicode's); `lines`: line ends are kept."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or (lines and each == "\n") else INSTEAD for each in text)
