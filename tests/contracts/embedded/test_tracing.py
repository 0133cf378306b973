"""`prestateTracer`: the trace holds what each transaction touched, as it was before; proofs at the parent agree."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.node import RpcNode
from tests.contracts.embedded.conftest import HandChain, wait_for_receipt
from tests.contracts.embedded.probe import ETHER, STRANGER, Wallet, calldata, initcode

TRACER = {"tracer": "prestateTracer"}


def trace(hand: HandChain, block: str = "latest") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = hand.request("debug_traceBlockByNumber", block, TRACER)
    return found


def number(block: str) -> str:
    return hex(int(block, 16) - 1)


def test_the_values_are_those_before_the_block(hand: HandChain) -> None:
    probe = hand.deploy()
    hand.send(to=probe, data=calldata("put(uint256,uint256)", 1, 5))
    hand.send(to=probe, data=calldata("put(uint256,uint256)", 1, 6), value=9)
    [one] = trace(hand)
    assert set(one["result"]) == {hand.wallet.address, probe, "0x" + "00" * 20}
    for address, account in one["result"].items():
        assert account["balance"] == hand.request("eth_getBalance", address, "0x2")
        assert account.get("nonce", 0) == int(hand.request("eth_getTransactionCount", address, "0x2"), 16)
        assert account.get("code", "0x") == hand.request("eth_getCode", address, "0x2")
        for slot, value in account.get("storage", {}).items():
            assert value == hand.request("eth_getStorageAt", address, slot, "0x2")
    assert sorted(int(value, 16) for value in one["result"][probe]["storage"].values()) == [1, 5]


def test_each_transaction_sees_what_the_one_before_left(hand: HandChain) -> None:
    probe = hand.deploy()
    for nonce in (1, 2, 3):
        hand.chain.submit(hand.wallet.sign(nonce, to=probe, data=calldata("put(uint256,uint256)", 1, nonce * 10)))
    block = hand.chain.mine()
    traces = trace(hand)
    assert [item["txHash"] for item in traces] == ["0x" + item.hash.hex() for item in block.transactions]
    assert [item["result"][hand.wallet.address]["nonce"] for item in traces] == [1, 2, 3]
    values = [sorted(int(v, 16) for v in item["result"][probe]["storage"].values()) for item in traces]
    assert values == [[0, 0], [1, 10], [2, 20]]


def test_what_a_reverted_call_touched_is_there_too(hand: HandChain) -> None:
    probe = hand.deploy()
    hand.send(to=probe, data=calldata("try_refuse(uint256)", 5))
    [inner] = trace(hand)
    assert len(inner["result"][probe]["storage"]) == 1
    hand.send(to=probe, data=calldata("refuse(uint256)", 5))
    [outer] = trace(hand)
    assert outer["result"][probe]["storage"] == inner["result"][probe]["storage"]


def test_a_created_contract_did_not_exist_before(hand: HandChain) -> None:
    probe = hand.deploy()
    assert trace(hand)[0]["result"][probe] == {"balance": "0x0"}


def test_code_deployed_in_the_same_block_is_found(hand: HandChain) -> None:
    hand.chain.submit(hand.wallet.sign(0, to=None, data=initcode(), gas=5_000_000))
    probe = hand.request("eth_estimateGas", {"to": STRANGER}) and "0x" + _first_address(hand)
    hand.chain.submit(hand.wallet.sign(1, to=probe, data=calldata("put(uint256,uint256)", 1, 5)))
    hand.chain.mine()
    assert trace(hand)[1]["result"][probe]["code"] == hand.request("eth_getCode", probe, "latest")


def _first_address(hand: HandChain) -> str:
    from contracts.embedded.views import contract_address

    return contract_address(hand.wallet.raw_address, 0).hex()


def test_tracing_leaves_no_trace(hand: HandChain) -> None:
    hand.deploy()
    before = hand.request("eth_getBlockByNumber", "latest", False)
    assert trace(hand) == trace(hand)
    assert hand.request("eth_getBlockByNumber", "latest", False) == before
    hand.send()


def test_anvil_traces_the_same_storage(hand: HandChain, anvil: RpcNode) -> None:
    wallet = Wallet(b"\x61" * 32)
    anvil.request("anvil_setBalance", wallet.address, hex(100 * ETHER))
    hand.send(to=wallet.address, value=100 * ETHER)
    probe = ""
    steps: list[dict[str, Any]] = [
        {"to": None, "data": initcode(), "gas": 5_000_000},
        {"data": calldata("put(uint256,uint256)", 1, 5)},
        {"data": calldata("put_many(uint256,uint256,uint256)", 0, 5, 9)},
    ]
    for nonce, fields in enumerate(steps):
        raw = wallet.sign(nonce, **({"to": probe} | fields))
        digest = "0x" + hand.chain.submit(raw).hex()
        hand.chain.mine()
        anvil.request("eth_sendRawTransaction", "0x" + raw.hex())
        receipt = wait_for_receipt(anvil, digest)
        probe = probe or receipt["contractAddress"]
        theirs = anvil.request("debug_traceTransaction", digest, TRACER)
        ours = trace(hand)[0]["result"]
        assert ours.get(probe, {}).get("storage") == theirs.get(probe, {}).get("storage")
        assert ours[wallet.address].get("nonce") == theirs[wallet.address].get("nonce")


@pytest.mark.parametrize(
    ("params", "code"),
    [
        (["0x0", TRACER], -32000),
        (["0x9", TRACER], -32000),
        (["latest"], -32602),
        (["latest", {}], -32602),
        (["latest", {"tracer": "callTracer"}], -32602),
        (["latest", {"tracer": "prestateTracer", "tracerConfig": {"diffMode": True}}], -32602),
    ],
)
def test_what_cannot_be_traced_is_refused(hand: HandChain, params: list[Any], code: int) -> None:
    assert hand.request("debug_traceBlockByNumber", *params)["code"] == code
