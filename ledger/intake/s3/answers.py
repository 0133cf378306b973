"""What an S3 store answers in XML, read as what it is: the word of a stranger.

What happens here: a small document becomes elements with their texts; namespaces are left aside, since stores differ in
them. What may never happen here: a document type (and with it entities), a tree deeper or larger than any true answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

MAX_ANSWER_BYTES: Final = 4 * 1024**2  # 1,000 keys of a listing, each of at most 1 KiB, three times escaped
_MAX_DEPTH = 8
_MAX_ELEMENTS = 20_000


@dataclass(slots=True)
class Element:
    """One element: its name without namespace, its own text without blanks around it, and the elements inside."""

    name: str
    text: str = ""
    inside: list[Element] = field(default_factory=list)

    def all(self, name: str) -> Iterator[Element]:
        """The elements of this name directly inside."""
        return (each for each in self.inside if each.name == name)

    def said(self, name: str) -> str:
        """The text of the first element of this name directly inside; empty where there is none."""
        return next((each.text for each in self.all(name)), "")


def read_answer(raw: bytes) -> Element:
    """The root of an answer. ValueError, with what is wrong, for whatever no store would honestly say."""
    if len(raw) > MAX_ANSWER_BYTES:
        raise ValueError("it is too long")
    reader = _Reader()
    try:
        reader.parser.Parse(raw, True)
    except expat.ExpatError as error:
        raise ValueError("it is no XML") from error
    return reader.top.inside[0]


def error_code(raw: bytes) -> str:
    """The code of an error, such as NoSuchKey; empty where the answer names none."""
    try:
        root = read_answer(raw)
    except ValueError:
        return ""
    code = root.said("Code") if root.name == "Error" else ""
    return code if code.isalnum() and code.isascii() and len(code) <= 64 else ""


class _Reader:
    def __init__(self) -> None:
        self.parser = expat.ParserCreate(namespace_separator="}")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.top = Element("")
        self._open, self._count = [self.top], 0

    def _doctype(self, *_: object) -> None:
        raise ValueError("it declares a document type")

    def _start(self, name: str, _: object) -> None:
        self._count += 1
        if len(self._open) > _MAX_DEPTH or self._count > _MAX_ELEMENTS:
            raise ValueError("it is too deep or has too many elements")
        element = Element(name.rpartition("}")[2])
        self._open[-1].inside.append(element)
        self._open.append(element)

    def _end(self, _: str) -> None:
        closed = self._open.pop()
        closed.text = closed.text.strip()

    def _text(self, text: str) -> None:
        self._open[-1].text += text
