"""Deterministic CBOR: one spelling of each value, and nothing in it that a library could make an object of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.bundle.cbor import MAX_DEPTH, decode, encode
from ledger.errors import Problem
from tests.ledger.refusals import refused

VALUES = st.recursive(
    st.booleans() | st.integers(0, 2**64 - 1) | st.binary(max_size=40) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
).filter(lambda value: _depth(value) <= MAX_DEPTH)


def _depth(value: object) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


@given(VALUES)
def test_what_is_written_reads_back(value: object) -> None:
    assert decode(encode(value)) == value  # type: ignore[arg-type]


@given(st.binary(max_size=60))
def test_arbitrary_bytes_decode_to_what_encodes_so_or_are_refused(raw: bytes) -> None:
    try:
        value = decode(raw)
    except Problem:
        return
    assert encode(value) == raw


@pytest.mark.parametrize(
    "spelling",
    {
        "a longer integer than needed": "1800",
        "a two-byte length where one would do": "580401020304",
        "an integer in two bytes that needs one": "1900ff",
        "an integer in eight bytes that needs four": "1b00000000ffffffff",
        "keys out of order": "a2616201616101",
        "a longer key before a shorter one": "a262616101616201",
        "a repeated key": "a2616101616102",
        "an indefinite array": "9f01ff",
        "an indefinite string": "5f4101ff",
        "a float": "f90000",
        "null": "f6",
        "undefined": "f7",
        "a simple value": "f820",
        "a negative integer": "20",
        "a tag": "c074323031332d30332d32315432303a30343a30305a",
        "a shared reference": "d81c80",
        "a big number": "c249010000000000000000",
        "reserved length information": "1c",
        "text that is not UTF-8": "61ff",
        "half a surrogate pair": "63eda080",
        "an array that ends early": "8201",
        "a string beyond the end": "4501020304",
        "bytes left over": "0000",
        "nothing at all": "",
    }.items(),
    ids=lambda case: case[0],
)
def test_another_spelling_is_refused(spelling: tuple[str, str]) -> None:
    with refused("NON_CANONICAL"):
        decode(bytes.fromhex(spelling[1]))


def test_depth_is_bounded_without_recursion() -> None:
    assert decode(b"\x81" * MAX_DEPTH + b"\x01")
    for depth in (MAX_DEPTH + 1, 100_000):
        with refused("BUNDLE_LIMIT"):
            decode(b"\x81" * depth + b"\x01")


def test_a_huge_count_is_refused_before_anything_is_made_of_it() -> None:
    for head in ("9bffffffffffffffff", "bbffffffffffffffff", "9a7fffffff", "5b7fffffffffffffff"):
        with refused("NON_CANONICAL"):
            decode(bytes.fromhex(head))


def test_many_small_items_are_bounded() -> None:
    with refused("BUNDLE_LIMIT"):
        decode(b"\x9a" + (600_000).to_bytes(4, "big") + b"\x00" * 600_000)
