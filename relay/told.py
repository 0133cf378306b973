"""Explanations as plain JSON values. Pure. Wei are decimal text: a script's numbers end at 2^53."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ledger.errors import Problem
from ledger.interoperable import caip2
from relay.exchanges import Due
from relay.explain import OPERATOR, Cost, Deadline, Explanation, Moment, Turn, explain
from relay.journey import Journey
from relay.legs import TwoPhase, deadline_of, turn_of_transaction
from relay.shown import show_reason, show_row, show_turn
from relay.tried import Attempt

_TAKE_UP = "Cure what the reason says, then `pledgetrail relay retry URL ID` with the id of any message of it."


def tell_message(told: Explanation) -> dict[str, Any]:
    """One message: where it is, whose turn, by when, what was tried, what it cost."""
    row = show_row(told.journey)
    row.pop("explain")
    return row | {
        "where": told.where,
        "by": _deadline(told.by),
        "attempts": told.attempts,
        "tried": [_attempt(each) for each in told.tried],
        "cost": {"steps": [_cost(each) for each in told.cost], "total": _total(told.cost)},
    }


def tell_transaction(transaction: bytes, journeys: Iterable[Journey], moment: Moment) -> dict[str, Any]:
    """A transaction of any chain, by the messages it sent, recorded or delivered."""
    messages = [tell_message(explain(journey, moment)) for journey in journeys]
    return {"transaction": _hex(transaction), "messages": messages}


def tell_two_phase(
    found: TwoPhase,
    journeys: Mapping[bytes, Journey],
    moment: Moment,
    reasons: Iterable[tuple[Due, Problem | None, Problem | None]] = (),
) -> dict[str, Any]:
    """A two-phase transaction: its stage, each leg, what is called for it, and every message of it. `reasons`: what is
    due, each with why it waits and why it is no longer tried.
    """
    reasons = list(reasons)
    messages = [tell_message(explain(journeys[named], moment)) for named in found.messages if named in journeys]
    return {
        "two_phase": _hex(found.id),
        "state": found.stage.name.lower(),
        "initiator": _hex(found.initiator),
        "next": show_turn(_set_aside(reasons) or turn_of_transaction(found, journeys, moment)),
        "by": _deadline(deadline_of(found, moment)),
        "legs": [
            {
                "leg": number,
                "prepared": leg.prepared,
                "refused": _hex(leg.refusal) if leg.refusal else None,
                "told": [{"action": action.name.lower(), "message": _hex(named)} for action, named in leg.told],
                "reports": [_hex(named) for named in leg.reports],
            }
            for number, leg in sorted(found.legs.items())
        ],
        "calls": [
            {
                "call": due.call.value,
                "leg": due.leg,
                "chain": caip2(due.chain_id),
                "waiting": show_reason(waiting),
                "set_aside": show_reason(aside),
            }
            for due, waiting, aside in reasons
        ],
        "messages": messages,
    }


def _set_aside(reasons: Iterable[tuple[Due, Problem | None, Problem | None]]) -> Turn | None:
    for due, _, problem in reasons:
        if problem is not None:
            what = due.call.value if due.leg is None else f"{due.call} for leg {due.leg}"
            return Turn(OPERATOR, f"has {what} tried again", problem.what, problem.code, problem.cure or _TAKE_UP)
    return None


def _deadline(by: Deadline | None) -> dict[str, Any] | None:
    if by is None:
        return None
    return {"time": by.time, "chain": by.chain, "now": by.now, "seconds_left": by.seconds_left, "then": by.then}


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "step": attempt.step,
        "at": round(attempt.at, 3),
        "milliseconds": round(attempt.milliseconds, 1),
        "code": attempt.code,
        "what": attempt.what,
    }


def _cost(cost: Cost) -> dict[str, Any]:
    return {
        "step": cost.step,
        "chain": cost.chain,
        "transaction": _hex(cost.transaction),
        "gas": cost.gas,
        "gas_price_wei": _decimal(cost.gas_price),
        "fee_wei": _decimal(cost.fee),
    }


def _total(costs: Iterable[Cost]) -> list[dict[str, Any]]:
    """By chain: wei of two chains are not the same money. A transaction that took two steps is counted once."""
    by_chain: dict[str, dict[bytes, Cost]] = {}
    for cost in costs:
        by_chain.setdefault(cost.chain, {})[cost.transaction] = cost
    return [
        {
            "chain": chain,
            "gas": sum(cost.gas for cost in paid.values()),
            "fee_wei": _decimal(_sum(cost.fee for cost in paid.values())),
        }
        for chain, paid in sorted(by_chain.items())
    ]


def _sum(fees: Iterable[int | None]) -> int | None:
    """None as soon as one is not known."""
    total = 0
    for fee in fees:
        if fee is None:
            return None
        total += fee
    return total


def _decimal(value: int | None) -> str | None:
    return None if value is None else str(value)


def _hex(raw: bytes) -> str:
    return f"0x{raw.hex()}"
