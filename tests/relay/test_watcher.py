"""Reading a chain at finality: no block passed over, no block twice to one who took it, reorganisations noticed."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.manifest import Role
from ledger.ethereum.tx_receipt import Log
from relay.watcher import BLOCKS_PER_STEP, Rewound, SeenBlock, Watcher
from tests.ledger.refusals import refused
from tests.relay.written import MESSAGE, chain, message, sent
from tests.simulator.nodes import FaultyNode, WrittenNode

LOG = sent(MESSAGE)


def watching(node: Any, *, finality_blocks: int = 0) -> Watcher:
    return Watcher(node, chain(Role.ORIGIN, finality_blocks=finality_blocks))


def drain(watcher: Watcher) -> list[SeenBlock | Rewound]:
    """Everything that is new, over as many polls as it takes."""
    found: list[SeenBlock | Rewound] = []
    while news := list(watcher.poll()):
        found += news
    return found


def numbers(news: list[SeenBlock | Rewound]) -> list[int]:
    return [each.number for each in news if isinstance(each, SeenBlock)]


def test_blocks_come_once_in_order_and_without_gaps() -> None:
    node = WrittenNode()
    watcher = watching(node)
    assert numbers(drain(watcher)) == [0]
    for _ in range(BLOCKS_PER_STEP * 2 + 3):
        node.add()
    assert numbers(drain(watcher)) == list(range(1, BLOCKS_PER_STEP * 2 + 4))
    assert drain(watcher) == []


def test_a_log_comes_with_its_place_and_its_meaning() -> None:
    node = WrittenNode()
    node.add(LOG, sent(message(1)))
    block = drain(watching(node))[1]
    assert isinstance(block, SeenBlock)
    assert [(seen.place.transaction_index, seen.place.log_index) for seen in block.logs] == [(0, 0), (1, 0)]
    assert [seen.decoded.fields["sendId"] for seen in block.logs] == [MESSAGE.id, message(1).id]
    assert {seen.place.block_hash for seen in block.logs} == {block.hash}


def test_F01_only_our_contracts_and_only_what_succeeded_is_seen() -> None:
    node = WrittenNode()
    node.add(Log(b"\x99" * 20, LOG.topics, LOG.data))
    node.add(LOG, status=0)
    node.add(Log(LOG.address, (b"\x01" * 32,), b""))
    node.add(Log(LOG.address, (), b""))
    node.add(LOG)
    seen = [block.logs for block in drain(watching(node)) if isinstance(block, SeenBlock)]
    assert [len(logs) for logs in seen] == [0, 0, 0, 0, 0, 1]


def test_nothing_is_seen_before_it_is_final() -> None:
    node = WrittenNode()
    watcher = watching(node, finality_blocks=2)
    assert drain(watcher) == []
    node.add(LOG)
    node.add()
    assert numbers(drain(watcher)) == [0]
    node.add()
    assert numbers(drain(watcher)) == [1]


def test_a_block_that_its_reader_could_not_take_comes_again() -> None:
    node = WrittenNode()
    node.add(LOG)
    watcher = watching(node)
    with pytest.raises(RuntimeError, match="disk"):
        for block in watcher.poll():
            if isinstance(block, SeenBlock) and block.number == 1:
                raise RuntimeError("disk")
    assert numbers(drain(watcher)) == [1]


@pytest.mark.parametrize("fork", [0, 3, 4])
@pytest.mark.parametrize("height", ["shorter", "equal", "longer"])
def test_a_reorganisation_rewinds_to_the_newest_block_that_stands(fork: int, height: str) -> None:
    node = WrittenNode()
    for _ in range(5):
        node.add(LOG)
    watcher = watching(node)
    assert numbers(drain(watcher)) == [0, 1, 2, 3, 4, 5]
    node.reorganise(fork)
    while node.head < {"shorter": fork + 1, "equal": 5, "longer": 8}[height]:
        node.add()
    news = drain(watcher)
    assert news[0] == Rewound(7101, fork)
    assert numbers(news) == list(range(fork + 1, node.head + 1))
    assert drain(watcher) == []


def test_every_reorganisation_is_followed_also_the_second() -> None:
    node = WrittenNode()
    for _ in range(4):
        node.add()
    watcher = watching(node)
    drain(watcher)
    for fork, regrown in ((2, 3), (1, 5), (4, 3)):
        node.reorganise(fork)
        for _ in range(regrown):
            node.add()
        news = drain(watcher)
        assert news[0] == Rewound(7101, fork)
        assert numbers(news) == list(range(fork + 1, node.head + 1))
        assert [block.hash.hex() for block in news if isinstance(block, SeenBlock)] == [
            text[2:] for text in node.dump()[fork + 1 :]
        ]


def test_a_rewind_that_its_reader_could_not_take_comes_again() -> None:
    node = WrittenNode()
    for _ in range(3):
        node.add()
    watcher = watching(node)
    drain(watcher)
    node.reorganise(1)
    node.add()
    node.add()
    node.add()
    with pytest.raises(RuntimeError, match="disk"):
        for _news in watcher.poll():
            raise RuntimeError("disk")
    assert drain(watcher)[0] == Rewound(7101, 1)


def test_a_node_that_is_merely_behind_is_no_reorganisation() -> None:
    node = FaultyNode(WrittenNode())
    inner = node.inner
    assert isinstance(inner, WrittenNode)
    for _ in range(6):
        inner.add()
    watcher = watching(node)
    drain(watcher)
    node.behind = 4
    assert drain(watcher) == []
    node.behind = 0
    inner.add()
    assert numbers(drain(watcher)) == [7]


def test_header_and_receipts_of_two_blocks_are_not_taken_for_one() -> None:
    node = FaultyNode(WrittenNode())
    inner = node.inner
    assert isinstance(inner, WrittenNode)
    inner.add(LOG)
    watcher = watching(node)
    list(watcher.poll())
    inner.reorganise(1)
    stale = inner.request("eth_getBlockReceipts", "0x1")
    inner.add(sent(message(1)))
    node.lies["eth_getBlockReceipts"] = lambda params, honest: stale if params == ["0x2"] else honest
    assert drain(watcher) == []
    node.lies["eth_getBlockReceipts"] = lambda params, honest: [] if params == ["0x2"] else honest
    assert drain(watcher) == []
    node.lies.clear()
    news = drain(watcher)
    assert numbers(news) == [2]
    assert isinstance(news[0], SeenBlock)
    assert news[0].logs[0].decoded.fields["sendId"] == message(1).id


GARBAGE: dict[str, Any] = {
    "a_header_that_is_text": ("eth_getBlockByNumber", "0x"),
    "a_header_without_fields": ("eth_getBlockByNumber", {}),
    "a_header_of_another_number": (
        "eth_getBlockByNumber",
        {"hash": "0x" + "01" * 32, "parentHash": "0x" + "02" * 32, "number": "0x9", "timestamp": "0x1"}
        | {"transactions": []},
    ),
    "receipts_that_are_a_number": ("eth_getBlockReceipts", 5),
    "receipts_of_nothing": ("eth_getBlockReceipts", [None]),
    "a_head_that_is_no_quantity": ("eth_blockNumber", "latest"),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_a_typed_error_and_moves_nothing(name: str) -> None:
    method, reply = GARBAGE[name]
    node = FaultyNode(WrittenNode())
    inner = node.inner
    assert isinstance(inner, WrittenNode)
    inner.add(LOG)
    watcher = watching(node)
    node.lies[method] = lambda _params, _honest: reply
    with refused("NODE_GARBAGE"):
        list(watcher.poll())
    assert watcher.next_block == 0
    node.lies.clear()
    assert numbers(drain(watcher)) == [0, 1]


def test_an_unreachable_node_moves_nothing() -> None:
    node = FaultyNode(WrittenNode())
    watcher = watching(node)
    node.down = True
    with refused("NODE_UNREACHABLE"):
        list(watcher.poll())
    node.down = False
    assert numbers(drain(watcher)) == [0]
