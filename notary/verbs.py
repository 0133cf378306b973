"""`pledgetrail notary …`: make keys, run a notary, ask one how it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ledger import panels
from ledger.program import ask_running, run_until_interrupted


def register(app: typer.Typer) -> None:
    """Add the notary's verbs to the command."""
    notary = typer.Typer(name="notary", help="Check and sign what goes between chains.", no_args_is_help=True)
    notary.command()(run)
    notary.command()(status)
    notary.command()(keys)
    notary.command()(export_journal)
    notary.command()(import_journal)
    notary.command()(order)
    notary.command()(watch)
    app.add_typer(notary, rich_help_panel=panels.JUDGE)


def run(
    config: Annotated[Path, typer.Option(help="The notary's configuration file (JSON).")],
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 0,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Run one notary until it is interrupted; prints its address and URL as one line of JSON once it listens."""
    # Late, here and below: `pledgetrail verify` loads this module too, and has a second in all.
    from notary.config import NotaryConfig  # noqa: PLC0415
    from notary.service import start  # noqa: PLC0415

    run_until_interrupted(
        lambda: start(NotaryConfig.load(config), host=host, port=port),
        lambda running: {"index": running.notary.config.index, "url": running.url},
    )


def status(url: Annotated[str, typer.Argument(help="The notary's URL.")]) -> None:
    """Print what a running notary says about itself, as JSON."""
    from ledger.exchange import Peer  # noqa: PLC0415

    cure = "Check the URL, or start it with `pledgetrail notary run`."
    peer = Peer("the notary", "NOTARY_UNREACHABLE", "NOTARY_GARBAGE", cure)
    typer.echo(json.dumps(ask_running(url, "/status", peer), indent=2))


def keys(
    folder: Annotated[Path, typer.Argument(help="The notary's folder; keys that exist are kept.")],
    operator: Annotated[str, typer.Option(help="Your name as a member: prove that you hold the keys under it.")] = "",
    sealed: Annotated[bool, typer.Option("--sealed", help="Seal them with PLEDGETRAIL_KEY_PASSWORD.")] = False,
    password_file: Annotated[Path | None, typer.Option(help="Seal them with this file's one line (mode 0600).")] = None,
) -> None:
    """Create the notary's two keys where they are missing, and print the public parts as JSON."""
    from ledger.membership import operator_digest  # noqa: PLC0415
    from notary.signer import create_keys, open_signer  # noqa: PLC0415

    public = create_keys(folder, sealed=sealed or password_file is not None, password_file=password_file)
    shown = {"address": f"0x{public.address.hex()}", "cosigning_key": public.cosigning.hex()}
    if operator:
        proven = open_signer(folder, password_file=password_file).prove(operator_digest(operator))
        shown |= {"address_possession": f"0x{proven.attesting.hex()}", "cosigning_possession": proven.cosigning.hex()}
    typer.echo(json.dumps(shown))


def order(
    file: Annotated[Path, typer.Argument(help="The order to sign (JSON).")],
    config: Annotated[Path, typer.Option(help="The notary's configuration file (JSON).")],
    approve: Annotated[str, typer.Option(help="Sign it: the digest that this command printed without.")] = "",
) -> None:
    """Print what an order of the quorum would do, as decoded here; sign it where its digest is approved."""
    from notary.config import NotaryConfig  # noqa: PLC0415
    from notary.ordering import sign_order  # noqa: PLC0415

    typer.echo(json.dumps(sign_order(NotaryConfig.load(config), file, approve=approve), indent=2))


def watch(
    config: Annotated[Path, typer.Option(help="The watch's configuration file (JSON).")],
) -> None:
    """Watch a deployment until interrupted: one line for each alarm, which is in `alarms.jsonl` before it is shown."""
    from notary.alarms.config import WatchConfig  # noqa: PLC0415
    from notary.alarms.service import start  # noqa: PLC0415

    run_until_interrupted(
        lambda: start(WatchConfig.load(config), show=typer.echo, warn=lambda line: typer.echo(line, err=True)),
        lambda running: {"folder": str(running.config.folder), "notaries": len(running.config.notaries)},
    )


def export_journal(
    target: Annotated[Path, typer.Argument(help="The file to write; must not exist.")],
    config: Annotated[Path, typer.Option(help="The notary's configuration file (JSON).")],
    move: Annotated[
        bool, typer.Option("--move", help="Hand the journal on: this folder cannot sign any more.")
    ] = False,
) -> None:
    """Write a stopped notary's journal to one signed file, and print what it holds as JSON."""
    from notary.config import NotaryConfig  # noqa: PLC0415
    from notary.moving import export_journal as export  # noqa: PLC0415
    from notary.moving import opened  # noqa: PLC0415

    with opened(NotaryConfig.load(config)) as (folder, signer, guard):
        found = export(folder, signer, guard, target, move=move)
    typer.echo(json.dumps({"owner": f"0x{found.owner.hex()}", "tally": found.tally, "moved": move}))


def import_journal(
    source: Annotated[Path, typer.Argument(help="A file that `export-journal` wrote.")],
    config: Annotated[Path, typer.Option(help="The notary's configuration file (JSON).")],
) -> None:
    """Put an exported journal in its place, if it holds all that is there; print what it holds as JSON."""
    from notary.config import NotaryConfig  # noqa: PLC0415
    from notary.moving import import_journal as bring  # noqa: PLC0415
    from notary.moving import opened  # noqa: PLC0415

    with opened(NotaryConfig.load(config)) as (folder, signer, guard):
        found = bring(folder, signer, guard, source)
    typer.echo(json.dumps({"owner": f"0x{found.owner.hex()}", "tally": found.tally}))
