"""One message's way from origin log to closed credential, as the chains' final logs tell it. Pure.

Nothing here is remembered from what the relay did: a journey advances only by logs it observed, so a restarted relay,
or a second one, sees the same journeys after reading the chains again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from ledger.errors import Problem
from ledger.proposal import Proposal
from relay.watcher import Place, SeenLog


class Step(StrEnum):
    """What the relay does for a message, in the order it prefers."""

    PROPOSE = "propose"
    ATTEST = "attest"
    COMMIT = "commit"
    JUDGE = "judge"


class State(StrEnum):
    """Where a message stands, in the words of the transaction registry."""

    SENT = "sent"
    PROPOSED = "proposed"
    ATTESTED = "attested"
    COMMITTED = "committed"
    CLOSED = "closed"
    DISPUTED = "disputed"
    EXPIRED = "expired"


# Verdict states of TransactionRegistry.vy, as its CommitJudged log carries them.
_REGISTRY_COMMITTED, _REGISTRY_CLOSED, _REGISTRY_DISPUTED = 3, 4, 5


@dataclass(slots=True)
class Journey:
    """A message and where each of its steps was observed. Times of steps are the relay's own, in milliseconds."""

    proposal: Proposal
    origin: Place
    proposed: Place | None = None
    attested: Place | None = None
    commit: Place | None = None
    executed: bool = False
    outcome: bytes = bytes(32)
    judged: Place | None = None
    credential: bytes = bytes(32)
    judged_state: int = 0
    expired: bool = False
    milliseconds: dict[str, float] = field(default_factory=dict)
    waiting: Problem | None = None
    set_aside: Problem | None = None

    @property
    def id(self) -> bytes:
        """The message's id."""
        return self.proposal.message.id

    @property
    def state(self) -> State:
        """Where the message stands."""
        if self.judged_state == _REGISTRY_CLOSED:
            return State.CLOSED
        if self.judged_state == _REGISTRY_DISPUTED:
            return State.DISPUTED
        if self.commit is not None:
            return State.COMMITTED
        if self.expired:
            return State.EXPIRED
        if self.attested is not None:
            return State.ATTESTED
        return State.PROPOSED if self.proposed is not None else State.SENT

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        return self.state in (State.CLOSED, State.DISPUTED, State.EXPIRED)

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
        elif self.attested is None:
            steps.append(Step.ATTEST)
        if self.commit is None:
            steps.append(Step.COMMIT)
        elif self.attested is not None and (self.judged is None or self.executed):
            # A commit judged as not executed waits for a retry's log, which sets `executed`.
            steps.append(Step.JUDGE)
        return tuple(steps)

    def observe(self, seen: SeenLog) -> None:
        """Take one final log that names this message."""
        fields = seen.decoded.fields
        match seen.decoded.name:
            case "Proposed":
                self.proposed = seen.place
            case "Attested":
                self.attested = seen.place
            case "MessageCommitted":
                self.commit, self.executed, self.outcome = seen.place, fields["executed"], fields["outcome"]
            case "CommitJudged":
                self.judged, self.judged_state = seen.place, fields["state"]
                self.credential = fields["credential"]
            case _:
                return
        self.waiting = None

    def forget(self, chain_id: int, above: int) -> bool:
        """A chain left its blocks above `above` behind; return whether the message itself is gone with them."""

        def gone(place: Place | None) -> bool:
            return place is not None and place.chain_id == chain_id and place.block > above

        if gone(self.proposed):
            self.proposed = None
        if gone(self.attested):
            self.attested = None
        if gone(self.commit):
            self.commit, self.executed, self.outcome = None, False, bytes(32)
        if gone(self.judged):
            self.judged, self.judged_state, self.credential = None, 0, bytes(32)
        return gone(self.origin)

    def explain(self) -> str:
        """One sentence: where it is, and what it waits for."""
        if self.set_aside is not None:
            return f"{self.state}: set aside: {self.set_aside}"
        if self.waiting is not None:
            return f"{self.state}: {self.waiting.what}"
        return str(self.state)
