"""A two-phase transaction as the coordinator's final logs tell it, and whose turn it is. Pure.

The relay carries its messages like any others. What is neither a message nor a decision (telling a leg, hearing it
again, letting a transaction expire) is a call that anybody may pay for: what is missing is told here, once, and both
the explanation and the relay's own calls (`exchanges.py`) follow it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from contracts.binding import DecodedLog
from ledger.interoperable import caip2
from ledger.two_phase import Action, Stage
from relay.explain import CHAIN, NOBODY, RELAY, Deadline, Moment, Turn, turn_of
from relay.journey import Journey, State

COORDINATOR = "Coordinator"
TELLINGS = 3  # so often a leg's application, or the coordinator, may fail to take the same word before a person looks


class Call(StrEnum):
    """What anybody may call to lead a transaction on."""

    TELL = "tell"
    REPORT = "report"
    EXPIRE = "expire"


@dataclass(frozen=True, slots=True)
class Missing:
    """What a leg lacks now: a call, or the end of a message's journey; neither where only a chain can tell."""

    call: Call | None = None
    waits_for: Journey | None = None


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
    """One transaction. `prepare_by`: seconds of its chain's block time; `initiator`: 20 bytes; `salt`: 32."""

    id: bytes
    chain_id: int
    initiator: bytes = bytes(20)
    salt: bytes = bytes(32)
    prepare_by: int = 0
    stage: Stage = Stage.UNKNOWN
    legs: dict[int, LegSeen] = field(default_factory=dict)

    @property
    def wanted(self) -> Action:
        """What each leg must hear now."""
        return {Stage.COMMITTED: Action.COMMIT, Stage.ABORTED: Action.ABORT}.get(self.stage, Action.PREPARE)

    def is_late(self, now: int) -> bool:
        """Whether it can be aborted because its prepare phase is over. `now`: block time of its chain."""
        return self.stage is Stage.PREPARING and now >= self.prepare_by

    @property
    def messages(self) -> list[bytes]:
        """The ids of every message of it, leg by leg."""
        every = ([*(named for _, named in leg.told), *leg.reports] for _, leg in sorted(self.legs.items()))
        return list(dict.fromkeys(named for leg in every for named in leg))


def fold(named: bytes, chain_id: int, logs: Iterable[DecodedLog], reports: Iterable[tuple[int, bytes]]) -> TwoPhase:
    """The transaction after the coordinator's logs, in the order of its chain. `reports`: (leg, message id)."""
    found = TwoPhase(named, chain_id)
    for said in logs:
        _observe(found, said.name, said.fields)
    for leg, message in reports:
        if leg in found.legs:  # anybody can send something that looks like a report of a leg that there is not
            found.legs[leg].reports.append(message)
    return found


def _observe(found: TwoPhase, event: str, fields: Mapping[str, object]) -> None:
    match event, fields:
        case "Begun", {"initiator": bytes(by), "salt": bytes(salt), "prepare_by": int(prepare_by), "legs": int(legs)}:
            found.initiator, found.salt, found.prepare_by, found.stage = by, salt, prepare_by, Stage.PREPARING
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
    for number in sorted(found.legs):
        turn = _turn_of_leg(found, number, journeys, moment)
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


def missing_of(found: TwoPhase, number: int, journeys: Mapping[bytes, Journey]) -> Missing | None:
    """What one leg lacks, None when nothing is missing of it now. Of a late transaction nothing is asked here."""
    leg, wanted = found.legs[number], found.wanted
    if wanted is Action.PREPARE and leg.prepared:
        return None
    named = [message for action, message in leg.told if action is wanted]
    told = [journeys[message] for message in named if message in journeys]
    heard = next((journey for journey in told if journey.executed), None)
    if heard is not None:
        return _missing_answer(leg, heard, journeys) if wanted is Action.PREPARE else None
    return _missing_word(told, Call.TELL, is_whole=len(told) == len(named))


def _missing_answer(leg: LegSeen, heard: Journey, journeys: Mapping[bytes, Journey]) -> Missing:
    """A leg was asked to prepare, and the coordinator has not heard its answer. Only the leg's own words are one."""
    asked = heard.proposal.message
    said = [journeys[message] for message in leg.reports if message in journeys]
    own = [each for each in said if _sender(each) == (asked.destination.chain_id, asked.recipient)]
    if any(journey.executed for journey in own):
        return Missing()
    return _missing_word(own, Call.REPORT, is_whole=len(said) == len(leg.reports))


def _missing_word(said: list[Journey], call: Call, *, is_whole: bool) -> Missing:
    """None of these messages did what it is for. A message expires, what it says does not: it is said again."""
    alive = [journey for journey in said if not (journey.is_over or journey.has_ended)]
    if alive:
        return Missing(waits_for=alive[-1])
    if not is_whole:
        return Missing()
    # Delivered and failed, void or disputed: saying it again may cure that, and may as well not.
    failed = [journey for journey in said if journey.state is not State.EXPIRED]
    if len(failed) >= TELLINGS or any(journey.state is State.DISPUTED for journey in failed):
        return Missing(waits_for=failed[-1])
    return Missing(call)


def _sender(journey: Journey) -> tuple[int, bytes]:
    message = journey.proposal.message
    return message.origin.chain_id, message.sender


def _turn_of_leg(found: TwoPhase, number: int, journeys: Mapping[bytes, Journey], moment: Moment) -> Turn | None:
    if found.is_late(moment.times.get(found.chain_id, 0)):
        return _preparing(found, moment)
    missing = missing_of(found, number, journeys)
    if missing is None:
        return None
    if missing.waits_for is not None:
        return _of_message(missing.waits_for, number)
    match missing.call:
        case Call.TELL:
            why = f"no message that could still arrive tells leg {number} to {found.wanted.name.lower()}"
            return Turn(RELAY, f"calls the coordinator's `tell` for leg {number}", why)
        case Call.REPORT:
            why = f"leg {number} was asked to prepare, and no answer of it is under way"
            return Turn(RELAY, f"calls `report` at leg {number}'s participant", why)
    return Turn(CHAIN, "makes the next block final", f"a message of leg {number} was not read yet")


def _of_message(journey: Journey, number: int) -> Turn:
    turn = turn_of(journey)
    return Turn(turn.who, f"{turn.does} (leg {number}, message 0x{journey.id.hex()})", turn.why, turn.code, turn.cure)


def _preparing(found: TwoPhase, moment: Moment) -> Turn:
    if found.is_late(moment.times.get(found.chain_id, 0)):
        return Turn(RELAY, "calls the coordinator's `expire`", "the prepare phase is over with a leg missing")
    return Turn(CHAIN, "makes the coordinator's next block final", "every leg is prepared, the decision is not final")
