"""A message's way as a relay hands it to the ledger: verified as a bundle's would be, before anything is kept.

A relay is never trusted. What it hands over either shows, by itself and under the trust root, that an anchor crossed or
that a loan's instruction was answered, or it is refused. May never happen here: a crossing that is kept and that no
bundle could carry.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.bundle.crossing import verify_crossing
from ledger.bundle.epochs import JustNow
from ledger.bundle.format import Crossing
from ledger.bundle.pledge import verify_instruction
from ledger.bundle.trust_root import TrustRoot
from ledger.errors import Refused

_ANCHOR_BYTES = 96  # of `anchor_payload`: the log's name, the size, the root


@dataclass(frozen=True, slots=True)
class ClosedAnchor:
    """An anchor whose crossing is closed: the checkpoint's size and root, and the credential."""

    size: int
    root: bytes
    credential: bytes


@dataclass(frozen=True, slots=True)
class ClosedInstruction:
    """A loan's instruction that was answered: the loan's id, by what its instructions are ordered, the credential."""

    loan: bytes
    order: tuple[int, int, int]
    credential: bytes


def verify_anchor(crossing: Crossing, root: TrustRoot) -> ClosedAnchor:
    """What an anchor's way shows. Raises what `verify_crossing` raises; whose log it is, is not compared."""
    payload = verify_crossing(crossing, JustNow(root)).payload
    if len(payload) != _ANCHOR_BYTES:
        raise Refused("ANCHOR_MISMATCH", "The message carries no checkpoint.", where=f"{len(payload)} bytes")
    return ClosedAnchor(int.from_bytes(payload[32:64], "big"), payload[64:], crossing.judged.credential)


def verify_told(crossing: Crossing, root: TrustRoot) -> ClosedInstruction:
    """What a loan's instruction shows. Raises what `verify_pledge` raises."""
    if root.lending is None:
        raise Refused("PLEDGE_MISMATCH", "The trust root names no contracts by which anything is pledged.")
    told = verify_instruction(crossing, root.lending, JustNow(root))
    return ClosedInstruction(told.loan, told.order, crossing.judged.credential)
