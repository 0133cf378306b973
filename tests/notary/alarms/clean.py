"""`make watch-clean`: a million clean transfers before the watch, and how many alarms it raised over them (K08).

python -m tests.notary.alarms.clean --transfers 1000000 --seed 1
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from notary.alarms.floor import Terms
from notary.alarms.memory import Memory
from notary.alarms.watch import Turn, Watch
from tests.notary.alarms.traffic import Traffic

OWNER = b"\x0f" * 20
PATIENCE = 3
MAX_REST = 5_000  # seconds in which the last order is carried out
# Shorter than in production, so that every sort of wait is met.
WAITS = {"patience": PATIENCE, "silence": 1_800, "stalled": 120, "lost": 30}


class Desk:
    """A watch over a traffic, in a folder: killed and begun again whenever one likes."""

    def __init__(self, traffic: Traffic, folder: Path, **terms: Any) -> None:
        self.traffic, self.folder = traffic, folder
        self.told: list[dict[str, Any]] = []
        self.hinted: list[dict[str, Any]] = []
        self.terms = Terms(traffic.manifest, **{**WAITS, **terms})
        self._open()

    def _open(self) -> None:
        self.memory = Memory(self.folder, owner=OWNER)
        sights = list(self.traffic.chains.values())
        self.watch = Watch(
            self.terms,
            self.memory,
            sights,
            self.traffic.notaries,
            clock=lambda: self.traffic.now,
            tell=self.told.append,
            hint=self.hinted.append,
        )

    def restart(self) -> None:
        """Killed, and begun again."""
        self.memory.close()
        self._open()

    def look(self) -> None:
        """All that the watch does within this second."""
        while self.watch.step() is Turn.CONTINUE:
            pass

    def close(self) -> None:
        self.memory.close()

    @property
    def labels(self) -> list[str]:
        """Of all that was told, in order."""
        return [str(alarm["label"]) for alarm in self.told]


def run(transfers: int, seed: int, folder: Path, *, report_every: int = 0) -> dict[str, Any]:
    """Let so many transfers go their ways, with restarts of the watch in between; what came of it."""
    traffic = Traffic(seed)
    desk, restarts, reported, began = Desk(traffic, folder), 0, 0, time.process_time()
    try:
        while traffic.begun < transfers:
            traffic.tick()
            desk.look()
            if traffic.random.random() < 0.01:
                desk.restart()
                restarts += 1
            if report_every and traffic.begun >= reported + report_every:
                reported = traffic.begun
                sys.stderr.write(f"{traffic.begun} transfers, {len(desk.told)} alarms\n")
        for _ in range(MAX_REST):
            traffic.quiet(1)
            desk.look()
            if traffic.done == traffic.begun:
                break
        for _ in range(60):  # and until every suspicion is judged
            traffic.quiet(1)
            desk.look()
        return {
            "transfers": traffic.begun,
            "over": traffic.done,
            "false_positives": len(desk.told),
            "hints": len(desk.hinted),
            "first": (desk.told + desk.hinted)[:3],
            "chain_seconds": traffic.now - 1_800_000_000,
            "reorganisations": traffic.reorganisations,
            "rotations": traffic.rotations,
            "pauses": traffic.pauses,
            "restarts": restarts,
            "cpu_seconds": round(time.process_time() - began, 1),
            "peak_mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "kept": {kind: desk.memory.count(kind) for kind in ("message", "taken", "suspect", "moving", "early")},
        }
    finally:
        desk.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Clean transfers before the watch: the alarms it raises are false.")
    parser.add_argument("--transfers", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = run(asked.transfers, asked.seed, Path(folder) / "watch", report_every=50_000)
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    sys.exit(1 if found["false_positives"] or found["hints"] or found["over"] != found["transfers"] else 0)


if __name__ == "__main__":
    main()
