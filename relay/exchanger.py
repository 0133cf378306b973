"""Makes the calls that two-phase transactions wait for: tells legs, has them report again, expires what is late.

What is due is folded from final logs (`exchanges.py`); before it pays, the blocks above them are asked whether the word
has been said already, by whomever. Several relays, and one that died after sending, therefore do no harm: at worst a
leg hears the same word twice, which costs gas and moves nothing. Safe to share between threads.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Any

from contracts.binding import DecodedLog
from contracts.manifest import Manifest
from contracts.node import data, quantity
from contracts.submitter import Submitter, Ticket
from contracts.transactor import well_formed
from ledger.errors import Problem, Unavailable
from ledger.ethereum.tx_receipt import Log
from ledger.two_phase import REPORT_BYTES, read_report
from relay.agenda import Agenda
from relay.exchanges import Due, dues
from relay.index import Index
from relay.journey import Journey
from relay.legs import COORDINATOR, Call
from relay.retry import SetAside, decide, is_refusal, problem_of
from relay.watcher import Rewound, SeenBlock

SENT_SECONDS = 5.0  # what is in a block is looked at again, should no final block show its log
_TAG = b"exchange|"


def is_call(tag: bytes) -> bool:
    """Whether a transaction's tag is one of these calls'."""
    return tag.startswith(_TAG)


class Exchanger:
    """A `BlockSink` beside the index, which must have taken a block before. `payers` by chain id; `nudge`: called when
    something came of a call. Calls are begun by one thread only.
    """

    def __init__(
        self,
        manifest: Manifest,
        payers: Mapping[int, Submitter],
        index: Index,
        *,
        executor: Executor | None,
        clock: Callable[[], float],
        nudge: Callable[[], None],
    ) -> None:
        self._manifest, self._payers, self._index, self._nudge = manifest, dict(payers), index, nudge
        # One thread for each paying chain: one that hangs holds up no other, and nothing is paid twice at once.
        self._pools = {
            chain_id: executor or ThreadPoolExecutor(1, thread_name_prefix=f"relay-exchange-{chain_id}")
            for chain_id in self._payers
        }
        self._agenda: Agenda[Due] = Agenda(clock)
        self._lock = threading.RLock()
        self._looks: set[bytes] = set()  # transactions that something new may be due of
        self._deadlines: dict[int, list[tuple[int, bytes]]] = {}  # by chain, the next one first
        self._due: dict[bytes, tuple[Due, ...]] = {}
        self._read_to: dict[int, int] = {}
        self._waiting: dict[Due, Problem] = {}
        self._set_aside: dict[Due, Problem] = {}

    # -- what is due -------------------------------------------------------------------------------------------------

    def take(self, block: SeenBlock) -> None:
        """Take note of which transactions a final block is about, or may have made late."""
        with self._lock:
            deadlines = self._deadlines.setdefault(block.chain_id, [])
            for seen in block.logs:
                if seen.decoded.contract == COORDINATOR and "id" in seen.decoded.fields:
                    self._looks.add(seen.decoded.fields["id"])
                    if seen.decoded.name == "Begun":
                        heapq.heappush(deadlines, (seen.decoded.fields["prepare_by"], seen.decoded.fields["id"]))
            while deadlines and deadlines[0][0] <= block.timestamp:
                self._looks.add(heapq.heappop(deadlines)[1])

    def rewind(self, _rewound: Rewound) -> None:
        """A chain left blocks behind: look at everything again."""
        with self._lock:
            self._deadlines = {}
            for named in {*self._index.two_phases, *self._due}:
                self._looks.add(named)
                found = self._index.two_phase(named)
                if found is not None:
                    heapq.heappush(self._deadlines.setdefault(found.chain_id, []), (found.prepare_by, named))

    def moved(self, message_id: bytes) -> None:
        """A message's journey is another than it was."""
        named = self._index.two_phase_of(message_id)
        if named is not None:
            with self._lock:
                self._looks.add(named)

    def look(self, journeys: Mapping[bytes, Journey], times: Mapping[int, int], read_to: Mapping[int, int]) -> None:
        """Fold what is due of everything that moved. `times`: block time of each chain's last final block; `read_to`:
        the next block to be read; both by chain id.
        """
        with self._lock:
            self._read_to = dict(read_to)
            looks, self._looks = self._looks, set()
            for named in looks:
                before, found = self._due.pop(named, ()), self._index.two_phase(named)
                if found is not None and (due := dues(found, journeys, self._manifest, times.get(found.chain_id))):
                    self._due[named] = due
                for gone in set(before) - set(self._due.get(named, ())):
                    self._waiting.pop(gone, None)
                    self._set_aside.pop(gone, None)
            if looks:
                self._agenda.prune(lambda due: due in self._due.get(due.transaction, ()))

    def reasons(self, transaction: bytes) -> list[tuple[Due, Problem | None, Problem | None]]:
        """What is due of a transaction, each with why it waits and why it is no longer tried."""
        with self._lock:
            due = self._due.get(transaction, ())
            return [(each, self._waiting.get(each), self._set_aside.get(each)) for each in due]

    # -- calling -----------------------------------------------------------------------------------------------------

    def begin(self) -> bool:
        """Start each call that may be made now; whether any was started."""
        with self._lock:
            ready = [each for due in self._due.values() for each in due if each not in self._set_aside]
        started = [
            self._agenda.begin(self._pools[due.chain_id], due, partial(self._call, due))
            for due in ready
            if due.chain_id in self._pools
        ]
        return any(started)

    def heard(self, ticket: Ticket) -> None:
        """Hear what became of a call that was sent."""
        with self._lock:
            for due in (each for some in self._due.values() for each in some if _tag(each) == ticket.tag):
                if isinstance(ticket.outcome, Problem):
                    self._failed(due, ticket.outcome)
        self._nudge()

    def retry(self, message_id: bytes) -> None:
        """Take up what was set aside of the transaction that a message is part of."""
        named = self._index.two_phase_of(message_id)
        with self._lock:
            for due in self._due.get(named or b"", ()):
                self._set_aside.pop(due, None)
                self._agenda.release(due)

    def stop(self) -> None:
        """Finish the calls under way and begin no more."""
        for pool in self._pools.values():
            pool.shutdown(wait=True, cancel_futures=True)

    def _call(self, due: Due) -> bool:
        payer, tag = self._payers[due.chain_id], _tag(due)
        try:
            if any(ticket.tag == tag for ticket in payer.in_flight):
                raise Unavailable("NOT_FINAL", f"{due.call} was sent, and waits for a block")
            if self._is_said(due, payer):
                raise Unavailable("NOT_FINAL", f"{due.call} was called, and waits until its block is final")
            # Whoever began it has its share of the day's spending, and uses up nobody else's.
            payer.submit(due.to, due.data, tag=tag, shares={due.initiator.hex(): 1})
        except Exception as error:  # noqa: BLE001 - a defect that one transaction meets must not stop the others
            with self._lock:
                self._failed(due, problem_of(error))
            return False
        with self._lock:
            self._waiting.pop(due, None)
            self._agenda.succeeded(due)
            self._agenda.hold(due, SENT_SECONDS)
        self._nudge()
        return True

    def _failed(self, due: Due, problem: Problem) -> None:
        attempt = self._agenda.failed(due, refused=is_refusal(problem))
        decision = decide(problem, failures=attempt.failures, refusals=attempt.refusals)
        if due not in self._due.get(due.transaction, ()):
            return  # somebody did it meanwhile, and its log has been read
        if isinstance(decision, SetAside):
            self._waiting.pop(due, None)
            self._set_aside[due] = problem
        else:
            self._waiting[due] = problem
            self._agenda.hold(due, decision.seconds)

    def _is_said(self, due: Due, payer: Submitter) -> bool:
        """Whether a block that is not read yet holds what the call would bring about."""
        chain = self._manifest.by_id(due.chain_id)
        assert chain is not None
        teller = chain.contract("Gateway" if due.call is Call.REPORT else COORDINATOR)
        with well_formed(payer.node):
            first, head = self._read_to[due.chain_id], quantity(payer.node.request("eth_blockNumber"))
            if head < first:
                return False
            query: dict[str, Any] = {
                "address": f"0x{teller.address.hex()}",
                "fromBlock": hex(first),
                "toBlock": hex(head),
            }
            if due.call is not Call.REPORT:
                query["topics"] = [None, f"0x{due.transaction.hex()}"]
            for reported in payer.node.request("eth_getLogs", query):
                topics = tuple(data(topic) for topic in reported["topics"])
                decoded = teller.decode_log(Log(teller.address, topics, data(reported["data"])))
                if decoded is not None and _says(due, decoded):
                    return True
        return False


def _says(due: Due, decoded: DecodedLog) -> bool:
    fields = decoded.fields
    match due.call, decoded.name:
        case Call.TELL, "Told":
            return bool(fields["leg"] == due.leg)
        case Call.EXPIRE, "Decided":
            return True
        case Call.REPORT, "MessageSent" if len(fields["payload"]) == REPORT_BYTES:
            try:
                report = read_report(fields["payload"])
            except Problem:
                return False
            return (report.id, report.leg) == (due.transaction, due.leg)
    return False


def _tag(due: Due) -> bytes:
    return _TAG + due.digest
