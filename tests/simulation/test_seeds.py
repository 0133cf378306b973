"""Seeds of the simulated network: each holds, each is repeated exactly, and together they meet every named fault."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.simulation.network import Network
from tests.simulation.tally import NAMED, Tally

ROOT = Path(__file__).parents[2]
CENSORED_SEEDS = range(15)
LONGEST_DELAY_SECONDS = 30.0  # virtual, from a final origin log to a final record, faults of all kinds in between
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


def test_a_seed_gives_the_same_trace_in_every_process_whatever_its_hashes_are_seeded_with() -> None:
    program = "from tests.simulation.network import Network; print(*(Network(s).run().digest for s in range(3, 6)))"
    here = [Network(seed).run().digest for seed in range(3, 6)]
    for hashes in ("1", "4711"):
        environment = os.environ | {"PYTHONHASHSEED": hashes, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", program]
        told = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
        assert told.split() == here


def test_J06_one_honest_relay_among_censors_delivers_everything_in_bounded_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    alone, met = list[float](), Counter[str]()
    for seed in CENSORED_SEEDS:
        outcome = Network(seed, relays=1, censors=3).run()
        alone += outcome.delays
        met += outcome.met
    with capsys.disabled():
        longest = max(alone)
        sys.stdout.write(f"\nJ06: {len(alone)} messages among 3 censors, closed within {longest:.0f} virtual seconds\n")
    assert met["relay withheld"] and met["relay delayed"] and met["relay doubled"]
    assert longest <= LONGEST_DELAY_SECONDS


def test_a_fault_that_was_never_met_is_named() -> None:
    tally = Tally(met=Counter(dict.fromkeys(NAMED[1:], 1)))
    assert tally.never_met == [NAMED[0]]
    assert f"| {NAMED[0]:<40} |         0 |" in tally.table()
