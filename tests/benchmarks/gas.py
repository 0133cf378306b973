"""What the contracts' transactions cost, beside the peers: `make bench-gas`.

Exact and deterministic: py-evm under the embedded chain's Prague rules, EIP-7623 floor included, fixed keys. Writes
`.benchmarks/gas.json` and fails when a figure differs from `gas_snapshot.json`. A change is explained, not overwritten:

    make bench-gas ARGS='--explain "what changed and why"'

stores the new figures, the old ones and the reason, and shows them in the README. `PEERS=<folder>` reads the peers'
figures of a new run.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.benchmarks import (
    gas_hash_lock,
    gas_headers,
    gas_messages,
    gas_peers,
    gas_profile,
    gas_proofs,
    gas_steps,
    gas_tour,
)
from tests.benchmarks.gas_figures import Work, figure, table

ROOT: Final = Path(__file__).parent.parent.parent
OUTPUT: Final = ROOT / ".benchmarks" / "gas.json"
SNAPSHOT: Final = Path(__file__).parent / "gas_snapshot.json"
README: Final = ROOT / "contracts" / "README.md"
BEGIN: Final = "<!-- output of: make bench-gas -->"
END: Final = "<!-- end of output -->"

Stored = dict[str, dict[str, int]]


def works() -> Iterator[Work]:
    """Every line of the first table, in order; nothing is measured yet."""
    yield from gas_messages.works()
    yield from gas_headers.works()
    yield from gas_proofs.works()


def all_works() -> Iterator[Work]:
    """These and the ordinary transactions."""
    yield from works()
    yield from gas_tour.works()
    yield from gas_hash_lock.works()
    yield from gas_steps.works()


def stored() -> Stored:
    """The snapshot's figures by `Work.key`."""
    figures: Stored = json.loads(SNAPSHOT.read_text())["figures"]
    return figures


def differences(measured: Stored, kept: Stored) -> list[str]:
    """One line per figure that is not what the snapshot says."""
    found = []
    for name in sorted({*measured, *kept}):
        now, before = measured.get(name), kept.get(name)
        if now != before:
            found.append(f"{name}: {_said(before)} in the snapshot, {_said(now)} now")
    return found


def explain(measured: Stored, reason: str) -> None:
    """Write the snapshot anew, with the reason and what each changed figure was before."""
    content: dict[str, Any] = json.loads(SNAPSHOT.read_text()) if SNAPSHOT.exists() else {"figures": {}, "changes": []}
    kept: Stored = content["figures"]
    changed = {
        name: [kept.get(name, {}).get("gas"), now["gas"]] for name, now in measured.items() if now != kept.get(name)
    }
    changed |= {name: [before["gas"], None] for name, before in kept.items() if name not in measured}
    if changed:
        content["changes"].append({"reason": reason, "gas": changed})
    content["figures"] = measured
    SNAPSHOT.write_text(_as_json(content))


def main() -> int:
    """Measure, print, write, compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--explain", metavar="REASON", help="store the figures, with the reason why they changed")
    parser.add_argument("--peers", type=Path, metavar="FOLDER", help="output folder of a run of the peers' figures")
    parser.add_argument("--profile", metavar="WORK", nargs="?", const="", help="where the gas goes, of lines so named")
    options = parser.parse_args()
    if options.profile is not None:
        chosen = [work for work in works() if options.profile in work.key]
        sys.stdout.write("\n\n".join(gas_profile.report(work.key, work.measure) for work in chosen) + "\n")
        return 0
    peers = gas_peers.fresh(options.peers) if options.peers else gas_peers.stored()
    lines = [(work, figure(work, work.measure(), peers)) for work in all_works()]
    measured = {work.key: {"gas": line.gas, "frame_gas": line.frame_gas} for work, line in lines}
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps([line.as_json() for _, line in lines], indent=1) + "\n")
    tables = "\n\n".join(table([line for work, line in lines if work.is_ordinary is part]) for part in (False, True))
    sys.stdout.write(tables + "\n")
    if options.explain:
        explain(measured, options.explain)
        show(tables)
        return 0
    unexplained = differences(measured, stored())
    for difference in unexplained:
        sys.stderr.write(f"unexplained: {difference}\n")
    return 1 if unexplained else 0


def show(tables: str) -> None:
    """Put the tables into the room's README."""
    before, _, rest = README.read_text().partition(BEGIN)
    README.write_text(f"{before}{BEGIN}\n{tables}\n{END}{rest.partition(END)[2]}")


def _said(figures: dict[str, int] | None) -> str:
    return "absent" if figures is None else f"{figures['gas']:,} gas ({figures['frame_gas']:,} in the frame)"


def _as_json(content: dict[str, Any]) -> str:
    lines = [f"  {json.dumps(name)}: {json.dumps(now)}" for name, now in content["figures"].items()]
    changes = [f"  {json.dumps(change, ensure_ascii=False)}" for change in content["changes"]]
    return '{"figures": {\n' + ",\n".join(lines) + '\n },\n "changes": [\n' + ",\n".join(changes) + "\n ]}\n"


if __name__ == "__main__":
    sys.exit(main())
