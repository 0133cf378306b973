"""`eth_call` and `eth_estimateGas`: the state of any block, reverts with their data, and limits that suffice."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import decode

from tests.contracts.embedded.conftest import START, HandChain
from tests.contracts.embedded.probe import (
    ETHER,
    RECURSING_INITCODE,
    STRANGER,
    calldata,
    clear_calldata,
    initcode,
)


def asked(to: str | None, data: bytes = b"", **fields: Any) -> dict[str, Any]:
    return {"data": "0x" + data.hex()} | ({} if to is None else {"to": to}) | fields


def test_a_call_sees_the_block_it_names(hand: HandChain) -> None:
    probe = hand.deploy()
    hand.send(to=probe, data=calldata("put(uint256,uint256)", 1, 5))
    hand.send(to=probe, data=calldata("put(uint256,uint256)", 1, 6))
    question = asked(probe, calldata("values(uint256)", 1))
    answers = [hand.request("eth_call", question, block) for block in ("0x1", "0x2", "0x3", "latest", "finalized")]
    assert [int(answer, 16) for answer in answers] == [0, 5, 6, 6, 6]


def test_a_call_runs_in_the_context_of_its_block(hand: HandChain) -> None:
    probe = hand.deploy()
    hand.chain.mine()
    caller = "0x" + "ab" * 20
    out = hand.request("eth_call", asked(probe, calldata("context()"), **{"from": caller}), "0x2")
    number, timestamp, parent, sender = decode(["uint256", "uint256", "bytes32", "address"], bytes.fromhex(out[2:]))
    assert (number, timestamp, sender) == (2, START + 1, caller)
    assert "0x" + parent.hex() == hand.request("eth_getBlockByNumber", "0x1", False)["hash"]


def test_a_call_changes_nothing(hand: HandChain) -> None:
    probe = hand.deploy()
    head = hand.request("eth_getBlockByNumber", "latest", False)
    hand.request("eth_call", asked(probe, calldata("put(uint256,uint256)", 1, 5)), "latest")
    assert int(hand.request("eth_call", asked(probe, calldata("values(uint256)", 1)), "latest"), 16) == 0
    assert hand.request("eth_getBlockByNumber", "latest", False) == head


def test_a_revert_comes_with_its_data_and_reason(hand: HandChain) -> None:
    probe = hand.deploy()
    error = hand.request("eth_call", asked(probe, calldata("refuse(uint256)", 1)), "latest")
    assert (error["code"], error["message"]) == (3, "execution reverted: probe: refused")
    assert decode(["string"], bytes.fromhex(error["data"][10:])) == ("probe: refused",)
    assert hand.request("eth_estimateGas", asked(probe, calldata("refuse(uint256)", 1))) == error


def test_other_failures_are_no_reverts(hand: HandChain) -> None:
    probe = hand.deploy()
    for question in (
        asked(probe, calldata("burn()")),
        asked(probe, calldata("put(uint256,uint256)", 1, 1), gas="0x6000"),
    ):
        error = hand.request("eth_call", question, "latest")
        assert error["code"] == -32000
        assert "data" not in error
        assert hand.request("eth_estimateGas", question)["code"] == -32000


def test_a_creation_can_be_tried(hand: HandChain) -> None:
    code = hand.request("eth_call", asked(None, initcode()), "latest")
    assert code == hand.request("eth_getCode", hand.deploy(), "latest")


def test_nobody_can_send_value_they_do_not_own(hand: HandChain) -> None:
    poor = asked(STRANGER, value=hex(ETHER)) | {"from": "0x" + "ab" * 20}
    assert "insufficient funds" in hand.request("eth_call", poor, "latest")["message"]
    assert "insufficient funds" in hand.request("eth_estimateGas", poor)["message"]
    rich = poor | {"from": hand.wallet.address}
    assert hand.request("eth_call", rich, "latest") == "0x"
    assert hand.request("eth_estimateGas", rich) == "0x5208"


@pytest.mark.parametrize(
    ("data", "to_probe"),
    [
        (b"", False),
        (b"\x01" * 3000, False),
        (calldata("put(uint256,uint256)", 1, 2), True),
        (calldata("put_many(uint256,uint256,uint256)", 50, 30, 2), True),
        (clear_calldata(0, 20, b"\x01" * 10), True),
        (clear_calldata(0, 20, b"\x01" * 4000), True),
    ],
)
def test_the_estimate_suffices_and_is_not_much_above_the_need(hand: HandChain, data: bytes, to_probe: bool) -> None:
    probe = hand.deploy()
    hand.send(to=probe, data=calldata("put_many(uint256,uint256,uint256)", 0, 20, 1), gas=5_000_000)
    to = probe if to_probe else STRANGER
    estimate = int(hand.request("eth_estimateGas", (asked(to, data) | {"from": hand.wallet.address})), 16)
    too_little = asked(to, data, gas=hex(int(estimate * 0.98) - 1), **{"from": hand.wallet.address})
    assert "code" in hand.request("eth_estimateGas", too_little)
    assert hand.send(to=to, data=data, gas=estimate)["status"] == "0x1"


def test_the_estimate_finds_what_a_nested_call_must_be_left(hand: HandChain) -> None:
    """63/64 rule: the inner call fails quietly on less, and the outer one would still succeed."""
    deep = hand.deploy(RECURSING_INITCODE)
    estimate = int(hand.request("eth_estimateGas", asked(deep)), 16)
    assert hand.send(to=deep, gas=estimate)["status"] == "0x1"


def test_an_endless_call_ends_at_the_gas_cap(hand: HandChain) -> None:
    endless = hand.deploy(bytes.fromhex("635b5f56005f526004601cf3"))  # JUMPDEST PUSH0 JUMP
    error = hand.request("eth_call", asked(endless, gas=hex(300_000)), "latest")
    assert (error["code"], error["message"][:8]) == (-32000, "OutOfGas")


@pytest.mark.parametrize(
    "question",
    [
        None,
        [],
        {"to": "0x1234"},
        {"to": STRANGER, "data": "0x0"},
        {"to": STRANGER, "data": "0x00", "input": "0x01"},
        {"to": STRANGER, "gas": "0x01"},
        {"to": STRANGER, "gas": 1},
        {"to": STRANGER, "value": "0x1" + "0" * 64},
        {"to": STRANGER, "accessList": [{"address": STRANGER, "storageKeys": "0x"}]},
        {"to": STRANGER, "accessList": [1]},
        {"to": STRANGER, "gasPrice": "cheap"},
    ],
)
def test_malformed_calls_are_refused(hand: HandChain, question: object) -> None:
    assert hand.request("eth_call", question, "latest")["code"] == -32602
    assert hand.request("eth_estimateGas", question)["code"] == -32602


def test_a_call_with_less_than_the_intrinsic_gas_is_refused(hand: HandChain) -> None:
    error = hand.request("eth_call", asked(STRANGER, gas="0x5207"), "latest")
    assert error["data"] == {"code": "TX_INTRINSIC_GAS"}
    assert hand.request("eth_call", asked(STRANGER, gas="0x5208"), "latest") == "0x"
