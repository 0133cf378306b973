"""`Identifier`: one GS1 identifier, or any other URI, whichever way it was written.

Two identifiers are equal exactly when they mean the same thing: equality is on `normal` alone. What the
writing says beyond that (the length of the company prefix, the lot beside a serial) is kept, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ledger.errors import BadInput, WrongUse
from ledger.gs1.characters import (
    escape_path,
    require_characters,
    require_check_digit,
    require_digits,
)
from ledger.gs1.keys import GTIN_LENGTHS, KEYS, QUALIFIERS, Key, Level

CANONICAL_BASE = "https://id.gs1.org"
_SERIALS = frozenset({"21", "235", "8011"})


@dataclass(frozen=True, slots=True)
class Identifier:
    """A parsed identifier. Make one with `parse`, `from_ais`, `unit` or `lot`, never by hand.

    `normal`: the canonical GS1 Digital Link URI, or the URI itself where it is no key: look up by this.
    `ais`: the application identifiers of the identity, ((AI, value), …); empty where it is no GS1 key.
    `text`: as written. `prefix_length`: digits of the company prefix; None where the writing does not say.
    `lot_code`: the lot written beside a serial, which is no part of the identity.
    """

    normal: str
    level: Level = field(compare=False)
    ais: tuple[tuple[str, str], ...] = field(compare=False)
    text: str = field(compare=False)
    prefix_length: int | None = field(default=None, compare=False)
    lot_code: str | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return self.normal

    def ai(self, ai: str) -> str | None:
        """The value after application identifier `ai`, or None."""
        return dict(self.ais).get(ai)

    def digital_link(self, base: str = CANONICAL_BASE, *, with_lot: bool = False) -> str:
        """A GS1 Digital Link URI under `base`; `with_lot` adds the lot beside the serial, as on a label.

        `WrongUse` GS1_NOT_A_KEY where this is a plain URI.
        """
        pairs = list(self._require_key())
        if with_lot and self.lot_code is not None:
            pairs.insert(1, ("10", self.lot_code))
        return base.rstrip("/") + "".join(f"/{ai}/{escape_path(value)}" for ai, value in pairs)

    def element_string(self) -> str:
        """The bracketed element string, `(01)04012345123456(10)A1`; an opening bracket in a value is `\\(`.

        Escaped as the GS1 bracketed syntax does it: a lot `A(21)B` would read back as lot and serial.
        """
        return "".join(f"({ai}){value.replace('(', chr(92) + '(')}" for ai, value in self._require_key())

    def kind(self) -> Identifier | None:
        """The class this belongs to: the GTIN of a unit or lot. None where there is no such thing."""
        if self.level not in (Level.INSTANCE, Level.LOT) or len(self.ais) < 2:
            return None
        return from_ais(self.ais[:1], prefix_length=self.prefix_length)

    def lot(self) -> Identifier | None:
        """The lot this is, or is said to be made in by its own writing; None where that does not say."""
        if self.level is Level.LOT:
            return self
        if self.lot_code is None:
            return None
        return from_ais([self.ais[0], ("10", self.lot_code)], prefix_length=self.prefix_length)

    def _require_key(self) -> tuple[tuple[str, str], ...]:
        if not self.ais:
            raise WrongUse("GS1_NOT_A_KEY", f"{self.normal[:80]} is a URI, not a GS1 identifier", where=self.text[:80])
        return self.ais


def from_ais(
    pairs: Iterable[tuple[str, str]], *, text: str = "", prefix_length: int | None = None, where: str = ""
) -> Identifier:
    """The identifier of a primary key and its qualifiers: `[("01", gtin), ("10", lot), ("21", serial)]`.

    GTINs of 8, 12 and 13 digits are padded to 14. Refuses GS1_SYNTAX, GS1_LENGTH, GS1_CHECK_DIGIT.
    """
    listed = list(pairs)
    where = where or text[:80]
    if not listed or listed[0][0] not in KEYS:
        raise BadInput("GS1_SYNTAX", "no GS1 identification key we know stands first", where=where)
    key = KEYS[listed[0][0]]
    value, serialised = _require_key_value(key, listed[0][1], where)
    qualifiers = _require_qualifiers(key, listed[1:], where)
    lot_code = _drop_redundant(qualifiers)
    ais = ((key.ai, value), *qualifiers.items())
    normal = CANONICAL_BASE + "".join(f"/{ai}/{escape_path(part)}" for ai, part in ais)
    return Identifier(normal, _level(key, qualifiers, serialised), ais, text or normal, prefix_length, lot_code)


def unit(gtin: str, serial: str, *, lot: str | None = None) -> Identifier:
    """One unit, AI (01) and (21), with the lot it carries where that is known."""
    return from_ais([("01", gtin), *([("10", lot)] if lot is not None else []), ("21", serial)])


def lot(gtin: str, code: str) -> Identifier:
    """One lot, AI (01) and (10)."""
    return from_ais([("01", gtin), ("10", code)])


def _require_key_value(key: Key, value: str, where: str) -> tuple[str, bool]:
    if key.whole is not None:
        return require_characters(value, key.whole.allowed, longest=key.whole.longest, where=where), False
    if key.ai == "01" and len(value) in GTIN_LENGTHS:
        value = value.rjust(14, "0")
    size = key.digits + key.trailing
    number, serial = value[:size], value[size:]
    if len(number) != size or (serial and key.serial is None):
        raise BadInput("GS1_LENGTH", f"({key.ai}) has {len(value)} characters, not {size}", where=where)
    require_digits(number, where=where)
    _require_special_digits(key, number, where)
    require_check_digit(number[: key.digits], where=where)
    if serial and key.serial is not None:
        require_characters(serial, key.serial.allowed, longest=key.serial.longest, where=where)
    return value, bool(serial)


def _require_special_digits(key: Key, number: str, where: str) -> None:
    if key.ai == "8003" and number[0] != "0":
        raise BadInput("GS1_SYNTAX", "a GRAI starts with a filler 0", where=where)
    if key.trailing and not "01" <= number[14:16] <= number[16:18]:
        raise BadInput("GS1_SYNTAX", "piece and total of an ITIP are 01 to total", where=where)


def _require_qualifiers(key: Key, pairs: list[tuple[str, str]], where: str) -> dict[str, str]:
    found: dict[str, str] = {}
    place = -1
    for ai, value in pairs:
        if ai not in key.qualifiers or key.qualifiers.index(ai) <= place:
            raise BadInput(
                "GS1_SYNTAX",
                f"({ai}) cannot stand there after ({key.ai})",
                where=where,
                cure=f"Allowed after ({key.ai}), in this order: {', '.join(key.qualifiers) or 'nothing'}.",
            )
        place = key.qualifiers.index(ai)
        rule = QUALIFIERS[ai]
        found[ai] = require_characters(value, rule.allowed, longest=rule.longest, where=where)
    if "21" in found and "235" in found:
        raise BadInput("GS1_SYNTAX", "(21) and (235) are two serials for one unit", where=where)
    return found


def _drop_redundant(qualifiers: dict[str, str]) -> str | None:
    """Leave only what identifies: beside a serial, lot and variant say no more; extension 0 means none."""
    if qualifiers.get("254") == "0":
        del qualifiers["254"]
    if _SERIALS.isdisjoint(qualifiers):
        if "10" in qualifiers:
            qualifiers.pop("22", None)
        return None
    qualifiers.pop("22", None)
    return qualifiers.pop("10", None)


def _level(key: Key, qualifiers: dict[str, str], serialised: bool) -> Level:
    if serialised or not _SERIALS.isdisjoint(qualifiers):
        return Level.INSTANCE
    return Level.LOT if "10" in qualifiers else key.level
