"""RLP: one spelling for one value, bounded in depth, size and time. Attack rows D01 to D03."""

from typing import Any

import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st
from rlp.exceptions import DecodingError

from ledger.errors import BadInput
from ledger.ethereum.rlp_strict import MAX_DEPTH, Rlp, decode, decode_int, encode, encode_int
from tests.ledger.ethereum import vectors

VALUES = st.recursive(st.binary(max_size=70), lambda inner: st.lists(inner, max_size=6).map(tuple), max_leaves=30)


def code_of(raw: bytes, **bounds: int) -> str:
    with pytest.raises(BadInput) as refusal:
        decode(raw, **bounds)
    return refusal.value.code


def as_rlp(value: Any) -> Rlp:
    if isinstance(value, list):
        return tuple(as_rlp(item) for item in value)
    if isinstance(value, str) and value.startswith("#"):
        value = int(value[1:])
    return encode_int(value) if isinstance(value, int) else value.encode("utf-8")


def test_d01_the_28_valid_public_vectors_round_trip() -> None:
    cases = vectors.load("RLPTests/rlptest.json")
    assert len(cases) == 28
    for name, case in cases.items():
        raw, value = bytes.fromhex(case["out"].removeprefix("0x")), as_rlp(case["in"])
        assert decode(raw) == value, name
        assert encode(value) == raw, name


def test_d01_the_26_invalid_public_vectors_are_refused() -> None:
    cases = vectors.load("RLPTests/invalidRLPTest.json")
    assert len(cases) == 26
    assert sum(not case["out"].startswith("0x") for case in cases.values()) == 17
    for name, case in cases.items():
        raw = bytes.fromhex(case["out"].removeprefix("0x"))
        assert code_of(raw) in ("RLP_INVALID", "RLP_TRAILING"), name


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 1_000, 100_000])
def test_d02_lists_nested_too_deeply_are_refused(depth: int) -> None:
    raw = b"\xc0"
    layers = [raw]
    for _ in range(min(depth, 200) - 1):
        layers.append(encode((decode(layers[-1], max_depth=300),)))
    raw = layers[-1] if depth <= 200 else b"\xc1" * depth + b"\xc0"
    assert code_of(raw) in ("RLP_DEPTH", "RLP_TRAILING")
    if depth <= 200:
        assert code_of(raw) == "RLP_DEPTH"
        assert decode(raw, max_depth=depth)


@pytest.mark.parametrize("depth", [1_000, 100_000])
def test_d02_well_formed_nesting_of_any_depth_ends_in_a_typed_error(depth: int) -> None:
    length, heads = 1, [b"\xc0"]
    for _ in range(depth - 1):
        head = bytes((0xC0 + length,)) if length < 56 else b""
        if not head:
            digits = encode_int(length)
            head = bytes((0xF7 + len(digits),)) + digits
        heads.append(head)
        length += len(head)
    assert code_of(b"".join(reversed(heads))) == "RLP_DEPTH"


def test_d02_the_deepest_allowed_nesting_is_accepted() -> None:
    value: Rlp = b"x"
    for _ in range(MAX_DEPTH):
        value = (value,)
    assert decode(encode(value)) == value
    assert code_of(encode((value,))) == "RLP_DEPTH"


@pytest.mark.parametrize(
    "item",
    [b"dog", b"", b"\x01", b"x" * 60, (), (b"cat", (b"dog",)), (b"x" * 60,)],
    ids=["string", "empty", "byte", "long string", "empty list", "list", "long list"],
)
def test_d03_an_item_that_does_not_fill_the_input_is_refused(item: Rlp) -> None:
    raw = encode(item)
    assert decode(raw) == item
    assert code_of(raw + b"\x00") == "RLP_TRAILING"
    assert code_of(raw + raw) == "RLP_TRAILING"
    if len(raw) > 1:
        assert code_of(raw[:-1]) == "RLP_TRAILING"


def test_input_larger_than_the_bound_is_refused_unread() -> None:
    assert code_of(b"\x80" * 11, max_bytes=10) == "RLP_SIZE"
    assert decode(b"\x89" + b"x" * 9, max_bytes=10) == b"x" * 9


def test_a_list_of_many_items_takes_linear_time() -> None:
    # The library copies the list it has so far once per item: it takes half a minute for these 1.6 MB.
    raw = encode((b"\x01",) * 1_600_000)
    assert len(decode(raw)) == 1_600_000


@pytest.mark.parametrize("item", [b"\x00", b"\x00\x01", b"\x01" * 33, ()], ids=["zero", "padded", "wide", "list"])
def test_an_integer_has_one_spelling(item: Rlp) -> None:
    with pytest.raises(BadInput) as refusal:
        decode_int(item)
    assert refusal.value.code == "RLP_INVALID"
    assert decode_int(b"") == 0
    assert decode_int(b"\x01\x00") == 256


@given(VALUES)
def test_every_value_round_trips_as_the_library_spells_it(value: Rlp) -> None:
    raw = encode(value)
    assert raw == rlp.encode(value)
    assert decode(raw, max_depth=40) == value


@given(st.one_of(st.binary(max_size=80), VALUES.map(encode)), st.integers(0, 79), st.integers(0, 255))
def test_d14_altered_bytes_are_accepted_exactly_where_the_library_accepts_them(
    raw: bytes, place: int, byte: int
) -> None:
    altered = raw[:place] + bytes((byte,)) + raw[place + 1 :]
    try:
        expected: Any = rlp.decode(altered, strict=True)
    except (DecodingError, IndexError):
        assert code_of(altered, max_depth=1_000)
        return
    decoded = decode(altered, max_depth=1_000)
    assert decoded == freeze(expected)
    assert encode(decoded) == altered


def freeze(value: Any) -> Rlp:
    return tuple(freeze(item) for item in value) if isinstance(value, list) else bytes(value)
