"""A journey as bytes and back: for those that are put away to a disk of this process alone. Pure.

What comes back is the same journey, so that nobody can tell whether it was away. The logs it was folded from are kept,
and folded again. May never happen here: bytes of anybody else, because nothing checks them again.
"""

from __future__ import annotations

from dataclasses import astuple
from typing import Any, Final

import cbor2

from contracts.manifest import Manifest, Policy
from ledger.errors import BadInput, Problem, Refused, Unavailable, WrongUse
from ledger.proposal import Kind, Message, Proposal
from relay.journey import Fact, Journey, Step
from relay.tried import Attempt
from relay.watcher import Place

_PROBLEMS: Final = {each.__name__: each for each in (BadInput, Refused, Unavailable, WrongUse)}


def pack(journey: Journey) -> bytes:
    """The journey, with why it waits and what was tried."""
    message = journey.proposal.message
    fields: list[Any] = [
        int(message.kind),
        message.origin.chain_id,
        message.destination.chain_id,
        message.generation,
        message.sequence,
        message.sender,
        message.recipient,
        message.expiry,
        message.gas_limit,
        message.payload_digest,
        message.version,
        journey.proposal.payload,
    ]
    own = [journey.expired, journey.redeliver, None if journey.policy is None else int(journey.policy), journey.skipped]
    facts = [_fields(each) for each in journey.facts]
    reasons = [_reasons(journey.waiting), _reasons(journey.set_aside)]
    tried = [journey.tried.count, [astuple(each) for each in journey.tried]]
    whole = [journey.id, fields, astuple(journey.origin), facts, own, journey.milliseconds, reasons, tried]
    return bytes(cbor2.dumps(whole))


def unpack(packed: bytes, manifest: Manifest) -> Journey:
    """What `pack` made, of the same deployment."""
    named, fields, origin, facts, own, milliseconds, reasons, tried = cbor2.loads(packed)
    kind, origin_id, destination_id, *others, payload = fields
    left, arrives = manifest.by_id(origin_id), manifest.ends[destination_id]
    assert left is not None  # it was in the manifest when it was read
    message = Message(Kind(kind), left.end, arrives, *others)
    journey = Journey(Proposal(message, payload), Place(*origin), named)
    for each in facts:
        journey.observe(_fact(each))
    journey.expired, journey.redeliver, policy, journey.skipped = own
    journey.policy = None if policy is None else Policy(policy)
    journey.milliseconds = milliseconds
    journey.waiting, journey.set_aside = (_problems(each) for each in reasons)
    count, kept = tried
    journey.tried.restore(count, [Attempt(*each) for each in kept])
    return journey


def pack_fact(fact: Fact) -> bytes:
    """What one log said."""
    return bytes(cbor2.dumps(_fields(fact)))


def unpack_fact(packed: bytes) -> Fact:
    """What `pack_fact` made."""
    return _fact(cbor2.loads(packed))


def _fields(fact: Fact) -> list[Any]:
    return [fact.kind, astuple(fact.place), fact.executed, fact.word, fact.state]


def _fact(fields: list[Any]) -> Fact:
    kind, place, executed, word, state = fields
    return Fact(kind, Place(*place), executed, word, state)


def _reasons(problems: dict[Step, Problem]) -> list[list[str]]:
    return [
        [step.value, _kind(problem), problem.code, problem.what, problem.where, problem.cure]
        for step, problem in problems.items()
    ]


def _kind(problem: Problem) -> str:
    """The family it is of: what a subclass knows besides was used when it was met."""
    return next((name for name, each in _PROBLEMS.items() if isinstance(problem, each)), Refused.__name__)


def _problems(reasons: list[list[str]]) -> dict[Step, Problem]:
    return {
        Step(step): _PROBLEMS[kind](code, what, where=where, cure=cure)
        for step, kind, code, what, where, cure in reasons
    }
