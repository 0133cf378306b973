"""Recursive Length Prefix, canonical only (Ethereum Yellow Paper, appendix B).

Here bytes from strangers become a nested value, in one pass and without recursion: the widely used library
recurses without limit and copies a list once per item, so that a few kilobytes end the process and a few
megabytes stall it. Tests hold this decoder equal to that library wherever the library is safe. A second
spelling of a value may never be accepted here: hashes are compared elsewhere, and a proof must have one
form.
"""

from __future__ import annotations

from typing import TypeAlias

from ledger.errors import BadInput

Rlp: TypeAlias = "bytes | tuple[Rlp, ...]"

MAX_DEPTH = 32
MAX_BYTES = 16 * 1024 * 1024

_SHORT_STRING, _LONG_STRING, _SHORT_LIST, _LONG_LIST = 0x80, 0xB8, 0xC0, 0xF8
_SHORT_LENGTH = 56


def decode(raw: bytes, *, max_depth: int = MAX_DEPTH, max_bytes: int = MAX_BYTES) -> Rlp:
    """Decode one item that fills `raw` exactly: a string is `bytes`, a list is a `tuple` of items.

    `max_depth` bounds how many lists stand inside one another, `max_bytes` the input. Errors, all `BadInput`:
    RLP_SIZE (too large), RLP_TRAILING (the outermost item ends before or after the input does), RLP_DEPTH,
    RLP_INVALID (a non-canonical or overlong length).
    """
    if len(raw) > max_bytes:
        raise BadInput("RLP_SIZE", f"{len(raw)} bytes of RLP are more than {max_bytes}")
    if not raw:
        raise BadInput("RLP_INVALID", "there is no RLP item in an empty input")
    is_list, start, end = _head(raw, 0, len(raw), outermost=True)
    if end != len(raw):
        raise BadInput("RLP_TRAILING", f"the item ends at byte {end}, the input at {len(raw)}")
    if not is_list:
        return raw[start:end]
    return _list(raw, start, end, max_depth)


def _list(raw: bytes, start: int, end: int, max_depth: int) -> tuple[Rlp, ...]:
    if max_depth < 1:
        raise BadInput("RLP_DEPTH", "a list where none may stand")
    position, items = start, list[Rlp]()
    outer: list[tuple[int, list[Rlp]]] = []  # what to return to, instead of recursion
    while True:
        while position < end:
            byte = raw[position]
            if byte < _SHORT_STRING:  # the common cases first: a branch node is mostly these
                items.append(raw[position : position + 1])
                position += 1
                continue
            is_list, start, stop = _head(raw, position, end)
            if is_list:
                if len(outer) + 2 > max_depth:
                    raise BadInput("RLP_DEPTH", f"lists nest deeper than {max_depth}", where=f"byte {position}")
                outer.append((end, items))
                position, end, items = start, stop, []
            else:
                items.append(raw[start:stop])
                position = stop
        if not outer:
            return tuple(items)
        finished = tuple(items)
        end, items = outer.pop()
        items.append(finished)


def _head(raw: bytes, position: int, limit: int, *, outermost: bool = False) -> tuple[bool, int, int]:
    """Read one length prefix: (is it a list, first payload byte, end of payload)."""
    first = raw[position]
    if first < _SHORT_STRING:
        return False, position, position + 1
    is_list = first >= _SHORT_LIST
    short, long = (_SHORT_LIST, _LONG_LIST) if is_list else (_SHORT_STRING, _LONG_STRING)
    start = position + 1
    if first < long:
        length = first - short
    else:
        size = first - long + 1
        digits = raw[start : start + size]
        start += size
        length = int.from_bytes(digits, "big")
        if start <= limit and (digits[0] == 0 or length < _SHORT_LENGTH):
            raise BadInput("RLP_INVALID", "a length is not in its shortest form", where=f"byte {position}")
    end = start + length
    if end > limit:
        code = "RLP_TRAILING" if outermost else "RLP_INVALID"
        raise BadInput(code, f"an item ends at byte {end}, beyond {limit}", where=f"byte {position}")
    if not is_list and length == 1 and raw[start] < _SHORT_STRING:
        raise BadInput("RLP_INVALID", "a single byte is spelled as a string", where=f"byte {position}")
    return is_list, start, end


def encode(item: Rlp) -> bytes:
    """Encode a string (`bytes`) or a list (`tuple`); the inverse of `decode`. For our own, shallow values."""
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < _SHORT_STRING:
            return item
        return _prefix(len(item), _SHORT_STRING, _LONG_STRING) + item
    payload = b"".join([encode(part) for part in item])
    return _prefix(len(payload), _SHORT_LIST, _LONG_LIST) + payload


def _prefix(length: int, short: int, long: int) -> bytes:
    if length < _SHORT_LENGTH:
        return bytes((short + length,))
    digits = encode_int(length)
    return bytes((long + len(digits) - 1,)) + digits


def encode_int(value: int) -> bytes:
    """A non-negative integer as RLP scalars are written: big-endian, no leading zero, zero is the empty
    string.
    """
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def decode_int(item: Rlp, *, max_bytes: int = 32) -> int:
    """Read a scalar of at most `max_bytes` bytes; `BadInput` RLP_INVALID for a list, a leading zero or
    more bytes.
    """
    if not isinstance(item, bytes) or len(item) > max_bytes or item[:1] == b"\x00":
        raise BadInput("RLP_INVALID", f"not a canonical integer of at most {max_bytes} bytes")
    return int.from_bytes(item, "big")
