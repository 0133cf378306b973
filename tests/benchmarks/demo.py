"""How long the main job takes, how much memory it needs, and its gas by step: `make bench-demo`.

Figures, not a test: they depend on the machine. Writes `.benchmarks/demo.json`.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.acceptance.program import read_json, run

ROOT = Path(__file__).parent.parent.parent
RUNS = 3


def main() -> int:
    """Run the demo `RUNS` times in fresh folders and print the figures of each."""
    rows: list[dict[str, object]] = []
    gas: dict[str, int] = {}
    for number in range(1, RUNS + 1):
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            table = home / "out.json"
            began = time.monotonic()
            ran = run(["demo", "--exit", "--json", str(table), "--data", str(home / "data"), "--port", "0"], home=home)
            seconds = time.monotonic() - began
            if ran.status != 0:
                sys.stderr.write(ran.out + ran.err)
                return 1
            steps = read_json(table)["steps"]
            gas = {step["step"]: step["gas"] for step in steps if step["gas"]}
        rows.append({"seconds": round(seconds, 1), "mebibytes": round(ran.mebibytes), "gas": gas})
        sys.stdout.write(f"run {number}: {seconds:.1f} s, {ran.mebibytes:.0f} MiB, load {os.getloadavg()[0]:.1f}\n")
    for step, used in gas.items():
        sys.stdout.write(f"  {step:<24}{used:>10,} gas\n")
    target = ROOT / ".benchmarks" / "demo.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
