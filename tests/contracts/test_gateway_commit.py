"""Commit: what has to be proven before a message reaches its application, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ledger.ethereum.keccak import keccak256
from ledger.merkle import leaf_hash, node_hash
from ledger.proposal import Chain, Kind, Message, Proposal
from tests.contracts.evm import OWNER, STRANGER
from tests.contracts.gateway_bed import (
    FAILED,
    HERE,
    PEER,
    REVERTS,
    SENDER,
    TAKEN,
    Bed,
    as_arguments,
)
from tests.contracts.header_bed import deploy_committee

NOT_SIGNED = "Committee: not this member's signature"
EMPTY_TREE = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")


def test_a_proven_message_reaches_its_application_once(bed: Bed) -> None:
    proposal = bed.message(b"what it says")
    committed = bed.commit(proposal).log("MessageCommitted")
    message = proposal.message
    assert committed == {"id": message.id, "executed": True, "outcome": TAKEN}
    sender, payload_hash, _ = bed.app.call("last")
    assert sender.hex() == "00010000021bbd14" + message.sender.hex()
    assert payload_hash == keccak256(b"what it says")
    assert (bed.taken(proposal), bed.status(proposal), bed.is_committed(proposal)) == (1, 0, True)


def test_messages_arrive_in_whatever_order(bed: Bed) -> None:
    first, second, far = bed.message(), bed.message(), bed.message(sequence=2**64 - 1)
    for proposal in (far, second, first):
        bed.commit(proposal)
        assert bed.taken(proposal) == 1


def test_each_sequence_has_a_bit_of_its_own(bed: Bed) -> None:
    lane = bed.lane()
    bed.commit(bed.message(sequence=256))
    neighbours = [(1, place) for place in (0, 255, 257, 511, 512)] + [(2, 256)]
    assert not any(bed.gateway.call("is_committed", lane, *place) for place in neighbours)
    assert bed.gateway.call("is_committed", lane, 1, 256)


CHANGES: dict[str, tuple[Callable[[Message], Message], str]] = {
    "G02_of_a_lane_to_another_chain": (
        lambda m: replace(m, destination=replace(m.destination, chain_id=7199)),
        "Gateway: lane not open",
    ),
    "G02_to_another_gateway_on_this_chain": (
        lambda m: replace(m, destination=replace(m.destination, gateway=b"\x77" * 20)),
        "Gateway: lane not open",
    ),
    "G02_to_a_fork_with_another_genesis": (
        lambda m: replace(m, destination=replace(m.destination, genesis=b"\x77" * 32)),
        "Gateway: lane not open",
    ),
    "from_an_unknown_chain": (lambda m: replace(m, origin=replace(m.origin, chain_id=7199)), "Gateway: lane not open"),
    "G02_from_a_fork_of_the_peer": (
        lambda m: replace(m, origin=replace(m.origin, genesis=b"\x77" * 32)),
        "Gateway: lane not open",
    ),
    "F03_from_another_gateway_of_the_peer": (
        lambda m: replace(m, origin=replace(m.origin, gateway=b"\x77" * 20)),
        "Gateway: lane not open",
    ),
    "from_a_sender_without_a_lane": (lambda m: replace(m, sender=STRANGER), "Gateway: lane not open"),
    "H01_to_a_recipient_without_a_lane": (lambda m: replace(m, recipient=STRANGER), "Gateway: lane not open"),
    "H01_to_the_gateway_itself": (
        lambda m: replace(m, recipient=m.destination.gateway),
        "Gateway: lane not open",
    ),
    "G02_of_a_generation_to_come": (lambda m: replace(m, generation=2), "Gateway: lane not open"),
    "of_the_generation_zero": (lambda m: replace(m, generation=0), "Gateway: lane not open"),
    "at_its_expiry": (lambda m: replace(m, expiry=1_800_000_000), "Gateway: expired"),
    "of_another_version": (lambda m: replace(m, version=2), NOT_SIGNED),
    "C05_for_another_payload": (lambda m: replace(m, payload_digest=keccak256(b"another")), NOT_SIGNED),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_certified_message_is_refused(bed: Bed, name: str) -> None:
    change, reason = CHANGES[name]
    honest = bed.message()
    forged = Proposal(change(honest.message), honest.payload)
    with bed.refused(reason):
        bed.commit(forged)
    assert bed.commit(honest).log("MessageCommitted")["executed"]


ELSEWHERE: dict[str, dict[str, Any]] = {
    "on_another_chain": {"chain_id": 7199},
    "at_another_gateway": {"gateway": b"\x77" * 20},
    "on_a_fork": {"genesis": b"\x77" * 32},
}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_G02_what_was_certified_for_another_end_proves_nothing_on_the_lane_here(bed: Bed, name: str) -> None:
    honest = bed.message()
    there = replace(honest.message, destination=replace(honest.message.destination, **ELSEWHERE[name]))
    with bed.refused(NOT_SIGNED):
        bed.commit(honest, bed.certificate(Proposal(there, honest.payload)))
    bed.commit(honest)


WORDS: dict[str, tuple[int, Callable[[Bed], int]]] = {
    "G02_another_origin_chain": (2, lambda bed: 7199),
    "F01_another_sender": (3, lambda bed: int.from_bytes(STRANGER, "big")),
    "another_recipient": (4, lambda bed: int.from_bytes(bed.gateway.address, "big")),
    "a_sender_with_bits_above_its_address": (3, lambda bed: int.from_bytes(SENDER, "big") | 1 << 160),
    "a_recipient_with_bits_above_its_address": (4, lambda bed: int.from_bytes(bed.app.address, "big") | 1 << 255),
}


@pytest.mark.parametrize("name", WORDS)
def test_a_lane_is_found_only_with_all_it_was_opened_for(bed: Bed, name: str) -> None:
    place, word = WORDS[name]
    honest = bed.message()
    delivery: list[Any] = list(honest.message.as_delivery())
    delivery[place] = word(bed)
    proof = as_arguments(bed.certificate(honest))
    for function, also in (("commit", proof), ("commit_certified", proof[:3]), ("retry", ())):
        with bed.refused("Gateway: lane not open"):
            bed.gateway.send(function, tuple(delivery), honest.payload, *also)
    bed.commit(honest)


@pytest.mark.parametrize("bits", [8, 31])
def test_G02_a_kind_with_other_bits_beside_it_is_another_message(bed: Bed, bits: int) -> None:
    honest = bed.message()
    delivery: list[Any] = list(honest.message.as_delivery())
    delivery[0] |= 1 << (224 + bits)
    with bed.refused(NOT_SIGNED):
        bed.gateway.send("commit", tuple(delivery), honest.payload, *as_arguments(bed.certificate(honest)))
    bed.commit(honest)


def test_a_message_is_in_time_until_the_second_before_its_expiry(bed: Bed) -> None:
    proposal = bed.message(expiry=bed.evm.time + 100)
    bed.evm.time += 100
    with bed.refused("Gateway: expired"):
        bed.commit(proposal)
    bed.evm.time -= 1
    bed.commit(proposal)
    assert bed.taken(proposal) == 1


FIELDS: dict[str, Callable[[Message], Message]] = {
    "kind": lambda m: replace(m, kind=Kind.CALL),
    "sequence": lambda m: replace(m, sequence=m.sequence + 1),
    "expiry": lambda m: replace(m, expiry=m.expiry + 1),
    "gas_limit": lambda m: replace(m, gas_limit=m.gas_limit + 1),
}


@pytest.mark.parametrize("field", FIELDS)
def test_A13_a_relay_changes_no_field_under_a_certificate(bed: Bed, field: str) -> None:
    proposal = bed.message()
    certificate = bed.certificate(proposal)
    with bed.refused(NOT_SIGNED):
        bed.commit(Proposal(FIELDS[field](proposal.message), proposal.payload), certificate)
    bed.commit(proposal, certificate)


def test_C05_a_valid_proof_does_not_carry_another_payload(bed: Bed) -> None:
    proposal = bed.message(b"pay one")
    certificate = bed.certificate(proposal)
    with bed.refused(NOT_SIGNED):
        bed.commit(Proposal(proposal.message, b"pay all"), certificate)
    bed.commit(proposal, certificate)


def test_C05_a_historic_proof_does_not_carry_a_new_message(bed: Bed) -> None:
    old, new = bed.message(), bed.message()
    certificate = bed.certificate(old)
    bed.commit(old, certificate)
    with bed.refused(NOT_SIGNED):
        bed.commit(new, certificate)
    bed.commit(new)


def test_A07_one_signature_below_the_quorum_is_refused(bed: Bed) -> None:
    proposal = bed.message()
    with bed.refused("Committee: below quorum"):
        bed.commit(proposal, bed.certificate(proposal, signers=(0, 1)))
    bed.commit(proposal, bed.certificate(proposal, signers=(1, 2, 3)))


def test_G01_a_message_is_committed_once(bed: Bed) -> None:
    proposal = bed.message()
    bed.commit(proposal)
    again = {
        "the same bytes": bed.certificate(proposal),
        "other signers": bed.certificate(proposal, signers=(1, 2, 3)),
        "another root": bed.certificate(bed.message(), proposal, place=1),
    }
    for certificate in again.values():
        with bed.refused("Gateway: already committed"):
            bed.commit(proposal, certificate)
    assert bed.taken(proposal) == 1


def test_G01_a_failed_message_is_not_committed_again(bed: Bed) -> None:
    proposal = bed.message()
    bed.app.send("behave", REVERTS)
    bed.commit(proposal)
    bed.app.send("behave", 0)
    with bed.refused("Gateway: already committed"):
        bed.commit(proposal)
    assert bed.status(proposal) == FAILED


def test_G04_a_sequence_carries_one_message_only(bed: Bed) -> None:
    first = bed.message(b"one")
    other = bed.message(b"two", sequence=first.message.sequence)
    bed.commit(first)
    with bed.refused("Gateway: already committed"):
        bed.commit(other)


def test_G03_a_message_for_a_former_gateway_is_worthless_at_the_next(bed: Bed) -> None:
    proposal = bed.message()
    certificate = bed.certificate(proposal)
    bed.commit(proposal, certificate)
    # The same chain, genesis, notaries and application; only the gateway was deployed anew, with its ground.
    committee = deploy_committee(bed.evm)
    again = bed.evm.deploy("Administration", committee.address, 2 * 24 * 3600)
    gateway = bed.evm.deploy("Gateway", bed.here.genesis, committee.address, again.address)
    committee.send("attach", gateway.address)
    app = bed.evm.deploy(HERE / "Recipient.vy", gateway.address)
    again.send("attach", gateway.address)
    again.send("register_peer", PEER.as_abi())
    again.send("open_lane", PEER.chain_id, proposal.message.sender, app.address, 1, False)
    end = replace(proposal.message.destination, gateway=gateway.address)
    moved = replace(proposal.message, recipient=app.address, destination=end)
    with bed.refused(NOT_SIGNED):
        gateway.send("commit", moved.as_delivery(), proposal.payload, *as_arguments(certificate))
    next_bed = Bed(bed.evm, committee, again, gateway, app)
    assert next_bed.commit(next_bed.message()).log("MessageCommitted")["executed"]


# -- the tree under a root


def test_C04_an_inclusion_proof_is_used_up_exactly(bed: Bed) -> None:
    proposals = [bed.message() for _ in range(3)]
    good = bed.certificate(*proposals)
    first, second = good.proof
    wrong = {
        "truncated": ((first,), "merkle: proof too short"),
        "extended": ((first, second, bytes(32)), "merkle: proof too long"),
        "prepended": ((bytes(32), first, second), "merkle: proof too long"),
        "swapped": ((second, first), NOT_SIGNED),
        "one bit": ((first, bytes([second[0] ^ 1]) + second[1:]), NOT_SIGNED),
    }
    for proof, reason in wrong.values():
        with bed.refused(reason):
            bed.commit(proposals[0], good, proof=proof)
    for index, reason in ((1, NOT_SIGNED), (2, "merkle: proof too long"), (3, "merkle: index outside the tree")):
        with bed.refused(reason):
            bed.commit(proposals[0], good, index=index)
    with bed.refused("merkle: tree too large"):
        bed.commit(proposals[0], good, size=2**32 + 1)
    bed.commit(proposals[0], good)


def test_C01_an_inner_node_is_no_leaf(bed: Bed) -> None:
    left, right = bed.message(), bed.message()
    good = bed.certificate(left, right)
    # The tree's two leaves, and the tree as if it had one leaf whose hash is the root: no id hashes to an inner node.
    assert good.root == node_hash(leaf_hash(left.message.id), leaf_hash(right.message.id))
    assert leaf_hash(leaf_hash(left.message.id) + leaf_hash(right.message.id)) != good.root
    for proposal in (left, right):
        with bed.refused(NOT_SIGNED):
            bed.commit(proposal, good, index=0, size=1, proof=())
    bed.commit(left, good)


def test_C02_a_repeated_last_leaf_makes_another_root(bed: Bed) -> None:
    a, b, c = (bed.message() for _ in range(3))
    honest, doubled = bed.certificate(a, b, c, place=2), bed.certificate(a, b, c, c, place=2)
    assert honest.root != doubled.root
    with bed.refused(NOT_SIGNED):
        bed.commit(c, doubled, signatures=honest.signatures)
    bed.commit(c, honest)
    with bed.refused("Gateway: already committed"):
        bed.commit(c, doubled)


@pytest.mark.parametrize("root", [bytes(32), EMPTY_TREE, keccak256(b"unknown")], ids=["zero", "empty_tree", "unknown"])
def test_C06_no_root_is_certified_by_default(root: bytes) -> None:
    fresh = Bed.lay(is_open=False)
    assert fresh.gateway.call("certified", root) is False


def test_C06_a_message_that_was_never_proven_is_refused_without_signatures(bed: Bed) -> None:
    proposal = bed.message()
    with bed.refused("Gateway: root not certified"):
        bed.commit(proposal, signatures=b"")
    bed.commit(proposal)


def test_C06_a_gateway_on_which_nothing_was_opened_delivers_nothing() -> None:
    fresh = Bed.lay(is_open=False)
    unset = Chain(0, bytes(32), bytes(20))
    for forged in (fresh.message(), fresh.message(generation=0), fresh.message(origin=unset, generation=0)):
        with fresh.refused("Gateway: lane not open"):
            fresh.commit(forged)


# -- certify: one quorum check for all messages under a root


def test_a_certified_root_carries_its_messages_without_signatures(bed: Bed) -> None:
    first, second = bed.message(), bed.message()
    certificate = bed.certificate(first, second)
    certified = bed.gateway.send("certify", certificate.root, 1, certificate.signatures, by=STRANGER)
    assert certified.log("RootCertified") == {"root": certificate.root, "epoch": 1}
    bed.commit(first, certificate, signatures=b"")
    bed.commit(second, bed.certificate(first, second, place=1), signatures=b"", epoch=99)
    assert (bed.taken(first), bed.taken(second)) == (1, 1)
    with bed.refused("Gateway: already committed"):
        bed.commit(first, certificate, signatures=b"")


def test_a_root_is_not_certified_below_the_quorum(bed: Bed) -> None:
    proposal = bed.message()
    good, few = bed.certificate(proposal), bed.certificate(proposal, signers=(0, 1))
    with bed.refused("Committee: below quorum"):
        bed.gateway.send("certify", good.root, 1, few.signatures)
    with bed.refused("Committee: signature length"):
        bed.gateway.send("certify", good.root, 1, b"")
    with bed.refused(NOT_SIGNED):
        bed.gateway.send("certify", keccak256(b"another root"), 1, good.signatures)
    bed.gateway.send("certify", good.root, 1, good.signatures)


def test_a_root_formed_again_without_a_refused_leaf_carries_the_rest_once(bed: Bed) -> None:
    good, refused, other = (bed.message() for _ in range(3))
    whole, again = bed.certificate(good, refused, other), bed.certificate(good, other, place=1)
    for certificate in (whole, again):
        bed.gateway.send("certify", certificate.root, 1, certificate.signatures)
    bed.commit(good, whole, signatures=b"")
    bed.commit(other, again, signatures=b"")
    with bed.refused("Gateway: already committed"):
        bed.commit(other, bed.certificate(good, refused, other, place=2), signatures=b"")
    assert (bed.taken(good), bed.taken(other), bed.taken(refused)) == (1, 1, 0)


# -- which code is called


def test_H03_a_recipient_with_other_code_is_not_called_until_a_new_generation() -> None:
    bed = Bed.lay()  # of its own: code that is put there stays
    proposal, code = bed.message(), bed.evm.engine.code(bed.app.address)
    bed.evm.engine.set_code(bed.app.address, code + b"\x00")
    with bed.refused("Gateway: lane not open"):
        bed.commit(proposal)
    bed.evm.engine.set_code(bed.app.address, b"")
    with bed.refused("Gateway: lane not open"):
        bed.commit(proposal)
    bed.evm.engine.set_code(bed.app.address, code)
    bed.commit(proposal)
    bed.evm.engine.set_code(bed.app.address, code + b"\x00")
    bed.order("order_lane", PEER.chain_id, proposal.message.sender, bed.app.address, 2, 1, False, by=OWNER)
    with bed.refused("Gateway: lane not open"):
        bed.commit(bed.message(generation=1))
    bed.commit(bed.message(generation=2))
    bed.evm.engine.set_code(bed.app.address, code)
    with bed.refused("Gateway: lane not open"):
        bed.commit(bed.message(generation=2))


def test_G02_a_message_of_an_earlier_generation_is_refused_in_the_next(bed: Bed) -> None:
    late = bed.message()
    done = bed.message()
    bed.commit(done)
    bed.order("order_lane", PEER.chain_id, late.message.sender, bed.app.address, 2, 1, False)
    for proposal in (late, done):
        with bed.refused("Gateway: lane not open"):
            bed.commit(proposal)
    # The sequences begin anew, and what was done in the first generation is another message in the second.
    again = Proposal(replace(done.message, generation=2), done.payload)
    bed.commit(again)
    assert (bed.taken(done), bed.taken(again)) == (1, 1)
