"""One account on one node: whose no it was, and that nothing is sent to a chain it was not meant for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from contracts.manifest import Role
from contracts.node import NodeError
from contracts.transactor import Transactor
from ledger.errors import Refused, Unavailable
from tests.contracts.world import CHAIN_IDS, OWNER, World
from tests.ledger.refusals import refused
from tests.simulator.nodes import FaultyNode

SEND = "eth_sendRawTransaction"


@pytest.fixture(scope="module")
def world(served_world: World) -> World:
    return served_world


def admit(world: World, node: FaultyNode, chain_id: int) -> None:
    """A call that is good, through a node that may not be."""
    admit = world.contract(Role.DESTINATION, "AnchorMirror").encode_call("admit", 7101, OWNER.address)
    Transactor(node, OWNER, chain_id=chain_id).send(world.contract(Role.DESTINATION, "AnchorMirror").address, admit)


def answers(error: Exception) -> Callable[[list[Any], Any], Any]:
    def lie(_params: list[Any], _honest: Any) -> Any:
        raise error

    return lie


def test_E12_nothing_is_sent_to_another_chain_and_the_right_one_is_asked_once(world: World) -> None:
    node = FaultyNode(world.nodes[Role.DESTINATION])
    with pytest.raises(Refused, match="serves chain 7102, not 7101"):
        admit(world, node, CHAIN_IDS[Role.ORIGIN])
    assert (node.calls.count(SEND), node.calls.count("eth_estimateGas")) == (0, 0)
    sender = Transactor(node, OWNER, chain_id=CHAIN_IDS[Role.DESTINATION])
    mirror = world.contract(Role.DESTINATION, "AnchorMirror")
    for _ in range(2):
        sender.send(mirror.address, mirror.encode_call("admit", 7101, OWNER.address))
    assert (node.calls.count(SEND), node.calls.count("eth_chainId")) == (2, 2)


def test_an_account_is_opened_while_its_node_is_away(world: World) -> None:
    node = FaultyNode(world.nodes[Role.DESTINATION])
    node.down = True
    with refused("NODE_UNREACHABLE"):
        admit(world, node, CHAIN_IDS[Role.DESTINATION])
    node.down = False
    admit(world, node, CHAIN_IDS[Role.DESTINATION])
    assert node.calls.count(SEND) == 1


WORDS: dict[str, tuple[Exception, str]] = {
    "the contracts no": (NodeError("execution reverted: no", rpc_code=3), "CALL_REVERTED"),
    "a no without a reason": (NodeError("no", rpc_code=3), "CALL_REVERTED"),
    "a no in words only": (NodeError("Execution reverted", rpc_code=-32000), "CALL_REVERTED"),
    "rate limited": (NodeError("rate limited", rpc_code=-32005), "NODE_ERROR"),
    "an empty account": (NodeError("insufficient funds", rpc_code=-32000), "NODE_ERROR"),
    "no answer": (Unavailable("NODE_UNREACHABLE", "no answer"), "NODE_UNREACHABLE"),
}


@pytest.mark.parametrize("name", WORDS)
def test_only_the_contracts_own_no_is_a_revert(world: World, name: str) -> None:
    error, code = WORDS[name]
    node = FaultyNode(world.nodes[Role.DESTINATION])
    node.lies["eth_estimateGas"] = answers(error)
    with refused(code):
        admit(world, node, CHAIN_IDS[Role.DESTINATION])
    assert node.calls.count(SEND) == 0
    node.lies.clear()
    admit(world, node, CHAIN_IDS[Role.DESTINATION])
    assert node.calls.count(SEND) == 1


def test_the_embedded_chain_names_a_revert_as_a_revert(world: World) -> None:
    node = world.nodes[Role.DESTINATION]
    mirror = world.contract(Role.DESTINATION, "AnchorMirror")
    call = {"to": f"0x{mirror.address.hex()}", "data": "0xffffffff"}
    with pytest.raises(NodeError) as caught:
        node.request("eth_estimateGas", call)
    assert (caught.value.rpc_code, caught.value.is_revert) == (3, True)
    with pytest.raises(NodeError) as caught:
        node.request("eth_estimateGas", {"to": "no address"})
    assert not caught.value.is_revert
