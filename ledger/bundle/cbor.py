"""Deterministic CBOR (RFC 8949 section 4.2.1), of the few types a bundle needs: one value, one spelling.

Unsigned integers up to 2^64 - 1, byte and text strings, arrays, maps with text keys, false and true. Tags, floats,
null, negative and indefinite items do not exist here: libraries turn some of them into surprising objects.
A first pass, without recursion, checks shape and bounds before the library allocates anything; what it decodes must
encode to the same bytes again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import cbor2

from ledger.errors import BadInput

Cbor: TypeAlias = "bool | int | bytes | str | list[Cbor] | dict[str, Cbor]"
"""What `decode` returns."""

CborLike: TypeAlias = "bool | int | bytes | str | Sequence[CborLike] | Mapping[str, CborLike]"
"""What `encode` takes."""

MAX_DEPTH = 8  # arrays and maps inside one another
MAX_ITEMS = 500_000

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_FALSE, _TRUE, _NULL = 20, 21, 22
_OURS = frozenset({_UNSIGNED, _BYTES, _TEXT, _ARRAY, _MAP})
_COSE = _OURS | {_NEGATIVE, _TAG}
_LENGTHS = {24: 1, 25: 2, 26: 4, 27: 8}  # additional information → bytes of the argument
_STRINGS = frozenset({_BYTES, _TEXT})
_CONTAINERS = {_ARRAY: 1, _MAP: 2, _TAG: 0}  # items for each that the argument counts; a tag has one, whatever it says
_UNFINISHED = "an indefinite or unfinished item"


def _head(first: int, *, cose: bool) -> tuple[int, int, int] | str:
    """What an item's first byte says: major type, argument, bytes of argument that follow; or why it is refused."""
    major, information = first >> 5, first & 31
    if major not in (_COSE if cose else _OURS):
        known = major == _SIMPLE and information in ((_FALSE, _TRUE, _NULL) if cose else (_FALSE, _TRUE))
        return (major, 0, 0) if known else "a type that has no place here"
    if information < 24:
        return major, information, 0
    return (major, 0, _LENGTHS[information]) if information in _LENGTHS else _UNFINISHED


_HEADS, _COSE_HEADS = (tuple(_head(first, cose=cose) for first in range(256)) for cose in (False, True))


def encode(value: CborLike) -> bytes:
    """The one encoding of `value`."""
    return cbor2.dumps(value, canonical=True)


def decode(raw: bytes) -> Cbor:
    """The value that `raw`, and no other spelling, encodes.

    Raises `BadInput` NON_CANONICAL (also for types that do not exist here), BUNDLE_LIMIT (depth or number of items).
    """
    inspect(raw)
    try:
        value: Cbor = cbor2.loads(raw)
        again = encode(value)
    except (cbor2.CBORError, ValueError, TypeError) as error:
        raise _refused(f"the CBOR does not decode ({type(error).__name__})") from error
    if again != raw:
        raise _refused("keys are repeated or out of order, or a value is not in its shortest form")
    return value


def inspect(raw: bytes, *, cose: bool = False) -> None:
    """Walk over the items: known types, shortest arguments, nothing that reaches beyond the end.

    `cose`: negative integers, tags and null are known as well. Raises `BadInput` NON_CANONICAL, BUNDLE_LIMIT.
    """
    heads, end = _COSE_HEADS if cose else _HEADS, len(raw)
    at, items, left = 0, 0, 1  # `left`: how many items are still expected here; `outer`: in what this stands in
    outer: list[int] = []
    while left or outer:
        if not left:
            left = outer.pop()
            continue
        left, items = left - 1, items + 1
        if items > MAX_ITEMS or len(outer) > MAX_DEPTH:
            raise BadInput("BUNDLE_LIMIT", f"The CBOR has more than {MAX_ITEMS} items, or is deeper than {MAX_DEPTH}.")
        if at >= end:
            raise _refused("it ends in the middle", at)
        head = heads[raw[at]]
        if isinstance(head, str):
            raise _refused(head, at)
        (major, argument, width), at = head, at + 1
        if width:
            argument, at = _argument(raw, at, width), at + width
        if major in _STRINGS:
            at += argument
        elif major in _CONTAINERS:
            outer.append(left)
            left = 1 if major == _TAG else argument * _CONTAINERS[major]
        # Every item takes a byte at least: a count beyond what is left is refused before anything is made of it.
        if at + left > end:
            raise _refused("an item reaches beyond the end", at)
    if at != end:
        raise _refused("bytes are left over at the end", at)


def _argument(raw: bytes, at: int, width: int) -> int:
    """The number of `width` bytes at `at`, which no shorter form could say."""
    if at + width > len(raw):
        raise _refused(_UNFINISHED, at - 1)
    argument = int.from_bytes(raw[at : at + width], "big")
    if argument < (24 if width == 1 else 1 << 4 * width):
        raise _refused("a length or number is not in its shortest form", at - 1)
    return argument


def _refused(why: str, at: int | None = None) -> BadInput:
    where = "" if at is None else f"byte {at} of the body"
    return BadInput("NON_CANONICAL", f"The body is not deterministic CBOR: {why}.", where=where)
