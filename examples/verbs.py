"""The `demo` verb: the whole journey in one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ledger import panels

DEFAULT_PORT = 8710


def register(app: typer.Typer) -> None:
    """Add `pledgetrail demo`."""
    app.command("demo", rich_help_panel=panels.TRY)(demo)


def demo(
    exit_: Annotated[
        bool, typer.Option("--exit", help="Stop after the last step instead of serving the pages.")
    ] = False,
    json_: Annotated[Path | None, typer.Option("--json", help="Write the table of steps to this file as data.")] = None,
    data: Annotated[
        Path, typer.Option("--data", help="Folder that keeps everything; the same folder goes on where it stopped.")
    ] = Path("pledgetrail-data"),
    port: Annotated[int, typer.Option("--port", help="Port of the pages; 0 takes a free one.")] = DEFAULT_PORT,
    video: Annotated[
        list[Path] | None,
        typer.Option("--video", help="Your own MP4 (H.264) for the next step; repeatable, up to four."),
    ] = None,
    epcis: Annotated[
        Path | None, typer.Option("--epcis", help="Your own EPCIS 2.0 document instead of the demo's.")
    ] = None,
    node: Annotated[
        list[str] | None,
        typer.Option("--node", help="ROLE=URL of a node of your own, for origin, destination and transaction."),
    ] = None,
    accounts: Annotated[
        Path | None, typer.Option("--accounts", help="Private keys by role (JSON), funded on your own nodes.")
    ] = None,
    trie: Annotated[
        str, typer.Option("--trie", help="How your nodes keep cleared slots: standard, or keeps_zero_leaves (anvil).")
    ] = "standard",
) -> None:
    """From the camera to the loan: film, log, anchor, pledge, refuse the second pledge, repay, and verify offline."""
    # The rooms load py-evm, PyAV and the web server: not for `pledgetrail --help`.
    from examples.demo.run import Options, run  # noqa: PLC0415

    options = Options(
        data=data,
        port=port,
        leave=exit_,
        json=json_,
        videos=tuple(video or ()),
        epcis=epcis,
        nodes=tuple(node or ()),
        accounts=accounts,
        trie=trie,
    )
    held = run(options)
    if not held:
        raise typer.Exit(1)
