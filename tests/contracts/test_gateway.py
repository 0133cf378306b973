"""The gateway: a message leaves once with its identity, and is committed once with proof."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from contracts.manifest import Role
from ledger.errors import Refused
from ledger.ethereum.keccak import keccak256
from ledger.proposal import Kind, Message, Proposal
from tests.contracts.world import NOTARIES, OWNER, STRANGER, World, as_abi, word

FAILED = 1
SIZES = iter(range(1, 10_000))


@pytest.fixture
def proposal(world: World) -> Proposal:
    """A fresh anchor on its way from the origin to the destination."""
    latest = (size := next(SIZES), keccak256(size.to_bytes(8, "big")))
    world.send(Role.ORIGIN, "AnchorRegistry", "anchor", *latest)
    mined = world.send(Role.ORIGIN, "AnchorRegistry", "carry", world.address(Role.DESTINATION, "AnchorMirror"), *latest)
    return world.sent(Role.ORIGIN, mined)[0]


def place(proposal: Proposal) -> tuple[bytes, int, int]:
    message = proposal.message
    return message.lane, message.generation, message.sequence


def is_committed(world: World, proposal: Proposal) -> bool:
    return bool(world.read(Role.DESTINATION, "Gateway", "is_committed", *place(proposal)))


def test_a_proven_message_is_committed_and_the_application_answers(world: World, proposal: Proposal) -> None:
    logs = world.logs(Role.DESTINATION, world.commit(proposal))
    committed = logs["MessageCommitted"].fields
    assert committed["id"] == proposal.message.id
    assert (committed["executed"], committed["outcome"]) == (True, word(b"mirrored"))
    assert logs["AnchorMirrored"].fields["size"] == int.from_bytes(proposal.payload[32:64], "big")
    assert is_committed(world, proposal)


def test_the_python_id_is_the_contracts_id(world: World, proposal: Proposal) -> None:
    # read_proposal recomputed the id and compared it with the log's; the registry computes it a third time.
    mined = world.send(Role.TRANSACTION, "TransactionRegistry", "propose", [proposal.message.as_abi()])
    assert world.logs(Role.TRANSACTION, mined)["Proposed"].fields["id"] == proposal.message.id
    assert world.logs(Role.TRANSACTION, mined)["Proposed"].fields["lane"] == proposal.message.lane


def test_one_certificate_carries_several_messages(world: World, proposal: Proposal) -> None:
    others = [replace(proposal.message, sequence=proposal.message.sequence + 100 + k) for k in range(4)]
    certificate = world.certify(proposal.message, *others)
    assert len(certificate.proof) == 3
    world.commit(proposal, certificate)
    assert is_committed(world, proposal)


def test_sequences_count_up_per_lane(world: World, proposal: Proposal) -> None:
    latest = int.from_bytes(proposal.payload[32:64], "big"), proposal.payload[64:96]
    mined = world.send(Role.ORIGIN, "AnchorRegistry", "carry", world.address(Role.DESTINATION, "AnchorMirror"), *latest)
    assert world.sent(Role.ORIGIN, mined)[0].message.sequence == proposal.message.sequence + 1


def refusal(world: World, act: Callable[[], Any], proposal: Proposal) -> str:
    """The revert's reason; the message stays uncommitted."""
    with pytest.raises(Refused) as refused:
        act()
    assert refused.value.code == "CALL_REVERTED"
    assert not is_committed(world, proposal)
    return refused.value.what


CHANGES: dict[str, tuple[Callable[[Message], Message], str]] = {
    # A lane names both its ends, and a gateway has opened those only that end at itself.
    "G02_for_another_chain": (
        lambda m: replace(m, destination=replace(m.destination, chain_id=7199)),
        "Gateway: lane not open",
    ),
    "G02_for_another_gateway": (
        lambda m: replace(m, destination=replace(m.destination, gateway=b"\x77" * 20)),
        "Gateway: lane not open",
    ),
    "G02_for_a_fork_with_another_genesis": (
        lambda m: replace(m, destination=replace(m.destination, genesis=b"\x77" * 32)),
        "Gateway: lane not open",
    ),
    "from_an_unknown_chain": (
        lambda m: replace(m, origin=replace(m.origin, chain_id=7199)),
        "Gateway: lane not open",
    ),
    "G02_from_a_fork_of_the_origin": (
        lambda m: replace(m, origin=replace(m.origin, genesis=b"\x77" * 32)),
        "Gateway: lane not open",
    ),
    "F01_from_another_gateway_of_the_origin": (
        lambda m: replace(m, origin=replace(m.origin, gateway=b"\x77" * 20)),
        "Gateway: lane not open",
    ),
    "from_a_sender_without_a_lane": (lambda m: replace(m, sender=b"\x77" * 20), "Gateway: lane not open"),
    "H01_to_a_recipient_without_a_lane": (
        lambda m: replace(m, recipient=m.destination.gateway),
        "Gateway: lane not open",
    ),
    "in_another_generation": (lambda m: replace(m, generation=2), "Gateway: lane not open"),
    "after_its_expiry": (lambda m: replace(m, expiry=1), "Gateway: expired"),
    "C05_with_another_payload": (
        lambda m: replace(m, payload_digest=b"\x77" * 32),
        "Committee: not this member's signature",
    ),
    "of_another_version": (lambda m: replace(m, version=2), "Committee: not this member's signature"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_certified_message_is_refused(world: World, proposal: Proposal, name: str) -> None:
    change, reason = CHANGES[name]
    forged = Proposal(change(proposal.message), proposal.payload)
    certificate = world.certify(forged.message)
    arguments = (forged.message.as_delivery(), forged.payload, *as_abi(certificate))
    said = refusal(world, lambda: world.send(Role.DESTINATION, "Gateway", "commit", *arguments), proposal)
    assert reason in said
    world.commit(proposal)
    assert is_committed(world, proposal)


def test_A07_one_signature_below_the_quorum_is_refused(world: World, proposal: Proposal) -> None:
    certificate = world.certify(proposal.message, signers=(0, 1))
    assert "Committee: below quorum" in refusal(world, lambda: world.commit(proposal, certificate), proposal)
    world.commit(proposal, world.certify(proposal.message, signers=(1, 2, 3)))
    assert is_committed(world, proposal)


def test_A13_no_field_can_be_changed_under_a_certificate(world: World, proposal: Proposal) -> None:
    certificate = world.certify(proposal.message)
    forged = replace(proposal.message, gas_limit=proposal.message.gas_limit + 1)
    arguments = (forged.as_delivery(), proposal.payload, *as_abi(certificate))
    said = refusal(world, lambda: world.send(Role.DESTINATION, "Gateway", "commit", *arguments), proposal)
    assert "Committee: not this member's signature" in said
    world.commit(proposal, certificate)


def test_C04_an_inclusion_proof_is_used_up_exactly(world: World, proposal: Proposal) -> None:
    others = [replace(proposal.message, sequence=proposal.message.sequence + 200 + k) for k in range(2)]
    good = world.certify(proposal.message, *others)
    for reason, proof in (
        ("merkle: proof too short", good.proof[:-1]),
        ("merkle: proof too long", (*good.proof, b"\x00" * 32)),
        ("Committee: not this member's signature", tuple(reversed(good.proof))),
    ):
        assert reason in refusal(world, lambda p=proof: world.commit(proposal, good, proof=p), proposal)  # type: ignore[misc]
    for index in (1, 2):
        refusal(world, lambda i=index: world.commit(proposal, good, index=i), proposal)  # type: ignore[misc]
    assert "merkle: index outside the tree" in refusal(world, lambda: world.commit(proposal, good, index=3), proposal)
    world.commit(proposal, good)


def test_G01_a_message_is_committed_once(world: World, proposal: Proposal) -> None:
    world.commit(proposal)
    with pytest.raises(Refused, match="already committed"):
        world.commit(proposal, world.certify(proposal.message, signers=(1, 2, 3)))


def test_an_executed_message_is_not_retried(world: World, proposal: Proposal) -> None:
    world.commit(proposal)
    with pytest.raises(Refused, match="nothing to retry"):
        world.send(Role.DESTINATION, "Gateway", "retry", proposal.message.as_delivery(), proposal.payload)


def test_a_failed_call_is_stored_and_retried_with_the_same_payload(world: World, proposal: Proposal) -> None:
    logs = world.logs(Role.DESTINATION, world.commit(proposal))
    assert logs["MessageCommitted"].fields["executed"]
    twice = replace(proposal.message, sequence=proposal.message.sequence + 300)
    payload = proposal.payload[:64] + keccak256(b"another root")
    forked = Proposal(replace(twice, payload_digest=keccak256(payload)), payload)
    committed = world.logs(Role.DESTINATION, world.commit(forked))["MessageCommitted"].fields
    assert (committed["executed"], committed["outcome"]) == (False, bytes(32))
    assert world.read(Role.DESTINATION, "Gateway", "status", forked.message.id) == FAILED
    with pytest.raises(Refused, match="nothing to retry"):
        world.send(Role.DESTINATION, "Gateway", "retry", forked.message.as_delivery(), proposal.payload)
    again = world.send(Role.DESTINATION, "Gateway", "retry", forked.message.as_delivery(), forked.payload)
    assert not world.logs(Role.DESTINATION, again)["MessageCommitted"].fields["executed"]
    assert world.read(Role.DESTINATION, "Gateway", "status", forked.message.id) == FAILED


def test_J01_a_relay_cannot_starve_the_call_of_gas(world: World, proposal: Proposal) -> None:
    bound = world.contract(Role.DESTINATION, "Gateway")
    certificate = as_abi(world.certify(proposal.message))
    call = bound.encode_call("commit", proposal.message.as_delivery(), proposal.payload, *certificate)
    request = {
        "from": f"0x{OWNER.address.hex()}",
        "to": f"0x{bound.address.hex()}",
        "data": f"0x{call.hex()}",
        "gas": hex(proposal.message.gas_limit),
    }
    with pytest.raises(Refused, match="Gateway: not enough gas"):
        world.nodes[Role.DESTINATION].request("eth_call", request, "latest")
    world.commit(proposal)


def test_only_the_recipients_owner_opens_a_lane(world: World) -> None:
    mirror = world.contract(Role.DESTINATION, "AnchorMirror").address
    lane = (7101, STRANGER.address, mirror, 1, False)
    with pytest.raises(Refused, match="not the recipient's owner"):
        world.send(Role.DESTINATION, "Administration", "open_lane", *lane, by=STRANGER)
    world.send(Role.DESTINATION, "Administration", "open_lane", *lane)
    with pytest.raises(Refused, match="lane exists"):
        world.send(Role.DESTINATION, "Administration", "open_lane", *lane)


def test_a_lane_that_asks_for_more_than_the_chain_offers_is_refused(world: World) -> None:
    mirror = world.contract(Role.DESTINATION, "AnchorMirror").address
    for policy, reason in (
        (0, "unknown policy"),
        (5, "unknown policy"),
        *((more, "no observer") for more in (2, 3, 4)),
    ):
        with pytest.raises(Refused, match=f"Administration: {reason}"):
            world.send(Role.DESTINATION, "Administration", "open_lane", 7101, b"\x55" * 20, mirror, policy, False)


def test_H08_nobody_adds_a_peer_once_the_set_up_is_sealed(world: World) -> None:
    for key in (OWNER, STRANGER):
        with pytest.raises(Refused, match=r"Administration: (sealed|not the deployer)"):
            world.send(Role.DESTINATION, "Administration", "register_peer", (9, b"\x01" * 32, b"\x02" * 20), by=key)


ATTRIBUTES: dict[str, tuple[list[bytes], str]] = {
    "an_unknown_attribute": ([b"\xde\xad\xbe\xef" + bytes(32)], "unsupported attribute"),
    "a_short_attribute": ([b"\xde\xad\xbe\xef"], "attribute length"),
    "a_repeated_attribute": ([keccak256(b"kind(uint8)")[:4] + bytes(31) + b"\x01"] * 2, "repeated attribute"),
    "an_unknown_kind": ([keccak256(b"kind(uint8)")[:4] + bytes(31) + b"\x09"], "unknown kind"),
    "a_past_expiry": ([keccak256(b"expiry(uint64)")[:4] + bytes(31) + b"\x01"], "expiry is past"),
    "too_much_gas": ([keccak256(b"gasLimit(uint64)")[:4] + b"\x00" * 28 + b"\xff" * 4], "gas limit too high"),
}


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_sending_is_refused_with(world: World, name: str) -> None:
    attributes, reason = ATTRIBUTES[name]
    mirror = world.address(Role.DESTINATION, "AnchorMirror")
    with pytest.raises(Refused, match=reason):
        world.send(Role.ORIGIN, "Gateway", "sendMessage", mirror, b"payload", attributes)
    sent = world.sent(Role.ORIGIN, world.send(Role.ORIGIN, "Gateway", "sendMessage", mirror, b"payload", []))
    assert (sent[0].payload, sent[0].message.kind) == (b"payload", Kind.NOTICE)


RECIPIENTS = {
    "a_chain_without_a_gateway": bytes.fromhex("00010000021bff14") + bytes(20),
    "a_leading_zero_in_the_chain_id": bytes.fromhex("0001000003001bbe14") + bytes(20),
    "another_version": bytes.fromhex("00020000021bbe14") + bytes(20),
    "another_chain_type": bytes.fromhex("00010002021bbe14") + bytes(20),
    "a_short_address": bytes.fromhex("00010000021bbe13") + bytes(19),
    "a_trailing_byte": bytes.fromhex("00010000021bbe14") + bytes(21),
    "nothing": b"",
}


@pytest.mark.parametrize("name", RECIPIENTS)
def test_sending_is_refused_to(world: World, name: str) -> None:
    with pytest.raises(Refused, match=r"interoperable_address|unknown chain"):
        world.send(Role.ORIGIN, "Gateway", "sendMessage", RECIPIENTS[name], b"payload", [])


def test_the_fixture_knows_the_committee(world: World) -> None:
    held = world.read(Role.DESTINATION, "Committee", "members", 1)
    assert held == tuple(int.from_bytes(key.address, "big") for key in NOTARIES)
