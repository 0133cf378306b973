"""Each sequence once: the page in the lane's word and the map beside it are one set, whatever the order of arrival.

A page is 64 sequences. Messages and transfers keep it in different words; voided sequences may stand on any page.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from ledger.ethereum.keccak import keccak256
from ledger.proposal import Proposal
from tests.contracts.gateway_bed import NOTARY, PEER, SENDER, Bed

VALUE_SENDER = b"\x5f" * 20
USED = "Gateway: already committed"
FAR = 2**46  # the first sequence that no page holds: its page's number has more than 40 bits
PLACES = (0, 1, 63, 64, 127, 128, 191, 192, 255, 256, 320, 16_384, FAR - 1, FAR, 2**64 - 1)


@pytest.fixture(params=["messages", "transfers"])
def laid(request: pytest.FixtureRequest, bed: Bed) -> Bed:
    """A bed on whose lane the tests commit messages, or transfers."""
    if request.param == "transfers":
        bed.open(value=True, sender=VALUE_SENDER)
        bed.limit(2**112 - 1, 2**112 - 1, sender=VALUE_SENDER)
    return bed


@pytest.fixture
def is_value(request: pytest.FixtureRequest) -> bool:
    return bool(request.node.callspec.params["laid"] == "transfers")


def numbered(bed: Bed, sequence: int, is_value: bool, **changed: Any) -> Proposal:
    """A message with this sequence, on the lane under test."""
    if is_value:
        return bed.transfer(1, 2**100, sequence=sequence, sender=VALUE_SENDER, **changed)
    return bed.message(sequence=sequence, **changed)


def test_C01_no_order_of_arrival_lets_a_sequence_through_twice(laid: Bed, is_value: bool) -> None:
    for seed in range(3):
        order = list(PLACES)
        random.Random(seed).shuffle(order)
        with laid.evm.rolled_back():
            for place, sequence in enumerate(order):
                proposal = numbered(laid, sequence, is_value)
                assert not laid.is_committed(proposal)
                laid.commit(proposal)
                for earlier in order[: place + 1]:
                    assert laid.is_committed(numbered(laid, earlier, is_value)), (seed, earlier)
                # Another message with a used sequence, on this page and on pages that were left.
                for earlier in (sequence, order[place // 2]):
                    with laid.refused(USED):
                        laid.commit(numbered(laid, earlier, is_value, gas_limit=500_000))
            assert not any(laid.is_committed(numbered(laid, sequence + 2, is_value)) for sequence in (0, 64, 256))


def test_C01_going_back_and_forth_between_two_pages_forgets_nothing(laid: Bed, is_value: bool) -> None:
    for sequence in (70, 3, 71, 4, 130, 72, 5, 131):
        laid.commit(numbered(laid, sequence, is_value))
    for sequence in (70, 3, 71, 4, 130, 72, 5, 131):
        with laid.refused(USED):
            laid.commit(numbered(laid, sequence, is_value, gas_limit=500_000))
    laid.commit(numbered(laid, 132, is_value))


def test_C01_several_together_cross_pages_and_are_refused_one_by_one(laid: Bed, is_value: bool) -> None:
    several = [numbered(laid, sequence, is_value) for sequence in (200, 62, 63, 64, 65, 201, 128)]
    laid.together(several)
    assert all(laid.is_committed(each) for each in several)
    for each in several:
        with laid.refused(USED):
            laid.commit(each)
    twice = [numbered(laid, 300, is_value), numbered(laid, 300, is_value, gas_limit=500_000)]
    with laid.refused(USED):
        laid.together(twice)
    laid.together([twice[0]], twice)


def void(bed: Bed, proposal: Proposal, salt: int) -> None:
    delivery, digest = proposal.message.as_delivery(), keccak256(proposal.payload)
    bed.order("order_void", delivery, digest, salt=salt.to_bytes(32, "big"))


def test_H08_a_voided_sequence_is_used_on_the_page_before_it_and_after_it(laid: Bed, is_value: bool) -> None:
    laid.commit(numbered(laid, 100, is_value))
    voided = [numbered(laid, sequence, is_value) for sequence in (101, 2, 500)]
    for salt, proposal in enumerate(voided):
        void(laid, proposal, salt)
    laid.commit(numbered(laid, 501, is_value))
    for proposal in voided:
        assert laid.is_committed(proposal)
        with laid.refused(USED):
            laid.commit(proposal)
    assert laid.taken(voided[0]) == 0


def test_H08_what_was_voided_before_its_lane_was_open_stays_void(bed: Bed) -> None:
    sender = b"\x5d" * 20
    early = [bed.message(sequence=sequence, sender=sender) for sequence in (1, 130)]
    for salt, proposal in enumerate(early):
        void(bed, proposal, salt)
    bed.open(sender=sender)
    for proposal in early:
        with bed.refused(USED):
            bed.commit(proposal)
    bed.commit(bed.message(sequence=2, sender=sender))


def test_G02_a_new_generation_begins_with_an_empty_page_and_remembers_the_last_one(bed: Bed) -> None:
    old = [bed.message(sequence=sequence) for sequence in (0, 1, 65)]
    for proposal in old:
        bed.commit(proposal)
    late = bed.message(sequence=2)
    bed.order("order_lane", PEER.chain_id, SENDER, bed.app.address, 2, NOTARY, False)
    assert all(bed.is_committed(proposal) for proposal in old)
    assert not bed.is_committed(late)
    new = [bed.message(sequence=sequence, generation=2) for sequence in (0, 1, 65)]
    for proposal in new:
        assert not bed.is_committed(proposal)
        bed.commit(proposal)
        with bed.refused(USED):
            bed.commit(proposal)
    # A message of the ended generation is voided beside the new one's page.
    void(bed, late, 7)
    assert bed.is_committed(late)
    assert not bed.is_committed(bed.message(sequence=2, generation=2))
    with bed.refused("Gateway: already committed"):
        bed.commit(new[2])


def test_a_lane_that_begins_to_carry_value_keeps_what_was_used(bed: Bed) -> None:
    first = bed.message(sequence=3)
    bed.commit(first)
    bed.order("order_lane", PEER.chain_id, SENDER, bed.app.address, 2, NOTARY, True)
    bed.limit(10, 10)
    assert bed.is_committed(first)
    transfer = bed.transfer(1, 1, sequence=3, generation=2)
    bed.commit(transfer)
    with bed.refused(USED):
        bed.commit(transfer)
    assert bed.gateway.call("lanes", bed.lane())[4] == 1


def test_C01_random_arrivals_agree_with_a_set(laid: Bed, is_value: bool) -> None:
    chance, seen = random.Random(11), set[int]()
    for _ in range(60):
        sequence = chance.choice((0, 60, 120, 250, 500)) + chance.randrange(10)
        proposal = numbered(laid, sequence, is_value, gas_limit=400_000 + chance.randrange(100))
        assert laid.is_committed(proposal) is (sequence in seen)
        if sequence in seen:
            with laid.refused(USED):
                laid.commit(proposal)
        else:
            laid.commit(proposal)
            seen.add(sequence)
    assert len(seen) > 20
