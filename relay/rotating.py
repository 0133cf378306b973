"""What a committee changes while messages are under way: its epoch, chain by chain, and a lane's generation. Pure.

What was signed in one epoch is refused where that epoch has not begun, or is over. Nobody is at fault and trying again
costs a simulation, so that it is waited for, however long the committee takes; never set aside. A message of a lane's
earlier generation that has not arrived never will: it waits for its expiry, which ends it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.errors import Problem, Unavailable
from ledger.proposal import Message

_WORDS = ("Committee: wrong epoch", "Committee: grace is over")


def is_apart(problem: Problem) -> bool:
    """Whether a contract's no means that its committee is of another epoch than the signatures."""
    return problem.code == "CALL_REVERTED" and any(words in problem.what for words in _WORDS)


def apart(chain: str, epochs: Sequence[int], signed_in: int | None) -> Unavailable:
    """Why it waits. `epochs`: those whose signatures the chain takes, by its final blocks; `signed_in`: the epoch of
    what was brought, None where that is not known here.
    """
    taken = " and ".join(str(epoch) for epoch in sorted(epochs))
    brought = "of another epoch" if signed_in is None else f"of epoch {signed_in}"
    return Unavailable(
        "EPOCH_APART",
        f"{chain} takes signatures of epoch {taken}, and the notaries' are {brought}",
        cure="The committee carries its rotation out on every chain; then it goes on by itself.",
    )


def is_renewed(problem: Problem) -> bool:
    """Whether a no may mean that the message's lane is of another generation by now."""
    said_there = problem.code == "CALL_REVERTED" and "Gateway: lane not open" in problem.what
    return said_there or problem.code == "LANE"


def renewed(message: Message, generation: int) -> Unavailable | None:
    """Why a message of an earlier generation waits, None for one that is of the lane's present `generation`."""
    if generation <= message.generation:
        return None
    return Unavailable(
        "LANE_RENEWED",
        f"its lane was opened anew: it is of generation {message.generation}, the lane of generation {generation}",
        where=f"0x{message.lane.hex()}",
        cure="It can no longer be delivered and ends when it expires; its sender may send a new one at once.",
    )
