"""A notary with several nodes of a chain: liars and silence among them delay, and never decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts.several_nodes import SeveralNodes
from ledger.attestation import SAME
from ledger.errors import BadInput, Unavailable
from notary.config import NodeChoice, NotaryConfig
from notary.notary import Notary
from tests.chains import Deployed
from tests.notary.subject import Lie, LyingNode, commit_locator, honest, locator, refusal, write_keys
from tests.notary.test_lying_nodes import HEADER_LIES, RECEIPT_LIES, about_block, answering

ORIGIN, DESTINATION = 7101, 7102


class Named(LyingNode):
    """One of several endpoints of a chain, told apart by its name."""

    def __init__(self, inner: Any, name: str) -> None:
        super().__init__(inner)
        self.name = name

    @property
    def url(self) -> str:
        return f"{super().url}#{self.name}"


class Surrounded:
    """Notary 0 with three nodes of each chain; `liars[chain]` is the one that is asked first."""

    def __init__(self, chains: Deployed, folder: Path) -> None:
        write_keys(folder, 0)
        self.chains = chains
        self.endpoints = {
            each.chain_id: [Named(chains.node(each.role), name) for name in "abc"] for each in chains.manifest.chains
        }
        self._together = {chain_id: SeveralNodes(each) for chain_id, each in self.endpoints.items()}
        config = NotaryConfig(0, chains.manifest, dict(chains.urls), folder)
        self.notary = Notary(config, nodes=self._together)

    def lie(self, chain_id: int, lie: Lie, *, count: int = 1) -> None:
        """Make the first `count` nodes of a chain lie, and the others honest."""
        for place, endpoint in enumerate(self.endpoints[chain_id]):
            endpoint.lie = lie if place < count else honest

    def close(self) -> None:
        self.notary.close()
        for each in self._together.values():
            each.close()


@pytest.fixture
def surrounded(chains: Deployed, tmp_path: Path) -> Iterator[Surrounded]:
    found = Surrounded(chains, tmp_path / "notary0")
    yield found
    found.close()


def _silent(_method: str, _params: Sequence[Any], _result: Any) -> Any:
    raise Unavailable("NODE_UNREACHABLE", "the node does not answer", where="test")


@pytest.mark.parametrize("lie", [*RECEIPT_LIES.values()], ids=RECEIPT_LIES)
def test_E08_receipts_that_one_node_forges_are_taken_from_another(
    surrounded: Surrounded, lie: Callable[[Any], Any]
) -> None:
    sent = surrounded.chains.send()
    surrounded.lie(ORIGIN, answering("eth_getBlockReceipts", lie))
    assert surrounded.notary.attest([locator(sent)]).ids == (sent.message.id,)


@pytest.mark.parametrize("lie", [*HEADER_LIES.values()], ids=HEADER_LIES)
def test_E08_a_header_that_one_node_forges_is_outvoted(surrounded: Surrounded, lie: Callable[[Any], Any]) -> None:
    sent = surrounded.chains.send()
    surrounded.lie(ORIGIN, about_block(sent.block, lie))
    assert surrounded.notary.attest([locator(sent)]).ids == (sent.message.id,)


def test_E08_two_of_three_that_forge_are_caught_by_what_proves_itself(surrounded: Surrounded) -> None:
    sent = surrounded.chains.send()
    surrounded.lie(ORIGIN, about_block(sent.block, HEADER_LIES["another hash"]), count=2)
    assert refusal(lambda: surrounded.notary.attest([locator(sent)])).code == "HEADER_HASH"
    for name in ("a receipt left out", "a success shown as failed"):
        surrounded.lie(ORIGIN, answering("eth_getBlockReceipts", RECEIPT_LIES[name]), count=3)
        assert refusal(lambda: surrounded.notary.attest([locator(sent)])).code == "RECEIPTS_ROOT"
    surrounded.lie(ORIGIN, honest)
    assert surrounded.notary.attest([locator(sent)]).ids == (sent.message.id,)


@pytest.mark.parametrize("chain_id", [ORIGIN, DESTINATION])
def test_E08_silence_of_two_never_lowers_the_bar_for_the_third(surrounded: Surrounded, chain_id: int) -> None:
    sent = surrounded.chains.send()
    surrounded.lie(chain_id, _silent, count=2)
    assert refusal(lambda: surrounded.notary.attest([locator(sent)])).code == "NODE_UNREACHABLE"
    surrounded.lie(chain_id, _silent, count=1)
    assert surrounded.notary.attest([locator(sent)]).ids == (sent.message.id,)


@pytest.mark.parametrize("chain_id", [ORIGIN, DESTINATION])
def test_E12_one_node_that_was_swapped_for_another_network_is_outvoted(surrounded: Surrounded, chain_id: int) -> None:
    sent = surrounded.chains.send()
    surrounded.lie(chain_id, answering("eth_chainId", lambda _: "0x1"))
    assert surrounded.notary.attest([locator(sent)]).ids == (sent.message.id,)
    surrounded.lie(chain_id, answering("eth_chainId", lambda _: "0x1"), count=2)
    assert refusal(lambda: surrounded.notary.attest([locator(sent)])).code == "CHAIN_ID"


def test_E08_a_lane_whose_proof_one_node_spoils_is_proven_by_another(surrounded: Surrounded) -> None:
    sent = surrounded.chains.send()
    surrounded.lie(DESTINATION, answering("eth_getProof", lambda proof: proof | {"accountProof": []}))
    assert surrounded.notary.attest([locator(sent)]).ids == (sent.message.id,)
    surrounded.lie(DESTINATION, answering("eth_getProof", lambda proof: proof | {"accountProof": []}), count=3)
    later = surrounded.chains.send()
    surrounded.chains.commit(later)  # another state, of which nothing is known yet
    waiting = surrounded.chains.send()
    assert refusal(lambda: surrounded.notary.attest([locator(waiting)])).code == "STATE_UNPROVEN"


def test_E08_one_lying_node_makes_no_block_differ_and_none_the_same(own_chains: Deployed, tmp_path: Path) -> None:
    surrounded = Surrounded(own_chains, tmp_path / "notary0")
    try:
        sent = own_chains.send()
        _, place = own_chains.commit(sent)
        surrounded.lie(DESTINATION, answering("eth_getProof", lambda proof: proof | {"accountProof": []}))
        assert surrounded.notary.judge(locator(sent), commit_locator(place)).verdict.verdict == SAME
    finally:
        surrounded.close()


def test_E08_a_block_that_only_the_node_asked_first_has_judges_nobody(own_chains: Deployed, tmp_path: Path) -> None:
    """It shows a false block of its own making, which differs by itself: the others have another one."""
    surrounded = Surrounded(own_chains, tmp_path / "notary0")
    try:
        sent = own_chains.send()
        _, place = own_chains.commit(sent)
        fields = own_chains.manifest.by_id(DESTINATION)
        assert fields is not None
        false = about_block(fields.checked_from, HEADER_LIES["another state root"])
        surrounded.lie(DESTINATION, false)
        surrounded.notary.keep_up()
        status = surrounded.notary.status().chains[f"eip155:{DESTINATION}"]
        assert status.verdict != "differs"
        surrounded.notary.keep_up()
        assert surrounded.notary.judge(locator(sent), commit_locator(place)).verdict.verdict == SAME
    finally:
        surrounded.close()


def test_several_nodes_are_named_in_the_configuration(chains: Deployed, tmp_path: Path) -> None:
    urls = ("http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3")
    assert NodeChoice.read(urls[0]) == urls[0]
    assert NodeChoice.read([*urls]) == NodeChoice(urls)
    assert NodeChoice.read({"urls": [*urls], "agree": 3}) == NodeChoice(urls, 3)
    wrong: list[Any] = [[], [urls[0], urls[0]], {"urls": [*urls]}, {"urls": [*urls], "agree": 1}, 7, None, ""]
    wrong += [{"urls": [*urls], "agree": 4}, {"urls": [*urls], "agree": True}, {"urls": urls[0], "agree": None}, [7]]
    for value in wrong:
        with pytest.raises((ValueError, BadInput)):
            NodeChoice.read(value)


def test_a_notary_runs_on_nodes_of_which_one_is_away(chains: Deployed, tmp_path: Path) -> None:
    write_keys(tmp_path / "notary0", 0)
    config = NotaryConfig(0, chains.manifest, dict(chains.urls), tmp_path / "notary0")
    # The same node under two names stands for two nodes that agree.
    nodes = {
        chain_id: NodeChoice((url, url.replace("127.0.0.1", "localhost"), "http://127.0.0.1:9"))
        for chain_id, url in chains.urls.items()
    }
    notary = Notary(replace(config, nodes=nodes))
    try:
        sent = chains.send()
        assert notary.attest([locator(sent)]).ids == (sent.message.id,)
    finally:
        notary.close()
