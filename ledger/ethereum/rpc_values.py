"""Reading the hexadecimal of Ethereum's JSON-RPC strictly: quantities without leading zeros, data in
whole bytes.

The values come from a node's answer and are claims; here only their form is checked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

from ledger.errors import BadInput

RpcObject: TypeAlias = Mapping[str, object]

_QUANTITY = re.compile(r"0x(0|[1-9a-f][0-9a-f]{0,63})")


def quantity(fields: RpcObject, name: str, *, max_bytes: int = 32) -> int:
    """The integer in field `name`, of at most `max_bytes` bytes; `BadInput` RPC_VALUE otherwise."""
    value = fields.get(name)
    match = _QUANTITY.fullmatch(value.lower()) if isinstance(value, str) else None
    if match is None or len(match[1]) > 2 * max_bytes:
        raise BadInput("RPC_VALUE", f"{name} is not a quantity of at most {max_bytes} bytes", where=repr(value)[:80])
    return int(match[1], 16)


def data(fields: RpcObject, name: str, *, length: int | None = None) -> bytes:
    """The bytes in field `name`, exactly `length` of them where given; `BadInput` RPC_VALUE otherwise."""
    return hex_data(fields.get(name), name, length=length)


def hex_data(value: object, name: str, *, length: int | None = None) -> bytes:
    """As `data`, for a value that stands in a list."""
    found = _bytes_of(value) if isinstance(value, str) else None
    if found is None or (length is not None and len(found) != length):
        wanted = "hex data" if length is None else f"{length} bytes of hex data"
        raise BadInput("RPC_VALUE", f"{name} is not {wanted}", where=repr(value)[:80])
    return found


def objects(fields: RpcObject, name: str) -> list[RpcObject]:
    """The list of objects in field `name`; `BadInput` RPC_VALUE otherwise."""
    value = fields.get(name)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise BadInput("RPC_VALUE", f"{name} is not a list of objects", where=repr(value)[:80])
    return value


def _bytes_of(text: str) -> bytes | None:
    """The bytes after `0x`, None where anything else stands there. No pattern: a block's receipts are thousands."""
    if text[:2] not in ("0x", "0X"):
        return None
    try:
        found = bytes.fromhex(text[2:])
    except ValueError:
        return None
    return found if 2 * len(found) == len(text) - 2 else None  # `fromhex` passes over white space
