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
    at, items = 0, 0
    open_items = [1]  # how many items are still expected, outermost first
    while open_items:
        if open_items[-1] == 0:
            open_items.pop()
            continue
        open_items[-1] -= 1
        items += 1
        if items > MAX_ITEMS or len(open_items) > MAX_DEPTH + 1:
            raise BadInput("BUNDLE_LIMIT", f"The CBOR has more than {MAX_ITEMS} items, or is deeper than {MAX_DEPTH}.")
        major, argument, at = _head(raw, at, cose)
        if major in (_BYTES, _TEXT):
            at += argument
        elif major in (_ARRAY, _MAP):
            open_items.append(argument * (2 if major == _MAP else 1))
        elif major == _TAG:
            open_items.append(1)
        # Every item takes a byte at least: a count beyond what is left is refused before anything is made of it.
        if at + open_items[-1] > len(raw):
            raise _refused("an item reaches beyond the end", at)
    if at != len(raw):
        raise _refused("bytes are left over at the end", at)


def _head(raw: bytes, at: int, cose: bool) -> tuple[int, int, int]:
    """Major type, argument, and where the content begins."""
    if at >= len(raw):
        raise _refused("it ends in the middle", at)
    major, information = raw[at] >> 5, raw[at] & 31
    at += 1
    if major not in (_COSE if cose else _OURS):
        if major != _SIMPLE or information not in ((_FALSE, _TRUE, _NULL) if cose else (_FALSE, _TRUE)):
            raise _refused("a type that has no place here", at - 1)
        return major, 0, at
    if information < 24:
        return major, information, at
    length = _LENGTHS.get(information)
    if length is None or at + length > len(raw):
        raise _refused("an indefinite or unfinished item", at - 1)
    argument = int.from_bytes(raw[at : at + length], "big")
    if argument < (24 if length == 1 else 1 << 4 * length):
        raise _refused("a length or number is not in its shortest form", at - 1)
    return major, argument, at + length


def _refused(why: str, at: int | None = None) -> BadInput:
    where = "" if at is None else f"byte {at} of the body"
    return BadInput("NON_CANONICAL", f"The body is not deterministic CBOR: {why}.", where=where)
