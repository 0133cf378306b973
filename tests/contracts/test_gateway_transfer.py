"""Value: never more arrives than was sent, and no more at once than the lane's limits let through without a quorum."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.ethereum.keccak import keccak256
from ledger.proposal import Kind, Proposal
from tests.contracts.gateway_bed import (
    APPROVED,
    ASSET,
    DAY,
    FAILED,
    HELD,
    PEER,
    RELEASE,
    REVERTS,
    VOIDED,
    Bed,
    transfer_head,
)

VALUE_SENDER = b"\x5f" * 20
MAX_UNITS = 2**112 - 1
HOUR = 3600


@pytest.fixture
def lane(bed: Bed) -> bytes:
    """A lane that carries value, of at most 100 units a message and 250 a day."""
    lane = bed.open(value=True, sender=VALUE_SENDER)
    bed.limit(100, 250, sender=VALUE_SENDER)
    return lane


def bring(bed: Bed, quantity: int, total: int, *, asset: bytes = ASSET, **changed: object) -> Proposal:
    """A transfer on the lane that carries value."""
    return bed.transfer(quantity, total, asset=asset, sender=VALUE_SENDER, **changed)


def committed(bed: Bed, quantity: int, total: int) -> Proposal:
    """The same, committed."""
    proposal = bring(bed, quantity, total)
    bed.commit(proposal)
    return proposal


def used(bed: Bed, lane: bytes) -> int:
    """Units that count in the lane's present window."""
    return int(bed.gateway.call("lanes", lane)[4])


def void(bed: Bed, proposal: Proposal, *, salt: bytes = bytes(32)) -> None:
    """Carry out the quorum's order that a message shall not be delivered."""
    bed.order("order_void", proposal.message.as_delivery(), keccak256(proposal.payload), salt=salt)


# -- what arrives is backed by what was sent


def test_a_backed_transfer_is_delivered_and_counted(bed: Bed, lane: bytes) -> None:
    proposal = committed(bed, 100, 100)
    assert (bed.taken(proposal), bed.status(proposal), used(bed, lane)) == (1, 0, 100)
    assert bed.gateway.call("units_received", lane, 1, ASSET) == (100, 100)


def test_transfers_arrive_in_whatever_order(bed: Bed, lane: bytes) -> None:
    sent = [bring(bed, quantity, total) for quantity, total in ((10, 10), (20, 30), (30, 60))]
    for proposal in (sent[2], sent[0], sent[1]):
        bed.commit(proposal)
        assert bed.taken(proposal) == 1
    assert bed.gateway.call("units_received", lane, 1, ASSET) == (60, 60)


@pytest.mark.parametrize("total", [0, 1, 49], ids=["totals_of_nothing", "one_unit", "one_less"])
def test_F05_valid_signatures_and_proof_but_the_economics_are_false(bed: Bed, lane: bytes, total: int) -> None:
    forged = bring(bed, 50, total)
    with bed.refused("Gateway: value is not backed"):
        bed.commit(forged)
    assert bed.gateway.call("units_received", lane, 1, ASSET) == (0, 0)
    committed(bed, 50, 50)


def test_F04_a_second_transfer_is_not_backed_by_the_firsts_total(bed: Bed, lane: bytes) -> None:
    committed(bed, 50, 50)
    with bed.refused("Gateway: value is not backed"):
        committed(bed, 1, 50)
    assert bed.gateway.call("units_received", lane, 1, ASSET) == (50, 50)
    committed(bed, 1, 51)


def test_F04_an_asset_is_not_backed_by_another(bed: Bed, lane: bytes) -> None:
    committed(bed, 10, 90)  # the rest is on its way
    with bed.refused("Gateway: value is not backed"):
        bed.commit(bring(bed, 50, 0, asset=b"\x01" * 32))
    bed.commit(bring(bed, 50, 50, asset=b"\x01" * 32))
    assert bed.gateway.call("units_received", lane, 1, ASSET) == (10, 90)


def test_F04_a_lane_is_not_backed_by_another(bed: Bed, lane: bytes) -> None:
    other = b"\x60" * 20
    bed.open(value=True, sender=other)
    bed.limit(100, 100, sender=other)
    committed(bed, 10, 90)
    with bed.refused("Gateway: value is not backed"):
        bed.commit(bed.transfer(50, 0, sender=other))
    bed.commit(bed.transfer(50, 50, sender=other))


def test_a_generation_counts_anew(bed: Bed, lane: bytes) -> None:
    committed(bed, 50, 90)
    bed.order("order_lane", PEER.chain_id, VALUE_SENDER, bed.app.address, 2, 1, True)
    with bed.refused("Gateway: value is not backed"):
        bed.commit(bring(bed, 40, 0, generation=2))
    bed.commit(bring(bed, 40, 40, generation=2))
    assert [bed.gateway.call("units_received", lane, k, ASSET) for k in (1, 2)] == [(50, 90), (40, 40)]


def test_what_is_held_counts_as_arrived(bed: Bed, lane: bytes) -> None:
    held = committed(bed, 101, 101)
    assert bed.status(held) == HELD
    with bed.refused("Gateway: value is not backed"):
        committed(bed, 1, 101)


F09 = {
    "nothing": (0, 5, "Gateway: quantity"),
    "more_than_112_bits": (2**112, 2**112, "Gateway: quantity"),
    "minus_one": (2**256 - 1, 2**128 - 1, "Gateway: quantity"),
    "a_total_of_more_than_128_bits": (1, 2**128, "Gateway: total"),
}


@pytest.mark.parametrize("name", F09)
def test_F09_no_transfer_arrives_with(bed: Bed, lane: bytes, name: str) -> None:
    quantity, total, reason = F09[name]
    with bed.refused(reason):
        committed(bed, quantity, total)
    assert bed.gateway.call("units_received", lane, 1, ASSET) == (0, 0)
    committed(bed, 1, 1)


def test_F09_no_transfer_arrives_without_its_head(bed: Bed, lane: bytes) -> None:
    short = bed.message(transfer_head(1, 1)[:95], kind=Kind.TRANSFER, sender=VALUE_SENDER)
    with bed.refused("Gateway: transfer without a head"):
        bed.commit(short)
    committed(bed, 1, 1)


def test_the_largest_quantities_do_not_wrap(bed: Bed) -> None:
    lane = bed.open(value=True, sender=VALUE_SENDER)
    bed.limit(MAX_UNITS, MAX_UNITS, sender=VALUE_SENDER)
    whole, more = committed(bed, MAX_UNITS, MAX_UNITS), committed(bed, 1, 2**128 - 1)
    assert (bed.taken(whole), bed.status(more)) == (1, HELD)
    assert (used(bed, lane), bed.gateway.call("units_received", lane, 1, ASSET)) == (MAX_UNITS, (2**112, 2**128 - 1))


def test_a_lane_without_value_refuses_transfers(bed: Bed) -> None:
    with bed.refused("Gateway: lane carries no value"):
        bed.commit(bed.transfer(1, 1))
    bed.commit(bed.message(transfer_head(1, 1)))


@pytest.mark.parametrize("kind", [Kind.NOTICE, Kind.CALL, Kind.ACKNOWLEDGEMENT])
def test_F05_a_lane_that_carries_value_takes_nothing_that_was_not_counted(bed: Bed, lane: bytes, kind: Kind) -> None:
    # The application would read the same payload, and does not see the kind.
    forged = bed.message(transfer_head(100, 0), kind=kind, sender=VALUE_SENDER)
    with bed.refused("Gateway: lane carries value only"):
        bed.commit(forged)
    bed.pause(lane)
    with bed.refused("Gateway: lane paused" if kind != Kind.ACKNOWLEDGEMENT else "Gateway: lane carries value only"):
        bed.commit(forged)
    bed.evm.time += DAY
    committed(bed, 100, 100)


# -- limits


def test_F10_a_transfer_above_the_limit_of_a_message_is_held(bed: Bed, lane: bytes) -> None:
    held = bring(bed, 101, 101)
    outcome = bed.commit(held)
    assert outcome.log("MessageHeld") == {
        "id": held.message.id,
        "lane": lane,
        "generation": 1,
        "sequence": held.message.sequence,
    }
    assert (bed.status(held), bed.taken(held), bed.is_committed(held)) == (HELD, 0, True)
    assert used(bed, lane) == 0


def test_F10_a_transfer_above_the_limit_of_a_window_is_held(bed: Bed, lane: bytes) -> None:
    first, second = committed(bed, 100, 100), committed(bed, 100, 200)
    over, rest = committed(bed, 51, 251), committed(bed, 50, 301)
    assert [bed.status(each) for each in (first, second, over, rest)] == [0, 0, HELD, 0]
    assert used(bed, lane) == 250
    assert bed.status(committed(bed, 1, 302)) == HELD


def test_a_window_begins_with_its_first_transfer_and_ends_to_the_second(bed: Bed, lane: bytes) -> None:
    began = bed.evm.time
    for place, quantity in enumerate((100, 100, 50), start=1):
        committed(bed, quantity, 100 * place)
    bed.evm.time = began + DAY - 1
    assert bed.status(committed(bed, 100, 400)) == HELD
    bed.evm.time = began + DAY
    assert bed.status(committed(bed, 100, 500)) == 0
    assert used(bed, lane) == 100


def test_twice_the_limit_passes_around_a_border_and_never_more(bed: Bed, lane: bytes) -> None:
    committed(bed, 50, 50)
    bed.evm.time += DAY - 1
    late = [committed(bed, 100, 150), committed(bed, 100, 250)]
    bed.evm.time += 1
    early = [committed(bed, 100, 350), committed(bed, 100, 450), committed(bed, 50, 500)]
    over = committed(bed, 1, 501)
    assert [bed.status(each) for each in (*late, *early, over)] == [0] * 5 + [HELD]


def test_F10_everything_is_held_where_no_limits_are_set(bed: Bed) -> None:
    bed.open(value=True, sender=VALUE_SENDER)
    proposal = committed(bed, 1, 1)
    assert (bed.status(proposal), bed.taken(proposal)) == (HELD, 0)
    bed.approve(proposal)
    bed.retry(proposal)
    assert bed.taken(proposal) == 1


def test_limits_of_zero_hold_everything(bed: Bed, lane: bytes) -> None:
    bed.limit(0, 0, sender=VALUE_SENDER)
    assert bed.status(committed(bed, 1, 1)) == HELD


def test_a_failed_transfer_counts_in_its_window(bed: Bed, lane: bytes) -> None:
    bed.app.send("behave", REVERTS)
    failed = committed(bed, 100, 100)
    assert (bed.status(failed), used(bed, lane)) == (FAILED, 100)


def test_a_pause_forgets_nothing_of_the_window(bed: Bed, lane: bytes) -> None:
    committed(bed, 100, 100)
    bed.pause(lane)
    assert bed.gateway.call("lanes", lane) == (1, 1, True, bed.evm.time + DAY, 100)
    bed.order("order_pause", lane, True, 0)
    assert bed.gateway.call("lanes", lane) == (1, 1, True, 0, 100)


def test_a_new_generation_has_the_limits_of_the_last(bed: Bed, lane: bytes) -> None:
    committed(bed, 100, 100)
    bed.order("order_lane", PEER.chain_id, VALUE_SENDER, bed.app.address, 2, 1, True)
    held = bring(bed, 101, 101, generation=2)
    bed.commit(held)
    assert (bed.status(held), used(bed, lane)) == (HELD, 0)


# -- held, approved, voided


def test_a_held_transfer_is_delivered_once_after_a_quorums_approval(bed: Bed, lane: bytes) -> None:
    held = committed(bed, 1000, 1000)
    assert bed.approve(held).log("MessageApproved")["id"] == held.message.id
    assert (bed.status(held), bed.taken(held)) == (APPROVED, 0)
    bed.retry(held)
    assert (bed.status(held), bed.taken(held)) == (0, 1)
    with bed.refused("Gateway: nothing to retry"):
        bed.retry(held)
    with bed.refused("order: announced or approved before"):
        bed.approve(held)
    assert used(bed, lane) == 0  # an approved transfer is beside the limits, not within them


def test_F10_less_than_a_quorum_approves_nothing(bed: Bed, lane: bytes) -> None:
    held = committed(bed, 101, 101)
    with bed.refused("Committee: below quorum"):
        bed.approve(held, signers=(0, 1))
    bed.approve(held)


def test_an_approval_is_of_one_message(bed: Bed, lane: bytes) -> None:
    first, second = committed(bed, 101, 101), committed(bed, 102, 203)
    bed.approve(first)
    signatures = bed.order_signatures(RELEASE, first.message.id, kind="Approval")
    with bed.refused("Committee: not this member's signature"):
        bed.administration.send("approve", second.message.id, 1, signatures)
    with bed.refused("Gateway: nothing to retry"):
        bed.retry(second)
    bed.approve(second)


def test_A11_the_signatures_of_an_order_approve_nothing(bed: Bed, lane: bytes) -> None:
    held = committed(bed, 101, 101)
    signatures = bed.order_signatures(RELEASE, held.message.id, kind="Order")
    with bed.refused("Committee: not this member's signature"):
        bed.administration.send("approve", held.message.id, 1, signatures)
    bed.approve(held)


def test_A11_the_signatures_of_an_approval_announce_no_order(bed: Bed, lane: bytes) -> None:
    held = committed(bed, 101, 101)
    action = bed.action("order_void", held.message.as_delivery(), keccak256(held.payload))
    signatures = bed.order_signatures(action, bytes(32), kind="Approval")
    with bed.refused("Committee: not this member's signature"):
        bed.administration.send("announce", action, bytes(32), 1, signatures)
    void(bed, held)


def test_A11_the_attestation_of_a_message_does_not_approve_it(bed: Bed, lane: bytes) -> None:
    held = committed(bed, 101, 101)
    with bed.refused("Committee: not this member's signature"):
        bed.administration.send("approve", held.message.id, 1, bed.attest(held.message.id))
    bed.approve(held)


@pytest.mark.parametrize("state", ["not_arrived", "delivered", "failed", "voided"])
def test_what_is_not_held_is_not_approved(bed: Bed, lane: bytes, state: str) -> None:
    held, proposal = committed(bed, 101, 101), bring(bed, 1, 102)
    if state == "failed":
        bed.app.send("behave", REVERTS)
    if state != "not_arrived":
        bed.commit(proposal)
    if state == "voided":
        proposal = committed(bed, 101, 203)
        void(bed, proposal)
    with bed.refused("Gateway: not held"):
        bed.approve(proposal)
    bed.approve(held)


def test_a_voided_message_that_had_not_arrived_never_does(bed: Bed) -> None:
    proposal, neighbour = bed.message(), bed.message()
    bed.announce("order_void", proposal.message.as_delivery(), keccak256(proposal.payload))
    bed.evm.time += 2 * DAY
    arguments = (proposal.message.as_delivery(), keccak256(proposal.payload), bytes(32))
    outcome = bed.administration.send("order_void", *arguments)
    voided = [log.fields for log in outcome.logs if log.name == "MessageVoided" and log.contract == "Gateway"]
    place = {"lane": bed.lane(), "generation": 1, "sequence": proposal.message.sequence}
    assert voided == [{"id": proposal.message.id, **place}]
    with bed.refused("Gateway: already committed"):
        bed.commit(proposal)
    assert (bed.status(proposal), bed.is_committed(proposal), bed.taken(proposal)) == (VOIDED, True, 0)
    bed.commit(neighbour)


def test_a_voided_message_keeps_its_sequence_from_any_other(bed: Bed) -> None:
    proposal = bed.message(b"poison")
    void(bed, proposal)
    with bed.refused("Gateway: already committed"):
        bed.commit(bed.message(b"another", sequence=proposal.message.sequence))
    bed.commit(bed.message(b"another"))


@pytest.mark.parametrize("is_approved", [False, True], ids=["held", "approved"])
def test_a_voided_transfer_is_never_delivered(bed: Bed, lane: bytes, is_approved: bool) -> None:
    held = committed(bed, 101, 101)
    if is_approved:
        bed.approve(held)
    void(bed, held)
    with bed.refused("Gateway: nothing to retry"):
        bed.retry(held)
    if not is_approved:
        with bed.refused("Gateway: not held"):
            bed.approve(held)
    assert (bed.status(held), bed.taken(held)) == (VOIDED, 0)


def test_a_delivered_message_is_not_voided(bed: Bed) -> None:
    proposal = bed.message()
    bed.commit(proposal)
    arguments = (proposal.message.as_delivery(), keccak256(proposal.payload))
    bed.announce("order_void", *arguments)
    bed.evm.time += 2 * DAY
    with bed.refused("Gateway: already committed"):
        bed.administration.send("order_void", *arguments, bytes(32))
    assert bed.status(proposal) == 0


def test_a_message_is_voided_once(bed: Bed) -> None:
    proposal = bed.message()
    void(bed, proposal)
    arguments = (proposal.message.as_delivery(), keccak256(proposal.payload))
    bed.announce("order_void", *arguments, salt=b"\x01" * 32)
    bed.evm.time += 2 * DAY
    with bed.refused("Gateway: voided before"):
        bed.administration.send("order_void", *arguments, b"\x01" * 32)


def test_a_void_of_a_failure_names_its_payload(bed: Bed) -> None:
    proposal = bed.message()
    bed.app.send("behave", REVERTS)
    bed.commit(proposal)
    arguments = (proposal.message.as_delivery(), keccak256(b"another payload"))
    bed.announce("order_void", *arguments)
    bed.evm.time += 2 * DAY
    with bed.refused("Gateway: already committed"):
        bed.administration.send("order_void", *arguments, bytes(32))
    void(bed, proposal)
    assert bed.status(proposal) == VOIDED


# -- the law, whatever a quorum signs


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 300), st.integers(0, HOUR * 20)), max_size=12))
def test_F05_no_schedule_of_signed_transfers_brings_more_than_was_shown(
    laid_bed: Bed, schedule: list[tuple[int, int, int]]
) -> None:
    """Forged and honest totals, in any order and time: arrived <= shown, and a window lets through 250 at most."""
    bed = laid_bed
    with bed.evm.rolled_back():
        lane = bed.open(value=True, sender=VALUE_SENDER)
        bed.limit(50, 120, sender=VALUE_SENDER)
        arrived, shown, window, began = 0, 0, 0, 0
        for quantity, total, wait in schedule:
            bed.evm.time += wait
            proposal = bring(bed, quantity, total)
            if quantity == 0 or arrived + quantity > max(shown, total):
                with bed.refused("Gateway: quantity" if quantity == 0 else "Gateway: value is not backed"):
                    bed.commit(proposal)
                continue
            bed.commit(proposal)
            arrived, shown = arrived + quantity, max(shown, total)
            start, spent = (bed.evm.time, 0) if bed.evm.time >= began + DAY else (began, window)
            is_within = quantity <= 50 and spent + quantity <= 120
            if is_within:
                began, window = start, spent + quantity
            assert (bed.taken(proposal), bed.status(proposal)) == ((1, 0) if is_within else (0, HELD))
            assert bed.gateway.call("units_received", lane, 1, ASSET) == (arrived, shown)
            assert used(bed, lane) == window
