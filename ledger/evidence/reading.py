"""What a sensor states: one quantity of one subject at one moment, as a decimal with its unit.

Values are text, so that what was signed is what was measured, to the last digit; units are codes of UN/CEFACT
Recommendation 20, as in EPCIS. May never happen here: a binary fraction, a number without its unit, or a quantity in a
unit that does not measure it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from ledger.canonical import JsonValue, canonical_json
from ledger.evidence.fields import Fields, bad, check_place_in_chain, check_text, check_time, write_time

READING: Final = "reading"

QUANTITIES: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "weight": frozenset({"GRM", "KGM", "TNE"}),
        "temperature": frozenset({"CEL"}),
        "humidity": frozenset({"P1"}),  # per cent
        "position": frozenset({"DD"}),  # degrees: latitude and longitude (WGS 84), north and east positive
        "meter": frozenset({"KWH", "LTR", "MTQ"}),  # what a counter shows, never what was used since
        "ear_chip": frozenset({"C62", "CEL", "C94"}),  # movements counted, body temperature, heart beats a minute
        "count": frozenset({"C62"}),
        "speed": frozenset({"KMH"}),
        "level": frozenset({"MTR"}),
    }
)
"""What may be measured, in which units. What is plausible for a device is its enrolment's business."""

MAX_VALUE_CHARS = 32
_DECIMAL = r"(?!-0(?:\.0+)?(?:,|$))-?(?:0|[1-9]\d{0,14})(?:\.\d{1,9})?"
_VALUE = re.compile(_DECIMAL, re.ASCII)
_POSITION = re.compile(f"({_DECIMAL}),({_DECIMAL})", re.ASCII)
_MAX_LATITUDE, _MAX_LONGITUDE = 90, 180


@dataclass(frozen=True, slots=True)
class ReadingStatement:
    """One reading as its device states it. Creating one checks every field: `BadInput` EVIDENCE_FIELD.

    `sequence` and `previous` are those of the device's one chain, whatever the kinds of its statements.
    `observed_at`: UTC in whole milliseconds, by the device's clock. `place`: an identifier that the ledger knows, or
    None where the device moves. `subject`: what was measured, as an identifier (a pallet, an animal, a meter).
    `value`: a decimal such as `-12.50`, at most 15 digits before and 9 after the point, no exponent, no minus
    before zero; zeros at the end are digits that were measured. For a position
    `latitude,longitude`. `unit`: its UN/CEFACT code.
    """

    device: str
    sequence: int
    previous: bytes
    observed_at: datetime
    place: str | None
    subject: str
    quantity: str
    value: str
    unit: str

    def __post_init__(self) -> None:
        check_place_in_chain(self.device, self.sequence, self.previous)
        if self.place is not None:
            check_text("place", self.place)
        check_text("subject", self.subject)
        check_time(self.observed_at)
        if self.quantity not in QUANTITIES:
            raise bad("quantity", f"is none of {', '.join(sorted(QUANTITIES))}")
        if self.unit not in QUANTITIES[self.quantity]:
            raise bad("unit", f"is none of {', '.join(sorted(QUANTITIES[self.quantity]))}, which measure it")
        _check_value(self.quantity, self.value)

    @property
    def begins(self) -> datetime:
        """When what it tells of was so."""
        return self.observed_at

    @property
    def ends(self) -> datetime:
        """The same moment."""
        return self.observed_at

    def canonical(self) -> bytes:
        """The bytes that are signed and digested."""
        return canonical_json(
            {
                "kind": READING,
                "device": self.device,
                "sequence": self.sequence,
                "previous": self.previous.hex(),
                "observed_at": write_time(self.observed_at),
                "place": self.place,
                "subject": self.subject,
                "quantity": self.quantity,
                "value": self.value,
                "unit": self.unit,
            }
        )


_FIELDS = frozenset({*ReadingStatement.__slots__, "kind"})


def reading_of_json(value: JsonValue) -> ReadingStatement:
    """The reading that a JSON object of kind `reading` states."""
    fields = Fields(value, "", _FIELDS)
    return ReadingStatement(
        device=fields.text("device"),
        sequence=fields.number("sequence"),
        previous=fields.digest("previous"),
        observed_at=fields.time("observed_at"),
        place=fields.text_or_none("place"),
        subject=fields.text("subject"),
        quantity=fields.text("quantity"),
        value=fields.text("value"),
        unit=fields.text("unit"),
    )


def _check_value(quantity: str, value: str) -> None:
    if quantity != "position":
        if len(value) > MAX_VALUE_CHARS or not _VALUE.fullmatch(value):
            raise bad("value", "is no decimal such as -12.50")
        return
    found = _POSITION.fullmatch(value) if len(value) <= 2 * MAX_VALUE_CHARS else None
    if found is None:
        raise bad("value", "is no position such as 31.2304,121.4737")
    if abs(float(found[1])) > _MAX_LATITUDE or abs(float(found[2])) > _MAX_LONGITUDE:
        raise bad("value", "is no place on the earth")
