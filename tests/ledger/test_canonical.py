"""Strict JSON, its one canonical spelling, and the digests over it."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import struct
from collections import Counter
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import canonical
from ledger.canonical import (
    MAX_SAFE_INTEGER,
    JsonLike,
    JsonValue,
    canonical_json,
    digest,
    entry_digest,
    parse_canonical,
    parse_json,
)
from ledger.errors import BadInput
from tests.ledger.refusals import public_vectors, refused

# The suite calls these valid because RFC 8259 only says that keys SHOULD be unique; two readers of such a document
# may see two different values, so we refuse it.
STRICTER_THAN_THE_SUITE = {"y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json"}


def test_json_test_suite_agrees_but_for_the_named_exceptions() -> None:
    lines = public_vectors("json-test-suite/test_parsing.jsonl").read_text("utf-8").splitlines()
    answers: Counter[tuple[str, bool]] = Counter()
    disagreed = set()
    for line in lines:
        case = json.loads(line)
        kind = case["name"][0]
        try:
            parse_json(base64.b64decode(case["base64"]))
            accepted = True
        except BadInput as error:
            accepted = False
            assert error.code.startswith("JSON_")
        answers[kind, accepted] += 1
        if kind != "i" and accepted != (kind == "y"):
            disagreed.add(case["name"])
    assert disagreed == STRICTER_THAN_THE_SUITE
    assert (answers["y", True], answers["y", False]) == (93, 2)
    assert (answers["n", True], answers["n", False]) == (0, 188)
    assert answers["i", True] + answers["i", False] == 35


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"\xef\xbb\xbf{}", "JSON_ENCODING"),
        (b'"\xff"', "JSON_ENCODING"),
        ('"é"'.encode("utf-16"), "JSON_ENCODING"),
        (rb'["\ud800"]', "JSON_ENCODING"),
        (rb'{"\udc00": 1}', "JSON_ENCODING"),
        (rb'["\ude00\ud83d"]', "JSON_ENCODING"),
        (b"NaN", "JSON_NUMBER"),
        (b"[-Infinity]", "JSON_NUMBER"),
        (b"1e999", "JSON_NUMBER"),
        (b"-1e999", "JSON_NUMBER"),
        (b"1e-999", "JSON_NUMBER"),
        (b"9007199254740992", "JSON_NUMBER"),
        (b"-9007199254740992", "JSON_NUMBER"),
        (b"1" * 1_000_000, "JSON_NUMBER"),
        (b"9007199254740992.0", "JSON_NUMBER"),
        (b"-1e20", "JSON_NUMBER"),
        (b'{"a":1,"a":1}', "JSON_DUPLICATE_KEY"),
        (rb'{"a":1,"\u0061":2}', "JSON_DUPLICATE_KEY"),
        (b'[{"x":{"b":1,"a":0,"b":2}}]', "JSON_DUPLICATE_KEY"),
        (b"", "JSON_SYNTAX"),
        (b"{} {}", "JSON_SYNTAX"),
        (b'{"a":1,}', "JSON_SYNTAX"),
        (b"'a'", "JSON_SYNTAX"),
        (b"01", "JSON_SYNTAX"),
        ("[\uff11]".encode(), "JSON_SYNTAX"),
        (b'"\x01"', "JSON_SYNTAX"),
        (b"[" * 65 + b"]" * 65, "JSON_DEPTH"),
        (b"[" * 200_000, "JSON_DEPTH"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "JSON_DEPTH"),
    ],
    ids=lambda value: value if isinstance(value, str) else ascii(value[:24]),
)
def test_refuses(raw: bytes, code: str) -> None:
    with refused(code):
        parse_json(raw)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'{"a":[1,2.5,true,null,"\xe8\x8c\xb6"]}', {"a": [1, 2.5, True, None, "茶"]}),
        (rb'"\ud83c\udf75"', "🍵"),
        (rb'"\\ud800"', "\\ud800"),
        (b"9007199254740991", 2**53 - 1),
        (b"0e-999", 0.0),
        (b"5e-324", 5e-324),
        (b"9007199254740991.0", 2.0**53 - 1),
        (b"1e21", 1e21),
        (b' \t\r\n"" ', ""),
    ],
)
def test_reads(raw: bytes, value: JsonValue) -> None:
    assert parse_json(raw) == value


def test_reads_to_the_depth_and_size_it_promises() -> None:
    assert parse_json(b"[" * 64 + b"]" * 64)
    assert parse_json(b'"abc"', max_bytes=5) == "abc"
    with refused("JSON_SIZE"):
        parse_json(b'"abcd"', max_bytes=5)
    with refused("JSON_DEPTH"):
        parse_json(b"[[1]]", max_depth=1)


# RFC 8785 appendix B: IEEE 754 bits and the text that ECMAScript gives them.
NUMBERS = {
    0x0000000000000000: "0",
    0x8000000000000000: "0",
    0x0000000000000001: "5e-324",
    0x8000000000000001: "-5e-324",
    0x7FEFFFFFFFFFFFFF: "1.7976931348623157e+308",
    0x4340000000000000: "9007199254740992",
    0x4430000000000000: "295147905179352830000",
    0x44B52D02C7E14AF5: "9.999999999999997e+22",
    0x44B52D02C7E14AF6: "1e+23",
    0x44B52D02C7E14AF7: "1.0000000000000001e+23",
    0x444B1AE4D6E2EF4E: "999999999999999700000",
    0x444B1AE4D6E2EF50: "1e+21",
    0x3EB0C6F7A0B5ED8C: "9.999999999999997e-7",
    0x3EB0C6F7A0B5ED8D: "0.000001",
    0x41B3DE4355555553: "333333333.3333332",
    0x41B3DE4355555557: "333333333.33333343",
    0xBECBF647612F3696: "-0.0000033333333333333333",
}


@pytest.mark.parametrize(("bits", "text"), NUMBERS.items())
def test_numbers_are_spelled_as_rfc_8785_appendix_b_lists_them(bits: int, text: str) -> None:
    (number,) = struct.unpack(">d", bits.to_bytes(8, "big"))
    assert canonical_json(number) == text.encode()


def test_keys_are_sorted_by_utf_16_units_and_strings_escaped_least() -> None:
    keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]  # RFC 8785 section 3.2.3
    ordered = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    assert list(json.loads(canonical_json(dict.fromkeys(keys, 0)))) == ordered
    assert canonical_json('\u0000\u001f\b"\\/é\u2028') == b'"\\u0000\\u001f\\b\\"\\\\/\xc3\xa9\xe2\x80\xa8"'


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (math.nan, "JSON_NUMBER"),
        (math.inf, "JSON_NUMBER"),
        (2**53, "JSON_NUMBER"),
        ("\ud800", "JSON_ENCODING"),
        ({"\udfff": 1}, "JSON_ENCODING"),
        (b"bytes", "JSON_TYPE"),
        ({"when": object()}, "JSON_TYPE"),
        ({1: "a key that is no string"}, "JSON_TYPE"),
    ],
)
def test_gives_no_canonical_form_to(value: JsonLike, code: str) -> None:
    with refused(code):
        canonical_json(value)


def test_gives_no_canonical_form_to_endless_nesting() -> None:
    nested: list[JsonLike] = []
    for _ in range(100_000):
        nested = [nested]
    with refused("JSON_DEPTH"):
        canonical_json(nested)


G08_SPELLINGS = {
    "extra space": b'{"a":"a", "b":1}',
    "final newline": b'{"a":"a","b":1}\n',
    "other key order": b'{"b":1,"a":"a"}',
    "duplicate key": b'{"a":"a","b":1,"b":1}',
    "1.0 for 1": b'{"a":"a","b":1.0}',
    "exponent": b'{"a":"a","b":1e0}',
    "negative zero": b'{"a":"a","b":-0}',
    "needless escape": rb'{"a":"\u0061","b":1}',
    "byte order mark": b'\xef\xbb\xbf{"a":"a","b":1}',
    "lone surrogate": rb'{"a":"\ud800","b":1}',
    "unsafe integer": b'{"a":"a","b":9007199254740993}',
}


@pytest.mark.parametrize("raw", G08_SPELLINGS.values(), ids=G08_SPELLINGS)
def test_g08_another_spelling_is_not_canonical(raw: bytes) -> None:
    assert parse_canonical(b'{"a":"a","b":1}') == {"a": "a", "b": 1}
    with refused("NON_CANONICAL"):
        parse_canonical(raw)


def test_g08_bytes_that_are_no_json_keep_their_own_code() -> None:
    with refused("JSON_SYNTAX"):
        parse_canonical(b"{")
    with refused("JSON_DEPTH"):
        parse_canonical(b"[" * 65 + b"]" * 65)
    with refused("JSON_SIZE"):
        parse_canonical(b"[1,2]", max_bytes=4)


SAME_EITHER_WAY = {
    **G08_SPELLINGS,
    "an object": b'{"a":"a","b":[1,{"c":null}],"d":true}',
    "an array": b'["a",1]',
    "the largest safe integer": b'{"a":9007199254740991}',
    "an unsafe integer in an array": b'{"a":[1,-9007199254740992]}',
    "an integer of 17 digits": b'{"a":12345678901234567}',
    "five thousand digits": b'{"a":' + b"7" * 5000 + b"}",
    "digits in a text": b'{"a":":1234567890123456789"}',
    "a double": b'{"a":1.5}',
    "not a number": b'{"a":NaN}',
    "beyond the basic plane": '{"\U00010000":1,"\ue000":2}'.encode(),
    "beyond it, in the order of code points": '{"\ue000":2,"\U00010000":1}'.encode(),
    "a pair as escapes": rb'{"a":"\ud83d\ude00"}',
    "control characters": rb'{"a":"\u0000\b\t\n\f\r\u001f"}',
    "control characters spelled long": rb'{"a":"\u0009"}',
    "a slash escaped": rb'{"a":"\/"}',
    "64 deep": b'{"a":' * 64 + b"1" + b"}" * 64,
    "65 deep": b'{"a":' * 65 + b"1" + b"}" * 65,
    "65 brackets beside each other": b'{"a":[' + b",".join([b"[]"] * 65) + b"]}",
    "65 brackets in a text": b'{"a":"' + b"[" * 65 + b'"}',
    "100,000 deep": b'{"a":' * 100_000,
    "cut short": b'{"a":1',
    "not UTF-8": b'{"a":"\xff"}',
    "nothing": b"",
}


def _outcome(raw: bytes) -> tuple[str, object]:
    try:
        return "read", parse_canonical(raw)
    except BadInput as error:
        return error.code, (error.what, error.where)


@pytest.mark.parametrize("raw", SAME_EITHER_WAY.values(), ids=SAME_EITHER_WAY)
def test_the_fast_way_reads_and_refuses_what_the_slow_one_does(raw: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    fast = _outcome(raw)
    monkeypatch.setattr(canonical, "_read_plain", lambda _raw: None)
    assert fast == _outcome(raw)


@settings(deadline=None)
@given(st.data())
def test_the_fast_way_takes_no_byte_for_another(data: st.DataObject) -> None:
    raw = bytearray(b'{"a":[1,-20,{"b":"\xc3\xa4\\n"}],"c":false,"n":9007199254740991}')
    assert canonical._read_plain(bytes(raw)) is None  # so long an integer goes the slow way
    raw[-2:-1] = b""
    assert canonical._read_plain(bytes(raw)) == {"a": [1, -20, {"b": "\u00e4\n"}], "c": False, "n": 900719925474099}
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    found = canonical._read_plain(bytes(raw))
    if found is not None:
        assert found == parse_json(bytes(raw)) and rfc8785.dumps(found) == bytes(raw)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: not 2**53 <= abs(x) < 1e21)
    | st.text()
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)


@settings(deadline=None)
@given(VALUES)
def test_the_canonical_form_reads_back_and_is_its_own_canonical_form(value: JsonValue) -> None:
    raw = canonical_json(value)
    assert parse_json(raw) == value
    assert canonical_json(parse_canonical(raw)) == raw


@settings(deadline=None)
@given(st.binary(max_size=64))
def test_no_bytes_escape_the_typed_errors(raw: bytes) -> None:
    try:
        parse_json(raw)
    except BadInput as error:
        assert error.code.startswith("JSON_")


def test_digests_are_sha_256_over_domain_zero_and_bytes() -> None:
    assert digest("pledgetrail/event/v1/json", b"{}") == hashlib.sha256(b"pledgetrail/event/v1/json\0{}").digest()
    salted = entry_digest("pledgetrail/event/v1/json", b"s" * 32, b"{}")
    assert salted == hashlib.sha256(b"pledgetrail/event/v1/json\0" + b"s" * 32 + b"{}").digest()


def test_a_digest_depends_on_the_domain_and_the_salt() -> None:
    assert digest("pledgetrail/event/v1/json", b"{}") != digest("pledgetrail/event/v2/json", b"{}")
    assert digest("a", b"b{}") != digest("ab", b"{}")
    first = entry_digest("pledgetrail/event/v1/json", bytes(32), b"{}")
    assert first != entry_digest("pledgetrail/event/v1/json", bytes(31) + b"\1", b"{}")


@pytest.mark.parametrize("salt", [b"", bytes(31), bytes(33)])
def test_refuses_a_salt_of_another_length(salt: bytes) -> None:
    with refused("SALT_LENGTH"):
        entry_digest("pledgetrail/event/v1/json", salt, b"{}")


@pytest.mark.parametrize("domain", ["", "a\0b", "Ä", "with space", "UPPER", "a" * 129])
def test_refuses_a_domain_that_could_be_confused(domain: str) -> None:
    with refused("DOMAIN_INVALID"):
        digest(domain, b"{}")


_KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER) | st.text(max_size=8) | st.floats(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(_VALUES)
def test_the_fast_way_and_the_library_write_the_same_bytes(value: Any) -> None:
    try:
        expected = rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError):
        with pytest.raises(BadInput):
            canonical_json(value)
    else:
        assert canonical_json(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        {"\ue000": 1, "\U00010000": 2},  # UTF-16 puts the second first
        {"a": {"\uffff": 1, "\U0010ffff": 2}},
        ["".join(map(chr, range(0x20))), '\x7f\u2028\u2029"\\/'],
        {"": [], "b": {}, "a": [1, -1, 0, True, False, None]},
        [MAX_SAFE_INTEGER, -MAX_SAFE_INTEGER],
        (1, ("a", [2])),
    ],
)
def test_the_fast_way_keeps_to_the_librarys_order_and_escapes(value: Any) -> None:
    assert canonical_json(value) == rfc8785.dumps(value)


@pytest.mark.parametrize("value", [MAX_SAFE_INTEGER + 1, [-MAX_SAFE_INTEGER - 1], {"a": 2**64}])
def test_no_way_writes_an_unsafe_integer(value: Any) -> None:
    with refused("JSON_NUMBER"):
        canonical_json(value)


def test_no_way_writes_half_a_pair_or_a_depth_without_end() -> None:
    with refused("JSON_ENCODING"):
        canonical_json({"a": "\ud800"})
    with refused("JSON_ENCODING"):
        canonical_json({"\ud800": "a"})
    deep: Any = []
    deep.append(deep)
    with refused("JSON_DEPTH"):
        canonical_json(deep)
