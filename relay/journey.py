"""One message's way from origin log to closed credential, as the chains' final logs tell it. Pure.

Nothing here is remembered from what the relay did: a journey is folded from the logs it observed, so a restarted
relay, or a second one, sees the same journeys after reading the chains again, and a reorganisation folds again without
the logs it took away.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from contracts.chain_rules import Policy
from ledger.errors import Problem
from ledger.proposal import Proposal
from relay.tried import Tried
from relay.watcher import Place, SeenLog


class Step(StrEnum):
    """What the relay does for a message, in the order it prefers. REDELIVER only when a person asks for it."""

    PROPOSE = "propose"
    ATTEST = "attest"
    COMMIT = "commit"
    REDELIVER = "redeliver"
    JUDGE = "judge"


class State(StrEnum):
    """Where a message stands, in the words of the transaction registry, and HELD in the gateway's.

    EXPIRED and ABORTED are seen at the destination first; a journey is over once the registry has recorded it.
    """

    SENT = "sent"
    PROPOSED = "proposed"
    ATTESTED = "attested"
    COMMITTED = "committed"
    HELD = "held"
    CLOSED = "closed"
    DISPUTED = "disputed"
    EXPIRED = "expired"
    ABORTED = "aborted"


# Verdict states of TransactionRegistry.vy, as its CommitJudged log carries them.
_JUDGED = {4: State.CLOSED, 5: State.DISPUTED, 6: State.EXPIRED, 7: State.ABORTED}


class Fact(NamedTuple):
    """What one final log says of a message, and no more of it than is needed: there may be very many."""

    kind: str
    place: Place
    executed: bool = False
    word: bytes = b""
    state: int = 0


@dataclass(slots=True)
class Journey:
    """A message and where each of its steps was observed. Times of steps are the relay's own, in milliseconds.

    `waiting`, `set_aside`: by step, why it was not taken yet, and why it is no longer tried;
    `skipped`: why a person said that it is to be left alone, None where nobody did. `policy`: what the lane
    asks for as proof, None until its destination was asked.
    """

    proposal: Proposal
    origin: Place
    id: bytes = b""
    facts: list[Fact] = field(default_factory=list)
    proposed: Place | None = None
    attested: Place | None = None
    commit: Place | None = None
    executed: bool = False
    outcome: bytes = bytes(32)
    held: Place | None = None
    approved: Place | None = None
    voided: Place | None = None
    judged: Place | None = None
    credential: bytes = bytes(32)
    judged_state: int = 0
    expired: bool = False
    redeliver: bool = False
    policy: Policy | None = None
    milliseconds: dict[str, float] = field(default_factory=dict)
    waiting: dict[Step, Problem] = field(default_factory=dict)
    set_aside: dict[Step, Problem] = field(default_factory=dict)
    tried: Tried = field(default_factory=Tried)
    skipped: str | None = None

    def __post_init__(self) -> None:
        self.id = self.id or self.proposal.message.id

    @property
    def state(self) -> State:
        """Where the message stands."""
        if self.judged_state in _JUDGED:
            return _JUDGED[self.judged_state]
        there = self._state_there()
        if there is not None:
            return there
        if self.attested is not None:
            return State.ATTESTED
        return State.PROPOSED if self.proposed is not None else State.SENT

    def _state_there(self) -> State | None:
        """What became of it at its destination, None while nothing did."""
        if self.voided is not None:
            return State.ABORTED
        if self.expired and not self.executed:
            return State.EXPIRED
        if self.held is not None:
            return State.HELD
        return State.COMMITTED if self.commit is not None else None

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        return self.judged_state in _JUDGED

    @property
    def has_ended(self) -> bool:
        """Whether the destination will never execute it: it expired or was voided there. Its record is to follow."""
        return self.voided is not None or (self.expired and not self.executed)

    @property
    def needs_certificate(self) -> bool:
        """Whether the notaries attest the message: not where its destination sees the origin by itself."""
        return self.policy in (None, Policy.NOTARY, Policy.NOTARY_AND_RELAY)

    def open_steps(self) -> tuple[Step, ...]:
        """Steps that can be taken now, the preferred one first.

        The transaction chain never gates a one-way commit: COMMIT is open from the start, so that a transaction chain
        out of reach delays the record and not the delivery.
        """
        if self.is_over:
            return ()
        steps: list[Step] = []
        if self.proposed is None:
            steps.append(Step.PROPOSE)
        elif self.has_ended:
            steps.append(Step.JUDGE)
        elif self.attested is None and self.needs_certificate:
            steps.append(Step.ATTEST)
        if self.has_ended:
            return tuple(steps)
        if self.commit is None and self.held is None:
            steps.append(Step.COMMIT)
        elif not self.executed and (self.redeliver or (self.approved is not None and self.held is not None)):
            steps.append(Step.REDELIVER)
        is_recorded = self.proposed is not None and (self.attested is not None or not self.needs_certificate)
        if is_recorded and self.commit is not None and (self.judged is None or self.executed):
            # A commit judged as not executed waits for a redelivery's log, which sets `executed`.
            steps.append(Step.JUDGE)
        return tuple(steps)

    def observe(self, fact: Fact) -> None:
        """Take what one final log says of this message."""
        if self._fold(fact):
            self.facts.append(fact)
            self.tidy()

    def tidy(self) -> None:
        """What has happened, by whomever, is no longer waited for and was not worth setting aside."""
        for step in {*self.waiting, *self.set_aside} - {*self.open_steps()}:
            self.waiting.pop(step, None)
            self.set_aside.pop(step, None)

    def forget(self, chain_id: int, above: int) -> bool:
        """A chain left its blocks above `above` behind; return whether a step was lost with them."""
        kept = [fact for fact in self.facts if not is_left_behind(fact.place, chain_id, above)]
        is_undone = len(kept) < len(self.facts)
        if is_undone:
            self.proposed = self.attested = self.commit = self.judged = None
            self.held = self.approved = self.voided = None
            self.executed, self.judged_state = False, 0
            self.outcome = self.credential = bytes(32)
            for fact in kept:
                self._fold(fact)
            self.facts = kept
            # What was said of any step may have rested on what is gone: a judgement on its commit, above all.
            self.waiting.clear()
            self.set_aside.clear()
        return is_undone

    def explain(self) -> str:
        """One sentence: where it is, and what it waits for."""
        if self.is_over:
            return str(self.state)
        if self.skipped is not None:
            return f"{self.state}: skipped: {self.skipped}"
        for step, problem in self.set_aside.items():
            return f"{self.state}: set aside at {step}: {problem}"
        for problem in self.waiting.values():
            return f"{self.state}: {problem.what}"
        awaited = self._awaited()
        return f"{self.state}: {awaited}" if awaited else str(self.state)

    def _awaited(self) -> str:
        """What it waits for that is nobody's failure; empty for nothing."""
        if self.has_ended:
            return "its record waits for the notaries' verdict"
        if self.held is not None:
            return "approved, and delivered next" if self.approved else "beyond the lane's limits; a quorum decides"
        if self.commit is not None and not self.executed:
            return "the application's call failed; it waits for a retry"
        return ""

    def _fold(self, fact: Fact) -> bool:
        """Whether the log is a step of this message, on the chain where that step happens."""
        match fact.kind:
            case "Proposed":
                self.proposed = fact.place
            case "Attested":
                self.attested = fact.place
            case "CommitJudged":
                self.judged, self.judged_state, self.credential = fact.place, fact.state, fact.word
            case "MessageCommitted" if self._is_there(fact):
                self.commit, self.executed, self.outcome = fact.place, fact.executed, fact.word
                self.held = None
            case "MessageHeld" if self._is_there(fact):
                self.held = fact.place
            case "MessageVoided" if self._is_there(fact):
                self.voided = fact.place
            case "MessageApproved" if self._is_there(fact):
                self.approved = fact.place
            case _:
                return False
        return True

    def _is_there(self, fact: Fact) -> bool:
        return fact.place.chain_id == self.proposal.message.destination.chain_id


def fact_of(seen: SeenLog) -> Fact | None:
    """What a log says of the message it names; None for one that is no step of any."""
    fields, place = seen.decoded.fields, seen.place
    match seen.decoded.contract, seen.decoded.name:
        case "TransactionRegistry", ("Proposed" | "Attested") as kind:
            return Fact(kind, place)
        case "TransactionRegistry", "CommitJudged":
            return Fact("CommitJudged", place, word=fields["credential"], state=fields["state"])
        case "Gateway", "MessageCommitted":
            return Fact("MessageCommitted", place, executed=fields["executed"], word=fields["outcome"])
        case ("Gateway", ("MessageHeld" | "MessageVoided") as kind) | ("Administration", "MessageApproved" as kind):
            return Fact(kind, place)
    return None


def is_left_behind(place: Place, chain_id: int, above: int) -> bool:
    """Whether a place lies among a chain's blocks above `above`."""
    return place.chain_id == chain_id and place.block > above


def places(journey: Journey) -> Iterable[tuple[str, Place]]:
    """The observed steps of a journey with their places, in order."""
    for name, place in (
        ("sent", journey.origin),
        ("proposed", journey.proposed),
        ("attested", journey.attested),
        ("committed", journey.commit),
        ("judged", journey.judged),
    ):
        if place is not None:
            yield name, place
