"""Finds messages by what people have in hand: a transaction's hash, a two-phase transaction's id, a place in a list.

Fed with the same final blocks as the journeys, and as forgetful of what a chain left behind. It lies in a file of this
process alone, of which little is in memory however much there is, and is folded again from the chains. May never happen
here: an entry above a fork, or the same log twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock
from typing import Any

from contracts.binding import DecodedLog
from contracts.manifest import Manifest
from ledger.errors import Problem
from ledger.ethereum.tx_receipt import Log
from ledger.interoperable import decode
from ledger.two_phase import REPORT_BYTES, read_report
from relay.journeys import private_file
from relay.legs import COORDINATOR, TwoPhase, fold
from relay.watcher import Rewound, SeenBlock, SeenLog

# Where a message was sent, and its id: chain, block, log in the block. The order of lists, the same after a restart.
Mark = tuple[int, int, int, bytes]

# Every row says where its log stands: chain, block, log in the block.
_TABLES = """
CREATE TABLE sent (chain INTEGER, block INTEGER, log INTEGER, id BLOB, PRIMARY KEY (chain, block, log)) WITHOUT ROWID;
CREATE TABLE named (chain INTEGER, block INTEGER, log INTEGER, place INTEGER, hash BLOB, id BLOB,
  PRIMARY KEY (chain, block, log, place)) WITHOUT ROWID;
CREATE INDEX named_hash ON named (hash);
CREATE TABLE coordinated (chain INTEGER, block INTEGER, log INTEGER, transaction_id BLOB, address BLOB, topics BLOB,
  data BLOB, PRIMARY KEY (chain, block, log)) WITHOUT ROWID;
CREATE INDEX coordinated_id ON coordinated (transaction_id);
CREATE TABLE parts (chain INTEGER, block INTEGER, log INTEGER, place INTEGER, transaction_id BLOB, leg INTEGER, id BLOB,
  PRIMARY KEY (chain, block, log, place)) WITHOUT ROWID;
CREATE INDEX parts_id ON parts (id);
CREATE INDEX parts_transaction ON parts (transaction_id)
"""
_EACH = ("sent", "named", "coordinated", "parts")


class Index:
    """What final logs of the deployment name messages by. Safe to share between threads."""

    def __init__(self, manifest: Manifest) -> None:
        self._contracts = {
            chain.chain_id: chain.contract(COORDINATOR) for chain in manifest.chains if COORDINATOR in chain.contracts
        }
        self._coordinators = {(number, each.address) for number, each in self._contracts.items()}
        self._lock = Lock()
        self._db = private_file(_TABLES)
        self._last: dict[int, int] = {}  # by chain, the highest block of which there is a row
        self._count = 0

    def take(self, block: SeenBlock) -> None:
        """Take in one final block; one that was taken in changes nothing."""
        with self._lock:
            self._forget(block.chain_id, block.number - 1)
            for seen in block.logs:
                self._add(seen)

    def rewind(self, rewound: Rewound) -> None:
        """Forget what a chain left behind."""
        with self._lock:
            self._forget(rewound.chain_id, rewound.block)

    def messages_of(self, transaction: bytes) -> tuple[bytes, ...]:
        """The ids of the messages that a transaction (32 bytes, of any chain) sent, recorded or delivered, in order."""
        query = "SELECT id FROM named WHERE hash = ? ORDER BY chain, block, log, place"
        return tuple(dict.fromkeys(named for (named,) in self._rows(query, transaction)))

    def two_phase(self, named: bytes) -> TwoPhase | None:
        """A two-phase transaction by its id, None when no coordinator of the deployment began it."""
        query = (
            "SELECT chain, address, topics, data FROM coordinated WHERE transaction_id = ? ORDER BY chain, block, log"
        )
        logs = self._rows(query, named)
        if not logs:
            return None
        query = (
            "SELECT leg, id FROM parts WHERE transaction_id = ? AND leg IS NOT NULL ORDER BY chain, block, log, place"
        )
        reports = [(leg, message) for leg, message in self._rows(query, named)]
        return fold(named, logs[0][0], (self._decoded(*row) for row in logs), reports)

    def two_phase_of(self, message: bytes) -> bytes | None:
        """The id of the two-phase transaction that a message is part of, None for any other message."""
        found = self._rows("SELECT transaction_id FROM parts WHERE id = ? LIMIT 1", message)
        return found[0][0] if found else None

    @property
    def two_phases(self) -> list[bytes]:
        """The ids of all two-phase transactions."""
        return [named for (named,) in self._rows("SELECT DISTINCT transaction_id FROM coordinated")]

    def after(self, mark: Mark | None, limit: int) -> list[Mark]:
        """At most `limit` messages after a mark, in the order of `Mark`; from the first where it is None."""
        query = (
            "SELECT chain, block, log, id FROM sent WHERE (chain, block, log) > (?, ?, ?) "
            "ORDER BY chain, block, log LIMIT ?"
        )
        return [
            (chain, block, log, named)
            for chain, block, log, named in self._rows(query, *(mark or (-1, 0, 0))[:3], limit)
        ]

    def __len__(self) -> int:
        return self._count

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(query, values).fetchall()

    def _add(self, seen: SeenLog) -> None:
        self._last[seen.place.chain_id] = (
            seen.place.block
        )  # first: what fails half way is forgotten when it comes again
        ids, at = list(_named(seen)), _at(seen)
        transaction = seen.place.transaction
        self._insert("named", [(*at, place, transaction, named) for place, named in enumerate(ids)])
        if (seen.decoded.contract, seen.decoded.name) == ("Gateway", "MessageSent"):
            self._insert("sent", [(*at, ids[0])])
            self._count += 1
            if (report := self._report(seen)) is not None:
                self._insert("parts", [(*at, 0, *report, ids[0])])
        if seen.decoded.contract == COORDINATOR and "id" in seen.decoded.fields:
            whole, raw = seen.decoded.fields["id"], seen.raw
            self._insert("coordinated", [(*at, whole, raw.address, b"".join(raw.topics), raw.data)])
            self._insert("parts", [(*at, place, whole, None, named) for place, named in enumerate(ids)])

    def _insert(self, table: str, rows: list[tuple[object, ...]]) -> None:
        for row in rows:
            self._db.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", row)  # noqa: S608 - our names

    def _forget(self, chain_id: int, above: int) -> None:
        if self._last.get(chain_id, -1) <= above:
            return  # as every block finds it but those that a fork, or a reader that failed, gives again
        for table in _EACH:
            gone = self._db.execute(f"DELETE FROM {table} WHERE chain = ? AND block > ?", (chain_id, above))  # noqa: S608
            self._count -= gone.rowcount if table == "sent" else 0
        self._last[chain_id] = above

    def _decoded(self, chain_id: int, address: bytes, topics: bytes, data: bytes) -> DecodedLog:
        apart = tuple(topics[place : place + 32] for place in range(0, len(topics), 32))
        found = self._contracts[chain_id].decode_log(Log(address, apart, data))
        assert found is not None  # it was decoded before
        return found

    def _report(self, seen: SeenLog) -> tuple[bytes, int] | None:
        """The transaction and leg of a message that is a leg's report to a coordinator of the deployment."""
        fields = seen.decoded.fields
        if len(fields["payload"]) != REPORT_BYTES:
            return None
        try:
            report = read_report(fields["payload"])
            recipient = decode(fields["recipient"])
        except Problem:
            return None  # an ordinary message of the same length
        return (report.id, report.leg) if recipient in self._coordinators else None


def _named(seen: SeenLog) -> Iterator[bytes]:
    """The ids of the messages that a log is about."""
    match seen.decoded.contract, seen.decoded.name:
        case "Gateway", "MessageSent":
            yield seen.decoded.fields["sendId"]
        case "Gateway" | "TransactionRegistry", _ if "id" in seen.decoded.fields:
            yield seen.decoded.fields["id"]
        case "Coordinator", "Told":
            yield seen.decoded.fields["message"]


def _at(seen: SeenLog) -> tuple[int, int, int]:
    place = seen.place
    return place.chain_id, place.block, place.log_index_in_block
