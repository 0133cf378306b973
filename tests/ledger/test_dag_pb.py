"""A node of a file's DAG is read as far as an outline needs it, and no further than its bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.cid import parse_cid
from ledger.dag_pb import MAX_NODE_BYTES, Node, read_node
from ledger.errors import BadInput
from tests.ledger.refusals import refused

LEAF = parse_cid("bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e")


def field(number: int, payload: bytes) -> bytes:
    assert len(payload) < 128
    return bytes([number << 3 | 2, len(payload)]) + payload


def node(links: int = 2, data: bytes = b"\x08\x02\x18\x05") -> bytes:
    return field(2, field(1, LEAF) + b"\x12\x00\x18\x03") * links + field(1, data)


def test_links_and_size() -> None:
    assert read_node(node()) == Node((LEAF, LEAF), 5)


REFUSED = {
    "nothing": b"",
    "no links": node(0),
    "no size": node(data=b"\x08\x02"),
    "two sizes": node(data=b"\x18\x05\x18\x06"),
    "too many links": node(175),
    "cut short": node()[:-3],
    "a field beyond the end": b"\x12\x7f" + node(),
    "a number without an end": node() + b"\x80" * 20,
    "another kind of field": b"\x0d\x00\x00\x00\x00" + node(),
    "too long": node() + field(9, bytes(100)) * (MAX_NODE_BYTES // 100),
}


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED.keys())
def test_os04_what_is_no_node(raw: bytes) -> None:
    with refused("DAG_NODE"):
        read_node(raw)
    assert read_node(node(174)).file_bytes == 5


@given(st.binary(max_size=200))
def test_os04_any_bytes_are_a_node_or_refused(raw: bytes) -> None:
    try:
        found = read_node(raw)
    except BadInput as problem:
        assert problem.code == "DAG_NODE"
    else:
        assert found.links and found.file_bytes >= 0
