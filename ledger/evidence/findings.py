"""What is wrong with a device's word, as a finding: stored and logged beside the evidence, each with its reason.

A finding is data like any other: canonical bytes that get a log entry of their own, so that it can be neither lost nor
changed. May never happen here: a finding that only stands in a program's output, or two spellings of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Final

from ledger.canonical import JsonValue, canonical_json, parse_canonical
from ledger.errors import BadInput
from ledger.evidence.fields import read_time, write_time

FINDING_DOMAIN: Final = "pledgetrail/finding/v1/json"
MAX_FINDING_BYTES = 16 * 1024
MAX_FACTS = 16


class Code(StrEnum):
    """Every kind of finding; the values are stable."""

    GAP = "GAP"  # numbers are missing, and the device or the operator said so
    CHAIN_BROKEN = "CHAIN_BROKEN"  # it names another predecessor than the one that is held
    FORK = "FORK"  # two different statements of one number
    CLONED_KEY = "CLONED_KEY"  # one key speaks from two places, or twice at one time
    COUNTER_ROLLBACK = "COUNTER_ROLLBACK"  # a number that was passed over comes after all
    REPLAY = "REPLAY"  # what is held came again, long after it was taken
    UNTRUSTED_TIME = "UNTRUSTED_TIME"  # the device's clock contradicts itself or the receiver's
    IMPOSSIBLE_TIME = "IMPOSSIBLE_TIME"  # the statement's own times contradict each other
    SIGNED_AT_OTHER_TIME = "SIGNED_AT_OTHER_TIME"  # the camera signed its pictures at another time
    IMPOSSIBLE_VALUE = "IMPOSSIBLE_VALUE"  # outside what the device can measure
    IMPOSSIBLE_TRAVEL = "IMPOSSIBLE_TRAVEL"  # two positions further apart than the time between them allows
    DISAGREEMENT = "DISAGREEMENT"  # two devices at one place measure different values
    OUT_OF_PLACE = "OUT_OF_PLACE"  # it speaks from a place that it was not enrolled for
    UNEXPECTED_STEP = "UNEXPECTED_STEP"  # it speaks of a step that it was not enrolled for
    STRIPPED_SIGNATURE = "STRIPPED_SIGNATURE"  # something in its name came without a signature
    BAD_SIGNATURE = "BAD_SIGNATURE"  # something in its name came with another key's signature
    USED_AFTER_REVOCATION = "USED_AFTER_REVOCATION"  # its key spoke after it was revoked
    OUT_OF_TURN = "OUT_OF_TURN"  # it came before its predecessor, which never came
    FLOOD = "FLOOD"  # more than it may send, and not taken
    SILENCE = "SILENCE"  # it should have spoken and did not


DOUBTS: Final = frozenset(
    {Code.UNTRUSTED_TIME, Code.IMPOSSIBLE_VALUE, Code.IMPOSSIBLE_TRAVEL, Code.OUT_OF_PLACE, Code.DISAGREEMENT}
)
"""With one of these, what was stated is shown and never used to decide about a loan."""


@dataclass(frozen=True, slots=True)
class DeviceFinding:
    """One finding about `device`. `sequence`: the number it is about, None where it is about a time.

    `found_at`: UTC, by the receiver's clock. `facts`: what it rests on, as text. `kept`: the envelope of a statement
    that was refused, so that it stays as evidence; empty where the statement itself is in the book.
    """

    code: Code
    device: str
    sequence: int | None
    what: str
    found_at: datetime
    facts: Mapping[str, str] = field(default_factory=dict)
    kept: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "found_at", to_millisecond(self.found_at))  # as exact as the bytes can say it

    def canonical(self) -> bytes:
        """The bytes to log, in `FINDING_DOMAIN`; `kept` stands in them by its SHA-256."""
        facts: dict[str, JsonValue] = dict(self.facts)
        return canonical_json(
            {
                "kind": "finding",
                "code": self.code,
                "device": self.device,
                "sequence": self.sequence,
                "what": self.what,
                "found_at": write_time(self.found_at),
                "facts": facts,
                "kept": sha256(self.kept).hexdigest() if self.kept else None,
            }
        )


def to_millisecond(moment: datetime) -> datetime:
    """The time without fractions of a millisecond, as statements and findings write it."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def read_finding(raw: bytes, kept: bytes = b"") -> DeviceFinding:
    """The finding that `DeviceFinding.canonical` wrote so. `BadInput` FINDING_FORMAT, NON_CANONICAL, JSON_…."""
    value = parse_canonical(raw, max_bytes=MAX_FINDING_BYTES)
    try:
        if not isinstance(value, dict):
            raise TypeError("no object")
        facts, found_at, sequence = value["facts"], value["found_at"], value["sequence"]
        device, what, code = value["device"], value["what"], value["code"]
        if (
            not isinstance(facts, dict)
            or not isinstance(sequence, int | None)
            or isinstance(sequence, bool)
            or len(facts) > MAX_FACTS
        ):
            raise TypeError("facts or sequence")
        if not isinstance(device, str) or not isinstance(what, str) or not isinstance(found_at, str):
            raise TypeError("text")
        told = {name: fact for name, fact in facts.items() if isinstance(fact, str)}
        finding = DeviceFinding(Code(str(code)), device, sequence, what, read_time(found_at), told, kept)
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput("FINDING_FORMAT", f"This is no finding about a device: {error}.") from error
    if finding.canonical() != raw:
        raise BadInput("FINDING_FORMAT", "This is no finding about a device, or what was kept with it is missing.")
    return finding
