"""What a notary holds against both books: totals, limits, and the law between them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.conservation import (
    MAX_TOTAL,
    MAX_UNITS,
    Arrivals,
    Books,
    Transfer,
    Window,
    amount,
    check_come_back,
    check_transfer,
    count_out,
)
from tests.ledger.refusals import refused

ASSET, BENEFICIARY = b"\x0a" * 32, b"\x0b" * 20


def transfer(quantity: int, total: int) -> Transfer:
    return Transfer(ASSET, quantity, total, BENEFICIARY)


NO_AMOUNTS: tuple[Any, ...] = (
    -1,
    0,
    2**112,
    2**256,
    True,
    1.5,
    float("nan"),
    Decimal("1E+1000000"),
    None,
    b"1",
    "",
    "0",
    "-1",
    "+1",
    "1e3",
    "01",
    "1.5",
    " 1",
    "1\n",
    "NaN",
    "\u0661",
    "1_000",
    "9" * 35,
)


@pytest.mark.parametrize("value", NO_AMOUNTS, ids=repr)
def test_F09_no_amount_is(value: Any) -> None:
    with refused("AMOUNT"):
        amount(value)


@given(st.integers(1, MAX_UNITS))
def test_F09_an_amount_is_the_same_as_number_and_as_text(value: int) -> None:
    assert amount(value) == amount(str(value)) == value


@given(st.integers(1, MAX_UNITS), st.integers(0, MAX_TOTAL))
def test_a_payload_is_read_as_it_was_written(quantity: int, total: int) -> None:
    assert Transfer.read(transfer(quantity, total).encode()) == transfer(quantity, total)


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", "TRANSFER_FORM"),
        (transfer(1, 1).encode()[:-1], "TRANSFER_FORM"),
        (transfer(1, 1).encode() + b"\x00", "TRANSFER_FORM"),
        (transfer(1, 1).encode()[:96] + b"\x01" + bytes(11) + BENEFICIARY, "TRANSFER_FORM"),
        (transfer(1, 1).encode()[:96] + bytes(32), "TRANSFER_FORM"),
        (ASSET + bytes(32) + bytes(31) + b"\x01" + bytes(12) + BENEFICIARY, "AMOUNT"),
        (ASSET + b"\xff" * 32 + bytes(31) + b"\x01" + bytes(12) + BENEFICIARY, "AMOUNT"),
        (ASSET + bytes(31) + b"\x01" + b"\xff" * 32 + bytes(12) + BENEFICIARY, "TRANSFER_FORM"),
    ],
)
def test_a_payload_is_refused(payload: bytes, code: str) -> None:
    with refused(code):
        Transfer.read(payload)
    assert Transfer.read(transfer(1, 1).encode()) == transfer(1, 1)


@pytest.mark.parametrize("total", [0, 9, 10, 14, 16])
def test_F05_a_transfer_leaves_only_with_the_total_that_was_sent(total: int) -> None:
    with refused("VALUE_UNBACKED"):
        count_out(10, transfer(5, total))
    assert count_out(10, transfer(5, 15)) == 15


@given(st.permutations([1, 2, 3, 4, 5, 6]))
def test_what_was_sent_arrives_in_any_order_and_nothing_beyond(order: list[int]) -> None:
    totals = {quantity: sum(range(1, quantity + 1)) for quantity in order}
    arrivals = Arrivals()
    for place, quantity in enumerate(order):
        pending = sum(order[:place]) + quantity <= max(totals[each] for each in order[: place + 1])
        assert pending, "a total covers every transfer before it, so no order of honest transfers is refused"
        arrivals = arrivals.count_in(transfer(quantity, totals[quantity]))
    assert arrivals == Arrivals(21, 21)
    with refused("VALUE_UNBACKED"):
        arrivals.count_in(transfer(1, 21))


def test_F10_a_window_holds_what_goes_beyond_a_limit() -> None:
    window: Window | None = Window(per_message=50, per_window=100, seconds=60)
    assert window is not None
    assert window.count(51, 1_000) is None
    window = window.count(50, 1_000)
    assert window is not None
    window = window.count(50, 1_059)
    assert window == Window(50, 100, 60, began=1_000, used=100)
    assert window.count(1, 1_059) is None
    assert window.count(1, 1_060) == Window(50, 100, 60, began=1_060, used=1)
    assert Window(0, 0, 0).count(1, 1_000) is None


BROKEN = {
    "minted_without_a_lock": (0, 0, 1_000, 0, 0),
    "released_without_a_burn": (100, 1, 100, 0, 0),
    "released_twice": (100, 80, 100, 40, 0),
    "another_message_took_its_place": (100, 0, 100, 0, 100),
}


@pytest.mark.parametrize("name", BROKEN)
def test_F05_books_are_refused_that_were(name: str) -> None:
    with refused("VALUE_UNBACKED"):
        Books(*BROKEN[name])


def test_nothing_is_counted_below_zero() -> None:
    for place in range(5):
        figures = [10, 0, 0, 0, 0]
        figures[place] = -1
        with refused("BOOKS"):
            Books(*figures)


def test_an_honest_transfer_moves_through_the_books() -> None:
    books = Books(locked=100, released=0, minted=0, burned=0, moving=100)
    assert books.spare == 0
    books = check_transfer(transfer(100, 100), sent=100, arrivals=Arrivals(), books=books, to_vault=False)
    assert books == Books(100, 0, 100, 0, 0)
    books = Books(100, 0, 100, 30, 30)
    assert check_come_back(transfer(30, 30), books=books, to_vault=True) == Books(100, 0, 130, 30, 0)
    books = check_transfer(transfer(30, 30), sent=30, arrivals=Arrivals(), books=books, to_vault=True)
    assert books == Books(100, 30, 100, 30, 0)


@pytest.mark.parametrize(
    ("quantity", "total", "sent", "arrivals", "moving"),
    [
        (1_000, 0, 0, Arrivals(), 100),  # source totals {} and payout 1,000
        (100, 101, 100, Arrivals(), 100),  # a total that the origin never had
        (100, 100, 100, Arrivals(0, 101), 100),  # one that was believed before
        (100, 100, 100, Arrivals(1, 100), 100),  # beyond what is left
        (100, 100, 100, Arrivals(), 99),  # nothing of the kind is on its way
    ],
)
@pytest.mark.parametrize("to_vault", [False, True])
def test_F05_a_notary_refuses(
    quantity: int, total: int, sent: int, arrivals: Arrivals, moving: int, to_vault: bool
) -> None:
    books = Books(locked=1_000, released=0, minted=500, burned=moving, moving=moving)
    with refused("VALUE_UNBACKED"):
        check_transfer(transfer(quantity, total), sent=sent, arrivals=arrivals, books=books, to_vault=to_vault)


def test_F07_what_has_arrived_or_come_back_does_not_come_back() -> None:
    for to_vault in (False, True):
        with refused("VALUE_UNBACKED"):
            check_come_back(transfer(1, 1), books=Books(100, 50, 50, 0, 0), to_vault=to_vault)
