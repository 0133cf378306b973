"""`eth_getLogs`: by address, topics, range and block; never a log of a failed transaction; bounded."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.embedded.conftest import HandChain
from tests.contracts.embedded.probe import calldata


def word(value: int | str) -> str:
    number = int(value, 16) if isinstance(value, str) else value
    return f"0x{number:064x}"


@pytest.fixture
def logged(hand: HandChain) -> tuple[HandChain, str, str]:
    """Two probes; the first logs keys 1, 2, 3 in blocks 3, 4, 5, the second key 1 in block 6; block 7 fails."""
    first, second = hand.deploy(), hand.deploy()
    for key in (1, 2, 3):
        hand.send(to=first, data=calldata("put(uint256,uint256)", key, key))
    hand.send(to=second, data=calldata("put(uint256,uint256)", 1, 9))
    hand.send(to=first, data=calldata("refuse(uint256)", 1))
    return hand, first, second


def keys(found: Any) -> list[int]:
    return [int(log["topics"][1], 16) for log in found]


def test_logs_are_found_by_address_topic_and_range(logged: tuple[HandChain, str, str]) -> None:
    hand, first, second = logged
    all_blocks = {"fromBlock": "earliest", "toBlock": "latest"}
    topic = hand.request("eth_getLogs", all_blocks)[0]["topics"][0]

    def find(**wanted: Any) -> list[int]:
        return keys(hand.request("eth_getLogs", all_blocks | wanted))

    assert find() == [1, 2, 3, 1]
    assert find(address=first) == [1, 2, 3]
    assert find(address=[first, second]) == [1, 2, 3, 1]
    assert find(address=[]) == [1, 2, 3, 1]
    assert find(topics=[topic]) == [1, 2, 3, 1]
    assert find(topics=[None, word(1)]) == [1, 1]
    assert find(topics=[topic, [word(1), word(3)]]) == [1, 3, 1]
    assert find(topics=[None, word(1), word(hand.wallet.address)], address=second) == [1]
    assert find(topics=[word(1)]) == []
    assert find(topics=[None, None, None, None]) == []  # no log has four topics
    assert find(fromBlock="0x4", toBlock="0x5") == [2, 3]
    assert find(fromBlock="0x4", toBlock="0xffff") == [2, 3, 1]
    assert keys(hand.request("eth_getLogs", {})) == []  # the default range is the newest block


def test_logs_of_one_block_are_found_by_its_hash(logged: tuple[HandChain, str, str]) -> None:
    hand, _, _ = logged
    block = hand.request("eth_getBlockByNumber", "0x4", False)
    [log] = hand.request("eth_getLogs", {"blockHash": block["hash"]})
    assert log["blockTimestamp"] == block["timestamp"]
    assert (log["blockHash"], log["transactionHash"]) == (block["hash"], block["transactions"][0])
    unknown = hand.request("eth_getLogs", {"blockHash": "0x" + "ab" * 32})
    assert unknown == {"code": -32000, "message": "unknown block"}


def test_log_indices_count_through_a_block(hand: HandChain) -> None:
    probe = hand.deploy()
    for nonce in (1, 2):
        hand.chain.submit(
            hand.wallet.sign(nonce, to=probe, data=calldata("put_many(uint256,uint256,uint256)", 0, 3, 1))
        )
    hand.chain.mine()
    logs = hand.request("eth_getLogs", {})
    assert [int(log["logIndex"], 16) for log in logs] == list(range(6))
    assert [int(log["transactionIndex"], 16) for log in logs] == [0, 0, 0, 1, 1, 1]
    receipts = hand.request("eth_getBlockReceipts", "latest")
    assert [log for receipt in receipts for log in receipt["logs"]] == logs


def test_a_search_too_wide_or_too_rich_is_refused(
    logged: tuple[HandChain, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hand, _, _ = logged
    everything = {"fromBlock": "0x0", "toBlock": "latest"}
    with monkeypatch.context() as narrow:
        narrow.setattr("contracts.embedded.filters.MAX_BLOCKS", 7)
        assert hand.request("eth_getLogs", everything)["code"] == -32602
        assert keys(hand.request("eth_getLogs", {"fromBlock": "0x1", "toBlock": "latest"})) == [1, 2, 3, 1]
    with monkeypatch.context() as poor:
        poor.setattr("contracts.embedded.filters.MAX_RESULTS", 3)
        assert hand.request("eth_getLogs", everything)["code"] == -32000


@pytest.mark.parametrize(
    "wanted",
    [
        [],
        {"address": "0x12"},
        {"address": 5},
        {"topics": "0x"},
        {"topics": ["0x12"]},
        {"topics": [None] * 5},
        {"topics": [["0x12"]]},
        {"fromBlock": "0x2", "toBlock": "0x1"},
        {"fromBlock": "0x" + "ab" * 32},
        {"blockHash": "0x" + "ab" * 32, "fromBlock": "0x0"},
        {"address": ["0x" + "ab" * 20] * 1001},
    ],
)
def test_malformed_filters_are_refused(hand: HandChain, wanted: object) -> None:
    assert hand.request("eth_getLogs", wanted)["code"] == -32602
