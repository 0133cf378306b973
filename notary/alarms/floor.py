"""What every rule stands on: the deployment, the watch's terms, what it remembers, its clock, and the alarms so far.

May never happen here: a rule that reads a chain, a clock or a disk by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from contracts.manifest import Limits, Manifest
from ledger.canonical import JsonValue
from ledger.errors import BadInput
from ledger.proposal import lane_id
from notary.alarms.alarm import Alarm, Label
from notary.alarms.facts import Place

MAX_DUE = 512  # records of one kind that are looked at in one step


Record = tuple[Any, ...]


class Records(Protocol):
    """The seam to what is remembered. `memory.Memory` is the production implementation."""

    def get(self, kind: str, key: bytes) -> Record | None:
        """The record, None where there is none."""
        ...

    def put(self, kind: str, key: bytes, record: Record, *, due: int | None = None) -> None:
        """Keep a record; from second `due` of the watch's clock on `due` gives it back."""
        ...

    def drop(self, kind: str, key: bytes) -> None:
        """Forget a record."""
        ...

    def due(self, kind: str, by: int, limit: int) -> list[tuple[bytes, Record]]:
        """At most `limit` records that are due, by key, those waiting longest first."""
        ...


@dataclass(frozen=True)
class Terms:
    """What the watch measures by, in seconds of its own clock. `patience`: how long what one chain shows may lack its
    counterpart on another, whose node may be a little behind; `silence`: how long a message may wait; `stalled`: how
    old a chain's newest block may be; `lost`: how long a chain or the notaries may not answer; `pace_percent`: how much
    of a lane's window may be used before somebody is told.

    Errors: `BadInput` CONFIG_FORMAT for terms that are not positive, or a pace above 100.
    """

    manifest: Manifest
    patience: int = 5
    silence: int = 1_800
    stalled: int = 3_600
    lost: int = 60
    pace_percent: int = 80

    def __post_init__(self) -> None:
        if min(self.patience, self.silence, self.stalled, self.lost) < 1 or not 1 <= self.pace_percent <= 100:
            raise BadInput("CONFIG_FORMAT", "terms are whole seconds from 1, and a pace of 1 to 100 percent")

    @cached_property
    def limits(self) -> Mapping[bytes, Limits]:
        """By lane, as the manifest states them."""
        ends = self.manifest.ends
        return {
            lane_id(ends[lane.origin], chain.end, lane.sender, lane.recipient): lane.limits
            for chain in self.manifest.chains
            for lane in chain.lanes
            if lane.limits is not None
        }

    @cached_property
    def began(self) -> Mapping[int, int]:
        """By chain, the first block after the deployment: before it, its deployer set everything up."""
        return {chain.chain_id: chain.checked_from for chain in self.manifest.chains}


@dataclass
class Floor:
    """One step's. `now`: seconds of the watch's clock; `times`: by chain, the time of the newest block seen."""

    terms: Terms
    memory: Records
    now: int = 0
    times: dict[int, int] = field(default_factory=dict)
    alarms: list[Alarm] = field(default_factory=list)

    def alarm(
        self,
        label: Label,
        subject: str,
        what: str,
        *,
        at: Place | None = None,
        since: int | None = None,
        where: Mapping[str, JsonValue] | None = None,
        evidence: Mapping[str, JsonValue] | None = None,
    ) -> None:
        """Raise one. `at`: the log that shows it; `since`: by default that log's time, or now."""
        place = {} if at is None else at.as_json()
        began = since if since is not None else (self.now if at is None else at.time)
        self.alarms.append(Alarm(label, subject, what, began, {**place, **(where or {})}, evidence or {}))

    def is_set_up(self, place: Place) -> bool:
        """Whether the deployment was over: before, whoever deployed may do what later needs an order."""
        return place.block >= self.terms.began[place.chain_id]


def word_of(number: int, width: int = 8) -> bytes:
    """A number as part of a record's key."""
    return number.to_bytes(width, "big")


def show(raw: bytes) -> str:
    """Bytes as people read them."""
    return f"0x{raw.hex()}"


def as_record(place: Place) -> tuple[int | bytes, ...]:
    """A place as records keep it."""
    return place.chain_id, place.block, place.block_hash, place.time, place.transaction, place.log


def as_place(record: Sequence[Any]) -> Place:
    """The place that `as_record` kept."""
    return Place(*record)
