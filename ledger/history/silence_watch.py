"""Beside a running ledger: looks every half minute for devices that should have spoken and did not.

Several processes may watch one folder, and `pledgetrail device check` beside them: each silence is kept once, whoever
finds it. What is lost if the process dies here: nothing, the next one looks at the last days again. May never happen
here: a watch that ended unnoticed, or a whole week read anew at each look.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from ledger.errors import Problem
from ledger.evidence import DeviceFinding
from ledger.history.silence import record_silences
from ledger.store import SqlEvidenceBook

WATCH_SECONDS: Final = 30.0
STOP_SECONDS: Final = 30.0
_log = logging.getLogger(__name__)


class SilenceWatch:
    """Watches the devices of one book. `clock`: UTC. `problem`: why the last look failed; None where it did not."""

    def __init__(
        self, book: SqlEvidenceBook, *, clock: Callable[[], datetime], every_seconds: float = WATCH_SECONDS
    ) -> None:
        self._book, self._clock, self._every = book, clock, every_seconds
        self._looked_at: dict[str, datetime] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="silence-watch", daemon=True)
        self.problem: Exception | None = None

    def step(self) -> tuple[DeviceFinding, ...]:
        """One look at every device that always speaks; the silences that are new. Raises `Unavailable` of the store."""
        found: list[DeviceFinding] = []
        watched = self._book.watched()
        for device in watched:
            found += self._look(device)
        for gone in self._looked_at.keys() - set(watched):
            del self._looked_at[gone]  # its terms changed: looked at from the beginning if they change back
        return tuple(found)

    def start(self) -> None:
        """Look now, and then at each interval, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End after the look that is under way."""
        self._stopping.set()
        self._thread.join(STOP_SECONDS)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Watch while the block runs."""
        self.start()
        try:
            yield
        finally:
            self.stop()

    def _look(self, device: str) -> tuple[DeviceFinding, ...]:
        now, looked_at = self._clock(), self._looked_at.get(device)
        if looked_at is not None and looked_at >= now:  # this machine's clock was put back
            return ()
        found = record_silences(self._book, device, now=now, since=looked_at)
        _, terms, _ = self._book.known(device)
        if terms is not None:
            self._looked_at[device] = now - terms.grace  # what is later may still come in
        return found

    def _run(self) -> None:
        while True:
            try:
                for finding in self.step():
                    _log.warning("%s is silent since %s", ascii(finding.device), finding.facts["since"])
                self.problem = None
            except Problem as problem:  # the store is busy or away: the next look finds the same
                self.problem = problem
                _log.warning("could not look for silent devices: %s", problem)
            except Exception as defect:  # noqa: BLE001  a watch that ends unnoticed finds nothing for ever
                self.problem = defect
                _log.exception("looking for silent devices failed")
            if self._stopping.wait(self._every):
                return
