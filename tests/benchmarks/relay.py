"""What notaries and relays manage, as ratios against a baseline of the same run: `make bench-relay`.

Figures, not a test: they depend on the machine. Writes `.benchmarks/relay.json`. Each measure names what it compares.
"""

from __future__ import annotations

import os
import sys

from tests.benchmarks import relay_backlog, relay_carrying, relay_crowd, relay_notary
from tests.benchmarks.relay_figures import Figure, Measure, write

MEASURES: dict[str, Measure] = {
    "notary": relay_notary.checks,
    "block": relay_notary.blocks,
    "carrying": relay_carrying.carrying,
    "crowd": relay_crowd.crowd,
    "backlog": relay_backlog.backlog,
}


def main(names: list[str]) -> int:
    """Measure what is named (all by default), print each figure as it comes, write all of them."""
    unknown = set(names) - MEASURES.keys()
    if unknown:
        sys.stderr.write(f"no measure {', '.join(sorted(unknown))}: there are {', '.join(MEASURES)}\n")
        return 2
    figures: list[Figure] = []
    for name in names or MEASURES:
        for figure in MEASURES[name]():
            figures.append(figure)
            sys.stdout.write(f"{figure}   load {os.getloadavg()[0]:.1f}\n")
    write(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
