"""`Fields`: one JSON object being read, member by member. What nobody asked for is an extension, or refused.

The reader of a type asks for the members the standard gives it; `extensions()` then takes the namespaced rest and
refuses any bare word left over, so that a misspelt `bizstep` never vanishes silently.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import TypeVar

from ledger.canonical import JsonValue
from ledger.epcis.context import Context, expand
from ledger.epcis.limits import MAX_LIST_ENTRIES
from ledger.epcis.problems import at, bad_field, missing, over_limit
from ledger.epcis.vocabulary import Vocabulary, word
from ledger.errors import BadInput
from ledger.gs1 import Identifier, is_uri, parse

T = TypeVar("T")

_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,9}))?(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Extension:
    """A member the standard does not define, kept as it came. `name` as written, `uri` its full meaning."""

    name: str
    uri: str
    value: JsonValue = field(hash=False)


class Fields:
    """A JSON object at `pointer`, whose members are read by name. Every refusal names the member's pointer."""

    def __init__(self, value: JsonValue, pointer: str, context: Context) -> None:
        if not isinstance(value, dict):
            raise bad_field(pointer, f"an object is needed here, not {kind_of(value)}")
        self.pointer = pointer
        self.context = context
        self._value = value
        self._read: set[str] = set()

    def at(self, name: str) -> str:
        """The pointer of member `name`."""
        return at(self.pointer, name)

    def has(self, name: str) -> bool:
        """Whether the member is there; asking does not read it."""
        return name in self._value

    def take(self, name: str) -> JsonValue:
        """The member's raw value, required."""
        if name not in self._value:
            raise missing(self.pointer, name)
        self._read.add(name)
        return self._value[name]

    def text(self, name: str) -> str:
        """A required string."""
        value = self.take(name)
        if not isinstance(value, str):
            raise bad_field(self.at(name), f"a text is needed here, not {kind_of(value)}")
        return value

    def uri(self, name: str) -> str:
        """A required absolute URI."""
        return require_uri(self.text(name), self.at(name))

    def identifier(self, name: str) -> Identifier:
        """A required identifier."""
        return read_identifier(self.text(name), self.at(name))

    def time(self, name: str) -> datetime:
        """A required time with its offset."""
        return read_time(self.text(name), self.at(name))

    def word(self, name: str, vocabulary: Vocabulary) -> str:
        """A required word of `vocabulary`."""
        return word(self.text(name), vocabulary, self.at(name))

    def number(self, name: str) -> Decimal:
        """A required number, exactly as its shortest decimal form says (true and false are no numbers)."""
        value = self.take(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise bad_field(self.at(name), f"a number is needed here, not {kind_of(value)}")
        return Decimal(repr(value))

    def boolean(self, name: str) -> bool:
        """A required true or false."""
        value = self.take(name)
        if not isinstance(value, bool):
            raise bad_field(self.at(name), f"true or false is needed here, not {kind_of(value)}")
        return value

    def array(
        self,
        name: str,
        read: Callable[[JsonValue, str], T],
        *,
        least: int = 0,
        limit: int = MAX_LIST_ENTRIES,
    ) -> tuple[T, ...]:
        """Every element of a list, read by `read(value, pointer)`; an absent list is empty.

        `least` binds a list that is there; more than `limit` elements refuse EPCIS_LIMIT.
        """
        if not self.has(name):
            return ()
        value = self.take(name)
        if not isinstance(value, list):
            raise bad_field(self.at(name), f"a list is needed here, not {kind_of(value)}")
        if len(value) > limit:
            raise over_limit(self.at(name), f"{len(value)} entries; at most {limit} are read")
        if len(value) < least:
            raise bad_field(self.at(name), f"at least {least} entry is needed here")
        return tuple(read(entry, at(self.at(name), place)) for place, entry in enumerate(value))

    def maybe(self, name: str, read: Callable[[str], T]) -> T | None:
        """`read(name)` when the member is there, else None. A null is there, and is refused like any wrong type."""
        return read(name) if self.has(name) else None

    def extensions(self) -> tuple[Extension, ...]:
        """What is left: namespaced members whose prefix is declared. A bare word is refused."""
        found = []
        for name, value in self._value.items():
            if name in self._read:
                continue
            if not is_uri(name):
                raise bad_field(
                    self.at(name),
                    f"{name[:80]!r} is not a member EPCIS knows here",
                    cure="Correct its spelling, or give an extension a declared prefix.",
                )
            found.append(Extension(name, expand(name, self.context, self.at(name)), value))
        return tuple(found)

    def nothing_else(self) -> None:
        """Refuse any member that was not read: nothing may be added here."""
        for name in self._value:
            if name not in self._read:
                raise bad_field(self.at(name), f"{name[:80]!r} may not stand here")


def kind_of(value: JsonValue) -> str:
    """What to call a JSON value in a sentence."""
    if value is None:
        return "null"
    names = {bool: "true or false", str: "a text", list: "a list", dict: "an object"}
    return names.get(type(value), "a number")


def require_uri(text: str, pointer: str) -> str:
    """`text` if it is an absolute URI, else EPCIS_FIELD."""
    if not is_uri(text):
        raise bad_field(pointer, f"{text[:80]!r} is not an absolute URI (RFC 3986)")
    return text


def read_uri(value: JsonValue, pointer: str) -> str:
    """An element that must be an absolute URI."""
    if not isinstance(value, str):
        raise bad_field(pointer, f"a URI is needed here, not {kind_of(value)}")
    return require_uri(value, pointer)


def read_identifier(value: JsonValue, pointer: str) -> Identifier:
    """An element that must be an identifier; one that claims to be GS1's is held to GS1's rules (GS1_… codes)."""
    text = read_uri(value, pointer)
    try:
        return parse(text)
    except BadInput as problem:
        raise BadInput(problem.code, f"{problem.what}: {text[:80]}", where=pointer, cure=problem.cure) from None


def read_time(text: str, pointer: str) -> datetime:
    """RFC 3339 date-time with offset; digits beyond the microsecond are dropped from the value, not from the event."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise bad_field(
            pointer,
            f"{text[:40]!r} is not a date and time with an offset (RFC 3339)",
            cure="Write it like 2025-04-05T09:30:00.000+08:00.",
        )
    year, month, day, hour, minute, second, fraction, sign, hours, minutes = match.groups()
    zone = UTC
    if sign is not None:
        zone = timezone((1 if sign == "+" else -1) * timedelta(hours=int(hours), minutes=int(minutes)))
    micro = int((fraction or "0").ljust(6, "0")[:6])
    try:
        when = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), micro, zone)
        when.astimezone(UTC)  # 0001-01-01T00:00:00+14:00 has no UTC
    except (ValueError, OverflowError):
        raise bad_field(pointer, f"{text[:40]!r} is no day of the calendar") from None
    return when
