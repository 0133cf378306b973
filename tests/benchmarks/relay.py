"""What notaries and relays manage, as ratios against a baseline of the same run: `make bench-relay`.

Figures, not a test: they depend on the machine. Writes `.benchmarks/relay.json`. Each measure names what it compares.
"""

from __future__ import annotations

import sys

from tests.benchmarks import relay_backlog, relay_carrying, relay_crowd, relay_notary
from tests.benchmarks.relay_figures import Measure, measure

MEASURES: dict[str, Measure] = {
    "notary": relay_notary.checks,
    "block": relay_notary.blocks,
    "carrying": relay_carrying.carrying,
    "crowd": relay_crowd.crowd,
    "backlog": relay_backlog.backlog,
}


if __name__ == "__main__":
    sys.exit(measure(MEASURES, sys.argv[1:]))
