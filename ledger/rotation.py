"""One epoch after another: whose certificates count at which time, and how a committee orders the next.

Twin of `contracts/vyper/Committee.vy` as a whole: a value that each step replaces, with the contract's checks in the
contract's order. Times are seconds of the chain on which the contract stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ledger.attestation import word
from ledger.equivocation import Attested, conflicting_signer
from ledger.errors import Refused
from ledger.membership import Member, Roster, records_digest
from ledger.orders import Orders, action_of, order_digest
from ledger.quorum import check_signatures, quorum

MAX_GRACE = 30 * 24 * 3600  # seconds
MAX_DELAY = 90 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Seat:
    """The committee of one epoch as its certificates are checked. `signers`: addresses by index, None once barred.

    `until`: from this second on nothing of the epoch counts; None for the current epoch.
    """

    epoch: int
    signers: tuple[bytes | None, ...]
    until: int | None = None

    @property
    def quorum(self) -> int:
        """How many signatures a certificate needs; barred members count in n."""
        return quorum(len(self.signers))

    @property
    def blocking(self) -> int:
        """How many make a quorum of the others impossible: n - t + 1."""
        return len(self.signers) - self.quorum + 1


@dataclass(frozen=True, slots=True)
class Rotating:
    """A committee contract: the current seat, the previous one if there was one, the roster and the orders."""

    chain_id: int
    contract: bytes
    grace: int
    development: bool
    roster: Roster
    orders: Orders
    current: Seat
    previous: Seat | None = None

    @classmethod
    def start(
        cls,
        members: Sequence[Member],
        proofs: bytes,
        *,
        chain_id: int,
        contract: bytes,
        delay: int,
        grace: int,
        development: bool = False,
    ) -> Rotating:
        """Epoch 1. Errors: `Refused` CONFIG_SET (delay or grace out of bounds) and those of `Roster.admit`."""
        if not 0 <= grace <= MAX_GRACE or not 0 < delay <= MAX_DELAY:
            raise Refused("CONFIG_SET", "the delay or the grace period is out of bounds")
        roster = Roster().admit(members, proofs, epoch=1, development=development)
        return cls(chain_id, contract, grace, development, roster, Orders(delay), _seat(1, members))

    @property
    def epoch(self) -> int:
        """The current epoch."""
        return self.current.epoch

    def check(self, epoch: int, digest: bytes, packed: bytes, *, now: int, blocking: bool = False) -> tuple[int, ...]:
        """Who signed; a quorum of the current epoch, or of the previous within its grace period.

        `blocking`: n - t + 1 are enough. Errors: `Refused` SET_EPOCH, SET_EXPIRED and those of `check_signatures`.
        """
        seat = next((seat for seat in (self.current, self.previous) if seat is not None and seat.epoch == epoch), None)
        if seat is None:
            raise Refused("SET_EPOCH", f"signed in epoch {epoch}, the current one is {self.epoch}")
        if seat.until is not None and now >= seat.until:
            raise Refused("SET_EXPIRED", f"the grace period of epoch {epoch} is over")
        return check_signatures(seat.signers, digest, packed, needed=seat.blocking if blocking else seat.quorum)

    def check_current(self, epoch: int, digest: bytes, packed: bytes) -> tuple[int, ...]:
        """Who signed; a quorum of the current epoch only. Errors: `Refused` SET_EPOCH, those of `check_signatures`."""
        if epoch != self.epoch:
            raise Refused("SET_EPOCH", f"signed in epoch {epoch}, the current one is {self.epoch}")
        return check_signatures(self.current.signers, digest, packed, needed=self.current.quorum)

    def announce(self, action: bytes, salt: bytes, epoch: int, packed: bytes, *, now: int) -> Rotating:
        """Announce an order. Errors: `Refused` of `Orders.announce` and `check_current`."""
        orders = self.orders.announce(action, salt, epoch=epoch, now=now)
        self.check_current(epoch, self.order_digest(action, salt, epoch), packed)
        return replace(self, orders=orders)

    def order_digest(self, action: bytes, salt: bytes, epoch: int) -> bytes:
        """What a quorum signs to order something of this contract."""
        return order_digest(chain_id=self.chain_id, contract=self.contract, action=action, salt=salt, epoch=epoch)

    def rotate(self, members: Sequence[Member], proofs: bytes, salt: bytes, *, now: int) -> Rotating:
        """Begin the next epoch, as the current committee ordered it. Errors: `Orders.take`, `Roster.admit`."""
        beginning = self.epoch + 1
        orders = self.orders.take(rotation(beginning, members), salt, epoch=self.epoch, now=now)
        roster = self.roster.admit(members, proofs, epoch=beginning, development=self.development)
        ending = replace(self.current, until=now + self.grace)
        return replace(self, roster=roster, orders=orders, current=_seat(beginning, members), previous=ending)

    def report(self, first: Attested, second: Attested) -> Rotating:
        """Bar a member that attested two messages of one sequence. Errors: `conflicting_signer`, `Roster.suspend`."""
        signer = conflicting_signer(first, second)
        roster = self.roster.suspend(signer)
        previous = None if self.previous is None else _barred(self.previous, signer)
        return replace(self, roster=roster, current=_barred(self.current, signer), previous=previous)


def rotation(epoch: int, members: Sequence[Member]) -> bytes:
    """The action that makes these members the committee of an epoch."""
    return action_of("Committee.rotate", word(epoch), records_digest(members))


def _seat(epoch: int, members: Sequence[Member]) -> Seat:
    return Seat(epoch, tuple(member.attesting for member in members))


def _barred(seat: Seat, signer: bytes) -> Seat:
    return replace(seat, signers=tuple(None if each == signer else each for each in seat.signers))
