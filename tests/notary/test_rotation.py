"""Committees change while messages are under way: in which epoch a notary signs, and when it no longer may."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from contracts.manifest import Role
from ledger.attestation import attestation_digest, verdict_digest
from ledger.checkpoint import Checkpoint, CosignerKey, add_cosignatures, open_cosigned, sign_checkpoint
from ledger.quorum import pack, root_over
from ledger.secp256k1 import Signature, SigningKey, recover
from notary.attesting import Attestation
from notary.config import NotaryConfig
from notary.notary import Notary
from notary.policy import MAX_DRIFT_SECONDS, clock_alarm
from notary.signer import ATTESTING_FILE, COSIGNING_FILE
from tests.chains import COSIGNING_KEYS, LOG_ORIGIN, LOG_SIGNER, NOTARY_KEYS, Deployed, Sent, deployed_on_anvil
from tests.contracts.committees import attested
from tests.contracts.test_committee_evidence import FIRST, SECOND
from tests.notary.subject import NOW, Subject, commit_locator, locator, refusal
from tests.rotations import announce, cosigning_secret, joiner, pass_time, record, rotate

OLD = NOTARY_KEYS
WITH_0 = (joiner(1), NOTARY_KEYS[0], NOTARY_KEYS[2], NOTARY_KEYS[3])  # notary 0 moves from place 0 to place 1
CHECKPOINT = Checkpoint(LOG_ORIGIN, 3, b"\x03" * 32)
WITHOUT_0 = (joiner(1), joiner(2), NOTARY_KEYS[2], NOTARY_KEYS[3])


@pytest.fixture(scope="module")
def laid() -> Iterator[Deployed]:
    """One deployment for all of these tests; each finds it as it was laid."""
    with deployed_on_anvil() as deployed:
        yield deployed


@pytest.fixture
def own_chains(laid: Deployed) -> Iterator[Deployed]:
    nodes = [laid.node(role) for role in laid.transactors]
    before = [node.request("evm_snapshot") for node in nodes]
    yield laid
    for node, point in zip(nodes, before, strict=True):
        node.request("evm_revert", point)


def turn(chains: Deployed, role: Role, before: Sequence[SigningKey], after: Sequence[SigningKey], epoch: int) -> None:
    """A whole rotation on one chain."""
    delay = chains.manifest.rotation.delay
    rotate(chains.transactors[role], chains.manifest.chain(role), before, after, epoch=epoch, delay=delay)


def signer_of(answer: Attestation, sent: Sent) -> bytes:
    end = sent.message.destination
    root = root_over([sent.message])
    digest = attestation_digest(chain_id=end.chain_id, gateway=end.gateway, root=root, epoch=answer.epoch)
    return recover(digest, Signature.parse(answer.signature))


def attest(subject: Subject, sent: Sent) -> tuple[int, int]:
    """Epoch and index in which a message was attested, by the right key."""
    answer = subject.notary.attest([locator(sent)])
    assert signer_of(answer, sent) == NOTARY_KEYS[0].address
    return answer.epoch, answer.member


def test_B03_a_rotation_in_mid_flight_is_followed_and_the_destination_takes_the_new_certificate(
    own_subject: Subject,
) -> None:
    chains = own_subject.chains
    early = chains.send()
    assert attest(own_subject, early) == (1, 0)
    turn(chains, Role.DESTINATION, OLD, WITH_0, 1)
    late = chains.send()
    assert attest(own_subject, late) == (2, 1)
    message = late.message
    digest = attestation_digest(
        chain_id=message.destination.chain_id,
        gateway=message.destination.gateway,
        root=root_over([message]),
        epoch=2,
    )
    packed = pack({index: key.sign(digest) for index, key in enumerate(WITH_0[:3])})
    gateway = chains.manifest.chain(Role.DESTINATION).contract("Gateway")
    call = gateway.encode_call("commit", message.as_delivery(), late.proposal.payload, 0, 1, [], 2, packed)
    chains.transactors[Role.DESTINATION].send(gateway.address, call)
    assert gateway.read(
        chains.node(Role.DESTINATION), "is_committed", message.lane, message.generation, message.sequence
    )


def test_B13_the_same_message_may_be_attested_in_a_later_epoch_and_the_journal_keeps_both(own_subject: Subject) -> None:
    sent = own_subject.chains.send()
    first = own_subject.notary.attest([locator(sent)])
    turn(own_subject.chains, Role.DESTINATION, OLD, WITH_0, 1)
    second = own_subject.notary.attest([locator(sent)])
    assert (first.epoch, second.epoch, second.ids) == (1, 2, first.ids)
    own_subject.restart()
    held = [(each.epoch, signature) for each, signature in own_subject.notary.attested(sent.message.id)]
    assert held == [(1, first.signature), (2, second.signature)]


def test_B01_who_was_rotated_out_signs_nothing_new_and_serves_what_it_attested(own_subject: Subject) -> None:
    chains = own_subject.chains
    sent = chains.send()
    first = own_subject.notary.attest([locator(sent)])
    turn(chains, Role.DESTINATION, OLD, WITHOUT_0, 1)
    own_subject.refuses(lambda notary: notary.attest([locator(sent)]), "NOT_A_MEMBER")
    refused = own_subject.refuses(lambda notary: notary.attest([locator(chains.send())]), "NOT_A_MEMBER")
    assert (refused.http_status, "epoch 2" in refused.what) == (409, True)
    [(held, signature)] = own_subject.notary.attested(sent.message.id)
    assert (held.epoch, signature) == (1, first.signature)
    status = own_subject.notary.status().chains
    assert (status["eip155:7102"].epoch, status["eip155:7102"].member) == (2, None)
    assert (status["eip155:7103"].epoch, status["eip155:7103"].member) == (1, 0)
    # Its verdicts are the transaction chain's to ask for, where it still sits.
    _, place = chains.commit(sent)
    assert own_subject.notary.judge(locator(sent), commit_locator(place)).verdict.epoch == 1


def test_B04_an_order_that_is_only_announced_changes_nothing(own_subject: Subject) -> None:
    chains = own_subject.chains
    transactor, chain = chains.transactors[Role.DESTINATION], chains.manifest.chain(Role.DESTINATION)
    announce(transactor, chain.contract("Committee"), WITHOUT_0, by=dict(enumerate(OLD)), epoch=1)
    pass_time(transactor.node, chains.manifest.rotation.delay)
    assert attest(own_subject, chains.send()) == (1, 0)


def test_a_rotation_counts_once_it_is_final(slow_chains: Deployed, tmp_path: Path) -> None:
    subject = Subject(slow_chains, tmp_path / "slow")
    try:
        turn(slow_chains, Role.DESTINATION, OLD, WITH_0, 1)
        sent = slow_chains.send()
        slow_chains.node(Role.ORIGIN).request("anvil_mine", "0x2")
        assert attest(subject, sent) == (1, 0)
        slow_chains.node(Role.DESTINATION).request("anvil_mine", "0x2")
        assert attest(subject, sent) == (2, 1)
    finally:
        subject.close()


def test_K04_a_suspended_key_signs_nothing_more_and_its_neighbours_go_on(own_subject: Subject, tmp_path: Path) -> None:
    chains = own_subject.chains
    sent = chains.send()
    committee = chains.manifest.chain(Role.DESTINATION).contract("Committee")
    evidence = (attested(message, NOTARY_KEYS[0]) for message in (FIRST, SECOND))
    call = committee.encode_call("report", *(each.as_abi() for each in evidence))
    chains.transactors[Role.DESTINATION].send(committee.address, call)
    own_subject.refuses(lambda notary: notary.attest([locator(sent)]), "SUSPENDED")
    other = own_subject.beside(1)
    try:
        assert other.attest([locator(sent)]).member == 1
    finally:
        other.close()


def test_verdicts_are_signed_in_the_transaction_chains_epoch(own_subject: Subject) -> None:
    chains = own_subject.chains
    sent = chains.send()
    _, place = chains.commit(sent)
    first = own_subject.notary.judge(locator(sent), commit_locator(place))
    turn(chains, Role.TRANSACTION, OLD, WITH_0, 1)
    second = own_subject.notary.judge(locator(sent), commit_locator(place))
    assert [(each.verdict.epoch, each.member) for each in (first, second)] == [(1, 0), (2, 1)]
    chain = chains.manifest.chain(Role.TRANSACTION)
    registry = chain.contracts["TransactionRegistry"]
    digest = verdict_digest(chain_id=chain.chain_id, registry=registry, verdict=second.verdict)
    assert recover(digest, Signature.parse(second.signature)) == NOTARY_KEYS[0].address
    turn(chains, Role.TRANSACTION, WITH_0, WITHOUT_0, 2)
    own_subject.refuses(lambda notary: notary.judge(locator(sent), commit_locator(place)), "NOT_A_MEMBER")


JOINED = f"0x{joiner(1).address.hex()}"  # the operator's name in its record


def joined(subject: Subject, folder: Path, *, name: str | None = JOINED, cosigning: bytes = b"") -> Notary:
    """A notary whom the manifest does not name: it holds the keys of the first joiner, unless told otherwise."""
    folder.mkdir()
    for file, secret in (
        (ATTESTING_FILE, joiner(1).secret),
        (COSIGNING_FILE, cosigning or cosigning_secret(joiner(1))),
    ):
        (folder / file).write_text(secret.hex() + "\n")
        (folder / file).chmod(0o600)
    config = NotaryConfig(None, subject.chains.manifest, dict(subject.chains.urls), folder, name=name)
    return Notary(config, nodes=subject.liars, clock=lambda: NOW)


@pytest.fixture
def later(own_subject: Subject, tmp_path: Path) -> Iterator[Notary]:
    """The first joiner's notary."""
    notary = joined(own_subject, tmp_path / "later")
    yield notary
    notary.close()


def cosign(notary: Notary) -> bytes:
    return notary.add_checkpoint(sign_checkpoint(CHECKPOINT, LOG_SIGNER), old_size=0, proof=[])


def test_B10_a_new_member_signs_from_its_epoch_on_and_not_before(own_subject: Subject, later: Notary) -> None:
    chains = own_subject.chains
    sent = chains.send()
    assert refusal(lambda: later.attest([locator(sent)])).code == "NOT_A_MEMBER"
    assert later.attested(sent.message.id) == []
    turn(chains, Role.DESTINATION, OLD, WITH_0, 1)
    answer = later.attest([locator(sent)])
    assert (answer.epoch, answer.member, signer_of(answer, sent)) == (2, 0, joiner(1).address)
    status = later.status()
    assert (status.index, status.cosigner) == (None, JOINED)
    assert (status.chains["eip155:7102"].member, status.chains["eip155:7103"].member) == (0, None)


def test_B10_a_new_member_cosigns_from_its_epoch_on_where_checkpoints_are_anchored(
    own_subject: Subject, later: Notary
) -> None:
    chains = own_subject.chains
    turn(chains, Role.DESTINATION, OLD, WITH_0, 1)
    assert refusal(lambda: cosign(later)).code == "NOT_A_MEMBER", "of the origin's committee it is none yet"
    assert later.log_size == 0
    turn(chains, Role.ORIGIN, OLD, WITH_0, 1)
    # Readers take name and key from the record that the chain keeps; who moved to another place stays who it was.
    records = [(JOINED, record(joiner(1)).cosigning), (COSIGNING_KEYS[0].name, record(NOTARY_KEYS[0]).cosigning)]
    for notary, (name, key) in zip((later, own_subject.notary), records, strict=True):
        signed = add_cosignatures(sign_checkpoint(CHECKPOINT, LOG_SIGNER), [cosign(notary)])
        keys = [CosignerKey(name, key)]
        opened = open_cosigned(signed, log_key=LOG_SIGNER.key, cosigners=keys, quorum=1)
        assert [each.cosigner.name for each in opened.cosignatures] == [name]


@pytest.mark.parametrize(
    "changed",
    [{"name": None}, {"name": "somebody-else.example"}, {"name": COSIGNING_KEYS[0].name}, {"cosigning": b"\x66" * 32}],
    ids=["no name", "another name", "a member's name", "another key"],
)
def test_B10_who_is_not_as_the_record_says_cosigns_nothing(
    own_subject: Subject, later: Notary, tmp_path: Path, changed: dict[str, Any]
) -> None:
    turn(own_subject.chains, Role.ORIGIN, OLD, WITH_0, 1)
    other = joined(own_subject, tmp_path / "other", **changed)
    try:
        for _ in range(2):
            assert refusal(lambda: cosign(other)).code == "NOT_A_MEMBER"
        assert other.log_size == 0
    finally:
        other.close()
    cosign(later)


def test_B01_who_was_rotated_out_cosigns_nothing_new(own_subject: Subject) -> None:
    cosign(own_subject.notary)
    turn(own_subject.chains, Role.ORIGIN, OLD, WITHOUT_0, 1)
    own_subject.refuses(cosign, "NOT_A_MEMBER")


def test_B03_a_signature_is_served_with_its_index_in_the_epoch_it_names(own_subject: Subject, later: Notary) -> None:
    chains = own_subject.chains
    sent = chains.send()
    attest(own_subject, sent)
    turn(chains, Role.DESTINATION, OLD, WITH_0, 1)
    attest(own_subject, sent)
    later.attest([locator(sent)])
    own_subject.restart()

    def places(notary: Notary) -> list[tuple[int, int | None]]:
        return [(held.epoch, notary.member(held)) for held, _ in notary.attested(sent.message.id)]

    assert places(own_subject.notary) == [(1, 0), (2, 1)]
    assert places(later) == [(2, 0)]


def test_B14_a_node_that_shows_no_order_of_the_rotation_is_not_believed(own_subject: Subject) -> None:
    chains = own_subject.chains
    sent = chains.send()
    turn(chains, Role.DESTINATION, OLD, WITH_0, 1)
    node = own_subject.liars[7102]

    def without_logs(method: str, _params: Sequence[Any], result: Any) -> Any:
        return [] if method == "eth_getLogs" else result

    node.lie = without_logs
    waiting = own_subject.refuses(lambda notary: notary.attest([locator(sent)]), "EPOCH_UNFOLLOWED")
    assert waiting.http_status == 503
    node.lie = lambda _method, _params, result: result
    assert attest(own_subject, sent) == (2, 1)


@pytest.mark.parametrize(
    ("drift", "said"),
    [
        (0, ""),
        (MAX_DRIFT_SECONDS, ""),
        (-MAX_DRIFT_SECONDS, ""),
        (MAX_DRIFT_SECONDS + 1, "ahead of"),
        (-86400, "behind"),
    ],
)
def test_E11_a_clock_that_drifts_too_far_is_an_alarm(drift: int, said: str) -> None:
    alarm = clock_alarm(drift)
    assert (alarm == "") == (said == "")
    assert said in alarm


def test_E11_drift_is_told_and_changes_no_signature(own_subject: Subject) -> None:
    chains = own_subject.chains
    sent = chains.send()
    first = own_subject.notary.attest([locator(sent)])
    for ahead in (-3 * 86400, 3 * 86400):
        own_subject.notary.close()
        wrong = Notary(own_subject.config, nodes=own_subject.liars, wall=lambda late=ahead: time.time() + late)  # type: ignore[misc]
        own_subject.notary = wrong
        told = wrong.status().chains["eip155:7102"]
        assert told.problem.startswith("CLOCK_DRIFT")
        assert told.drift_seconds is not None
        assert abs(told.drift_seconds + ahead) < MAX_DRIFT_SECONDS
        assert wrong.attest([locator(sent)]) == first


def test_K05_a_key_that_enrolled_itself_signs_nothing(own_subject: Subject, later: Notary) -> None:
    """It runs, with the right manifest and its own key, and no quorum ever ordered it: there is no place for it."""
    chains = own_subject.chains
    sent = chains.send()
    _, place = chains.commit(sent)
    for ask in (
        lambda: later.attest([locator(sent)]),
        lambda: later.judge(locator(sent), commit_locator(place)),
        lambda: later.add_checkpoint(b"", old_size=0, proof=[]),
    ):
        assert refusal(ask).code == "NOT_A_MEMBER"
    assert {chain.member for chain in later.status().chains.values()} == {None}
    assert (later.status().attestations, later.status().verdicts) == (0, 0)
    assert attest(own_subject, sent) == (1, 0)
