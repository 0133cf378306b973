"""`ChainFact`: one log of one of our contracts, decoded and final, as the indexer folds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

FactValue: TypeAlias = "bool | int | str | list[FactValue]"
"""Integers as integers, bytes and addresses as lower-case 0x-hex, arrays as lists."""


@dataclass(frozen=True, slots=True)
class ChainFact:
    """`contract` and `event` as named in `contracts/vyper`, `fields` under the event's own names.

    `transaction`, `block_hash`: 32 bytes. `log_index`: within the block. `time`: the block's, POSIX seconds.
    """

    chain_id: int
    block: int
    block_hash: bytes
    transaction: bytes
    log_index: int
    contract: str
    event: str
    fields: Mapping[str, FactValue]
    time: int | None = None
