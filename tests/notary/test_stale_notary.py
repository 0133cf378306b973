"""B14: a notary that was cut off and comes back signs nothing until it has caught up with head, set and configuration.

What it can know by itself it knows from its own nodes and its own journal: a node that is behind shows no block that is
not there, and one that is behind what this notary saw final before is refused whatever it is asked about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from contracts.manifest import Manifest, Role
from ledger import merkle
from ledger.attestation import SAME
from ledger.checkpoint import Checkpoint, sign_checkpoint
from ledger.quorum import Committee
from notary.notary import Notary
from tests.chains import CHAIN_IDS, COSIGNING_KEYS, LOG_ORIGIN, LOG_SIGNER
from tests.notary.subject import Lie, Subject, commit_locator, honest, locator, refusal

ORIGIN, DESTINATION = CHAIN_IDS[Role.ORIGIN], CHAIN_IDS[Role.DESTINATION]
LEAVES = [merkle.leaf_hash(bytes([number]) * 32) for number in range(9)]


def stale(subject: Subject, chain_id: int) -> Lie:
    """How a chain's node answers that knows no block after the present one."""
    head = subject.liars[chain_id].request("eth_getBlockByNumber", "latest", False)

    def behind(method: str, params: Sequence[Any], result: Any) -> Any:
        if method == "eth_blockNumber":
            return head["number"]
        if method in ("eth_getBlockByNumber", "eth_getBlockReceipts"):
            if params[0] in ("latest", "finalized", "safe", "pending"):
                return head
            return None if int(params[0], 16) > int(head["number"], 16) else result
        return result

    return behind


def test_B14_what_happened_meanwhile_is_attested_only_once_the_head_is_caught_up(subject: Subject) -> None:
    before = subject.chains.send()
    subject.liars[ORIGIN].lie = stale(subject, ORIGIN)
    sent = subject.chains.send()
    problem = subject.refuses(lambda notary: notary.attest([locator(sent)]), "NOT_FINAL")
    assert problem.http_status == 503
    # What it does know it still says: nothing about that can have changed.
    assert subject.notary.attest([locator(before)]).ids == (before.message.id,)
    subject.liars[ORIGIN].lie = honest
    assert subject.notary.attest([locator(sent)]).ids == (sent.message.id,)


@pytest.mark.parametrize("chain_id", [ORIGIN, DESTINATION])
def test_B14_a_node_behind_what_was_final_here_is_believed_about_nothing(own_subject: Subject, chain_id: int) -> None:
    subject = own_subject
    first = subject.chains.send()
    subject.chains.commit(first)
    yesterday = stale(subject, chain_id)
    second = subject.chains.send()
    _, place = subject.chains.commit(second)
    assert subject.notary.attest([locator(second)]).ids == (second.message.id,)
    assert subject.notary.judge(locator(second), commit_locator(place)).verdict.verdict == SAME
    subject.liars[chain_id].lie = yesterday  # the node was restored from an old copy
    before = subject.promises()
    assert refusal(lambda: subject.notary.attest([locator(first)])).code == "NODE_BEHIND"
    subject.notary.close()
    assert refusal(subject.restart).code == "NODE_BEHIND", "nor does it start"
    assert subject.promises() == before
    subject.liars[chain_id].lie = honest
    subject.restart()
    assert subject.notary.attest([locator(first)]).ids == (first.message.id,)


def test_B14_a_commit_is_judged_only_once_every_block_up_to_it_is_re_executed(subject: Subject) -> None:
    sent = subject.chains.send()
    subject.liars[DESTINATION].lie = stale(subject, DESTINATION)
    _, place = subject.chains.commit(sent)
    subject.refuses(lambda notary: notary.judge(locator(sent), commit_locator(place)), "NOT_FINAL")
    subject.liars[DESTINATION].lie = honest
    assert subject.notary.judge(locator(sent), commit_locator(place)).verdict.verdict == SAME


def test_B14_a_checkpoint_is_cosigned_from_the_last_one_seen_here_and_no_later_one(subject: Subject) -> None:
    def cosign(notary: Notary, old: int, size: int) -> bytes:
        note = sign_checkpoint(Checkpoint(LOG_ORIGIN, size, merkle.root_of(LEAVES[:size])), LOG_SIGNER)
        proof = merkle.consistency_proof(LEAVES[:size], old) if old else []
        return notary.add_checkpoint(note, old_size=old, proof=proof)

    assert cosign(subject.notary, 0, 3)
    # The others have cosigned 6 meanwhile; from there on nothing is proven to this notary.
    subject.refuses(lambda notary: cosign(notary, 6, 9), "LOG_STALE")
    assert subject.notary.log_size == 3
    assert cosign(subject.notary, 3, 9)
    assert subject.notary.log_size == 9


def other_set(manifest: Manifest) -> Manifest:
    """The set of the next epoch, in which somebody else has this notary's place."""
    return replace(manifest, committee=Committee(2, (b"\x77" * 20, *manifest.committee.members[1:])))


def other_cosigner(manifest: Manifest) -> Manifest:
    changed = replace(manifest.cosigners[0], public_key=COSIGNING_KEYS[1].key.public_key)
    return replace(manifest, cosigners=(changed, *manifest.cosigners[1:]))


def other_network(manifest: Manifest) -> Manifest:
    chains = tuple(
        replace(chain, genesis=b"\x07" * 32) if chain.role is Role.ORIGIN else chain for chain in manifest.chains
    )
    return replace(manifest, chains=chains)


CONFIGURED: dict[str, tuple[Callable[[Manifest], Manifest], str]] = {
    "another set": (other_set, "NOT_A_MEMBER"),
    "another cosigning key": (other_cosigner, "NOT_A_MEMBER"),
    "another network": (other_network, "WRONG_NETWORK"),
}


@pytest.mark.parametrize("name", CONFIGURED)
def test_B14_with_a_configuration_that_is_not_its_own_it_does_not_start(subject: Subject, name: str) -> None:
    change, code = CONFIGURED[name]
    subject.notary.close()
    old = replace(subject.config, manifest=change(subject.config.manifest))
    assert refusal(lambda: Notary(old, nodes=subject.liars)).code == code
    subject.restart()  # the folder was given up, and the honest configuration starts
    sent = subject.chains.send()
    assert subject.notary.attest([locator(sent)]).ids == (sent.message.id,)
