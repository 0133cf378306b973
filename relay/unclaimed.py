"""What logs said of messages that are not known yet: chains are read independently, and a destination's log may be seen
before its origin's.

A proposal costs its sender nothing but gas, and may name a message that nobody ever sent: so many are kept, and the
oldest goes first. What else names a message was let through by a quorum, and is never dropped: so many are held in
memory, the others lie in a file of this process alone. May never happen here: a log lost because it was read before the
message it is about.
"""

from __future__ import annotations

import sqlite3

from ledger.errors import Unavailable
from relay.journey import Fact, is_left_behind
from relay.journeys import private_file
from relay.packed import pack_fact, unpack_fact

MAX_PROPOSALS = 10_000
HELD = 10_000  # other logs in memory

_TABLES = """
CREATE TABLE logs (number INTEGER PRIMARY KEY, id BLOB NOT NULL, chain INTEGER NOT NULL, block INTEGER NOT NULL,
  content BLOB NOT NULL);
CREATE INDEX logs_of ON logs (id);
CREATE INDEX logs_at ON logs (chain, block)
"""


class Unclaimed:
    """By message id, in the order in which they were read. Used under the relay's lock only."""

    def __init__(self, *, held: int = HELD) -> None:
        self._most = held
        self._logs: dict[bytes, list[Fact]] = {}
        self._proposals: dict[bytes, Fact] = {}
        self._held, self._away = 0, 0  # logs in memory, and in the file
        self._db: sqlite3.Connection | None = None  # none is opened before it is needed

    def __len__(self) -> int:
        return len(self._proposals) + self._held + self._away

    @property
    def in_memory(self) -> int:
        """How many are held in memory now."""
        return len(self._proposals) + self._held

    @property
    def proposed(self) -> tuple[bytes, ...]:
        """The messages that a proposal names, the oldest first."""
        return tuple(self._proposals)

    def keep(self, named: bytes, fact: Fact) -> None:
        """Until its message is read."""
        if fact.kind != "Proposed":
            self._logs.setdefault(named, []).append(fact)
            self._held += 1
            return
        self._proposals[named] = fact
        if len(self._proposals) > MAX_PROPOSALS:
            del self._proposals[next(iter(self._proposals))]

    def claim(self, named: bytes) -> list[Fact]:
        """What was said of a message, the proposal first; it is kept no longer."""
        proposed, away = self._proposals.pop(named, None), list[Fact]()
        if self._db is not None and self._away:
            found = self._db.execute("SELECT content FROM logs WHERE id = ? ORDER BY number", (named,)).fetchall()
            self._db.execute("DELETE FROM logs WHERE id = ?", (named,))
            self._away -= len(found)
            away = [unpack_fact(content) for (content,) in found]
        held = self._logs.pop(named, [])
        self._held -= len(held)
        return [*([proposed] if proposed else []), *away, *held]

    def rewind(self, chain_id: int, above: int) -> None:
        """A chain left its blocks above `above` behind, and what they said with them."""
        self._proposals = {
            named: fact for named, fact in self._proposals.items() if not is_left_behind(fact.place, chain_id, above)
        }
        for named, facts in list(self._logs.items()):
            kept = [fact for fact in facts if not is_left_behind(fact.place, chain_id, above)]
            self._held -= len(facts) - len(kept)
            self._logs[named] = kept
            if not kept:
                del self._logs[named]
        if self._db is not None:
            gone = self._db.execute("DELETE FROM logs WHERE chain = ? AND block > ?", (chain_id, above))
            self._away -= gone.rowcount

    def put_away(self) -> None:
        """Put all logs away, where there are more than are held.

        Errors: `Unavailable` AWAY_WRITE, and then all of them stay in memory.
        """
        if self._held <= self._most:
            return
        rows = [
            (named, fact.place.chain_id, fact.place.block, pack_fact(fact))
            for named, facts in self._logs.items()
            for fact in facts
        ]
        try:
            self._write(rows)
        except sqlite3.Error as error:
            cure = "Make room where the system keeps temporary files; meanwhile it takes more memory."
            raise Unavailable("AWAY_WRITE", f"logs cannot be put away: {error}", cure=cure) from error
        self._logs, self._held, self._away = {}, 0, self._away + len(rows)

    def _write(self, rows: list[tuple[bytes, int, int, bytes]]) -> None:
        if self._db is None:
            self._db = private_file(_TABLES)
        self._db.execute("BEGIN")
        try:
            self._db.executemany("INSERT INTO logs (id, chain, block, content) VALUES (?,?,?,?)", rows)
            self._db.execute("COMMIT")
        except sqlite3.Error:
            if self._db.in_transaction:  # some failures have ended it already
                self._db.execute("ROLLBACK")
            raise
