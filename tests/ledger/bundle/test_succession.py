"""From a trust root that is held to a later one: only what a quorum of each epoch ordered leads there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ledger.bundle.succession import follow_rotations, read_rotation_order
from ledger.canonical import canonical_json
from tests.ledger.bundle.succeeding import CASES, order_of
from tests.ledger.refusals import refused


@pytest.mark.parametrize("case", [name for name, told in CASES.items() if not told.code])
def test_what_was_ordered_leads_on(case: str) -> None:
    told = CASES[case]
    follow_rotations(told.held, told.offered, told.orders)


@pytest.mark.parametrize("case", [name for name, told in CASES.items() if told.code])
def test_what_was_not_ordered_leads_nowhere(case: str) -> None:
    told = CASES[case]
    with refused(told.code):
        follow_rotations(told.held, told.offered, told.orders)


def test_an_order_is_written_and_read_in_one_spelling() -> None:
    order = order_of(1)
    assert read_rotation_order(order.dump()) == order
    with refused("NON_CANONICAL"):
        read_rotation_order(order.dump() + b"\n")


MALFORMED: list[dict[str, Any]] = [
    {"chain": "7101"},
    {"chain": 7101},
    {"contract": "0x00"},
    {"contract": "c0" * 20},
    {"epoch": -1},
    {"epoch": True},
    {"epoch": "1"},
    {"members": {}},
    {"members": [{}]},
    {"members": [None]},
    {"salt": "0x" + "AB" * 32},
    {"signatures": None},
    {"more": 1},
]


@pytest.mark.parametrize("change", MALFORMED, ids=repr)
def test_what_is_no_order_is_refused(change: dict[str, Any]) -> None:
    with refused("ROTATION_FORMAT"):
        read_rotation_order(canonical_json({**json.loads(order_of(1).dump()), **change}))
