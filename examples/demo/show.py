"""What people see of the demo: progress while it works, the table of steps, and the QR code in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import segno
from rich.console import Console
from rich.table import Table
from rich.text import Text

from examples.demo.journal import Row

SHORT = 18
FILE_WIDTH = 150  # columns where the output is no terminal and nobody can widen it
WIDE = 130  # from here on a terminal has room for everything


class Screen:
    """Writes to a terminal, or plainly where there is none."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        if not self._console.is_terminal:
            self._console = Console(highlight=False, width=FILE_WIDTH)
        self._status = self._console.status("starting", spinner="dots")
        self._last = ""

    def __enter__(self) -> Screen:
        if self._console.is_terminal:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()

    def say(self, words: str) -> None:
        """What is being done now."""
        if self._console.is_terminal:
            self._status.update(words)
        elif words.split(":", maxsplit=1)[0] != self._last.split(":")[0]:
            self._console.print(f"  … {words}", markup=False)
        self._last = words

    def table(self, rows: Iterable[Row]) -> None:
        """Every step with where it stands."""
        wide = self._console.width >= WIDE
        table = Table(title="From the camera to the loan", title_justify="left")
        for heading in ("", "step", "id", "chain") + (("block", "transaction") if wide else ()):
            table.add_column(heading, no_wrap=True, min_width=1 if not heading else len(heading))
        for heading in ("gas", "ms"):
            table.add_column(heading, justify="right", no_wrap=True)
        if wide:
            table.add_column("", overflow="fold")
        for row in rows:
            table.add_row(*_cells(row, wide=wide))
        self._console.print(table)

    def addresses(self, unit: str, portal: str, bundle: Path, trust_root: Path, fingerprint: str) -> None:
        """Where to look, with the unit's QR code."""
        table = Table(box=None, show_header=False, pad_edge=False)
        for words, value in (
            ("the unit's page", unit),
            ("the loan portal", portal),
            ("the proof bundle", str(bundle)),
            ("the trust root", str(trust_root)),
            ("  its fingerprint", fingerprint),
        ):
            table.add_row(words, Text(value, overflow="fold"))
        self._console.print("", table)
        if self._console.is_terminal or self._console.width >= 60:
            segno.make(unit, error="m").terminal(out=sys.stdout, compact=True, border=2)
            self._console.print("The code leads to this machine itself: a phone elsewhere does not reach it.")

    def waiting(self) -> None:
        """The demo stays until it is stopped."""
        self._console.print("\nThe pages stay open. Press Ctrl-C to stop.")


def _cells(row: Row, *, wide: bool) -> list[str | Text]:
    cells: list[str | Text] = [
        Text("✓", "green") if row.held else Text("✗", "bold red"),
        row.step,
        _short(row.id, SHORT if wide else 11),
        (row.chain or "").removeprefix("eip155:"),
    ]
    if wide:
        cells += [_number(row.block), _short(row.tx or "", 12)]
    cells += [_number(row.gas), "" if row.ms is None else f"{row.ms:,.0f}"]
    return [*cells, row.note] if wide else cells


def _short(text: str, length: int = SHORT) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
