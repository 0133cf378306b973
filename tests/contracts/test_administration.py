"""Administration: set-up, lanes and limits, and that nobody else changes anything at the gateway."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode

from contracts.compiler import artifact
from ledger.proposal import Chain
from tests.contracts.evm import OWNER, STRANGER, Deployed, Reverted
from tests.contracts.gateway_bed import DAY, DELAY, GENESIS, HERE, NOTARY, PEER, RELAY, SENDER, Bed

ANOTHER = Chain(7105, b"\x75" * 32, b"\x05" * 20)
NOT_OWNER = "Administration: not the recipient's owner"
NEW_SENDER = b"\x66" * 20


# -- attach, register, seal


@pytest.fixture
def fresh() -> Bed:
    """Deployed and nothing else."""
    return Bed.lay(is_open=False)


def test_the_deployer_attaches_its_gateway_once(fresh: Bed) -> None:
    with fresh.refused("Administration: not the deployer"):
        fresh.administration.send("attach", fresh.gateway.address, by=STRANGER)
    fresh.administration.send("attach", fresh.gateway.address)
    second = fresh.evm.deploy("Gateway", GENESIS, fresh.committee.address, fresh.administration.address)
    for gateway in (fresh.gateway, second):
        with fresh.refused("Administration: attached"):
            fresh.administration.send("attach", gateway.address)
    assert fresh.administration.call("gateway") == fresh.gateway.address


def test_a_gateway_of_another_administration_is_not_attached(fresh: Bed) -> None:
    other = fresh.evm.deploy("Administration", fresh.committee.address, DELAY)
    foreign = fresh.evm.deploy("Gateway", GENESIS, fresh.committee.address, other.address)
    with fresh.refused("Administration: another's gateway"):
        fresh.administration.send("attach", foreign.address)
    fresh.administration.send("attach", fresh.gateway.address)


def test_nothing_is_registered_before_the_gateway_is_attached(fresh: Bed) -> None:
    with fresh.refused(""):
        fresh.administration.send("register_peer", PEER.as_abi())
    fresh.administration.send("attach", fresh.gateway.address)
    fresh.administration.send("register_peer", PEER.as_abi())
    assert fresh.gateway.call("peers", PEER.chain_id) == PEER.as_abi()


GATEWAYS: dict[str, tuple[bytes, str, str, str]] = {
    "a_genesis": (bytes(32), "committee", "administration", "Gateway: no genesis"),
    "a_committee": (GENESIS, "nobody", "administration", "Gateway: no committee"),
    "an_administration": (GENESIS, "committee", "nobody", "Gateway: no administration"),
}


@pytest.mark.parametrize("name", GATEWAYS)
def test_no_gateway_is_deployed_without(fresh: Bed, name: str) -> None:
    genesis, committee, administration, reason = GATEWAYS[name]
    at = {"committee": fresh.committee.address, "administration": fresh.administration.address, "nobody": STRANGER}
    with pytest.raises(Reverted) as refused:
        fresh.evm.deploy("Gateway", genesis, at[committee], at[administration])
    assert refused.value.reason == reason


INCOMPLETE: dict[str, tuple[Chain, str]] = {
    "this_chain": (Chain(7102, b"\x01" * 32, b"\x01" * 20), "Administration: peer chain id"),
    "chain_zero": (Chain(0, b"\x01" * 32, b"\x01" * 20), "Administration: peer chain id"),
    "no_gateway": (Chain(7105, b"\x01" * 32, bytes(20)), "Administration: incomplete peer"),
    "no_genesis": (Chain(7105, bytes(32), b"\x01" * 20), "Administration: incomplete peer"),
    "another_gateway_of_a_peer": (Chain(7101, b"\x71" * 32, b"\x01" * 20), "Administration: peer exists"),
}


@pytest.mark.parametrize("name", INCOMPLETE)
def test_no_peer_is_registered_with(fresh: Bed, name: str) -> None:
    peer, reason = INCOMPLETE[name]
    fresh.administration.send("attach", fresh.gateway.address)
    fresh.administration.send("register_peer", PEER.as_abi())
    with fresh.refused(reason):
        fresh.administration.send("register_peer", peer.as_abi())
    fresh.administration.send("register_peer", ANOTHER.as_abi())
    assert fresh.administration.call("peer_count") == 2


@pytest.mark.parametrize("name", INCOMPLETE)
def test_no_peer_is_ordered_with(bed: Bed, name: str) -> None:
    peer, reason = INCOMPLETE[name]
    bed.announce("order_peer", peer.as_abi())
    bed.evm.time += DELAY
    with bed.refused(reason):
        bed.administration.send("order_peer", peer.as_abi(), bytes(32))
    bed.order("order_peer", ANOTHER.as_abi())
    assert bed.gateway.call("peers", 7105) == ANOTHER.as_abi()


def test_H08_the_set_up_ends_with_the_seal(bed: Bed) -> None:
    arguments: dict[str, tuple[Any, ...]] = {
        "register_peer": (ANOTHER.as_abi(),),
        "register_observer": (PEER.chain_id, RELAY, STRANGER),
        "seal": (),
    }
    for function, given in arguments.items():
        with bed.refused("Administration: sealed"):
            bed.administration.send(function, *given)
        with bed.refused("Administration: not the deployer"):
            bed.administration.send(function, *given, by=STRANGER)
    bed.order("order_peer", ANOTHER.as_abi())


def test_the_seal_says_how_many_peers_there_are(fresh: Bed) -> None:
    fresh.administration.send("attach", fresh.gateway.address)
    fresh.administration.send("register_peer", PEER.as_abi())
    with fresh.refused("Administration: not the deployer"):
        fresh.administration.send("seal", by=STRANGER)
    assert fresh.administration.send("seal").log("Sealed") == {"peers": 1}
    assert fresh.administration.call("is_sealed") is True


# -- the gateway hears its administration and nobody else

DELIVERY = (1 << 224 | 1 << 192 | 1 << 128 | 2**40 << 64 | 1, b"\x01" * 32, PEER.chain_id, 1, 2)
GUARDED: dict[str, tuple[Any, ...]] = {
    "set_peer": (ANOTHER.as_abi(),),
    "set_observer": (PEER.chain_id, RELAY, STRANGER),
    "set_lane": (b"\x01" * 32, PEER.chain_id, SENDER, STRANGER, 1),
    "set_lane_word": (b"\x01" * 32, 1),
    "set_limits": (b"\x01" * 32, 1, 1),
    "set_outbound": (b"\x01" * 32, 1),
    "void": (DELIVERY, b"\x01" * 32),
    "approve": (b"\x01" * 32,),
}
PROVEN = {"sendMessage", "certify", "commit", "commit_certified", "commit_together", "commit_observed", "retry"}
TOLD = {"set_seat"}  # by the committee


def changing(contract: Deployed) -> set[str]:
    """The functions of a contract that can change something, from its ABI."""
    abi = artifact(contract.interface.name).abi
    return {
        entry["name"]
        for entry in abi
        if entry["type"] == "function" and entry["stateMutability"] in ("nonpayable", "payable")
    }


def test_H05_every_function_of_the_gateway_is_guarded_or_proven(bed: Bed) -> None:
    assert changing(bed.gateway) == set(GUARDED) | PROVEN | TOLD


@pytest.mark.parametrize("function", GUARDED)
def test_H05_the_gateway_obeys_its_administration_only(bed: Bed, function: str) -> None:
    for caller in (OWNER, STRANGER, SENDER, PEER.gateway):
        with bed.refused("Gateway: not the administration"):
            bed.gateway.send(function, *GUARDED[function], by=caller)
    # An application in the middle of its delivery, which a trusting gateway might listen to.
    call = bed.gateway.interface.encode_call(function, *GUARDED[function])
    bed.app.send("call_back", bed.gateway.address, call)
    proposal = bed.message()
    bed.commit(proposal)
    assert Reverted.of(bed.app.call("answer"), where="").reason == "Gateway: not the administration"
    assert bed.taken(proposal) == 1


# -- lanes, by the recipient's owner


def test_a_lane_is_opened_by_the_recipients_owner_once(bed: Bed) -> None:
    arguments = (PEER.chain_id, NEW_SENDER, bed.app.address, NOTARY, False)
    for caller in (STRANGER, SENDER):
        with bed.refused(NOT_OWNER):
            bed.administration.send("open_lane", *arguments, by=caller)
    opened = bed.administration.send("open_lane", *arguments).log("LaneOpened")
    assert (opened["lane"], opened["generation"], opened["policy"]) == (bed.lane(NEW_SENDER), 1, NOTARY)
    with bed.refused("Administration: lane exists"):
        bed.administration.send("open_lane", *arguments)
    bed.commit(bed.message(sender=NEW_SENDER))


LANES: dict[str, tuple[tuple[Any, ...], str]] = {
    "of_an_unknown_chain": ((7199, NEW_SENDER), "Administration: unknown chain"),
    "of_this_chain": ((7102, NEW_SENDER), "Administration: unknown chain"),
    "of_no_sender": ((7101, bytes(20)), "Administration: no sender"),
}


@pytest.mark.parametrize("name", LANES)
def test_no_lane_is_opened(bed: Bed, name: str) -> None:
    where, reason = LANES[name]
    with bed.refused(reason):
        bed.administration.send("open_lane", *where, bed.app.address, NOTARY, False)
    bed.open(sender=NEW_SENDER)


@pytest.mark.parametrize("policy", [0, 5, 255])
def test_no_lane_is_opened_under_an_unknown_policy(bed: Bed, policy: int) -> None:
    with bed.refused("Administration: unknown policy"):
        bed.open(policy, sender=NEW_SENDER)
    bed.open(sender=NEW_SENDER)


# -- generations


def change_lane(bed: Bed, generation: int, policy: int, *, salt: bytes = bytes(32), by: bytes = STRANGER) -> None:
    """Carry out an announced order to begin a generation of the lane from SENDER."""
    where = (PEER.chain_id, SENDER, bed.app.address)
    bed.administration.send("order_lane", *where, generation, policy, False, salt, by=by)


def announce_lane(bed: Bed, generation: int, policy: int, *, salt: bytes = bytes(32)) -> None:
    """Announce it."""
    bed.announce("order_lane", PEER.chain_id, SENDER, bed.app.address, generation, policy, False, salt=salt)


@pytest.mark.parametrize("generation", [0, 1, 3, 2**32 - 1])
def test_a_generation_into_this_chain_is_the_next_one(bed: Bed, generation: int) -> None:
    announce_lane(bed, generation, NOTARY)
    announce_lane(bed, 2, NOTARY)
    bed.evm.time += DELAY
    with bed.refused("Administration: not the next generation"):
        change_lane(bed, generation, NOTARY)
    change_lane(bed, 2, NOTARY)
    assert bed.gateway.call("lanes", bed.lane())[0] == 2


def test_a_lane_that_its_owner_never_opened_has_no_next_generation(bed: Bed) -> None:
    where = (PEER.chain_id, NEW_SENDER, bed.app.address, 1, NOTARY, False)
    bed.announce("order_lane", *where)
    bed.evm.time += DELAY
    with bed.refused("Administration: lane not open"):
        bed.administration.send("order_lane", *where, bytes(32))
    bed.open(sender=NEW_SENDER)


def test_H08_a_weaker_policy_needs_the_owner_beside_the_quorum(watched_bed: Bed) -> None:
    bed = watched_bed
    announce_lane(bed, 2, RELAY)
    bed.evm.time += DELAY
    change_lane(bed, 2, RELAY)  # a stronger one does not
    announce_lane(bed, 3, NOTARY)
    bed.evm.time += DELAY
    with bed.refused(NOT_OWNER):
        change_lane(bed, 3, NOTARY)
    change_lane(bed, 3, NOTARY, by=OWNER)
    assert bed.gateway.call("lanes", bed.lane())[:2] == (3, NOTARY)


def test_a_new_generation_asks_no_more_than_the_chain_serves(bed: Bed) -> None:
    announce_lane(bed, 2, RELAY)
    bed.evm.time += DELAY
    with bed.refused("Administration: no observer of the origin for this policy"):
        change_lane(bed, 2, RELAY)
    bed.commit(bed.message())


# -- limits


def limit(bed: Bed, per_message: int, per_window: int, window: int = DAY, *, by: bytes = OWNER) -> None:
    """Set the lane's limits."""
    limits = (per_message, per_window, window)
    bed.administration.send("limit_lane", PEER.chain_id, SENDER, bed.app.address, limits, by=by)


def test_an_owner_sets_the_first_limits_and_then_lower_ones(bed: Bed) -> None:
    limit(bed, 100, 1000)
    limit(bed, 100, 900)
    limit(bed, 0, 0)
    assert bed.gateway.call("words", bed.lane())[1] == DAY << 224


HIGHER = {
    "a_message": ((101, 1000, DAY), "Administration: higher limit"),
    "a_window": ((100, 1001, DAY), "Administration: higher limit"),
    "a_longer_window": ((100, 1000, DAY + 1), "Administration: another window"),
    "a_shorter_window": ((100, 1000, DAY - 1), "Administration: another window"),
}


@pytest.mark.parametrize("name", HIGHER)
def test_H08_an_owner_raises_no_limit(bed: Bed, name: str) -> None:
    limits, reason = HIGHER[name]
    limit(bed, 100, 1000)
    with bed.refused(reason):
        limit(bed, *limits)
    bed.order("order_limits", bed.lane(), limits)
    assert bed.gateway.call("words", bed.lane())[1] == limits[0] | limits[1] << 112 | limits[2] << 224


def test_nobody_else_sets_limits(bed: Bed) -> None:
    with bed.refused(NOT_OWNER):
        limit(bed, 1, 1, by=STRANGER)
    limit(bed, 1, 1)


WIDE = {
    "of_a_message": ((2**112, 1, DAY), "Administration: limit too high"),
    "of_a_window": ((1, 2**112, DAY), "Administration: limit too high"),
    "without_a_window": ((1, 1, 0), "Administration: window"),
    "of_a_window_too_long": ((1, 1, 2**32), "Administration: window"),
}


@pytest.mark.parametrize("name", WIDE)
def test_F09_no_limit_is_set(bed: Bed, name: str) -> None:
    limits, reason = WIDE[name]
    with bed.refused(reason):
        limit(bed, *limits)
    limit(bed, 2**112 - 1, 2**112 - 1, 2**32 - 1)


def test_an_application_of_another_owner_is_beyond_reach(bed: Bed) -> None:
    foreign = bed.evm.deploy(HERE / "Recipient.vy", bed.gateway.address, by=STRANGER)
    lane = (PEER.chain_id, SENDER, foreign.address, NOTARY, False)
    with bed.refused(NOT_OWNER):
        bed.administration.send("open_lane", *lane)
    bed.administration.send("open_lane", *lane, by=STRANGER)


def test_what_is_signed_is_what_the_readme_says(bed: Bed) -> None:
    types = bed.administration.interface.functions["order_void"][1][:-1]
    assert len(encode(types, [DELIVERY, b"\x01" * 32])) == 6 * 32
