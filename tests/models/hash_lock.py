"""A model of hash-locked swaps: two chains with clocks of their own, two parties, and a network that does its worst.

One tick is one second. A block made at a moment names any time from that moment to `drift` seconds later, whatever
its neighbours name. Each chain may rewrite its last blocks (`finality`): what stands there can be undone, put back, or
put at an earlier time than before, in any order. The network delays what an honest party sends, by halting the chain or
by ignoring it, as long as the claim window lasts, and a reorganisation moves it by no more than the chain's
finality. The secret is public from the moment its claim is sent. Everything else happens at any time or never.

Both parties begin honest, and each may turn at every step: from then on it may stop, lie, or do whatever a contract
lets it do. Honest parties follow `ledger.hash_lock.safety` and read the other chain at finality, no earlier. Posting
the bond is not a step: it stands before the leg it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ledger.hash_lock import Bounds, Leg, Terms, deadlines
from tests.contracts.swaps import ALICE, BOB, SECRET, START

NEVER, FINAL = -2, -1  # instead of a time: it has not happened; it happened and can no longer be undone
NONE, CLAIMED, REFUNDED = 0, 1, 2
UNSENT, SENT, LANDED = 0, 1, 2

FIRST, SECOND = "first", "second"
PARTIES = ("initiator", "responder")


class OneLeg(NamedTuple):
    """A leg as its chain tells it now: when it was funded, how it ended and when."""

    funded: int = NEVER
    end: int = NONE
    at: int = NEVER

    @property
    def is_open(self) -> bool:
        return self.funded != NEVER and self.end == NONE


class Promise(NamedTuple):
    """An honest party's claim: not sent; sent, and in a block by `by`; landed, and in a block for good by `by`."""

    phase: int = UNSENT
    by: int = NEVER


class State(NamedTuple):
    """All that decides what may still happen."""

    now: int = 0
    honest: tuple[bool, bool] = (True, True)
    public: bool = False
    first: OneLeg = OneLeg()
    second: OneLeg = OneLeg()
    reveal: Promise = Promise()
    answer: Promise = Promise()

    @property
    def legs(self) -> tuple[OneLeg, OneLeg]:
        return self.first, self.second


@dataclass(frozen=True, slots=True)
class World:
    """How the chains really behave, in seconds: what the lane's bounds promise, or worse."""

    finality: tuple[int, int] = (1, 2)
    window: int = 1
    drift: int = 1


@dataclass(frozen=True, slots=True)
class Model:
    """A world, the bounds the contracts were given, and the refund times of the swap, counted from `START`."""

    world: World
    bounds: Bounds
    first_refund: int
    second_refund: int

    @property
    def end(self) -> int:
        """When every leg has ended and every end is final."""
        return self.first_refund + self.world.window + max(self.world.finality) + 1

    @property
    def terms(self) -> Terms:
        """The swap both parties agreed on."""
        first = Leg(1_000, ALICE[0], BOB[0], START + self.first_refund)
        second = Leg(5_000, BOB[1], ALICE[1], START + self.second_refund)
        return Terms(SECRET.hashlock, self.bounds.least_bond(second.quantity), first, second)

    @property
    def reveal_until(self) -> int:
        """The last moment at which an honest initiator sends its claim, on the second chain's clock."""
        return deadlines(self.terms, self.bounds).reveal_until - START

    @classmethod
    def tight(cls, world: World, *, slack: int = 2, patience: int = 3) -> Model:
        """Bounds that promise exactly this world and not a second more; the initiator funds within `slack` seconds,
        and the responder may wait `patience` seconds longer than it must.
        """
        finality, landing = world.finality, world.window + world.drift
        responder_most = 2 * (finality[1] + world.drift) + world.window + 1 + patience
        least = responder_most + sum(finality) + landing
        bounds = Bounds(least, least + slack, responder_most, *finality, world.window, world.drift, 5, 10_000)
        return cls(world, bounds, least + slack, least + slack - bounds.margin)

    # -- what the contracts allow ---------------------------------------------------------------------------------

    def may_fund(self, which: int, clock: int) -> bool:
        """Whether the role's bounds allow funding at this block time."""
        if which == 0:
            return self.bounds.initiator_least <= self.first_refund - clock <= self.bounds.initiator_most
        return self.bounds.least_open < self.second_refund - clock <= self.bounds.responder_most

    def is_late(self, which: int, clock: int) -> bool:
        """Whether a leg can be refunded, and no longer claimed."""
        return clock >= (self.first_refund, self.second_refund)[which]

    # -- what may happen next -------------------------------------------------------------------------------------

    def steps(self, state: State) -> Iterator[tuple[str, State]]:
        """Every step from a state, with its name."""
        if state.now >= self.end:
            return
        for party in (0, 1):
            if state.honest[party]:
                yield f"turn {PARTIES[party]}", turned(state, party)
        yield from self._sends(state)
        for which in (0, 1):
            yield from self._blocks(state, which)
            yield from self._undone(state, which)
        if not self._is_due(state):
            yield "tick", self._ticked(state)

    def _sends(self, state: State) -> Iterator[tuple[str, State]]:
        """What honest parties send; it lands by a step of its own."""
        by = state.now + self.world.window
        if self._should_reveal(state):
            yield "send reveal", state._replace(public=True, reveal=Promise(SENT, by))
        if self._should_answer(state):
            stands = state.first.end == CLAIMED
            answer = Promise(LANDED, state.first.at + self.world.finality[0]) if stands else Promise(SENT, by)
            yield "send answer", state._replace(answer=answer)

    def _should_reveal(self, state: State) -> bool:
        ready = state.second.funded == FINAL and state.second.end == NONE and state.reveal.phase == UNSENT
        return state.honest[0] and ready and state.now <= self.reveal_until

    def _should_answer(self, state: State) -> bool:
        """It does not rely on another's claim that can still be undone, but sends its own at once."""
        seen = state.second.end == CLAIMED and state.second.at == FINAL
        settled_here = state.first.funded == NEVER or state.first.at == FINAL
        return state.honest[1] and seen and not settled_here and state.answer.phase == UNSENT

    def _blocks(self, state: State, which: int) -> Iterator[tuple[str, State]]:
        """What may stand in a block of one chain: a new one, or one that replaces a block which is not final."""
        for at in range(max(0, state.now - max(self.world.finality[which], 1) + 1), state.now + 1):
            for clock in range(at, at + self.world.drift + 1):
                yield from self._block(state, which, at, clock)

    def _block(self, state: State, which: int, at: int, clock: int) -> Iterator[tuple[str, State]]:
        """What may stand in the block made at one moment, which names the time `clock`."""
        leg, name = state.legs[which], (FIRST, SECOND)[which]
        stands = settled(at, state.now - self.world.finality[which])
        if leg.funded == NEVER and self.may_fund(which, clock) and self._is_willing(state, which):
            yield f"{name} fund {at} {clock}", with_leg(state, which, OneLeg(funded=stands))
        if not leg.is_open or leg.funded > at:
            return
        if self.is_late(which, clock):
            yield f"{name} refund {at} {clock}", with_leg(state, which, leg._replace(end=REFUNDED, at=stands))
        elif state.public or not state.honest[0]:
            yield f"{name} claim {at} {clock}", self._claimed(state, which, at)

    def _is_willing(self, state: State, which: int) -> bool:
        """An honest responder funds only when the first leg is final and open; everyone else whenever it likes."""
        return which == 0 or not state.honest[1] or (state.first.funded == FINAL and state.first.end == NONE)

    def _claimed(self, state: State, which: int, at: int) -> State:
        stands = settled(at, state.now - self.world.finality[which])
        leg = state.legs[which]._replace(end=CLAIMED, at=stands)
        state = with_leg(state, which, leg)._replace(public=True)
        promise = (state.answer, state.reveal)[which]
        if promise.phase == SENT:
            landed = Promise(LANDED, at + self.world.finality[which])
            state = state._replace(answer=landed) if which == 0 else state._replace(reveal=landed)
        return state

    def _undone(self, state: State, which: int) -> Iterator[tuple[str, State]]:
        """A reorganisation takes the last thing back, unless it is final or was promised to stay by now."""
        leg, name = state.legs[which], (FIRST, SECOND)[which]
        promise = (state.answer, state.reveal)[which]
        if leg.end != NONE and leg.at != FINAL and not (promise.phase == LANDED and state.now >= promise.by):
            yield f"{name} undo", with_leg(state, which, leg._replace(end=NONE, at=NEVER))
        if leg.is_open and leg.funded != FINAL:
            yield f"{name} undo", with_leg(state, which, OneLeg())

    def _is_due(self, state: State) -> bool:
        """Whether something must happen before time goes on: an honest party is online, and the network keeps time."""
        if self._should_answer(state):
            return True
        # Whatever time the chain's latest block names, it is early enough now, and may not be a second later.
        if self._should_reveal(state) and state.now + self.world.drift == self.reveal_until:
            return True
        for which in (0, 1):
            leg, promise = state.legs[which], (state.answer, state.reveal)[which]
            is_early = not self.is_late(which, state.now + self.world.drift)
            if leg.is_open and promise.phase != UNSENT and state.now >= promise.by and is_early:
                return True
            if leg.is_open and state.honest[which] and self.is_late(which, state.now - self.world.window):
                return True
        return False

    def _ticked(self, state: State) -> State:
        now = state.now + 1
        first, second = (
            leg._replace(funded=settled(leg.funded, now - finality), at=settled(leg.at, now - finality))
            for leg, finality in zip(state.legs, self.world.finality, strict=True)
        )
        return state._replace(now=now, first=first, second=second)

    # -- what must never be ---------------------------------------------------------------------------------------

    def wrong(self, state: State) -> str | None:
        """What is wrong with a state in which all is over: an honest party without its due."""
        if state.now < self.end:
            return None
        first, second = state.legs
        if state.honest[0] and first.end == CLAIMED and second.end != CLAIMED:
            return "the honest initiator paid and was not paid"
        if state.honest[1] and second.end == CLAIMED and first.end != CLAIMED:
            return "the honest responder paid and was not paid"
        if state.honest[0] and second.end == REFUNDED:
            return "the honest initiator lost its bond"
        for which in (0, 1):
            if state.honest[which] and state.legs[which].is_open:
                return f"the honest {PARTIES[which]}'s money is stuck"
        return None


def turned(state: State, party: int) -> State:
    """A party that is no longer bound to anything, nor promised anything."""
    honest = (False, state.honest[1]) if party == 0 else (state.honest[0], False)
    state = state._replace(honest=honest)
    return state._replace(reveal=Promise()) if party == 0 else state._replace(answer=Promise())


def with_leg(state: State, which: int, leg: OneLeg) -> State:
    """The state with one leg replaced."""
    return state._replace(first=leg) if which == 0 else state._replace(second=leg)


def settled(at: int, last_final: int) -> int:
    """A time, or FINAL once nobody can undo what happened then."""
    return FINAL if 0 <= at <= last_final else at
