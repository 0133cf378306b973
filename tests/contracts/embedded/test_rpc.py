"""JSON-RPC itself: every body gets a well-formed answer with the right code, and nothing garbled changes the chain."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.embedded.rpc import MAX_BATCH, TABLE, answer
from tests.contracts.embedded.conftest import HandChain
from tests.contracts.embedded.probe import GWEI, STRANGER


def reply(hand: HandChain, body: bytes | str) -> Any:
    answered = answer(hand.chain, body.encode() if isinstance(body, str) else body)
    return json.loads(answered) if answered else None


def code(hand: HandChain, body: bytes | str) -> int:
    found: int = reply(hand, body)["error"]["code"]
    return found


def request(method: str, *params: Any, **fields: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)} | fields)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b"[" * 3_000_000,
        b'{"a":' * 500_000,
        b'{"jsonrpc":"2.0","id":NaN,"method":"eth_chainId"}',
        b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[Infinity]}',
        b'{"jsonrpc":"2.0","id":' + b"9" * 5000 + b',"method":"eth_chainId"}',
        b'{"jsonrpc":"2.0","id":1e999,"method":"eth_chainId"}',
        b"1 2",
    ],
)
def test_what_is_not_json_is_a_parse_error(hand: HandChain, body: bytes) -> None:
    assert code(hand, body) == -32700


@pytest.mark.parametrize(
    "body",
    [
        "1",
        '"eth_chainId"',
        "null",
        "{}",
        "[]",
        '{"jsonrpc":"1.0","id":1,"method":"eth_chainId"}',
        '{"jsonrpc":"2.0","id":1,"method":5}',
        '{"jsonrpc":"2.0","id":{},"method":"eth_chainId"}',
        '{"jsonrpc":"2.0","id":true,"method":"eth_chainId"}',
    ],
)
def test_what_is_not_a_request_is_an_invalid_request(hand: HandChain, body: str) -> None:
    assert code(hand, body) == -32600


def test_an_unknown_method_is_named_and_cut_short(hand: HandChain) -> None:
    for name in ("eth_sign", "personal_unlockAccount", "evm_mine", "x" * 5000, "\ud800"):
        error = reply(hand, request(name))["error"]
        assert error["code"] == -32601
        assert len(error["message"]) < 200


@pytest.mark.parametrize("name", sorted(TABLE))
def test_no_method_fails_on_any_parameter(hand: HandChain, name: str) -> None:
    """Each method, each number of parameters, each kind of wrong value: an answer, never a defect (-32603)."""
    wrong: list[Any] = [None, True, 0, -1, 2**70, 1.5, "", "0x", "0xzz", "latest", "\ud800", [], {}, [None], {"a": 1}]
    for count in range(5):
        for value in wrong:
            answered = reply(hand, request(name, *[value] * count))
            if "error" in answered:
                assert answered["error"]["code"] in {-32602, -32000}, (count, value, answered)
    assert not hand.chain.has_turns()
    assert hand.request("eth_blockNumber") == "0x0"


def test_parameters_must_be_a_list_of_the_right_length(hand: HandChain) -> None:
    assert code(hand, request("eth_getBalance", params={"address": STRANGER})) == -32602
    assert code(hand, request("eth_getBalance")) == -32602
    assert code(hand, request("eth_chainId", 1)) == -32602
    assert reply(hand, request("eth_getBalance", STRANGER, None))["result"] == "0x0"
    assert reply(hand, '{"jsonrpc":"2.0","id":"a","method":"eth_chainId"}') == {
        "jsonrpc": "2.0",
        "id": "a",
        "result": "0x1bbd",
    }


def test_a_batch_is_answered_in_order_and_each_on_its_own(hand: HandChain) -> None:
    calls = [request("eth_chainId", id=7), "5", request("eth_nothing", id="b"), request("eth_blockNumber", id=9)]
    found = reply(hand, f"[{','.join(calls)}]")
    assert [item["id"] for item in found] == [7, None, "b", 9]
    assert [item.get("error", {}).get("code") for item in found] == [None, -32600, -32601, None]


def test_a_batch_is_bounded(hand: HandChain) -> None:
    one = request("eth_chainId")
    assert len(reply(hand, f"[{','.join([one] * MAX_BATCH)}]")) == MAX_BATCH
    assert code(hand, f"[{','.join([one] * (MAX_BATCH + 1))}]") == -32600


def test_notifications_have_no_answer(hand: HandChain) -> None:
    silent = '{"jsonrpc":"2.0","method":"eth_chainId"}'
    assert reply(hand, silent) is None
    assert reply(hand, f"[{silent},{silent}]") is None
    assert len(reply(hand, f"[{silent},{request('eth_chainId')}]")) == 1


def test_refusals_carry_the_stable_code_beside_geths_words(hand: HandChain) -> None:
    raw = "0x" + hand.wallet.sign(0, gas=20_000).hex()
    assert reply(hand, request("eth_sendRawTransaction", raw))["error"] == {
        "code": -32000,
        "message": "intrinsic gas too low: gas 20000, minimum needed 21000",
        "data": {"code": "TX_INTRINSIC_GAS"},
    }
    fine = "0x" + hand.wallet.sign(0).hex()
    assert len(reply(hand, request("eth_sendRawTransaction", fine))["result"]) == 66


def test_a_defect_of_ours_is_an_internal_error_and_tells_nothing(
    hand: HandChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(hand.chain.archive), "account", lambda *_: 1 // 0)
    error = reply(hand, request("eth_getBalance", STRANGER))["error"]
    assert error == {"code": -32603, "message": "internal error"}


@given(body=st.binary(max_size=200))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_get_an_answer(hand: HandChain, body: bytes) -> None:
    answered = answer(hand.chain, body)
    assert answered == b"" or b"-32603" not in answered


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=70)
    | st.just("0x1"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@given(name=st.sampled_from(sorted(TABLE)), params=st.lists(json_values, max_size=4))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_parameters_get_an_answer(hand: HandChain, name: str, params: list[Any]) -> None:
    answered = reply(hand, request(name, *params))
    assert answered.get("error", {}).get("code") in {None, -32602, -32000}


def test_the_tags_name_one_block_because_nothing_is_ever_undone(hand: HandChain) -> None:
    hand.send()
    found = {tag: hand.request("eth_getBlockByNumber", tag, False)["number"] for tag in ("latest", "safe", "finalized")}
    assert set(found.values()) == {"0x1"}
    assert hand.request("eth_getBlockByNumber", "earliest", False)["number"] == "0x0"
    assert hand.request("eth_getBlockByNumber", "0x2", False) is None
    newest = hand.request("eth_getBlockByNumber", "latest", False)
    assert hand.request("eth_getBlockByHash", newest["hash"], False) == newest
    assert hand.request("eth_getBlockByHash", newest["parentHash"], False)["number"] == "0x0"
    for other in ("0x" + "ab" * 32, newest["stateRoot"], newest["transactions"][0]):
        assert hand.request("eth_getBlockByHash", other, False) is None
    assert hand.request("eth_getBlockReceipts", "0x2") is None
    assert hand.request("eth_getTransactionReceipt", "0x" + "ab" * 32) is None
    assert hand.request("eth_getBalance", STRANGER, "0x2") == {"code": -32000, "message": "header not found"}


def test_a_waiting_transaction_is_shown_without_a_block(hand: HandChain) -> None:
    digest = "0x" + hand.chain.submit(hand.wallet.sign(0)).hex()
    waiting = hand.request("eth_getTransactionByHash", digest)
    assert (waiting["blockHash"], waiting["blockNumber"], waiting["transactionIndex"]) == (None, None, None)
    assert hand.request("eth_getTransactionReceipt", digest) is None
    hand.chain.mine()
    mined = hand.request("eth_getTransactionByHash", digest)
    assert mined["blockNumber"] == "0x1"
    assert {name for name in waiting if waiting[name] != mined[name]} == {
        "blockHash",
        "blockNumber",
        "transactionIndex",
        "gasPrice",
    }


def test_fees_are_told_as_the_next_block_will_charge_them(hand: HandChain) -> None:
    hand.send(maxPriorityFeePerGas=GWEI)
    hand.send(maxPriorityFeePerGas=GWEI // 2)
    history = hand.request("eth_feeHistory", "0x2", "latest", [0, 50, 100])
    assert history["oldestBlock"] == "0x1"
    assert history["reward"] == [[hex(GWEI)] * 3, [hex(GWEI // 2)] * 3]
    assert history["baseFeePerGas"][-1] == hex(hand.chain.next_base_fee())
    assert int(hand.request("eth_gasPrice"), 16) > hand.chain.next_base_fee()
    hand.chain.mine()
    assert hand.request("eth_getBlockByNumber", "latest", False)["baseFeePerGas"] == history["baseFeePerGas"][-1]
    assert hand.request("eth_feeHistory", "0x1", "0x9", [])["code"] == -32000
    for shares in ([101], [-1], [50, 10], ["5"], [True], [1] * 101):
        assert hand.request("eth_feeHistory", "0x1", "latest", shares)["code"] == -32602
