"""What `pledgetrail --help` groups its verbs under: by who uses them, and not by the room that they are in."""

from __future__ import annotations

from typing import Final

TRY: Final = "To begin with"
CHECK: Final = "Check what somebody gave you: auditor, court, reader"
CAPTURE: Final = "Film and measure: producer, keeper"
KEEP: Final = "Keep a ledger: operator"
JUDGE: Final = "Judge and carry between chains: notary, relay, partner"
