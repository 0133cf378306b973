"""Row 5: whether a proven message may still be carried: its lane, its time, and that its place is its own."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.manifest import Policy
from ledger.errors import Refused, Unavailable
from ledger.proposal import Message

# Those under which a destination checks a certificate of the committee; the others rest on headers alone.
POLICIES_SERVED = frozenset({Policy.NOTARY, Policy.NOTARY_AND_RELAY})


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane as the destination's gateway holds it; generation 0 is a lane that nobody opened."""

    generation: int
    policy: int


def read_lane(word: int) -> Lane:
    """A lane from its word in the gateway, as `lane_word.vy` packs it."""
    return Lane(generation=word & (2**32 - 1), policy=word >> 32 & 255)


def is_open(lane: Lane, *, message: Message) -> bool:
    """Whether a lane, as the destination holds it, takes a message."""
    return lane.generation == message.generation != 0 and lane.policy in POLICIES_SERVED


def is_superseded(lane: Lane, *, message: Message) -> bool:
    """Whether a lane was opened anew since a message was sent: nothing of its generation arrives any more."""
    return lane.generation > message.generation > 0


def require_lane_final(message: Message, *, final: Lane, head: Lane) -> None:
    """Ask to wait (`Unavailable` NOT_FINAL) for a lane that takes the message at the head and not yet at finality."""
    if not is_open(final, message=message) and is_open(head, message=message):
        raise Unavailable(
            "NOT_FINAL",
            "the lane was opened at the destination, and that is not final yet",
            where=f"0x{message.lane.hex()}",
            cure="Ask again later.",
        )


def require_first(message: Message, *, attested: bytes | None) -> None:
    """Refuse (EQUIVOCATION) a second message for one sequence; the same message again is no conflict (B13)."""
    if attested is not None and attested != message.id:
        raise Refused(
            "EQUIVOCATION",
            f"another message was attested for sequence {message.sequence} of this lane",
            where=f"0x{attested.hex()}",
            cure="Keep both: the origin chain was rewritten below finality.",
        )


def require_carriage(message: Message, *, lane: Lane, now: int, attested: bytes | None, is_used: bool = False) -> None:
    """Row 5: whether a proven proposal may be attested.

    `lane`: as the destination holds it at finality; `now`: the destination's latest block time in seconds;
    `attested`: the id this notary attested before at the same place of the same lane and generation; `is_used`: whether
    the sequence is used up at the destination. What has arrived does not expire, and stays what it was when its lane is
    opened anew: the registry closes a message only with its certificate, the relay that had one may have died, and no
    destination takes one of a generation that is over. Errors: `Refused` LANE, EXPIRED, EQUIVOCATION.
    """
    is_over = is_superseded(lane, message=message)
    if not is_open(lane, message=message) and not (is_over and is_used):
        held = f"generation {lane.generation} with policy {lane.policy}" if lane.generation else "not open"
        raise Refused(
            "LANE",
            f"the lane is {held} at the destination, the message is of generation {message.generation}",
            where=f"0x{message.lane.hex()}",
            cure="It can no longer be delivered, and ends when it expires: its sender sends a new one."
            if is_over
            else "The recipient's owner opens lanes, at the destination's gateway.",
        )
    if message.expiry <= now and not is_used:
        raise Refused(
            "EXPIRED", f"the message expired at {message.expiry}, it is {now} there", where=f"0x{message.id.hex()}"
        )
    require_first(message, attested=attested)
