"""Reorganisations of every depth around finality (E06): what vanished is not attested, what moved is attested once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.manifest import Role
from ledger.attestation import word
from ledger.ethereum.keccak import keccak256
from notary.proven import Locator
from tests.chains import Deployed, Sent, anchor_payload, deployed_on_anvil
from tests.notary.subject import Subject, codes, locator, refusal

FINALITY = 3  # blocks that stand above a final one
ORIGIN = 7101
LIFETIME = keccak256(b"expiry(uint64)")[:4]


@pytest.fixture(scope="module")
def chains() -> Iterator[Deployed]:
    """Chains on which a block is final once three stand above it."""
    with deployed_on_anvil(finality_blocks=FINALITY) as deployed:
        for role in deployed.transactors:
            deployed.node(role).request("anvil_mine", hex(FINALITY))
        yield deployed


@pytest.fixture
def subject(chains: Deployed, tmp_path: Path) -> Iterator[Subject]:
    found = Subject(chains, tmp_path / "notary0")
    yield found
    found.close()


def mine(chains: Deployed, blocks: int) -> None:
    chains.node(Role.ORIGIN).request("anvil_mine", hex(blocks))


def send(chains: Deployed, size: int, expiry: int) -> Sent:
    """A message that is the same wherever it stands: its expiry is its own."""
    return chains.send(anchor_payload(size), attributes=[LIFETIME + word(expiry)])


def expiry(chains: Deployed) -> int:
    head = chains.node(Role.DESTINATION).request("eth_getBlockByNumber", "latest", False)
    return int(head["timestamp"], 16) + 86_400


@pytest.mark.parametrize("depth", range(1, FINALITY + 1))
@pytest.mark.parametrize("became", ["vanished", "moved", "replaced"])
def test_E06_a_reorganisation_within_finality_leaves_one_message_or_none(
    chains: Deployed, subject: Subject, depth: int, became: str
) -> None:
    node, until = chains.node(Role.ORIGIN), expiry(chains)
    before = node.request("evm_snapshot")
    first = send(chains, 1, until)
    mine(chains, depth - 1)
    early = refusal(lambda: subject.notary.attest([locator(first)]))
    assert codes(early) == {"NOT_FINAL"}, "one block is missing still, at least"
    promised = subject.promises()
    # As deep as the message lies: its block and all above it are gone, and other ones come in their place.
    node.request("evm_revert", before)
    mine(chains, 1)
    again = None if became == "vanished" else send(chains, 1 if became == "moved" else 2, until)
    mine(chains, depth + FINALITY)
    assert codes(refusal(lambda: subject.notary.attest([locator(first)]))) == {"PROOF_ABSENT"}
    assert subject.promises() == promised
    if again is None:
        return
    assert (again.message.id == first.message.id) == (became == "moved")
    assert (again.message.lane, again.message.sequence) == (first.message.lane, first.message.sequence)
    answer = subject.notary.attest([locator(again)])
    assert answer.ids == (again.message.id,)
    subject.restart()
    assert subject.notary.attest([locator(again)]) == answer


def test_E06_a_deeper_reorganisation_halts_the_chain_and_says_so(tmp_path: Path) -> None:
    with deployed_on_anvil(finality_blocks=FINALITY) as chains:
        for role in chains.transactors:
            chains.node(role).request("anvil_mine", hex(FINALITY))
        subject = Subject(chains, tmp_path / "notary0")
        node, until = chains.node(Role.ORIGIN), expiry(chains)
        try:
            before = node.request("evm_snapshot")
            first = send(chains, 1, until)
            mine(chains, FINALITY)
            answer = subject.notary.attest([locator(first)])
            node.request("evm_revert", before)
            mine(chains, 1)
            rival, other = send(chains, 2, until), send(chains, 3, until)
            mine(chains, FINALITY + 1)
            promised = subject.promises()
            for leaf in map(locator, (first, rival, other)):
                halted = refusal(lambda place=leaf: subject.notary.attest([place]))  # type: ignore[misc]
                assert (codes(halted), halted.http_status) == ({"FINAL_REWRITTEN"}, 503)
            assert subject.promises() == promised
            status = subject.notary.status().chains[f"eip155:{ORIGIN}"]
            assert status.problem.startswith("FINAL_REWRITTEN: ")
            [(held, signature)] = subject.notary.attested(first.message.id)
            assert (held.epoch, signature) == (answer.epoch, answer.signature), "what was promised stays promised"
            # It does not start on such a chain either.
            subject.refuses(lambda notary: notary.attest([locator(rival)]), "FINAL_REWRITTEN")
        finally:
            subject.close()


def test_E06_a_place_whose_block_is_gone_for_now_is_waited_for(chains: Deployed, subject: Subject) -> None:
    head = int(chains.node(Role.ORIGIN).request("eth_blockNumber"), 16)
    early = refusal(lambda: subject.notary.attest([Locator(ORIGIN, head + 1, 0, 0)]))
    assert (codes(early), early.http_status) == ({"NOT_FINAL"}, 503)
    sent = send(chains, 5, expiry(chains))
    assert sent.block == head + 1
    mine(chains, FINALITY)
    assert subject.notary.attest([locator(sent)]).ids == (sent.message.id,)
