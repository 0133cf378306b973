"""One run: three chains, a committee of which up to f are faulty, relays, users, attackers, and a bad network.

Virtual time in seconds. Until `HEAL_AT` faults come as the seed draws them; then they end, and whatever left its origin
for good must be closed before `END_AT`. What must never happen is looked at in every block and once more at the end.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from ledger.proposal import Message
from ledger.quorum import Committee
from relay.panel import NotaryPanel
from tests.simulation.attacks import ATTACKS, Attacks
from tests.simulation.chain import ModelChain
from tests.simulation.committee import MESSAGE_FAULTS, Line, Members, members_of
from tests.simulation.faults import FAULTS, Faults
from tests.simulation.gateway import Send
from tests.simulation.lanes import (
    DESTINATION,
    FINALITY,
    GENESIS_TIME,
    LONG_SECONDS,
    ORIGIN,
    OTHER,
    PERIOD,
    ROUTES,
    Route,
    deployment_of,
)
from tests.simulation.law import Law
from tests.simulation.node import View
from tests.simulation.recovery import remembered
from tests.simulation.relay import RelayProcess
from tests.simulation.state import Transaction
from tests.simulator.inline import Inline, Killed

HEAL_AT, END_AT = 16.0, 150.0
LAST_HOMEWARD = 13.0  # until then whoever holds what was minted sends some of it home
STEP_SECONDS = 0.4, 1.4  # between two steps of a relay


@dataclass(frozen=True)
class Outcome:
    """What a run leaves: the digest of its trace, how often each fault was met, and the messages it closed.
    `delays`: virtual seconds from a message's final log to its final record."""

    digest: str
    met: Counter[str]
    closed: int
    delays: tuple[float, ...]


class Network:
    """A run of one seed. `brief`: how many of the messages expire soon, 0 to 1; `relays`: honest ones, one or two as
    the seed draws them; `censors`: so many relays that withhold, delay, double and reorder what they carry stand
    beside them; `attacks`: those that may be drawn.
    """

    def __init__(
        self,
        seed: int,
        *,
        brief: float = 0.12,
        relays: int | None = None,
        censors: int = 0,
        attacks: tuple[str, ...] = ATTACKS,
    ) -> None:
        self.random = Random(seed)
        self.now, self._count, self._events = 0.0, 0, list[tuple[float, int, Callable[[], None]]]()
        self._trace, self.met, self._messages = hashlib.sha256(), Counter[str](), 0
        n = self.random.choice((4, 4, 4, 7))
        relays = relays or self.random.choice((1, 2))
        members = members_of(n, 1)
        self.manifest = deployment_of(seed, members)
        self.chains = {each.chain_id: ModelChain(each, members) for each in self.manifest.models}
        self.law = Law(f"seed {seed}", self.chains, n, lambda: self.now)
        self.cut: set[tuple[int, int]] = set()
        self.skews = [0.0] * (n + relays + censors)
        self._rates = {kind: self.random.choice((0.0, 0.03, 0.12)) for kind in MESSAGE_FAULTS}
        self._loss = self.random.choice((0.0, 0.05, 0.2))
        self.members = Members(self, n)
        self._brief, self._down, self._drawn = brief, set[int](), (*FAULTS, *attacks)
        self.relays = [self._relay(index, self.send) for index in range(relays)]
        self.relays += [self._relay(relays + index, self._censor) for index in range(censors)]
        self.faults, self.attacks = Faults(self), Attacks(self)
        self._plan()

    # -- time --------------------------------------------------------------------------------------------------------

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Something happens in so many seconds."""
        self._count += 1
        heapq.heappush(self._events, (self.now + seconds, self._count, act))

    def note(self, *said: object) -> None:
        """One line of the trace."""
        self._trace.update(f"{self.now:.6f} {said}\n".encode())

    def run(self) -> Outcome:
        """To the end. Errors: `Violation`."""
        with remembered():
            while self._events:
                self.now, _, act = heapq.heappop(self._events)
                act()
                if self.now > HEAL_AT + FINALITY + 3 and self._is_done():
                    break
                if self.now > END_AT:
                    self.law.fail(f"not closed after {END_AT:.0f} s: {self.law.open()}")
        self.law.require_all()
        for relay in self.relays:
            self.met += relay.met
        for process in self.members.processes:
            self.met += process.met
        closed, sent = self.law.closed_at, self.law.final_sent
        delays = tuple(closed[each] - sent[each] for each in sent)
        return Outcome(self._trace.hexdigest(), self.met, len(closed), delays)

    def _is_done(self) -> bool:
        return not self.law.open() and not any(self.chains[chain_id].pending for chain_id in OTHER)

    # -- relays, and the network between everybody -------------------------------------------------------------------

    def _relay(self, index: int, send: Callable[[int, Transaction], None]) -> RelayProcess:
        lines = [Line(self, index, member) for member in range(self.members.n)]
        panel = NotaryPanel(
            lines, self.manifest.committee, executor=lambda _name: Inline(), committees=self._committees
        )
        views = {chain_id: View(chain) for chain_id, chain in self.chains.items()}
        clock = lambda: self.now + self.skews[self.members.n + index]  # noqa: E731
        return RelayProcess(self.manifest, views, panel, send, clock)

    def _committees(self, chain_id: int) -> Sequence[Committee]:
        """Whose signatures a chain takes now, as a relay reads it."""
        final = self.chains[chain_id].final
        return final.state.committees(final.timestamp)

    def record(self, messages: Sequence[Message], root: bytes, epoch: int, member: int) -> None:
        """A signature exists."""
        self.note("signed", member, epoch, root.hex())
        self.law.record(messages, root, epoch, member)

    def next_message(self) -> int:
        """The number of a message to a notary."""
        self._messages += 1
        return self._messages

    def message_fault(self) -> str:
        """What happens to a message on its way; empty for nothing."""
        if self.now >= HEAL_AT:
            return ""
        drawn = self.random.random()
        for kind, rate in self._rates.items():
            if drawn < rate:
                return kind
            drawn -= rate
        return ""

    def send(self, chain_id: int, transaction: Transaction) -> None:
        """A transaction on its way into a chain's blocks."""
        self.note("sent", chain_id, type(transaction).__name__)
        pending = self.chains[chain_id].pending
        if self.now < HEAL_AT and self.random.random() < self._loss:
            fate = self.random.choice(("lost", "doubled", "late"))
            self.met[f"transaction {fate}"] += 1
            if fate == "lost":
                return
            self.later(self.random.uniform(0.5, 3.0), lambda: self.chains[chain_id].pending.append(transaction))
            if fate == "late":
                return
        pending.append(transaction)

    def _censor(self, chain_id: int, transaction: Transaction) -> None:
        """What a censoring relay does with what it should carry, also when all other faults are over."""
        fate = self.random.choice(("withheld", "withheld", "delayed", "doubled"))
        self.met[f"relay {fate}"] += 1
        for _ in range({"withheld": 0, "delayed": 1, "doubled": 2}[fate]):
            self.later(self.random.uniform(0.5, 20.0), lambda: self.chains[chain_id].pending.append(transaction))

    # -- what happens when -------------------------------------------------------------------------------------------

    def _plan(self) -> None:
        draw = self.random
        for chain_id in self.chains:
            self.later(draw.uniform(0, PERIOD), partial(self._mine, chain_id))
        for salt in range(1, 1 + draw.randint(1, 3)):
            self.later(draw.uniform(0.1, 7.0), partial(self._outward, salt))
        self.later(draw.uniform(6, 9), self._homeward)
        for index in range(len(self.relays)):
            self.later(draw.uniform(1, 2), partial(self._step, index))
        for _ in range(draw.randint(4, 9)):
            name = draw.choice(self._drawn)
            happen = self.attacks.happen if name in ATTACKS else self.faults.happen
            self.later(draw.uniform(1.0, HEAL_AT - 2), partial(happen, name))
        self.later(HEAL_AT, self._heal)

    def _mine(self, chain_id: int) -> None:
        block = self.chains[chain_id].mine(self.now)
        self.note("block", chain_id, block.number, block.hash.hex())
        self.law.scan(chain_id)
        self.later(PERIOD, partial(self._mine, chain_id))

    def _outward(self, salt: int) -> None:
        """Somebody locks something, for somebody on the other chain."""
        self._send(ORIGIN, self.random.choice(ROUTES), self.random.randint(2, 1000), salt)

    def _homeward(self) -> None:
        """Whoever holds something that was minted sends some of it home."""
        books = self.chains[DESTINATION].head.state.books
        held = {route: minted - burned for route in ROUTES for minted, burned in [books.get(route.asset, (0, 0))]}
        able = [route for route, units in held.items() if units]
        if able:
            route = self.random.choice(able)
            self._count += 1
            self._send(DESTINATION, route, self.random.randint(1, held[route]), 1000 + self._count)
        if self.now < LAST_HOMEWARD and (not able or self.random.random() < 0.3):
            self.later(self.random.uniform(1.5, 3), self._homeward)

    def _send(self, here: int, route: Route, quantity: int, salt: int) -> None:
        is_brief = self.random.random() < self._brief
        expiry = GENESIS_TIME + (int(self.now) + self.random.randint(5, 14) if is_brief else LONG_SECONDS)
        there = self.chains[OTHER[here]].manifest.end
        self.chains[here].pending.append(Send(self.chains[here].manifest, there, route, quantity, expiry, salt))
        self.met[f"value sent {'out' if here == ORIGIN else 'home'} under {route.name}"] += 1

    def _step(self, index: int) -> None:
        if index not in self._down:
            try:
                self.relays[index].step()
            except Killed:
                self._down.add(index)
                self.later(self.random.uniform(0.5, 4.0), partial(self._revive, index))
        self.later(self.random.uniform(*STEP_SECONDS), partial(self._step, index))

    def _revive(self, index: int) -> None:
        self.relays[index].start()
        self._down.discard(index)
        self.met["relay restarts"] += 1

    def _heal(self) -> None:
        self.cut.clear()
        self.members.heal()
        for relay in self.relays:
            relay.dies_at = ""
            for view in relay.views.values():
                view.heal()
        self.faults.finish_rotations()
        self._ask_people()

    def _ask_people(self) -> None:
        for relay in self.relays:
            relay.retry_all()
        self.later(8.0, self._ask_people)
