"""minted - burned <= locked - released, after every step of any schedule; and the search can see it broken."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.contracts.value_bed import Mutant, ValueBed
from tests.contracts.value_machine import Schedules

SEARCH = settings(
    max_examples=50,
    stateful_step_count=50,
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
HUNT = settings(SEARCH, max_examples=60)
HUNTS = 16
"""A hunt ends with the first schedule that breaks the law. Short ones, each with a seed of its own, find it soon: of a
long one the first fifty schedules are small, and an unlucky one took five hundred."""

MUTANTS = {
    "F05_arrivals_are_not_compared_with_what_was_sent": [
        Mutant("Gateway", "transfer_count.vy", '    assert arrived <= shown, "Gateway: value is not backed"\n', "")
    ],
    "F07_a_retry_does_not_use_the_approval_up": [Mutant("Gateway", "Gateway.vy", "    self.status[id] = 0\n", "")],
    # Refused twice: at the door of a value lane, and by the voucher itself, which may stand behind another lane.
    "F05_any_kind_of_message_mints": [
        Mutant(
            "Gateway",
            "Gateway.vy",
            '        assert word & lane_word.CARRIES_VALUE == 0, "Gateway: lane carries value only"\n',
            "        pass\n",
        ),
        Mutant("Voucher", "value_end.vy", '    assert kind == message.TRANSFER, "ValueEnd: not a transfer"\n', ""),
    ],
    "F07_what_came_back_comes_back_again": [
        Mutant("Vault", "value_end.vy", "    self.deposits[id] = self._record(deposit, ENDED)\n", "")
    ],
    "F07_a_transfer_is_answered_again": [
        Mutant("Vault", "value_end.vy", '    assert record & 255 == IN_FLIGHT, "ValueEnd: answered before"\n', "")
    ],
}


def on(bed: ValueBed) -> type[Schedules]:
    """The schedules on a bed, which raise AssertionError once the law is broken."""
    return type("OnThisBed", (Schedules,), {"bed": bed})


def test_the_law_holds_after_every_step() -> None:
    run_state_machine_as_test(on(ValueBed.lay()), settings=SEARCH)


@pytest.mark.parametrize("name", MUTANTS)
def test_the_search_finds_that(tmp_path: Path, name: str) -> None:
    bed = ValueBed.lay({each.contract: each.written(tmp_path / each.contract) for each in MUTANTS[name]})
    with pytest.raises(AssertionError, match=r"\d+ out, \d+ locked"):
        for number in range(1, HUNTS + 1):
            run_state_machine_as_test(seed(number)(on(bed)), settings=HUNT)
