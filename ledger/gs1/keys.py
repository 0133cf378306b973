"""The GS1 identification keys we know: which application identifier (AI), how long, which qualifiers.

A table, not code: what is said here decides what every other module of the room accepts.
Sources: GS1 General Specifications, section 3; GS1 Digital Link URI syntax (qualifiers in order).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from ledger.gs1.characters import CHARACTER_SET_39, CHARACTER_SET_82, DIGITS


class Level(StrEnum):
    """What an identifier points at."""

    INSTANCE = "instance"  # one thing: a unit, a case, an asset, a document
    LOT = "lot"  # goods made together
    CLASS = "class"  # every thing of a kind
    PARTY = "party"
    PLACE = "place"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Field:
    """A value after its AI: `longest` characters of `allowed`."""

    longest: int
    allowed: frozenset[str]


@dataclass(frozen=True, slots=True)
class Key:
    """One primary key.

    `digits`: length of its numeric part, check digit included; 0 where the key has no check digit.
    `trailing`: digits after the check digit (ITIP's piece and total). `serial`: written into the same AI.
    `qualifiers`: AIs that may follow, in this order. `level` without, `serial_level` with the serial.
    """

    ai: str
    digits: int
    level: Level
    qualifiers: tuple[str, ...] = ()
    serial: Field | None = None
    whole: Field | None = None
    trailing: int = 0
    serial_level: Level = Level.INSTANCE


_X = CHARACTER_SET_82

KEYS = MappingProxyType(
    {
        key.ai: key
        for key in (
            Key("00", 18, Level.INSTANCE),  # SSCC
            Key("01", 14, Level.CLASS, qualifiers=("22", "10", "21", "235")),  # GTIN
            Key("253", 13, Level.CLASS, serial=Field(17, _X)),  # GDTI
            Key("255", 13, Level.CLASS, serial=Field(12, DIGITS)),  # GCN
            Key("401", 0, Level.OTHER, whole=Field(30, _X)),  # GINC
            Key("402", 17, Level.OTHER),  # GSIN
            Key("414", 13, Level.PLACE, qualifiers=("254",)),  # GLN of a place
            Key("417", 13, Level.PARTY),  # GLN of a party
            Key("8003", 14, Level.CLASS, serial=Field(16, _X)),  # GRAI
            Key("8004", 0, Level.INSTANCE, whole=Field(30, _X)),  # GIAI
            Key("8006", 14, Level.CLASS, trailing=4, qualifiers=("22", "10", "21")),  # ITIP
            Key("8010", 0, Level.CLASS, whole=Field(30, CHARACTER_SET_39), qualifiers=("8011",)),  # CPID
            Key("8017", 18, Level.PARTY, qualifiers=("8019",)),  # GSRN of a provider
            Key("8018", 18, Level.PARTY, qualifiers=("8019",)),  # GSRN of a recipient
        )
    }
)

QUALIFIERS = MappingProxyType(
    {
        "10": Field(20, _X),  # lot
        "21": Field(20, _X),  # serial
        "22": Field(20, _X),  # consumer product variant
        "235": Field(28, _X),  # third-party controlled serial
        "254": Field(20, _X),  # extension of a GLN
        "8011": Field(12, DIGITS),  # serial of a component
        "8019": Field(10, DIGITS),  # service relation instance
    }
)

GTIN_LENGTHS = (8, 12, 13, 14)
