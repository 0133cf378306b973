"""What a watchtower knows of the swaps on one value lane, and what is to be done now. Pure: a fold of final logs.

It guards whoever is offline: a leg whose secret is public is claimed for its receiver, and one whose time has passed is
given back to its funder. Both are calls that anybody may send and that pay nobody but the party; the rules are those of
`ledger.hash_lock`. May never happen here: a claim at or after the refund time, a refund before it, or a secret that was
public once and is forgotten because its block was.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from ledger.errors import Problem
from ledger.hash_lock import (
    Funding,
    Lane,
    Role,
    Stake,
    State,
    Terms,
    deadlines,
    hash_of,
    read_funding,
    read_reveal,
)
from relay.watcher import SeenBlock, SeenLog

Account = tuple[int, bytes]  # chain id, 20 bytes

_UNDER_WAY = frozenset({State.BONDED, State.OPEN})


class Act(StrEnum):
    """What a watchtower sends."""

    CLAIM = "claim"
    REFUND = "refund"
    FUND = "fund"


@dataclass(frozen=True, slots=True)
class Due:
    """Something to be done at a role's lock. `until`: the last moment, in seconds of that chain's block time, at which
    it may be sent and still stand whatever the chain suffers, None where there is none; `alarm`: less than a claim
    window before it, or past it.
    """

    swap: bytes
    role: Role
    act: Act
    terms: Terms
    preimage: bytes = b""
    until: int | None = None
    alarm: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What the final logs say of one swap: terms, and the state of each leg."""

    terms: Terms
    states: Mapping[Role, State]


@dataclass(frozen=True, slots=True)
class _Fact:
    """One log of a lock, read. `at`: its block's time; `terms` of a funding only."""

    role: Role
    block: int
    at: int
    swap: bytes
    state: State
    terms: Terms | None = None


class SwapBook:
    """Every swap of a lane. `guarded`: the accounts it works for; none means everybody."""

    def __init__(self, lane: Lane, guarded: Collection[Account] = ()) -> None:
        self.lane, self._guarded = lane, frozenset(guarded)
        self._in_order: dict[Role, list[_Fact]] = {role: [] for role in Role}  # what a rewind has to take back
        self._by_swap: dict[bytes, list[_Fact]] = {}
        self._live: dict[bytes, Seen] = {}
        # By hash lock. Once public a secret stays public, whatever becomes of the block it was read in.
        self._secrets: dict[bytes, bytes] = {}
        self.times: dict[Role, int] = {}  # of each role's last final block

    def take(self, role: Role, block: SeenBlock) -> None:
        """Fold one final block of a role's chain; a block that was taken changes nothing."""
        self.rewind(role, block.number - 1)
        for seen in block.logs:
            if seen.raw.address == self.lane.end(role).lock:
                self._read(role, seen, block.timestamp)
        self.times[role] = block.timestamp

    def rewind(self, role: Role, above: int) -> None:
        """A role's chain left its blocks above `above` behind."""
        self.times.pop(role, None)
        facts, touched = self._in_order[role], set[bytes]()
        while facts and facts[-1].block > above:
            fact = facts.pop()
            self._by_swap[fact.swap].remove(fact)
            touched.add(fact.swap)
        for swap in touched:
            self._fold(swap)

    def state(self, swap: bytes, role: Role) -> State:
        """Where a role's leg stands, as final logs say."""
        return next((fact.state for fact in reversed(self._by_swap.get(swap, ())) if fact.role is role), State.UNKNOWN)

    def funding(self, swap: bytes, role: Role) -> Funding | None:
        """A role's funding of a swap, None where no final log tells of one."""
        for fact in self._by_swap.get(swap, ()):
            if fact.role is role and fact.terms is not None:
                return Funding(role, fact.terms, fact.at)
        return None

    def stakes(self, account: bytes, role: Role) -> dict[bytes, Stake]:
        """What an account (20 bytes) has put into a role's lock, by swap, also what has ended."""
        found = {}
        for fact in self._in_order[role]:
            if fact.terms is not None and (leg := fact.terms.leg(role)).funder == account:
                is_open = self.state(fact.swap, role) is State.OPEN
                found[fact.swap] = Stake(leg.receiver, leg.quantity, fact.at, is_open)
        return found

    def due(self, now: Mapping[Role, int]) -> list[Due]:
        """What is to be done, the most urgent first. `now`: latest block time of each role's chain; a role without one
        is passed over.
        """
        found = [due for swap, seen in self._live.items() for due in self._due(swap, seen, now)]
        return sorted(found, key=lambda due: (due.until is None, due.until or 0, due.swap))

    def _due(self, swap: bytes, seen: Seen, now: Mapping[Role, int]) -> Iterator[Due]:
        secret = self._secrets.get(seen.terms.hashlock)
        for role, state in seen.states.items():
            if role not in now or state not in _UNDER_WAY:
                continue
            leg, chain_id = seen.terms.leg(role), self.lane.end(role).chain_id
            if now[role] >= leg.refund_time:
                payee = leg.funder if state is State.OPEN else leg.receiver
                if self._is_guarded(chain_id, payee):
                    yield Due(swap, role, Act.REFUND, seen.terms)
            elif state is State.OPEN and secret is not None and self._is_guarded(chain_id, leg.receiver):
                until = self._until(seen.terms, role)
                alarm = now[role] > until - self.lane.bounds.claim_window
                yield Due(swap, role, Act.CLAIM, seen.terms, secret, until, alarm)

    def _until(self, terms: Terms, role: Role) -> int:
        times = deadlines(terms, self.lane.bounds)
        return times.claim_first_until if role is Role.INITIATOR else times.reveal_until

    def _is_guarded(self, chain_id: int, account: bytes) -> bool:
        return not self._guarded or (chain_id, account) in self._guarded

    def _read(self, role: Role, seen: SeenLog, time: int) -> None:
        fields, block = seen.decoded.fields, seen.place.block
        try:
            match seen.decoded.name:
                case "Funded":
                    terms = read_funding(seen.raw, lane=self.lane, role=role, at=time).terms
                    self._add(_Fact(role, block, time, fields["id"], State.OPEN, terms))
                case "Claimed":
                    reveal = read_reveal(seen.raw, lane=self.lane, role=role, at=time)
                    self._secrets[reveal.hashlock] = reveal.preimage
                    self._add(_Fact(role, block, time, reveal.swap, State.CLAIMED))
                case "Refunded":
                    self._add(_Fact(role, block, time, fields["id"], State.REFUNDED))
                case "Bonded":
                    self._add(_Fact(role, block, time, fields["id"], State.BONDED))
                case "Revealed" if hash_of(fields["preimage"]) == fields["hashlock"]:
                    self._secrets[fields["hashlock"]] = fields["preimage"]
        except Problem:
            return  # a node that invents logs gets nothing done; the contract would refuse it as well

    def _add(self, fact: _Fact) -> None:
        self._in_order[fact.role].append(fact)
        self._by_swap.setdefault(fact.swap, []).append(fact)
        self._fold(fact.swap)

    def _fold(self, swap: bytes) -> None:
        """What its logs say now. The other leg's may be read before those that tell the terms."""
        facts = self._by_swap[swap]
        terms = next((fact.terms for fact in facts if fact.terms is not None), None)
        states = {fact.role: fact.state for fact in facts}
        if terms is None or not any(state in _UNDER_WAY for state in states.values()):
            self._live.pop(swap, None)
        else:
            self._live[swap] = Seen(terms, states)
