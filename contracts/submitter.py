"""One account that keeps several transactions in flight on one chain, and sees each of them to its end.

Written down, then broadcast, then watched until a block holds it: a process that dies between any two lines finds on
its next start what it had promised, broadcasts it again, and gives no nonce out twice. What blocks pass over is
replaced at a higher price, a bounded number of times; a nonce that nobody fills is filled. What may never happen here:
an unpaid-for simulation skipped, a nonce left open behind one that is used, or a wei beyond the budget.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from contracts.node import Node, NodeError, quantity
from contracts.submissions import Attempt, Submission, SubmissionBook
from contracts.transactor import (
    GAS_MARGIN,
    PRIORITY_FEE_WEI,
    RECEIPT_WAIT_SECONDS,
    Call,
    Mined,
    estimate,
    mined_of,
    require_chain,
    sign,
    wait_for,
    well_formed,
)
from ledger.errors import Problem, Refused, Unavailable
from ledger.secp256k1 import SigningKey

MAX_IN_FLIGHT = 48  # below the 64 that geth and our embedded chain let wait behind an account's nonce
SECONDS_PER_DAY = 24 * 3600
TRANSFER_GAS = 21_000
PRICE_STEP_PERCENT = 25  # nodes ask for at least 10, some for 12.5


@dataclass(frozen=True, slots=True)
class Spending:
    """What an account may pay. `share_wei_per_day`: for one lane on one chain; `wei_per_day`: on one chain;
    `max_fee_wei`: per gas. A day is one of UTC.

    What no block took `replace_seconds` after it was sent, while `replace_blocks` blocks were made, is replaced, at
    most `replacements` times; what no block took and no pool holds is broadcast again after the same wait.
    """

    share_wei_per_day: int = 5 * 10**18
    wei_per_day: int = 50 * 10**18
    max_fee_wei: int = 2_000 * 10**9
    replace_seconds: float = 15.0
    replace_blocks: int = 2
    replacements: int = 5


@dataclass(slots=True, eq=False)
class Ticket:
    """One submission. `outcome`: what a block made of it, or why none will; None while it is under way.

    `started`: monotonic seconds.
    """

    nonce: int
    tag: bytes
    started: float
    is_awaited: bool = False
    outcome: Mined | Problem | None = None


@dataclass(slots=True)
class _InFlight:
    submission: Submission
    ticket: Ticket
    again: float = 0.0  # when it was last broadcast, by the clock
    overtaken: bool = False


class Submitter:
    """Sends as one account; the same seam as `Transactor`, and more. Safe to share between threads.

    `clock`: seconds since 1970; a seam for tests.
    """

    def __init__(
        self,
        node: Node,
        key: SigningKey,
        *,
        chain_id: int,
        book: SubmissionBook | None = None,
        spending: Spending | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.node, self.key, self.chain_id = node, key, chain_id
        self.spending = spending or Spending()
        self._book, self._clock = book or SubmissionBook(), clock
        self._lock, self._checking = threading.RLock(), threading.Lock()
        self._settled: list[Ticket] = []
        self._is_connected = False
        self._gap_since: float | None = None
        started = time.monotonic()
        self._flying = {
            each.nonce: _InFlight(each, Ticket(each.nonce, each.tag, started))
            for each in self._book.pending(self.address, chain_id)
        }

    @property
    def address(self) -> bytes:
        """The sending account."""
        return self.key.address

    def send(self, to: bytes | None, call_data: bytes) -> Mined:
        """Simulate, send, wait. Errors: as `submit`; `Refused` TX_FAILED; `Unavailable` TX_REPLACED, TX_NOT_MINED."""
        ticket = self.submit(to, call_data, is_awaited=True)

        def look() -> Ticket | None:
            if ticket.outcome is None:
                self._check()
            return ticket if ticket.outcome is not None else None

        if wait_for(look, seconds=RECEIPT_WAIT_SECONDS) is None:
            raise Unavailable("TX_NOT_MINED", "the transaction has no receipt yet", where=f"nonce {ticket.nonce}")
        if isinstance(ticket.outcome, Mined):
            return ticket.outcome
        assert ticket.outcome is not None
        raise ticket.outcome

    def submit(
        self,
        to: bytes | None,
        call_data: bytes,
        *,
        tag: bytes = b"",
        shares: Mapping[str, int] | None = None,
        is_awaited: bool = False,
    ) -> Ticket:
        """Simulate, write down and broadcast; do not wait. The ticket comes back from `poll` once it is settled.

        `shares`: who pays which part of it, in parts. Errors: `Refused` CALL_REVERTED (the contract's no, before
        paying), CHAIN_ID, NODE_ERROR; `Unavailable` BUDGET, FEE_TOO_HIGH, IN_FLIGHT (too many are), BOOK_WRITE, NODE_*.
        """
        self._connect()
        call: dict[str, str] = {"from": f"0x{self.address.hex()}", "data": f"0x{call_data.hex()}"}
        if to is not None:
            call["to"] = f"0x{to.hex()}"
        with well_formed(self.node):
            gas = estimate(self.node, call)
            asked = Call(self.chain_id, to or b"", call_data, int(gas * GAS_MARGIN))
            with self._lock:
                for is_last in (False, True):
                    try:
                        return self._broadcast_new(asked, tag, shares or {}, is_awaited)
                    except NodeError as error:
                        # Somebody else sends from this account, or the node was behind: its next answer counts.
                        if is_last or not _is_taken(error):
                            raise
        raise AssertionError("unreachable")

    def poll(self) -> list[Ticket]:
        """Look what became of everything in flight, mend what is stuck; the tickets settled since the last call.

        Errors: `Unavailable` NODE_*.
        """
        try:
            self._check()
        finally:
            with self._lock:
                settled, self._settled = self._settled, []
        return settled

    @property
    def in_flight(self) -> list[Ticket]:
        """What is under way, by nonce: after a start, also what an earlier process had sent."""
        with self._lock:
            return [flying.ticket for _, flying in sorted(self._flying.items())]

    def spent_today(self, share: str = "") -> int:
        """Wei that this day may have cost by now, what is in flight counted in full; of one share, or of all."""
        day = int(self._clock()) // SECONDS_PER_DAY
        with self._lock:
            reserved = sum(
                each.submission.share_of(share, each.submission.most_it_may_cost)
                if share
                else each.submission.most_it_may_cost
                for each in self._flying.values()
            )
            return self._book.spent(self.address, self.chain_id, day=day, share=share) + reserved

    # -- sending -----------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        """Once: make sure of the chain (E12), then broadcast again what an earlier process may not have."""
        if self._is_connected:
            return
        require_chain(self.node, self.chain_id)
        with self._lock:
            if not self._is_connected:
                for _, flying in sorted(self._flying.items()):
                    self._broadcast(flying)
                self._is_connected = True

    def _broadcast_new(self, call: Call, tag: bytes, shares: Mapping[str, int], is_awaited: bool) -> Ticket:
        if len(self._flying) >= MAX_IN_FLIGHT:
            raise Unavailable("IN_FLIGHT", f"{len(self._flying)} transactions are under way on this chain")
        counted, latest = self.node.batch(
            [
                ("eth_getTransactionCount", [f"0x{self.address.hex()}", "pending"]),
                ("eth_getBlockByNumber", ["latest", False]),
            ]
        )
        nonce = max([quantity(counted), *(known + 1 for known in self._flying)])
        fee = 2 * quantity(latest["baseFeePerGas"]) + PRIORITY_FEE_WEI
        attempt = self._signed(call, nonce, fee, PRIORITY_FEE_WEI, quantity(latest["number"]))
        submission = Submission(nonce, call, tag, shares, (attempt,))
        self._require_budget(submission, submission.most_it_may_cost)
        flying = _InFlight(submission, Ticket(nonce, tag, time.monotonic(), is_awaited))
        self._book.add(self.address, submission)
        self._flying[nonce] = flying
        try:
            self._broadcast(flying, is_first=True)
        except NodeError:
            # The node has said no, so nothing of it is in its pool, and the nonce is the last one: free it.
            self._forget(flying)
            raise
        return flying.ticket

    def _signed(self, call: Call, nonce: int, fee: int, tip: int, head: int) -> Attempt:
        if fee > self.spending.max_fee_wei:
            what = f"a gas costs {fee} wei now, more than the {self.spending.max_fee_wei} allowed"
            raise Unavailable("FEE_TOO_HIGH", what, cure="It goes on by itself when fees fall; or allow more.")
        signed = sign(self.key, call, nonce=nonce, max_fee=fee, tip=tip)
        return Attempt(signed.transaction, signed.raw, fee, tip, self._clock(), head)

    def _require_budget(self, submission: Submission, more: int) -> None:
        limits = self.spending
        cure = "It goes on by itself on the next day (UTC); or allow more."
        if self.spent_today() + more > limits.wei_per_day:
            raise Unavailable("BUDGET", f"today's {limits.wei_per_day} wei for this chain are spent", cure=cure)
        for share in submission.shares:
            if self.spent_today(share) + submission.share_of(share, more) > limits.share_wei_per_day:
                what = f"today's {limits.share_wei_per_day} wei for this lane are spent"
                raise Unavailable("BUDGET", what, where=share, cure=cure)

    def _broadcast(self, flying: _InFlight, *, is_first: bool = False) -> None:
        """Hand the attempt in force to the node. Only a first one's refusal matters: others may stand in a block."""
        flying.again = self._clock()
        try:
            self.node.request("eth_sendRawTransaction", f"0x{flying.submission.last.raw.hex()}")
        except NodeError as error:
            if is_first and not _is_known(error):
                raise
        except Unavailable:
            pass  # whether the node has it is not known: it is broadcast again

    # -- watching ----------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        with self._lock:
            if not self._flying:
                return
        self._connect()
        if not self._checking.acquire(blocking=False):
            return  # somebody looks just now
        try:
            with well_formed(self.node):
                self._look()
        finally:
            self._checking.release()

    def _look(self) -> None:
        with self._lock:
            flying = [each for _, each in sorted(self._flying.items())]
        asked = [(each, attempt) for each in flying for attempt in each.submission.attempts]
        # The count before the receipts: what it covers has a receipt, unless it is another transaction's.
        account = f"0x{self.address.hex()}"
        count, head, *receipts = self.node.batch(
            [
                ("eth_getTransactionCount", [account, "latest"]),
                ("eth_blockNumber", []),
                *(("eth_getTransactionReceipt", [f"0x{made.transaction.hex()}"]) for _, made in asked),
            ]
        )
        for (each, attempt), receipt in zip(asked, receipts, strict=True):
            if receipt is not None and each.ticket.outcome is None:
                self._settle(each, attempt, receipt)
        self._mend(quantity(count), quantity(head))

    def _settle(self, flying: _InFlight, attempt: Attempt, receipt: Any) -> None:
        outcome: Mined | Problem
        try:
            outcome = mined_of(receipt, attempt.transaction, flying.ticket.started)
        except Refused as failed:
            outcome = failed
        price = receipt.get("effectiveGasPrice")
        paid = quantity(receipt["gasUsed"]) * (quantity(price) if price is not None else attempt.max_fee)
        self._conclude(flying, outcome, wei=paid)

    def _conclude(self, flying: _InFlight, outcome: Mined | Problem, *, wei: int) -> None:
        with self._lock:
            self._forget(flying, wei=wei)
            flying.ticket.outcome = outcome
            if not flying.ticket.is_awaited and flying.submission.tag:
                self._settled.append(flying.ticket)

    def _forget(self, flying: _InFlight, *, wei: int = 0) -> None:
        day = int(self._clock()) // SECONDS_PER_DAY
        self._book.settle(self.address, flying.submission, wei=wei, day=day)
        self._flying.pop(flying.submission.nonce, None)

    # -- mending -----------------------------------------------------------------------------------------------------

    def _mend(self, count: int, head: int) -> None:
        """`count`: the account's nonce in the newest block."""
        now = self._clock()
        with self._lock:
            for nonce, flying in sorted(self._flying.items()):
                if nonce < count:
                    self._overtaken(flying)
                elif now - flying.again >= self.spending.replace_seconds:
                    self._hurry(flying, head)
            self._fill(count, now, head)

    def _overtaken(self, flying: _InFlight) -> None:
        # Twice, because a node may count a block before it shows its receipts.
        if flying.overtaken:
            problem = Unavailable("TX_REPLACED", "another transaction of this account took its nonce")
            self._conclude(flying, problem, wei=0)
        flying.overtaken = True

    def _hurry(self, flying: _InFlight, head: int) -> None:
        """Blocks are made and pass it over: offer more. None are made, or enough was offered: broadcast it again."""
        submission, last = flying.submission, flying.submission.last
        if (
            len(submission.attempts) <= self.spending.replacements
            and head - last.head >= self.spending.replace_blocks
            and (more := self._dearer(submission, head)) is not None
        ):
            flying.submission = self._book.attempt(self.address, submission, more)
        self._broadcast(flying)

    def _dearer(self, submission: Submission, head: int) -> Attempt | None:
        last = submission.last
        fee, tip = (-(-each * (100 + PRICE_STEP_PERCENT) // 100) for each in (last.max_fee, last.tip))
        try:
            self._require_budget(submission, submission.call.gas * (fee - last.max_fee))
            return self._signed(submission.call, submission.nonce, fee, tip, head)
        except Unavailable:
            return None  # the attempt in force stays

    def _fill(self, count: int, now: float, head: int) -> None:
        """A nonce before the first in flight that nobody uses holds up all behind it: send nothing, to ourselves."""
        first = min(self._flying, default=count)
        if first <= count:
            self._gap_since = None
        elif self._gap_since is None:
            self._gap_since = now  # a node that is behind shows the same for a moment
        elif now - self._gap_since >= self.spending.replace_seconds:
            self._gap_since = None
            price = self._flying[first].submission.last
            for nonce in range(count, min(first, count + MAX_IN_FLIGHT)):
                call = Call(self.chain_id, self.address, b"", TRANSFER_GAS)
                filler = Submission(nonce, call, b"", {}, (self._signed(call, nonce, price.max_fee, price.tip, head),))
                self._book.add(self.address, filler)
                self._flying[nonce] = _InFlight(filler, Ticket(nonce, b"", time.monotonic()))
                self._broadcast(self._flying[nonce])


def _is_known(error: NodeError) -> bool:
    said = error.what.lower()
    return "already known" in said or "known transaction" in said or "already imported" in said


def _is_taken(error: NodeError) -> bool:
    said = error.what.lower()
    return "nonce too low" in said or "nonce is too low" in said
