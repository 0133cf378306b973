"""The `pledgetrail` command: a thin shell that gathers its verbs from the rooms.

Each room registers its own verbs through the entry-point group `pledgetrail.verbs`; this module imports no room,
so that composing them breaks no import rule. It also holds the one place where an error becomes an exit status.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import cast

import typer
from rich.console import Console
from rich.text import Text

from ledger.errors import Problem
from ledger.printable import printable

VERB_GROUP = "pledgetrail.verbs"

Register = Callable[[typer.Typer], None]


def build() -> typer.Typer:
    """Return the whole command with every installed room's verbs: the demo's, then in the order of the rooms' names."""
    app = typer.Typer(
        name="pledgetrail",
        help="Follow pledged goods from the camera to the loan, across chains, and let anyone check it.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    # The first is shown first: whoever asks for help mostly begins.
    for entry_point in sorted(entry_points(group=VERB_GROUP), key=lambda found: (found.name != "demo", found.name)):
        register = cast(Register, entry_point.load())
        register(app)
    return app


def show(problem: Problem) -> None:
    """Print one error on standard error: code and sentence, then place and cure, each on its own line."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(Text(printable(problem.code), style="bold red") + ": ", end="")  # of another program, perhaps
    console.print(printable(problem.what, lines=True), markup=False)
    for name, text in (("where", problem.where), ("cure", problem.cure)):
        if text:
            console.print(f"  {problem.labels[name]}: ", end="")
            console.print(printable(text, lines=True), markup=False)


def main() -> None:
    """Run the command; exit 0 when it held, 1 for a refusal, 2 for wrong use."""
    try:
        build()()
    except Problem as problem:
        show(problem)
        sys.exit(problem.exit_status)
