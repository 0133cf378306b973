"""`ChainFact`: one log of one of our contracts, decoded and final, as the indexer folds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

FactValue: TypeAlias = "bool | int | str | list[FactValue]"
"""Integers as integers, bytes and addresses as lower-case 0x-hex, arrays as lists."""


@dataclass(frozen=True, slots=True)
class ChainFact:
    """`contract` and `event` as named in `contracts/vyper`, `fields` as the event's own names.

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

    def text(self, name: str) -> str:
        """A field that is bytes or an address: 0x-hex. `KeyError` or `TypeError` mean a fact of another contract."""
        value = self.fields[name]
        if not isinstance(value, str):
            raise TypeError(f"{self.contract}.{self.event}.{name} is no hex text")
        return value

    def number(self, name: str) -> int:
        """A field that is an integer."""
        value = self.fields[name]
        if not isinstance(value, int):
            raise TypeError(f"{self.contract}.{self.event}.{name} is no number")
        return value
