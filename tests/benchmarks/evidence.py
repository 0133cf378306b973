"""What the evidence side manages, as ratios against a baseline of the same run: `make bench-evidence`.

Figures, not a test: they depend on the machine. Writes `.benchmarks/evidence.json`. Each names what it compares.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.benchmarks import evidence_bundle, evidence_camera, evidence_ingest, evidence_intake, evidence_log
from tests.benchmarks.relay_figures import Figure, Measure, write

TARGET = Path(__file__).parent.parent.parent / ".benchmarks" / "evidence.json"
MEASURES: dict[str, Measure] = {
    "append": evidence_log.appends,
    "tree": evidence_log.trees,
    "proof": evidence_log.proofs,
    "ingest": evidence_ingest.ingests,
    "intake": evidence_intake.intake,
    "camera": evidence_camera.agents,
    "bundle": evidence_bundle.bundles,
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
            sys.stdout.flush()
    write(figures, TARGET)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
