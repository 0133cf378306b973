"""What all contracts of one model chain hold, and whose signatures they take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Protocol, cast

from ledger.conservation import Arrivals
from ledger.errors import Refused
from ledger.ethereum.tx_receipt import Log
from ledger.membership import Roster
from ledger.orders import Orders
from ledger.proposal import Proposal
from ledger.quorum import Committee
from ledger.rotation import Rotating, Seat
from tests.simulation.lanes import GRACE_SECONDS

Books = tuple[int, int]  # locked and released of a vault, minted and burned of a voucher


@dataclass
class State:
    """`seats`: the committee contract. `sent`: by lane, the next sequence and the total. `books`: by asset.
    `deposits`: by message id, what its sender gets back should it not be executed. `executed`: how often, by message
    id; nothing in a contract looks at it. `records`: by message id, the registry's state. `headers`: of other chains,
    by chain id and number, as validators sealed them.
    """

    seats: Rotating
    sent: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    used: frozenset[tuple[bytes, int, int]] = frozenset()
    arrivals: dict[bytes, Arrivals] = field(default_factory=dict)
    books: dict[bytes, Books] = field(default_factory=dict)
    deposits: dict[bytes, tuple[bytes, int]] = field(default_factory=dict)
    executed: dict[bytes, int] = field(default_factory=dict)
    records: dict[bytes, int] = field(default_factory=dict)
    proposed: dict[bytes, Proposal] = field(default_factory=dict)
    headers: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def copy(self) -> State:
        """A state that can be changed alone."""
        return State(
            self.seats,
            self.sent.copy(),
            self.used,
            self.arrivals.copy(),
            self.books.copy(),
            self.deposits.copy(),
            self.executed.copy(),
            self.records.copy(),
            self.proposed.copy(),
            self.headers.copy(),
        )

    def add(self, asset: bytes, *, left: int = 0, right: int = 0) -> None:
        """To the books of an asset."""
        before = self.books.get(asset, (0, 0))
        self.books[asset] = before[0] + left, before[1] + right

    def at(self, now: int) -> Committee:
        """Whoever checks signatures at a block time: as a certificate asks, in the contract's words."""
        return cast(Committee, _CheckedAt(self.seats, now))

    def committees(self, now: int) -> list[Committee]:
        """Those whose signatures count, the current one first."""
        seats = [self.seats.current, *([self.seats.previous] if self.seats.previous else [])]
        return [_committee(seat) for seat in seats if seat.until is None or now < seat.until]


@dataclass(frozen=True)
class _CheckedAt:
    seats: Rotating
    now: int

    def check(self, epoch: int, digest: bytes, packed: bytes) -> tuple[int, ...]:
        """Who signed. Errors: `Refused` CALL_REVERTED for another epoch; those of `check_signatures`."""
        try:
            return self.seats.check(epoch, digest, packed, now=self.now)
        except Refused as refused:
            words = {"SET_EPOCH": "Committee: wrong epoch", "SET_EXPIRED": "Committee: grace is over"}
            raise Refused("CALL_REVERTED", words[refused.code]) if refused.code in words else refused from None


class Transaction(Protocol):
    """A call of one of the contracts: checks first, then effects."""

    def run(self, state: State, now: int) -> list[Log]:
        """Change the state at a block time; the logs. Errors: `Refused`, after which the state is to be thrown away."""
        ...


@dataclass(frozen=True)
class Rotate:
    """The next epoch begins, with other keys; the one before counts for a grace period."""

    epoch: int
    members: tuple[bytes, ...]

    def run(self, state: State, now: int) -> list[Log]:
        """One at a time, in order."""
        seats = state.seats
        if self.epoch != seats.epoch + 1:
            raise Refused("CALL_REVERTED", "Committee: not the next epoch")
        ending = replace(seats.current, until=now + seats.grace)
        state.seats = replace(seats, current=Seat(self.epoch, self.members), previous=ending)
        return []


def first_state(chain_id: int, members: Sequence[bytes]) -> State:
    """A chain's state when everything begins, in epoch 1."""
    contract = chain_id.to_bytes(20, "big")
    return State(Rotating(chain_id, contract, GRACE_SECONDS, False, Roster(), Orders(1), Seat(1, tuple(members))))


@lru_cache(maxsize=64)
def _committee(seat: Seat) -> Committee:
    return Committee(seat.epoch, tuple(each or bytes(20) for each in seat.signers))
