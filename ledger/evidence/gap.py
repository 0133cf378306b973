"""What a device states about what it has *not*: a time without evidence, why, and how many numbers are lost.

A loss that its device signs is a fact one can judge; a loss that nobody mentions is a suspicion. May never happen
here: a gap without a reason, or one that ends before it begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ledger.canonical import JsonValue, canonical_json
from ledger.evidence.fields import MAX_SEQUENCE, Fields, bad, check_number, check_place_in_chain, check_time, write_time

GAP: Final = "gap"

GAP_REASONS: Final = ("clock", "key", "source", "spool-full", "spool-lost", "stopped")
"""`clock`: the device's clock could not be trusted; `key`: its key could not be used; `source`: camera or sensor gave
nothing usable; `spool-full`: what was captured could not be kept; `spool-lost`: what was signed was lost before it was
handed over; `stopped`: the device was switched off."""

MAX_LOST = 2**31


@dataclass(frozen=True, slots=True)
class GapStatement:
    """One gap as its device states it. Creating one checks every field: `BadInput` EVIDENCE_FIELD.

    `lost_from`, `lost_until`: UTC in whole milliseconds, by the device's clock; nothing between them was kept.
    `unsigned`: how many segments or readings were given up before they were signed: they have no number.
    `unsent`: how many signed statements, those with the numbers just before this one, will never arrive. `previous` is
    the digest of the last of them, or of the last one sent where `unsent` is 0.
    """

    device: str
    sequence: int
    previous: bytes
    lost_from: datetime
    lost_until: datetime
    reason: str
    unsigned: int
    unsent: int

    def __post_init__(self) -> None:
        check_place_in_chain(self.device, self.sequence, self.previous)
        check_time(self.lost_from)
        check_time(self.lost_until)
        if self.lost_until < self.lost_from:
            raise bad("lost_until", "is before lost_from")
        if self.reason not in GAP_REASONS:
            raise bad("reason", f"is none of {', '.join(GAP_REASONS)}")
        check_number("unsigned", self.unsigned, MAX_LOST, least=0)
        check_number("unsent", self.unsent, min(MAX_SEQUENCE, self.sequence - 1), least=0)

    @property
    def begins(self) -> datetime:
        """When what is missing began."""
        return self.lost_from

    @property
    def ends(self) -> datetime:
        """When what is missing was over."""
        return self.lost_until

    def canonical(self) -> bytes:
        """The bytes that are signed and digested."""
        return canonical_json(
            {
                "kind": GAP,
                "device": self.device,
                "sequence": self.sequence,
                "previous": self.previous.hex(),
                "lost_from": write_time(self.lost_from),
                "lost_until": write_time(self.lost_until),
                "reason": self.reason,
                "unsigned": self.unsigned,
                "unsent": self.unsent,
            }
        )


_FIELDS = frozenset({*GapStatement.__slots__, "kind"})


def gap_of_json(value: JsonValue) -> GapStatement:
    """The gap that a JSON object of kind `gap` states."""
    fields = Fields(value, "", _FIELDS)
    return GapStatement(
        device=fields.text("device"),
        sequence=fields.number("sequence"),
        previous=fields.digest("previous"),
        lost_from=fields.time("lost_from"),
        lost_until=fields.time("lost_until"),
        reason=fields.text("reason"),
        unsigned=fields.number("unsigned"),
        unsent=fields.number("unsent"),
    )
