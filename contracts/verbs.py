"""The contracts room's part of the `pledgetrail` command: `chain …`, `contracts …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contracts.embedded import verbs as embedded


def register(app: typer.Typer) -> None:
    """Add the room's verbs to the command."""
    embedded.register(app)
    contracts = typer.Typer(name="contracts", help="Look at deployed contracts.", no_args_is_help=True)
    contracts.callback()(_group)
    contracts.command()(verify)
    app.add_typer(contracts)


def _group() -> None:
    """Look at deployed contracts."""


def verify(
    manifest: Annotated[Path, typer.Option(metavar="FILE", help="The deployment manifest.")],
    node: Annotated[
        list[str],
        typer.Option(
            metavar="ROLE=URL",
            help="A node to ask, as origin=URL, destination=URL or transaction=URL; repeatable, also for one role.",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print what was compared and found as JSON.")] = False,
    development: Annotated[
        bool, typer.Option("--development", help="Accept a deployment that permits weak committees, and say so.")
    ] = False,
) -> None:
    """Read a deployment again from the chains and compare it with its manifest.

    Code, creation, committee, peers, observers, lanes, owners, delays. Exit status 0 when nothing differs, else 1.
    """
    # Late: `pledgetrail verify` loads this module too, and has a second in all.
    from contracts.verify.report import report  # noqa: PLC0415

    if not report(manifest, node, as_json=as_json, accept_development=development):
        raise typer.Exit(1)
