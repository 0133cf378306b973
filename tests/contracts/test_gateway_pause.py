"""Pause: one direction of one lane stands still; what refunds hang on goes on (attack row H07)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.ethereum.keccak import keccak256
from ledger.interoperable import encode
from ledger.proposal import Kind
from tests.contracts.evm import OWNER
from tests.contracts.gateway_bed import (
    DAY,
    DELAY,
    PEER,
    REVERTS,
    SEALED,
    SENDER,
    Bed,
    as_arguments,
    attribute,
)
from tests.contracts.world import NOTARIES

TO_PEER = encode(PEER.chain_id, SENDER)
PAUSED = "Gateway: lane paused"

# -- the matrix: each function that somebody may call, on a lane that is paused both ways, and on one that is not


def _sending(kind: Kind) -> Callable[[Bed], Callable[[], Any]]:
    """A message of a kind leaves."""
    return lambda bed: lambda: bed.gateway.send("sendMessage", TO_PEER, b"", [attribute("kind(uint8)", kind)])


def _committing(kind: Kind) -> Callable[[Bed], Callable[[], Any]]:
    """A message of a kind arrives."""

    def prepare(bed: Bed) -> Callable[[], Any]:
        proposal = bed.message(kind=kind)
        return lambda: bed.commit(proposal)

    return prepare


def _retrying(kind: Kind) -> Callable[[Bed], Callable[[], Any]]:
    """A message of a kind that failed is tried again."""

    def prepare(bed: Bed) -> Callable[[], Any]:
        proposal = bed.message(kind=kind)
        bed.app.send("behave", REVERTS)
        bed.commit(proposal)
        bed.app.send("behave", 0)
        return lambda: bed.retry(proposal)

    return prepare


def _together(bed: Bed) -> Callable[[], Any]:
    proposals = [bed.message(), bed.message()]
    return lambda: bed.together(proposals)


def _observed(bed: Bed) -> Callable[[], Any]:
    bed.order("order_lane", PEER.chain_id, SENDER, bed.app.address, 2, 3, False)
    proposal = bed.message(generation=2)
    proof: tuple[Any, ...] = (
        proposal.message.as_delivery(),
        proposal.payload,
        0,
        0,
        [],
        0,
        b"",
        SEALED + proposal.message.id,
    )
    return lambda: bed.gateway.send("commit_observed", *proof)


def _certifying(bed: Bed) -> Callable[[], Any]:
    certificate = bed.certificate(bed.message())
    return lambda: bed.gateway.send("certify", certificate.root, 1, certificate.signatures)


def _reading(bed: Bed) -> Callable[[], Any]:
    proposal = bed.message()
    return lambda: (bed.gateway.call("lanes", bed.lane()), bed.is_committed(proposal), bed.status(proposal))


def _voiding(bed: Bed) -> Callable[[], Any]:
    proposal = bed.message()
    bed.announce("order_void", proposal.message.as_delivery(), keccak256(proposal.payload))
    bed.evm.time += DELAY
    arguments = (proposal.message.as_delivery(), keccak256(proposal.payload), bytes(32))
    return lambda: bed.administration.send("order_void", *arguments)


def _limiting(bed: Bed) -> Callable[[], Any]:
    return lambda: bed.limit(1, 1)


def _opening(bed: Bed) -> Callable[[], Any]:
    return lambda: bed.open(sender=b"\x66" * 20)


MATRIX: dict[str, tuple[Callable[[Bed], Callable[[], Any]], bool]] = {
    # what: how it is prepared, whether it goes on while the lane is paused
    "a notice leaves": (_sending(Kind.NOTICE), False),
    "a call leaves": (_sending(Kind.CALL), False),
    "an acknowledgement leaves": (_sending(Kind.ACKNOWLEDGEMENT), True),
    "a notice is committed": (_committing(Kind.NOTICE), False),
    "a call is committed": (_committing(Kind.CALL), False),
    "an acknowledgement is committed": (_committing(Kind.ACKNOWLEDGEMENT), True),
    "several are committed together": (_together, False),
    "an observed message is committed": (_observed, False),
    "a failed call is retried": (_retrying(Kind.CALL), False),
    "a failed acknowledgement is retried": (_retrying(Kind.ACKNOWLEDGEMENT), True),
    "a root is certified": (_certifying, True),
    "a message is voided": (_voiding, True),
    "limits are lowered": (_limiting, True),
    "another lane is opened": (_opening, True),
    "the state is read": (_reading, True),
}


@pytest.mark.parametrize("what", MATRIX)
def test_H07_while_a_lane_is_paused(watched_bed: Bed, what: str) -> None:
    bed = watched_bed
    prepare, goes_on = MATRIX[what]
    act = prepare(bed)
    with bed.evm.rolled_back():
        act()  # not paused
    bed.pause(bed.lane())
    bed.pause(bed.lane_out(), member=1, is_inbound=False)
    if goes_on:
        act()
        return
    with bed.refused(PAUSED):
        act()
    bed.evm.time += DAY
    act()


def test_H07_a_transfer_neither_leaves_nor_arrives_nor_is_released(bed: Bed) -> None:
    lane = bed.open(value=True, sender=b"\x5f" * 20)
    held, fresh = (bed.transfer(1, total, sender=b"\x5f" * 20) for total in (1, 2))
    bed.commit(held)
    bed.pause(lane)
    bed.pause(bed.lane_out(), member=1, is_inbound=False)
    head = held.payload[:64] + (1).to_bytes(32, "big")
    transfer = (TO_PEER, head, [attribute("kind(uint8)", Kind.TRANSFER)])
    bed.approve(held)  # an approval is no delivery
    acts: tuple[Callable[[], Any], ...] = (
        lambda: bed.gateway.send("sendMessage", *transfer),
        lambda: bed.commit(fresh),
        lambda: bed.retry(held),
    )
    for act in acts:
        with bed.refused(PAUSED):
            act()
    bed.evm.time += DAY
    bed.gateway.send("sendMessage", *transfer)
    bed.commit(fresh)
    bed.retry(held)


# -- by one member


def test_a_member_pauses_one_direction_for_24_hours(bed: Bed) -> None:
    until = bed.evm.time + DAY
    paused = bed.pause(bed.lane()).log("LanePaused")
    assert paused == {"lane": bed.lane(), "is_inbound": True, "until": until}
    proposal = bed.message()
    bed.evm.time = until - 1
    with bed.refused(PAUSED):
        bed.commit(proposal)
    bed.evm.time = until
    bed.commit(proposal)


def test_a_pause_of_what_arrives_does_not_stop_what_leaves(bed: Bed) -> None:
    # The lane out of here from OWNER, and a lane into here whose ids differ only in their direction.
    bed.pause(bed.lane())
    bed.send()
    bed.pause(bed.lane_out(), member=1, is_inbound=False)
    bed.evm.time += DAY - 1
    with bed.refused(PAUSED):
        bed.gateway.send("sendMessage", TO_PEER, b"", [])
    bed.evm.time += 1
    bed.send()


def test_a_pause_of_one_lane_does_not_stop_another(bed: Bed) -> None:
    bed.open(sender=b"\x66" * 20)
    bed.pause(bed.lane(b"\x66" * 20))
    bed.commit(bed.message())
    with bed.refused(PAUSED):
        bed.commit(bed.message(sender=b"\x66" * 20))


def test_H08_a_member_pauses_once_in_an_epoch() -> None:
    bed = Bed.lay(is_word=True)
    bed.open(sender=b"\x66" * 20)
    bed.pause(bed.lane())
    for lane in (bed.lane(), bed.lane(b"\x66" * 20)):
        bed.evm.time += DAY
        with bed.refused("Administration: member has paused in this epoch"):
            bed.pause(lane)
    bed.pause(bed.lane(), member=3)
    assert bed.administration.call("paused_by", 1) == 0b1001
    bed.committee.send("rotate")
    bed.epoch = 2
    bed.evm.time += DAY
    bed.pause(bed.lane())
    assert bed.administration.call("paused_by", 2) == 0b0001


def test_each_member_can_pause_in_turn(bed: Bed) -> None:
    for member in range(4):
        bed.pause(bed.lane(), member=member)
        bed.evm.time += DAY
    bed.commit(bed.message())


def test_A11_a_pause_is_signed_as_a_pause(bed: Bed) -> None:
    ordered = bed.action("order_pause", bed.lane(), True, 0)
    forged = bytes([0]) + NOTARIES[0].sign(ordered).pack()
    with bed.refused("Committee: not this member's signature"):
        bed.administration.send("pause", bed.lane(), True, 1, forged)
    bed.pause(bed.lane())


@pytest.mark.parametrize("change", ["lane", "direction"])
def test_a_pause_is_of_the_lane_and_direction_that_was_signed(bed: Bed, change: str) -> None:
    other = bed.open(sender=b"\x66" * 20)
    signature = bed.pause_signature(bed.lane())
    said = (other, True) if change == "lane" else (bed.lane(), False)
    with bed.refused("Committee: not this member's signature"):
        bed.administration.send("pause", *said, 1, signature)
    bed.administration.send("pause", bed.lane(), True, 1, signature)


def test_H08_nobody_but_a_member_pauses(bed: Bed) -> None:
    with bed.refused("Committee: signature length"):
        bed.administration.send("pause", bed.lane(), True, 1, b"", by=OWNER)
    with bed.refused("Committee: not this member's signature"):
        bed.administration.send("pause", bed.lane(), True, 1, b"\x01" + bed.pause_signature(bed.lane())[1:])
    bed.pause(bed.lane())


def test_a_lane_that_is_not_open_is_not_paused(bed: Bed) -> None:
    with bed.refused("Administration: lane not open"):
        bed.pause(b"\x99" * 32)
    bed.pause(bed.lane())


# -- by the quorum


def test_the_quorum_pauses_for_as_long_as_it_says(bed: Bed) -> None:
    until = bed.evm.time + 30 * DAY
    bed.order("order_pause", bed.lane(), True, until)
    bed.evm.time = until - 1
    proposal = bed.message()
    with bed.refused(PAUSED):
        bed.commit(proposal)
    bed.evm.time = until
    bed.commit(proposal)


@pytest.mark.parametrize("is_inbound", [True, False])
def test_a_member_does_not_shorten_the_quorums_pause(bed: Bed, is_inbound: bool) -> None:
    lane = bed.lane() if is_inbound else bed.lane_out()
    until = bed.evm.time + 30 * DAY
    bed.order("order_pause", lane, is_inbound, until)
    with bed.refused("Administration: paused for longer"):
        bed.pause(lane, is_inbound=is_inbound)
    bed.evm.time = until - DAY
    with bed.refused("Administration: paused for longer"):
        bed.pause(lane, is_inbound=is_inbound)
    bed.evm.time += 1
    bed.pause(lane, is_inbound=is_inbound)  # one second longer


def test_H08_a_pause_is_lifted_early_only_by_an_order(bed: Bed) -> None:
    bed.order("order_pause", bed.lane(), True, bed.evm.time + 30 * DAY)
    proposal = bed.message()
    bed.order("order_pause", bed.lane(), True, 0, salt=b"\x01" * 32)
    bed.commit(proposal)


@pytest.mark.parametrize("is_inbound", [True, False])
def test_a_pause_beyond_the_end_of_time_is_refused(bed: Bed, is_inbound: bool) -> None:
    lane = bed.lane() if is_inbound else bed.lane_out()
    for until, salt in ((2**40, b"\x01" * 32), (2**40 - 1, b"\x02" * 32)):
        bed.announce("order_pause", lane, is_inbound, until, salt=salt)
    bed.evm.time += DELAY
    with bed.refused("Administration: pause too long"):
        bed.administration.send("order_pause", lane, is_inbound, 2**40, b"\x01" * 32)
    bed.administration.send("order_pause", lane, is_inbound, 2**40 - 1, b"\x02" * 32)


def test_a_pause_out_keeps_sequence_and_generation(bed: Bed) -> None:
    bed.order("order_outbound", PEER.chain_id, OWNER, SENDER, 2)
    bed.send()
    bed.pause(bed.lane_out(), is_inbound=False)
    bed.evm.time += DAY
    message = bed.send().message
    assert (message.generation, message.sequence) == (2, 1)


def test_a_certificate_waits_for_the_end_of_a_pause(bed: Bed) -> None:
    proposal = bed.message()
    arguments = (proposal.message.as_delivery(), proposal.payload, *as_arguments(bed.certificate(proposal)))
    bed.pause(bed.lane())
    with bed.refused(PAUSED):
        bed.gateway.send("commit", *arguments)
    bed.evm.time += DAY
    bed.gateway.send("commit", *arguments)
