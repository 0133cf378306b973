"""The secret: 32 bytes nobody could guess, hashed in the one way both chains know."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from ledger.ethereum.keccak import keccak256
from ledger.hash_lock import Secret, hash_of
from tests.ledger.hash_lock.swap import LANE, SECRET, terms
from tests.ledger.refusals import refused

ENTROPY = bytes.fromhex("9f1c6a0b57e2d4833a61c0ff12b84e7d05a99b3c6e48d1f7230c5d8e9ab16f42")


def test_the_hash_is_sha256_of_the_bytes() -> None:
    assert hash_of(ENTROPY) == hashlib.sha256(ENTROPY).digest() == Secret(ENTROPY).hashlock
    # The value that `sha256sum` gives for 32 zero bytes.
    assert hash_of(bytes(32)).hex() == "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925"


@pytest.mark.parametrize("length", [0, 31, 33, 64, 2**20])
def test_I04_a_preimage_that_is_not_32_bytes(length: int) -> None:
    preimage = (ENTROPY * (length // 32 + 1))[:length]
    with refused("PREIMAGE_LEN"):
        hash_of(preimage)
    with refused("PREIMAGE_LEN"):
        Secret(preimage)


WEAK = {
    "zero": bytes(32),
    "one": (1).to_bytes(32, "big"),
    "a_small_number": (2**128 - 1).to_bytes(32, "big"),
    "a_small_number_from_the_other_end": (2**128 - 1).to_bytes(32, "little"),
    "all_ones": b"\xff" * 32,
    "one_byte_over_and_over": b"\x5a" * 32,
    "eleven_different_bytes": bytes(range(1, 12)) * 2 + bytes(range(1, 11)),
    "a_word": b"secret".rjust(32, b"s"),
}


@pytest.mark.parametrize("name", WEAK)
def test_I11_a_weak_secret(name: str) -> None:
    with refused("PREIMAGE_WEAK"):
        Secret(WEAK[name])


def test_I11_a_secret_that_anybody_can_read() -> None:
    swap = terms().id(LANE.id)
    for public in (swap, terms().hashlock, ENTROPY):
        with refused("PREIMAGE_WEAK"):
            Secret(public, public=(swap, terms().hashlock, ENTROPY))
    with refused("PREIMAGE_WEAK"):
        Secret(ENTROPY, public=(hash_of(ENTROPY),))
    assert Secret(ENTROPY, public=(swap,)).hashlock == hash_of(ENTROPY)


def test_a_secret_is_not_shown() -> None:
    shown = repr(Secret(ENTROPY))
    assert ENTROPY.hex() not in shown
    assert repr(ENTROPY) not in shown


OTHER_HASHES: dict[str, Callable[[bytes], bytes]] = {
    "keccak": keccak256,
    "hashed_twice": lambda secret: hash_of(hash_of(secret)),
    "hash_of_the_hex_text": lambda secret: hashlib.sha256(secret.hex().encode()).digest(),
    "the_secret_itself": lambda secret: secret,
    "reversed": lambda secret: hash_of(secret)[::-1],
}


@pytest.mark.parametrize("name", OTHER_HASHES)
def test_I05_a_hash_lock_that_the_secret_does_not_open(name: str) -> None:
    with refused("OFFER_HASH"):
        SECRET.check(OTHER_HASHES[name](SECRET.preimage))
    SECRET.check(SECRET.hashlock)
