"""The contracts room's part of the `pledgetrail` command: `chain …`, `contracts …`, `replay`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contracts.embedded import verbs as embedded
from ledger import panels
from ledger.cli import show
from ledger.errors import Problem


def register(app: typer.Typer) -> None:
    """Add the room's verbs to the command."""
    embedded.register(app)
    app.command(rich_help_panel=panels.CHECK)(replay)
    contracts = typer.Typer(name="contracts", help="Look at deployed contracts.", no_args_is_help=True)
    contracts.callback()(_group)
    contracts.command()(verify)
    contracts.command()(rotation)
    app.add_typer(contracts, rich_help_panel=panels.JUDGE)


def _group() -> None:
    """Look at deployed contracts."""


def replay(
    file: Annotated[Path, typer.Argument(help="What a notary wrote when it found that a block differs.")],
    manifest: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The deployment manifest, to hold the chain's rules against.")
    ] = None,
    block_hash: Annotated[
        str, typer.Option(metavar="0x…", help="The block you know: refuse a file about another.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print what was compared and found as JSON.")] = False,
) -> None:
    """Execute a recorded block again, offline, and show what is equal and what differs.

    Exit status 0 when all is equal, 1 when the block differs, 2 when the file is malformed, incomplete or unreadable.
    """
    # Late, as below.
    from contracts.replay_report import MALFORMED, report  # noqa: PLC0415

    try:
        status = report(file, manifest=manifest, block_hash=block_hash, as_json=as_json)
    except Problem as problem:
        show(problem)
        raise typer.Exit(MALFORMED) from problem
    raise typer.Exit(status)


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


def rotation(
    manifest: Annotated[Path, typer.Option(metavar="FILE", help="The deployment manifest.")],
    trust_root: Annotated[Path, typer.Option(metavar="FILE", help="The trust root that is to be renewed.")],
    node: Annotated[str, typer.Option(metavar="ROLE=URL", help="A node of one chain, as origin=URL.")],
) -> None:
    """Print the order that began the epoch after a trust root's, as a chain holds it: see `pledgetrail trust renew`."""
    from contracts.rotation_report import rotation_order  # noqa: PLC0415

    typer.echo(rotation_order(manifest, trust_root, node).decode())
