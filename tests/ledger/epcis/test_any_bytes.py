"""Whatever arrives, the reader answers with events or with one typed refusal; nothing else ever escapes."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.epcis import read_document, read_event
from ledger.errors import BadInput
from tests.ledger.epcis.sample import TYPES, document, event

CODES = ("EPCIS_", "GS1_", "JSON_")
MEMBERS = sorted({name for kind in TYPES for name in event(kind)} | {"ilmd", "readPoint", "sensorElementList", "tea:a"})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=3),
    max_leaves=8,
)


def answer(raw: bytes) -> None:
    try:
        found = read_document(raw)
    except BadInput as refusal:
        assert refusal.code.startswith(CODES)
        assert refusal.what
    else:
        for item in found.events:
            assert read_event(item.canonical()) == item


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(TYPES), st.dictionaries(st.sampled_from(MEMBERS), JSON, min_size=1, max_size=3))
def test_oa05_any_value_in_any_member_is_read_or_refused(kind: str, changes: dict[str, Any]) -> None:
    answer(json.dumps(document(event(kind, **changes))).encode())


@settings(max_examples=200, deadline=None)
@given(JSON)
def test_oa05_any_value_in_place_of_the_body_the_context_or_all_is_read_or_refused(value: Any) -> None:
    for raw in (document(event(), epcisBody=value), document(event(), **{"@context": value}), value):
        answer(json.dumps(raw).encode())


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_oa01_any_changed_byte_is_read_or_refused(data: st.DataObject) -> None:
    raw = bytearray(json.dumps(document(*(event(kind) for kind in TYPES))).encode())
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] = data.draw(st.integers(0, 255))
    answer(bytes(raw))
