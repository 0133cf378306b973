"""The fields of a statement: read with their types, bounded, each value with one spelling.

Shared by all kinds of statements. May never happen here: a field that is ignored, a default for a field that is
missing, or two texts for one time.
"""

from __future__ import annotations

import re
from collections.abc import Set
from datetime import UTC, datetime
from typing import Final

from ledger.canonical import DIGEST_BYTES, JsonValue
from ledger.errors import BadInput

NO_PREVIOUS: Final = bytes(DIGEST_BYTES)
MAX_TEXT_CHARS = 256
MAX_SEQUENCE = 2**53 - 1

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)


def write_time(moment: datetime) -> str:
    """A time as statements write it: UTC, milliseconds, `Z`. Raises `BadInput` EVIDENCE_FIELD."""
    check_time(moment)
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def check_time(moment: datetime) -> None:
    """A time that `write_time` can write. Raises `BadInput` EVIDENCE_FIELD."""
    if moment.utcoffset() is None or moment.microsecond % 1000:
        raise bad("time", "has no time zone, or fractions of a millisecond")


def read_time(text: str) -> datetime:
    """The UTC time that `write_time` writes so, and no other spelling. Raises `BadInput` EVIDENCE_FIELD."""
    try:
        if not _TIME.fullmatch(text):
            raise ValueError(text)
        return datetime.fromisoformat(text)
    except ValueError:
        raise bad("time", f"{text[:40]!r} is not of the form 2026-03-01T08:00:00.000Z") from None


class Fields:
    """A JSON object whose members are exactly the given ones, read with their types. `BadInput` EVIDENCE_FIELD."""

    def __init__(self, value: JsonValue, path: str, names: Set[str]) -> None:
        if not isinstance(value, dict):
            raise bad(path.rstrip(".") or "statement", "is not an object")
        if value.keys() != names:
            name = min(value.keys() ^ names)
            raise bad(path + ascii(name)[1:-1][:80], "is unknown" if name in value else "is missing")
        self.values, self.path = value, path

    def text(self, name: str) -> str:
        """A string."""
        value = self.values[name]
        if not isinstance(value, str):
            raise bad(self.path + name, "is not a string")
        return value

    def text_or_none(self, name: str) -> str | None:
        """A string, or null."""
        return None if self.values[name] is None else self.text(name)

    def number(self, name: str) -> int:
        """A whole number."""
        value = self.values[name]
        if type(value) is not int:  # a bool is an int to isinstance
            raise bad(self.path + name, "is not a whole number")
        return value

    def digest(self, name: str) -> bytes:
        """32 bytes in lower-case hexadecimal."""
        return self._digest(name, self.text(name))

    def digests(self, name: str) -> tuple[bytes, ...]:
        """A list of such."""
        value = self.values[name]
        if not isinstance(value, list):
            raise bad(self.path + name, "is not a list")
        return tuple(self._digest(f"{name}[{at}]", text) for at, text in enumerate(value))

    def time(self, name: str) -> datetime:
        """A UTC time in milliseconds."""
        try:
            return read_time(self.text(name))
        except BadInput as error:
            raise BadInput(error.code, error.what, where=self.path + name) from None

    def _digest(self, name: str, text: JsonValue) -> bytes:
        try:
            found = bytes.fromhex(text) if isinstance(text, str) else b""
        except ValueError:
            found = b""
        if len(found) != DIGEST_BYTES or found.hex() != text:  # one spelling: no capitals, no spaces
            raise bad(self.path + name, "is not 64 lower-case hexadecimal digits")
        return found


def check_text(name: str, value: str) -> None:
    """1 to 256 printable characters."""
    if not 0 < len(value) <= MAX_TEXT_CHARS or not value.isprintable() or value != value.strip():
        raise bad(name, f"is not 1 to {MAX_TEXT_CHARS} printable characters")


def check_number(name: str, value: int, most: int, *, least: int = 1) -> None:
    """A number from `least` to `most`."""
    if not least <= value <= most:
        raise bad(name, f"is not between {least} and {most}")


def check_digest(name: str, value: bytes) -> None:
    """32 bytes."""
    if len(value) != DIGEST_BYTES:
        raise bad(name, f"does not have {DIGEST_BYTES} bytes")


def check_place_in_chain(device: str, sequence: int, previous: bytes) -> None:
    """What every statement begins with: whose, its number from 1, and the digest of the one before."""
    check_text("device", device)
    check_number("sequence", sequence, MAX_SEQUENCE)
    check_digest("previous", previous)


def bad(field: str, reason: str) -> BadInput:
    """The refusal of one field."""
    return BadInput("EVIDENCE_FIELD", f"The evidence cannot be read: {field} {reason}.", where=field)
