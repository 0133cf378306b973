"""Orders to an administration: each of them only as the quorum signed it, when it is due, and once (attack row H08)."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.ethereum.keccak import keccak256
from ledger.proposal import Proposal
from tests.contracts.evm import OWNER, STRANGER
from tests.contracts.gateway_bed import (
    DAY,
    DELAY,
    NOTARY,
    PEER,
    RELAY,
    SEALED,
    SENDER,
    WINDOW,
    Bed,
)

SALT = b"\x5a" * 32
OTHER_SALT = b"\x5b" * 32
NOT_ANNOUNCED = "order: not announced"


def arguments_of(bed: Bed, function: str, *, changed: bool = False) -> tuple[Any, ...]:
    """An order that can be carried out, or the same with one argument changed."""
    lane = bed.lane()
    where = (PEER.chain_id, SENDER, bed.app.address)
    delivery = bed.message(sequence=77, expiry=2**40).message.as_delivery()
    lookout = bed.gateway.call("observers", PEER.chain_id, RELAY)
    arguments: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
        "order_peer": (((7105, b"\x75" * 32, b"\x05" * 20),), ((7105, b"\x75" * 32, b"\x06" * 20),)),
        "order_observer": ((PEER.chain_id, RELAY, lookout), (PEER.chain_id, 2, lookout)),
        "order_lane": ((*where, 2, NOTARY, False), (*where, 2, NOTARY, True)),
        "order_outbound": ((PEER.chain_id, OWNER, SENDER, 2), (PEER.chain_id, STRANGER, SENDER, 2)),
        "order_limits": ((lane, (5, 6, DAY)), (lane, (6, 6, DAY))),
        "order_pause": ((lane, True, 2_000_000_000), (lane, False, 2_000_000_000)),
        "order_void": ((delivery, keccak256(b"payload")), (delivery, keccak256(b"another"))),
    }
    return arguments[function][changed]


FUNCTIONS = (
    "order_peer",
    "order_observer",
    "order_lane",
    "order_outbound",
    "order_limits",
    "order_pause",
    "order_void",
)


def test_every_order_of_the_abi_is_tested_here(watched_bed: Bed) -> None:
    found = {name for name in watched_bed.administration.interface.functions if name.startswith("order_")}
    assert found - {"order_due", "order_delay"} == set(FUNCTIONS)


@pytest.fixture(params=FUNCTIONS)
def function(request: pytest.FixtureRequest) -> str:
    """Each order in turn."""
    return str(request.param)


def take(bed: Bed, function: str, *, changed: bool = False, salt: bytes = SALT, by: bytes = STRANGER) -> None:
    """Carry it out; it changes something at the gateway."""
    before = bed.evm.fingerprint(bed.gateway)
    bed.administration.send(function, *arguments_of(bed, function, changed=changed), salt, by=by)
    assert function == "order_observer" or bed.evm.fingerprint(bed.gateway) != before


def test_an_order_is_carried_out_by_anyone_when_it_is_due(watched_bed: Bed, function: str) -> None:
    bed = watched_bed
    bed.announce(function, *arguments_of(bed, function), salt=SALT)
    due = bed.evm.time + DELAY
    assert bed.administration.call("order_due", bed.action(function, *arguments_of(bed, function)), SALT) == due
    bed.evm.time = due
    take(bed, function)


@pytest.mark.parametrize("by", [OWNER, STRANGER], ids=["the_owner", "a_stranger"])
def test_H08_nothing_happens_without_an_order(watched_bed: Bed, function: str, by: bytes) -> None:
    with watched_bed.refused(NOT_ANNOUNCED):
        take(watched_bed, function, by=by)


def test_an_order_takes_effect_after_its_delay_and_lapses(watched_bed: Bed, function: str) -> None:
    bed = watched_bed
    bed.announce(function, *arguments_of(bed, function), salt=SALT)
    due = bed.evm.time + DELAY
    for time, reason in ((due - DELAY, "order: not due"), (due - 1, "order: not due"), (due + WINDOW, "order: lapsed")):
        bed.evm.time = time
        with bed.refused(reason):
            take(bed, function)
    bed.evm.time = due + WINDOW - 1
    take(bed, function)


def test_an_order_is_taken_once(watched_bed: Bed, function: str) -> None:
    bed = watched_bed
    bed.announce(function, *arguments_of(bed, function), salt=SALT)
    bed.evm.time += DELAY
    take(bed, function)
    with bed.refused("order: taken before"):
        take(bed, function)
    with bed.refused("order: announced before"):
        bed.announce(function, *arguments_of(bed, function), salt=SALT)


def test_an_order_is_for_what_was_signed(watched_bed: Bed, function: str) -> None:
    bed = watched_bed
    bed.announce(function, *arguments_of(bed, function), salt=SALT)
    bed.evm.time += DELAY
    with bed.refused(NOT_ANNOUNCED):
        take(bed, function, changed=True)
    with bed.refused(NOT_ANNOUNCED):
        take(bed, function, salt=OTHER_SALT)
    take(bed, function)


DOMAINS: dict[str, dict[str, Any]] = {
    "A10_another_chain": {"chain_id": 7101},
    "A10_another_contract": {"contract": b"\x66" * 20},
    "A11_an_approval": {"kind": "Approval"},
}


@pytest.mark.parametrize("name", DOMAINS)
def test_an_order_is_not_announced_that_was_signed_for(watched_bed: Bed, function: str, name: str) -> None:
    bed = watched_bed
    action = bed.action(function, *arguments_of(bed, function))
    with bed.refused("Committee: not this member's signature"):
        bed.administration.send("announce", action, SALT, 1, bed.order_signatures(action, SALT, **DOMAINS[name]))
    bed.administration.send("announce", action, SALT, 1, bed.order_signatures(action, SALT))


def test_H08_less_than_a_quorum_orders_nothing(watched_bed: Bed, function: str) -> None:
    bed = watched_bed
    action = bed.action(function, *arguments_of(bed, function))
    for signers, reason in (((), "signature length"), ((0,), "below quorum"), ((0, 1), "below quorum")):
        with bed.refused(f"Committee: {reason}"):
            bed.administration.send("announce", action, SALT, 1, bed.order_signatures(action, SALT, signers=signers))
    bed.announce(function, *arguments_of(bed, function), salt=SALT)


@pytest.fixture(scope="module")
def laid_rotating_bed() -> Bed:
    """A bed whose committee's epochs a test can end."""
    return Bed.lay(is_word=True, is_watched=True)


def test_an_order_of_an_earlier_epoch_is_void(laid_rotating_bed: Bed, function: str) -> None:
    bed = laid_rotating_bed
    with bed.evm.rolled_back():
        bed.announce(function, *arguments_of(bed, function), salt=SALT)
        bed.committee.send("rotate")
        bed.evm.time += DELAY
        with bed.refused("order: of an earlier epoch"):
            take(bed, function)
        with bed.refused("Committee: epoch"):
            bed.announce(function, *arguments_of(bed, function), salt=OTHER_SALT)
        bed.epoch = 2
        try:
            bed.announce(function, *arguments_of(bed, function), salt=OTHER_SALT)
            bed.evm.time += DELAY
            take(bed, function, salt=OTHER_SALT)
        finally:
            bed.epoch = 1


def test_an_order_to_one_function_is_none_to_another(watched_bed: Bed) -> None:
    bed = watched_bed
    # The same 32-byte words for both: a lane id, and a salt.
    bed.announce("order_pause", bed.lane(), True, 2_000_000_000, salt=SALT)
    bed.evm.time += DELAY
    with bed.refused(NOT_ANNOUNCED):
        bed.administration.send("order_limits", bed.lane(), (1, 2_000_000_000, 1), SALT)
    take(bed, "order_pause")


def test_what_an_order_changes_shows_in_its_log(watched_bed: Bed) -> None:
    bed = watched_bed
    outcome = bed.order("order_limits", bed.lane(), (5, 6, DAY))
    limits = {"lane": bed.lane(), "per_message": 5, "per_window": 6, "window": DAY}
    assert outcome.log("LaneLimited") == limits
    outcome = bed.order("order_lane", *arguments_of(bed, "order_lane"))
    assert outcome.log("LaneOpened")["generation"] == 2
    outcome = bed.order("order_outbound", *arguments_of(bed, "order_outbound"))
    assert outcome.log("OutboundAdvanced") == {"lane": bed.lane_out(), "generation": 2}


def test_a_lane_changed_by_order_takes_its_new_proof(watched_bed: Bed) -> None:
    bed = watched_bed
    bed.order("order_lane", PEER.chain_id, SENDER, bed.app.address, 2, RELAY, False)
    proposal = bed.message(generation=2)
    with bed.refused("Gateway: lane asks for another proof"):
        bed.commit(proposal)
    proof: tuple[Any, ...] = (0, 0, [], 0, b"", SEALED + proposal.message.id)
    bed.gateway.send("commit_observed", proposal.message.as_delivery(), proposal.payload, *proof)
    assert bed.taken(proposal) == 1


@pytest.mark.parametrize("is_value", [False, True])
def test_H07_a_lanes_next_generation_keeps_its_pause(bed: Bed, is_value: bool) -> None:
    until = bed.evm.time + 30 * 86_400
    bed.order("order_pause", bed.lane(), True, until)
    bed.order("order_lane", PEER.chain_id, SENDER, bed.app.address, 2, NOTARY, is_value, salt=SALT)
    bed.limit(10, 10)
    assert bed.gateway.call("lanes", bed.lane())[3] == until

    def fresh() -> Proposal:
        return bed.transfer(1, 1, generation=2) if is_value else bed.message(generation=2)

    bed.evm.time = until - 1
    with bed.refused("Gateway: lane paused"):
        bed.commit(fresh())
    bed.evm.time = until
    bed.commit(fresh())
