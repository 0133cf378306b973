"""`pledgetrail notary …`: make keys, run a notary, ask one how it is."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

STATUS_SECONDS = 10.0
MAX_STATUS_BYTES = 64 * 1024


def register(app: typer.Typer) -> None:
    """Add the notary's verbs to the command."""
    notary = typer.Typer(name="notary", help="Check and sign what goes between chains.", no_args_is_help=True)
    notary.command()(run)
    notary.command()(status)
    notary.command()(keys)
    app.add_typer(notary)


def run(
    config: Annotated[Path, typer.Option(help="The notary's configuration file (JSON).")],
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 0,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Run one notary until it is interrupted; prints its address and URL as one line of JSON once it listens."""
    # Late, here and below: `pledgetrail verify` loads this module too, and has a second in all.
    from notary.config import NotaryConfig  # noqa: PLC0415
    from notary.service import start  # noqa: PLC0415

    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stopping.set())
    running = start(NotaryConfig.load(config), host=host, port=port)
    try:
        shown = {"index": running.notary.config.index, "url": running.url}
        typer.echo(json.dumps(shown))
        stopping.wait()
    finally:
        running.stop()


def status(url: Annotated[str, typer.Argument(help="The notary's URL.")]) -> None:
    """Print what a running notary says about itself, as JSON."""
    import httpx  # noqa: PLC0415

    from ledger.canonical import parse_json  # noqa: PLC0415
    from ledger.errors import Unavailable  # noqa: PLC0415

    where = f"{url.rstrip('/')}/status"
    try:
        with httpx.Client(timeout=STATUS_SECONDS, trust_env=False) as client:
            response = client.get(where)
            response.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        cure = "Check the URL, or start it with `pledgetrail notary run`."
        raise Unavailable(
            "NOTARY_UNREACHABLE", f"the notary does not answer: {type(error).__name__}", where=where, cure=cure
        ) from error
    typer.echo(json.dumps(parse_json(response.content, max_bytes=MAX_STATUS_BYTES), indent=2))


def keys(folder: Annotated[Path, typer.Argument(help="The notary's folder; keys that exist are kept.")]) -> None:
    """Create the notary's two keys where they are missing, and print the public parts as JSON."""
    from notary.signer import create_keys  # noqa: PLC0415

    public = create_keys(folder)
    typer.echo(json.dumps({"address": f"0x{public.address.hex()}", "cosigning_key": public.cosigning.hex()}))
