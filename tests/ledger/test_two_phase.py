"""The rules of a two-phase commit, without chains: each refusal by its code, each rule at its edge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from ledger.errors import BadInput, Problem, Refused
from ledger.two_phase import (
    MAX_PREPARE_SECONDS,
    Action,
    Leg,
    LegState,
    Plan,
    Progress,
    Report,
    Stage,
    after_decision,
    after_force,
    after_prepare,
    read_report,
    to_report,
)

LEG = Leg(7101, b"\x01" * 20, b"terms")
PLAN = Plan(7103, b"\x02" * 20, b"\x03" * 20, b"\x04" * 32, 1_000, (LEG, replace(LEG, chain_id=7102)))
PREPARING = Progress(Stage.PREPARING, 2, 0, 1_000, 0)

REFUSALS: dict[str, tuple[Callable[[], object], type[Problem], str]] = {
    "a_leg_on_chain_zero": (lambda: replace(LEG, chain_id=0), BadInput, "LEG_RANGE"),
    "a_chain_id_past_a_word": (lambda: replace(LEG, chain_id=2**256), BadInput, "LEG_RANGE"),
    "a_chain_id_that_is_true": (lambda: replace(LEG, chain_id=True), BadInput, "LEG_RANGE"),
    "a_short_participant": (lambda: replace(LEG, participant=bytes(19)), BadInput, "LEG_RANGE"),
    "long_terms": (lambda: replace(LEG, terms=bytes(513)), BadInput, "LEG_RANGE"),
    "a_short_salt": (lambda: replace(PLAN, salt=bytes(31)), BadInput, "PLAN_RANGE"),
    "a_long_initiator": (lambda: replace(PLAN, initiator=bytes(21)), BadInput, "PLAN_RANGE"),
    "a_short_coordinator": (lambda: replace(PLAN, coordinator=bytes(19)), BadInput, "PLAN_RANGE"),
    "a_deadline_past_64_bits": (lambda: replace(PLAN, prepare_by=2**64), BadInput, "PLAN_RANGE"),
    "a_coordinator_chain_below_zero": (lambda: replace(PLAN, chain_id=-1), BadInput, "PLAN_RANGE"),
    "one_leg": (lambda: replace(PLAN, legs=(LEG,)), Refused, "PLAN_LEGS"),
    "nine_legs": (lambda: replace(PLAN, legs=(LEG,) * 9), Refused, "PLAN_LEGS"),
    "a_deadline_now": (lambda: PLAN.begin(1_000), Refused, "PREPARE_DEADLINE"),
    "a_deadline_far_away": (lambda: PLAN.begin(1_000 - MAX_PREPARE_SECONDS - 1), Refused, "PREPARE_DEADLINE"),
    "a_report_that_is_none": (lambda: PREPARING.hear(0, Action.COMMIT, 0), Refused, "REPORT"),
    "a_report_of_no_leg": (lambda: PREPARING.hear(2, Action.PREPARED, 0), Refused, "REPORT"),
    "a_report_of_a_leg_below": (lambda: PREPARING.hear(-1, Action.PREPARED, 0), Refused, "REPORT"),
    "a_report_of_the_unknown": (
        lambda: replace(PREPARING, stage=Stage.UNKNOWN).hear(0, Action.PREPARED, 0),
        Refused,
        "REPORT",
    ),
    "telling_the_unknown": (lambda: replace(PREPARING, stage=Stage.UNKNOWN).to_tell(0), Refused, "REPORT"),
    "expiry_a_second_early": (lambda: PREPARING.expire(999), Refused, "PREPARE_DEADLINE"),
    "expiry_of_a_commit": (lambda: replace(PREPARING, stage=Stage.COMMITTED).expire(1_000), Refused, "DECIDED"),
    "a_prepare_after_the_deadline": (lambda: PREPARING.to_tell(1_000), Refused, "PREPARE_DEADLINE"),
    "forcing_a_leg_that_promised_nothing": (
        lambda: after_force(LegState.UNKNOWN, Action.ABORT),
        Refused,
        "NOT_PREPARED",
    ),
    "forcing_what_was_forced": (lambda: after_force(LegState.FORCED_ABORT, Action.ABORT), Refused, "NOT_PREPARED"),
    "a_report_of_nothing": (lambda: to_report(LegState.UNKNOWN), Refused, "NO_REPORT"),
    "a_report_of_what_has_ended": (lambda: to_report(LegState.COMMITTED), Refused, "NO_REPORT"),
    "a_payload_of_another_length": (lambda: read_report(bytes(159)), BadInput, "REPORT_FORM"),
    "a_payload_that_is_no_report": (lambda: read_report(bytes(160)), BadInput, "REPORT_FORM"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refused_is(name: str) -> None:
    act, kind, code = REFUSALS[name]
    with pytest.raises(kind) as refused:
        act()
    assert refused.value.code == code


def test_the_last_proof_in_time_commits_and_the_first_refusal_aborts() -> None:
    waiting = PREPARING.hear(0, Action.PREPARED, 999)
    assert waiting == replace(PREPARING, prepared=0b01)
    assert waiting.hear(1, Action.PREPARED, 999) == Progress(Stage.COMMITTED, 2, 0b11, 1_000, 999)
    assert waiting.hear(1, Action.REFUSED, 5) == Progress(Stage.ABORTED, 2, 0b01, 1_000, 5)


@pytest.mark.parametrize("now", [999, 1_000, 1_001])
def test_G06_a_proof_counts_before_the_deadline_and_expiry_from_it_on(now: int) -> None:
    last = replace(PREPARING, prepared=0b01).hear(1, Action.PREPARED, now)
    assert last.stage == (Stage.COMMITTED if now < 1_000 else Stage.ABORTED)
    if now >= 1_000:
        assert PREPARING.expire(now).stage == Stage.ABORTED


def test_a_decision_stays() -> None:
    for stage in (Stage.COMMITTED, Stage.ABORTED):
        decided = Progress(stage, 2, 0b11, 1_000, 7)
        for report in (Action.PREPARED, Action.REFUSED):
            assert decided.hear(0, report, 2_000) == decided
    assert replace(PREPARING, stage=Stage.COMMITTED).to_tell(10**9) == Action.COMMIT
    assert replace(PREPARING, stage=Stage.ABORTED).to_tell(0) == Action.ABORT


LEG_RULES = {
    (LegState.UNKNOWN, Action.COMMIT): (LegState.UNKNOWN, False),
    (LegState.UNKNOWN, Action.ABORT): (LegState.ABORTED, False),
    (LegState.PREPARED, Action.COMMIT): (LegState.COMMITTED, True),
    (LegState.PREPARED, Action.ABORT): (LegState.ABORTED, True),
    (LegState.FORCED_COMMIT, Action.COMMIT): (LegState.COMMITTED, False),
    (LegState.FORCED_COMMIT, Action.ABORT): (LegState.CONTRADICTED, False),
    (LegState.FORCED_ABORT, Action.ABORT): (LegState.ABORTED, False),
    (LegState.FORCED_ABORT, Action.COMMIT): (LegState.CONTRADICTED, False),
}


def test_a_leg_obeys_by_the_table_and_stays_as_it_is_outside_it() -> None:
    for state in LegState:
        for decision in (Action.COMMIT, Action.ABORT):
            assert after_decision(state, decision) == LEG_RULES.get((state, decision), (state, False))


def test_only_a_leg_of_which_nothing_is_known_answers() -> None:
    for state in LegState:
        for accepts, answer in ((True, LegState.PREPARED), (False, LegState.REFUSED)):
            assert after_prepare(state, accepts) == (answer if state == LegState.UNKNOWN else state)


def test_a_report_reads_back() -> None:
    for refusal in (bytes(32), b"no consent".ljust(32, b"\0")):
        report = Report(b"\x05" * 32, 7, b"\x06" * 32, refusal)
        assert read_report(report.encode()) == report
