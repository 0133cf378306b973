"""What the watch goes by: logs of the deployment's contracts in final blocks, and what notaries say of themselves.

A log is decoded and its place known before it comes here; `MessageSent` was read whole, with its id recomputed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ledger.canonical import JsonValue
from ledger.interoperable import caip2
from ledger.proposal import Proposal


@dataclass(frozen=True, slots=True)
class Place:
    """Where a log stands: chain (EIP-155 id), block, transaction in the block, log in the transaction; from 0.

    `time`: the block's, seconds since 1970.
    """

    chain_id: int
    block: int
    block_hash: bytes
    time: int
    transaction: int
    log: int

    @property
    def order(self) -> tuple[int, int, int]:
        """Its place among the logs of its chain."""
        return self.block, self.transaction, self.log

    def as_json(self) -> dict[str, JsonValue]:
        """As an alarm names it."""
        return {
            "chain": caip2(self.chain_id),
            "block": self.block,
            "block_hash": f"0x{self.block_hash.hex()}",
            "transaction_index": self.transaction,
            "log_index": self.log,
        }


@dataclass(frozen=True, slots=True)
class Fact:
    """One log of a contract of the deployment, by names; `proposal` where it is a message that was sent."""

    place: Place
    contract: str
    name: str
    fields: Mapping[str, Any]
    proposal: Proposal | None = None


@dataclass(frozen=True, slots=True)
class SeenBlock:
    """A block and the deployment's logs in it, in order."""

    chain_id: int
    number: int
    hash: bytes
    parent: bytes
    time: int
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a chain is: its highest final block (below 0 while there is none), the time of the newest block by which it
    says that it lives (seconds), and its newest block of all."""

    final: int
    time: int
    head: int


@dataclass(frozen=True, slots=True)
class Doubt:
    """Two notes of the evidence log for one size, as a notary keeps them; nothing in it is believed unchecked."""

    offered: bytes
    held: bytes


@dataclass(frozen=True, slots=True)
class Word:
    """What one notary's public API says: the size of the log it last accepted, chains (CAIP-2) it found to differ with
    the reason, and its doubts about the log."""

    notary: str
    log_size: int
    differs: Mapping[str, str]
    doubts: tuple[Doubt, ...] = ()
