"""`pledgetrail relay …`: run a relay, ask one how it is."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from typing import Annotated

import httpx
import typer

from ledger.canonical import JsonValue, parse_json
from ledger.errors import Problem, Unavailable
from relay.config import RelayConfig

STATUS_SECONDS = 10.0
MAX_STATUS_BYTES = 1024 * 1024
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
    # The contracts' compiler and the database take a moment to import: only for those who run a relay.
    from relay.service import start  # noqa: PLC0415

    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stopping.set())
    loaded = RelayConfig.load(config)
    running = start(loaded, host=host, port=port)
    try:
        typer.echo(json.dumps({"account": f"0x{loaded.key.address.hex()}", "url": running.url}))
        stopping.wait()
    finally:
        running.stop()


def status(url: Annotated[str, typer.Argument(help="The relay's URL.")]) -> None:
    """Print how far a running relay has read each chain, and which messages are under way and why, as JSON."""
    shown = _get(url, "/status")
    under_way = {state: _get(url, f"/messages?state={state}")["messages"] for state in UNDER_WAY}
    typer.echo(json.dumps({**shown, "under_way": under_way}, indent=2))


def _get(url: str, path: str) -> dict[str, JsonValue]:
    where = f"{url.rstrip('/')}{path}"
    cure = "Check the URL, or start it with `pledgetrail relay run`."
    try:
        with httpx.Client(timeout=STATUS_SECONDS, trust_env=False) as client:
            response = client.get(where)
            response.raise_for_status()
        answer = parse_json(response.content, max_bytes=MAX_STATUS_BYTES)
    except (httpx.HTTPError, httpx.InvalidURL, Problem) as error:
        raise Unavailable(
            "RELAY_UNREACHABLE", f"no relay answers there: {type(error).__name__}", where=where, cure=cure
        ) from error
    if not isinstance(answer, dict):
        raise Unavailable("RELAY_UNREACHABLE", "what answers there is no relay", where=where, cure=cure)
    return answer
