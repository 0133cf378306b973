"""Transient or fatal: the one place where the relay decides what to do about an error.

Nothing here gives up for good on something that may pass by itself; what is fatal is set aside with its reason, so
that it blocks nobody else, and `pledgetrail relay retry` takes it up again.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.errors import Problem, Unavailable

FIRST_WAIT_SECONDS = 0.05
LONGEST_WAIT_SECONDS = 5.0
# A revert may mean that another relay was faster: the chains are read again before each of these attempts.
REVERTS_BEFORE_FATAL = 5


@dataclass(frozen=True, slots=True)
class Again:
    """Try again after `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class SetAside:
    """Trying again cannot help; a person has to look."""


def decide(problem: Problem, attempt: int) -> Again | SetAside:
    """What to do after the `attempt`-th failure (from 1) of one step."""
    transient = isinstance(problem, Unavailable)
    if not transient and problem.code == "CALL_REVERTED" and attempt < REVERTS_BEFORE_FATAL:
        transient = True
    if not transient:
        return SetAside()
    return Again(min(FIRST_WAIT_SECONDS * 2 ** min(attempt - 1, 16), LONGEST_WAIT_SECONDS))
