"""What the evidence side manages, as ratios against a baseline of the same run: `make bench-evidence`.

Figures, not a test: they depend on the machine. Writes `.benchmarks/evidence.json`. Each names what it compares.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.benchmarks import (
    evidence_browser,
    evidence_bundle,
    evidence_camera,
    evidence_ingest,
    evidence_intake,
    evidence_log,
)
from tests.benchmarks.relay_figures import Measure, measure

TARGET = Path(__file__).parent.parent.parent / ".benchmarks" / "evidence.json"
MEASURES: dict[str, Measure] = {
    "append": evidence_log.appends,
    "tree": evidence_log.trees,
    "proof": evidence_log.proofs,
    "ingest": evidence_ingest.ingests,
    "intake": evidence_intake.intake,
    "camera": evidence_camera.agents,
    "bundle": evidence_bundle.bundles,
    "browser": evidence_browser.pages,
}


if __name__ == "__main__":
    sys.exit(measure(MEASURES, sys.argv[1:], TARGET))
