"""Seeds of the simulated network: each holds, each is repeated exactly, and together they meet every named fault."""

from __future__ import annotations

import sys
from collections import Counter

import pytest

from tests.simulation.network import Network
from tests.simulation.tally import NAMED, Tally

SEEDS_IN_TESTS = 250  # `make simulate` runs as many as one likes


def test_E06_and_J05_every_seed_holds_and_together_they_meet_every_fault(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally().add(range(SEEDS_IN_TESTS))
    with capsys.disabled():
        sys.stdout.write(f"\n{tally.table()}\n")
    assert tally.closed > 2 * SEEDS_IN_TESTS
    assert tally.never_met == []


@pytest.mark.parametrize("seed", [7, 39, 271])
def test_a_seed_gives_the_same_trace_again(seed: int) -> None:
    first, second = Network(seed).run(), Network(seed).run()
    assert first == second
    assert first.digest != Network(seed + 1).run().digest


@pytest.mark.parametrize("seed", [39, 271])
def test_a_message_that_arrived_before_it_expired_is_closed_although_its_certificate_died_with_its_relay(
    seed: int,
) -> None:
    assert Network(seed).run().closed > 0, "committed shortly before its expiry, and attested for the record after it"


def test_a_fault_that_was_never_met_is_named() -> None:
    tally = Tally(met=Counter(dict.fromkeys(NAMED[1:], 1)))
    assert tally.never_met == [NAMED[0]]
    assert f"| {NAMED[0]:<40} |         0 |" in tally.table()
