"""Reads every chain at finality, side by side, and hands on what is new: one out of reach holds up nobody else.

May never happen here: a block that nobody hears of, or one that somebody hears of twice in a row.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from contracts.manifest import Manifest
from contracts.node import Node
from ledger.errors import Problem
from relay.agenda import Agenda
from relay.retry import problem_of, wait_after
from relay.watcher import Rewound, SeenBlock, Watcher

# With so many steps waiting, a chain that brings more of them is read for a fifth of the time: nothing is gained by
# knowing more than can be carried, and reading must not crowd out carrying.
BACKLOG = 2_000
RESTS = 4.0


class BlockSink(Protocol):
    """Who else hears of final blocks: the indexer."""

    def take(self, block: SeenBlock) -> None: ...

    def rewind(self, rewound: Rewound) -> None: ...


class Load(Protocol):
    """How much there is to carry."""

    @property
    def known(self) -> int:
        """Messages that were seen."""
        ...

    @property
    def waiting(self) -> int:
        """Steps that wait for their turn."""
        ...


@dataclass(frozen=True, slots=True)
class Position:
    """How far one chain has been read, and why not further, where something is in the way."""

    chain: str
    next_block: int
    trouble: Problem | None


class Reading:
    """The chains of one deployment. `nodes` by chain id; `fold` takes what is new, and may be told of several chains at
    once; `clock`: monotonic seconds.
    """

    def __init__(
        self,
        manifest: Manifest,
        nodes: Mapping[int, Node],
        fold: Callable[[SeenBlock | Rewound], None],
        load: Load,
        clock: Callable[[], float],
    ) -> None:
        self.watchers = [
            Watcher(nodes[chain.chain_id], chain, first_block=chain.first_block) for chain in manifest.chains
        ]
        self.agenda: Agenda[int] = Agenda(clock)
        self.troubles: dict[int, Problem] = {}
        self._fold, self._load = fold, load

    @property
    def positions(self) -> tuple[Position, ...]:
        """Each chain, in the manifest's order."""
        return tuple(
            Position(watcher.chain.caip2, watcher.next_block, self.troubles.get(watcher.chain.chain_id))
            for watcher in self.watchers
        )

    @property
    def nodes(self) -> dict[int, Node]:
        """The node of each chain, by chain id."""
        return {watcher.chain.chain_id: watcher.node for watcher in self.watchers}

    @property
    def read_to(self) -> dict[int, int]:
        """The next block of each chain, by chain id."""
        return {watcher.chain.chain_id: watcher.next_block for watcher in self.watchers}

    def begin(self, pool: Executor, progressed: Callable[[], None]) -> None:
        """Read each chain that is not being read just now and does not rest; tell when there was something new."""
        for watcher in self.watchers:
            self.agenda.begin(pool, watcher.chain.chain_id, partial(self.read, watcher, progressed))

    def read(self, watcher: Watcher, progressed: Callable[[], None] = lambda: None) -> bool:
        """Fold what is new on one chain; whether there was anything."""
        chain_id, is_news = watcher.chain.chain_id, False
        began, known = time.monotonic(), self._load.known
        try:
            for news in watcher.poll():
                is_news = True
                self._fold(news)
        except Exception as error:  # noqa: BLE001 - whatever a node can make us raise, the other chains go on
            self.troubles[chain_id] = problem_of(error)
            self.agenda.hold(chain_id, wait_after(self.agenda.failed(chain_id).failures))
        else:
            self.troubles.pop(chain_id, None)
            self.agenda.succeeded(chain_id)
            if self._load.known > known and self._load.waiting > BACKLOG:
                self.agenda.hold(chain_id, RESTS * (time.monotonic() - began))
        if is_news:
            progressed()
        return is_news
