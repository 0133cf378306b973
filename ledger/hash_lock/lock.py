"""What a lock contract enforces: twin of `hash_lock.vy` with `InitiatorLock.vy` or `ResponderLock.vy` around it.

The same calls at the same block times are judged alike, in the same order of checks, and leave the same credits. The
token is taken to be honest here: what the contract does about one that is not is the contract's own test.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ledger.errors import Refused
from ledger.ethereum.keccak import keccak256
from ledger.hash_lock.secret import hash_of
from ledger.hash_lock.terms import Lane, Leg, Role, State, Terms, check_terms

KNOWN_SECRETS = (*(number.to_bytes(32, "big") for number in range(32)), b"\xff" * 32)


@dataclass(slots=True)
class Lock:
    """One contract of a lane. Accounts are 20 bytes, amounts units of its token, `now` its chain's block time.

    Every method either refuses and changes nothing, or does all of it.
    """

    role: Role
    lane: Lane
    states: dict[bytes, State] = field(default_factory=dict)
    used: set[tuple[bytes, bytes]] = field(default_factory=set)
    revealed: set[bytes] = field(default_factory=lambda: {hash_of(known) for known in KNOWN_SECRETS})
    open_swaps: dict[bytes, int] = field(default_factory=dict)
    owed: dict[bytes, int] = field(default_factory=dict)
    held: int = 0

    def state(self, id: bytes) -> State:  # noqa: A002
        """This contract's leg of a swap."""
        return self.states.get(id, State.UNKNOWN)

    def bond(self, terms: Terms, *, by: bytes, now: int) -> bytes:
        """The initiator posts the bond at the responder's contract; returns the swap's id.

        Errors: `Refused` LOCK_TIME, NOT_THE_PARTY, OFFER_BOND, and those of `fund`.
        """
        self._check_refund_time(terms, now)
        if by != terms.responder.receiver:
            raise Refused("NOT_THE_PARTY", "only the initiator posts the bond")
        if terms.bond == 0 or self.role is Role.INITIATOR:
            raise Refused("OFFER_BOND", "these terms have no bond here")
        self._check_new(terms)
        swap = self._expect(terms, State.UNKNOWN)
        self._take(by, terms.bond)
        self.states[swap] = State.BONDED
        return swap

    def fund(self, terms: Terms, *, by: bytes, now: int) -> bytes:
        """The funder locks its leg; returns the swap's id.

        Errors: `Refused` LOCK_TIME (outside the role's bounds), NOT_THE_PARTY, OFFER_BOND, OFFER_MARGIN, HASH_REUSED
        (this funder used it before, or its preimage is known), LOCK_STATE, LOCK_QUOTA.
        """
        self._check_refund_time(terms, now)
        leg = terms.leg(self.role)
        if by != leg.funder:
            raise Refused("NOT_THE_PARTY", "only the funder funds its leg")
        self._check_new(terms)
        swap = self._expect(terms, State.BONDED if self._bond(terms) else State.UNKNOWN)
        if (by, terms.hashlock) in self.used:
            raise Refused("HASH_REUSED", "this account has used the hash lock before", where=terms.hashlock.hex())
        self._take(by, leg.quantity)
        self.used.add((by, terms.hashlock))
        self.states[swap] = State.OPEN
        return swap

    def claim(self, terms: Terms, preimage: bytes, *, now: int) -> None:
        """Credit an open leg to its receiver before the refund time, whoever asks.

        Errors: `BadInput` PREIMAGE_LEN; `Refused` LOCK_UNKNOWN, TERMINAL, LOCK_STATE, LOCK_TIME, PREIMAGE_WRONG.
        """
        hashlock = hash_of(preimage)
        swap, leg, bond = self._live(terms)
        if self.states[swap] is not State.OPEN:
            raise Refused("LOCK_STATE", "the leg is not funded")
        if now >= leg.refund_time:
            raise Refused("LOCK_TIME", "too late to claim: the leg can be refunded", where=f"{now}")
        if hashlock != terms.hashlock:
            raise Refused("PREIMAGE_WRONG", "not the preimage of the hash lock")
        self.revealed.add(hashlock)
        self._end(swap, leg, bond, State.CLAIMED)
        self._credit(leg.receiver, leg.quantity + bond)

    def refund(self, terms: Terms, *, now: int) -> None:
        """From the refund time on, credit an open leg and its bond to the funder, or a lone bond to who posted it.

        Errors: `Refused` LOCK_UNKNOWN, TERMINAL, LOCK_TIME.
        """
        swap, leg, bond = self._live(terms)
        if now < leg.refund_time:
            raise Refused("LOCK_TIME", "too early to refund: the leg can be claimed", where=f"{now}")
        funded = self.states[swap] is State.OPEN
        self._end(swap, leg, bond, State.REFUNDED)
        self._credit(leg.funder if funded else leg.receiver, bond + (leg.quantity if funded else 0))

    def withdraw(self, account: bytes) -> int:
        """Pay an account what it is owed; returns how much. `Refused` NOTHING_OWED."""
        if not (amount := self.owed.pop(account, 0)):
            raise Refused("NOTHING_OWED", "the account is owed nothing", where=f"0x{account.hex()}")
        self.held -= amount
        return amount

    def expose(self, preimage: bytes) -> None:
        """Record that a preimage is public: nothing is locked with its hash from now on."""
        self.revealed.add(hash_of(preimage))

    def _check_refund_time(self, terms: Terms, now: int) -> None:
        bounds = self.lane.bounds
        locked = terms.leg(self.role).refund_time - now
        if self.role is Role.INITIATOR:
            fits = bounds.initiator_least <= locked <= bounds.initiator_most
        else:
            fits = bounds.least_open < locked <= bounds.responder_most
        if not fits:
            raise Refused("LOCK_TIME", f"locked for {locked} seconds, outside the {self.role}'s bounds", where=f"{now}")

    def _check_new(self, terms: Terms) -> None:
        if terms.hashlock in self.revealed:
            raise Refused("HASH_REUSED", "the preimage is known", where=terms.hashlock.hex())
        check_terms(terms, self.lane.bounds)

    def _expect(self, terms: Terms, state: State) -> bytes:
        swap = terms.id(self.lane.id)
        if self.state(swap) is not state:
            raise Refused("LOCK_STATE", f"the leg is {self.state(swap).name}, not {state.name}", where=swap.hex())
        return swap

    def _take(self, account: bytes, amount: int) -> None:
        if self.open_swaps.get(account, 0) >= self.lane.bounds.open_swaps:
            raise Refused("LOCK_QUOTA", "the account has money in as many swaps as it may", where=f"0x{account.hex()}")
        self.open_swaps[account] = self.open_swaps.get(account, 0) + 1
        self.held += amount

    def _live(self, terms: Terms) -> tuple[bytes, Leg, int]:
        swap = terms.id(self.lane.id)
        if (state := self.state(swap)) is State.UNKNOWN:
            raise Refused("LOCK_UNKNOWN", "this contract knows no such swap", where=swap.hex())
        if state in (State.CLAIMED, State.REFUNDED):
            raise Refused("TERMINAL", f"the leg is {state.name.lower()} for good", where=swap.hex())
        return swap, terms.leg(self.role), self._bond(terms)

    def _bond(self, terms: Terms) -> int:
        return 0 if self.role is Role.INITIATOR else terms.bond

    def _end(self, swap: bytes, leg: Leg, bond: int, state: State) -> None:
        if self.states[swap] is State.OPEN:
            self.open_swaps[leg.funder] -= 1
        if bond:
            self.open_swaps[leg.receiver] -= 1
        self.states[swap] = state

    def _credit(self, account: bytes, amount: int) -> None:
        self.owed[account] = self.owed.get(account, 0) + amount


def used_key(funder: bytes, hashlock: bytes) -> bytes:
    """The key under which the contract keeps that a funder used a hash lock."""
    return keccak256(funder.rjust(32, b"\x00") + hashlock)
