"""Which bytes are a transaction: one form only, one signature only, for this chain only."""

from __future__ import annotations

from typing import Any

import pytest
import rlp
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.embedded.transaction import MAX_TRANSACTION_BYTES, SECP256K1_N, decode_transaction
from ledger.errors import BadInput, Problem
from tests.contracts.embedded.probe import CHAIN_ID, GWEI, Wallet

WALLET = Wallet()


def code_of(raw: bytes) -> str:
    with pytest.raises(Problem) as caught:
        decode_transaction(raw, chain_id=CHAIN_ID)
    return caught.value.code


def edited(raw: bytes, **changes: Any) -> bytes:
    """A dynamic-fee transaction with some of its last three fields (parity, r, s) replaced."""
    fields = rlp.decode(raw[1:])
    for name, value in changes.items():
        fields[("parity", "r", "s").index(name) - 3] = value
    return b"\x02" + bytes(rlp.encode(fields))


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_an_honest_transaction_names_its_sender(kind: int) -> None:
    transaction = decode_transaction(WALLET.sign(5, type=kind, value=7), chain_id=CHAIN_ID)
    assert (transaction.sender, transaction.nonce, transaction.value) == (WALLET.raw_address, 5, 7)
    assert transaction.kind == kind
    assert transaction.price_at(GWEI) == (3 * GWEI if kind < 2 else 2 * GWEI)


def test_the_mirrored_signature_is_refused() -> None:
    """SIG_MALLEABLE: (n - s, flipped parity) recovers the same key."""
    raw = WALLET.sign(0)
    parity, _, s = rlp.decode(raw[1:])[-3:]
    mirrored = edited(
        raw,
        s=(SECP256K1_N - int.from_bytes(s, "big")).to_bytes(32, "big"),
        parity=b"" if parity else b"\x01",
    )
    assert code_of(mirrored) == "SIG_MALLEABLE"


@pytest.mark.parametrize(
    "changes",
    [{"parity": b"\x02"}, {"parity": b"\x1b"}, {"r": b""}, {"s": b""}, {"r": SECP256K1_N.to_bytes(32, "big")}],
)
def test_impossible_signatures_are_refused(changes: dict[str, bytes]) -> None:
    assert code_of(edited(WALLET.sign(0), **changes)) == "SIG_INVALID"


def test_a_signature_for_another_chain_is_refused() -> None:
    for kind in (0, 1, 2):
        assert code_of(Wallet(chain_id=1).sign(0, type=kind, chainId=1)) == "TX_CHAIN_ID"


def test_a_legacy_signature_for_every_chain_is_refused() -> None:
    fields = rlp.decode(WALLET.sign(0, type=0))
    for v in (27, 28):
        fields[6] = bytes([v])
        assert code_of(rlp.encode(fields)) == "TX_UNPROTECTED"
    for other in (b"", b"\x01", b"\x25"):
        fields[6] = other
        assert code_of(rlp.encode(fields)) == "TX_CHAIN_ID"


def test_a_second_encoding_of_the_same_transaction_is_refused() -> None:
    raw = WALLET.sign(0)
    fields = rlp.decode(raw[1:])
    zero_as_byte = b"\x02" + rlp.encode([*fields[:1], b"\x00", *fields[2:]])
    long_form = b"\x02\xf9\x00" + bytes([len(raw) - 3]) + raw[3:] if raw[1] == 0xF8 else b""
    list_as_zero = b"\x02" + rlp.encode([*fields[:6], [], *fields[7:]])  # py-evm reads it as value 0
    for other, code in (
        (list_as_zero, "TX_ENCODING"),
        (zero_as_byte, "TX_ENCODING"),
        (long_form, "RLP_INVALID"),
        (raw + b"\x00", "RLP_TRAILING"),
        (raw[:-1], "RLP_TRAILING"),
    ):
        assert code_of(other) == code
    assert decode_transaction(raw, chain_id=CHAIN_ID).raw == raw


@pytest.mark.parametrize("kind", [3, 5, 0x7F, 0x80, 0xBF])
def test_unknown_types_and_blobs_are_refused(kind: int) -> None:
    assert code_of(bytes([kind]) + WALLET.sign(0)[1:]) == "TX_TYPE"


def test_nothing_and_too_much_are_refused() -> None:
    assert code_of(b"") == "TX_SIZE"
    assert code_of(b"\x02" * (MAX_TRANSACTION_BYTES + 1)) == "TX_SIZE"


def test_nesting_is_refused_before_anything_recurses() -> None:
    """RLP_DEPTH: py-evm's own decoder spends seconds on such bytes."""
    nested = b"\xc0"
    for _ in range(2000):
        nested = _list_of(nested)
    assert code_of(nested) == "RLP_DEPTH"
    assert code_of(b"\x02" + nested) == "RLP_DEPTH"


def test_lists_of_very_many_items_are_refused() -> None:
    fields = rlp.decode(WALLET.sign(0)[1:])
    fields[8] = [[b"\x11" * 20, [bytes(32)] * 3800]]  # as many as fit: only too dear for its gas limit
    assert code_of(b"\x02" + rlp.encode(fields)) == "TX_INTRINSIC_GAS"
    fields[8] = [[b"\x11" * 20, []]] * 1500
    assert code_of(b"\x02" + rlp.encode(fields)) == "TX_ENCODING"
    assert code_of(_list_of(b"\x01" * 100_000)) == "TX_ENCODING"


def _list_of(content: bytes) -> bytes:
    if len(content) < 56:
        return bytes([0xC0 + len(content)]) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([0xF7 + len(length)]) + length + content


def test_a_tip_above_the_whole_fee_is_refused() -> None:
    assert code_of(WALLET.sign(0, maxFeePerGas=GWEI, maxPriorityFeePerGas=GWEI + 1)) == "TX_FEE"


@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
@settings(max_examples=200, deadline=None)
def test_no_changed_bit_keeps_the_sender(position: int, bit: int) -> None:
    raw = bytearray(WALLET.sign(3, data=b"\x01\x02\x03"))
    raw[position % len(raw)] ^= 1 << bit
    try:
        changed = decode_transaction(bytes(raw), chain_id=CHAIN_ID)
    except Problem:
        return
    assert changed.sender != WALLET.raw_address


@given(raw=st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_garbage_is_refused_with_a_typed_error(raw: bytes) -> None:
    with pytest.raises((BadInput, Problem)):
        decode_transaction(raw, chain_id=CHAIN_ID)
