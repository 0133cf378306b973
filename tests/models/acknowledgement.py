"""A model of one call or transfer: destination, notaries, registry and sender, and everything that comes between.

The destination executes, stores a failure, retries, is voided; its time passes the expiry at any moment. A quorum of
notaries signs what is true at a final header, and what it signed may be handed in at any later moment, in any order and
again. Acknowledgements are lost and sent again. `Rules` lets a test weaken one rule, to see that the model finds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class There(Enum):
    """What became of the message at its destination."""

    AWAY = "away"
    FAILED = "failed"
    EXECUTED = "executed"
    VOIDED = "voided"


class Said(Enum):
    """What a quorum has signed."""

    EXECUTED = "executed"
    FAILED = "failed"
    EXPIRED = "expired"
    VOID = "void"


class Record(Enum):
    """The registry's state; `attested` stands beside it."""

    NOTHING = "nothing"
    PROPOSED = "proposed"
    COMMITTED = "committed"
    CLOSED = "closed"
    EXPIRED = "expired"
    ABORTED = "aborted"


class Sender(Enum):
    """What the sender believes: value delivered, or given back."""

    WAITS = "waits"
    DELIVERED = "delivered"
    REFUNDED = "refunded"


FINAL = {Record.CLOSED: Sender.DELIVERED, Record.EXPIRED: Sender.REFUNDED, Record.ABORTED: Sender.REFUNDED}


class State(NamedTuple):
    """`on_wire`: an acknowledgement is under way; `answered`: how often the sender acted on one."""

    there: There = There.AWAY
    is_late: bool = False
    signed: frozenset[Said] = frozenset()
    is_attested: bool = False
    record: Record = Record.NOTHING
    on_wire: bool = False
    sender: Sender = Sender.WAITS
    answered: int = 0


@dataclass(frozen=True)
class Rules:
    """What the contracts and notaries hold to; each may be weakened."""

    commits_late: bool = False
    retries_late: bool = False
    signs_early: bool = False
    executes_voided: bool = False
    registry_changes_its_mind: bool = False
    sender_refunds_by_its_own_clock: bool = False
    sender_acts_twice: bool = False
    sends_again: bool = True
    ends_what_failed: bool = True
    voids: bool = True


def steps(rules: Rules, state: State) -> Iterator[tuple[str, State]]:
    """Everything that can happen next."""
    yield from _destination(rules, state)
    yield from _notaries(rules, state)
    yield from _registry(rules, state)
    yield from _sender(rules, state)


def _destination(rules: Rules, state: State) -> Iterator[tuple[str, State]]:
    if not state.is_late:
        yield "the expiry passes", state._replace(is_late=True)
    committable = {There.AWAY, There.VOIDED} if rules.executes_voided else {There.AWAY}
    if state.there in committable and (not state.is_late or rules.commits_late):
        yield "commit, executed", state._replace(there=There.EXECUTED)
        yield "commit, failed", state._replace(there=There.FAILED)
    if state.there is There.FAILED and (not state.is_late or rules.retries_late):
        yield "retry, executed", state._replace(there=There.EXECUTED)
    if rules.voids and state.there in (There.AWAY, There.FAILED):
        yield "void", state._replace(there=There.VOIDED)


def _notaries(rules: Rules, state: State) -> Iterator[tuple[str, State]]:
    true = {There.EXECUTED: Said.EXECUTED, There.FAILED: Said.FAILED, There.VOIDED: Said.VOID}.get(state.there)
    if true is not None and true not in state.signed:
        yield f"sign {true.value}", state._replace(signed=state.signed | {true})
    unacted = {There.AWAY, There.FAILED} if rules.ends_what_failed else {There.AWAY}
    if state.there in unacted and (state.is_late or rules.signs_early) and Said.EXPIRED not in state.signed:
        yield "sign expired", state._replace(signed=state.signed | {Said.EXPIRED})


def _registry(rules: Rules, state: State) -> Iterator[tuple[str, State]]:
    if state.record is Record.NOTHING:
        yield "propose", state._replace(record=Record.PROPOSED)
    if not state.is_attested:
        yield "attest", state._replace(is_attested=True)
    open_states = {Record.PROPOSED, Record.COMMITTED}
    if rules.registry_changes_its_mind:
        open_states |= set(FINAL)
    if state.record in open_states:
        yield from _judged(state)
    if rules.sends_again and state.record in FINAL and not state.on_wire:
        yield "acknowledge again", state._replace(on_wire=True)


def _judged(state: State) -> Iterator[tuple[str, State]]:
    for said in state.signed:
        if said is Said.FAILED:
            if state.record is Record.PROPOSED and state.is_attested:
                yield "judge failed", state._replace(record=Record.COMMITTED)
        elif said is not Said.EXECUTED or state.is_attested:
            record = {Said.EXECUTED: Record.CLOSED, Said.EXPIRED: Record.EXPIRED, Said.VOID: Record.ABORTED}[said]
            yield f"judge {said.value}", state._replace(record=record, on_wire=True)


def _sender(rules: Rules, state: State) -> Iterator[tuple[str, State]]:
    if state.on_wire:
        yield "the acknowledgement is lost", state._replace(on_wire=False)
        if state.sender is Sender.WAITS or (rules.sender_acts_twice and state.answered < 2):
            told = state._replace(on_wire=False, sender=FINAL[state.record], answered=state.answered + 1)
            yield "the acknowledgement arrives", told
    if rules.sender_refunds_by_its_own_clock and state.sender is Sender.WAITS:
        yield "the sender's clock runs out", state._replace(sender=Sender.REFUNDED, answered=state.answered + 1)


def broken(state: State) -> str | None:
    """What must never be: both, neither truth, or twice."""
    if state.sender is Sender.REFUNDED and state.there is There.EXECUTED:
        return "refunded and delivered"
    if state.sender is Sender.DELIVERED and state.there is not There.EXECUTED:
        return "believed delivered, and it was not"
    return "acted upon twice" if state.answered > 1 else None
