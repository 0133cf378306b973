"""Every journey by message id, of which so many are held in memory; the others lie in a file of this process alone.

The file has no name and ends with the process: it is memory, not a record. Chain state is the truth, and a restarted
relay reads it again. Which journeys are away changes nothing that anybody can see: whoever asks for one gets it. May
never happen here: two copies of one journey that a step is under way for.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from contracts.manifest import Manifest
from ledger.errors import Unavailable
from relay.journey import Journey, State
from relay.packed import pack, unpack

HELD = 10_000  # journeys in memory; beyond them those that came first are put away
SPARE = 1_000  # so many more are let in before any is put away, because many at once cost less

_ROWS_AT_ONCE = 500
_TABLES = """
CREATE TABLE away (id BLOB PRIMARY KEY, number INTEGER NOT NULL, state TEXT NOT NULL, waits_on INTEGER, content BLOB)
  WITHOUT ROWID;
CREATE INDEX away_numbers ON away (number);
CREATE INDEX away_states ON away (state, number);
CREATE TABLE stands (id BLOB, chain INTEGER, block INTEGER, PRIMARY KEY (chain, block, id)) WITHOUT ROWID;
CREATE INDEX stands_of ON stands (id)
"""


class Journeys(Mapping[bytes, Journey]):
    """In the order in which their messages were first seen. Safe to read from any thread; written, put away and
    mutated under the relay's lock only.
    """

    def __init__(self, manifest: Manifest, *, held: int = HELD, spare: int = SPARE) -> None:
        self._manifest, self._most, self._spare = manifest, held, spare
        self._held: dict[bytes, Journey] = {}
        self._numbers: dict[bytes, int] = {}  # of those in memory: the place in the order
        self._count = 0
        self._away: Counter[State] = Counter()
        self._db: sqlite3.Connection | None = None  # none is opened before it is needed
        self._lock = threading.RLock()

    # -- reading -----------------------------------------------------------------------------------------------------

    def __getitem__(self, message_id: bytes) -> Journey:
        journey = self._held.get(message_id)
        if journey is not None:
            return journey
        return self._back(message_id)

    def __contains__(self, message_id: object) -> bool:
        with self._lock:
            return message_id in self._held or (isinstance(message_id, bytes) and self._row(message_id) is not None)

    def __iter__(self) -> Iterator[bytes]:
        return (journey.id for journey in self.in_order())

    def __len__(self) -> int:
        return len(self._held) + self._away.total()

    @property
    def in_memory(self) -> int:
        """How many are held in memory now."""
        return len(self._held)

    def in_order(self) -> Iterator[Journey]:
        """All of them, the first seen first. Those that are away are shown and stay away: change none of them."""
        with self._lock:
            held = sorted((number, named) for named, number in self._numbers.items())
            known = {named: self._held[named] for _, named in held}
        last = 0
        for number, named in held:
            yield from self._between(last, number)
            yield known[named]
            last = number
        yield from self._between(last, None)

    def counts(self) -> Counter[State]:
        """How many are in each state."""
        with self._lock:
            return self._away + Counter(journey.state for journey in self._held.values())

    def newest(self, state: State | None, limit: int) -> list[Journey]:
        """At most `limit` of a state, or of all, the newest first. Change none of them."""
        with self._lock:
            found = [(self._numbers[each.id], each) for each in self._held.values() if state in (None, each.state)]
            if self._db is not None:
                query, named = "SELECT number, content FROM away ORDER BY number DESC LIMIT ?", []
                if state is not None:
                    query = query.replace("ORDER", "WHERE state = ? ORDER")
                    named = [state.value]
                rows = self._db.execute(query, (*named, limit)).fetchall()
                found += [(number, unpack(content, self._manifest)) for number, content in rows]
        return [journey for _, journey in sorted(found, key=lambda each: -each[0])[:limit]]

    # -- writing -----------------------------------------------------------------------------------------------------

    def __setitem__(self, message_id: bytes, journey: Journey) -> None:
        with self._lock:
            if message_id not in self:
                self._count += 1
                self._numbers[message_id] = self._count
            self._held[message_id] = journey

    def __delitem__(self, message_id: bytes) -> None:
        with self._lock:
            self[message_id]  # out of the file, wherever it is; KeyError for an unknown one
            del self._held[message_id], self._numbers[message_id]

    def touched_by(self, chain_id: int, above: int) -> list[Journey]:
        """All in memory, and of the others those that a chain's fork above a block concerns, which come back."""
        with self._lock:
            if self._db is not None:
                query = (
                    "SELECT id FROM stands WHERE chain = ? AND block > ? UNION SELECT id FROM away WHERE waits_on = ?"
                )
                for (named,) in self._db.execute(query, (chain_id, above, chain_id)).fetchall():
                    self[named]
            return list(self._held.values())

    def put_away(self, is_busy: Callable[[bytes], bool]) -> None:
        """Put the oldest away, where there are more than are held. `is_busy`: whether a step of it is under way.

        Errors: `Unavailable` AWAY_WRITE, and then all of them stay in memory.
        """
        if len(self._held) <= self._most + self._spare:
            return
        with self._lock:
            left = len(self._held) - self._most
            leaving: list[Journey] = []
            for journey in self._held.values():
                if len(leaving) == left:
                    break
                if not is_busy(journey.id):
                    leaving.append(journey)
            try:
                self._write(leaving)
            except sqlite3.Error as error:
                cure = "Make room where the system keeps temporary files; meanwhile it takes more memory."
                raise Unavailable("AWAY_WRITE", f"messages cannot be put away: {error}", cure=cure) from error
            for journey in leaving:
                del self._held[journey.id], self._numbers[journey.id]
                self._away[journey.state] += 1

    def _write(self, journeys: Iterable[Journey]) -> None:
        db = self._opened()
        rows, places = [], []
        for each in journeys:
            # An expiry that a fork takes back concerns only who still waits for its end.
            waits_on = each.proposal.message.destination.chain_id if each.expired and not each.is_over else None
            rows.append((each.id, self._numbers[each.id], each.state.value, waits_on, pack(each)))
            highest: dict[int, int] = {}
            for place in (each.origin, *(fact.place for fact in each.facts)):
                highest[place.chain_id] = max(place.block, highest.get(place.chain_id, 0))
            places += [(each.id, chain, block) for chain, block in highest.items()]
        # Some may be there from a time when the disk was full in the middle.
        db.executemany("INSERT OR REPLACE INTO away VALUES (?,?,?,?,?)", rows)
        db.executemany("INSERT OR REPLACE INTO stands VALUES (?,?,?)", places)

    def _back(self, message_id: bytes) -> Journey:
        with self._lock:
            if (journey := self._held.get(message_id)) is not None:
                return journey
            row = self._row(message_id)
            if row is None or self._db is None:
                raise KeyError(message_id)
            number, state, content = row
            self._db.execute("DELETE FROM away WHERE id = ?", (message_id,))
            self._db.execute("DELETE FROM stands WHERE id = ?", (message_id,))
            self._away[State(state)] -= 1
            journey = unpack(content, self._manifest)
            self._held[message_id], self._numbers[message_id] = journey, number
            return journey

    def _row(self, message_id: bytes) -> tuple[int, str, bytes] | None:
        if self._db is None:
            return None
        query = "SELECT number, state, content FROM away WHERE id = ?"
        found: tuple[int, str, bytes] | None = self._db.execute(query, (message_id,)).fetchone()
        return found

    def _between(self, after: int, before: int | None) -> Iterator[Journey]:
        """Those that are away and stand between two numbers, a few at a time."""
        while self._db is not None:
            query = "SELECT number, content FROM away WHERE number > ? AND number < ? ORDER BY number LIMIT ?"
            with self._lock:
                rows = self._db.execute(query, (after, before or 2**62, _ROWS_AT_ONCE)).fetchall()
            for number, content in rows:
                yield unpack(content, self._manifest)
                after = number
            if len(rows) < _ROWS_AT_ONCE:
                return

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            self._db = private_file(_TABLES)
        return self._db


def private_file(tables: str) -> sqlite3.Connection:
    """A database on the disk that nobody else can open, and that is gone with the process; a little of it in memory."""
    db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("PRAGMA journal_mode = MEMORY")
    db.execute("PRAGMA cache_size = -4096")  # KiB
    for statement in tables.split(";"):
        db.execute(statement)
    return db
