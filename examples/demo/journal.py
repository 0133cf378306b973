"""What the demo has done: one row a step, kept in the data folder so that a second run can go on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ledger.durable_file import write_whole
from ledger.errors import BadInput

STEPS = (
    "film",
    "capture",
    "log",
    "checkpoint",
    "cosign",
    "anchor",
    "propose",
    "attest",
    "commit",
    "recheck",
    "credential",
    "receipt_issued",
    "goods_reserved",
    "pledged",
    "frozen",
    "second_pledge_refused",
    "repaid",
    "released",
    "qr",
    "bundle_verified",
    "tampered_bundle_refused",
)
# Steps that one function answers together: it runs again while any of its rows does not hold.
CROSSING = STEPS[STEPS.index("checkpoint") : STEPS.index("credential") + 1]
PLEDGING = STEPS[STEPS.index("receipt_issued") : STEPS.index("released") + 1]
PROVING = ("bundle_verified", "tampered_bundle_refused")


@dataclass(frozen=True, slots=True)
class Row:
    """One step as it happened. `chain`: CAIP-2; `gas`: of the transaction; `ms`: how long the step took.

    Fields that do not apply to a step are None. `note`: a few words for people, not part of the data file.
    """

    step: str
    held: bool
    id: str
    chain: str | None = None
    block: int | None = None
    tx: str | None = None
    gas: int | None = None
    ms: float | None = None
    note: str = ""

    def as_json(self) -> dict[str, object]:
        """The row as `--json` writes it."""
        fields = asdict(self)
        del fields["note"]
        return fields


class Journal:
    """The rows so far, in the order of `STEPS`; each is durable before the next step begins."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: dict[str, Row] = {}
        if path.exists():
            try:
                rows = [Row(**fields) for fields in json.loads(path.read_text())]
            except (OSError, ValueError, TypeError) as error:
                raise BadInput(
                    "JOURNAL_FORMAT",
                    "the demo's journal cannot be read",
                    where=str(path),
                    cure="Choose another --data.",
                ) from error
            self._rows = {row.step: row for row in rows}

    def __iter__(self) -> Iterator[Row]:
        return (self._rows[step] for step in STEPS if step in self._rows)

    def holds(self, *steps: str) -> bool:
        """Whether each of these steps was done and held."""
        return all(step in self._rows and self._rows[step].held for step in steps)

    def row(self, step: str) -> Row:
        """The row of a step that was done."""
        return self._rows[step]

    @property
    def complete(self) -> bool:
        """Whether every step of the journey was done and held."""
        return self.holds(*STEPS)

    def record(self, row: Row) -> None:
        """Keep a row, replacing an earlier one of the same step."""
        self._rows[row.step] = row
        fields = [asdict(found) for found in self]
        write_whole(self._path, json.dumps(fields, indent=1).encode())
