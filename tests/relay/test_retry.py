"""Transient or fatal, and how long to wait: a table."""

from __future__ import annotations

import pytest

from ledger.errors import BadInput, Problem, Refused, Unavailable
from relay.retry import LONGEST_WAIT_SECONDS, REFUSALS_BEFORE_FATAL, Again, SetAside, decide, wait_after

DECISIONS: dict[str, tuple[Problem, int, bool]] = {
    "an unreachable node is tried for ever": (Unavailable("NODE_UNREACHABLE", ""), 10_000, True),
    "too few notaries are waited for": (Unavailable("WAITING", ""), 10_000, True),
    "a receipt that is not there yet is waited for": (Unavailable("TX_NOT_MINED", ""), 10_000, True),
    "what the node refuses is about our account": (Refused("NODE_ERROR", "nonce too low"), 10_000, True),
    "a first revert may be another relay's success": (Refused("CALL_REVERTED", ""), 1, True),
    "the last revert but one is tried again": (Refused("CALL_REVERTED", ""), REFUSALS_BEFORE_FATAL - 1, True),
    "the last revert is final": (Refused("CALL_REVERTED", ""), REFUSALS_BEFORE_FATAL, False),
    "a transaction that failed in its block is a revert": (Refused("TX_FAILED", ""), 1, True),
    "and is final when it failed as often": (Refused("TX_FAILED", ""), REFUSALS_BEFORE_FATAL, False),
    "another node's chain is the node's fault": (Refused("CHAIN_ID", ""), 10_000, True),
    "what notaries refuse may be about their nodes": (Refused("LANE", ""), 1, True),
    "and is final when they say so as often": (Refused("LANE", ""), REFUSALS_BEFORE_FATAL, False),
    "bytes that are wrong stay wrong": (BadInput("LOG_MALFORMED", ""), 1, False),
    "a defect is set aside": (Problem("RELAY_DEFECT", ""), 1, False),
}


@pytest.mark.parametrize("name", DECISIONS)
def test_what_is_done_about_a_problem(name: str) -> None:
    problem, attempt, again = DECISIONS[name]
    assert isinstance(decide(problem, failures=attempt, refusals=attempt), Again if again else SetAside)


def test_only_refusals_count_towards_the_last_one() -> None:
    assert isinstance(decide(Refused("LANE", ""), failures=10_000, refusals=1), Again)


def test_waits_double_up_to_a_bound() -> None:
    waits = [wait_after(attempt) for attempt in (1, 2, 3, 7, 8, 100, 10**9)]
    assert waits == [0.05, 0.1, 0.2, 3.2, LONGEST_WAIT_SECONDS, LONGEST_WAIT_SECONDS, LONGEST_WAIT_SECONDS]
    assert decide(Unavailable("WAITING", ""), failures=3, refusals=0) == Again(0.2)
