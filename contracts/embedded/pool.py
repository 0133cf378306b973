"""The transactions that were acknowledged and that no block holds yet. Pure memory: `chain` makes each durable first.

An acknowledged transaction leaves the pool in two ways only: a block holds it, or its own sender replaced it. It is
never dropped for age, price or room; when the pool is full, it is the newcomer who is told.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from contracts.embedded.transaction import Transaction
from ledger.errors import Refused, Unavailable

MAX_TRANSACTIONS: Final = 4096
MAX_BYTES: Final = 64 * 1024 * 1024
MAX_NONCE_GAP: Final = 64  # how far ahead of its account a transaction may wait
PRICE_BUMP_PERCENT: Final = 10  # what a replacement must offer on top, as in geth


@dataclass(frozen=True, slots=True)
class Waiting:
    """A transaction and the place at which it arrived, which decides its turn."""

    arrival: int
    transaction: Transaction


class Pool:
    """Not thread-safe: the chain's lock guards it."""

    def __init__(self) -> None:
        self._by_sender: dict[bytes, dict[int, Waiting]] = {}
        self._by_hash: dict[bytes, Waiting] = {}
        self._bytes = 0
        self._next_arrival = 0

    def __len__(self) -> int:
        return len(self._by_hash)

    def get(self, digest: bytes) -> Transaction | None:
        """The waiting transaction of that hash."""
        waiting = self._by_hash.get(digest)
        return None if waiting is None else waiting.transaction

    def next_nonce(self, sender: bytes, account_nonce: int) -> int:
        """The nonce after all that would be executed if a block were made now: the "pending" count."""
        queue = self._by_sender.get(sender, {})
        while account_nonce in queue:
            account_nonce += 1
        return account_nonce

    def admit(self, transaction: Transaction, *, account_nonce: int, balance: int) -> tuple[int, bytes | None]:
        """Decide whether a transaction may enter; nothing changes yet.

        Returns its arrival number and the hash of the one it replaces. Errors: `Refused` TX_KNOWN, TX_NONCE_LOW,
        TX_NONCE_GAP, TX_UNDERPRICED, TX_FUNDS; `Unavailable` TX_POOL_FULL.
        """
        if transaction.hash in self._by_hash:
            raise Refused("TX_KNOWN", "already known")
        if transaction.nonce < account_nonce:
            raise Refused("TX_NONCE_LOW", f"nonce too low: next nonce {account_nonce}, tx nonce {transaction.nonce}")
        if transaction.nonce > account_nonce + MAX_NONCE_GAP:
            raise Refused("TX_NONCE_GAP", f"nonce too high: next nonce {account_nonce}, tx nonce {transaction.nonce}")
        replaced = self._by_sender.get(transaction.sender, {}).get(transaction.nonce)
        if replaced is not None:
            _check_bump(replaced.transaction, transaction)
        self._check_funds(transaction, balance)
        if replaced is None and (len(self) >= MAX_TRANSACTIONS or self._bytes >= MAX_BYTES):
            raise Unavailable("TX_POOL_FULL", "txpool is full", cure="Wait for the next block.")
        return self._next_arrival, None if replaced is None else replaced.transaction.hash

    def add(self, transaction: Transaction, arrival: int) -> None:
        """Put an admitted and durable transaction in, in place of one with the same sender and nonce."""
        queue = self._by_sender.setdefault(transaction.sender, {})
        if transaction.nonce in queue:
            self._forget(queue[transaction.nonce].transaction)
        waiting = Waiting(arrival, transaction)
        self._by_sender.setdefault(transaction.sender, {})[transaction.nonce] = waiting
        self._by_hash[transaction.hash] = waiting
        self._bytes += len(transaction.raw)
        self._next_arrival = max(self._next_arrival, arrival + 1)

    def remove(self, transaction: Transaction) -> None:
        """Take out one that a block now holds."""
        if transaction.hash in self._by_hash:
            self._forget(transaction)

    def turns(self, nonces: dict[bytes, int]) -> Turns:
        """The order of execution for one block; `nonces` holds each waiting sender's account nonce."""
        return Turns(self._by_sender, nonces)

    def senders(self) -> list[bytes]:
        """Everybody who has something waiting."""
        return list(self._by_sender)

    def _check_funds(self, transaction: Transaction, balance: int) -> None:
        # What waits before it spends first; what waits after it can still be topped up in time.
        queue = self._by_sender.get(transaction.sender, {})
        before = sum(w.transaction.most_it_may_cost for n, w in queue.items() if n < transaction.nonce)
        cost = transaction.most_it_may_cost
        if before + cost > balance:
            raise Refused(
                "TX_FUNDS",
                f"insufficient funds for gas * price + value: balance {balance}, queued cost {before}, tx cost {cost}",
            )

    def _forget(self, transaction: Transaction) -> None:
        queue = self._by_sender[transaction.sender]
        del queue[transaction.nonce]
        if not queue:
            del self._by_sender[transaction.sender]
        del self._by_hash[transaction.hash]
        self._bytes -= len(transaction.raw)


class Turns:
    """Whose transaction comes next: by arrival, each sender's in the order of nonces."""

    def __init__(self, by_sender: dict[bytes, dict[int, Waiting]], nonces: dict[bytes, int]) -> None:
        self._by_sender = by_sender
        self._skipped = False
        heads = ((sender, by_sender[sender].get(nonce)) for sender, nonce in nonces.items())
        self._heap = [(waiting.arrival, sender, waiting) for sender, waiting in heads if waiting is not None]
        heapq.heapify(self._heap)

    def __iter__(self) -> Iterator[Transaction]:
        """Each yielded transaction counts as executed, unless `skip` is called for it before the next is asked for."""
        while self._heap:
            _, sender, waiting = heapq.heappop(self._heap)
            self._skipped = False
            yield waiting.transaction
            following = self._by_sender.get(sender, {}).get(waiting.transaction.nonce + 1)
            if following is not None and not self._skipped:
                heapq.heappush(self._heap, (following.arrival, sender, following))

    def skip(self) -> None:
        """The transaction last yielded was not executed: its sender has no further turn in this block."""
        self._skipped = True


def _check_bump(old: Transaction, new: Transaction) -> None:
    enough = all(
        offered * 100 >= asked * (100 + PRICE_BUMP_PERCENT)
        for offered, asked in ((new.max_fee, old.max_fee), (new.max_priority_fee, old.max_priority_fee))
    )
    if not enough:
        raise Refused("TX_UNDERPRICED", "replacement transaction underpriced")
