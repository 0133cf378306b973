"""Where nothing can be known the verdict says so: it is neither agreement nor disagreement."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from contracts.node import RpcNode, quantity
from contracts.reexecution import BlockChecker, ChainRules, Verdict
from ledger.errors import Refused, Unavailable, WrongUse
from tests.contracts.reexecution.chains import ACCOUNTS, LyingNode, require
from tests.contracts.reexecution.conftest import Told


def failing(told: Told, method: str, error: Exception) -> LyingNode:
    def lie(asked: str, params: Sequence[Any], result: Any) -> Any:
        if asked == method:
            raise error
        return result

    return LyingNode(told.chain.node, lie)


def test_an_unreachable_node(told: Told) -> None:
    number = told.blocks["sets a slot"]
    node = RpcNode("http://127.0.0.1:1", timeout_seconds=2)
    check = BlockChecker(node, told.chain.rules).check(told.chain.header(number - 1), number)
    require(check, Verdict.UNKNOWN, "NODE_UNREACHABLE")
    assert check.block_hash is None


@pytest.mark.parametrize("method", ["eth_getBlockByNumber", "eth_getBlockReceipts", "eth_getProof"])
def test_a_node_that_goes_away_in_the_middle(told: Told, method: str) -> None:
    number = told.blocks["sets a slot"]
    gone = Unavailable("NODE_UNREACHABLE", "the node did not answer")
    require(told.chain.check(number, failing(told, method, gone)), Verdict.UNKNOWN, "NODE_UNREACHABLE")
    refusal = Refused("NODE_ERROR", "missing trie node: the state was pruned")
    require(told.chain.check(number, failing(told, method, refusal)), Verdict.UNKNOWN, "NODE_ERROR")
    require(told.chain.check(number), Verdict.SAME)


def test_a_node_that_goes_away_while_an_authorization_is_read(told: Told) -> None:
    # py-evm swallows whatever goes wrong in an authorization (EIP-7702); no answer must not pass for
    # "invalid".
    authority = ACCOUNTS[2].address.lower()

    def lie(method: str, params: Sequence[Any], result: Any) -> Any:
        if method == "debug_traceBlockByNumber":
            return []
        if method == "eth_getProof" and params[0] == authority:
            raise Unavailable("NODE_UNREACHABLE", "the node did not answer")
        return result

    number = told.blocks["delegates an account to code"]
    require(told.chain.check(number, LyingNode(told.chain.node, lie)), Verdict.UNKNOWN, "NODE_UNREACHABLE")


def test_a_block_that_is_not_there_yet(told: Told) -> None:
    last = quantity(told.chain.node.request("eth_blockNumber"))  # other tests mine blocks of their own
    require(told.chain.check(last + 1), Verdict.UNKNOWN, "BLOCK_MISSING")


@pytest.mark.parametrize("garbage", [7, "0x", [], {"accountProof": 1, "storageProof": []}, None], ids=repr)
def test_garbage_for_a_proof(told: Told, garbage: Any) -> None:
    def lie(method: str, params: Sequence[Any], result: Any) -> Any:
        return garbage if method == "eth_getProof" else result

    check = told.chain.check(told.blocks["sets a slot"], LyingNode(told.chain.node, lie))
    require(check, Verdict.UNKNOWN, "NODE_GARBAGE")


def test_a_transaction_of_an_unknown_type(told: Told) -> None:
    def lie(method: str, params: Sequence[Any], result: Any) -> Any:
        if method == "eth_getBlockByNumber" and params[1]:
            result["transactions"][0]["type"] = "0x7e"
        return result

    check = told.chain.check(told.blocks["sets a slot"], LyingNode(told.chain.node, lie))
    require(check, Verdict.UNKNOWN, "unknown type")


def test_an_engine_that_fails_is_no_verdict_about_the_block(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: Any) -> Any:
        raise RecursionError("maximum recursion depth exceeded")

    monkeypatch.setattr("contracts.reexecution.execution.ProvenVM.apply_transaction", fail)
    require(told.chain.check(told.blocks["sets a slot"]), Verdict.UNKNOWN, "py-evm failed")


def test_rules_that_re_execution_does_not_know_are_refused() -> None:
    rules = ChainRules(1)
    for wrong in ({"fork": "osaka"}, {"trie": "verkle"}, {"base_fee": "none"}, {"chain_id": 0}):
        with pytest.raises(WrongUse):
            replace(rules, **wrong)
