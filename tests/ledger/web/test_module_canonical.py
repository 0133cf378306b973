"""Canonical JSON in the browser and in Python: one value, one spelling, the same refusals."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ledger.canonical import canonical_json, parse_canonical
from ledger.errors import Problem
from tests.ledger.web.javascript import Rules
from tests.ledger.web.parity import ONE_CALL, changed, changes, code_of

_SPELLINGS = [
    b'{"a":1,"a":1}', b'{"b":1,"a":2}', b'{"a": 1}', b"[1.0]", b"[1e0]", b"[-0]", b"[0.1]", b"[1E400]", b"[1e-400]",
    b"[9007199254740992]",
    b"[9007199254740991]", b"[-9007199254740993]", b"[1e+21]", b"[1e21]", b"[100000000000000000000]",
    b"[NaN]", b"[Infinity]",
    b'["\\ud800"]', b'["\\u00e9"]', b'["\\u0001"]', b'["\\u001F"]', b'["\\u001f"]', b'["\x7f"]',
    b'["\\/"]', b'["/"]', b"\xef\xbb\xbf[]", b"[]\n", b"", b"nul", b"null", b"true", b'"x"', b"[1,]", b"{}", b'{"":""}',
    '{"\u20ac":1,"\U0001f600":2}'.encode(),
    '{"\U0001f600":2,"\ufb33":1}'.encode(), '{"\ufb33":1,"\U0001f600":2}'.encode(),
    b'{"__proto__":1}', b'{"10":1,"9":2}', b'{"9":2,"10":1}', b"[" * 64 + b"]" * 64, b"[" * 65 + b"]" * 65, b"[1.5e-7]",
    b"[1.5e-07]", b"[0.0000015]", b"[333333333.3333333]", b"[1e-7]", b'["\xc3\x28"]', b'["\xed\xa0\x80"]', b"[1][2]",
]  # fmt: skip
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)


def _spelt(value: Any, style: int) -> bytes:
    """JSON text in one of several spellings, the canonical one among them."""
    if style == 0:
        try:
            return canonical_json(value)
        except Problem:
            pass
    text = json.dumps(value, ensure_ascii=style == 1, separators=(",", ":"), sort_keys=style == 2)
    return text.encode("utf-8", "surrogatepass")


def _agree_on_json(rules: Rules, texts: list[bytes]) -> int:
    found = rules.codes([("parseCanonical", raw, 4096) for raw in texts])
    expected = [code_of(lambda raw=raw: parse_canonical(raw, max_bytes=4096)) for raw in texts]  # type: ignore[misc]
    assert [(raw, bool(code)) for raw, code in zip(texts, found, strict=True)] == [
        (raw, bool(code)) for raw, code in zip(texts, expected, strict=True)
    ]
    return found.count("")


def test_one_value_has_one_spelling_in_both(rules: Rules) -> None:
    assert _agree_on_json(rules, _SPELLINGS) == 21


@ONE_CALL
@given(st.lists(st.tuples(values, st.sampled_from([0, 0, 0, 1, 2, 3]), changes), min_size=100, max_size=150))
def test_random_json_is_read_or_refused_alike(rules: Rules, found: list[tuple[Any, int, tuple[int, int]]]) -> None:
    _agree_on_json(rules, [changed(_spelt(value, style), change) for value, style, change in found])
