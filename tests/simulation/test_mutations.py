"""The simulator sees: without a guard some seed fails, with it none of the same seeds does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.errors import Problem
from ledger.rotation import Rotating, Seat
from notary import policy
from notary.journal import Journal
from relay.panel import NotaryPanel
from relay.watcher import Watcher
from tests.simulation.byzantine import Split
from tests.simulation.gateway import Commit
from tests.simulation.guards import nothing, remove
from tests.simulation.headers import Renew
from tests.simulation.law import Violation
from tests.simulation.network import Network
from tests.simulation.notary import NotaryProcess

SEEDS = range(100)  # tried until one fails
FEW = range(8)
SPLITS = range(25)


HOW: tuple[dict[str, Any], ...] = ({}, {"relays": 1}, {"attacks": ("hurry",)}, {"attacks": ("lapse",), "brief": 1.0})


def violation(seeds: range, **how: Any) -> str:
    """What the first seed that fails says; empty where all hold."""
    for seed in seeds:
        try:
            Network(seed, **how).run()
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
    for how in HOW:
        assert violation(FEW, **how) == "", how
    assert not contradicts_itself(SPLITS)


def test_E05_without_the_rule_of_finality_a_commit_has_no_final_origin_log(monkeypatch: pytest.MonkeyPatch) -> None:
    # The books are read at finality as well.
    remove(monkeypatch, "require_final", "require_counted", "require_conserved")
    assert "committed without a final origin log" in violation(SEEDS, attacks=("hurry",))


def test_E05_finality_that_is_one_block_short_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    height = policy.final_height
    monkeypatch.setattr(policy, "final_height", lambda *given, **named: height(*given, **named) + 1)
    assert "committed without a final origin log" in violation(SEEDS, attacks=("hurry",))


def test_F05_without_the_law_of_conservation_more_is_minted_than_was_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    remove(monkeypatch, "require_conserved")
    assert "more is out than was put in" in violation(SEEDS, attacks=("unbacked",))


def test_G01_without_the_guard_against_replay_something_is_committed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Commit, "require_new", staticmethod(nothing))
    assert "twice" in violation(SEEDS)


def test_B12_with_too_small_a_quorum_a_forged_message_is_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Seat, "quorum", property(lambda _seat: 1))
    assert "committed without a final origin log" in violation(SEEDS, attacks=("forgery",))


def test_B01_without_an_end_of_grace_retired_keys_forge(monkeypatch: pytest.MonkeyPatch) -> None:
    check = Rotating.check
    monkeypatch.setattr(Rotating, "check", lambda *given, **named: check(*given, **named | {"now": 0}))
    assert "committed without a final origin log" in violation(SEEDS)


def test_E02_without_a_quorum_of_seals_a_light_client_believes_a_liar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Renew, "require_seals", staticmethod(nothing))
    found = violation(SEEDS, attacks=("forgery",))
    assert "a light client holds a header that is not final" in found or "without a final origin log" in found


def test_E08_a_relay_that_does_not_rewind_never_recovers_from_a_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watcher, "_rewind", lambda _watcher, _above: iter(()))
    assert "not closed" in violation(SEEDS, relays=1)


def test_B01_a_relay_that_keeps_a_certificate_of_an_epoch_that_is_over_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(NotaryPanel, "epochs", lambda _panel, _chain_id: tuple(range(1, 10)))
    assert "not closed" in violation(SEEDS, relays=1)


def test_G06_without_looking_whether_it_was_executed_what_arrived_is_given_back_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    remove(monkeypatch, "require_unexecuted")
    found = violation(SEEDS, brief=1.0, attacks=("lapse",))
    assert "what is closed is not what was committed" in found or "more is out than was put in" in found


def test_what_arrived_must_not_expire_for_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    carriage = policy.require_carriage

    def always_expires(*given: Any, **named: Any) -> None:
        carriage(*given, **named | {"is_used": False})

    monkeypatch.setattr(policy, "require_carriage", always_expires)
    assert "not closed" in violation(SEEDS, brief=1.0)


@pytest.mark.parametrize("kept", ["policy", "journal", "history", ""])
def test_B13_any_one_of_three_guards_keeps_a_notary_from_contradicting_itself_and_none_does_not(
    kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kept != "policy":
        remove(monkeypatch, "require_first")
    if kept != "journal":
        monkeypatch.setattr(Journal, "promise", careless({"EQUIVOCATION", "FINAL_REWRITTEN"}))
    if kept != "history":
        remove(monkeypatch, "require_history")
    assert contradicts_itself(SPLITS) is (kept == "")


def test_B13_a_journal_that_a_crash_takes_away_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    start = NotaryProcess.start

    def forgets(self: NotaryProcess) -> None:
        self.disk.lose()
        start(self)

    monkeypatch.setattr(NotaryProcess, "start", forgets)
    assert contradicts_itself(SPLITS)
