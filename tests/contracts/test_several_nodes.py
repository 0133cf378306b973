"""Several nodes as one: what is a node's word needs agreement, and neither lies nor silence lower that."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from contracts.node import NodeError, RpcNode
from contracts.several_nodes import SeveralNodes, endpoints_of, first_that_holds
from ledger.errors import BadInput, Problem, Unavailable, WrongUse
from tests.chains import anvil
from tests.faulty_http import FAULTS, faulty

CHAIN_ID = 7401
Answer = Callable[[Sequence[Any]], Any]


def block(number: int, branch: str = "a") -> dict[str, Any]:
    return {"number": hex(number), "hash": f"0x{branch}{number}", "fork": branch}


class Scripted:
    """A node that answers from a table; a height of None is a node that does not answer at all."""

    def __init__(self, name: str, height: int | None = 10, branch: str = "a", **methods: Any) -> None:
        self.name, self.height, self.branch, self.methods = name, height, branch, methods
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"test://{self.name}"

    def request(self, method: str, *params: Any) -> Any:
        return self.batch([(method, params)])[0]

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        return [self._answer(method, params) for method, params in calls]

    def _answer(self, method: str, params: Sequence[Any]) -> Any:
        self.asked.append(method)
        if self.height is None:
            raise Unavailable("NODE_UNREACHABLE", "the node does not answer", where=self.url)
        if method in self.methods:
            found = self.methods[method]
            if isinstance(found, Exception):
                raise found
            return found
        if method == "eth_blockNumber":
            return hex(self.height)
        if method == "eth_getBlockByNumber":
            number = self.height if params[0] in ("latest", "finalized") else int(params[0], 16)
            return block(number, self.branch) if number <= self.height else None
        raise AssertionError(f"nobody scripted {method}")


def several(*nodes: Scripted, agree: int | None = None) -> SeveralNodes:
    return SeveralNodes(nodes, agree=agree, patience_seconds=60, grace_seconds=0.05)


def refusal(ask: Callable[[], object]) -> Problem:
    with pytest.raises(Problem) as caught:
        ask()
    return caught.value


@pytest.mark.parametrize(
    ("heights", "head"),
    [((10, 10, 10), 10), ((10, 11, 12), 11), ((10, 10, 10**9), 10), ((10, 10, 1), 10), ((0, 9, 10), 9)],
    ids=["alike", "one behind the other", "one in the future", "one stale", "one without blocks"],
)
def test_E09_the_head_is_where_enough_nodes_have_come(heights: tuple[int, ...], head: int) -> None:
    nodes = several(*(Scripted(str(place), height) for place, height in enumerate(heights)))
    assert nodes.request("eth_getBlockByNumber", "latest", False) == block(head)
    assert nodes.request("eth_blockNumber") == hex(head)
    assert nodes.request("eth_getBlockByNumber", "finalized", False) == block(head)


def test_E08_a_minority_on_another_branch_is_outvoted_and_a_tie_is_no_answer() -> None:
    honest, also, liar = Scripted("a"), Scripted("b"), Scripted("c", branch="f")
    asked = ("eth_getBlockByNumber", "0x5", False)
    assert several(honest, also, liar).request(*asked) == block(5)
    assert several(liar, honest, also).request(*asked) == block(5)
    assert refusal(lambda: several(honest, liar).request(*asked)).code == "NODES_DISAGREE"
    two = several(honest, also, liar, Scripted("d", branch="f"))
    assert refusal(lambda: two.request(*asked)).code == "NODES_DISAGREE"


@pytest.mark.parametrize("liars", [1, 2])
def test_E08_with_the_honest_ones_silent_the_liars_are_not_enough(liars: int) -> None:
    """Fewer answers never lower the bar: of five nodes three must agree, whoever has been silenced."""
    down = [Scripted(f"down {place}", None) for place in range(5 - liars)]
    lying = [Scripted(f"liar {place}", branch="f", eth_call="0x01") for place in range(liars)]
    nodes = several(*down, *lying)
    asked: list[tuple[str, list[Any]]] = [("eth_getBlockByNumber", [place, False]) for place in ("latest", "0x5")]
    for call in (*asked, ("eth_call", [{}])):
        assert refusal(lambda wanted=call: nodes.batch([wanted])).code == "NODE_UNREACHABLE"  # type: ignore[misc]
    for node in down:
        node.height = 10
    assert nodes.request("eth_getBlockByNumber", "0x5", False) == block(5)


def test_E12_the_chain_id_is_what_enough_nodes_say() -> None:
    right = [Scripted(str(place), eth_chainId="0x1") for place in range(2)]
    assert several(*right, Scripted("c", eth_chainId="0x2")).request("eth_chainId") == "0x1"
    assert refusal(lambda: several(right[0], Scripted("c", eth_chainId="0x2")).request("eth_chainId")).code == (
        "NODES_DISAGREE"
    )


@pytest.mark.parametrize("garbage", [None, 7, "", [], {}, {"number": "7"}, {"number": None, "hash": None}])
def test_E09_garbage_for_a_head_is_not_counted(garbage: Any) -> None:
    bad = Scripted("bad", eth_getBlockByNumber=garbage)
    assert several(bad, Scripted("a"), Scripted("b")).request("eth_getBlockByNumber", "latest", False) == block(10)
    code = refusal(lambda: several(bad, Scripted("a")).request("eth_getBlockByNumber", "latest", False)).code
    assert code == "NODES_DISAGREE"


def test_E09_logs_that_one_node_leaves_out_are_those_of_the_others() -> None:
    log = {
        "address": "0x1",
        "topics": [],
        "data": "0x",
        "blockHash": "0x2",
        "transactionHash": "0x3",
        "logIndex": "0x0",
    }
    full = [Scripted(str(place), eth_getLogs=[log | {"removed": bool(place)}]) for place in range(2)]
    assert len(several(Scripted("omits", eth_getLogs=[]), *full).request("eth_getLogs", {})) == 1


def test_what_proves_itself_comes_from_any_one_and_from_the_one_that_answered_last_first() -> None:
    silent, empty, good = Scripted("a", None), Scripted("b", eth_getProof=None), Scripted("c", eth_getProof={"x": 1})
    nodes = several(silent, empty, good)
    assert nodes.request("eth_getProof", "0x1", [], "0x1") == {"x": 1}
    silent.asked.clear()
    assert nodes.request("eth_getProof", "0x1", [], "0x1") == {"x": 1}
    assert silent.asked == []
    assert endpoints_of(nodes) == (good, silent, empty)
    good.height = None
    assert nodes.request("eth_getProof", "0x1", [], "0x1") is None
    empty.height = None
    assert refusal(lambda: nodes.request("eth_getProof", "0x1", [], "0x1")).code == "NODE_UNREACHABLE"


def test_a_caller_that_checks_takes_the_first_node_whose_answer_holds() -> None:
    false, true = Scripted("a", eth_getProof="false"), Scripted("b", eth_getProof="true")

    def check(node: Any) -> str:
        found = node.request("eth_getProof")
        if found != "true":
            raise BadInput("PROOF_INVALID", "it does not hold")
        return str(found)

    nodes = several(false, true)
    assert first_that_holds(nodes, check) == "true"
    assert endpoints_of(nodes) == (true, false)
    assert first_that_holds(true, check) == "true"
    assert refusal(lambda: first_that_holds(false, check)).code == "PROOF_INVALID"


def test_an_error_that_enough_nodes_answer_is_the_answer() -> None:
    reverted = NodeError("eth_call: execution reverted", rpc_code=3)
    nodes = [Scripted(str(place), eth_call=reverted) for place in range(2)]
    caught = refusal(lambda: several(*nodes, Scripted("c", eth_call="0x01")).request("eth_call", {}))
    assert isinstance(caught, NodeError)
    assert caught.is_revert
    alone = several(nodes[0], Scripted("c", eth_call="0x01"), Scripted("d", eth_call="0x01"))
    assert alone.request("eth_call", {}) == "0x01"


@pytest.mark.parametrize(("count", "agree"), [(0, None), (3, 1), (4, 2), (3, 4), (1, 0), (17, None)])
def test_E08_a_bar_that_two_answers_could_both_pass_is_refused(count: int, agree: int | None) -> None:
    nodes = [Scripted(str(place)) for place in range(count)]
    assert refusal(lambda: several(*nodes, agree=agree)).code == "NODES_AGREE"


def test_one_node_named_twice_is_one_node() -> None:
    with pytest.raises(WrongUse) as caught:
        several(Scripted("a"), Scripted("a"))
    assert caught.value.code == "NODES_REPEATED"


class Hanging(Scripted):
    """Answers nothing until it is let go."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.let_go = threading.Event()

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        self.let_go.wait(60)
        return super().batch(calls)


def test_E09_a_node_that_hangs_is_not_waited_for_once_enough_agree() -> None:
    hanging = Hanging("hangs")
    try:
        nodes = several(hanging, Scripted("a"), Scripted("b"))
        # More often than there are threads for one node: it is left alone then, and holds nobody up.
        for _ in range(12):
            assert nodes.request("eth_getBlockByNumber", "0x5", False) == block(5)
            assert nodes.request("eth_getBlockByNumber", "latest", False) == block(10)
        assert not hanging.let_go.is_set()
    finally:
        hanging.let_go.set()


@pytest.fixture(scope="module")
def chain() -> Iterator[str]:
    with anvil(CHAIN_ID) as running:
        client = RpcNode(running.url)
        client.request("anvil_mine", "0x5")
        client.close()
        yield running.url


@pytest.mark.parametrize("fault", FAULTS)
def test_E09_one_faulty_node_of_three_changes_no_answer_and_two_of_four_give_none(chain: str, fault: str) -> None:
    """Through real sockets: a proxy in front of an honest node spoils what it answers."""
    with faulty(chain, fault) as bad, faulty(chain, fault) as worse, faulty(chain, "none") as honest:
        clients = [RpcNode(url, timeout_seconds=2) for url in (bad, chain, honest, worse)]
        alone = clients[1].batch(ASKED)
        try:
            assert SeveralNodes(clients[:3]).batch(ASKED) == alone
            code = refusal(lambda: SeveralNodes(clients).batch(ASKED)).code
            assert code in ("NODE_UNREACHABLE", "NODES_DISAGREE")
        finally:
            for client in clients:
                client.close()


ASKED = [
    ("eth_chainId", []),
    ("eth_getBlockByNumber", ["latest", False]),
    ("eth_getBlockByNumber", ["0x3", False]),
]
