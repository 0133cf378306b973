"""`pledgetrail reindex`: opens the database and nodes that a relay's configuration names, and shows how far it is."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from rich.console import Console
from rich.progress import Progress, TaskID

from contracts.node import RpcNode
from ledger.errors import WrongUse
from ledger.store.chain_book import BookDigest
from ledger.store.database import Database
from ledger.store.ledger import DATABASE_FILE
from relay.config import RelayConfig
from relay.reindex import reindex


def run_reindex(config: RelayConfig) -> dict[str, Any]:
    """Both digests, and whether they are equal. Errors: `WrongUse` NO_DATABASE; those of `reindex`, `Database.open`."""
    if config.database is None:
        raise WrongUse("NO_DATABASE", "the configuration names no database", cure="Add `database` to it.")
    with ExitStack() as opened:
        nodes = {}
        for chain_id, url in config.nodes.items():
            nodes[chain_id] = RpcNode(url)
            opened.callback(nodes[chain_id].close)
        database = Database.open(config.database / DATABASE_FILE)
        opened.callback(database.close)
        shown = opened.enter_context(Progress(console=Console(stderr=True)))
        tasks: dict[str, TaskID] = {}

        def show(chain: str, block: int, target: int) -> None:
            if chain not in tasks:
                tasks[chain] = shown.add_task(chain, total=target)
            shown.update(tasks[chain], completed=block, total=target)

        found = reindex(database, config.database, config.manifest, nodes, show)
    return {"before": _told(found.before), "after": _told(found.after), "equal": found.is_equal}


def _told(book: BookDigest) -> dict[str, Any]:
    return {"digest": book.digest.hex(), "blocks": book.blocks, "facts": book.facts}
