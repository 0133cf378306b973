"""py-evm's key-value database in one SQLite file, and the persisted transaction pool beside it.

What is durable when a call returns: `keep_transaction` (an acknowledged transaction) and `commit_block` (a block's trie
nodes, headers and look-ups, and the removal of its transactions from the pool, in one SQLite transaction). SQLite runs
in WAL mode with synchronous=FULL, so that neither kill -9 nor a power cut undoes them.

What may never happen here: a trie node of a stored block is deleted (every stored block stays provable), or a reader
sees a block that is not durable (the sequencer writes to `Workspace` and hands it over whole).
"""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from eth.db.backends.base import BaseAtomicDB

CACHE_BYTES: Final = 16 * 1024 * 1024
SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS entry (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS pool (hash BLOB PRIMARY KEY, arrival INTEGER NOT NULL, raw BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
)


class ChainDatabase(BaseAtomicDB):  # type: ignore[misc]
    """Read access for any thread; writes only through `keep_transaction` and `commit_block`."""

    def __init__(self, path: Path) -> None:
        # One connection under one lock: SQLite would serialise them anyway, and a block commit is short.
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._lock = threading.Lock()
        self._cache: OrderedDict[bytes, bytes] = OrderedDict()
        self._cached_bytes = 0
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        for statement in SCHEMA:
            self._connection.execute(statement)

    def close(self) -> None:
        """Close the file; every later use is an error."""
        with self._lock:
            self._connection.close()

    def __getitem__(self, key: bytes) -> bytes:
        with self._lock:
            cached = self._cache.get(key)
            if cached is not None:
                self._cache.move_to_end(key)
                return cached
            row = self._connection.execute("SELECT value FROM entry WHERE key = ?", (key,)).fetchone()
            if row is None:
                raise KeyError(key)
            self._remember(key, row[0])
            return bytes(row[0])

    def _exists(self, key: bytes) -> bool:
        with self._lock:
            found = "SELECT 1 FROM entry WHERE key = ?"
            return key in self._cache or self._connection.execute(found, (key,)).fetchone() is not None

    def __setitem__(self, key: bytes, value: bytes) -> None:
        raise TypeError("blocks are written whole, by commit_block")

    def __delitem__(self, key: bytes) -> None:
        raise TypeError("nothing of a stored block is ever deleted")

    def atomic_batch(self) -> Iterator[BaseAtomicDB]:
        raise TypeError("blocks are written whole, by commit_block")

    def meta(self) -> dict[str, str]:
        """What the folder says of itself: format version, genesis."""
        with self._lock:
            return dict(self._connection.execute("SELECT name, value FROM meta").fetchall())

    def pooled(self) -> list[tuple[int, bytes]]:
        """(arrival, raw) of every acknowledged transaction that no block holds yet, oldest first."""
        with self._lock:
            return self._connection.execute("SELECT arrival, raw FROM pool ORDER BY arrival").fetchall()

    def keep_transaction(self, digest: bytes, arrival: int, raw: bytes, *, instead_of: bytes | None) -> None:
        """Make one transaction durable in the pool, in place of the one it replaces."""
        with self._writing() as connection:
            if instead_of is not None:
                connection.execute("DELETE FROM pool WHERE hash = ?", (instead_of,))
            connection.execute("INSERT INTO pool VALUES (?, ?, ?)", (digest, arrival, raw))

    def commit_block(
        self, entries: Mapping[bytes, bytes], *, mined: Sequence[bytes] = (), meta: Mapping[str, str] | None = None
    ) -> None:
        """Make one block durable: its entries, and its transactions gone from the pool. All or nothing."""
        with self._writing() as connection:
            connection.executemany("INSERT OR REPLACE INTO entry VALUES (?, ?)", entries.items())
            connection.executemany("DELETE FROM pool WHERE hash = ?", [(digest,) for digest in mined])
            connection.executemany("INSERT INTO meta VALUES (?, ?)", list((meta or {}).items()))
            for key, value in entries.items():
                self._remember(key, value)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                self._cache.clear()
                self._cached_bytes = 0
                raise
            self._connection.execute("COMMIT")

    def _remember(self, key: bytes, value: bytes) -> None:
        previous = self._cache.pop(key, None)
        self._cached_bytes += len(value) - (0 if previous is None else len(previous))
        self._cache[key] = value
        while self._cached_bytes > CACHE_BYTES:
            _, dropped = self._cache.popitem(last=False)
            self._cached_bytes -= len(dropped)


class Workspace(BaseAtomicDB):  # type: ignore[misc]
    """Where the sequencer builds a block: reads fall through to the database, writes stay here until handed over."""

    def __init__(self, database: ChainDatabase) -> None:
        self._database = database
        self.entries: dict[bytes, bytes] = {}

    def __getitem__(self, key: bytes) -> bytes:
        value = self.entries.get(key)
        return self._database[key] if value is None else value

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self.entries[key] = value

    def __delitem__(self, key: bytes) -> None:
        # py-evm deletes only look-ups of abandoned forks, and a single sequencer has none.
        del self.entries[key]

    def _exists(self, key: bytes) -> bool:
        return key in self.entries or self._database.exists(key)

    @contextmanager
    def atomic_batch(self) -> Iterator[Workspace]:
        """py-evm's inner transactions: the block as a whole is the atom, so these only pass through."""
        yield self
