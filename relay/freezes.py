"""Freezes on a condition as a contract's final logs tell them, and what is due of each. Pure.

May never happen here: a freeze that a fork took away and is still acted on, or a title that is called returned before
its log is final.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ledger.freeze import FreezeState, FreezeTerms, Trigger
from relay.watcher import REMEMBERED_BLOCKS, Rewound, SeenBlock

CONTRACT = "ConditionalFreeze"
_STATES = {
    "FreezeAgreed": FreezeState.AGREED,
    "TitleGuarded": FreezeState.GUARDED,
    "TitleFrozen": FreezeState.FROZEN,
    "TitleReturned": FreezeState.RETURNED,
}
_LIVE = frozenset({FreezeState.GUARDED, FreezeState.FROZEN})

Key = tuple[int, bytes]  # chain id, the freeze's id


class Proof(StrEnum):
    """What may be called, by its name at the contract."""

    FREEZE = "prove_freeze"
    RELEASE = "prove_release"
    LAPSE = "lapse"


@dataclass(frozen=True, slots=True)
class Slots:
    """What a foreign chain's state says under one header: its time, and whether either slot is set."""

    time: int
    freeze: bool
    release: bool


@dataclass(slots=True)
class Watch:
    """One freeze at the contract of a chain (`address`). `states`: what each block made of it, in order."""

    terms: FreezeTerms
    address: bytes
    states: list[tuple[int, FreezeState]] = field(default_factory=list)

    @property
    def state(self) -> FreezeState:
        """Where it stands."""
        return self.states[-1][1]

    def is_over(self, now: int) -> bool:
        """Whether its time has run out. `now`: block time of its chain."""
        return self.state in _LIVE and now >= self.terms.until

    def due(self, seen: Slots, now: int) -> Proof | None:
        """What a reading allows; a release before a freeze, because both together only give the title back."""
        if self.is_over(now):
            return Proof.LAPSE
        if self.state in _LIVE and seen.release:
            return Proof.RELEASE
        wanted = self.terms.freezes_when is Trigger.WHEN_SET
        if self.state is FreezeState.GUARDED and seen.freeze is wanted and seen.time >= self.terms.date:
            return Proof.FREEZE
        return None


class FreezeBook:
    """Every freeze of a deployment that may still change, or changed not long ago."""

    def __init__(self) -> None:
        self._watches: dict[Key, Watch] = {}

    def take(self, block: SeenBlock) -> None:
        """Fold one final block; one that was taken changes nothing."""
        self.rewind(Rewound(block.chain_id, block.number - 1))
        for seen in block.logs:
            if seen.decoded.contract != CONTRACT or (state := _STATES.get(seen.decoded.name)) is None:
                continue
            key = (block.chain_id, seen.decoded.fields["id"])
            if state is FreezeState.AGREED:
                terms = _terms(seen.decoded.fields["terms"])
                if terms is not None:
                    self._watches[key] = Watch(terms, seen.raw.address, [(block.number, state)])
            elif (watch := self._watches.get(key)) is not None:
                watch.states.append((block.number, state))
        for key, watch in list(self._watches.items()):
            is_past = watch.states[-1][0] + REMEMBERED_BLOCKS < block.number
            if key[0] == block.chain_id and watch.state is FreezeState.RETURNED and is_past:
                del self._watches[key]  # no fork can give it back

    def rewind(self, rewound: Rewound) -> None:
        """Forget what a chain left behind."""
        for key, watch in list(self._watches.items()):
            if key[0] == rewound.chain_id and watch.states[-1][0] > rewound.block:
                watch.states = [each for each in watch.states if each[0] <= rewound.block]
                if not watch.states:
                    del self._watches[key]

    def live(self) -> Iterator[tuple[Key, Watch]]:
        """Those that guard or freeze a title now."""
        return ((key, watch) for key, watch in list(self._watches.items()) if watch.state in _LIVE)

    def named(self, freeze: bytes) -> tuple[Key, Watch] | None:
        """A freeze by its id."""
        return next(((key, watch) for key, watch in self._watches.items() if key[1] == freeze), None)


def _terms(fields: Any) -> FreezeTerms | None:
    """The terms in a log; None for what no contract of ours lets through."""
    values = dict(fields) if isinstance(fields, Mapping) else dict(zip(FreezeTerms.__slots__, fields, strict=True))
    try:
        return FreezeTerms(**values | {"freezes_when": Trigger(values["freezes_when"])})
    except ValueError:
        return None
