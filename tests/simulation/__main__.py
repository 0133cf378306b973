"""`make simulate SEEDS=10000 [FROM=0]`: run so many seeds, print what they met, fail where a fault was never met."""

from __future__ import annotations

import argparse
import sys

from tests.simulation.tally import Tally


def main() -> int:
    """0 where every run held and met every fault; 1 where a fault was never met. A `Violation` ends it."""
    parser = argparse.ArgumentParser(prog="tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--from", type=int, default=0, dest="first")
    chosen = parser.parse_args()
    tally = Tally().add(range(chosen.first, chosen.first + chosen.seeds))
    sys.stdout.write(f"{tally.table()}\n")
    if tally.never_met:
        sys.stdout.write(f"never met: {', '.join(tally.never_met)}\n")
    return 1 if tally.never_met else 0


if __name__ == "__main__":
    raise SystemExit(main())
