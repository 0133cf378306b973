"""What this notary has promised: written and on disk before the signature exists.

What may never happen here: a signature without its row; a second message for one place of a lane; two final blocks of
one number; a row changed or deleted (but for the last checkpoint, settled doubts about the log and
how far re-execution came).
If the process dies between a row and its answer, the same request gives the same signature again.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.attestation import Verdict, word
from ledger.checkpoint import Checkpoint
from ledger.errors import Refused, Unavailable
from ledger.ethereum.header import Header
from ledger.ethereum.qbft import decode_header
from ledger.proposal import Chain, Message
from notary.durable import DurableFile
from notary.guard import Guard
from notary.proven import Witnessed

VERSION = 4
MAX_LISTED = 64  # attestations shown for one message
MAX_DOUBTS = 64  # checkpoints kept of each kind of doubt about the log

# Blocks whose headers were signed: what a copy of the journal that is put back must not have forgotten.
_VOUCHED = """
CREATE TABLE vouched (
  chain BLOB NOT NULL, number INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (chain, number)
) WITHOUT ROWID;
"""
_TABLES = f"""
CREATE TABLE promises (
  origin BLOB NOT NULL, lane BLOB NOT NULL, generation INTEGER NOT NULL, sequence BLOB NOT NULL, message BLOB NOT NULL,
  PRIMARY KEY (origin, lane, generation, sequence)
) WITHOUT ROWID;
CREATE TABLE attestations (
  message BLOB NOT NULL, epoch INTEGER NOT NULL, root BLOB NOT NULL,
  leaf INTEGER NOT NULL, size INTEGER NOT NULL, digest BLOB NOT NULL,
  PRIMARY KEY (message, epoch, root)
) WITHOUT ROWID;
CREATE TABLE verdicts (
  message BLOB NOT NULL, "transaction" BLOB NOT NULL, epoch INTEGER NOT NULL, origin_block BLOB NOT NULL,
  commit_block BLOB NOT NULL, checked_from INTEGER NOT NULL, verdict INTEGER NOT NULL, executed INTEGER NOT NULL,
  outcome BLOB NOT NULL, policy INTEGER NOT NULL, origin_log BLOB NOT NULL, commit_log BLOB NOT NULL,
  PRIMARY KEY (message, "transaction")
) WITHOUT ROWID;
CREATE TABLE checkpoints (
  origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE doubts (
  kind TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, offered BLOB NOT NULL, held BLOB NOT NULL,
  held_size INTEGER NOT NULL, time INTEGER NOT NULL, PRIMARY KEY (kind, size, root)
) WITHOUT ROWID;
CREATE TABLE finals (
  chain BLOB NOT NULL, number INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (chain, number)
) WITHOUT ROWID;
CREATE TABLE checked (
  chain BLOB PRIMARY KEY, header BLOB NOT NULL, differs_at INTEGER, reason TEXT NOT NULL
) WITHOUT ROWID;
{_VOUCHED}"""
_UPGRADES = {3: _VOUCHED}  # what leads from that version to the next
APPEND_ONLY = ("promises", "attestations", "verdicts", "finals", "vouched")
_TALLY = (
    "SELECT (SELECT count(*) FROM promises) + (SELECT count(*) FROM attestations) + (SELECT count(*) FROM verdicts)"
    " + (SELECT count(*) FROM vouched) + (SELECT coalesce(sum(size), 0) FROM checkpoints)"
)
_PROMISED = "SELECT message FROM promises WHERE origin = ? AND lane = ? AND generation = ? AND sequence = ?"
_FINAL = "SELECT hash FROM finals WHERE chain = ? AND number = ?"


@dataclass(frozen=True, slots=True)
class Attested:
    """One attestation as the journal holds it: the root it is over, the message's leaf in it, and what was signed."""

    epoch: int
    root: bytes
    leaf: int
    size: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Checked:
    """How far a chain has been re-executed. `header`: the last block found right; `differs_at`: the first false one."""

    header: Header
    differs_at: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """Two signed notes of the log that do not agree, or that nobody showed to agree (`notary.cosigning`).

    `kind`: the code it was refused with; only SPLIT_VIEW convicts the log by itself. `time`: POSIX seconds.
    """

    kind: str
    size: int
    root: bytes
    offered: bytes
    held: bytes
    held_size: int
    time: int


class Journal:
    """The journal of one key, open in one process. Safe to share between threads."""

    def __init__(self, folder: Path, *, owner: bytes, guard: Guard | None = None) -> None:
        """Open or create the journal in `folder` for the attesting address `owner`.

        `guard`: what this machine remembers of the key; told of every entry before anything is signed. `tally` is a
        number that grows with every promise, attestation, verdict, header and checkpoint, and never falls.
        Errors as `DurableFile`, `Guard.hold` and `Guard.require`.
        """
        self._file = DurableFile(folder, owner=owner, tables=_TABLES, version=VERSION, upgrades=_UPGRADES)
        self._guard, self._noting, self._noted = guard, threading.Lock(), 0
        try:
            self.tally = self._counted()
            if guard is not None:
                guard.hold()  # after the folder: who runs it twice from one folder is told just that
                guard.require(self.tally)
                self._noted = guard.remembered().tally
            self._note(0)  # a process may have died between an entry and its note, and its entries are signed again
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file and give up the folder. May be called twice."""
        self._file.close()

    def _counted(self) -> int:
        row = self._file.row(_TALLY)
        assert row is not None
        return int(row[0])

    def copy(self) -> bytes:
        """The whole database."""
        return self._file.copy()

    def is_within(self, other: Path, table: str) -> bool:
        """Whether another journal's file holds every row of an `APPEND_ONLY` table."""
        return not self._file.lacks(other, table)

    def replace(self, other: Path) -> None:
        """Let another file take the journal's place; this one can only be closed afterwards."""
        self._file.replace(other)

    def attested_at(self, message: Message) -> bytes | None:
        """The id promised for a message's place (origin, gateway, lane, generation, sequence), if any."""
        row = self._file.row(_PROMISED, *_place(message))
        return None if row is None else row[0]

    def promise(
        self,
        messages: Sequence[Message],
        *,
        epoch: int,
        root: bytes,
        digest: bytes,
        blocks: Sequence[tuple[Chain, Witnessed]],
    ) -> None:
        """Record, durably and all at once, that `digest` over `root` of these messages is going to be signed.

        `blocks`: final blocks that were read for it. The same promise again changes nothing. Errors: `Refused`
        EQUIVOCATION, `Unavailable` FINAL_REWRITTEN, which leave the journal as it was.
        """
        added = 0
        with self._file.transaction() as db:
            for leaf, message in enumerate(messages):
                place = _place(message)
                query = "INSERT OR IGNORE INTO promises VALUES (?, ?, ?, ?, ?)"
                is_new = db.execute(query, (*place, message.id)).rowcount
                # Policy has asked before; this is the line that holds if it is ever asked wrongly.
                held = message.id if is_new else db.execute(_PROMISED, place).fetchone()[0]
                if held != message.id:
                    raise Refused("EQUIVOCATION", "another message was attested here", where=f"0x{held.hex()}")
                added += is_new
                row = (message.id, epoch, root, leaf, len(messages), digest)
                added += db.execute("INSERT OR IGNORE INTO attestations VALUES (?, ?, ?, ?, ?, ?)", row).rowcount
            for chain, block in blocks:
                _witness(db, chain, block)
        self._note(added)

    def attestations(self, message_id: bytes) -> list[Attested]:
        """What was signed about a message, or may be now, at most `MAX_LISTED`. Errors: `Unavailable` JOURNAL_WRITE."""
        self._note(0)
        query = "SELECT epoch, root, leaf, size, digest FROM attestations WHERE message = ? ORDER BY epoch, root"
        return [Attested(*row) for row in self._file.rows(f"{query} LIMIT {MAX_LISTED}", message_id)]

    def witnessed(self, chain: Chain) -> Witnessed | None:
        """The highest block of a chain that was once taken for final."""
        query = "SELECT number, hash FROM finals WHERE chain = ? ORDER BY number DESC LIMIT 1"
        row = self._file.row(query, _chain(chain))
        return None if row is None else Witnessed(*row)

    def vouch(self, chain: Chain, block: Witnessed) -> None:
        """Record, durably, that the header of a block taken for final is going to be signed.

        Errors: `Unavailable` FINAL_REWRITTEN, which leaves the journal as it was.
        """
        with self._file.transaction() as db:
            _witness(db, chain, block)
            row = (_chain(chain), block.number, block.hash)
            added = db.execute("INSERT OR IGNORE INTO vouched VALUES (?, ?, ?)", row).rowcount
        self._note(added)

    def final(self, chain: Chain, number: int) -> bytes | None:
        """The hash under which a block was once taken for final; every re-executed block is among them."""
        row = self._file.row(_FINAL, _chain(chain), number)
        return None if row is None else row[0]

    def verdict(self, message_id: bytes, transaction: bytes) -> Verdict | None:
        """The verdict given over one commit of a message, if any."""
        return next((each for each in self.verdicts(message_id) if each.commit_transaction == transaction), None)

    def verdicts(self, message_id: bytes) -> list[Verdict]:
        """Every verdict given over a message: one for each commit, and one where it ended without."""
        return [_verdict(row) for row in self._file.rows("SELECT * FROM verdicts WHERE message = ?", message_id)]

    def judge(self, *verdicts: Verdict) -> None:
        """Record, durably and all at once, verdicts that will be signed; one over a commit that exists stays."""
        added, query = 0, "INSERT OR IGNORE INTO verdicts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        with self._file.transaction() as db:
            for verdict in verdicts:
                row = (
                    *(verdict.id, verdict.commit_transaction, verdict.epoch, verdict.origin_block),
                    *(verdict.commit_block, verdict.checked_from, verdict.verdict, int(verdict.executed)),
                    *(verdict.outcome, verdict.policy),
                    *(place.to_bytes(8, "big") for place in (verdict.origin_log, verdict.commit_log)),
                )
                added += db.execute(query, row).rowcount
        self._note(added)

    def checkpoint(self, origin: str) -> Checkpoint | None:
        """The last checkpoint of a log that was accepted for cosigning."""
        row = self._file.row("SELECT size, root FROM checkpoints WHERE origin = ?", origin)
        return None if row is None else Checkpoint(origin, *row)

    def checkpoint_note(self, origin: str) -> bytes:
        """The note of that checkpoint, as it was signed by the log; empty before the first."""
        row = self._file.row("SELECT note FROM checkpoints WHERE origin = ?", origin)
        return b"" if row is None else bytes(row[0])

    def accept_checkpoint(self, accepted: Checkpoint, note: bytes) -> None:
        """Remember, durably, a checkpoint that is going to be cosigned; a smaller one never replaces a larger.

        It settles the doubt about itself, if there was one.
        """
        before = self.checkpoint(accepted.origin)
        with self._file.transaction() as db:
            db.execute(
                "INSERT INTO checkpoints VALUES (?, ?, ?, ?) ON CONFLICT (origin) DO UPDATE"
                " SET size = excluded.size, root = excluded.root, note = excluded.note WHERE excluded.size > size",
                (accepted.origin, accepted.size, accepted.root, note),
            )
            settled = "DELETE FROM doubts WHERE kind <> 'SPLIT_VIEW' AND size = ? AND root = ?"
            db.execute(settled, (accepted.size, accepted.root))
        self._note(max(0, accepted.size - (0 if before is None else before.size)))

    def doubt(self, doubt: Doubt) -> None:
        """Keep, durably, both notes; the first `MAX_DOUBTS` of each kind, one for each state that was offered."""
        row = (doubt.kind, doubt.size, doubt.root, doubt.offered, doubt.held, doubt.held_size, doubt.time)
        with self._file.transaction() as db:
            if db.execute("SELECT count(*) FROM doubts WHERE kind = ?", (doubt.kind,)).fetchone()[0] < MAX_DOUBTS:
                db.execute("INSERT OR IGNORE INTO doubts VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def doubts(self) -> list[Doubt]:
        """All that is kept against the log, oldest first."""
        columns = "kind, size, root, offered, held, held_size, time"
        return [Doubt(*row) for row in self._file.rows(f"SELECT {columns} FROM doubts ORDER BY time, kind, size")]  # noqa: S608

    def checked(self, chain: Chain) -> Checked | None:
        """How far a chain has been re-executed without gaps."""
        row = self._file.row("SELECT header, differs_at, reason FROM checked WHERE chain = ?", _chain(chain))
        return None if row is None else Checked(decode_header(row[0]), row[1], row[2])

    def differs_at(self, chain: Chain) -> int | None:
        """The first block of a chain that did not re-execute to what it claims, if any."""
        row = self._file.row("SELECT differs_at FROM checked WHERE chain = ?", _chain(chain))
        return None if row is None else row[0]

    def advance(self, chain: Chain, checked: Checked) -> None:
        """Record how far a chain has been re-executed; a block that differs stays recorded whatever comes after.

        Errors: `Unavailable` FINAL_REWRITTEN, which leaves the journal as it was.
        """
        with self._file.transaction() as db:
            db.execute(
                "INSERT INTO checked VALUES (?, ?, ?, ?) ON CONFLICT (chain) DO UPDATE SET header = excluded.header,"
                " differs_at = excluded.differs_at, reason = excluded.reason WHERE differs_at IS NULL",
                (_chain(chain), checked.header.rlp(), checked.differs_at, checked.reason),
            )
            _witness(db, chain, Witnessed(checked.header.number, checked.header.hash))

    def counts(self) -> tuple[int, int]:
        """How many messages were attested and how many commits judged."""
        row = self._file.row("SELECT (SELECT count(*) FROM promises), (SELECT count(*) FROM verdicts)")
        assert row is not None
        return row[0], row[1]

    def _note(self, added: int) -> None:
        """On the disk of this machine too, outside the folder, before the caller signs: also what could not be noted
        when it was entered.
        """
        with self._noting:
            self.tally += added
            if self._guard is not None and self.tally > self._noted:
                self._guard.note(self.tally)
                self._noted = self.tally


def _verdict(row: tuple[Any, ...]) -> Verdict:
    """A row of `verdicts`."""
    message, transaction, epoch, origin_block, commit_block, checked_from, found, executed, *rest = row
    outcome, lane_policy, *places = rest
    blocks = (origin_block, commit_block, transaction)
    logs = (int.from_bytes(place, "big") for place in places)
    return Verdict(message, epoch, *blocks, checked_from, found, bool(executed), outcome, lane_policy, *logs)


def _witness(db: sqlite3.Connection, chain: Chain, block: Witnessed) -> None:
    """Hold on to a final block: no second one of its number is ever taken for final."""
    key = (_chain(chain), block.number)
    db.execute("INSERT OR IGNORE INTO finals VALUES (?, ?, ?)", (*key, block.hash))
    if db.execute(_FINAL, key).fetchone()[0] != block.hash:
        what, where = "the block was final and is now another one", f"{chain}, {block.number}"
        raise Unavailable("FINAL_REWRITTEN", what, where=where, cure="Check this notary's node, or use another one.")


def _chain(chain: Chain) -> bytes:
    return word(chain.chain_id) + chain.genesis


def _place(message: Message) -> tuple[bytes, bytes, int, bytes]:
    """(origin with gateway, lane, generation, sequence): what no two messages may share."""
    origin = _chain(message.origin) + message.origin.gateway
    return origin, message.lane, message.generation, message.sequence.to_bytes(8, "big")
