"""What a notary attests, and what it refuses to: on real chains, with the honest twin beside each refusal."""

from __future__ import annotations

from pathlib import Path

from contracts.binding import Contract, creation_code
from contracts.manifest import Role
from contracts.transactor import Transactor
from ledger.attestation import attestation_digest
from ledger.ethereum.keccak import keccak256
from ledger.interoperable import encode
from ledger.quorum import root_over
from ledger.secp256k1 import Signature, SigningKey, recover
from notary.notary import Notary
from notary.policy import MAX_LEAVES
from notary.proven import Locator
from tests.chains import CHAIN_IDS, NOTARY_KEYS, Deployed, Sent, anchor_payload, fund
from tests.notary.subject import Subject, codes, locator, refusal

EXPIRY = keccak256(b"expiry(uint64)")[:4]


def attested_by(notary: Notary, sent: Sent) -> bytes:
    """Who signed the attestation of one message."""
    answer = notary.attest([locator(sent)])
    message = sent.message
    assert answer.ids == (message.id,)
    digest = attestation_digest(
        chain_id=message.destination.chain_id,
        gateway=message.destination.gateway,
        root=root_over([message]),
        epoch=answer.epoch,
    )
    return recover(digest, Signature.parse(answer.signature))


def test_a_final_message_on_an_open_lane_is_attested_with_the_members_key(subject: Subject) -> None:
    assert attested_by(subject.notary, subject.chains.send()) == NOTARY_KEYS[0].address


def test_asking_again_gives_the_same_signature_also_after_a_restart(subject: Subject) -> None:
    leaf = locator(subject.chains.send())
    first = subject.notary.attest([leaf])
    promised = subject.promises()
    assert subject.notary.attest([leaf]) == first
    subject.restart()
    assert subject.notary.attest([leaf]) == first
    assert subject.promises() == promised


def test_several_messages_share_one_root_in_the_order_asked(subject: Subject) -> None:
    sent = [subject.chains.send(anchor_payload(size)) for size in (7, 8, 9)]
    answer = subject.notary.attest([locator(each) for each in reversed(sent)])
    messages = [each.message for each in reversed(sent)]
    assert answer.ids == tuple(message.id for message in messages)
    assert answer.root == root_over(messages)


def test_the_journal_tells_what_was_signed_about_a_message(subject: Subject) -> None:
    sent = subject.chains.send()
    answer = subject.notary.attest([locator(sent)])
    [(held, signature)] = subject.notary.attested(sent.message.id)
    assert (held.root, held.leaf, held.size, signature) == (answer.root, 0, 1, answer.signature)
    assert subject.notary.attested(b"\x00" * 32) == []


def test_e05_a_message_that_is_not_final_waits_and_is_signed_once_it_is(slow_chains: Deployed, tmp_path: Path) -> None:
    subject = Subject(slow_chains, tmp_path / "slow")
    sent, node = slow_chains.send(), slow_chains.node(Role.ORIGIN)
    try:
        for _ in range(2):
            problem = subject.refuses(lambda notary: notary.attest([locator(sent)]), "NOT_FINAL")
            assert problem.http_status == 503
            node.request("anvil_mine", "0x1")
        assert attested_by(subject.notary, sent) == NOTARY_KEYS[0].address
    finally:
        subject.close()


def test_a_block_that_does_not_exist_yet_is_not_final(subject: Subject) -> None:
    head = subject.chains.send().block
    subject.refuses(lambda notary: notary.attest([Locator(7101, head + 1000, 0, 0)]), "NOT_FINAL")


def test_f01_the_same_log_from_another_contract_is_refused(subject: Subject) -> None:
    chains = subject.chains
    origin, transactor = chains.manifest.chain(Role.ORIGIN), chains.transactors[Role.ORIGIN]
    committee = origin.contracts["Committee"]
    office = transactor.send(None, creation_code("Administration", committee, 1)).contract
    assert office is not None
    twin = transactor.send(None, creation_code("Gateway", origin.genesis, committee, office)).contract
    assert twin is not None
    lookalike, administration = Contract("Gateway", twin), Contract("Administration", office)
    peer = chains.manifest.chain(Role.DESTINATION)
    ends = (peer.chain_id, peer.genesis, peer.contracts["Gateway"])
    transactor.send(office, administration.encode_call("attach", twin))
    transactor.send(office, administration.encode_call("register_peer", ends))
    to = encode(peer.chain_id, peer.contracts["AnchorMirror"])
    mined = transactor.send(twin, lookalike.encode_call("sendMessage", to, anchor_payload(1), []))
    assert lookalike.decode_log(mined.logs[0]) is not None
    subject.refuses(lambda notary: notary.attest([Locator(origin.chain_id, mined.block, 0, 0)]), "EMITTER")
    assert attested_by(subject.notary, chains.send()) == NOTARY_KEYS[0].address


def test_a_log_of_our_gateway_that_is_no_message_is_refused(subject: Subject) -> None:
    mined = subject.chains.certify_root(Role.ORIGIN, b"\x01" * 32)
    subject.refuses(lambda notary: notary.attest([Locator(7101, mined.block, 0, 0)]), "PROPOSAL_LOG")


def test_a_transaction_or_log_that_is_not_in_the_block_is_refused(subject: Subject) -> None:
    sent = subject.chains.send()
    for transaction, log in ((1, 0), (0, 1), (2**31 - 1, 0), (0, 2**31 - 1)):
        leaves = [Locator(7101, sent.block, transaction, log)]
        assert codes(refusal(lambda asked=leaves: subject.notary.attest(asked))) == {"PROOF_ABSENT"}  # type: ignore[misc]
    subject.refuses(lambda notary: notary.attest([Locator(7101, sent.block, 0, 1)]), "PROOF_ABSENT")
    assert attested_by(subject.notary, sent) == NOTARY_KEYS[0].address


def test_a_message_on_a_lane_that_nobody_opened_is_refused(own_subject: Subject) -> None:
    # Chains of its own: giving an account funds changes state without a transaction, which re-execution would find.
    subject, chains = own_subject, own_subject.chains
    stranger = SigningKey.from_secret(b"\x61" * 32)
    node = chains.node(Role.ORIGIN)
    fund(node, stranger.address)
    gateway, mirror = chains.manifest.chain(Role.ORIGIN).contract("Gateway"), chains.manifest.chain(Role.DESTINATION)
    to = encode(mirror.chain_id, mirror.contracts["AnchorMirror"])
    sender = Transactor(node, stranger, chain_id=CHAIN_IDS[Role.ORIGIN])
    sent = chains.sent(sender.send(gateway.address, gateway.encode_call("sendMessage", to, anchor_payload(1), [])))
    subject.refuses(lambda notary: notary.attest([locator(sent)]), "LANE")
    chains.open_lane(stranger.address)
    assert attested_by(subject.notary, sent) == NOTARY_KEYS[0].address


def test_a_message_to_another_recipient_than_the_lanes_is_refused(subject: Subject) -> None:
    sent = subject.chains.send(recipient=b"\x09" * 20)
    subject.refuses(lambda notary: notary.attest([locator(sent)]), "LANE")


def test_a_message_that_expired_at_its_destination_is_refused(subject: Subject) -> None:
    chains = subject.chains
    destination = chains.node(Role.DESTINATION)
    now = max(
        int(chains.node(role).request("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
        for role in (Role.ORIGIN, Role.DESTINATION)
    )
    sent = chains.send(attributes=[EXPIRY + (now + 3600).to_bytes(32, "big")])
    later = chains.send(attributes=[EXPIRY + (now + 7200).to_bytes(32, "big")])
    assert attested_by(subject.notary, sent) == NOTARY_KEYS[0].address, "in time it is attested"
    destination.request("evm_setNextBlockTimestamp", now + 3600)
    destination.request("anvil_mine", "0x1")
    subject.refuses(lambda notary: notary.attest([locator(sent)]), "EXPIRED")
    assert attested_by(subject.notary, later) == NOTARY_KEYS[0].address


def test_what_arrived_before_it_expired_is_attested_for_the_record_afterwards(subject: Subject) -> None:
    chains = subject.chains
    destination = chains.node(Role.DESTINATION)
    now = max(
        int(chains.node(role).request("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
        for role in (Role.ORIGIN, Role.DESTINATION)
    )
    arrived, late = (chains.send(attributes=[EXPIRY + (now + 3600).to_bytes(32, "big")]) for _ in range(2))
    chains.commit(arrived)
    destination.request("evm_setNextBlockTimestamp", now + 3600)
    destination.request("anvil_mine", "0x1")
    subject.refuses(lambda notary: notary.attest([locator(late)]), "EXPIRED")
    assert attested_by(subject.notary, arrived) == NOTARY_KEYS[0].address


def test_one_refused_leaf_refuses_all_and_is_named_so_that_the_others_can_be_asked_again(subject: Subject) -> None:
    good, other = subject.chains.send(), subject.chains.send()
    bad = Locator(7101, good.block, 0, 9)
    problem = subject.refuses(lambda notary: notary.attest([locator(good), bad, locator(other)]), "PROOF_ABSENT")
    assert problem.code == "LEAVES_REFUSED"
    assert [each.leaf for each in problem.refused] == [1]  # type: ignore[attr-defined]
    assert len(subject.notary.attest([locator(good), locator(other)]).ids) == 2


def test_a_refusal_weighs_more_than_a_leaf_that_is_only_early(subject: Subject) -> None:
    sent = subject.chains.send()
    leaves = [Locator(7101, sent.block, 0, 9), Locator(7101, sent.block + 1000, 0, 0)]
    problem = refusal(lambda: subject.notary.attest(leaves))
    assert (problem.code, codes(problem)) == ("LEAVES_REFUSED", {"PROOF_ABSENT", "NOT_FINAL"})


def test_leaves_are_counted_and_distinct_and_of_the_deployment(subject: Subject) -> None:
    leaf = locator(subject.chains.send())
    subject.refuses(lambda notary: notary.attest([]), "LEAVES_COUNT")
    subject.refuses(lambda notary: notary.attest([leaf] * (MAX_LEAVES + 1)), "LEAVES_COUNT")
    subject.refuses(lambda notary: notary.attest([leaf, leaf]), "LEAF_REPEATED")
    subject.refuses(lambda notary: notary.attest([Locator(1, 1, 0, 0)]), "CHAIN_UNKNOWN")


def test_a_certificate_is_for_one_destination(subject: Subject) -> None:
    chains = subject.chains
    gateway, transactions = (
        chains.manifest.chain(Role.ORIGIN).contract("Gateway"),
        chains.manifest.chain(Role.TRANSACTION),
    )
    to = encode(transactions.chain_id, transactions.contracts["GoodsRegistry"])
    call = gateway.encode_call("sendMessage", to, b"", [])
    elsewhere = chains.sent(chains.transactors[Role.ORIGIN].send(gateway.address, call))
    here = chains.send()
    subject.refuses(lambda notary: notary.attest([locator(here), locator(elsewhere)]), "LEAVES_MIXED")
