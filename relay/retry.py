"""Transient or fatal: the one place where the relay decides what to do about an error.

Nothing here gives up for good on something that may pass by itself; what is fatal is set aside with its reason, so
that it blocks nobody else, and `POST /messages/{id}/retry` takes it up again.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.errors import Problem, Refused, Unavailable

FIRST_WAIT_SECONDS = 0.05
LONGEST_WAIT_SECONDS = 5.0
# A no may pass as well: another relay was faster, a notary's node was behind. The chains are read again before each.
REFUSALS_BEFORE_FATAL = 8

# What a node said no to is about our account (nonce, fee, funds) or about the node, never about the message.
_OF_THE_NODE = frozenset({"NODE_ERROR", "CHAIN_ID"})


@dataclass(frozen=True, slots=True)
class Again:
    """Try again after `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class SetAside:
    """Trying again cannot help; a person has to look."""


def is_refusal(problem: Problem) -> bool:
    """Whether somebody who can judge the message said no: a contract, or so many notaries that no quorum is left."""
    return isinstance(problem, Refused) and problem.code not in _OF_THE_NODE


def decide(problem: Problem, *, failures: int, refusals: int) -> Again | SetAside:
    """What to do after a failure of one step: the `failures`-th in a row, the `refusals`-th that was one; from 1."""
    transient = isinstance(problem, Unavailable) or problem.code in _OF_THE_NODE
    if is_refusal(problem):
        transient = refusals < REFUSALS_BEFORE_FATAL
    return Again(wait_after(failures)) if transient else SetAside()


def wait_after(attempt: int) -> float:
    """Seconds to wait after the `attempt`-th failure (from 1): doubling, and never more than five."""
    return min(FIRST_WAIT_SECONDS * 2.0 ** min(attempt - 1, 16), LONGEST_WAIT_SECONDS)


def problem_of(error: Exception) -> Problem:
    """The typed error it is, or RELAY_DEFECT for what nobody foresaw."""
    if isinstance(error, Problem):
        return error
    return _Defect(error)


class _Defect(Problem):
    """What we did not foresee; set aside like a refusal, and named so that it can be found."""

    def __init__(self, error: Exception) -> None:
        super().__init__("RELAY_DEFECT", f"the relay failed: {error!r}"[:500], cure="Tell its maintainers.")
