"""Retry: a stored failure is tried again with exactly what was sent, while all that was checked before still holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger.ethereum.keccak import keccak256
from ledger.proposal import Kind, Proposal
from tests.contracts.evm import OWNER
from tests.contracts.gateway_bed import APPROVED, DAY, FAILED, HELD, PEER, REVERTS, SENDER, VOIDED, Bed

VALUE_SENDER = b"\x5f" * 20


@pytest.fixture
def failed(bed: Bed) -> Proposal:
    """A committed message whose application refused; from here on it would take it."""
    proposal = bed.message(b"what it says")
    bed.app.send("behave", REVERTS)
    bed.commit(proposal)
    bed.app.send("behave", 0)
    return proposal


def failed_transfer(bed: Bed, quantity: int) -> Proposal:
    """The same for a transfer, within the limits of a lane that carries value."""
    bed.open(value=True, sender=VALUE_SENDER)
    bed.limit(100, 100, sender=VALUE_SENDER)
    proposal = bed.transfer(quantity, quantity, sender=VALUE_SENDER)
    bed.app.send("behave", REVERTS)
    bed.commit(proposal)
    bed.app.send("behave", 0)
    return proposal


def test_a_failed_message_is_delivered_by_a_retry_once(bed: Bed, failed: Proposal) -> None:
    retried = bed.retry(failed).log("MessageCommitted")
    assert (retried["id"], retried["executed"]) == (failed.message.id, True)
    assert (bed.taken(failed), bed.status(failed)) == (1, 0)
    with bed.refused("Gateway: nothing to retry"):
        bed.retry(failed)


def test_a_message_may_fail_again_and_again(bed: Bed, failed: Proposal) -> None:
    bed.app.send("behave", REVERTS)
    for _ in range(3):
        assert not bed.retry(failed).log("MessageCommitted")["executed"]
        assert bed.status(failed) == FAILED
    bed.app.send("behave", 0)
    bed.retry(failed)
    assert bed.taken(failed) == 1


@pytest.mark.parametrize("payload", [b"", b"what it say", b"what it says!", b"what it sayS"])
def test_C05_a_retry_with_another_payload_is_refused(bed: Bed, failed: Proposal, payload: bytes) -> None:
    with bed.refused("Gateway: nothing to retry"):
        bed.retry(failed, payload)
    bed.retry(failed)


CHANGED: dict[str, dict[str, Any]] = {
    "kind": {"kind": Kind.CALL},
    "sequence": {"sequence": 7},
    "expiry": {"expiry": 2**40},
    "gas_limit": {"gas_limit": 5_000_000},
}


@pytest.mark.parametrize("field", CHANGED)
def test_a_retry_with_another_field_is_refused(bed: Bed, failed: Proposal, field: str) -> None:
    other = Proposal(replace(failed.message, **CHANGED[field]), failed.payload)
    with bed.refused("Gateway: nothing to retry"):
        bed.retry(other)
    bed.retry(failed)


def test_what_never_arrived_is_not_retried(bed: Bed) -> None:
    proposal = bed.message()
    with bed.refused("Gateway: nothing to retry"):
        bed.retry(proposal)
    bed.commit(proposal)
    with bed.refused("Gateway: nothing to retry"):
        bed.retry(proposal)


def test_a_failure_expires_with_its_message(bed: Bed, failed: Proposal) -> None:
    bed.evm.time = failed.message.expiry
    with bed.refused("Gateway: expired"):
        bed.retry(failed)
    bed.evm.time -= 1
    bed.retry(failed)


def test_a_retry_waits_for_the_end_of_a_pause(bed: Bed, failed: Proposal) -> None:
    bed.pause(bed.lane())
    with bed.refused("Gateway: lane paused"):
        bed.retry(failed)
    bed.evm.time += DAY
    bed.retry(failed)
    assert bed.taken(failed) == 1


def test_a_retry_does_not_cross_into_the_next_generation(bed: Bed, failed: Proposal) -> None:
    where = (PEER.chain_id, SENDER, bed.app.address)
    bed.announce("order_lane", *where, 2, 1, False)
    bed.evm.time += 2 * DAY
    with bed.evm.rolled_back():
        bed.retry(failed)
    bed.administration.send("order_lane", *where, 2, 1, False, bytes(32))
    with bed.refused("Gateway: lane not open"):
        bed.retry(failed)


def test_a_voided_failure_is_not_retried(bed: Bed, failed: Proposal) -> None:
    bed.order("order_void", failed.message.as_delivery(), keccak256(failed.payload))
    with bed.refused("Gateway: nothing to retry"):
        bed.retry(failed)
    assert (bed.status(failed), bed.taken(failed)) == (VOIDED, 0)


def test_a_retry_is_not_starved_of_gas(bed: Bed, failed: Proposal) -> None:
    delivery = failed.message.as_delivery()
    with bed.refused("Gateway: not enough gas"):
        bed.gateway.send("retry", delivery, failed.payload, gas=450_000)
    bed.retry(failed)


# -- transfers


def test_F10_a_failed_transfer_over_a_lowered_limit_is_held(bed: Bed) -> None:
    proposal = failed_transfer(bed, 50)
    bed.limit(49, 100, sender=VALUE_SENDER)
    assert bed.retry(proposal).log("MessageHeld")["id"] == proposal.message.id
    assert (bed.status(proposal), bed.taken(proposal)) == (HELD, 0)
    bed.approve(proposal)
    bed.retry(proposal)
    assert (bed.status(proposal), bed.taken(proposal)) == (0, 1)


def test_a_failed_transfer_within_the_limits_is_delivered_and_counted_once(bed: Bed) -> None:
    proposal = failed_transfer(bed, 60)
    bed.retry(proposal)
    assert bed.taken(proposal) == 1
    assert bed.gateway.call("lanes", bed.lane(VALUE_SENDER))[4] == 60
    assert bed.gateway.call("units_received", bed.lane(VALUE_SENDER), 1, proposal.payload[:32]) == (60, 60)


def test_what_is_held_is_not_retried_before_its_approval(bed: Bed) -> None:
    bed.open(value=True, sender=VALUE_SENDER)
    proposal = bed.transfer(1, 1, sender=VALUE_SENDER)
    bed.commit(proposal)
    with bed.refused("Gateway: nothing to retry"):
        bed.retry(proposal)
    bed.approve(proposal)
    bed.retry(proposal)


def test_an_approval_outlasts_a_failed_call(bed: Bed) -> None:
    bed.open(value=True, sender=VALUE_SENDER)
    bed.limit(10, 10, sender=VALUE_SENDER)
    proposal = bed.transfer(1000, 1000, sender=VALUE_SENDER)
    bed.commit(proposal)
    bed.approve(proposal)
    bed.app.send("behave", REVERTS)
    assert not bed.retry(proposal).log("MessageCommitted")["executed"]
    assert bed.status(proposal) == APPROVED
    bed.app.send("behave", 0)
    # It is above the limit still, and a quorum approves a message only once.
    assert bed.retry(proposal).log("MessageCommitted")["executed"]
    assert (bed.status(proposal), bed.taken(proposal)) == (0, 1)


def test_an_owner_has_no_way_around_an_approval(bed: Bed) -> None:
    bed.open(value=True, sender=VALUE_SENDER)
    bed.limit(10, 10, sender=VALUE_SENDER)
    proposal = bed.transfer(11, 11, sender=VALUE_SENDER)
    bed.commit(proposal)
    with bed.refused("Administration: higher limit"):
        bed.limit(11, 11, sender=VALUE_SENDER)
    with bed.refused("Gateway: not the administration"):
        bed.gateway.send("approve", proposal.message.id, by=OWNER)
    assert bed.status(proposal) == HELD
