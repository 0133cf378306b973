"""`rlp.vy` reads what its Python twin reads and refuses what it refuses. Rows D01 to D03."""

from __future__ import annotations

import random

import pytest

from ledger.errors import BadInput
from ledger.ethereum import rlp_strict
from ledger.ethereum.rlp_strict import Rlp
from tests.contracts.evm import Reverted
from tests.contracts.proofs import Proofs, deployed_proofs, word
from tests.ledger.ethereum import vectors
from tests.ledger.ethereum.test_rlp_strict import as_rlp

MAX_DEPTH = rlp_strict.MAX_DEPTH


@pytest.fixture(scope="module")
def proofs() -> Proofs:
    return deployed_proofs()


def read(proofs: Proofs, raw: bytes) -> Rlp:
    """Decode with the contract's heads, comparing ends and depth as contracts do. Errors: `Reverted`."""
    value, end = read_item(proofs, raw, 0, len(raw), 0)
    if end != len(raw):
        raise Reverted("trailing bytes", where="item")
    return value


def read_item(proofs: Proofs, raw: bytes, at: int, limit: int, depth: int) -> tuple[Rlp, int]:
    if at >= limit:
        raise Reverted("beyond the limit", where=f"byte {at}")
    is_list, prefix, length = proofs.head(raw[at:])
    start, end = at + prefix, at + prefix + length
    if end > limit or (is_list and depth == MAX_DEPTH):
        raise Reverted("beyond the limit", where=f"byte {at}")
    if not is_list:
        return raw[start:end], end
    items: list[Rlp] = []
    while start < end:
        item, start = read_item(proofs, raw, start, end, depth + 1)
        items.append(item)
    return tuple(items), end


def agree(proofs: Proofs, raw: bytes) -> bool:
    """Whether both accept; fails where one accepts alone, or another value."""
    try:
        expected = rlp_strict.decode(raw)
    except BadInput:
        with pytest.raises(Reverted):
            read(proofs, raw)
        return False
    assert read(proofs, raw) == expected
    return True


def test_D01_the_28_valid_public_vectors_are_read_as_the_twin_reads_them(proofs: Proofs) -> None:
    cases = vectors.load("RLPTests/rlptest.json")
    assert len(cases) == 28
    for name, case in cases.items():
        raw = bytes.fromhex(case["out"].removeprefix("0x"))
        assert agree(proofs, raw), name
        assert rlp_strict.decode(raw) == as_rlp(case["in"]), name


def test_D01_the_26_invalid_public_vectors_are_refused_by_both(proofs: Proofs) -> None:
    cases = vectors.load("RLPTests/invalidRLPTest.json")
    assert len(cases) == 26
    for name, case in cases.items():
        assert not agree(proofs, bytes.fromhex(case["out"].removeprefix("0x"))), name


REFUSED_HEADS = {
    "D01_a_byte_spelled_as_a_string": ("8100", "rlp: byte spelled as a string", "8180"),
    "D01_the_last_byte_spelled_as_a_string": ("817f", "rlp: byte spelled as a string", "7f"),
    "D01_a_long_string_of_55_bytes": ("b837", "rlp: length not in its shortest form", "b838"),
    "D01_a_long_list_of_55_bytes": ("f837", "rlp: length not in its shortest form", "f838"),
    "D01_a_length_with_a_leading_zero": ("b90038", "rlp: leading zero in a length", "b838"),
    "D01_a_list_length_with_a_leading_zero": ("f90038", "rlp: leading zero in a length", "f90138"),
    "D01_a_list_length_of_zero": ("f800", "rlp: leading zero in a length", "f838"),
    "D01_eight_length_bytes_with_a_leading_zero": ("bf0000000000000038", "rlp: leading zero", "bf0100000000000000"),
}


@pytest.mark.parametrize("name", REFUSED_HEADS)
def test_a_head_is_refused(proofs: Proofs, name: str) -> None:
    raw, reason, honest = REFUSED_HEADS[name]
    with pytest.raises(Reverted, match=reason):
        proofs.head(bytes.fromhex(raw))
    proofs.head(bytes.fromhex(honest))


def test_the_widest_length_is_read_whole(proofs: Proofs) -> None:
    assert proofs.head(b"\xbf" + b"\xff" * 8) == (False, 9, 2**64 - 1)
    assert proofs.head(b"\xff" + b"\xff" * 8) == (True, 9, 2**64 - 1)
    assert proofs.head(b"\xbb\x01\x00\x00\x00") == (False, 5, 2**24)


@pytest.mark.parametrize("depth", [MAX_DEPTH, MAX_DEPTH + 1, 60])
def test_D02_nesting_is_bounded_alike(proofs: Proofs, depth: int) -> None:
    raw = rlp_strict.encode(nested(depth))
    assert agree(proofs, raw) == (depth <= MAX_DEPTH)


def nested(depth: int) -> Rlp:
    value: Rlp = ()
    for _ in range(depth - 1):
        value = (value,)
    return value


@pytest.mark.parametrize("item", [b"dog", b"", b"\x01", b"x" * 60, (), (b"cat", (b"dog",)), (b"x" * 60,)])
def test_D03_an_item_that_does_not_fill_the_input_is_refused_by_both(proofs: Proofs, item: Rlp) -> None:
    raw = rlp_strict.encode(item)
    assert agree(proofs, raw)
    for spoilt in (raw + b"\x00", raw + raw, raw[:-1]):
        assert not agree(proofs, spoilt)


def test_D14_altered_items_are_judged_alike(proofs: Proofs) -> None:
    chance = random.Random("rlp")
    accepted = 0
    for _ in range(1_000):
        raw = bytearray(rlp_strict.encode(some_item(chance, 3)))
        for _ in range(chance.randint(0, 2)):
            raw[chance.randrange(len(raw))] = chance.choice(
                (0, 1, 0x37, 0x7F, 0x80, 0x81, 0xB8, 0xC0, 0xC1, 0xF8, 0xFF)
            )
        accepted += agree(proofs, bytes(raw))
    assert 200 < accepted < 900


def some_item(chance: random.Random, depth: int) -> Rlp:
    if depth and chance.random() < 0.5:
        return tuple(some_item(chance, depth - 1) for _ in range(chance.randint(0, 4)))
    return chance.randbytes(chance.choice((0, 1, 2, 32, 54, 55, 56, 60)))


INTEGERS = {
    "zero_spelled_out": (b"\x00", 32, "rlp: leading zero in an integer", b""),
    "a_leading_zero": (b"\x00\x01", 32, "rlp: leading zero in an integer", b"\x01"),
    "nine_bytes_where_eight_fit": (b"\x01" * 9, 8, "rlp: integer too long", b"\x01" * 8),
}


@pytest.mark.parametrize("name", INTEGERS)
def test_an_integer_is_refused_by_both(proofs: Proofs, name: str) -> None:
    raw, longest, reason, honest = INTEGERS[name]
    with pytest.raises(BadInput, match="RLP_INVALID"):
        rlp_strict.decode_int(raw, max_bytes=longest)
    with pytest.raises(Reverted, match=reason):
        proofs.contract.call("integer", word(raw), len(raw), longest)
    assert proofs.contract.call("integer", word(honest), len(honest), longest) == rlp_strict.decode_int(honest)


def test_the_largest_integer_is_read(proofs: Proofs) -> None:
    assert proofs.contract.call("integer", 2**256 - 1, 32, 32) == 2**256 - 1


INLINE_LISTS = {
    "a_string": ("80", "rlp: not a list that can stand inline"),
    "the_byte_below_the_first_list": ("bf", "rlp: not a list that can stand inline"),
    "an_empty_list": ("c0", "rlp: not a list that can stand inline"),
    "a_list_of_32_bytes": ("df" + "01" * 31, "rlp: not a list that can stand inline"),
    "a_long_list": ("f838", "rlp: not a list that can stand inline"),
    "a_string_beyond_the_list": ("c18161", "rlp: byte spelled as a string"),
    "a_string_that_ends_beyond_the_list": ("c1838080", "rlp: item beyond its list"),
    "a_list_that_ends_beyond_the_list": ("c1c1", "rlp: item beyond its list"),
    "an_inner_list_that_ends_beyond_its_own": ("c3c1c101", "rlp: item beyond its list"),
    "a_byte_spelled_as_a_string_inside": ("c3c28101", "rlp: byte spelled as a string"),
    "a_long_string_inside": ("c3b83801", "rlp: item beyond its list"),
}


@pytest.mark.parametrize("name", INLINE_LISTS)
def test_a_list_that_stands_inline_is_refused(proofs: Proofs, name: str) -> None:
    raw, reason = INLINE_LISTS[name]
    with pytest.raises(Reverted, match=reason):
        proofs.contract.call("inline_list", word(bytes.fromhex(raw)))


def test_lists_of_up_to_31_bytes_are_read_alike_whatever_nests_in_them(proofs: Proofs) -> None:
    for depth in (2, 3, 30, 31):
        assert proofs.contract.call("inline_list", word(rlp_strict.encode(nested(depth)))) == depth
    chance = random.Random("inline")
    accepted = 0
    for _ in range(600):
        raw = bytearray(rlp_strict.encode(tuple(some_small(chance, 4) for _ in range(chance.randint(1, 4)))))
        if chance.random() < 0.5:
            raw[chance.randrange(len(raw))] = chance.choice((0, 0x80, 0x81, 0xB8, 0xC0, 0xC1, 0xC2, 0xF8))
        total = raw[0] - 0xC0 + 1
        try:
            is_read = isinstance(rlp_strict.decode(bytes(raw[:total])), tuple) and 1 < total < 32
        except BadInput:
            is_read = False
        if is_read:
            accepted += 1
            assert proofs.contract.call("inline_list", word(bytes(raw))) == total
        elif total <= len(raw):  # a list cut off at its end is the caller's to notice: zeros follow
            with pytest.raises(Reverted):
                proofs.contract.call("inline_list", word(bytes(raw)))
    assert 200 < accepted < 550


def some_small(chance: random.Random, depth: int) -> Rlp:
    if depth and chance.random() < 0.5:
        return tuple(some_small(chance, depth - 1) for _ in range(chance.randint(0, 3)))
    return chance.randbytes(chance.choice((0, 1, 2, 5)))
