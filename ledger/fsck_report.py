"""`pledgetrail fsck` for people and programs: shows how far it is, prints what is found; `ledger.store.check` looks.

May never happen here: an exit status of 0 for a folder with damage in it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from ledger.store.check import Found, Severity, check_folder

MAX_SHOWN = 200  # rows of the table; JSON has all


def report(folder: Path, *, as_json: bool) -> None:
    """Check the folder and print the findings on standard output; exit status 1 for damage. `WrongUse` FSCK_FOLDER."""
    found = _checked(folder)
    if as_json:
        sys.stdout.write(json.dumps({"held": not _damage(found), "found": [asdict(each) for each in found]}, indent=2))
        sys.stdout.write("\n")
    else:
        show(found, Console(highlight=False))
    if _damage(found):
        raise typer.Exit(1)


def show(found: Sequence[Found], console: Console) -> None:
    """The findings as a table, damage first, and one sentence."""
    ordered = sorted(found, key=lambda each: each.severity is Severity.NOTE)
    if ordered:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for heading in ("", "code", "object", "found", "cure"):
            table.add_column(heading, overflow="fold")
        for each in ordered[:MAX_SHOWN]:
            mark = Text("✗", style="red") if each.severity is Severity.DAMAGE else Text("·", style="yellow")
            table.add_row(mark, Text(each.code), Text(each.thing), Text(each.what), Text(each.cure))
        console.print(table)
    if len(ordered) > MAX_SHOWN:
        console.print(Text(f"… and {len(ordered) - MAX_SHOWN} more; --json names all"))
    damaged = len(_damage(found))
    if damaged:
        console.print(Text(f"{damaged} damaged object{'s' if damaged > 1 else ''}.", style="bold red"))
    else:
        console.print(Text("Everything is what was written.", style="bold green"))


def _checked(folder: Path) -> list[Found]:
    # On standard error and only for a terminal: what is found is the output.
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("opening", total=None)

        def say(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total or None)

        return list(check_folder(folder, say))


def _damage(found: Sequence[Found]) -> list[Found]:
    return [each for each in found if each.severity is Severity.DAMAGE]
