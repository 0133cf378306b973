"""The hexadecimal of a node's answers: one form for quantities, whole bytes for data, and nothing else."""

from __future__ import annotations

import pytest

from ledger.errors import BadInput
from ledger.ethereum.rpc_values import data, hex_data, objects, quantity

NOT_DATA = {
    "nothing": None,
    "a number": 7,
    "bytes": b"0x00",
    "no prefix": "00",
    "half a byte": "0x0",
    "another digit": "0x0g",
    "white space within": "0x00 11",
    "white space after": "0x0011 ",
    "white space that makes a pair": "0x0 ",
    "a line's end": "0x00\n",
    "a digit of another script": "0x\u0660\u0660",
    "a sign": "0x-1",
    "an underscore": "0x0_11",
    "the prefix alone, and half of it": "0",
    "the prefix twice": "0x0x",
}
NOT_QUANTITIES = {
    "nothing": None,
    "a number": 7,
    "a leading zero": "0x07",
    "no digit": "0x",
    "too wide": "0x1" + "00" * 32,
    "white space": "0x 7",
    "a sign": "-0x7",
}


@pytest.mark.parametrize("value", NOT_DATA.values(), ids=NOT_DATA)
def test_what_is_not_whole_bytes_is_refused(value: object) -> None:
    with pytest.raises(BadInput) as refusal:
        hex_data(value, "topic")
    assert (refusal.value.code, refusal.value.where) == ("RPC_VALUE", repr(value)[:80])


@pytest.mark.parametrize(("text", "raw"), [("0x", b""), ("0x00ff", b"\x00\xff"), ("0X00Ff", b"\x00\xff")])
def test_whole_bytes_are_read_in_either_case(text: str, raw: bytes) -> None:
    assert hex_data(text, "data") == raw
    assert data({"data": text}, "data", length=len(raw)) == raw
    with pytest.raises(BadInput, match=f"{len(raw) + 1} bytes"):
        data({"data": text}, "data", length=len(raw) + 1)


@pytest.mark.parametrize("value", NOT_QUANTITIES.values(), ids=NOT_QUANTITIES)
def test_a_second_spelling_of_a_quantity_is_refused(value: object) -> None:
    with pytest.raises(BadInput) as refusal:
        quantity({"number": value}, "number")
    assert refusal.value.code == "RPC_VALUE"
    assert quantity({"number": "0x7"}, "number") == 7


def test_a_list_of_objects_is_nothing_else() -> None:
    assert objects({"logs": [{}]}, "logs") == [{}]
    wrong: list[object] = [None, {}, [{}, 7]]
    for value in wrong:
        with pytest.raises(BadInput):
            objects({"logs": value}, "logs")
