"""What an account has sent and no block holds yet, and what it has spent: on disk before anything is broadcast.

The file belongs to one process at a time. It is a record of our own promises to a node's pool, never of what happened:
that stands on the chain. Where it is lost, nonces come from the node's pool again and a step may be paid for twice; no
effect happens twice, because every target refuses it.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from contracts.transactor import Call
from ledger.errors import Refused, Unavailable
from ledger.file_lock import hold_file

VERSION = 1
MAX_TAG_BYTES = 4096
_TABLES = """
CREATE TABLE submissions (account BLOB, chain INTEGER, nonce INTEGER, recipient BLOB, data BLOB, gas INTEGER, tag BLOB,
  shares TEXT, PRIMARY KEY (account, chain, nonce)) WITHOUT ROWID;
CREATE TABLE attempts (account BLOB, chain INTEGER, nonce INTEGER, number INTEGER, hash BLOB, raw BLOB, max_fee TEXT,
  tip TEXT, at REAL, head INTEGER, PRIMARY KEY (account, chain, nonce, number)) WITHOUT ROWID;
CREATE TABLE spent (account BLOB, chain INTEGER, day INTEGER, share TEXT, wei TEXT,
  PRIMARY KEY (account, chain, day, share)) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One broadcast of a nonce. `max_fee`, `tip`: wei per gas; `at`: seconds since 1970; `head`: the newest block."""

    transaction: bytes
    raw: bytes
    max_fee: int
    tip: int
    at: float
    head: int


@dataclass(frozen=True, slots=True)
class Submission:
    """A call under one nonce with every attempt to have it mined, the last one in force.

    `tag`: the asker's own words about it, at most `MAX_TAG_BYTES`; `shares`: who pays which part of it, in parts.
    """

    nonce: int
    call: Call
    tag: bytes
    shares: Mapping[str, int] = field(default_factory=dict)
    attempts: tuple[Attempt, ...] = ()

    @property
    def last(self) -> Attempt:
        """The attempt in force."""
        return self.attempts[-1]

    @property
    def most_it_may_cost(self) -> int:
        """Wei, at the fee in force."""
        return self.call.gas * self.last.max_fee

    def share_of(self, name: str, wei: int) -> int:
        """What one of those who share it pays of `wei`, rounded up."""
        parts = sum(self.shares.values())
        return -(-wei * self.shares.get(name, 0) // parts) if parts else 0


class SubmissionBook:
    """Submissions and spending by account and chain. Safe to share between threads of one process."""

    def __init__(self, path: Path | None = None) -> None:
        """`path` None: in memory. Errors: `Refused` BOOK_IN_USE, BOOK_VERSION; `Unavailable` BOOK_UNREADABLE."""
        self._lock = threading.RLock()
        self._handle = _hold(path) if path is not None else None
        try:
            self._db = _open(path)
        except BaseException:
            self._release()
            raise

    def close(self) -> None:
        """Close the file and let another process in."""
        with self._lock:
            self._db.close()
            self._release()

    def pending(self, account: bytes, chain_id: int) -> list[Submission]:
        """What has no known receipt yet, by nonce."""
        key = (account, chain_id)
        with self._lock:
            rows = self._db.execute(
                "SELECT nonce, recipient, data, gas, tag, shares FROM submissions WHERE account = ? AND chain = ? "
                "ORDER BY nonce",
                key,
            ).fetchall()
            return [
                Submission(
                    nonce, Call(chain_id, to, data, gas), tag, json.loads(shares), tuple(self._attempts(*key, nonce))
                )
                for nonce, to, data, gas, tag, shares in rows
            ]

    def add(self, account: bytes, submission: Submission) -> None:
        """Write one down, before it is broadcast."""
        call = submission.call
        with self._writing() as db:
            row = (account, call.chain_id, submission.nonce, call.to, call.data, call.gas, submission.tag)
            db.execute("INSERT INTO submissions VALUES (?,?,?,?,?,?,?,?)", (*row, json.dumps(dict(submission.shares))))
            self._insert(db, account, submission, submission.last, 0)

    def attempt(self, account: bytes, submission: Submission, attempt: Attempt) -> Submission:
        """Write a replacement down, before it is broadcast; the submission with it."""
        with self._writing() as db:
            self._insert(db, account, submission, attempt, len(submission.attempts))
        return replace(submission, attempts=(*submission.attempts, attempt))

    def settle(self, account: bytes, submission: Submission, *, wei: int, day: int) -> None:
        """A block holds it, or it never will: it is pending no more, and has cost `wei`."""
        chain = submission.call.chain_id
        with self._writing() as db:
            for table in ("submissions", "attempts"):
                db.execute(
                    f"DELETE FROM {table} WHERE account = ? AND chain = ? AND nonce = ?",  # noqa: S608 - our own names
                    (account, chain, submission.nonce),
                )
            for share in ("", *submission.shares) if wei else ():
                paid = wei if not share else submission.share_of(share, wei)
                total = self.spent(account, chain, day=day, share=share) + paid
                db.execute("INSERT OR REPLACE INTO spent VALUES (?,?,?,?,?)", (account, chain, day, share, str(total)))
            db.execute("DELETE FROM spent WHERE day < ?", (day - 1,))

    def spent(self, account: bytes, chain_id: int, *, day: int, share: str = "") -> int:
        """Wei that settled submissions have cost on a day (since 1970, UTC), all together or for one share."""
        with self._lock:
            row = self._db.execute(
                "SELECT wei FROM spent WHERE account = ? AND chain = ? AND day = ? AND share = ?",
                (account, chain_id, day, share),
            ).fetchone()
        return int(row[0]) if row else 0

    def _attempts(self, account: bytes, chain_id: int, nonce: int) -> Iterator[Attempt]:
        for transaction, raw, max_fee, tip, at, head in self._db.execute(
            "SELECT hash, raw, max_fee, tip, at, head FROM attempts WHERE account = ? AND chain = ? AND nonce = ? "
            "ORDER BY number",
            (account, chain_id, nonce),
        ):
            yield Attempt(transaction, raw, int(max_fee), int(tip), at, head)

    @staticmethod
    def _insert(db: sqlite3.Connection, account: bytes, to: Submission, made: Attempt, number: int) -> None:
        key = (account, to.call.chain_id, to.nonce, number)
        fees = (str(made.max_fee), str(made.tip))
        values = (*key, made.transaction, made.raw, *fees, made.at, made.head)
        db.execute("INSERT INTO attempts VALUES (?,?,?,?,?,?,?,?,?,?)", values)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                cure = "Make room on its disk; nothing was sent."
                raise Unavailable("BOOK_WRITE", f"the book cannot be written: {error}", cure=cure) from error
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def _release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _hold(path: Path) -> int:
    """Hold the book until the process ends: two processes with one account would give out one nonce twice."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cure = "Stop the other one, or give this one an account and a folder of its own."
    busy = Refused("BOOK_IN_USE", "another process sends from this book", where=str(path), cure=cure)
    return hold_file(path.with_name(f"{path.name}.lock"), busy=busy)


def _open(path: Path | None) -> sqlite3.Connection:
    try:
        db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA journal_mode = WAL")
        # A killed process loses nothing. After a power cut the node's own pool says which nonces are taken.
        db.execute("PRAGMA synchronous = NORMAL")
        found = db.execute("PRAGMA user_version").fetchone()[0]
        if found == 0:
            db.execute("BEGIN EXCLUSIVE")
            for statement in _TABLES.split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {VERSION}")
            db.execute("COMMIT")
    except sqlite3.Error as error:
        cure = "Move it away: the nodes know which nonces are taken."
        raise Unavailable("BOOK_UNREADABLE", f"the book does not open: {error}", where=str(path), cure=cure) from error
    if found not in (0, VERSION):
        db.close()
        what = f"the book has version {found}, this program reads {VERSION}"
        raise Refused("BOOK_VERSION", what, where=str(path), cure="Use the program that wrote it.")
    return db
