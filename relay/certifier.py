"""One certificate for many messages: each is asked for once, also where two steps need it at the same moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future

from ledger.errors import Problem
from relay.journey import Journey
from relay.panel import Leaf, NotaryPanel
from relay.roots import Root, Roots

Failures = dict[bytes, Problem]  # who failed, by message id, and why


class Certifier:
    """The roots of the messages under way. Safe to share between threads."""

    def __init__(self, panel: NotaryPanel) -> None:
        self._panel, self._roots = panel, Roots()
        self._asked: dict[bytes, Future[Failures]] = {}
        self._lock = threading.Lock()

    def root_of(self, message_id: bytes) -> Root | None:
        """The root a message stands under, None while there is none."""
        return self._roots.of(message_id)

    def forget(self, message_id: bytes) -> None:
        """Nobody carries this message any more."""
        with self._lock:
            self._roots.drop([message_id])

    def __len__(self) -> int:
        return len(self._roots)

    def certify(self, journeys: Sequence[Journey]) -> Failures:
        """Have a root for each message of one destination: one that stands, one that is asked for just now, a new one.

        Who has none, and why. A root of an epoch that counts no more is formed again.
        """
        mine: Future[Failures] = Future()
        epochs = self._panel.epochs(journeys[0].proposal.message.destination.chain_id)
        with self._lock:
            held = [root for each in journeys if (root := self._roots.of(each.id)) is not None]
            self._roots.drop(each for root in held if root.epoch not in epochs for each in root.ids)
            missing = [each for each in journeys if self._roots.of(each.id) is None]
            others = {each.id: self._asked[each.id] for each in missing if each.id in self._asked}
            new = [each for each in missing if each.id not in others]
            self._asked |= dict.fromkeys((each.id for each in new), mine)
        failures: Failures = {}
        try:
            if new:
                failures = self._ask(new)
        except Problem as problem:
            failures = {each.id: problem for each in new}
        finally:
            with self._lock:
                for each in new:
                    self._asked.pop(each.id, None)
            mine.set_result(dict(failures))
        for message_id, asked in others.items():
            if (found := asked.result().get(message_id)) is not None:
                failures[message_id] = found
        return failures

    def _ask(self, journeys: Sequence[Journey]) -> Failures:
        started = time.monotonic()
        certified = self._panel.certify([Leaf(each.proposal.message, each.origin) for each in journeys])
        if certified.root is not None:
            self._roots.hold(certified.root)
        milliseconds = (time.monotonic() - started) * 1000
        for journey in journeys:
            if journey.id not in certified.refused:
                journey.milliseconds["certify"] = milliseconds
        return dict(certified.refused)
