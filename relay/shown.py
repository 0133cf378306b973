"""What the relay's API shows: plain JSON values; bytes as 0x hex, chains by CAIP-2, accounts by CAIP-10 names. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from contracts.manifest import Manifest
from ledger.errors import Problem
from ledger.interoperable import caip2, caip10
from relay.explain import Turn, turn_of
from relay.journey import Journey, State, Step, places
from relay.publisher import Standing
from relay.reading import Position

# Which of the relay's own steps brought a place about; the first was somebody else's.
_TAKEN_BY = {"proposed": Step.PROPOSE, "attested": Step.ATTEST, "committed": Step.COMMIT, "judged": Step.JUDGE}


def show_status(
    manifest: Manifest,
    positions: Iterable[Position],
    counted: Mapping[State, int],
    light_clients: Mapping[str, Problem],
    memory: Problem | None = None,
) -> dict[str, Any]:
    """How far each chain is read and why not further; how many messages are in which state; why a light client could
    not be renewed, by "origin on holder"; why messages cannot be put away, so that they take more memory.
    """
    return {
        "chains": [
            {
                "chain": position.chain,
                "name": chain.name,
                "role": chain.role.value,
                "next_block": position.next_block,
                "trouble": show_reason(position.trouble),
            }
            for chain, position in zip(manifest.chains, positions, strict=True)
        ],
        "messages": {state.value: count for state, count in sorted(counted.items()) if count},
        "light_clients": {name: show_reason(problem) for name, problem in light_clients.items()},
        "memory": show_reason(memory),
    }


def show_publishing(standing: Standing) -> dict[str, Any]:
    """How far the log is published, in entries, and what is in the way."""
    return {
        "size": standing.size,
        "published": standing.published,
        "anchored": standing.anchored,
        "crossed": standing.crossed,
        "doing": standing.doing,
        "stopped": standing.stopped,
        "problem": show_reason(standing.problem),
    }


def show_row(journey: Journey) -> dict[str, Any]:
    """One message as a row of the table."""
    message = journey.proposal.message
    return {
        "id": _hex(journey.id),
        "kind": message.kind.name.lower(),
        "from": caip10(message.origin.chain_id, message.sender),
        "to": caip10(message.destination.chain_id, message.recipient),
        "state": journey.state.value,
        "explain": journey.explain(),
        "next": show_turn(turn_of(journey)),
    }


def show_message(journey: Journey) -> dict[str, Any]:
    """One message with its steps, and what each open step waits for."""
    message = journey.proposal.message
    return show_row(journey) | {
        "lane": _hex(message.lane),
        "generation": message.generation,
        "sequence": message.sequence,
        "expiry": message.expiry,
        "executed": journey.executed,
        "outcome": _hex(journey.outcome),
        "credential": _hex(journey.credential),
        "steps": [
            {
                "step": name,
                "chain": caip2(place.chain_id),
                "block": place.block,
                "transaction": _hex(place.transaction),
                "gas": place.gas_used,
                "milliseconds": _milliseconds(journey, name),
            }
            for name, place in places(journey)
        ],
        "open": [
            {
                "step": step.value,
                "waiting": show_reason(journey.waiting.get(step)),
                "set_aside": show_reason(journey.set_aside.get(step)),
            }
            for step in journey.open_steps()
        ],
    }


def show_turn(turn: Turn) -> dict[str, str]:
    """Whose turn it is, as data."""
    return {"who": turn.who, "does": turn.does, "why": turn.why, "code": turn.code, "cure": turn.cure}


def show_reason(problem: Problem | None) -> dict[str, str] | None:
    """A problem as data, None for none."""
    if problem is None:
        return None
    return {"code": problem.code, "what": problem.what, "where": problem.where, "cure": problem.cure}


def _milliseconds(journey: Journey, name: str) -> float | None:
    taken = _TAKEN_BY.get(name)
    measured = None if taken is None else journey.milliseconds.get(taken.value)
    return None if measured is None else round(measured, 1)


def _hex(raw: bytes) -> str:
    return f"0x{raw.hex()}"
