"""The latest proven blocks are kept: asked for once more, they cost headers only, and never outlive their hash."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

import pytest

from contracts.chain_rules import Rules
from contracts.manifest import ChainManifest, Role
from contracts.node import RpcNode
from ledger.errors import Unavailable
from notary.watcher import MAX_PROVEN_KEPT, Watcher
from tests.chains import DEPLOYER, anvil, fund
from tests.notary.subject import LyingNode

CHAIN_ID = 7190
BLOCKS = MAX_PROVEN_KEPT + 2


class Asked(LyingNode):
    """Counts what is asked for, by method."""

    receipts = 0

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        self.receipts += sum(method == "eth_getBlockReceipts" for method, _ in calls)
        return super().batch(calls)


@pytest.fixture(scope="module")
def client() -> Iterator[RpcNode]:
    with anvil(CHAIN_ID) as running:
        client = RpcNode(running.url)
        for _ in range(BLOCKS):
            fund(client, DEPLOYER.address)
            client.request("anvil_mine", "0x1")
        yield client
        client.close()


@pytest.fixture
def node(client: RpcNode) -> Asked:
    return Asked(client)


@pytest.fixture
def watcher(node: Asked) -> Watcher:
    genesis = bytes.fromhex(node.request("eth_getBlockByNumber", "0x0", False)["hash"][2:])
    return Watcher(
        ChainManifest("kept", Role.ORIGIN, CHAIN_ID, genesis, Rules(), 0, 1, {"Gateway": b"\x01" * 20}), node
    )


def test_a_block_that_is_named_again_is_proven_by_its_headers_alone(node: Asked, watcher: Watcher) -> None:
    view = watcher.look(None)
    first = watcher.block(view, BLOCKS)
    assert watcher.block(view, BLOCKS) == first
    assert node.receipts == 1


def test_only_so_many_are_kept_the_latest_asked_for(node: Asked, watcher: Watcher) -> None:
    view = watcher.look(None)
    for number in range(1, MAX_PROVEN_KEPT + 2):
        watcher.block(view, number)
    watcher.block(view, MAX_PROVEN_KEPT + 1)
    assert node.receipts == MAX_PROVEN_KEPT + 1
    watcher.block(view, 1)
    assert node.receipts == MAX_PROVEN_KEPT + 2, "the first was let go"


def test_E06_a_kept_block_that_another_replaced_is_not_the_one_that_stands_there(
    client: RpcNode, node: Asked, watcher: Watcher
) -> None:
    before = client.request("evm_snapshot")
    client.request("anvil_mine", "0x1")
    view = watcher.look(None)
    number = view.head.number
    gone = watcher.block(view, number)
    client.request("evm_revert", before)
    client.request("anvil_setNextBlockBaseFeePerGas", "0x77359400")
    client.request("anvil_mine", "0x1")
    found = watcher.block(watcher.look(None), number)
    assert found.header.hash != gone.header.hash
    assert found.header == watcher.header(number)
    assert node.receipts == 2


def test_E08_a_kept_block_whose_header_is_falsified_now_is_not_given_from_memory(node: Asked, watcher: Watcher) -> None:
    view = watcher.look(None)
    watcher.block(view, BLOCKS)

    def lie(method: str, params: Sequence[Any], result: Any) -> Any:
        if method == "eth_getBlockByNumber" and params[0] == hex(BLOCKS):
            return deepcopy(result) | {"stateRoot": "0x" + "11" * 32}
        return result

    node.lie = lie
    with pytest.raises(Unavailable) as refusal:
        watcher.block(view, BLOCKS)
    assert refusal.value.code == "HEADER_HASH"
