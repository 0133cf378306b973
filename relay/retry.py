"""Transient or fatal: the one place where the relay decides what to do about an error.

Nothing here gives up for good on something that may pass by itself; what is fatal is set aside with its reason, so
that it blocks nobody else, and `POST /messages/{id}/retry` takes it up again.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.errors import Problem, Unavailable

FIRST_WAIT_SECONDS = 0.05
LONGEST_WAIT_SECONDS = 5.0
# A revert may mean that another relay was faster: the chains are read again before each of these attempts.
REVERTS_BEFORE_FATAL = 8

# What a contract said no to, in simulation or mined.
_REVERTS = frozenset({"CALL_REVERTED", "TX_FAILED"})
# What a node said no to is about our account (its nonce, its fee, its funds), never about the message.
_OF_THE_NODE = frozenset({"NODE_ERROR"})


@dataclass(frozen=True, slots=True)
class Again:
    """Try again after `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class SetAside:
    """Trying again cannot help; a person has to look."""


def decide(problem: Problem, attempt: int) -> Again | SetAside:
    """What to do after the `attempt`-th failure (from 1) of one step."""
    transient = isinstance(problem, Unavailable) or problem.code in _OF_THE_NODE
    if problem.code in _REVERTS:
        transient = attempt < REVERTS_BEFORE_FATAL
    return Again(wait_after(attempt)) if transient else SetAside()


def wait_after(attempt: int) -> float:
    """Seconds to wait after the `attempt`-th failure (from 1): doubling, and never more than five."""
    return min(FIRST_WAIT_SECONDS * 2.0 ** min(attempt - 1, 16), LONGEST_WAIT_SECONDS)
