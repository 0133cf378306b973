"""Names of chains and accounts: one chain and account have exactly one encoding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import BadInput
from ledger.interoperable import MAX_BYTES, caip2, caip10, decode, encode, parse_caip2
from tests.ledger.refusals import refused

ACCOUNT = bytes(range(20))
chain_ids = st.one_of(st.integers(1, 2**256 - 1), st.integers(0, 255).map(lambda bits: 2**bits))


@given(chain_ids, st.binary(min_size=20, max_size=20))
def test_an_address_is_read_back(chain_id: int, account: bytes) -> None:
    encoded = encode(chain_id, account)
    assert decode(encoded) == (chain_id, account)
    assert 27 <= len(encoded) <= MAX_BYTES


def test_the_form_is_the_standards() -> None:
    # ERC-7930, example 1 of the standard's text: Ethereum main network and an address.
    account = bytes.fromhex("d8dA6BF26964aF9D7eEd9e03E53415D37aA96045")
    assert encode(1, account).hex() == "00010000010114d8da6bf26964af9d7eed9e03e53415d37aa96045"


@given(chain_ids, st.integers(0, 57), st.integers(1, 255))
def test_one_changed_byte_is_refused_or_another_address(chain_id: int, at: int, mask: int) -> None:
    encoded = bytearray(encode(chain_id, ACCOUNT))
    encoded[at % len(encoded)] ^= mask
    try:
        found = decode(bytes(encoded))
    except BadInput as error:
        assert error.code == "ADDRESS_FORM"
    else:
        assert found != (chain_id, ACCOUNT)
        assert encode(*found) == encoded


@given(st.binary(max_size=64))
def test_any_bytes_are_refused_or_minimal(raw: bytes) -> None:
    try:
        assert encode(*decode(raw)) == raw
    except BadInput as error:
        assert error.code == "ADDRESS_FORM"


FORMS = {
    "nothing": b"",
    "26_bytes": bytes.fromhex("0001000000") + b"\x14" + ACCOUNT,
    "chain_id_zero": bytes.fromhex("0001000001" + "00" + "14") + ACCOUNT,
    "a_leading_zero": bytes.fromhex("0001000003" + "001bbd" + "14") + ACCOUNT,
    "another_version": bytes.fromhex("0002000002" + "1bbd" + "14") + ACCOUNT,
    "another_chain_type": bytes.fromhex("0001000202" + "1bbd" + "14") + ACCOUNT,
    "an_address_of_19_bytes": bytes.fromhex("0001000002" + "1bbd" + "13") + ACCOUNT[:19],
    "an_address_of_21_bytes": bytes.fromhex("0001000002" + "1bbd" + "15") + ACCOUNT + b"\x00",
    "no_address": bytes.fromhex("0001000002" + "1bbd" + "00"),
    "a_byte_missing": encode(7101, ACCOUNT)[:-1],
    "a_byte_more": encode(7101, ACCOUNT) + b"\x00",
    "a_chain_id_of_33_bytes": bytes.fromhex("0001000021" + "01" * 33 + "14") + ACCOUNT,
    "a_size_that_points_outside": bytes.fromhex("00010000ff" + "1bbd" + "14") + ACCOUNT,
}


@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_refused(name: str) -> None:
    with refused("ADDRESS_FORM"):
        decode(FORMS[name])
    assert decode(encode(7101, ACCOUNT)) == (7101, ACCOUNT)


@pytest.mark.parametrize("chain_id", [0, -1, 2**256])
def test_a_chain_id_outside_the_range_is_refused(chain_id: int) -> None:
    with refused("ADDRESS_FORM"):
        encode(chain_id, ACCOUNT)
    assert encode(2**256 - 1, ACCOUNT)


@pytest.mark.parametrize("length", [0, 19, 21, 32])
def test_an_account_has_20_bytes(length: int) -> None:
    with refused("ADDRESS_FORM"):
        encode(7101, bytes(length))


def test_names_are_caip() -> None:
    assert (caip2(7101), parse_caip2("eip155:7101")) == ("eip155:7101", 7101)
    assert caip10(7101, ACCOUNT) == f"eip155:7101:0x{ACCOUNT.hex()}"
    assert parse_caip2("eip155:" + "9" * 32) == int("9" * 32)


NAMES = [
    "",
    "eip155",
    "eip155:",
    "eip155:0",
    "eip155:07101",
    "eip155:-1",
    "eip155:+1",
    "eip155:1e3",
    "eip155:0x1bbd",
    "eip155:7101 ",
    " eip155:7101",
    "eip155:7101\n",
    "EIP155:7101",
    "eip155:7_101",
    "eip155:\u0661",
    "eip155:" + "9" * 33,
    "bip122:000000000019d6689c085ae165831e93",
    "eip155:7101:0x00",
]


@pytest.mark.parametrize("text", NAMES)
def test_another_name_of_a_chain_is_refused(text: str) -> None:
    with refused("CHAIN_NAME"):
        parse_caip2(text)
    assert parse_caip2("eip155:7101") == 7101
