"""What is final on which chain: so many blocks below the head, what the chain calls finalized, or what is sealed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts.chain_rules import Finality, Rules
from contracts.manifest import ChainManifest, Role, Seals
from contracts.node import RpcNode
from ledger.errors import Problem, Unavailable
from ledger.ethereum.qbft import QbftHeader
from notary.policy import final_height
from notary.sealing import Sealing
from notary.watcher import Watcher
from tests.chains import Deployed, anvil, deployed_on_anvil
from tests.notary.subject import LyingNode, Subject, locator
from tests.simulator.qbft import ascending, changed, keys, seal
from tests.simulator.sealed import SealedNode

CHAIN_ID = 7501
FOUR, OTHERS = keys(4), keys(4, first=11)


@pytest.fixture
def tagged() -> Iterator[Deployed]:
    """Chains that call a block finalized once two stand above it (an epoch of anvil's has one slot here)."""
    with deployed_on_anvil("--slots-in-an-epoch", "1", finality=Finality.FINALIZED) as deployed:
        for role in deployed.transactors:
            deployed.node(role).request("anvil_mine", "0x4")
        yield deployed


def test_E05_what_the_head_shows_and_the_chain_does_not_call_finalized_waits(tagged: Deployed, tmp_path: Path) -> None:
    subject = Subject(tagged, tmp_path / "notary0")
    sent, node = tagged.send(), tagged.node(Role.ORIGIN)
    try:
        for _ in range(2):
            assert subject.refuses(lambda notary: notary.attest([locator(sent)]), "NOT_FINAL").http_status == 503
            node.request("anvil_mine", "0x1")
        assert subject.notary.attest([locator(sent)]).ids == (sent.message.id,)
    finally:
        subject.close()


@pytest.mark.parametrize("finalized", [None, 7, {}, {"number": "0x1"}])
def test_E05_a_node_without_the_tag_shows_nothing_final(tagged: Deployed, tmp_path: Path, finalized: Any) -> None:
    subject = Subject(tagged, tmp_path / "notary0")
    sent = tagged.send()
    tagged.node(Role.ORIGIN).request("anvil_mine", "0x4")

    def lie(method: str, params: Sequence[Any], result: Any) -> Any:
        return finalized if method == "eth_getBlockByNumber" and params[0] == "finalized" else result

    try:
        subject.liars[7101].lie = lie
        with pytest.raises(Unavailable):
            subject.notary.attest([locator(sent)])
        subject.liars[7101].lie = lambda _method, _params, result: result
        assert subject.notary.attest([locator(sent)]).ids == (sent.message.id,)
    finally:
        subject.close()


@pytest.mark.parametrize(
    ("depth", "finalized", "height"), [(0, None, 10), (3, None, 7), (0, 4, 4), (3, 4, 4), (8, 4, 2), (0, 99, 10)]
)
def test_a_block_is_final_by_depth_and_by_what_the_chain_says(depth: int, finalized: int | None, height: int) -> None:
    chain = ChainManifest("a", Role.ORIGIN, 1, bytes(32), Rules(finality_blocks=depth), 0, 1, {})
    assert final_height(chain, head=10, finalized=finalized) == height


def test_a_manifest_that_says_nothing_of_finality_means_depth() -> None:
    stated = Rules(finality=Finality.FINALIZED).as_json()
    assert Rules.from_json(stated).finality is Finality.FINALIZED
    del stated["finality"]
    assert Rules.from_json(stated).finality is Finality.DEPTH
    with pytest.raises(ValueError, match="soon"):
        Rules.from_json(stated | {"finality": "soon"})


@pytest.fixture
def sealed() -> Iterator[SealedNode]:
    """A sealed chain of some blocks, by four validators."""
    with anvil(CHAIN_ID) as running:
        client = RpcNode(running.url)
        client.request("anvil_mine", "0x6")
        yield SealedNode(client, FOUR)
        client.close()


def watcher(node: Any, first: QbftHeader | None = None) -> Watcher:
    inner = node if isinstance(node, SealedNode) else node._inner
    rules = Rules(seals=Seals.QBFT)
    chain = ChainManifest("sealed", Role.ORIGIN, CHAIN_ID, inner.header(0).hash, rules, 0, 1, {"Gateway": b"\x01" * 20})
    return Watcher(chain, node, Sealing(first))


def test_a_sealed_block_is_final_at_once_and_proven_under_its_own_hash(sealed: SealedNode) -> None:
    watching = watcher(sealed, sealed.header(1))
    view = watching.look(None)
    assert (view.head.number, view.final, view.head.hash) == (6, 6, sealed.header(6).hash)
    assert watching.block(view, 6).header.hash == sealed.header(6).hash
    assert watching.final_header(view) == view.head


def _unsealed(header: QbftHeader) -> QbftHeader:
    return changed(header, seals=())


def _too_few(header: QbftHeader) -> QbftHeader:
    return seal(header, ascending(FOUR)[:2])


def _by_strangers(header: QbftHeader) -> QbftHeader:
    strangers = ascending(OTHERS)
    return seal(changed(header, validators=tuple(key.address for key in strangers)), strangers)


def _by_outsiders(header: QbftHeader) -> QbftHeader:
    return seal(header, OTHERS)


FORGERIES: dict[str, tuple[Callable[[QbftHeader], QbftHeader], str]] = {
    "nobody sealed it": (_unsealed, "QUORUM"),
    "fewer than a quorum sealed it": (_too_few, "QUORUM"),
    "others than its validators sealed it": (_by_outsiders, "SIG_UNKNOWN"),
    "a list of its own sealed it": (_by_strangers, "SEALS_SHORT"),
}


@pytest.mark.parametrize(("forge", "code"), FORGERIES.values(), ids=FORGERIES)
def test_E02_a_head_that_its_validators_did_not_seal_is_no_head(
    sealed: SealedNode, forge: Callable[[QbftHeader], QbftHeader], code: str
) -> None:
    """One node, wholly in a liar's hand: it makes up a head, and lacks the validators' keys."""
    forged = forge(replace(sealed.header(6), state_root=b"\x0e" * 32))

    def lie(method: str, params: Sequence[Any], result: Any) -> Any:
        if method != "eth_getBlockByNumber" or params[0] not in ("latest", "0x6"):
            return result
        shown = {"hash": forged.hash, "stateRoot": forged.state_root, "extraData": forged.extra_data}
        return result | {name: f"0x{value.hex()}" for name, value in shown.items()}

    node = LyingNode(sealed, lie)
    watching = watcher(node, sealed.header(1))
    with pytest.raises(Problem) as caught:
        watching.look(None)
    assert (caught.value.code, caught.value.http_status) == (code, 503)
    node.lie = lambda _method, _params, result: result
    view = watching.look(None)
    assert watching.block(view, 6).header.hash == sealed.header(6).hash


def test_validators_are_followed_as_they_change_and_the_old_ones_seal_nothing_more(sealed: SealedNode) -> None:
    for following in ((*FOUR[1:], OTHERS[0]), (*FOUR[2:], *OTHERS[:2])):
        sealed.seal_by(following)
        sealed.inner.request("anvil_mine", "0x2")
    sealing = Sealing(sealed.header(1))
    for number in (10, 7, 8, 9, 6, 2, 10):
        sealing.require(sealed.header(number), sealed.header)
    by_old = replace(sealed.header(10), extra_data=sealed.header(6).extra_data)
    same = seal(by_old, ascending(FOUR))
    later = seal(replace(by_old, number=11, parent_hash=sealed.header(10).hash), ascending(FOUR))
    for forged, code in ((same, "SET_REPLACED"), (later, "SEALS_SHORT")):
        with pytest.raises(Problem) as caught:
            sealing.require(forged, sealed.header)
        assert caught.value.code == code
    below = Sealing(sealed.header(9))
    with pytest.raises(Problem) as caught:
        below.require(sealed.header(6), sealed.header)
    assert caught.value.code == "SET_REPLACED"


def test_a_chain_without_a_trusted_header_is_at_least_sealed_by_whom_it_names(sealed: SealedNode) -> None:
    sealing = Sealing(None)
    for number in (0, 6):
        sealing.require(sealed.header(number), sealed.header)
    with pytest.raises(Problem) as caught:
        sealing.require(_too_few(sealed.header(6)), sealed.header)
    assert caught.value.code == "QUORUM"
