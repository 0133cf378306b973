"""The ledger's verbs: `pledgetrail verify`, `pledgetrail doctor`. What they do lives elsewhere and is imported late.

An auditor's `verify` must start quickly, so nothing heavy is imported before a verb is chosen.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the ledger's verbs to the command."""
    app.command()(verify)
    app.command()(doctor)


def verify(
    bundle: Annotated[Path, typer.Argument(help="The proof bundle of one unit.")],
    trust_root: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The trust root you trust; without it, the copy in the bundle is used."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Verify a proof bundle offline: what it proves, by whose word, and what it does not prove.

    Needs no service, no data folder and no network. Exit status 0 when everything holds, 1 when anything does not.
    """
    from ledger.verify_report import report  # noqa: PLC0415

    report(bundle, trust_root, as_json=as_json)


def doctor(
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="The data folder to look at.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, metavar="PORT", help="The port that shall be free.")
    ] = None,
    node: Annotated[
        list[str] | None, typer.Option(metavar="CHAIN=URL", help="A node to ask, as eip155:7101=URL; repeatable.")
    ] = None,
) -> None:
    """Say what is reachable, what is missing, and how to cure it. Exit status 1 when something needed is missing."""
    from ledger.doctor import report  # noqa: PLC0415

    report(data=data, port=port, nodes=node or [])
