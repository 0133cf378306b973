"""The watch as steps: read what is new and final of every chain, ask the notaries, judge, write it down in one piece.

    watch = Watch(Terms(manifest), memory, sights, notaries, clock=time.time, tell=print)
    while (turn := watch.step()) is not Turn.STOP: ...

Killed between two steps or inside one, it goes on from the last that was written. A chain that cannot be read holds up
nobody but what waits for it. May never happen here: a block that is passed over; a suspicion that becomes an alarm
while a chain is still being read up to where it is; an alarm that is told before it is on disk.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import Any

from ledger.canonical import JsonValue
from ledger.errors import Problem
from notary.alarms.alarm import Alarm
from notary.alarms.facts import Standing, Word
from notary.alarms.floor import Terms, word_of
from notary.alarms.memory import Memory
from notary.alarms.notaries import NotarySight
from notary.alarms.rules import Rules
from notary.alarms.sight import ChainSight
from notary.alarms.value import BOOKS, books_key
from notary.proven import Witnessed

BLOCKS_PER_STEP = 64  # of one chain
ASK_SECONDS = 2  # between two questions to the notaries
FORESEE_SECONDS = 2  # between two looks above finality
TELL_PER_STEP = 256
CURSOR, BLIND = "cursor", "blind"
_ENDS = ("Vault", "Voucher")
# No answer of use; every other problem is an answer that does not hold.
_SILENCE = frozenset({"NODE_UNREACHABLE", "NODE_GARBAGE", "NODE_ERROR", "NODE_BEHIND", "NOT_FINAL"})


class Turn(StrEnum):
    """What a step found: more to do at once, nothing for now, or that it was told to stop."""

    CONTINUE = "continue"
    IDLE = "idle"
    STOP = "stop"


class Watch:
    """The watch over one deployment. One thread's.

    `hint`: is given what is critical and not final yet, as it is seen.
    `clock`: seconds since 1970. `tell`: is given each alarm's JSON once it is on disk, with the second at which it is
    told; what it raises is tried again with the next step.
    """

    def __init__(
        self,
        terms: Terms,
        memory: Memory,
        sights: Sequence[ChainSight],
        notaries: NotarySight | None,
        *,
        clock: Callable[[], float],
        tell: Callable[[dict[str, JsonValue]], None],
        hint: Callable[[dict[str, JsonValue]], None] = lambda _hint: None,
    ) -> None:
        self._terms, self._memory, self._sights, self._notaries = terms, memory, sights, notaries
        self._clock, self._tell, self._hint = clock, tell, hint
        self._foresaw_at = 0
        self._standings: dict[int, Standing] = {}
        self._hints: dict[str, int | None] = {}  # by alarm, since when it is seen; None once it was told
        self._rules = Rules(terms, memory)
        self._words: list[Word] = []
        self._asked_at = 0
        self._stops = False

    def stop(self) -> None:
        """Let the next step be none."""
        self._stops = True

    def step(self) -> Turn:
        """Do a bounded piece of work. Errors: JOURNAL_WRITE; those of `tell`. Nothing of a failed step is kept."""
        if self._stops:
            return Turn.STOP
        try:
            return self._step()
        except BaseException:
            self._memory.undo()
            raise

    def _step(self) -> Turn:
        now = math.floor(self._clock())
        self._rules.begin(now)
        is_behind, is_blind = False, False
        for sight in self._sights:
            caip2 = sight.chain.caip2
            try:
                is_behind |= self._read(sight)
                self._sees(caip2)
            except Problem as problem:
                is_blind = True
                if problem.code == "FINAL_REWRITTEN":
                    return self._rewind(sight)
                self._misses(caip2, problem.code, str(problem), now)
        self._hear(now)
        if not is_behind and not is_blind:
            self._rules.wait_over(self._words, self._asked_at)
        self._write(self._rules.alarms)
        if not is_behind and not is_blind:
            self._foresee(now)
        return Turn.CONTINUE if is_behind else Turn.IDLE

    def _read(self, sight: ChainSight) -> bool:
        """Read what is new of a chain; whether there is more."""
        chain, key = sight.chain, word_of(sight.chain.chain_id, 32)
        cursor = self._memory.get(CURSOR, key)
        standing = sight.look(None if cursor is None else Witnessed(cursor[0], cursor[1]))
        self._standings[chain.chain_id] = standing
        first = chain.first_block if cursor is None else cursor[0] + 1
        last = min(standing.final, first + BLOCKS_PER_STEP - 1)
        parent = None if cursor is None else cursor[1]
        touched: set[tuple[str, bytes]] = set()
        for number in range(first, last + 1):
            block = sight.block(number)
            if parent is not None and block.parent != parent:
                # The nodes moved to another chain since they were looked at: the next look says which.
                return True
            self._rules.take(block)
            touched |= {
                (fact.contract, fact.fields["asset"]) for fact in block.facts if _is_booked(fact.contract, fact.fields)
            }
            parent = block.hash
            self._memory.put(CURSOR, key, (number, block.hash))
        if last < standing.final:
            return True
        self._rules.stands(chain.chain_id, chain.caip2, standing)
        if last >= first:
            self._rules.state(chain.chain_id, chain.caip2, last, sight.state())
            self._compare_books(sight, last, touched)
        return False

    def _foresee(self, now: int) -> None:
        """Tell at once, as hints, what is critical above finality and stays there for the patience of the watch.

        What is learnt here is forgotten: such blocks may vanish, and a hint with them. The alarm comes when it is.
        """
        if now - self._foresaw_at < FORESEE_SECONDS:
            return
        self._foresaw_at = now
        self._rules.begin(now)
        try:
            seen = {alarm.id: alarm for alarm in self._rules.foresee()} if self._take_recent() else {}
        except Problem:
            return
        finally:
            self._memory.undo()
        self._hints = {named: self._hints.get(named, now) for named in seen}
        for named, since in self._hints.items():
            if since is not None and now - since >= self._terms.patience and not self._memory.is_raised(seen[named]):
                self._hint(seen[named].as_json())
                self._hints[named] = None

    def _take_recent(self) -> bool:
        """Judge what stands above finality; whether there is any, and it hangs together."""
        is_any = False
        for sight in self._sights:
            cursor = self._memory.get(CURSOR, word_of(sight.chain.chain_id, 32))
            standing = self._standings[sight.chain.chain_id]
            if cursor is None:
                continue
            parent = cursor[1]
            for number in range(cursor[0] + 1, min(standing.head, cursor[0] + BLOCKS_PER_STEP) + 1):
                block = sight.recent(number)
                if block.parent != parent:
                    return False
                self._rules.take(block)
                parent, is_any = block.hash, True
        return is_any

    def _compare_books(self, sight: ChainSight, number: int, touched: Iterable[tuple[str, bytes]]) -> None:
        """The ends' books of what moved, as the state proves them, with what the logs add up to."""
        chain_id = sight.chain.chain_id
        wanted = [each for each in touched if self._memory.get(BOOKS, books_key(chain_id, *each)) is not None]
        if wanted:
            self._rules.books(chain_id, sight.chain.caip2, number, sight.books(sorted(wanted)))

    def _rewind(self, sight: ChainSight) -> Turn:
        """What was final is not: say so, and read everything again. Alarms that stand are not raised again."""
        cursor = self._memory.get(CURSOR, word_of(sight.chain.chain_id, 32))
        assert cursor is not None
        self._memory.undo()
        self._rules.begin(math.floor(self._clock()))
        self._rules.rewritten(sight.chain.caip2, cursor[0], cursor[1])
        self._memory.forget()
        self._write(self._rules.alarms)
        return Turn.CONTINUE

    def _hear(self, now: int) -> None:
        if self._notaries is None or now - self._asked_at < ASK_SECONDS:
            return
        self._words, self._asked_at = self._notaries.ask(), now
        self._rules.heard(self._words)
        if len(self._words) < self._terms.manifest.committee.quorum:
            what = f"only {len(self._words)} notaries answer, fewer than a quorum"
            self._misses("notaries", "NODE_UNREACHABLE", what, now)
        else:
            self._sees("notaries")

    def _sees(self, subject: str) -> None:
        if self._memory.get(BLIND, subject.encode()) is not None:
            self._memory.drop(BLIND, subject.encode())

    def _misses(self, subject: str, code: str, what: str, now: int) -> None:
        """Something cannot be read: an alarm once that has lasted."""
        held = self._memory.get(BLIND, subject.encode())
        since, first = (now, code) if held is None else (held[0], held[1])
        if held is None:
            self._memory.put(BLIND, subject.encode(), (now, code))
        is_lie = code not in _SILENCE
        if now - since >= (self._terms.patience if is_lie else self._terms.lost):
            self._rules.blind(subject, since, first, what, is_lie=is_lie)

    def _write(self, alarms: Sequence[Alarm]) -> None:
        self._memory.commit(alarms)
        for body in self._memory.untold(TELL_PER_STEP):
            alarm: dict[str, Any] = json.loads(body)
            self._tell(alarm | {"told_at": math.floor(self._clock())})
            self._memory.tell([alarm["id"]])


def _is_booked(contract: str, fields: Any) -> bool:
    return contract in _ENDS and "asset" in fields
