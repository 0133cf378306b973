"""Tokens and receivers that misbehave: nothing is credited that did not arrive, and nobody stands in another's way."""

from __future__ import annotations

import pytest

from ledger.hash_lock import Terms, hash_of
from tests.contracts.evm import Outcome, Reverted
from tests.contracts.swaps import ALICE, BOB, SECRET, START, WEALTH, Side, Swaps, opened_lane

HONEST, KEEPS_A_FEE, ANSWERS_FALSE, REVERTS, MOVES_NOTHING, MOVES_ONE_MORE, CALLS_BACK = range(7)

BAD_TOKENS = {
    "F04_keeps_a_fee": (KEEPS_A_FEE, "HashLock: token moved another amount"),
    "F04_answers_false": (ANSWERS_FALSE, "HashLock: token refused"),
    "F04_reverts": (REVERTS, "TestToken: paused"),
    "F04_moves_nothing": (MOVES_NOTHING, "HashLock: token moved another amount"),
    "F04_moves_one_more": (MOVES_ONE_MORE, "HashLock: token moved another amount"),
}


@pytest.fixture
def swaps() -> Swaps:
    return opened_lane()


def misbehave(side: Side, mode: int, target: bytes = bytes(20), call_back: bytes = b"") -> None:
    side.token.send("misbehave", mode, target, call_back)


def claimed(swaps: Swaps) -> Terms:
    """A first leg that was claimed and not yet paid out."""
    terms = swaps.terms()
    swaps.open_first(terms)
    assert isinstance(swaps.first.do("claim", terms, SECRET.preimage), Outcome)
    return terms


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_funding_is_refused_with_a_token_that(swaps: Swaps, name: str) -> None:
    mode, reason = BAD_TOKENS[name]
    terms = swaps.terms()
    misbehave(swaps.first, mode)
    misbehave(swaps.second, mode)
    stood = (swaps.first.told(), swaps.second.told())
    for side, action, account in (
        (swaps.first, "fund", ALICE[0]),
        (swaps.second, "bond", ALICE[1]),
    ):
        with pytest.raises(Reverted, match=reason):
            side.lock.send(action, terms.as_abi(), by=account)
    assert (swaps.first.told(), swaps.second.told()) == stood
    misbehave(swaps.first, HONEST)
    misbehave(swaps.second, HONEST)
    swaps.open_first(terms)
    swaps.open_second(terms)


@pytest.mark.parametrize("name", sorted(set(BAD_TOKENS) - {"F04_keeps_a_fee"}))
def test_paying_out_is_refused_and_the_debt_stays_with_a_token_that(swaps: Swaps, name: str) -> None:
    mode, reason = BAD_TOKENS[name]
    terms = claimed(swaps)
    swaps.open_first(swaps.terms(hashlock=hash_of(b"\xee" * 32)))  # another's money, which the token could take
    misbehave(swaps.first, mode)
    stood = swaps.first.told()
    with pytest.raises(Reverted, match=reason):
        swaps.first.lock.send("withdraw", BOB[0])
    assert swaps.first.told() == stood
    misbehave(swaps.first, HONEST)
    assert isinstance(swaps.first.do("withdraw", BOB[0]), Outcome)
    swaps.first.agrees(terms)


def test_F04_a_fee_taken_from_the_receiver_is_between_token_and_receiver(swaps: Swaps) -> None:
    """What leaves the contract is what it owed; the others' money is whole."""
    terms = claimed(swaps)
    misbehave(swaps.first, KEEPS_A_FEE)
    assert isinstance(swaps.first.do("withdraw", BOB[0]), Outcome)
    assert swaps.first.token.call("balanceOf", BOB[0]) == WEALTH + 999
    swaps.first.agrees(terms)


def test_a_paused_token_stops_neither_claim_nor_refund(swaps: Swaps) -> None:
    other = swaps.terms(hashlock=hash_of(b"\xee" * 32))
    terms = swaps.terms()
    swaps.open_first(terms)
    swaps.open_first(other)
    misbehave(swaps.first, REVERTS)
    assert isinstance(swaps.first.do("claim", terms, SECRET.preimage), Outcome)
    swaps.at(START + 11_000)
    assert isinstance(swaps.first.do("refund", other), Outcome)
    swaps.first.agrees(terms, other)


def test_a_receiver_whom_the_token_blocks_stops_nobody_else(swaps: Swaps) -> None:
    terms = swaps.terms()
    other = swaps.terms(hashlock=hash_of(b"\xee" * 32))
    swaps.open_first(terms)
    swaps.open_first(other)
    swaps.first.token.send("block_account", BOB[0])
    assert isinstance(swaps.first.do("claim", terms, SECRET.preimage), Outcome)
    with pytest.raises(Reverted, match="TestToken: blocked"):
        swaps.first.lock.send("withdraw", BOB[0])
    swaps.at(START + 11_000)
    assert isinstance(swaps.first.do("refund", other), Outcome)
    assert isinstance(swaps.first.do("withdraw", ALICE[0]), Outcome)
    swaps.first.agrees(terms, other)
    assert swaps.first.twin.owed == {BOB[0]: 1_000}


def test_a_token_that_calls_back_finds_every_door_locked(swaps: Swaps) -> None:
    """While tokens move, nothing can be funded, claimed, refunded or withdrawn a second time."""
    terms = claimed(swaps)
    side, other = swaps.first, swaps.terms(hashlock=hash_of(b"\xee" * 32), first_funder=swaps.first.token.address)
    side.token.send("mint", side.token.address, WEALTH)
    open_leg = swaps.terms(hashlock=hash_of(b"\xef" * 32))
    swaps.open_first(open_leg)
    doors = [
        ("fund", (other.as_abi(),), START),
        ("claim", (open_leg.as_abi(), b"\xef" * 32), START),
        ("refund", (open_leg.as_abi(),), START + 11_000),
        ("withdraw", (BOB[0],), START),
    ]
    for door, arguments, now in doors:
        with side.evm.rolled_back():
            swaps.at(now)
            misbehave(side, CALLS_BACK, side.lock.address, side.lock.interface.encode_call(door, *arguments))
            side.lock.send("withdraw", BOB[0])
            assert not side.token.call("answered"), door
            assert side.token.call("balanceOf", BOB[0]) == WEALTH + 1_000
            # The same call by the same token is fine when nothing else is under way: it is the door that was locked.
            if door != "withdraw":
                side.token.send("transfer", BOB[0], 0)
                assert side.token.call("answered"), door
    swaps.at(START)
    assert isinstance(side.do("withdraw", BOB[0]), Outcome)
    side.agrees(terms, open_leg)


def test_a_token_that_calls_back_can_neither_post_a_bond_nor_fund(swaps: Swaps) -> None:
    side, terms, token = swaps.second, swaps.terms(), swaps.second.token.address
    swaps.open_second(terms)
    assert isinstance(side.do("claim", terms, SECRET.preimage), Outcome)
    side.token.send("mint", token, WEALTH)
    as_initiator = swaps.terms(hashlock=hash_of(b"\xee" * 32), second_receiver=token)
    as_responder = swaps.terms(hashlock=hash_of(b"\xef" * 32), second_funder=token)
    assert isinstance(side.do("bond", as_responder, by=ALICE[1]), Outcome)
    for door, wanted in (("bond", as_initiator), ("fund", as_responder)):
        with side.evm.rolled_back():
            misbehave(side, CALLS_BACK, side.lock.address, side.lock.interface.encode_call(door, wanted.as_abi()))
            side.lock.send("withdraw", ALICE[1])
            assert not side.token.call("answered"), door
            # The same call by the same token is fine when nothing else is under way: it is the door that was locked.
            side.token.send("transfer", BOB[0], 0)
            assert side.token.call("answered"), door
    side.agrees(terms)


def test_a_token_that_pays_in_again_while_it_is_counted_is_refused(swaps: Swaps) -> None:
    """The balance would show a second delivery: counted once, it must be exactly the quantity."""
    side, terms = swaps.first, swaps.terms()
    more = side.token.interface.encode_call("mint", side.lock.address, 1_000)
    misbehave(side, CALLS_BACK, side.token.address, more)
    stood = side.told()
    with pytest.raises(Reverted, match="HashLock: token moved another amount"):
        side.lock.send("fund", terms.as_abi(), by=ALICE[0])
    assert side.told() == stood
    misbehave(side, HONEST)
    swaps.open_first(terms)


def test_a_token_that_answers_nothing_is_served() -> None:
    swaps = opened_lane(token="QuietToken")
    terms = swaps.terms()
    swaps.open_first(terms)
    assert isinstance(swaps.first.do("claim", terms, SECRET.preimage), Outcome)
    assert isinstance(swaps.first.do("withdraw", BOB[0]), Outcome)
    swaps.first.agrees(terms)


def test_tokens_sent_without_a_swap_are_nobodys(swaps: Swaps) -> None:
    """A gift changes no debt and blocks no funding."""
    terms = swaps.terms()
    swaps.first.token.send("mint", swaps.first.lock.address, 5)
    swaps.open_first(terms)
    assert swaps.first.lock.call("held") == 1_000
    assert swaps.first.token.call("balanceOf", swaps.first.lock.address) == 1_005
