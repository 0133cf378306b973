"""Two-phase commit: who is asked what, what may be answered, and the one decision. Pure.

Twin of `contracts/vyper/two_phase.vy`, of the coordinator's rules (`Coordinator.vy`) and of a leg's (`participant.vy`).
`tests/models/test_two_phase.py` explores these very functions in every interleaving and replays them on the contracts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

from ledger.attestation import address_word, fits, word
from ledger.errors import BadInput, Refused
from ledger.ethereum.keccak import keccak256 as keccak

MAX_LEGS = 8
MAX_TERMS_BYTES = 512
MAX_PREPARE_SECONDS = 30 * 24 * 3600
HEAD_BYTES, DECISION_BYTES, REPORT_BYTES = 96, 128, 160

_ID_TAG = keccak(b"pledgetrail/two-phase/v1")


class Action(IntEnum):
    """What a payload asks of a leg, or reports from it."""

    PREPARE = 17
    COMMIT = 18
    ABORT = 19
    PREPARED = 20
    REFUSED = 21


class Stage(IntEnum):
    """Where the coordinator stands. The last two are the decision, and final."""

    UNKNOWN = 0
    PREPARING = 1
    COMMITTED = 2
    ABORTED = 3


class LegState(IntEnum):
    """Where a leg stands. `FORCED_…`: by order of the quorum; `CONTRADICTED`: forced one way, decided the other."""

    UNKNOWN = 0
    PREPARED = 1
    REFUSED = 2
    COMMITTED = 3
    ABORTED = 4
    FORCED_COMMIT = 5
    FORCED_ABORT = 6
    CONTRADICTED = 7


@dataclass(frozen=True, slots=True)
class Leg:
    """One participant (20 bytes) on its chain, and the terms it is asked to prepare. Errors: `BadInput` LEG_RANGE."""

    chain_id: int
    participant: bytes
    terms: bytes

    def __post_init__(self) -> None:
        if not fits(self.chain_id, 256) or self.chain_id == 0 or len(self.participant) != 20:
            raise BadInput(
                "LEG_RANGE", "a leg is a chain id and an account of 20 bytes", where=f"{self.chain_id!r}"[:80]
            )
        if len(self.terms) > MAX_TERMS_BYTES:
            raise BadInput("LEG_RANGE", f"terms have at most {MAX_TERMS_BYTES} bytes", where=f"{len(self.terms)} bytes")

    @property
    def terms_digest(self) -> bytes:
        """Keccak-256 of the terms."""
        return keccak(self.terms)


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole transaction as its initiator begins it. `prepare_by`: seconds of the transaction chain's time.

    Errors: `BadInput` PLAN_RANGE for a field outside its type, `Refused` PLAN_LEGS for fewer than two legs or more than
    eight.
    """

    chain_id: int
    coordinator: bytes
    initiator: bytes
    salt: bytes
    prepare_by: int
    legs: tuple[Leg, ...]

    def __post_init__(self) -> None:
        accounts = len(self.coordinator) == len(self.initiator) == 20
        if not (accounts and len(self.salt) == 32 and fits(self.chain_id, 256) and fits(self.prepare_by, 64)):
            raise BadInput("PLAN_RANGE", "a field of the transaction is outside its type")
        if not 2 <= len(self.legs) <= MAX_LEGS:
            raise Refused("PLAN_LEGS", f"two to {MAX_LEGS} legs", where=f"{len(self.legs)}")

    @property
    def id(self) -> bytes:
        """The transaction's identity, 32 bytes; it binds every field and every leg, in order."""
        parties = address_word(self.coordinator) + address_word(self.initiator)
        numbers = word(self.prepare_by) + word(len(self.legs))
        found = keccak(_ID_TAG + word(self.chain_id) + parties + self.salt + numbers)
        for leg in self.legs:
            found = keccak(found + word(leg.chain_id) + address_word(leg.participant) + leg.terms_digest)
        return found

    def begin(self, now: int) -> Progress:
        """The first progress; `Refused` PREPARE_DEADLINE when the deadline is past or more than 30 days ahead."""
        if not now < self.prepare_by <= now + MAX_PREPARE_SECONDS:
            raise Refused("PREPARE_DEADLINE", "the deadline is past or too far", where=f"{self.prepare_by}")
        return Progress(Stage.PREPARING, len(self.legs), 0, self.prepare_by, 0)


@dataclass(frozen=True, slots=True)
class Progress:
    """A transaction at its coordinator. `prepared`: bit k for leg k. Times: seconds of the transaction chain."""

    stage: Stage
    legs: int
    prepared: int
    prepare_by: int
    decided_at: int

    def hear(self, leg: int, report: Action, now: int) -> Progress:
        """After a proven report of one of the legs.

        A refusal aborts, and so does a proof at or after the deadline; the last proof in time commits. After the
        decision nothing changes. Errors: `Refused` REPORT for another action, no such leg, or an unknown transaction.
        """
        if report not in (Action.PREPARED, Action.REFUSED) or not 0 <= leg < self.legs or self.stage == Stage.UNKNOWN:
            raise Refused("REPORT", "not a report of a leg of this transaction", where=f"leg {leg}")
        if self.stage != Stage.PREPARING:
            return self
        if report == Action.REFUSED or now >= self.prepare_by:
            return replace(self, stage=Stage.ABORTED, decided_at=now)
        prepared = self.prepared | 1 << leg
        if prepared == (1 << self.legs) - 1:
            return replace(self, stage=Stage.COMMITTED, prepared=prepared, decided_at=now)
        return replace(self, prepared=prepared)

    def expire(self, now: int) -> Progress:
        """Aborted because the deadline has passed with a leg missing; `Refused` DECIDED, PREPARE_DEADLINE."""
        if self.stage != Stage.PREPARING:
            raise Refused("DECIDED", "the transaction is not preparing", where=self.stage.name)
        if now < self.prepare_by:
            raise Refused("PREPARE_DEADLINE", "the prepare phase lasts", where=f"{self.prepare_by}")
        return replace(self, stage=Stage.ABORTED, decided_at=now)

    def to_tell(self, now: int) -> Action:
        """What a leg may be told now, again and again; `Refused` PREPARE_DEADLINE between deadline and decision."""
        if self.stage == Stage.UNKNOWN:
            raise Refused("REPORT", "the transaction is unknown")
        if self.stage != Stage.PREPARING:
            return Action.COMMIT if self.stage == Stage.COMMITTED else Action.ABORT
        if now >= self.prepare_by:
            raise Refused(
                "PREPARE_DEADLINE", "the prepare phase is over", cure="Let it expire, then tell the decision."
            )
        return Action.PREPARE


def after_prepare(state: LegState, accepts: bool) -> LegState:
    """A leg after a PREPARE: only one of which nothing is known answers, as its application says."""
    if state != LegState.UNKNOWN:
        return state
    return LegState.PREPARED if accepts else LegState.REFUSED


def after_decision(state: LegState, decision: Action) -> tuple[LegState, bool]:
    """A leg after a decision, and whether its application acts: only a prepared leg does.

    An abort before the prepare is remembered. What was forced is confirmed or contradicted, and moves nothing.
    """
    end, forced = _ENDS[decision]
    if state == LegState.PREPARED:
        return end, True
    if state == forced or (state == LegState.UNKNOWN and decision == Action.ABORT):
        return end, False
    if state in (LegState.FORCED_COMMIT, LegState.FORCED_ABORT):
        return LegState.CONTRADICTED, False
    return state, False


def after_force(state: LegState, decision: Action) -> LegState:
    """A prepared leg that the quorum forces after its delay; `Refused` NOT_PREPARED for any other."""
    if state != LegState.PREPARED:
        raise Refused("NOT_PREPARED", "only a prepared leg can be forced", where=state.name)
    return _ENDS[decision][1]


def to_report(state: LegState) -> Action:
    """What a leg may report now, again and again; `Refused` NO_REPORT when it has nothing to say."""
    if state in (LegState.PREPARED, LegState.FORCED_COMMIT):
        return Action.PREPARED
    if state in (LegState.REFUSED, LegState.FORCED_ABORT):
        return Action.REFUSED
    raise Refused("NO_REPORT", "this leg has nothing to report", where=state.name)


_ENDS = {
    Action.COMMIT: (LegState.COMMITTED, LegState.FORCED_COMMIT),
    Action.ABORT: (LegState.ABORTED, LegState.FORCED_ABORT),
}


@dataclass(frozen=True, slots=True)
class Report:
    """What a leg says: prepared, or refused with a reason (one word, not empty)."""

    id: bytes
    leg: int
    terms_digest: bytes
    refusal: bytes = bytes(32)

    def encode(self) -> bytes:
        """The payload, 160 bytes."""
        action = Action.REFUSED if any(self.refusal) else Action.PREPARED
        return word(action) + self.id + word(self.leg) + self.terms_digest + self.refusal


def read_report(payload: bytes) -> Report:
    """Read a report; `BadInput` REPORT_FORM unless it is exactly one that `Report.encode` gives."""
    if len(payload) != REPORT_BYTES:
        raise BadInput("REPORT_FORM", f"a report has {REPORT_BYTES} bytes", where=f"{len(payload)} bytes")
    report = Report(payload[32:64], int.from_bytes(payload[64:96], "big"), payload[96:128], payload[128:])
    if report.encode() != payload:
        raise BadInput("REPORT_FORM", "neither prepared nor refused with a reason", where=payload[:32].hex())
    return report


def prepare_payload(id: bytes, leg: int, terms: bytes) -> bytes:  # noqa: A002
    """What asks a leg to prepare."""
    return word(Action.PREPARE) + id + word(leg) + terms


def decision_payload(decision: Action, id: bytes, leg: int, terms_digest: bytes) -> bytes:  # noqa: A002
    """What tells a leg the decision, 128 bytes."""
    return word(decision) + id + word(leg) + terms_digest


def leg_key(coordinator: bytes, id: bytes, leg: int, terms_digest: bytes) -> bytes:  # noqa: A002
    """Where a participant keeps a leg. `coordinator`: its interoperable address."""
    return keccak(keccak(coordinator) + id + word(leg) + terms_digest)
