"""Finds messages by what people have in hand: a transaction's hash, a two-phase transaction's id, a place in a list.

Fed with the same final blocks as the journeys, and as forgetful of what a chain left behind. In memory only: it is
folded again from the chains. May never happen here: an entry above a fork, or the same log twice.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterator
from threading import Lock
from typing import TypeVar

from contracts.manifest import Manifest
from ledger.errors import Problem
from ledger.interoperable import decode
from ledger.two_phase import REPORT_BYTES, read_report
from relay.legs import COORDINATOR, TwoPhase, fold
from relay.watcher import Rewound, SeenBlock, SeenLog

T = TypeVar("T")

# Where a message was sent, and its id: chain, block, log in the block. The order of lists, the same after a restart.
Mark = tuple[int, int, int, bytes]


class Index:
    """What final logs of the deployment name messages by. Safe to share between threads."""

    def __init__(self, manifest: Manifest) -> None:
        self._coordinators = {
            (chain.chain_id, chain.contracts[COORDINATOR])
            for chain in manifest.chains
            if COORDINATOR in chain.contracts
        }
        self._lock = Lock()
        self._logs: dict[int, list[SeenLog]] = {}  # by chain, in its order: what a rewind has to take back
        self._by_transaction: dict[bytes, list[bytes]] = {}
        self._sent: list[Mark] = []
        self._coordinated: dict[bytes, list[SeenLog]] = {}
        self._reports: dict[bytes, list[tuple[int, bytes]]] = {}
        self._two_phase_of: dict[bytes, bytes] = {}

    def take(self, block: SeenBlock) -> None:
        """Take in one final block; one that was taken in changes nothing."""
        with self._lock:
            self._forget(block.chain_id, block.number - 1)
            for seen in block.logs:
                if self._add(seen):
                    self._logs.setdefault(block.chain_id, []).append(seen)

    def rewind(self, rewound: Rewound) -> None:
        """Forget what a chain left behind."""
        with self._lock:
            self._forget(rewound.chain_id, rewound.block)

    def messages_of(self, transaction: bytes) -> tuple[bytes, ...]:
        """The ids of the messages that a transaction (32 bytes, of any chain) sent, recorded or delivered, in order."""
        with self._lock:
            return tuple(dict.fromkeys(self._by_transaction.get(transaction, ())))

    def two_phase(self, named: bytes) -> TwoPhase | None:
        """A two-phase transaction by its id, None when no coordinator of the deployment began it."""
        with self._lock:
            logs = self._coordinated.get(named)
            if not logs:
                return None
            return fold(named, logs[0].place.chain_id, logs, self._reports.get(named, ()))

    def two_phase_of(self, message: bytes) -> bytes | None:
        """The id of the two-phase transaction that a message is part of, None for any other message."""
        with self._lock:
            return self._two_phase_of.get(message)

    @property
    def two_phases(self) -> list[bytes]:
        """The ids of all two-phase transactions."""
        with self._lock:
            return list(self._coordinated)

    def after(self, mark: Mark | None, limit: int) -> list[Mark]:
        """At most `limit` messages after a mark, in the order of `Mark`; from the first where it is None."""
        with self._lock:
            start = 0 if mark is None else bisect_right(self._sent, mark)
            return self._sent[start : start + limit]

    def __len__(self) -> int:
        return len(self._sent)

    def _add(self, seen: SeenLog) -> bool:
        ids = list(_named(seen))
        for named in ids:
            self._by_transaction.setdefault(seen.place.transaction, []).append(named)
        is_sent = (seen.decoded.contract, seen.decoded.name) == ("Gateway", "MessageSent")
        if is_sent:
            insort(self._sent, _mark(seen))
            report = self._report(seen)
            if report is not None:
                transaction, leg = report
                self._reports.setdefault(transaction, []).append((leg, ids[0]))
                self._two_phase_of[ids[0]] = transaction
        if seen.decoded.contract == COORDINATOR and "id" in seen.decoded.fields:
            self._coordinated.setdefault(seen.decoded.fields["id"], []).append(seen)
            self._two_phase_of.update(dict.fromkeys(ids, seen.decoded.fields["id"]))
            return True
        return bool(ids)

    def _forget(self, chain_id: int, above: int) -> None:
        logs = self._logs.get(chain_id, [])
        while logs and logs[-1].place.block > above:
            self._remove(logs.pop())

    def _remove(self, seen: SeenLog) -> None:
        ids = list(_named(seen))
        for named in ids:
            _drop(self._by_transaction, seen.place.transaction, named)
        if (seen.decoded.contract, seen.decoded.name) == ("Gateway", "MessageSent"):
            self._sent.remove(_mark(seen))
            report = self._report(seen)
            if report is not None:
                _drop(self._reports, report[0], (report[1], ids[0]))
                self._two_phase_of.pop(ids[0], None)
        if seen.decoded.contract == COORDINATOR and "id" in seen.decoded.fields:
            _drop(self._coordinated, seen.decoded.fields["id"], seen)
            for named in ids:
                self._two_phase_of.pop(named, None)

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


def _mark(seen: SeenLog) -> Mark:
    place = seen.place
    return place.chain_id, place.block, place.log_index_in_block, seen.decoded.fields["sendId"]


def _drop(kept: dict[bytes, list[T]], key: bytes, value: T) -> None:
    values = kept[key]
    values.remove(value)
    if not values:
        del kept[key]
