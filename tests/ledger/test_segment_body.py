"""The body of a segment has one spelling; every other is refused before anything in it is believed."""

from __future__ import annotations

import io

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Problem
from ledger.evidence import SignedEvidence
from ledger.evidence.statement import MAX_STATEMENT_BYTES
from ledger.segment_body import MAX_BODY_BYTES, SegmentBody, read_segment_body, write_segment_body
from tests.ledger.refusals import refused

BODY = SegmentBody(SignedEvidence(b'{"kind":"segment"}', bytes(64)), b"init", b"media" * 100)
RAW = write_segment_body(BODY)
FIELDS = {"init": b"i", "media": b"m", "signature": bytes(64), "statement": b"{}"}


@given(
    st.binary(max_size=300), st.binary(max_size=70_000), st.binary(min_size=64, max_size=64), st.binary(max_size=300)
)
def test_it_is_the_deterministic_cbor_of_a_map(init: bytes, media: bytes, signature: bytes, statement: bytes) -> None:
    body = SegmentBody(SignedEvidence(statement, signature), init, media)
    raw = write_segment_body(body)
    fields = {"statement": statement, "signature": signature, "init": init, "media": media}
    assert raw == cbor2.dumps(fields, canonical=True)
    assert read_segment_body(raw) == body


OTHER_FORMS = {
    "empty": b"",
    "garbage": b"\xff\x00garbage",
    "JSON": b'{"init":"","media":""}',
    "a list": cbor2.dumps(list(FIELDS.values())),
    "keys in another order": cbor2.dumps({name: FIELDS[name] for name in reversed(FIELDS)}),
    "a key missing": cbor2.dumps({name: FIELDS[name] for name in list(FIELDS)[:3]}, canonical=True),
    "a key too many": cbor2.dumps({**FIELDS, "zzzzzzzzzz": b""}, canonical=True),
    "text for bytes": cbor2.dumps({**FIELDS, "media": "m"}, canonical=True),
    "a number for bytes": cbor2.dumps({**FIELDS, "media": 1}, canonical=True),
    "a signature of 63 bytes": cbor2.dumps({**FIELDS, "signature": bytes(63)}, canonical=True),
    "a byte after the end": RAW + b"\x00",
    "a tag before it": b"\xc1" + RAW,
    "an indefinite map": b"\xbf" + RAW[1:] + b"\xff",
    "an indefinite byte string": RAW.replace(b"\x44init", b"\x5f\x44init\xff"),
    "a longer form of a length": RAW.replace(b"\x44init", b"\x58\x04init"),
    "nested a thousand deep": b"\x81" * 1000 + RAW,
}


@pytest.mark.parametrize("raw", OTHER_FORMS.values(), ids=OTHER_FORMS.keys())
def test_any_other_form_is_refused(raw: bytes) -> None:
    with refused("SEGMENT_BODY"):
        read_segment_body(raw)
    assert read_segment_body(RAW) == BODY


def test_every_shorter_body_is_refused() -> None:
    for length in range(len(RAW)):
        with refused("SEGMENT_BODY"):
            read_segment_body(RAW[:length])


def test_a_length_that_is_not_backed_by_bytes_reserves_nothing() -> None:
    claims_64_mib = b"\xa4\x64init\x41i\x65media\x5a\x03\xff\xff\xff" + b"m"
    with refused("SEGMENT_BODY"):
        read_segment_body(claims_64_mib)


@pytest.mark.parametrize("length", [MAX_STATEMENT_BYTES + 1, 2**24])
def test_a_statement_over_its_bound_is_refused(length: int) -> None:
    with refused("MEDIA_LIMIT"):
        read_segment_body(cbor2.dumps({**FIELDS, "statement": bytes(length)}, canonical=True))
    assert read_segment_body(cbor2.dumps({**FIELDS, "statement": bytes(MAX_STATEMENT_BYTES)}, canonical=True))


def test_a_body_over_its_bound_is_refused_unread() -> None:
    with refused("MEDIA_LIMIT"):
        read_segment_body(bytes(MAX_BODY_BYTES + 1))


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_and_never_break_it(raw: bytes) -> None:
    with pytest.raises(Problem):
        read_segment_body(raw)


@given(st.integers(0, 120), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_changes_what_is_read(at: int, mask: int) -> None:
    changed = bytearray(RAW)
    changed[at] ^= mask
    try:
        body = read_segment_body(bytes(changed))
    except Problem:
        return
    assert body != BODY
    assert write_segment_body(body) == bytes(changed)
    assert cbor2.load(io.BytesIO(changed))["init"] == body.init
