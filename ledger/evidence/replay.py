"""A number that comes again after its device has gone on: one answer, REPLAY, whatever is in it.

An honest device sends again only what it said last, because it goes on once it was heard. That is answered with what is
held. May never happen here: a second row for one number, or a device that stops because it was heard twice.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from ledger.errors import Refused
from ledger.evidence.findings import Code, DeviceFinding

REUSED: Final = frozenset({"EVIDENCE_FORK", "EVIDENCE_REPEATED"})
"""What `judge_evidence` refuses a used number with; which of the two depends on how far the device has gone on."""

REPLAY_AFTER: Final = timedelta(hours=1)
"""A statement that was held for so long and comes again is told of; a lost answer is made good for sooner."""


class Replay(Refused):
    """REPLAY: its number was used, or passed over. `expected`: the number that is to come.

    `held`: the digest (64 hexadecimal digits) of what stands under the number, empty where nothing does. A device whose
    own statement has that digest was heard, and goes on.
    """

    def __init__(self, device: str, sequence: int, *, last: int, held: bytes, same: bool) -> None:
        super().__init__(
            "REPLAY",
            f"{'This very statement stands already' if same else 'Its number is used'}: the device is at {last}.",
            where=f"{device} number {sequence}",
            cure="Nothing is missing." if same else f"Go on with number {last + 1}; what came is kept as a finding.",
        )
        self.expected, self.held = last + 1, held.hex()


def replay_finding(device: str, *, taken_at: datetime, received_at: datetime) -> DeviceFinding | None:
    """What to keep of a statement that came again; None while a lost answer explains it. One finding an hour."""
    if received_at - taken_at < REPLAY_AFTER:
        return None
    hour = received_at.replace(minute=0, second=0, microsecond=0)
    what = "Statements of it that had been held for over an hour came again, in this hour."
    return DeviceFinding(Code.REPLAY, device, None, what, hour)
