"""Who pays, who is paid, and what it costs (I07, I08, F09)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger.hash_lock import Terms, hash_of
from tests.contracts.evm import Outcome, Reverted
from tests.contracts.swaps import (
    ALICE,
    BOB,
    CAROL,
    SECRET,
    SIDES,
    START,
    WEALTH,
    Swaps,
    funder,
    opened,
    refund_time,
    side_of,
)

# I07: whoever submits, the bound receiver is paid


@pytest.mark.parametrize("name", SIDES)
def test_I07_a_front_runner_pays_the_bound_receiver(swaps: Swaps, name: str) -> None:
    side, terms = opened(swaps, name)
    stolen = replace(terms, **_with_receiver(terms, name, CAROL))
    assert side.do("claim", stolen, SECRET.preimage, by=CAROL) == "LOCK_UNKNOWN"
    assert isinstance(side.do("claim", terms, SECRET.preimage, by=CAROL), Outcome)
    assert side.do("withdraw", CAROL, by=CAROL) == "NOTHING_OWED"
    receiver = terms.leg(side.role).receiver
    assert isinstance(side.do("withdraw", receiver, by=CAROL), Outcome)
    assert side.token.call("balanceOf", CAROL) == WEALTH
    assert side.token.call("balanceOf", receiver) == WEALTH + terms.leg(side.role).quantity


def _with_receiver(terms: Terms, name: str, account: bytes) -> dict[str, Any]:
    role = "initiator" if name == "first" else "responder"
    return {role: replace(getattr(terms, role), receiver=account)}


@pytest.mark.parametrize("name", SIDES)
def test_I07_only_the_funder_funds_and_only_the_initiator_posts_the_bond(swaps: Swaps, name: str) -> None:
    side, terms = side_of(swaps, name), swaps.terms()
    if name == "second":
        for other in (CAROL, BOB[1]):
            assert side.do("bond", terms, by=other) == "NOT_THE_PARTY"
        side.do("bond", terms, by=ALICE[1])
    for other in (CAROL, terms.leg(side.role).receiver):
        assert side.do("fund", terms, by=other) == "NOT_THE_PARTY"
    assert isinstance(side.do("fund", terms, by=funder(terms, name)), Outcome)


# I08: what griefing costs


@pytest.mark.parametrize("name", SIDES)
def test_I08_an_account_has_money_in_so_many_swaps_and_no_more(swaps: Swaps, name: str) -> None:
    side = side_of(swaps, name)
    hashes = [hash_of(bytes([index]) * 32) for index in range(200, 204)]
    terms = [swaps.terms(hashlock=each) for each in hashes]
    # On the second chain another initiator posts each bond, so that the funder's own count is what is tested.
    if name == "second":
        terms = [
            replace(each, responder=replace(each.responder, receiver=bytes([0xD0 + index]) * 20))
            for index, each in enumerate(terms)
        ]
        for each in terms:
            side.token.send("mint", each.responder.receiver, 100)
            assert isinstance(side.do("bond", each, by=each.responder.receiver), Outcome)
    for each in terms[:3]:
        assert isinstance(side.do("fund", each, by=funder(each, name)), Outcome)
    assert side.do("fund", terms[3], by=funder(terms[3], name)) == "LOCK_QUOTA"
    swaps.at(refund_time(terms[0], name))
    assert isinstance(side.do("refund", terms[0]), Outcome)
    swaps.at(START)
    assert isinstance(side.do("fund", terms[3], by=funder(terms[3], name)), Outcome)
    side.agrees(*terms)


def test_I08_bonds_count_against_the_initiator(swaps: Swaps) -> None:
    terms = [swaps.terms(hashlock=hash_of(bytes([index]) * 32)) for index in range(200, 204)]
    for each in terms[:3]:
        assert isinstance(swaps.second.do("bond", each, by=ALICE[1]), Outcome)
    assert swaps.second.do("bond", terms[3], by=ALICE[1]) == "LOCK_QUOTA"
    assert isinstance(swaps.second.do("fund", terms[0], by=BOB[1]), Outcome)
    assert isinstance(swaps.second.do("claim", terms[0], bytes([200]) * 32), Outcome)
    assert isinstance(swaps.second.do("bond", terms[3], by=ALICE[1]), Outcome)
    swaps.second.agrees(*terms)


def test_I08_the_bond_is_asked_for_and_bounded(swaps: Swaps) -> None:
    for wrong in (49, 5_001, 0):
        terms = swaps.terms(bond=wrong)
        assert swaps.second.do("bond", terms, by=ALICE[1]) == "OFFER_BOND"
        assert swaps.second.do("fund", terms, by=BOB[1]) == "OFFER_BOND"
        assert swaps.first.do("fund", terms, by=ALICE[0]) == "OFFER_BOND"
    for index, right in enumerate((50, 5_000)):
        terms = swaps.terms(bond=right, hashlock=hash_of(bytes([200 + index]) * 32))
        assert swaps.second.do("fund", terms, by=BOB[1]) == "LOCK_STATE"
        swaps.open_second(terms)
        assert swaps.second.do("bond", terms, by=ALICE[1]) == "LOCK_STATE"


# F09: amounts, and parties


@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize("leg", [2, 3])
def test_F09_amounts_at_the_edges(swaps: Swaps, name: str, leg: int) -> None:
    side = side_of(swaps, name)
    raw = list(swaps.terms(bond=5_000).as_abi())
    stood = side.told()
    for amount in (0, 2**128, 2**256 - 1):
        changed = list(raw)
        changed[leg] = (amount, *raw[leg][1:])
        with pytest.raises(Reverted, match=r"HashLock: quantity"):
            side.lock.send("fund", tuple(changed), by=funder(swaps.terms(), name))
    with pytest.raises(Reverted, match=r"HashLock: bond larger"):
        side.lock.send("fund", (raw[0], 2**256 - 1, *raw[2:]), by=funder(swaps.terms(), name))
    assert side.told() == stood
    most = swaps.terms(first_quantity=2**128 - 1, second_quantity=2**128 - 1, bond=2**128 - 1)
    for account in (ALICE[1], funder(most, name)):
        side.token.send("mint", account, 2**128)
    if name == "second":
        side.do("bond", most, by=ALICE[1])
    assert isinstance(side.do("fund", most, by=funder(most, name)), Outcome)
    assert isinstance(side.do("claim", most, SECRET.preimage), Outcome)
    side.agrees(most)


@pytest.mark.parametrize("name", SIDES)
def test_a_leg_without_two_parties(swaps: Swaps, name: str) -> None:
    side = side_of(swaps, name)
    raw = swaps.terms().as_abi()
    stood = side.told()
    own = 2 if name == "first" else 3
    other = 5 - own
    quantity, payer, paid, time = raw[other]
    nobody, mine = bytes(20), funder(swaps.terms(), name)
    for leg, reason in (
        ((quantity, nobody, paid, time), "HashLock: no party"),
        ((quantity, payer, nobody, time), "HashLock: no party"),
        ((quantity, paid, paid, time), "HashLock: one party"),
    ):
        changed = list(raw)
        changed[other] = leg
        with pytest.raises(Reverted, match=reason):
            side.lock.send("fund", tuple(changed), by=mine)
    assert side.told() == stood
    opened(swaps, name)
