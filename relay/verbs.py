"""`pledgetrail relay …`: run a relay, ask one how it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ledger.program import ask_running, run_until_interrupted

UNDER_WAY = ("sent", "proposed", "attested", "committed")


def register(app: typer.Typer) -> None:
    """Add the relay's verbs to the command."""
    relay = typer.Typer(name="relay", help="Carry messages between chains until they are closed.", no_args_is_help=True)
    relay.command()(run)
    relay.command()(status)
    app.add_typer(relay)


def run(
    config: Annotated[Path, typer.Option(help="The relay's configuration file (JSON).")],
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 0,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Run one relay until it is interrupted; prints its paying account and URL as one line of JSON once it listens."""
    # Late, here and below: `pledgetrail verify` loads this module too, and has a second in all.
    from relay.config import RelayConfig  # noqa: PLC0415
    from relay.service import start  # noqa: PLC0415

    loaded = RelayConfig.load(config)
    run_until_interrupted(
        lambda: start(loaded, host=host, port=port),
        lambda running: {"account": f"0x{loaded.key.address.hex()}", "url": running.url},
    )


def status(url: Annotated[str, typer.Argument(help="The relay's URL.")]) -> None:
    """Print how far a running relay has read each chain, and which messages are under way and why, as JSON."""
    from ledger.exchange import Peer  # noqa: PLC0415

    cure = "Check the URL, or start it with `pledgetrail relay run`."
    peer = Peer("the relay", "RELAY_UNREACHABLE", "RELAY_GARBAGE", cure)
    shown = ask_running(url, "/status", peer)
    under_way = {state: ask_running(url, f"/messages?state={state}", peer).get("messages") for state in UNDER_WAY}
    typer.echo(json.dumps({**shown, "under_way": under_way}, indent=2))
