"""The command line of the embedded chain: `pledgetrail chain run`."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from ledger import panels
from ledger.errors import WrongUse


def register(app: typer.Typer) -> None:
    """Add the `chain` verbs."""
    chain = typer.Typer(help="Run an embedded EVM chain: one sequencer, nothing to install.", no_args_is_help=True)
    chain.command("run")(run)
    app.add_typer(chain, name="chain", rich_help_panel=panels.TRY)


def run(
    chain_id: Annotated[int, typer.Option(help="EIP-155 id of the chain.")],
    data: Annotated[Path, typer.Option(help="Folder that keeps the chain; created if missing.")],
    port: Annotated[int, typer.Option(help="Port to answer JSON-RPC on; 0 takes a free one.")] = 8545,
    host: Annotated[str, typer.Option(help="Address to listen on. Anyone who reaches it may use the chain.")] = (
        "127.0.0.1"
    ),
    fund: Annotated[
        list[str] | None, typer.Option(help="ADDRESS=WEI in the genesis; repeatable; only for a new folder.")
    ] = None,
    block_seconds: Annotated[
        float | None, typer.Option(min=0.01, help="Make a block at this interval instead of on demand.")
    ] = None,
) -> None:
    """Run one embedded chain until Ctrl-C. It prints its URL, then answers JSON-RPC there as a node does."""
    # py-evm takes a second to import: only for those who run a chain.
    from contracts.embedded.folder import stored_genesis  # noqa: PLC0415
    from contracts.embedded.genesis import Genesis  # noqa: PLC0415
    from contracts.embedded.server import EmbeddedNode  # noqa: PLC0415

    accounts = dict(_funding(item) for item in fund or [])
    genesis = Genesis(chain_id, accounts)
    stored = stored_genesis(data)
    if stored is not None and stored.chain_id == chain_id and not accounts:
        genesis = stored
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with EmbeddedNode.start(data, genesis, host=host, port=port, block_seconds=block_seconds) as node:
        typer.echo(f"chain {chain_id} answers at {node.url}")
        stop.wait()


def _funding(item: str) -> tuple[str, int]:
    address, separator, wei = item.partition("=")
    if not separator or not wei.isascii() or not wei.isdigit():
        raise WrongUse("CHAIN_GENESIS", "--fund takes ADDRESS=WEI, for example 0x00..01=1000000000", where=item)
    return address, int(wei)
