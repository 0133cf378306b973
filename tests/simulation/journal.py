"""The production journal over a database in memory that outlives the process it is simulated in."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ledger.errors import Unavailable
from notary import journal as production
from notary.durable import DurableFile
from notary.journal import Journal
from tests.simulator.inline import Killed

_EMPTY = sqlite3.connect(":memory:", check_same_thread=False)
_EMPTY.executescript(production._TABLES)
_NEW = _EMPTY.serialize()


class Disk:
    """What a machine keeps when a notary's process dies. `dies_before_commit`: at the next write, before it counts."""

    def __init__(self) -> None:
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        self.db.deserialize(_NEW)
        self.dies_before_commit = self.is_full = False

    def lose(self) -> None:
        """Everything on it is gone, as on a machine that wrote nothing down."""
        self.db.deserialize(_NEW)


class MemoryFile(DurableFile):
    """A `DurableFile` on a `Disk`."""

    def __init__(self, disk: Disk) -> None:  # no folder: nothing of the real one's start
        self._disk, self._db, self._lock, self._lock_file = disk, disk.db, threading.Lock(), -1

    def close(self) -> None:
        """The disk stays."""

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self._db.execute(query, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        if self._disk.is_full:
            raise Unavailable("JOURNAL_WRITE", "the disk is full; nothing was signed")
        with super().transaction() as db:
            yield db
            if self._disk.dies_before_commit:
                self._disk.dies_before_commit = False
                raise Killed


class MemoryJournal(Journal):
    """The production journal, opened on a disk."""

    def __init__(self, disk: Disk) -> None:
        self._file, self._guard, self._noting = MemoryFile(disk), None, threading.Lock()
        self.tally = self._counted()
