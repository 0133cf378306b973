"""Where a message is, why it waits, who acts next, by when, what was tried and what it cost. Pure.

One table of questions, asked in order: the first that fits says whose turn it is. Everything rests on the journey,
which is a fold of final logs, and on what this relay met when it tried; another relay may have met something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts.manifest import Manifest
from ledger.errors import Problem
from ledger.interoperable import caip2
from relay.journey import Journey, State, Step
from relay.tried import Attempt
from relay.watcher import Place

NOBODY, RELAY, NOTARIES, OPERATOR, NODE = "nobody", "the relay", "the notaries", "the relay's operator", "a node"
APPLICATION, SENDER, QUORUM, CHAIN = "the application", "the sender", "the committee's quorum", "a chain"

# Who can do something about a reason that a step waits for, by its code; whatever is not named is tried again.
_WAITS_FOR = {
    "WAITING": NOTARIES,
    "EPOCH_APART": QUORUM,
    "LANE_RENEWED": SENDER,
    "NOT_FINAL": CHAIN,
    "TX_NOT_MINED": CHAIN,
    "NODE_UNREACHABLE": NODE,
    "NODE_GARBAGE": NODE,
    "NODE_BEHIND": NODE,
    "NODE_ERROR": OPERATOR,
    "CHAIN_ID": OPERATOR,
}
_DOES = {
    Step.PROPOSE: "records the message on the transaction chain",
    Step.ATTEST: "records the notaries' certificate on the transaction chain",
    Step.COMMIT: "delivers the message to the destination",
    Step.REDELIVER: "delivers the failed call once more",
    Step.JUDGE: "has the notaries check the delivery, and records their verdict",
}
_TAKE_UP = "Cure what the reason says, then `pledgetrail relay retry URL ID`."


@dataclass(frozen=True, slots=True)
class Turn:
    """Whose turn it is and for what; `why`: the reason, with a stable code where there is one; `cure`: what helps."""

    who: str
    does: str
    why: str
    code: str = ""
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Deadline:
    """By when, in seconds of a chain's block time; `now`: its last final block's time, None before any was read."""

    time: int
    chain: str
    then: str
    now: int | None = None

    @property
    def seconds_left(self) -> int | None:
        """How long there is, by that chain's clock; not below 0."""
        return None if self.now is None else max(0, self.time - self.now)


@dataclass(frozen=True, slots=True)
class Cost:
    """One step's transaction. `gas`: all it used, also for other messages it carried; `gas_price`: wei, None where the
    node did not say.
    """

    step: str
    chain: str
    transaction: bytes
    gas: int
    gas_price: int | None

    @property
    def fee(self) -> int | None:
        """Wei."""
        return None if self.gas_price is None else self.gas * self.gas_price


@dataclass(frozen=True, slots=True)
class Explanation:
    """The whole answer about one message. `attempts`: all of them, of which `tried` tells the last."""

    journey: Journey
    where: str
    turn: Turn
    by: Deadline | None
    tried: tuple[Attempt, ...]
    attempts: int
    cost: tuple[Cost, ...]


@dataclass(frozen=True, slots=True)
class Moment:
    """What is true of the deployment just now. `times`: block time of each chain's last final block, by chain id."""

    manifest: Manifest
    times: Mapping[int, int] = field(default_factory=dict)

    def name(self, chain_id: int) -> str:
        """A chain for people: its name and CAIP-2 id."""
        chain = self.manifest.by_id(chain_id)
        return caip2(chain_id) if chain is None else f"{chain.name} ({caip2(chain_id)})"


def explain(journey: Journey, moment: Moment) -> Explanation:
    """Fold one journey into an answer."""
    return Explanation(
        journey=journey,
        where=_where(journey, moment),
        turn=turn_of(journey),
        by=_deadline(journey, moment),
        tried=tuple(journey.tried),
        attempts=journey.tried.count,
        cost=tuple(_cost(name, place) for name, place in _places(journey)),
    )


def turn_of(journey: Journey) -> Turn:
    """Whose turn it is. The questions are ordered: what ends a message first, then what a person must do, then what
    somebody else must, then what the relay does by itself.
    """
    settled = _ended(journey) or _set_aside(journey) or _waiting(journey) or _held(journey)
    return settled or _failed_call(journey) or _open(journey)


def _ended(journey: Journey) -> Turn | None:
    match journey.state:
        case State.CLOSED if journey.commit is not None and not journey.executed:
            what = "decides what a call that failed, and is closed as such, means to it"
            return Turn(APPLICATION, what, "the application's call failed, and a quorum of notaries said so")
        case State.CLOSED:
            return Turn(NOBODY, "it is over", "it was delivered, and a quorum of notaries found it right")
        case State.DISPUTED:
            why = "notaries found that the destination did something else than the message says; the lane is halted"
            return Turn(QUORUM, "looks at the replay files and decides about the lane", why)
        case State.EXPIRED:
            why = "the destination's block time passed the expiry, and it was not delivered before"
            return Turn(SENDER, "sends a new message if it still wants it", why, "EXPIRED")
        case State.ABORTED:
            return Turn(
                SENDER, "sends a new message if it still wants it", "the committee's quorum voided it", "VOIDED"
            )
    return None


def _set_aside(journey: Journey) -> Turn | None:
    if journey.skipped is not None:
        return Turn(OPERATOR, "takes it up again", journey.skipped, "SKIPPED", "`pledgetrail relay retry URL ID`.")
    for step, problem in journey.set_aside.items():
        return Turn(OPERATOR, f"takes it up again at {step}", _words(problem), problem.code, problem.cure or _TAKE_UP)
    return None


def _waiting(journey: Journey) -> Turn | None:
    for step, problem in journey.waiting.items():
        who = _WAITS_FOR.get(problem.code, RELAY)
        does = {
            NOTARIES: "answer, as soon as enough of them are there",
            QUORUM: "carries its rotation out on the chain that has another epoch",
            CHAIN: f"makes the block of the relay's {step} final",
            NODE: "answers again",
            SENDER: "sends a new message if it still wants it; this one ends when it expires",
            OPERATOR: "puts the relay's node or account right",
        }.get(who, f"tries {step} again by itself")
        return Turn(who, does, _words(problem), problem.code, problem.cure)
    return None


def _held(journey: Journey) -> Turn | None:
    if journey.state is not State.HELD:
        return None
    if journey.approved is not None and Step.REDELIVER in journey.open_steps():
        return Turn(RELAY, "delivers it", "a quorum approved it")
    if journey.approved is not None:
        return Turn(
            APPLICATION, "cures what made it refuse", "a quorum approved it, and its call failed", "CALL_FAILED"
        )
    why = "the transfer goes beyond the limits of its lane"
    return Turn(QUORUM, "approves it or voids it", why, "HELD", "Ask the committee: an order of the quorum decides.")


def _failed_call(journey: Journey) -> Turn | None:
    if journey.commit is None or journey.executed or journey.redeliver:
        return None
    why = "it was delivered, and the application's call failed"
    if journey.open_steps():
        return Turn(RELAY, _DOES[journey.open_steps()[0]], f"{why}; the failure is being recorded", "CALL_FAILED")
    cure = "Cure the application, then `pledgetrail relay retry URL ID` before the message expires."
    return Turn(APPLICATION, "cures what made it refuse", why, "CALL_FAILED", cure)


def _open(journey: Journey) -> Turn:
    steps = journey.open_steps()
    if not steps:
        return Turn(CHAIN, "makes the next block final", "the logs that lead on are not final yet")
    return Turn(RELAY, " and ".join(_DOES[step] for step in steps), "nothing is in its way")


def _where(journey: Journey, moment: Moment) -> str:
    message = journey.proposal.message
    origin, destination = moment.name(message.origin.chain_id), moment.name(message.destination.chain_id)
    sent = f"sent on {origin} in block {journey.origin.block}"
    if journey.commit is not None:
        how = "delivered" if journey.executed else "delivered, its call failed,"
        return f"{journey.state}: {sent}, {how} on {destination} in block {journey.commit.block}"
    recorded = [name for name, place in (("recorded", journey.proposed), ("attested", journey.attested)) if place]
    return f"{journey.state}: {', '.join([sent, *recorded])}, not delivered on {destination}"


def _deadline(journey: Journey, moment: Moment) -> Deadline | None:
    """A delivery must happen before the expiry, and so must a second one of a call that failed."""
    if journey.executed or journey.is_over:
        return None
    message = journey.proposal.message
    chain_id = message.destination.chain_id
    return Deadline(message.expiry, caip2(chain_id), "it expires", moment.times.get(chain_id))


def _places(journey: Journey) -> list[tuple[str, Place]]:
    named = (
        ("sent", journey.origin),
        ("proposed", journey.proposed),
        ("attested", journey.attested),
        ("committed", journey.commit),
        ("judged", journey.judged),
    )
    return [(name, place) for name, place in named if place is not None]


def _cost(name: str, place: Place) -> Cost:
    return Cost(name, caip2(place.chain_id), place.transaction, place.gas_used, place.gas_price)


def _words(problem: Problem) -> str:
    return f"{problem.what} ({problem.where})" if problem.where else problem.what
