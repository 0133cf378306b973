"""A publisher as a part of a running relay: what it is made of, and its thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Protocol

from contracts.manifest import Role
from contracts.node import Node
from contracts.submissions import SubmissionBook
from contracts.submitter import Spending, Submitter
from relay.anchor_chain import NodeAnchors
from relay.cosigning import Cosigning
from relay.handing import Handing
from relay.log_memory import LogMemory
from relay.log_port import HttpLog
from relay.panel import NotaryPanel
from relay.publish_config import PublishConfig
from relay.publisher import Publisher
from relay.relay import Relay
from relay.stamper import Stamper

BOOK_FILE: Final = "publisher.sqlite3"
FOLDER: Final = "publisher"  # of what was seen of the log, inside the relay's folder


class Askable(Protocol):
    """Somebody who is asked over a network."""

    def break_off(self) -> None:
        """End what is asked just now, and ask nothing more."""
        ...


class RunningPublisher:
    """A publisher in a thread of its own."""

    def __init__(self, publisher: Publisher, handing: Handing, asked: Sequence[Askable], opened: ExitStack) -> None:
        """`asked`: whom it asks things of its own."""
        self.publisher, self.handing, self.asked, self._opened = publisher, handing, asked, opened
        self._thread = threading.Thread(target=publisher.run, name="publisher", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the step under way, stop, and close what was opened."""
        self.publisher.stop()
        if self._thread.is_alive():
            self._thread.join()
        self._opened.close()


def make_publisher(
    config: PublishConfig,
    relay: Relay,
    panel: NotaryPanel,
    node: Node,
    *,
    folder: Path | None,
    spending: Spending | None = None,
) -> RunningPublisher:
    """A publisher beside a relay, not started; `node`: the origin's; `folder`: the relay's, None keeps in memory what
    is sent. Errors: those of `SubmissionBook` and `LogMemory`.
    """
    manifest = relay.manifest
    with ExitStack() as opening:
        book = SubmissionBook(None if folder is None else folder / BOOK_FILE)
        opening.callback(book.close)
        chain_id = manifest.chain(Role.ORIGIN).chain_id
        sender = Submitter(node, config.key, chain_id=chain_id, book=book, spending=spending)
        log = HttpLog(config.ledger, config.operator_key)
        opening.callback(log.close)
        stamper = None if config.stamps is None else Stamper(config.stamps, config.root.timestamping)
        if stamper is not None:
            opening.callback(stamper.close)
        handing = Handing(manifest, config.root, relay.nodes, relay.look, clock=time.monotonic)
        publisher = Publisher(
            log,
            NodeAnchors(manifest, sender),
            Cosigning(config.root, panel),
            LogMemory(None if folder is None else folder / FOLDER, config.root.log),
            handing,
            log_name=config.root.log.name,
            look=relay.look,
            clock=time.monotonic,
            pace=config.pace,
            stamper=stamper,
        )
        relay.hear(handing)
        asked: list[Askable] = [log] if stamper is None else [log, stamper]
        return RunningPublisher(publisher, handing, asked, opening.pop_all())
