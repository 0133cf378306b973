"""I15 on chain: a lock takes tokens from nobody but its caller, so a stolen key loses what it holds and no more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ledger.ethereum.keccak import keccak256
from ledger.hash_lock import Secret
from tests.contracts.evm import Reverted
from tests.contracts.swaps import ALICE, BOB, START, opened_lane
from tests.ledger.refusals import refused

HOT, TREASURY = b"\x40" * 20, BOB[1]
FLOAT = 700


def test_I15_a_stolen_key_moves_its_float_and_nothing_of_the_treasury() -> None:
    swaps = opened_lane()
    side = swaps.second
    side.token.send("mint", HOT, FLOAT)
    rich = side.token.call("balanceOf", TREASURY)

    def stolen(number: int, quantity: int, **changed: bytes) -> object:
        """The thief funds a leg whose secret he knows, to an accomplice who has posted the bond."""
        terms = swaps.terms(
            hashlock=Secret(keccak256(bytes([number]))).hashlock,
            second_quantity=quantity,
            second_funder=changed.get("funder", HOT),
        )
        side.lock.send("bond", terms.as_abi(), by=ALICE[1])
        return side.lock.send("fund", terms.as_abi(), by=HOT)

    before = side.evm.fingerprint(side.token)
    with side.evm.rolled_back(), pytest.raises(Reverted) as not_his:
        stolen(1, 300, funder=TREASURY)
    assert not_his.value.reason == "HashLock: not the funder"
    assert side.evm.fingerprint(side.token) == before
    with side.evm.rolled_back(), pytest.raises(Reverted):
        stolen(2, FLOAT + 1)  # more than the key holds
    assert side.evm.fingerprint(side.token) == before
    stolen(3, 400)
    stolen(4, 300)
    with side.evm.rolled_back(), pytest.raises(Reverted):
        stolen(5, 1)
    assert side.token.call("balanceOf", HOT) == 0
    assert side.token.call("balanceOf", TREASURY) == rich
    assert side.token.call("balanceOf", side.lock.address) >= FLOAT


def test_I15_what_comes_back_goes_to_who_funded_and_to_nobody_a_key_could_name() -> None:
    swaps = opened_lane()
    side, terms = swaps.second, swaps.terms()
    swaps.open_second(terms)
    swaps.at(START + 10_000)
    elsewhere = replace(terms, responder=replace(terms.responder, funder=HOT))
    with pytest.raises(Reverted) as unknown:
        side.lock.send("refund", elsewhere.as_abi(), by=HOT)
    assert unknown.value.reason == "HashLock: no such swap"
    side.lock.send("refund", terms.as_abi(), by=HOT)
    assert (side.lock.call("owed", HOT), side.lock.call("owed", TREASURY)) == (0, terms.responder.quantity + terms.bond)
    with pytest.raises(Reverted) as nothing:
        side.lock.send("withdraw", HOT, by=HOT)
    assert nothing.value.reason == "HashLock: nothing owed"
    rich = side.token.call("balanceOf", TREASURY)
    side.lock.send("withdraw", TREASURY, by=HOT)  # anybody may ask; only the account is paid
    assert side.token.call("balanceOf", TREASURY) == rich + terms.responder.quantity + terms.bond
    with refused("OFFER_PARTIES"):
        replace(terms.responder, receiver=terms.responder.funder)
