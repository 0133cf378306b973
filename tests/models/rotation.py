"""Committees that follow one another on two chains, each in its own time, with messages under way.

Chains rotate, let orders lapse, end grace periods and die whenever they like; certificates are made by any set that
still has its keys, and lost by crashes; sets destroy their keys when they think they are no longer needed. Message i
is for chain `destinations[i]`. The rules that keep this safe are switches, so that a test can show what each is for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain's committee contract. `grace`: whether the previous epoch counts still; `ordered`: the next is due."""

    epoch: int = 1
    grace: bool = False
    ordered: bool = False
    is_dead: bool = False

    def accepted(self) -> frozenset[int]:
        """The epochs whose certificates count."""
        return frozenset({self.epoch, self.epoch - 1} if self.grace else {self.epoch})

    def turns(self, last: int, *, retired: frozenset[int]) -> Iterator[tuple[str, Chain]]:
        """What can happen to the contract."""
        if not self.ordered and self.epoch < last and self.epoch not in retired:
            yield "order", replace(self, ordered=True)
        if self.ordered:
            yield "rotate", Chain(self.epoch + 1, grace=True)
            # The window of an order is longer than any grace period here.
            yield "lapse", replace(self, ordered=False, grace=False)
        if self.grace:
            yield "end grace", replace(self, grace=False)


@dataclass(frozen=True, slots=True)
class State:
    """Both chains; for each message the epochs of the certificates at hand and how often it took effect."""

    chains: tuple[Chain, Chain] = (Chain(), Chain())
    certificates: tuple[frozenset[int], ...] = (frozenset(),)
    effects: tuple[int, ...] = (0,)
    retired: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Model:
    """The protocol. Each switch is a rule; without it something goes wrong."""

    destinations: tuple[int, ...] = (0,)
    last: int = 3
    has_replay_word: bool = True
    attests_again: bool = True
    retires_late: bool = True

    def start(self) -> State:
        """Before anything has happened."""
        count = len(self.destinations)
        return State(certificates=(frozenset(),) * count, effects=(0,) * count)

    def steps(self, state: State) -> Iterator[tuple[str, State]]:
        """Everything that can happen next."""
        yield from self._chains(state)
        yield from self._sets(state)
        for message, place in enumerate(self.destinations):
            yield from self._message(state, message, state.chains[place])

    def wrong(self, state: State) -> str | None:
        """What must never be."""
        for message, count in enumerate(state.effects):
            if count > 1:
                return f"message {message} took effect twice"
        for chain in state.chains:
            if not chain.accepted() <= {chain.epoch, chain.epoch - 1} or len(chain.accepted()) > 2:
                return "an epoch before the previous one counts"
        return None

    def waits(self, state: State, message: int) -> bool:
        """Whether a message could still be committed: its chain lives and has not taken it."""
        return state.effects[message] == 0 and not state.chains[self.destinations[message]].is_dead

    def _chains(self, state: State) -> Iterator[tuple[str, State]]:
        for place, chain in enumerate(state.chains):
            if chain.is_dead:
                continue
            for name, after in (*chain.turns(self.last, retired=state.retired), ("die", replace(chain, is_dead=True))):
                chains = (after, state.chains[1]) if place == 0 else (state.chains[0], after)
                yield f"{name} {place}", replace(state, chains=chains)

    def _sets(self, state: State) -> Iterator[tuple[str, State]]:
        """A set destroys its keys: when every living chain has gone past it, or (wrongly) as soon as one has."""
        living = [chain.epoch for chain in state.chains if not chain.is_dead]
        seen = living if self.retires_late else [chain.epoch for chain in state.chains]
        bound = (min(seen) if self.retires_late else max(seen)) if seen else self.last
        for epoch in range(1, bound):
            if epoch not in state.retired:
                yield f"retire {epoch}", replace(state, retired=state.retired | {epoch})

    def _message(self, state: State, message: int, chain: Chain) -> Iterator[tuple[str, State]]:
        held, count = state.certificates[message], state.effects[message]
        founded = max(each.epoch for each in state.chains)
        if count == 0:
            for epoch in range(1, founded + 1 if self.attests_again else 2):
                if epoch not in held and epoch not in state.retired:
                    yield f"attest {message} in {epoch}", self._certified(state, message, held | {epoch})
        if held:
            yield f"lose {message}", self._certified(state, message, frozenset())
        if not chain.is_dead and (count == 0 or not self.has_replay_word):
            for epoch in held & chain.accepted():
                effects = tuple(each + (place == message) for place, each in enumerate(state.effects))
                yield f"commit {message} by {epoch}", replace(state, effects=effects)

    def _certified(self, state: State, message: int, held: frozenset[int]) -> State:
        certificates = tuple(held if place == message else each for place, each in enumerate(state.certificates))
        return replace(state, certificates=certificates)
