"""That something was erased, as the log keeps it: which entry, what kind of thing, when, and why. Nothing of the thing.

The reason is one of a few words, so that no person can be named in a record that stays for ever. May never happen here:
a record that says more about what was erased than that it stood there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from ledger.canonical import canonical_json, digest, parse_canonical
from ledger.errors import BadInput
from ledger.evidence.fields import Fields, read_time, write_time

ERASURE_DOMAIN: Final = "pledgetrail/erasure/v1/json"
MAX_ERASURE_BYTES: Final = 512
_MARK_DOMAIN: Final = "pledgetrail/erased-identifier/v1/text"


class Kind(StrEnum):
    """What stood there."""

    EVENT = "event"
    EVIDENCE = "evidence"
    FINDING = "finding"  # about evidence that was erased: it may repeat what that said


class Reason(StrEnum):
    """Why it was erased; the values are stable."""

    REQUEST = "request"  # somebody whom it was about asked for it
    RETENTION = "retention"  # the time for which it was to be kept is over
    ORDER = "order"  # a court or an authority ordered it
    MISTAKE = "mistake"  # it should not have been recorded


@dataclass(frozen=True, slots=True)
class Erasure:
    """The object of log entry `entry` (0 or more) was erased `at` (UTC, whole milliseconds)."""

    entry: int
    kind: Kind
    at: datetime
    reason: Reason

    def canonical(self) -> bytes:
        """The bytes to log, in `ERASURE_DOMAIN`."""
        return canonical_json(
            {"entry": self.entry, "kind": self.kind, "at": write_time(self.at), "reason": self.reason}
        )


def read_erasure(raw: bytes) -> Erasure:
    """The record that `Erasure.canonical` wrote so. `BadInput` ERASURE_FORMAT, EVIDENCE_FIELD, JSON_…."""
    fields = Fields(parse_canonical(raw, max_bytes=MAX_ERASURE_BYTES), "", {"entry", "kind", "at", "reason"})
    try:
        kind, reason = Kind(fields.text("kind")), Reason(fields.text("reason"))
    except ValueError as error:
        raise BadInput("ERASURE_FORMAT", f"This is no record of an erasure: {error}.") from error
    return Erasure(fields.number("entry"), kind, read_time(fields.text("at")), reason)


def read_reason(text: str) -> Reason:
    """The reason of this name. `BadInput` ERASURE_REASON."""
    try:
        return Reason(text)
    except ValueError:
        raise BadInput(
            "ERASURE_REASON",
            "A reason is one word, so that no person is named in a record that stays.",
            where=ascii(text)[:80],
            cure=f"Give one of: {', '.join(Reason)}.",
        ) from None


def mark_of(identifier: str) -> bytes:
    """32 bytes under which an erased entry is still found by whoever names the (normal) identifier."""
    return digest(_MARK_DOMAIN, identifier.encode())
