"""A two-phase transaction as the coordinator's final logs tell it, and whose turn it is. Pure.

The relay carries its messages like any others. What is neither a message nor a decision (telling a leg again, letting
a transaction expire) anybody may call, and the answer here says so when that is what is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ledger.interoperable import caip2
from ledger.two_phase import Action, Stage
from relay.explain import NOBODY, Deadline, Moment, Turn, turn_of
from relay.journey import Journey
from relay.watcher import SeenLog

COORDINATOR = "Coordinator"
ANYONE = "anyone"


@dataclass(slots=True)
class LegSeen:
    """One leg. `prepared`, `refusal`: its answer as the coordinator heard it; `told`: the ids of the messages to it, in
    order, with what they ask; `reports`: the ids of its own messages to the coordinator.
    """

    prepared: bool = False
    refusal: bytes = b""
    told: list[tuple[Action, bytes]] = field(default_factory=list)
    reports: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class TwoPhase:
    """One transaction. `prepare_by`: seconds of the transaction chain's block time; `initiator`: 20 bytes."""

    id: bytes
    chain_id: int
    initiator: bytes = bytes(20)
    prepare_by: int = 0
    stage: Stage = Stage.UNKNOWN
    legs: dict[int, LegSeen] = field(default_factory=dict)

    @property
    def messages(self) -> list[bytes]:
        """The ids of every message of it, leg by leg."""
        every = ([*(named for _, named in leg.told), *leg.reports] for _, leg in sorted(self.legs.items()))
        return list(dict.fromkeys(named for leg in every for named in leg))


def fold(named: bytes, chain_id: int, logs: Iterable[SeenLog], reports: Iterable[tuple[int, bytes]]) -> TwoPhase:
    """The transaction after the coordinator's logs, in the order of its chain. `reports`: (leg, message id)."""
    found = TwoPhase(named, chain_id)
    for seen in logs:
        _observe(found, seen.decoded.name, seen.decoded.fields)
    for leg, message in reports:
        if leg in found.legs:  # anybody can send something that looks like a report of a leg that there is not
            found.legs[leg].reports.append(message)
    return found


def _observe(found: TwoPhase, event: str, fields: Mapping[str, object]) -> None:
    match event, fields:
        case "Begun", {"initiator": bytes(initiator), "prepare_by": int(prepare_by), "legs": int(legs)}:
            found.initiator, found.prepare_by, found.stage = initiator, prepare_by, Stage.PREPARING
            found.legs = {leg: LegSeen() for leg in range(legs)}
        case "Told", {"leg": int(leg), "action": int(action), "message": bytes(message)} if leg in found.legs:
            found.legs[leg].told.append((Action(action), message))
        case "LegPrepared", {"leg": int(leg)} if leg in found.legs:
            found.legs[leg].prepared = True
        case "LegRefused", {"leg": int(leg), "reason": bytes(reason)} if leg in found.legs:
            found.legs[leg].refusal = reason
        case "Decided", {"state": int(state)}:
            found.stage = Stage(state)


def turn_of_transaction(found: TwoPhase, journeys: Mapping[bytes, Journey], moment: Moment) -> Turn:
    """Whose turn it is in the whole transaction: the first leg that something is missing of, in the order of legs."""
    if found.stage is Stage.UNKNOWN:
        return Turn(NOBODY, "it was never begun", "no coordinator's log names it")
    for number, leg in sorted(found.legs.items()):
        turn = _turn_of_leg(found, number, leg, journeys, moment)
        if turn is not None:
            return turn
    if found.stage is Stage.PREPARING:
        return _preparing(found, moment)
    return Turn(NOBODY, "it is over", f"it is {found.stage.name.lower()}, and every leg was told")


def deadline_of(found: TwoPhase, moment: Moment) -> Deadline | None:
    """The prepare phase's end; a decision has none."""
    if found.stage is not Stage.PREPARING:
        return None
    return Deadline(found.prepare_by, caip2(found.chain_id), "it can be aborted", moment.times.get(found.chain_id))


def _turn_of_leg(
    found: TwoPhase, number: int, leg: LegSeen, journeys: Mapping[bytes, Journey], moment: Moment
) -> Turn | None:
    """Whose turn it is in one leg, None when nothing is missing of it now."""
    if found.stage is Stage.PREPARING:
        if leg.prepared:
            return None
        if _is_past(found, moment):
            return _preparing(found, moment)
        wanted = Action.PREPARE
    else:
        wanted = Action.COMMIT if found.stage is Stage.COMMITTED else Action.ABORT
    told = [journeys[message] for action, message in leg.told if action is wanted and message in journeys]
    if any(journey.executed for journey in told):
        return None if wanted is not Action.PREPARE else _answering(number, leg, journeys)
    alive = [journey for journey in told if not journey.is_over]
    if not alive:
        does = f"calls the coordinator's `tell` for leg {number}"
        return Turn(ANYONE, does, f"no message that could still arrive tells leg {number} to {wanted.name.lower()}")
    return _of_message(alive[-1], number)


def _answering(number: int, leg: LegSeen, journeys: Mapping[bytes, Journey]) -> Turn:
    """A leg was asked to prepare, and the coordinator has not heard its answer."""
    alive = [journeys[message] for message in leg.reports if message in journeys and not journeys[message].is_over]
    if alive:
        return _of_message(alive[-1], number)
    does = f"calls `report` at leg {number}'s participant, or tells it again"
    return Turn(ANYONE, does, f"leg {number} was asked to prepare, and no answer of it is under way")


def _of_message(journey: Journey, number: int) -> Turn:
    turn = turn_of(journey)
    return Turn(turn.who, f"{turn.does} (leg {number}, message 0x{journey.id.hex()})", turn.why, turn.code, turn.cure)


def _preparing(found: TwoPhase, moment: Moment) -> Turn:
    if _is_past(found, moment):
        return Turn(ANYONE, "calls the coordinator's `expire`", "the prepare phase is over with a leg missing")
    return Turn(
        ANYONE, "waits for the coordinator's next final block", "every leg is prepared, the decision is not final"
    )


def _is_past(found: TwoPhase, moment: Moment) -> bool:
    return moment.times.get(found.chain_id, 0) >= found.prepare_by
