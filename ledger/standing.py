"""How well an entry of the log is witnessed: in the log, cosigned, anchored on one chain, proven on another. Pure.

Anchors and mirrors are compared with the log's own root of their size. May never happen here: counting one that shows
another root. That is a contradiction, and it is reported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from ledger.checkpoint import CosignedCheckpoint
from ledger.collateral import Anchor, Collateral, Mirror

T = TypeVar("T", Anchor, Mirror)


class Stage(StrEnum):
    """How far the proof of an entry reaches, each stage on top of the one before."""

    LOGGED = "logged"
    COSIGNED = "cosigned"
    ANCHORED = "anchored"
    MIRRORED = "mirrored"


STAGES = tuple(Stage)
"""The stages in their order."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One entry's witnesses. `cosigned` counts only when it covers the entry; anchor and mirror are the first ones."""

    entry: int
    cosigned: CosignedCheckpoint | None
    anchor: Anchor | None
    mirror: Mirror | None

    @property
    def stage(self) -> Stage:
        """The furthest stage without a gap: an anchor that no quorum cosigned proves nothing."""
        if self.cosigned is None:
            return Stage.LOGGED
        if self.anchor is None:
            return Stage.COSIGNED
        return Stage.ANCHORED if self.mirror is None else Stage.MIRRORED


@dataclass(frozen=True, slots=True)
class Witnesses:
    """The checkpoints that agree with the log, by size; and those that do not (`contradicting`)."""

    published: CosignedCheckpoint | None
    anchors: tuple[Anchor, ...]
    mirrors: tuple[Mirror, ...]
    contradicting: tuple[Anchor | Mirror, ...]

    def standing(self, entry: int) -> Standing:
        """The standing of the entry at this index."""
        covered = self.published is not None and entry < self.published.checkpoint.size
        return Standing(
            entry,
            self.published if covered else None,
            next((anchor for anchor in self.anchors if entry < anchor.size), None),
            next((mirror for mirror in self.mirrors if entry < mirror.size), None),
        )


def witnesses(
    collateral: Collateral,
    *,
    origin: str,
    size: int,
    root_of: Callable[[int], bytes],
    published: CosignedCheckpoint | None,
) -> Witnesses:
    """Sort the chains' anchors by whether they agree with the log `origin` of `size`, whose roots `root_of` gives."""
    named = hashlib.sha256(origin.encode()).digest()

    def agrees(found: Anchor | Mirror) -> bool:
        return found.size <= size and root_of(found.size) == found.root

    ours = [mirror for mirror in collateral.mirrors if mirror.log == named]
    anchors, mirrors = _agreeing(collateral.anchors, agrees), _agreeing(ours, agrees)
    both: list[Anchor | Mirror] = [*collateral.anchors, *ours]
    other = [found for found in both if not agrees(found)]
    return Witnesses(published, anchors, mirrors, tuple(other))


def _agreeing(found: Sequence[T], agrees: Callable[[Anchor | Mirror], bool]) -> tuple[T, ...]:
    return tuple(sorted((one for one in found if agrees(one)), key=lambda one: one.size))
