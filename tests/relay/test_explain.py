"""Where a message is, why it waits, who acts next, by when, what was tried, what it cost: one case per state."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from ledger.errors import Problem, Refused, Unavailable
from relay.explain import Explanation, Moment, explain
from relay.journey import Step
from relay.table import print_explanation
from relay.told import tell_message
from relay.tried import KEPT
from tests.relay.test_journeys import HERE, RECORD, THERE, Chains
from tests.relay.written import MANIFEST, MESSAGE, attested, committed, judged, proposed, sent

State = Callable[[Chains], None]


def _sent(chains: Chains) -> None:
    chains.add(HERE, sent(MESSAGE))


def _recorded(chains: Chains) -> None:
    _sent(chains)
    chains.add(RECORD, proposed(MESSAGE), attested(MESSAGE))


def _failed(chains: Chains) -> None:
    _recorded(chains)
    chains.add(THERE, committed(MESSAGE, executed=False))


def _delivered(chains: Chains) -> None:
    _recorded(chains)
    chains.add(THERE, committed(MESSAGE))


def _ends(state: int, *before: State) -> State:
    def end(chains: Chains) -> None:
        for step in before:
            step(chains)
        chains.add(RECORD, judged(MESSAGE, state))

    return end


def _expires(chains: Chains) -> None:
    _sent(chains)
    chains.add(THERE, timestamp=MESSAGE.expiry)


STATES: dict[str, tuple[State, str, str, str, str]] = {
    # what happened: (logs, who acts next, its code, words of where, words of why)
    "it was sent and nobody did anything yet": (_sent, "the relay", "", "sent on origin (eip155:7101)", "in its way"),
    "it is recorded and waits for its delivery": (_recorded, "the relay", "", "recorded, attested", "in its way"),
    "it was delivered and its verdict is to be recorded": (_delivered, "the relay", "", "delivered on", "in its way"),
    "its call failed and the failure is being recorded": (_failed, "the relay", "CALL_FAILED", "failed", "recorded"),
    "its call failed, is judged, and waits for the application": (
        _ends(3, _failed),
        "the application",
        "CALL_FAILED",
        "its call failed",
        "the application's call failed",
    ),
    "it was delivered and closed": (_ends(4, _delivered), "nobody", "", "closed", "found it right"),
    "its call failed and it was closed as such": (_ends(4, _failed), "the application", "", "closed", "call failed"),
    "its delivery is disputed": (_ends(5, _delivered), "the committee's quorum", "", "disputed", "lane is halted"),
    "it expired before it was delivered": (_expires, "the sender", "EXPIRED", "not delivered", "passed the expiry"),
    "notaries found it expired": (_ends(6, _sent), "the sender", "EXPIRED", "expired", "passed the expiry"),
    "the quorum voided it": (_ends(7, _recorded), "the sender", "VOIDED", "aborted", "voided"),
}


def told(*steps: State, now: int | None = None) -> Explanation:
    chains = Chains()
    for step in steps:
        step(chains)
    chains.read()
    times = dict(chains.docket.times)
    return explain(chains.journey(), Moment(MANIFEST, times if now is None else times | {7102: now}))


@pytest.mark.parametrize("what", STATES)
def test_every_state_says_where_it_is_and_whose_turn_it_is(what: str) -> None:
    state, who, code, where, why = STATES[what]
    found = told(state)
    assert (found.turn.who, found.turn.code) == (who, code)
    assert where in found.where
    assert why in found.turn.why
    assert found.turn.does
    assert (found.by is None) == (found.journey.executed or found.journey.is_over)


REASONS: dict[str, tuple[Problem, str]] = {
    "too few notaries have answered": (Unavailable("WAITING", "waiting for 1 more attestation"), "the notaries"),
    "its transaction is not in a final block": (Unavailable("NOT_FINAL", "commit was sent"), "a chain"),
    "its transaction is in no block": (Unavailable("TX_NOT_MINED", "no receipt yet"), "a chain"),
    "the node does not answer": (Unavailable("NODE_UNREACHABLE", "no answer"), "a node"),
    "the node answers nonsense": (Unavailable("NODE_GARBAGE", "malformed"), "a node"),
    "the node lacks a block": (Unavailable("NODE_BEHIND", "no block 7"), "a node"),
    "the paying account is empty": (Refused("NODE_ERROR", "insufficient funds"), "the relay's operator"),
    "the node serves another chain": (Refused("CHAIN_ID", "serves chain 1"), "the relay's operator"),
    "the contract said no for the first time": (Refused("CALL_REVERTED", "Gateway: paused"), "the relay"),
}


@pytest.mark.parametrize("what", REASONS)
def test_what_a_step_waits_for_says_who_can_do_something_about_it(what: str) -> None:
    problem, who = REASONS[what]
    found = told(_sent)
    found.journey.waiting[Step.COMMIT] = problem
    turn = explain(found.journey, Moment(MANIFEST)).turn
    assert (turn.who, turn.code, turn.why) == (who, problem.code, problem.what)


def test_what_was_set_aside_waits_for_a_person_whatever_else_goes_on() -> None:
    journey = told(_sent).journey
    journey.waiting[Step.PROPOSE] = Unavailable("NODE_UNREACHABLE", "no answer")
    journey.set_aside[Step.COMMIT] = Refused("CALL_REVERTED", "Gateway: lane closed", where="0x44")
    turn = explain(journey, Moment(MANIFEST)).turn
    assert (turn.who, turn.code, turn.why) == (
        "the relay's operator",
        "CALL_REVERTED",
        "Gateway: lane closed (0x44)",
    )
    assert "pledgetrail relay retry" in turn.cure
    del journey.set_aside[Step.COMMIT]
    assert explain(journey, Moment(MANIFEST)).turn.who == "a node"


def test_by_when_is_block_time_of_the_destination_never_this_machines_clock() -> None:
    found = told(_sent, now=1_400)
    assert found.by is not None
    assert (found.by.time, found.by.chain, found.by.now, found.by.seconds_left) == (2_000, "eip155:7102", 1_400, 600)
    late = told(_sent, now=2_500)
    assert late.by is not None
    assert late.by.seconds_left == 0
    unread = explain(found.journey, Moment(MANIFEST))
    assert unread.by is not None
    assert (unread.by.now, unread.by.seconds_left) == (None, None)
    redelivered = told(_failed)
    assert redelivered.by is not None
    assert redelivered.by.time == MESSAGE.expiry


def test_what_was_tried_is_told_with_codes_and_counted_beyond_what_is_kept() -> None:
    journey = told(_sent).journey
    for attempt in range(KEPT + 5):
        problem = Refused("CALL_REVERTED", f"no {attempt}") if attempt else Unavailable("WAITING", "too few")
        journey.tried.add("commit", at=1_000.0 + attempt, milliseconds=2.5, problem=problem)
    journey.tried.add("commit", at=2_000.0, milliseconds=7.0)
    found = explain(journey, Moment(MANIFEST))
    assert (found.attempts, len(found.tried)) == (KEPT + 6, KEPT)
    assert (found.tried[-1].code, found.tried[-1].milliseconds) == ("", 7.0)
    assert (found.tried[-2].code, found.tried[-2].what) == ("CALL_REVERTED", f"no {KEPT + 4}")


def test_what_it_cost_is_gas_and_wei_by_step_and_chain() -> None:
    journey = told(_ends(4, _delivered)).journey
    assert journey.commit is not None
    assert journey.judged is not None
    journey.commit = replace(journey.commit, gas_used=300_000, gas_price=3)
    journey.judged = replace(journey.judged, gas_used=100_000, gas_price=2 * 10**18)
    cost = tell_message(explain(journey, Moment(MANIFEST)))["cost"]
    assert [step["step"] for step in cost["steps"]] == ["sent", "proposed", "attested", "committed", "judged"]
    by_step = {step["step"]: step for step in cost["steps"]}
    assert (by_step["committed"]["gas"], by_step["committed"]["fee_wei"]) == (300_000, "900000")
    assert by_step["judged"]["fee_wei"] == str(2 * 10**23)
    assert by_step["sent"]["fee_wei"] is None
    totals = {total["chain"]: (total["gas"], total["fee_wei"]) for total in cost["total"]}
    assert totals["eip155:7102"] == (300_000, "900000")
    # Not known of one transaction is not known of the sum.
    assert totals["eip155:7103"] == (100_000 + 2 * 21_000, None)


def test_a_transaction_that_took_two_steps_is_paid_once() -> None:
    journey = told(_recorded).journey
    assert journey.proposed is not None
    place = replace(journey.proposed, gas_used=50_000, gas_price=2)
    journey.proposed = journey.attested = place
    totals = tell_message(explain(journey, Moment(MANIFEST)))["cost"]["total"]
    assert totals[1] == {"chain": "eip155:7103", "gas": 50_000, "fee_wei": "100000"}


def shown(answer: dict[str, Any]) -> str:
    console = Console(file=io.StringIO(), width=200, color_system=None)
    print_explanation(answer, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_table_for_people_says_the_same() -> None:
    journey = told(_failed).journey
    journey.tried.add("commit", at=1_700_000_000.0, milliseconds=3.0, problem=Unavailable("WAITING", "too few"))
    page = shown(tell_message(explain(journey, Moment(MANIFEST, {7102: 1_500}))))
    for words in (
        f"0x{MESSAGE.id.hex()}",
        "CALL_FAILED",
        "500 s left",
        "2023-11-14 22:13:20",
        "WAITING: too few",
        "21000",
    ):
        assert words in page, page


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"next": None, "tried": "x", "cost": [1], "by": 7},
        {"next": ["x"], "by": {"time": []}, "cost": {"steps": {}, "total": [1]}},
        {"next": {"who": "[red]\x1b[2J"}, "by": {"time": 1e30}, "tried": [1, {"at": "never"}]},
        {"two_phase": 1, "legs": [{"leg": None}], "messages": [{"next": {}, "cost": {"steps": [{}]}}]},
        {"messages": [], "what": "\x1b[31mred"},
    ],
)
def test_an_answer_of_a_program_that_is_no_relay_is_shown_without_harm(answer: dict[str, Any]) -> None:
    assert "\x1b" not in shown(answer)


def test_a_journey_explains_itself_the_same_after_the_chains_are_read_again() -> None:
    first, second = (tell_message(told(_ends(4, _delivered)))), tell_message(told(_ends(4, _delivered)))
    assert first == second
