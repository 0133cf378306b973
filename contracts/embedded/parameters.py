"""Reading JSON-RPC parameters: JSON in, checked values out. Pure.

Anything else than what geth accepts is `RpcError` -32602 naming what was expected; nothing is guessed or coerced.
"""

from __future__ import annotations

import re
from typing import Any, Final

from contracts.embedded.execution import Call

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602
SERVER_ERROR: Final = -32000
REVERTED: Final = 3
MAX_ACCESS_LIST: Final = 1024
TAGS: Final = ("latest", "earliest", "pending", "safe", "finalized")

_QUANTITY = re.compile("0x(0|[1-9a-fA-F][0-9a-fA-F]*)")
_DATA = re.compile("0x([0-9a-fA-F]{2})*")
_SLOT = re.compile("0x[0-9a-fA-F]{1,64}")


class RpcError(Exception):
    """An error reply: `code` and `message` as JSON-RPC has them, `data` where there is more to say."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(code, message)
        self.code, self.message, self.data = code, message, data


def invalid(message: str) -> RpcError:
    """The error of a parameter that is not what it should be."""
    return RpcError(INVALID_PARAMS, message)


def quantity(value: Any, what: str, *, bits: int = 256) -> int:
    """A number: 0x and hex without leading zeros."""
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value) or len(value) > 2 + bits // 4:
        raise invalid(f"{what} must be a quantity of at most {bits} bits: 0x and hex digits without leading zeros")
    return int(value, 16)


def data(value: Any, what: str, *, length: int | None = None) -> bytes:
    """Bytes: 0x and an even number of hex digits; of `length` bytes where given."""
    if not isinstance(value, str) or not _DATA.fullmatch(value):
        raise invalid(f"{what} must be data: 0x and an even number of hex digits")
    decoded = bytes.fromhex(value[2:])
    if length is not None and len(decoded) != length:
        raise invalid(f"{what} must have {length} bytes, not {len(decoded)}")
    return decoded


def slot(value: Any, what: str) -> int:
    """A storage slot: 1 to 64 hex digits, leading zeros allowed."""
    if not isinstance(value, str) or not _SLOT.fullmatch(value):
        raise invalid(f"{what} must be a storage slot: 0x and 1 to 64 hex digits")
    return int(value, 16)


def flag(value: Any, what: str) -> bool:
    """A boolean."""
    if not isinstance(value, bool):
        raise invalid(f"{what} must be true or false")
    return value


def block_reference(value: Any) -> int | str | bytes:
    """A block: its number, one of `TAGS`, or its hash (EIP-1898)."""
    if isinstance(value, dict):
        if set(value) <= {"blockHash", "requireCanonical"} and "blockHash" in value:
            return data(value["blockHash"], "blockHash", length=32)
        if set(value) == {"blockNumber"}:
            return block_reference(value["blockNumber"])
        raise invalid("a block object must hold blockHash or blockNumber")
    if isinstance(value, str) and value in TAGS:
        return value
    if isinstance(value, str) and len(value) == 66:
        return data(value, "block hash", length=32)
    return quantity(value, f"a block must be one of {', '.join(TAGS)}, or its number", bits=64)


def call_request(value: Any) -> Call:
    """The transaction object of `eth_call` and `eth_estimateGas`. Fee fields are checked and otherwise ignored."""
    if not isinstance(value, dict):
        raise invalid("the transaction must be an object")
    present = {name: item for name, item in value.items() if item is not None}
    for name in ("gasPrice", "maxFeePerGas", "maxPriorityFeePerGas", "nonce", "chainId", "type"):
        if name in present:
            quantity(present[name], name)
    if "data" in present and "input" in present and present["data"] != present["input"]:
        raise invalid('both "data" and "input" are set and not equal')
    return Call(
        sender=data(present.get("from", "0x" + "00" * 20), "from", length=20),
        to=data(present["to"], "to", length=20) if "to" in present else b"",
        value=quantity(present.get("value", "0x0"), "value"),
        data=data(present.get("input", present.get("data", "0x")), "input"),
        gas=quantity(present["gas"], "gas", bits=64) if "gas" in present else None,
        access_list=_access_list(present.get("accessList", [])),
    )


def _access_list(value: Any) -> tuple[tuple[bytes, tuple[int, ...]], ...]:
    if not isinstance(value, list) or len(value) > MAX_ACCESS_LIST:
        raise invalid(f"accessList must be a list of at most {MAX_ACCESS_LIST} entries")
    entries = []
    for item in value:
        if not isinstance(item, dict) or not isinstance(item.get("storageKeys", []), list):
            raise invalid("an accessList entry must be an object with address and storageKeys")
        address = data(item.get("address"), "accessList address", length=20)
        keys = item.get("storageKeys", [])
        if len(keys) > MAX_ACCESS_LIST:
            raise invalid(f"storageKeys must have at most {MAX_ACCESS_LIST} entries")
        entries.append((address, tuple(slot(key, "storageKey") for key in keys)))
    return tuple(entries)
