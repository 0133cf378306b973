"""Which proof a lane asks for: each policy takes its own, and no other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from ledger.ethereum.header import header_from_rpc
from ledger.ethereum.qbft import validator_items
from ledger.ethereum.trie import ordered_proof, ordered_root
from ledger.ethereum.tx_receipt import Log, TxReceipt, bloom_of
from ledger.headers.certified import HeaderDomain
from ledger.headers.held import HeldHeader
from ledger.headers.light_client import summary
from ledger.headers.seals import pack_seals
from ledger.observation import Observation
from ledger.proposal import MESSAGE_SENT, Proposal
from tests.contracts.evm import STRANGER, Deployed, Outcome
from tests.contracts.gateway_bed import (
    CERTIFIED,
    DAY,
    DELAY,
    HERE,
    NOTARY,
    NOTARY_AND_RELAY,
    PEER,
    RELAY,
    SEALED,
    VOUCHED,
    Bed,
    as_arguments,
)
from tests.ledger.ethereum.test_header import block
from tests.simulator.qbft import PERIOD, QbftChain, keys

OTHER_PROOF = "Gateway: lane asks for another proof"
NOT_OBSERVED = "Lookout: not observed"
UNSIGNED, BELOW = "Committee: signature length", "Committee: below quorum"
POLICIES = {"notary": NOTARY, "certified": CERTIFIED, "relay": RELAY, "notary_and_relay": NOTARY_AND_RELAY}


def observe(bed: Bed, proposal: Proposal, observation: bytes, *, signers: Sequence[int] = ()) -> Outcome:
    """Commit by an observation, and by the notaries' signatures beside it."""
    certificate = bed.certificate(proposal, signers=signers)
    proof = (*as_arguments(certificate), observation)
    return bed.gateway.send("commit_observed", proposal.message.as_delivery(), proposal.payload, *proof, by=STRANGER)


def on(bed: Bed, policy: int) -> Proposal:
    """A message on a lane of a policy, which is opened."""
    sender = bytes([0x60 + policy]) * 20
    bed.open(policy, sender=sender)
    return bed.message(sender=sender)


# policy -> by what it is proven -> the reason why that does not commit, or nothing: then it does
MATRIX: dict[str, dict[str, str]] = {
    "notary": {
        "certificate": "",
        "sealed": OTHER_PROOF,
        "vouched": OTHER_PROOF,
        "certificate and sealed": OTHER_PROOF,
        "certificate and vouched": OTHER_PROOF,
        "nothing": OTHER_PROOF,
    },
    "certified": {
        "certificate": OTHER_PROOF,
        "sealed": NOT_OBSERVED,
        "vouched": "",
        "certificate and sealed": NOT_OBSERVED,
        "certificate and vouched": "",
        "nothing": NOT_OBSERVED,
    },
    "relay": {
        "certificate": OTHER_PROOF,
        "sealed": "",
        "vouched": NOT_OBSERVED,
        "certificate and sealed": "",
        "certificate and vouched": NOT_OBSERVED,
        "nothing": NOT_OBSERVED,
    },
    "notary_and_relay": {
        "certificate": OTHER_PROOF,
        "sealed": UNSIGNED,
        "vouched": UNSIGNED,
        "certificate and sealed": "",
        "certificate and vouched": NOT_OBSERVED,
        "nothing": UNSIGNED,
    },
}


@pytest.mark.parametrize("proof", MATRIX["notary"])
@pytest.mark.parametrize("policy", POLICIES)
def test_only_the_proof_that_the_lane_asks_for_commits(watched_bed: Bed, policy: str, proof: str) -> None:
    bed, reason = watched_bed, MATRIX[policy][proof]
    proposal = on(bed, POLICIES[policy])

    def act() -> Outcome:
        if proof == "certificate":
            return bed.commit(proposal)
        word = SEALED if "sealed" in proof else VOUCHED if "vouched" in proof else b""
        signers = (0, 1, 2) if "certificate" in proof else ()
        return observe(bed, proposal, word + proposal.message.id if word else b"", signers=signers)

    if not reason:
        act()
        assert (bed.taken(proposal), bed.is_committed(proposal)) == (1, True)
        return
    with bed.refused(reason):
        act()
    assert not bed.is_committed(proposal)


@pytest.mark.parametrize("policy", [CERTIFIED, RELAY])
def test_G01_an_observed_message_is_committed_once(watched_bed: Bed, policy: int) -> None:
    proposal = on(watched_bed, policy)
    proof = (SEALED if policy == RELAY else VOUCHED) + proposal.message.id
    observe(watched_bed, proposal, proof)
    with watched_bed.refused("Gateway: already committed"):
        observe(watched_bed, proposal, proof)


def test_an_observation_is_of_one_message(watched_bed: Bed) -> None:
    seen, other = on(watched_bed, RELAY), watched_bed.message(sender=bytes([0x60 + RELAY]) * 20)
    with watched_bed.refused(NOT_OBSERVED):
        observe(watched_bed, other, SEALED + seen.message.id)
    with watched_bed.refused(NOT_OBSERVED):
        observe(watched_bed, Proposal(seen.message, b"another payload"), SEALED + seen.message.id)
    observe(watched_bed, seen, SEALED + seen.message.id)


def test_A07_a_second_opinion_needs_the_whole_quorum(watched_bed: Bed) -> None:
    proposal = on(watched_bed, NOTARY_AND_RELAY)
    proof = SEALED + proposal.message.id
    with watched_bed.refused(BELOW):
        observe(watched_bed, proposal, proof, signers=(0, 1))
    observe(watched_bed, proposal, proof, signers=(0, 1, 2))


def test_a_second_opinion_is_not_replaced_by_a_certified_root(watched_bed: Bed) -> None:
    proposal = on(watched_bed, NOTARY_AND_RELAY)
    certificate = watched_bed.certificate(proposal)
    watched_bed.gateway.send("certify", certificate.root, 1, certificate.signatures)
    with watched_bed.refused(OTHER_PROOF):
        watched_bed.commit(proposal, certificate, signatures=b"")
    with watched_bed.refused(UNSIGNED):
        observe(watched_bed, proposal, SEALED + proposal.message.id)
    observe(watched_bed, proposal, SEALED + proposal.message.id, signers=(0, 1, 2))


def test_C05_a_second_opinion_is_about_the_same_message(watched_bed: Bed) -> None:
    proposal, other = on(watched_bed, NOTARY_AND_RELAY), watched_bed.message()
    proof = as_arguments(watched_bed.certificate(other))
    with watched_bed.refused("Committee: not this member's signature"):
        watched_bed.gateway.send(
            "commit_observed",
            proposal.message.as_delivery(),
            proposal.payload,
            *proof,
            SEALED + proposal.message.id,
        )
    observe(watched_bed, proposal, SEALED + proposal.message.id, signers=(0, 1, 2))


def test_an_observed_message_expires_too(watched_bed: Bed) -> None:
    proposal = on(watched_bed, RELAY)
    watched_bed.evm.time = proposal.message.expiry
    with watched_bed.refused("Gateway: expired"):
        observe(watched_bed, proposal, SEALED + proposal.message.id)
    watched_bed.evm.time -= 1
    observe(watched_bed, proposal, SEALED + proposal.message.id)


# -- who may observe


def lookout(bed: Bed, *, chain_id: int = PEER.chain_id, genesis: bytes = PEER.genesis, sealed: bool = True) -> Deployed:
    """An observer."""
    return bed.evm.deploy(HERE / "Lookout.vy", b"other", chain_id, genesis, sealed)


@pytest.mark.parametrize("policy", [CERTIFIED, RELAY, NOTARY_AND_RELAY])
def test_a_lane_is_refused_whose_policy_nobody_serves(bed: Bed, policy: int) -> None:
    with bed.refused("Administration: no observer of the origin for this policy"):
        bed.open(policy, sender=b"\x66" * 20)
    bed.open(NOTARY, sender=b"\x66" * 20)


REFUSED: dict[str, tuple[int, int, dict[str, Any], str]] = {
    "relay_over_headers_that_only_notaries_certify": (
        PEER.chain_id,
        RELAY,
        {"sealed": False},
        "Administration: headers without seals",
    ),
    "headers_of_another_chain": (PEER.chain_id, RELAY, {"chain_id": 7199}, "Administration: headers of another chain"),
    "G02_headers_of_a_fork": (
        PEER.chain_id,
        CERTIFIED,
        {"genesis": b"\x66" * 32},
        "Administration: headers of another chain",
    ),
    "a_chain_that_is_no_peer": (7199, RELAY, {"chain_id": 7199}, "Administration: unknown chain"),
    "the_policy_notary": (PEER.chain_id, NOTARY, {}, "Administration: policy without an observer"),
    "the_policy_notary_and_relay": (
        PEER.chain_id,
        NOTARY_AND_RELAY,
        {},
        "Administration: policy without an observer",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("is_sealed", [False, True], ids=["in_set_up", "by_order"])
def test_no_observer_is_named_for(name: str, is_sealed: bool) -> None:
    chain_id, policy, changed, reason = REFUSED[name]
    bed = Bed.lay(is_open=False)
    bed.administration.send("attach", bed.gateway.address)
    bed.administration.send("register_peer", PEER.as_abi())
    wrong, right = lookout(bed, **changed), lookout(bed)
    if not is_sealed:
        with bed.refused(reason):
            bed.administration.send("register_observer", chain_id, policy, wrong.address)
        bed.administration.send("register_observer", PEER.chain_id, RELAY, right.address)
    else:
        bed.administration.send("seal")
        bed.announce("order_observer", chain_id, policy, wrong.address)
        bed.evm.time += DELAY
        with bed.refused(reason):
            bed.administration.send("order_observer", chain_id, policy, wrong.address, bytes(32))
        bed.order("order_observer", PEER.chain_id, RELAY, right.address)
    assert bed.gateway.call("observers", PEER.chain_id, RELAY) == right.address


def test_the_quorum_names_an_observer_in_place_of_another(watched_bed: Bed) -> None:
    proposal = on(watched_bed, RELAY)
    other = lookout(watched_bed)
    watched_bed.order("order_observer", PEER.chain_id, RELAY, other.address)
    with watched_bed.refused(NOT_OBSERVED):
        observe(watched_bed, proposal, SEALED + proposal.message.id)
    observe(watched_bed, proposal, b"other" + proposal.message.id)


# -- with the real ones: a receipt, its proof, and a header that somebody vouches for


def observation(proposal: Proposal, header: HeldHeader, receipts: Sequence[TxReceipt]) -> bytes:
    """What shows the message leaving in the last log of the second transaction."""
    nodes = tuple(ordered_proof([each.encode() for each in receipts], 1))
    held = (header.height, header.block_hash, header.state_root, header.receipts_root, header.timestamp)
    return Observation(*held, 1, 1, nodes).pack()


def left(proposal: Proposal, *, gateway: bytes = PEER.gateway, status: int = 1) -> list[TxReceipt]:
    """The receipts of a block in which the message left the peer."""
    noise = Log(STRANGER, (b"\x77" * 32,), b"")
    logs = (noise, Log(gateway, (MESSAGE_SENT, proposal.message.id), b"sender, recipient, payload" * 5))
    return [
        TxReceipt(2, 1, 21_000, bloom_of((noise,)), (noise,)),
        TxReceipt(2, status, 90_000, bloom_of(logs), logs),
    ]


def root_of(receipts: Sequence[TxReceipt]) -> bytes:
    """Root of the receipts' trie."""
    return ordered_root([each.encode() for each in receipts])


def certified_bed() -> tuple[Bed, Deployed]:
    """A bed whose observer asks headers that the notaries certify."""
    bed = Bed.lay(is_open=False)
    arguments = (PEER.chain_id, PEER.genesis, 30, 0, bed.committee.address, DELAY)
    headers = bed.evm.deploy("CertifiedHeaders", *arguments)
    return bed, headers


def set_up(bed: Bed, headers: Deployed, policy: int) -> None:
    """Name the peer and its observer, and open the lane."""
    bed.administration.send("attach", bed.gateway.address)
    bed.administration.send("register_peer", PEER.as_abi())
    served = CERTIFIED if policy == CERTIFIED else RELAY
    observer = bed.evm.deploy("ReceiptObserver", headers.address)
    bed.administration.send("register_observer", PEER.chain_id, served, observer.address)
    bed.open(policy)


def fields(header: HeldHeader) -> tuple[Any, ...]:
    """As contracts take it."""
    return header.height, header.block_hash, header.state_root, header.receipts_root, header.timestamp


def test_certified_end_to_end_with_real_receipts_and_headers() -> None:
    bed, headers = certified_bed()
    set_up(bed, headers, CERTIFIED)
    proposal = bed.message()
    receipts = left(proposal)
    full = replace(header_from_rpc(block()), receipts_root=root_of(receipts), timestamp=bed.evm.time - 5)
    header = HeldHeader(full.number, full.hash, full.state_root, full.receipts_root, full.timestamp)
    with bed.refused("held_headers: not held"):
        observe(bed, proposal, observation(proposal, header, receipts))
    digest = HeaderDomain(bed.evm.chain_id, headers.address, PEER.chain_id).digest(header, 1)
    headers.send("certify", *fields(header), 1, bed.sign(digest))
    with bed.refused("ReceiptObserver: another message"):
        observe(bed, bed.message(), observation(proposal, header, receipts))
    observe(bed, proposal, observation(proposal, header, receipts))
    assert bed.taken(proposal) == 1
    with bed.refused("Gateway: already committed"):
        observe(bed, proposal, observation(proposal, header, receipts))


def test_headers_that_notaries_certify_serve_no_relay() -> None:
    bed, headers = certified_bed()
    set_up(bed, headers, CERTIFIED)
    observer = bed.gateway.call("observers", PEER.chain_id, CERTIFIED)
    with bed.refused("Administration: headers without seals"):
        bed.administration.send("register_observer", PEER.chain_id, RELAY, observer)
    for policy in (RELAY, NOTARY_AND_RELAY):
        with bed.refused("Administration: no observer of the origin for this policy"):
            bed.open(policy, sender=b"\x66" * 20)


@pytest.mark.parametrize("policy", [RELAY, NOTARY_AND_RELAY])
def test_relay_end_to_end_with_real_receipts_and_seals(policy: int) -> None:
    chain = QbftChain(keys(4))
    chain.mine()
    bed = Bed.lay(is_open=False)
    bed.evm.time = chain.head.timestamp + 5
    trust = (PEER.chain_id, PEER.genesis, chain.head.unsealed, 14 * DAY, 30, PERIOD, bed.committee.address, DELAY)
    client = bed.evm.deploy("LightClient", *trust)
    set_up(bed, client, policy)
    proposal, signers = bed.message(), (0, 1, 2) if policy == NOTARY_AND_RELAY else ()

    def mined(receipts: list[TxReceipt]) -> bytes:
        sealed = chain.mine(receipts_root=root_of(receipts))
        client.send("update", sealed.unsealed, pack_seals(sealed), validator_items(()))
        return observation(proposal, summary(sealed), receipts)

    forged = {
        "ReceiptObserver: another emitter": left(proposal, gateway=STRANGER),
        "tx_receipt_proof: transaction failed": left(proposal, status=0),
    }
    for reason, receipts in forged.items():
        seen = mined(receipts)
        with bed.refused(reason):
            observe(bed, proposal, seen, signers=signers)
    observe(bed, proposal, mined(left(proposal)), signers=signers)
    assert bed.taken(proposal) == 1


def test_the_notaries_word_weighs_nothing_on_a_relay_lane(watched_bed: Bed) -> None:
    proposal = on(watched_bed, RELAY)
    with watched_bed.refused(NOT_OBSERVED):
        observe(watched_bed, proposal, VOUCHED + proposal.message.id, signers=(0, 1, 2, 3))
    observe(watched_bed, proposal, SEALED + proposal.message.id)


def test_every_cell_of_the_matrix_is_stated() -> None:
    proofs = set(MATRIX["notary"])
    assert set(MATRIX) == set(POLICIES)
    assert all(set(row) == proofs for row in MATRIX.values())
    assert [sum(not reason for reason in row.values()) for row in MATRIX.values()] == [1, 2, 2, 1]
