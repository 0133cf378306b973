"""A relay as a running service: nodes, notaries, indexer, the relay's own thread, and its HTTP server.

Stopping it in any way is safe: it keeps nothing that it could not read again. May never happen here: a stop that waits
for whoever hangs.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

from contracts.manifest import Role
from contracts.node import RpcNode
from contracts.submissions import SubmissionBook
from contracts.submitter import Submitter
from ledger.serve import RunningServer, serve
from ledger.store.chain_book import ChainBook
from ledger.store.database import Database
from ledger.store.ledger import DATABASE_FILE
from relay.api import create_app
from relay.committees import Committees
from relay.config import RelayConfig
from relay.indexer import Indexer
from relay.notaries import HttpNotary
from relay.panel import NotaryPanel
from relay.partner.config import PartnerConfig
from relay.partner.desk import Desk
from relay.publishing import Askable, RunningPublisher, make_publisher
from relay.reading import BlockSink
from relay.relay import Relay
from relay.skips import Skips

BOOK_FILE = "submissions.sqlite3"
STOP_SECONDS: Final = 3.0  # for what others are asked when it is stopped; then it is broken off


class RunningRelay:
    """A relay that listens at `url`. Made by `start`."""

    def __init__(self, relay: Relay, server: RunningServer, asked: Sequence[Askable], opened: ExitStack) -> None:
        self.relay, self.url = relay, server.url
        self._asked, self._opened = asked, opened

    def stop(self) -> None:
        """Stop answering, finish the steps under way, and close what was opened.

        Nodes, notaries, ledger and partners that have not answered within `STOP_SECONDS` count as not answering: what
        is sent to them or asked of them is found again after the next start.
        """
        breaking = threading.Timer(STOP_SECONDS, self._break_off)
        breaking.start()
        try:
            self._opened.close()
        finally:
            breaking.cancel()

    def _break_off(self) -> None:
        for each in self._asked:
            each.break_off()


def start(config: RelayConfig, *, host: str = "127.0.0.1", port: int = 0) -> RunningRelay:
    """Connect, start carrying and serve; `port` 0 takes a free one.

    Chains may be away: each is read and paid on as soon as it is there. Errors: those of `Database.open`,
    `SubmissionBook` and `serve`.
    """
    with ExitStack() as opening:
        book = SubmissionBook(None if config.folder is None else config.folder / BOOK_FILE)
        opening.callback(book.close)
        nodes = {chain.chain_id: RpcNode(config.nodes[chain.chain_id]) for chain in config.manifest.chains}
        notaries = [HttpNotary(name, url) for name, url in config.notaries]
        asked: list[Askable] = [*nodes.values(), *notaries]
        for close in (*[node.close for node in nodes.values()], *[notary.close for notary in notaries]):
            opening.callback(close)
        transactors = {
            chain_id: Submitter(node, config.key, chain_id=chain_id, book=book, spending=config.spending)
            for chain_id, node in nodes.items()
        }
        committees = Committees(config.manifest, nodes)
        panel = NotaryPanel(notaries, config.manifest.committee, committees=committees.of)
        opening.callback(panel.close)
        sinks: list[BlockSink] = [committees]
        if config.database is not None:
            database = Database.open(config.database / DATABASE_FILE)
            opening.callback(database.close)
            sinks.append(Indexer(ChainBook(database)))
        desk = None
        if config.partners is not None:
            desk = Desk(PartnerConfig.load(config.partners), config.manifest)
            opening.callback(desk.stop)
            asked.append(desk.hooks)
            sinks.append(desk.feed)
        relay = Relay(config.manifest, transactors, panel, sinks, skips=Skips(config.skipped))
        opening.callback(relay.stop)
        if desk is not None:
            desk.attend(relay)
        publishing = _publishing(config, relay, opening)
        publisher = None if publishing is None else publishing.publisher
        server = serve(create_app(relay, desk, publisher), host=host, port=port)
        opening.callback(server.stop)
        if desk is not None:
            opening.callback(desk.is_closing.set)  # before the server: open streams would keep it from ending
            desk.start()
        relay.start()
        if publishing is not None:
            publishing.start()
            asked += publishing.asked
        return RunningRelay(relay, server, asked, opening.pop_all())


def _publishing(config: RelayConfig, relay: Relay, opening: ExitStack) -> RunningPublisher | None:
    """The publisher that the configuration asks for, not started; `opening` stops it."""
    if config.publish is None:
        return None
    node = relay.nodes[config.manifest.chain(Role.ORIGIN).chain_id]
    made = make_publisher(config.publish, relay, relay.panel, node, folder=config.folder, spending=config.spending)
    opening.callback(made.stop)
    return made
