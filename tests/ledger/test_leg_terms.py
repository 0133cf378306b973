"""A leg's terms: written and read in one form, and nothing that no application would take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from ledger.errors import BadInput
from ledger.leg_terms import ReceiptTerms, TokenTerms, read_receipt_terms, read_token_terms

A, B, C = (bytes([k]) * 20 for k in range(1, 4))
RECEIPT = ReceiptTerms(b"\x11" * 32, A, b"\x22" * 32, 7, B)
TOKEN = TokenTerms(A, 2**255, B, C)


def test_what_is_written_is_read_again() -> None:
    assert len(RECEIPT.encode()) == 160
    assert read_receipt_terms(RECEIPT.encode()) == RECEIPT
    assert len(TOKEN.encode()) == 128
    assert read_token_terms(TOKEN.encode()) == TOKEN


REFUSED: dict[str, Callable[[], object]] = {
    "nobody_receives": lambda: replace(RECEIPT, receiver=bytes(20)),
    "no_keeper": lambda: replace(RECEIPT, keeper=bytes(20)),
    "a_short_receipt_id": lambda: replace(RECEIPT, receipt_id=bytes(31)),
    "F09_no_quantity": lambda: replace(RECEIPT, quantity=0),
    "F09_a_quantity_past_a_word": lambda: replace(TOKEN, quantity=2**256),
    "F09_a_quantity_below_zero": lambda: replace(TOKEN, quantity=-1),
    "F09_a_quantity_that_is_true": lambda: replace(TOKEN, quantity=True),
    "no_token": lambda: replace(TOKEN, token=bytes(20)),
    "a_long_payee": lambda: replace(TOKEN, payee=bytes(21)),
    "receipt_terms_cut_short": lambda: read_receipt_terms(RECEIPT.encode()[:-1]),
    "token_terms_with_more": lambda: read_token_terms(TOKEN.encode() + b"\0"),
    "token_terms_as_receipt_terms": lambda: read_receipt_terms(TOKEN.encode()),
    "G08_dirty_bytes_before_an_account": lambda: read_token_terms(b"\1" + TOKEN.encode()[1:]),
    "nothing": lambda: read_token_terms(b""),
}


@pytest.mark.parametrize("name", REFUSED)
def test_terms_are_refused(name: str) -> None:
    with pytest.raises(BadInput) as found:
        REFUSED[name]()
    assert found.value.code == "LEG_TERMS"
