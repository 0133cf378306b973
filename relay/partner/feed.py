"""What happened, as one numbered row of events: for server-sent events and webhooks. Folded from final logs.

An event's number is given once and for ever; a partner that names the last one it has seen gets all later ones, also
after a restart of the relay. What a chain leaves behind is not taken back, it is followed by an event that says so.
May never happen here: one log under two numbers, or a number that means two things.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ledger.errors import Refused
from ledger.interoperable import caip2
from relay.partner.book import Book
from relay.watcher import Rewound, SeenBlock, SeenLog

KEPT_EVENTS = 200_000  # the older ones are forgotten; whoever still wants them reads messages instead
_PRUNE_EVERY = 1_000
REWOUND = "chain.rewound"
_KINDS = {
    ("Gateway", "MessageSent"): "message.sent",
    ("TransactionRegistry", "Proposed"): "message.proposed",
    ("TransactionRegistry", "Attested"): "message.attested",
    ("Gateway", "MessageHeld"): "message.held",
    ("Gateway", "MessageVoided"): "message.voided",
    ("Gateway", "MessageCommitted"): "message.committed",
    ("TransactionRegistry", "CommitJudged"): "message.judged",
}
KINDS = (*_KINDS.values(), REWOUND)
_VERDICTS = {3: "committed", 4: "closed", 5: "disputed", 6: "expired", 7: "aborted"}


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `body`: its JSON as it is sent; `message`: the id in 0x-hex, empty where it is about a chain."""

    sequence: int
    kind: str
    message: str
    body: bytes


class Feed:
    """A `BlockSink` that numbers what partners want to know. Safe to share between threads."""

    def __init__(self, book: Book, *, kept: int = KEPT_EVENTS) -> None:
        self._book, self._kept = book, kept
        self._floors = dict(book.rows("SELECT chain, block FROM floor"))
        self.newest = self._newest()
        self._pruned = (book.row("SELECT min(sequence) FROM feed") or (None,))[0] or 0  # what is gone is below it

    def take(self, block: SeenBlock) -> None:
        """Number one final block's events; a block that was taken changes nothing."""
        self._leave(block.chain_id, block.number, block.hash)
        events = list(_events(block))
        if not events or block.number <= self._floors.get(block.chain_id, -1):
            return
        place = (block.chain_id, block.number, block.hash)
        query = "SELECT count(*) FROM feed WHERE chain = ? AND block = ? AND hash = ? AND stands = 1"
        counted = self._book.row(query, *place)
        if counted == (len(events),):
            return
        with self._book.transaction() as db:
            for log, kind, message, told in events:
                db.execute(
                    "INSERT OR IGNORE INTO feed (chain, block, hash, log, kind, message, body, stands)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, 1)",
                    (*place, log, kind, message, _dump(told)),
                )
        self._tell()

    def rewind(self, rewound: Rewound) -> None:
        """Say that a chain left blocks behind, where events of theirs were told."""
        self._undo(rewound.chain_id, rewound.block)

    def after(self, sequence: int, limit: int) -> list[Event]:
        """At most `limit` events after a number, in order.

        `Refused` EVENTS_GONE where some of them were forgotten, or where no event ever had that number: the book was
        lost and events are counted anew, so that waiting for a later one would pass over all until then.
        """
        if sequence > self.newest and sequence > self._newest():
            raise Refused(
                "EVENTS_GONE",
                f"the newest event has number {self.newest}",
                where=str(sequence),
                cure="Events were numbered anew. List the messages, then follow events from the newest on.",
            )
        oldest = self._book.row("SELECT min(sequence) FROM feed")
        if oldest and oldest[0] is not None and sequence + 1 < oldest[0]:
            raise Refused(
                "EVENTS_GONE",
                f"events before number {oldest[0]} are forgotten",
                where=str(sequence),
                cure="List the messages, then follow events from the newest on.",
            )
        query = "SELECT sequence, kind, message, body FROM feed WHERE sequence > ? ORDER BY sequence LIMIT ?"
        return [_event(*row) for row in self._book.rows(query, sequence, limit)]

    def _leave(self, chain_id: int, block: int, block_hash: bytes) -> None:
        """Another block of this number was told of: the chain left it while nobody watched."""
        query = "SELECT 1 FROM feed WHERE chain = ? AND block = ? AND hash <> ? AND stands = 1 LIMIT 1"
        if self._book.row(query, chain_id, block, block_hash):
            self._undo(chain_id, block - 1)

    def _undo(self, chain_id: int, above: int) -> None:
        with self._book.transaction() as db:
            found = db.execute(
                "UPDATE feed SET stands = 0 WHERE chain = ? AND block > ? AND stands = 1 AND kind <> ?",
                (chain_id, above, REWOUND),
            )
            if not found.rowcount:
                return
            told = {"type": REWOUND, "chain": caip2(chain_id), "block": above}
            db.execute(
                "INSERT INTO feed (chain, block, hash, log, kind, message, body, stands)"
                " VALUES (?, ?, '', 0, ?, '', ?, 0)",
                (chain_id, above, REWOUND, _dump(told)),
            )
        self._tell()

    def _tell(self) -> None:
        self.newest = self._newest()
        if self.newest - self._pruned > self._kept + min(_PRUNE_EVERY, self._kept):
            self._prune(self.newest - self._kept)

    def _prune(self, up_to: int) -> None:
        with self._book.transaction() as db:
            gone = db.execute(
                "SELECT chain, max(block) FROM feed WHERE sequence <= ? AND stands = 1 GROUP BY chain", (up_to,)
            ).fetchall()
            for chain, block in gone:
                db.execute("INSERT OR REPLACE INTO floor VALUES (?, ?)", (chain, block))
            db.execute("DELETE FROM feed WHERE sequence <= ?", (up_to,))
        self._floors |= dict(gone)
        self._pruned = up_to

    def _newest(self) -> int:
        # Not the highest row: a feed whose rows are all forgotten goes on counting.
        found = self._book.row("SELECT seq FROM sqlite_sequence WHERE name = 'feed'")
        return int(found[0]) if found else 0


def _events(block: SeenBlock) -> Iterator[tuple[int, str, str, dict[str, Any]]]:
    for seen in block.logs:
        kind = _KINDS.get((seen.decoded.contract, seen.decoded.name))
        if kind is not None:
            fields = seen.decoded.fields
            message = f"0x{fields['sendId' if kind == 'message.sent' else 'id'].hex()}"
            yield seen.place.log_index_in_block, kind, message, _told(seen, kind, message, block.timestamp)


def _told(seen: SeenLog, kind: str, message: str, time: int) -> dict[str, Any]:
    place, fields = seen.place, seen.decoded.fields
    told = {
        "type": kind,
        "message": message,
        "chain": caip2(place.chain_id),
        "block": place.block,
        "block_hash": f"0x{place.block_hash.hex()}",
        "transaction": f"0x{place.transaction.hex()}",
        "log_index": place.log_index_in_block,
        "time": time,
    }
    if kind == "message.committed":
        told["executed"] = fields["executed"]
    if kind == "message.judged":
        told["state"] = _VERDICTS.get(fields["state"], str(fields["state"]))
        told["credential"] = f"0x{fields['credential'].hex()}"
    return told


def _event(sequence: int, kind: str, message: str, body: bytes) -> Event:
    told = {"id": str(sequence)} | json.loads(body)
    return Event(sequence, kind, message, _dump(told))


def _dump(told: dict[str, Any]) -> bytes:
    return json.dumps(told, separators=(",", ":")).encode()
