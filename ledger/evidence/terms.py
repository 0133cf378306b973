"""What is expected of a device: how often it speaks, from where, about which steps, and which values are plausible.

A device's key is for ever, its terms are not: a camera that moves gets new ones, each logged as an entry; the newest
count. May never happen here: a term that is guessed from what the device did so far, or a field that is ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final

from ledger.canonical import JsonValue, canonical_json, parse_canonical
from ledger.errors import BadInput
from ledger.evidence.fields import MAX_TEXT_CHARS, read_time, write_time
from ledger.evidence.reading import QUANTITIES

TERMS_DOMAIN: Final = "pledgetrail/device-terms/v1/json"
MAX_TERMS_BYTES = 8 * 1024
MAX_STEPS = 64
MAX_LIMITS = 32
MAX_EVERY_SECONDS = 366 * 86_400
MAX_WITHIN_SECONDS = 86_400
MAX_SPEED_KMH = 1200  # nothing on the ground or in freight is faster

_FIELDS = {"kind", "device", "agreed_at", "every_seconds", "grace_seconds", "place", "steps", "limits", "speed_kmh"}
_OPTIONAL = {"watches"}


@dataclass(frozen=True, slots=True)
class Limits:
    """The least and the greatest plausible value of a quantity, both inclusive, in the unit the device reports."""

    least: Decimal
    most: Decimal

    def __post_init__(self) -> None:
        if not (self.least.is_finite() and self.most.is_finite()) or self.least > self.most:
            raise _bad("limits", "are not two finite decimals, the lesser first")


@dataclass(frozen=True, slots=True)
class Watch:
    """How far another device at the same place may lie apart, in the unit reported (positions: metres), and within how
    many seconds of each other two readings are compared."""

    tolerance: Decimal
    within_seconds: int

    def __post_init__(self) -> None:
        if not self.tolerance.is_finite() or self.tolerance < 0:
            raise _bad("watches", "have a tolerance that is no decimal from 0 on")
        if not 0 < self.within_seconds <= MAX_WITHIN_SECONDS:
            raise _bad("watches", f"compare within 1 to {MAX_WITHIN_SECONDS} seconds")


@dataclass(frozen=True, slots=True)
class Terms:
    """The expectations of one device from `agreed_at` (UTC) on. Creating one checks it: `BadInput` DEVICE_TERMS.

    `every_seconds`: "always speaks, this often"; 0: speaks when it likes, and is never silent. `grace_seconds`: how
    much later than that its word may come in. `place`, `steps`: empty where any is fine. `limits`: by quantity.
    `speed_kmh`: how fast it can travel. `watches`: by quantity, what is compared with other devices at its place.
    """

    device: str
    agreed_at: datetime
    every_seconds: int = 0
    grace_seconds: int = 60
    place: str = ""
    steps: tuple[str, ...] = ()
    limits: Mapping[str, Limits] = field(default_factory=dict)
    speed_kmh: int = 150
    watches: Mapping[str, Watch] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < len(self.device) <= MAX_TEXT_CHARS or len(self.place) > MAX_TEXT_CHARS:
            raise _bad("device", f"or its place is not text of at most {MAX_TEXT_CHARS} characters")
        if not 0 <= self.every_seconds <= MAX_EVERY_SECONDS or not 0 <= self.grace_seconds <= MAX_EVERY_SECONDS:
            raise _bad("every_seconds", f"or grace_seconds is not from 0 to {MAX_EVERY_SECONDS}")
        if len(self.steps) > MAX_STEPS or not all(0 < len(step) <= MAX_TEXT_CHARS for step in self.steps):
            raise _bad("steps", f"are not at most {MAX_STEPS} names")
        if len(self.limits) > MAX_LIMITS or not all(0 < len(name) <= MAX_TEXT_CHARS for name in self.limits):
            raise _bad("limits", f"are not of at most {MAX_LIMITS} quantities")
        if len(self.watches) > MAX_LIMITS or not all(0 < len(name) <= MAX_TEXT_CHARS for name in self.watches):
            raise _bad("watches", f"are not of at most {MAX_LIMITS} quantities")
        if not 0 < self.speed_kmh <= MAX_SPEED_KMH:
            raise _bad("speed_kmh", f"is not from 1 to {MAX_SPEED_KMH}")

    @property
    def every(self) -> timedelta:
        """The longest pause that is no silence yet, without grace."""
        return timedelta(seconds=self.every_seconds)

    @property
    def grace(self) -> timedelta:
        """How much later than its due time the device's word may come in."""
        return timedelta(seconds=self.grace_seconds)

    def canonical(self) -> bytes:
        """The bytes to log, in `TERMS_DOMAIN`; `watches` only where there are any: older terms stay as they are."""
        limits: dict[str, JsonValue] = {
            name: {"least": str(limit.least), "most": str(limit.most)} for name, limit in self.limits.items()
        }
        watches: dict[str, JsonValue] = {
            name: {"tolerance": str(watch.tolerance), "within_seconds": watch.within_seconds}
            for name, watch in self.watches.items()
        }
        return canonical_json(
            {
                "kind": "terms",
                "device": self.device,
                "agreed_at": write_time(self.agreed_at),
                "every_seconds": self.every_seconds,
                "grace_seconds": self.grace_seconds,
                "place": self.place,
                "steps": list(self.steps),
                "limits": limits,
                "speed_kmh": self.speed_kmh,
                **({"watches": watches} if watches else {}),
            }
        )


def check_measured(terms: Terms) -> None:
    """Refuse to agree on what no device measures: a bound of `wieght` bounds nothing, and nobody would notice.

    Not part of reading: terms that were logged stay readable. `BadInput` DEVICE_QUANTITY.
    """
    for name in (*terms.limits, *terms.watches):
        if name not in QUANTITIES:
            cure = f"Use one of {', '.join(sorted(QUANTITIES))}."
            raise BadInput("DEVICE_QUANTITY", "No device measures this quantity.", where=ascii(name)[:80], cure=cure)


def read_terms(raw: bytes) -> Terms:
    """The terms that `Terms.canonical` wrote so. `BadInput` DEVICE_TERMS, EVIDENCE_FIELD, NON_CANONICAL, JSON_…."""
    value = parse_canonical(raw, max_bytes=MAX_TERMS_BYTES)
    if not isinstance(value, dict) or value.keys() - _OPTIONAL != _FIELDS or value["kind"] != "terms":
        raise _bad("terms", f"have not exactly the fields {', '.join(sorted(_FIELDS))}")
    texts = {name: _text(value[name], name) for name in ("device", "agreed_at", "place")}
    numbers = {name: _number(value[name], name) for name in ("every_seconds", "grace_seconds", "speed_kmh")}
    steps, limits, watches = value["steps"], value["limits"], value.get("watches", {})
    if not isinstance(steps, list) or not isinstance(limits, dict) or not isinstance(watches, dict):
        raise _bad("steps", "limits or watches have another form")
    terms = Terms(
        device=texts["device"],
        agreed_at=read_time(texts["agreed_at"]),
        place=texts["place"],
        steps=tuple(_text(step, "steps") for step in steps),
        limits=read_limits(limits),
        watches=read_watches(watches),
        **numbers,
    )
    if terms.canonical() != raw:
        raise _bad("terms", "are in another spelling")
    return terms


def read_limits(value: Mapping[str, JsonValue]) -> dict[str, Limits]:
    """`{"weight": {"least": "0", "most": "40000"}}`. `BadInput` DEVICE_TERMS."""
    found = {}
    for name, each in value.items():
        if not isinstance(each, dict) or each.keys() != {"least", "most"}:
            raise _bad("limits", "name least and most, nothing else")
        try:
            found[name] = Limits(Decimal(_text(each["least"], "limits")), Decimal(_text(each["most"], "limits")))
        except InvalidOperation:
            raise _bad("limits", "are no decimals") from None
    return found


def read_watches(value: Mapping[str, JsonValue]) -> dict[str, Watch]:
    """`{"temperature": {"tolerance": "0.5", "within_seconds": 60}}`. `BadInput` DEVICE_TERMS."""
    found = {}
    for name, each in value.items():
        if not isinstance(each, dict) or each.keys() != {"tolerance", "within_seconds"}:
            raise _bad("watches", "name tolerance and within_seconds, nothing else")
        try:
            tolerance = Decimal(_text(each["tolerance"], "watches"))
        except InvalidOperation:
            raise _bad("watches", "have a tolerance that is no decimal") from None
        found[name] = Watch(tolerance, _number(each["within_seconds"], "watches"))
    return found


def _text(value: JsonValue, name: str) -> str:
    if not isinstance(value, str):
        raise _bad(name, "is not text")
    return value


def _number(value: JsonValue, name: str) -> int:
    if type(value) is not int:  # a bool is an int to isinstance
        raise _bad(name, "is not a whole number")
    return value


def _bad(field_name: str, reason: str) -> BadInput:
    return BadInput("DEVICE_TERMS", f"The device's terms cannot be used: {field_name} {reason}.", where=field_name)
