"""What a figure of the benchmark commands is: a value and what it is compared with, both measured in the same run."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

TARGET = Path(__file__).parent.parent.parent / ".benchmarks" / "relay.json"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of `.benchmarks/relay.json`. `baseline`: in the same unit; `ratio`: value by baseline; None without."""

    work: str
    value: float
    unit: str
    baseline: float | None = None
    ratio: float | None = None

    @classmethod
    def against(cls, work: str, value: float, unit: str, baseline: float) -> Figure:
        """A figure with its ratio."""
        return cls(work, _round(value), unit, _round(baseline), _round(value / baseline))

    def __str__(self) -> str:
        compared = "" if self.baseline is None else f"   baseline {self.baseline:,}, ratio {self.ratio}"
        return f"{self.work:<58}{self.value:>12,} {self.unit}{compared}"


Measure = Callable[[], Sequence[Figure]]
"""Measures one thing or a few that share their setting."""


def measure(measures: Mapping[str, Measure], names: Sequence[str], target: Path = TARGET) -> int:
    """Measure what is named (all by default), print each figure as it comes, write all of them; the exit status."""
    unknown = set(names) - measures.keys()
    if unknown:
        sys.stderr.write(f"no measure {', '.join(sorted(unknown))}: there are {', '.join(measures)}\n")
        return 2
    figures: list[Figure] = []
    for name in names or measures:
        for figure in measures[name]():
            figures.append(figure)
            sys.stdout.write(f"{figure}   load {os.getloadavg()[0]:.1f}\n")
            sys.stdout.flush()
    write(figures, target)
    return 0


def write(figures: Sequence[Figure], target: Path = TARGET) -> None:
    """Write the table."""
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps([asdict(figure) for figure in figures], indent=1) + "\n")


def _round(value: float) -> float:
    return float(f"{value:.4g}")
