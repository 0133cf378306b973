"""Preimages and hash locks (I04, I05, I11): what opens a leg, and what none may be locked with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from ledger.ethereum.keccak import keccak256
from ledger.hash_lock import hash_of
from ledger.hash_lock.lock import KNOWN_SECRETS, used_key
from tests.contracts.evm import Outcome, Reverted
from tests.contracts.swaps import (
    ALICE,
    BOB,
    CAROL,
    SECRET,
    SIDES,
    START,
    Swaps,
    funder,
    opened,
    refund_time,
    side_of,
)
from tests.ledger.refusals import refused

# I04, I05: the preimage


@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize("length", [0, 31, 33, 64, 2**16])
def test_I04_a_preimage_that_is_not_32_bytes(swaps: Swaps, name: str, length: int) -> None:
    """A call with another length than one word after the terms; the twin has a case of its own for 2^20 bytes."""
    side, terms = opened(swaps, name)
    stood = side.told()
    call = side.lock.interface.encode_call("claim", terms.as_abi(), SECRET.preimage)[:-32]
    with pytest.raises(Reverted) as caught:
        side.evm.transact(side.lock.address, call + (SECRET.preimage * 2049)[:length])
    assert caught.value.reason == ("HashLock: preimage length" if length > 32 else "")
    assert side.told() == stood
    with refused("PREIMAGE_LEN"):
        side.twin.claim(terms, (SECRET.preimage * 2049)[:length], now=START)
    assert isinstance(side.do("claim", terms, SECRET.preimage), Outcome)


OTHER_HASHES: dict[str, Callable[[bytes], bytes]] = {
    "keccak": keccak256,
    "hashed_twice": lambda secret: hash_of(hash_of(secret)),
    "hash_of_the_hex_text": lambda secret: hashlib.sha256(secret.hex().encode()).digest(),
    "hash_of_33_bytes": lambda secret: hashlib.sha256(secret + b"\x00").digest(),
    "hash_of_31_bytes": lambda secret: hashlib.sha256(secret[:31]).digest(),
    "sha512_cut_short": lambda secret: hashlib.sha512(secret).digest()[:32],
}


@pytest.mark.parametrize("name", OTHER_HASHES)
def test_I05_another_hash_opens_neither_leg(swaps: Swaps, name: str) -> None:
    terms = swaps.terms(hashlock=OTHER_HASHES[name](SECRET.preimage))
    with refused("OFFER_HASH"):
        SECRET.check(terms.hashlock)
    swaps.open_first(terms)
    swaps.open_second(terms)
    for side in (swaps.first, swaps.second):
        assert side.do("claim", terms, SECRET.preimage) == "PREIMAGE_WRONG"
    swaps.at(terms.initiator.refund_time)
    for side in (swaps.first, swaps.second):
        assert isinstance(side.do("refund", terms), Outcome)


@pytest.mark.parametrize("name", SIDES)
def test_I05_another_preimage(swaps: Swaps, name: str) -> None:
    side, terms = opened(swaps, name)
    for wrong in (bytes(32), SECRET.hashlock, SECRET.preimage[::-1], terms.id(swaps.lane.id)):
        assert side.do("claim", terms, wrong) == "PREIMAGE_WRONG"
    assert isinstance(side.do("claim", terms, SECRET.preimage), Outcome)


# I11: secrets that are none, hash locks used before


@pytest.mark.parametrize("name", SIDES)
def test_I11_a_hash_lock_that_everybody_can_open(swaps: Swaps, name: str) -> None:
    side = side_of(swaps, name)
    for known in KNOWN_SECRETS:
        assert side.do("fund", swaps.terms(hashlock=hash_of(known)), by=funder(swaps.terms(), name)) == "HASH_REUSED"
    if name == "second":
        assert side.do("bond", swaps.terms(hashlock=hash_of(bytes(32))), by=ALICE[1]) == "HASH_REUSED"
    opened(swaps, name)


@pytest.mark.parametrize("name", SIDES)
def test_I11_a_zero_hash_lock(swaps: Swaps, name: str) -> None:
    side, terms = side_of(swaps, name), swaps.terms()
    stood = side.told()
    with pytest.raises(Reverted, match="HashLock: no hash lock"):
        side.lock.send("fund", (bytes(32), *terms.as_abi()[1:]), by=funder(terms, name))
    with refused("OFFER_HASH"):
        swaps.terms(hashlock=bytes(32))
    assert side.told() == stood
    opened(swaps, name)


@pytest.mark.parametrize("name", SIDES)
def test_I11_a_funder_never_uses_a_hash_lock_twice(swaps: Swaps, name: str) -> None:
    side, terms = opened(swaps, name)
    key = used_key(funder(terms, name), terms.hashlock)
    assert side.lock.call("used", key)
    assert not side.lock.call("used", used_key(CAROL, terms.hashlock))
    # Another swap with the same hash: other terms, so another id.
    again = swaps.terms(first_quantity=7, second_quantity=700, bond=7)
    if name == "second":
        assert isinstance(side.do("bond", again, by=ALICE[1]), Outcome)
    assert side.do("fund", again, by=funder(terms, name)) == "HASH_REUSED"
    swaps.at(refund_time(terms, name))
    assert isinstance(side.do("refund", terms), Outcome)
    swaps.at(START)
    assert side.do("fund", again, by=funder(terms, name)) == "HASH_REUSED"


@pytest.mark.parametrize("name", SIDES)
def test_I11_nobody_locks_with_a_preimage_that_was_revealed(swaps: Swaps, name: str) -> None:
    side, terms = opened(swaps, name)
    other = {"first_funder": CAROL} if name == "first" else {"second_funder": CAROL}
    late = swaps.terms(**other)
    if name == "second":
        assert isinstance(side.do("bond", late, by=ALICE[1]), Outcome)
    assert isinstance(side.do("claim", terms, SECRET.preimage), Outcome)
    assert side.do("fund", late, by=CAROL) == "HASH_REUSED"
    fresh = swaps.terms(hashlock=hash_of(b"\xee" * 32), **other)
    if name == "second":
        assert isinstance(side.do("bond", fresh, by=ALICE[1]), Outcome)
    assert isinstance(side.do("fund", fresh, by=CAROL), Outcome)


@pytest.mark.parametrize("name", SIDES)
def test_I11_a_secret_seen_elsewhere_can_be_exposed_and_hurts_no_open_leg(swaps: Swaps, name: str) -> None:
    side, terms = opened(swaps, name)
    exposed = side.do("expose", SECRET.preimage, by=CAROL)
    assert isinstance(exposed, Outcome)
    assert exposed.log("Revealed") == {"hashlock": SECRET.hashlock, "preimage": SECRET.preimage}
    other = swaps.terms(first_funder=CAROL, second_funder=CAROL)
    assert side.do("fund", other, by=CAROL) == "HASH_REUSED"
    assert isinstance(side.do("claim", terms, SECRET.preimage), Outcome)


@pytest.mark.parametrize("name", SIDES)
def test_I08_I11_a_squatter_cannot_burn_a_hash_lock_seen_in_the_pool(swaps: Swaps, name: str) -> None:
    side = side_of(swaps, name)
    squat = swaps.terms(
        first_funder=CAROL, first_quantity=1, second_funder=CAROL, second_quantity=1, bond=1, second_receiver=BOB[1]
    )
    if name == "second":
        assert isinstance(side.do("bond", squat, by=BOB[1]), Outcome)
    assert isinstance(side.do("fund", squat, by=CAROL), Outcome)
    opened(swaps, name)
