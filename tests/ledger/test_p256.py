"""ECDSA P-256 as we accept it: one spelling of a signature and of a key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import p256
from tests.ledger.refusals import refused

PRIVATE = bytes([7]) * 32
PUBLIC = p256.public_key(PRIVATE)
SIGNED = p256.sign(PRIVATE, b"tea")


def high_s(signature: bytes) -> bytes:
    return signature[:32] + (p256.ORDER - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")


def test_the_vector_of_rfc_6979() -> None:
    """A.2.5, message `sample`, with the low one of the two possible s."""
    private = bytes.fromhex("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721")
    r = "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
    s = int("F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8", 16)
    assert p256.sign(private, b"sample").hex().upper() == r + f"{p256.ORDER - s:064X}"
    assert (
        p256.public_key(private).hex().upper().startswith("0460FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E")
    )


@given(st.binary(max_size=100))
def test_what_is_signed_verifies_and_is_low(message: bytes) -> None:
    signature = p256.sign(PRIVATE, message)
    assert signature == p256.sign(PRIVATE, message) and p256.low_s(high_s(signature)) == signature
    p256.verify(PUBLIC, message, signature)


def test_A01_the_twin_with_a_high_s_is_refused() -> None:
    with refused("SIG_MALLEABLE"):
        p256.verify(PUBLIC, b"tea", high_s(SIGNED))
    p256.verify(PUBLIC, b"tea", SIGNED)


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        SIGNED[:63],
        SIGNED + b"\0",
        bytes(64),
        bytes(32) + SIGNED[32:],
        SIGNED[:32] + bytes(32),
        p256.ORDER.to_bytes(32, "big") + SIGNED[32:],
        b"\xff" * 32 + SIGNED[32:],
        bytes([SIGNED[0] ^ 1]) + SIGNED[1:],
    ],
)
def test_no_other_signature_holds(signature: bytes) -> None:
    with refused("SIG_INVALID"):
        p256.verify(PUBLIC, b"tea", signature)


def test_another_message_or_key_does_not_verify() -> None:
    with refused("SIG_INVALID"):
        p256.verify(PUBLIC, b"teas", SIGNED)
    with refused("SIG_INVALID"):
        p256.verify(p256.public_key(bytes([8]) * 32), b"tea", SIGNED)


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (PUBLIC[:64], "KEY_LENGTH"),
        (b"\x02" + PUBLIC[1:33], "KEY_LENGTH"),  # the compressed spelling
        (b"\x00", "KEY_LENGTH"),  # the point at infinity
        (PUBLIC[:-1] + bytes([PUBLIC[-1] ^ 1]), "KEY_INVALID"),
        (b"\x06" + PUBLIC[1:], "KEY_INVALID"),  # the hybrid spelling
        (b"\x04" + bytes(64), "KEY_INVALID"),
        (b"\x04" + b"\xff" * 64, "KEY_INVALID"),
    ],
)
def test_no_other_key_is_enrolled(key: bytes, code: str) -> None:
    with refused(code):
        p256.check_public_key(key)
    with refused(code):
        p256.verify(key, b"tea", SIGNED)
    p256.check_public_key(PUBLIC)


@pytest.mark.parametrize(
    ("key", "code"),
    [(bytes(31), "KEY_LENGTH"), (bytes(32), "KEY_INVALID"), (p256.ORDER.to_bytes(32, "big"), "KEY_INVALID")],
)
def test_a_private_key_is_a_number_below_the_order(key: bytes, code: str) -> None:
    with refused(code):
        p256.sign(key, b"tea")
