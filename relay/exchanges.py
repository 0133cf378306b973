"""What a two-phase transaction needs called now, and the calls themselves. Pure.

Everything rests on final logs: the plan is read back from the coordinator's `Begun` and the messages that asked the
legs to prepare. May never happen here: a call before its time, one that a message under way makes needless, or one for
a plan whose id is not the transaction's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from contracts.binding import Contract
from contracts.manifest import Manifest
from ledger.attestation import word
from ledger.errors import Problem
from ledger.ethereum.keccak import keccak256
from ledger.interoperable import encode
from ledger.two_phase import HEAD_BYTES, Action, Leg, Plan, Stage
from relay.journey import Journey
from relay.legs import COORDINATOR, Call, TwoPhase, missing_of

# Every participant answers `report` alike, whatever else it is.
PARTICIPANT = "TokenLeg"


@dataclass(frozen=True, slots=True)
class Due:
    """One call that is due. `leg`: None for the whole transaction; `said`: how many messages said it before, so that a
    call that is due again is another one; `initiator`: 20 bytes; `to`: 20 bytes on the chain `chain_id`.
    """

    transaction: bytes
    call: Call
    leg: int | None
    said: int
    initiator: bytes
    chain_id: int
    to: bytes
    data: bytes

    @property
    def digest(self) -> bytes:
        """What tells the transaction that makes this call from any other, 32 bytes."""
        return keccak256(word(self.chain_id) + self.to + self.data)


def dues(found: TwoPhase, journeys: Mapping[bytes, Journey], manifest: Manifest, now: int | None) -> tuple[Due, ...]:
    """What is due now, in the order of legs. `now`: block time of the coordinator's chain, None before any was read."""
    at = _coordinator(found, manifest)
    if at is None or now is None or found.stage is Stage.UNKNOWN:
        return ()
    if found.is_late(now):
        data = at.encode_call("expire", found.id)
        return (Due(found.id, Call.EXPIRE, None, 0, found.initiator, found.chain_id, at.address, data),)
    missing = {number: missing_of(found, number, journeys) for number in sorted(found.legs)}
    calls = {number: each.call for number, each in missing.items() if each is not None and each.call is not None}
    plan = plan_of(found, journeys, at.address) if calls else None
    if plan is None:
        return ()
    return tuple(_due(found, plan, number, call) for number, call in calls.items())


def plan_of(found: TwoPhase, journeys: Mapping[bytes, Journey], coordinator: bytes) -> Plan | None:
    """The plan as it was begun; None where a leg's first message is not known, or they do not give this transaction."""
    legs = []
    for _, leg in sorted(found.legs.items()):
        asked = next((journeys.get(named) for action, named in leg.told if action is Action.PREPARE), None)
        if asked is None:
            return None
        message = asked.proposal.message
        try:
            legs.append(Leg(message.destination.chain_id, message.recipient, asked.proposal.payload[HEAD_BYTES:]))
        except Problem:
            return None
    try:
        plan = Plan(found.chain_id, coordinator, found.initiator, found.salt, found.prepare_by, tuple(legs))
    except Problem:
        return None
    return plan if plan.id == found.id else None


def _due(found: TwoPhase, plan: Plan, number: int, call: Call) -> Due:
    seen, leg = found.legs[number], plan.legs[number]
    if call is Call.REPORT:
        arguments = (encode(plan.chain_id, plan.coordinator), plan.id, number, leg.terms_digest)
        data, said = Contract(PARTICIPANT, leg.participant).encode_call("report", *arguments), len(seen.reports)
        return Due(found.id, call, number, said, found.initiator, leg.chain_id, leg.participant, data)
    legs = [(each.chain_id, each.participant, each.terms) for each in plan.legs]
    begun = (plan.initiator, plan.salt, plan.prepare_by, legs)
    data = Contract(COORDINATOR, plan.coordinator).encode_call("tell", begun, number)
    return Due(found.id, call, number, len(seen.told), found.initiator, plan.chain_id, plan.coordinator, data)


def _coordinator(found: TwoPhase, manifest: Manifest) -> Contract | None:
    chain = manifest.by_id(found.chain_id)
    return None if chain is None or COORDINATOR not in chain.contracts else chain.contract(COORDINATOR)
