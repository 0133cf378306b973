"""Signatures in one form only, and identity only by recovery. Refusals are named after the attack rows."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import coincurve
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Refused
from ledger.ethereum.keccak import keccak256
from ledger.secp256k1 import HALF_ORDER, ORDER, Signature, SigningKey, recover
from tests.ledger.refusals import public_vectors, refused

KEY = SigningKey.from_secret(b"\x21" * 32)
DIGEST = keccak256(b"a statement")
HONEST = KEY.sign(DIGEST)
FIELD = 2**256 - 2**32 - 977  # the curve's prime


def honest_twin_is_accepted() -> None:
    assert recover(DIGEST, Signature.parse(HONEST.pack())) == KEY.address


def test_the_signer_of_a_digest_is_recovered() -> None:
    honest_twin_is_accepted()
    assert HONEST.s <= HALF_ORDER
    assert Signature.parse_hex(f"0x{HONEST.pack().hex()}") == HONEST


def test_A01_the_high_s_twin_is_refused() -> None:
    with refused("SIG_MALLEABLE"):
        Signature(HONEST.r, ORDER - HONEST.s, 55 - HONEST.v)
    with refused("SIG_MALLEABLE"):
        Signature(HONEST.r, HALF_ORDER + 1, HONEST.v)
    assert Signature(HONEST.r, HALF_ORDER, HONEST.v).s == HALF_ORDER
    honest_twin_is_accepted()


@pytest.mark.parametrize("v", [0, 1, 2, 26, 29, 37, 38, 255, 999, 2**64 + 27, -27, True, 27.0, "27", b"\x1b", None])
def test_A02_only_27_and_28_are_recovery_values(v: Any) -> None:
    with refused("SIG_BAD_V"):
        Signature(HONEST.r, HONEST.s, v)
    if isinstance(v, int) and 0 <= v < 256:
        with refused("SIG_BAD_V"):
            Signature.parse(HONEST.pack()[:64] + bytes([v]))
    honest_twin_is_accepted()


@pytest.mark.parametrize("value", [0, -1, ORDER, ORDER + 1, FIELD, 2**256 - 1, 2**256, True, 1.0, "1", None])
@pytest.mark.parametrize("part", ["r", "s"])
def test_A03_r_and_s_are_inside_the_order(part: str, value: Any) -> None:
    with refused("SIG_RANGE"):
        Signature(**({"r": HONEST.r, "s": HONEST.s, "v": HONEST.v} | {part: value}))
    honest_twin_is_accepted()


def test_A03_an_r_that_overflows_the_order_is_refused() -> None:
    # x coordinates between the order and the prime would need r = x + n: no signature of ours has one.
    for x in range(ORDER, ORDER + 50):
        with refused("SIG_RANGE"):
            Signature(x, 1, 27)


@pytest.mark.parametrize("length", [0, 1, 63, 64, 66, 130])
def test_A04_a_signature_has_65_bytes(length: int) -> None:
    raw = (HONEST.pack() * 2)[:length]
    with refused("SIG_LENGTH"):
        Signature.parse(raw)
    with refused("SIG_LENGTH"):
        Signature.parse_hex(f"0x{raw.hex()}")
    honest_twin_is_accepted()


SPELLINGS: dict[str, Callable[[str], Any]] = {
    "without_0x": lambda digits: digits,
    "with_0X": lambda digits: f"0X{digits}",
    "in_upper_case": lambda digits: f"0x{digits.upper()}",
    "with_an_odd_digit": lambda digits: f"0x{digits[:-1]}",
    "with_spaces": lambda digits: f"0x{digits[:64]} {digits[64:]}",
    "with_a_newline": lambda digits: f"0x{digits}\n",
    "with_unicode_digits": lambda digits: f"0x{digits[:-1]}\u0661",
    "as_bytes": lambda digits: f"0x{digits}".encode(),
    "as_nothing": lambda _digits: None,
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_A04_a_signature_has_one_spelling(name: str) -> None:
    digits = HONEST.pack().hex()
    with refused("SIG_HEX"):
        Signature.parse_hex(SPELLINGS[name](digits))
    assert Signature.parse_hex(f"0x{digits}") == HONEST


def test_A05_what_recovers_to_no_key_is_refused() -> None:
    unrecoverable = next(r for r in range(1, 100) if not is_on_curve(r))
    with refused("SIG_UNKNOWN"):
        recover(DIGEST, Signature(unrecoverable, 1, 27))
    honest_twin_is_accepted()


def is_on_curve(x: int) -> bool:
    return pow(x**3 + 7, (FIELD - 1) // 2, FIELD) == 1


SHAPES = {
    "of_31_bytes": DIGEST[:31],
    "of_33_bytes": DIGEST + b"\x00",
    "of_no_bytes": b"",
    "all_zero": bytes(32),
    "of_an_empty_payload": keccak256(b""),
}


@pytest.mark.parametrize("name", SHAPES)
def test_A14_a_digest_is_neither_signed_nor_recovered_from(name: str) -> None:
    with refused("DIGEST_SHAPE"):
        KEY.sign(SHAPES[name])
    with refused("DIGEST_SHAPE"):
        recover(SHAPES[name], HONEST)
    honest_twin_is_accepted()


def test_A16_no_r_is_repeated_over_ten_thousand_digests() -> None:
    digests = [keccak256(number.to_bytes(4, "big")) for number in range(10_000)]
    assert len({KEY.sign(digest).r for digest in digests}) == 10_000


def test_A16_the_nonce_is_the_one_of_rfc_6979() -> None:
    for number in range(1, 40):
        secret, digest = keccak256(b"key %d" % number), keccak256(b"digest %d" % number)
        signature = SigningKey.from_secret(secret).sign(digest)
        assert signature == SigningKey.from_secret(secret).sign(digest)
        point = coincurve.PublicKey.from_secret(rfc6979_nonce(secret, digest)).point()
        assert signature.r == point[0] % ORDER


def rfc6979_nonce(secret: bytes, digest: bytes) -> bytes:
    """RFC 6979 section 3.2 with HMAC-SHA-256; the first candidate, which is out of range once in 2^128."""
    seed = secret + (int.from_bytes(digest, "big") % ORDER).to_bytes(32, "big")
    value, key = b"\x01" * 32, b"\x00" * 32
    for separator in (b"\x00", b"\x01"):
        key = hmac.digest(key, value + separator + seed, "sha256")
        value = hmac.digest(key, value, "sha256")
    return hmac.digest(key, value, "sha256")


WRONG_HASHES = {
    "sha256_instead_of_keccak": hashlib.sha256(b"a statement").digest(),
    "keccak_of_the_hex_text": keccak256(DIGEST.hex().encode()),
    "prefixed_for_a_wallet": keccak256(b"\x19Ethereum Signed Message:\n32" + DIGEST),
    "hashed_twice": keccak256(DIGEST),
}


@pytest.mark.parametrize("name", WRONG_HASHES)
def test_A18_a_signature_over_another_hash_is_somebody_elses(name: str) -> None:
    try:
        signer = recover(DIGEST, KEY.sign(WRONG_HASHES[name]))
    except Refused as error:
        assert error.code == "SIG_UNKNOWN"
    else:
        assert signer != KEY.address
    honest_twin_is_accepted()


@pytest.mark.parametrize("secret", [b"", bytes(32), b"\x01" * 31, b"\x01" * 33, ORDER.to_bytes(32, "big")])
def test_a_key_outside_the_order_is_refused(secret: bytes) -> None:
    with refused("KEY_INVALID"):
        SigningKey.from_secret(secret)


def test_K01_a_key_never_shows_its_secret() -> None:
    shown = f"{KEY!r} {KEY} {[KEY]}"
    assert KEY.secret.hex() not in shown
    assert str(KEY.secret) not in shown
    assert KEY.address.hex() in shown


@given(st.binary(max_size=140))
def test_no_bytes_break_the_reader(raw: bytes) -> None:
    try:
        assert Signature.parse(raw).pack() == raw
    except Refused as error:
        assert error.code in {"SIG_LENGTH", "SIG_BAD_V", "SIG_RANGE", "SIG_MALLEABLE"}


# -- A17: Project Wycheproof, secp256k1 with SHA-256 --------------------------------------------------------------


def verifies(public_key: bytes, digest: bytes, r: int, s: int) -> bool:
    """Whether one of the two recovery values leads to the key, through our strict signature."""
    address = keccak256(public_key[1:])[12:]
    for v in (27, 28):
        try:
            if recover(digest, Signature(r, s, v)) == address:
                return True
        except Refused as error:
            assert error.code in {"SIG_RANGE", "SIG_MALLEABLE", "SIG_UNKNOWN"}
    return False


def read_der(raw: bytes) -> tuple[int, int] | None:
    """An ECDSA signature in DER (X.690): SEQUENCE of two positive INTEGERs, minimal, nothing after; else None."""
    if len(raw) < 8 or raw[0] != 0x30 or raw[1] != len(raw) - 2 or raw[1] > 127:
        return None
    numbers, rest = [], raw[2:]
    for _ in range(2):
        if len(rest) < 3 or rest[0] != 0x02 or not 0 < rest[1] <= min(33, len(rest) - 2):
            return None
        content, rest = rest[2 : 2 + rest[1]], rest[2 + rest[1] :]
        if content[0] > 127 or (len(content) > 1 and content[0] == 0 and content[1] < 128):
            return None
        numbers.append(int.from_bytes(content, "big"))
    return None if rest else (numbers[0], numbers[1])


def vectors(name: str) -> list[tuple[bytes, dict[str, Any]]]:
    groups = json.loads(public_vectors(f"wycheproof/{name}").read_text())["testGroups"]
    return [(bytes.fromhex(group["publicKey"]["uncompressed"]), test) for group in groups for test in group["tests"]]


def is_accepted(key: bytes, test: dict[str, Any], numbers: tuple[int, int] | None) -> bool:
    digest = hashlib.sha256(bytes.fromhex(test["msg"])).digest()
    return numbers is not None and verifies(key, digest, *numbers)


# Valid in plain ECDSA and refused by us on purpose: the signature's point has x >= n, so that r = x - n and the
# recovery value would be 29 or 30. A signer meets such a point once in 2^128 times, and the EVM has no such value.
R_BELOW_X = {"bitcoin": [346], "p1363": [115, 247]}


def test_A17_the_wycheproof_bitcoin_vectors() -> None:
    found = vectors("ecdsa_secp256k1_sha256_bitcoin_test.json")
    wrong = [
        test["tcId"]
        for key, test in found
        if is_accepted(key, test, read_der(bytes.fromhex(test["sig"]))) != (test["result"] == "valid")
    ]
    assert wrong == R_BELOW_X["bitcoin"]
    results = [test["result"] for _, test in found]
    assert (results.count("valid"), results.count("invalid")) == (162, 301)


def test_A17_the_wycheproof_p1363_vectors_with_its_high_s_apart() -> None:
    found = vectors("ecdsa_secp256k1_sha256_p1363_test.json")
    high, wrong = 0, []
    for key, test in found:
        raw = bytes.fromhex(test["sig"])
        numbers = (int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")) if len(raw) == 64 else None
        if test["result"] == "valid" and numbers is not None and numbers[1] > HALF_ORDER:
            # This file counts high s as valid: we refuse it, and accept its low twin.
            assert not is_accepted(key, test, numbers), test["tcId"]
            numbers, high = (numbers[0], ORDER - numbers[1]), high + 1
        if is_accepted(key, test, numbers) != (test["result"] == "valid"):
            wrong.append(test["tcId"])
    assert (high, wrong) == (72, R_BELOW_X["p1363"])
    results = [test["result"] for _, test in found]
    assert (results.count("valid"), results.count("invalid")) == (167, 85)
