"""Reading a map of a bundle's body, field by field and with its type: nothing is ignored, nothing has a default."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ledger.bundle.cbor import Cbor
from ledger.errors import BadInput

_T = TypeVar("_T")


class Fields:
    """A map whose keys are exactly the given ones, read with their types; it may name the optional ones or not.

    Every method raises `BadInput` BUNDLE_FIELD.
    """

    def __init__(self, value: Cbor, path: str, names: tuple[str, ...], optional: tuple[str, ...] = ()) -> None:
        if not isinstance(value, dict) or (value.keys() - optional if optional else value.keys()) != set(names):
            raise _bad(path.rstrip(".") or "body", f"is not a map of {', '.join(names)}")
        self.values, self._path = value, path

    def text(self, name: str, most: int) -> str:
        """A printable text of at most `most` characters."""
        value = self.values[name]
        if not isinstance(value, str) or not 0 < len(value) <= most or not value.isprintable():
            raise _bad(self._path + name, f"is not a printable text of 1 to {most} characters")
        return value

    def data(self, name: str, length: int | None = None) -> bytes:
        """A byte string."""
        return item(length)(self.values[name], self._path + name)

    def number(self, name: str) -> int:
        """A whole number."""
        value = self.values[name]
        if type(value) is not int:  # a bool is an int to isinstance
            raise _bad(self._path + name, "is not a whole number")
        return value

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self.values[name]
        if not isinstance(value, bool):
            raise _bad(self._path + name, "is neither true nor false")
        return value

    def some(self, name: str, read: Callable[[Cbor, str], _T], most: int) -> tuple[_T, ...]:
        """An optional list: left out, or one with something in it, so that there is one form of none."""
        found = self.each(name, read, most) if name in self.values else ()
        if name in self.values and not found:
            raise _bad(self._path + name, "is empty, and left out then")
        return found

    def each(self, name: str, read: Callable[[Cbor, str], _T], most: int) -> tuple[_T, ...]:
        """A list of at most `most` of what `read` reads."""
        value = self.values[name]
        if not isinstance(value, list) or len(value) > most:
            raise _bad(self._path + name, f"is not a list of at most {most}")
        return tuple(read(item, f"{self._path}{name}[{place}].") for place, item in enumerate(value))

    def strings(self, name: str, most: int, length: int | None = None) -> tuple[bytes, ...]:
        """A list of at most `most` byte strings, each of `length` bytes where that is given."""
        value = self.values[name]
        if isinstance(value, list) and len(value) <= most:
            found = tuple([each for each in value if isinstance(each, bytes) and (not length or len(each) == length)])
            if len(found) == len(value):
                return found
        return self.each(name, item(length), most)  # says which of them is wrong


def item(length: int | None = None) -> Callable[[Cbor, str], bytes]:
    """A reader of a byte string, of `length` bytes where that is given. `BadInput` BUNDLE_FIELD."""

    def read(value: Cbor, where: str) -> bytes:
        if not isinstance(value, bytes) or (length is not None and len(value) != length):
            raise _bad(where.rstrip("."), "is not a byte string" + (f" of {length} bytes" if length else ""))
        return value

    return read


def _bad(field: str, reason: str) -> BadInput:
    return BadInput("BUNDLE_FIELD", f"The bundle cannot be read: {field} {reason}.", where=field)
