"""The partner's counter as a whole: book, feed, door, webhooks and submissions, and the threads that tend them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor

from contracts.manifest import Manifest
from ledger.errors import Problem
from ledger.ethereum.keccak import keccak256
from relay.partner.answers import Answers
from relay.partner.book import Book
from relay.partner.config import PartnerConfig
from relay.partner.door import Door
from relay.partner.feed import Feed
from relay.partner.hooks import Hooks, webhook_key
from relay.partner.reach import Lookup
from relay.partner.submissions import Submissions
from relay.relay import Relay

LOOK_SECONDS = 0.25  # for events that webhooks are waiting for
TEND_SECONDS = 2.0


class Desk:
    """Opened before the relay, whose blocks its feed takes; told of the relay by `attend`. Stopped by `stop`.

    `lookup`, `executor`, `now` (POSIX seconds) and `clock` (monotonic seconds) are seams for tests.
    """

    def __init__(
        self,
        config: PartnerConfig,
        manifest: Manifest,
        *,
        lookup: Lookup | None = None,
        executor: Executor | None = None,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Errors: those of `Book` and `webhook_key`."""
        self.config, self.public_url = config, config.public_url
        self.book = Book(config.folder, deployment=deployment_of(manifest))
        try:
            key = webhook_key(config.folder)
            self.feed = Feed(self.book)
            self.hooks = Hooks(
                self.book,
                self.feed,
                key,
                private=config.private_webhooks,
                now=now,
                lookup=lookup,
                executor=executor,
            )
        except BaseException:
            self.book.close()
            raise
        self.door = Door(config.partners, rate=config.rate, burst=config.burst, clock=clock)
        self.answers = Answers(self.book, now)
        self.streams: Counter[str] = Counter()  # open ones, by partner
        self.streams_lock = threading.Lock()
        self.is_closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._submissions: Submissions | None = None

    @property
    def submissions(self) -> Submissions:
        """What partners handed in. There is none before `attend`."""
        assert self._submissions is not None
        return self._submissions

    def attend(self, relay: Relay) -> None:
        """Take submissions for a relay."""
        self._submissions = Submissions(self.book, relay)

    def start(self) -> None:
        """Begin to send webhooks and to tend what was handed in, each in a thread of its own."""
        for name, work, seconds in (
            ("webhooks", self.hooks.serve, LOOK_SECONDS),
            ("submissions", self.submissions.tend, TEND_SECONDS),
        ):
            thread = threading.Thread(target=self._repeat, args=(work, seconds), name=f"partner-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """End open streams, finish what is being sent, and close the book."""
        self.is_closing.set()
        for thread in self._threads:
            thread.join()
        self.hooks.stop()
        self.book.close()

    def _repeat(self, work: Callable[[], None], seconds: float) -> None:
        while not self.is_closing.wait(seconds):
            try:
                work()
            except Problem:
                continue  # a full disk, or a chain that answers nonsense: looked at again next time


def deployment_of(manifest: Manifest) -> bytes:
    """32 bytes that tell deployments apart: the three chains' ends, which never change."""
    return keccak256(b"".join(chain.end.words() for chain in manifest.chains))
