"""The simulator sees: without a guard some seed fails, with it none of the same seeds does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.errors import Problem
from ledger.quorum import Committee
from notary import policy
from notary.journal import Journal
from tests.simulation.byzantine import Split
from tests.simulation.chain import Commit
from tests.simulation.network import Network, Violation
from tests.simulation.notary import NotaryProcess

SEEDS = range(60)  # tried until one fails
FEW = range(12)
SPLITS = range(25)


def nothing(*_: Any, **__: Any) -> None:
    """A guard that was removed."""


def violation(seeds: range, *, brief: float = 0.12) -> str:
    """What the first seed that fails says; empty where all hold."""
    for seed in seeds:
        try:
            Network(seed, brief=brief).run()
        except Violation as found:
            return str(found)
    return ""


def contradicts_itself(seeds: range) -> bool:
    """Whether in some split an honest member signs for both sides."""
    return any(
        index >= len(split.kinds)
        for split in (Split(4, seed, ("equivocator",)) for seed in seeds)
        if split.run() is not None
        for index in split.evidence()
    )


def careless(codes: set[str]) -> Callable[..., None]:
    """A journal that signs on where it should have refused with one of these codes."""
    promise = Journal.promise

    def signs_on(self: Journal, *given: Any, **named: Any) -> None:
        try:
            promise(self, *given, **named)
        except Problem as problem:
            if problem.code not in codes:
                raise

    return signs_on


def test_every_guard_in_place_holds() -> None:
    assert violation(FEW) == ""
    assert not contradicts_itself(SPLITS)


def test_E05_without_the_rule_of_finality_a_commit_has_no_final_origin_log(monkeypatch: pytest.MonkeyPatch) -> None:
    for guard in ("require_final", "require_counted", "require_conserved"):  # the books are read at finality as well
        monkeypatch.setattr(policy, guard, nothing)
    assert "committed without a final origin log" in violation(SEEDS)


def test_G01_without_the_guard_against_replay_something_is_committed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Commit, "require_new", staticmethod(nothing))
    assert "twice" in violation(SEEDS)


def test_B12_with_too_small_a_quorum_a_forged_message_is_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Committee, "quorum", property(lambda _committee: 1))
    assert "committed without a final origin log" in violation(SEEDS)


def test_what_arrived_must_not_expire_for_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    carriage = policy.require_carriage

    def always_expires(*given: Any, **named: Any) -> None:
        carriage(*given, **named | {"is_used": False})

    assert violation(FEW, brief=1.0) == ""
    monkeypatch.setattr(policy, "require_carriage", always_expires)
    assert "not closed" in violation(SEEDS, brief=1.0)


@pytest.mark.parametrize("kept", ["policy", "journal", "history", ""])
def test_B13_any_one_of_three_guards_keeps_a_notary_from_contradicting_itself_and_none_does_not(
    kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kept != "policy":
        monkeypatch.setattr(policy, "require_first", nothing)
    if kept != "journal":
        monkeypatch.setattr(Journal, "promise", careless({"EQUIVOCATION", "FINAL_REWRITTEN"}))
    if kept != "history":
        monkeypatch.setattr(policy, "require_history", nothing)
    assert contradicts_itself(SPLITS) is (kept == "")


def test_B13_a_journal_that_a_crash_takes_away_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    start = NotaryProcess.start

    def forgets(self: NotaryProcess) -> None:
        self.disk.lose()
        start(self)

    monkeypatch.setattr(NotaryProcess, "start", forgets)
    assert contradicts_itself(SPLITS)
