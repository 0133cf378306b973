"""An honest block is the same, whatever it does, on both kinds of chain, however much the checker knows
already.
"""

from collections.abc import Sequence
from typing import Any

import pytest

from contracts.reexecution import BlockChecker, Verdict
from tests.contracts.reexecution.chains import LyingNode, require
from tests.contracts.reexecution.conftest import Told
from tests.contracts.reexecution.story import STORY

pytestmark = pytest.mark.filterwarnings("ignore:SELFDESTRUCT opcode")


@pytest.mark.parametrize("deed", STORY)
def test_a_block_that(told: Told, deed: str) -> None:
    number = told.blocks[deed]
    check = told.chain.check(number)
    require(check, Verdict.SAME)
    assert check.block_hash == told.chain.header(number).hash
    assert (check.number, check.gas_used) == (number, told.chain.header(number).gas_used)


def test_consecutive_blocks_are_checked_without_gaps_and_each_header_is_the_next_one_s_parent(told: Told) -> None:
    numbers = sorted(told.blocks.values())
    assert numbers == list(range(numbers[0], numbers[0] + len(STORY)))
    checker = BlockChecker(told.chain.node, told.chain.rules)
    parent = told.chain.header(numbers[0] - 1)
    for number in numbers:
        check = checker.check(parent, number)
        require(check, Verdict.SAME)
        assert check.header is not None
        parent = check.header


def test_without_hints_every_read_is_proven_as_it_comes(told: Told) -> None:
    def without_hints(method: str, params: Sequence[Any], result: Any) -> Any:
        return [] if method == "debug_traceBlockByNumber" else result

    for number in told.blocks.values():
        require(told.chain.check(number, LyingNode(told.chain.node, without_hints)), Verdict.SAME)


def test_misleading_hints_change_no_verdict(told: Told) -> None:
    def misleading(method: str, params: Sequence[Any], result: Any) -> Any:
        if method != "debug_traceBlockByNumber":
            return result
        stranger = {"balance": "0x1", "code": "0x6001", "storage": {"0x" + "07" * 32: "0x01"}}
        return [{"result": {"0x" + "42" * 20: stranger, "nonsense": 3, "0x": None}}, None, 7]

    for deed in ("sets a slot", "clears half of forty slots", "creates a contract"):
        require(told.chain.check(told.blocks[deed], LyingNode(told.chain.node, misleading)), Verdict.SAME)


def test_a_node_without_a_tracer_is_asked_once_for_it(told: Told) -> None:
    class Untraceable(LyingNode):
        def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
            renamed = [("debug_none" if m.startswith("debug_") else m, params) for m, params in calls]
            return super().batch(renamed)

    node = Untraceable(told.chain.node, lambda method, params, result: result)
    checker = BlockChecker(node, told.chain.rules)
    first = min(told.blocks.values())
    for number in (first, first + 1, first + 2):
        require(checker.check(told.chain.header(number - 1), number), Verdict.SAME)
    assert node.asked.count("debug_none") == 1


def test_a_known_state_is_not_asked_for_again(told: Told) -> None:
    node = LyingNode(told.chain.node, lambda method, params, result: result)
    checker = BlockChecker(node, told.chain.rules)
    number = told.blocks["calls itself"]
    for _ in range(2):
        require(checker.check(told.chain.header(number - 1), number), Verdict.SAME)
        asked, node.asked = node.asked, []
    before_or_after = [method for method in asked if method == "eth_getProof"]
    assert before_or_after == []


@pytest.mark.parametrize("count", [16, 17])
def test_long_blocks_are_not_traced_where_tracing_costs_the_node_more_than_it_saves(told: Told, count: int) -> None:
    number = told.chain.send_together([({"to": b"\x44" * 20, "value": 3, "gas": 21_000}, 0)] * count)
    node = LyingNode(told.chain.node, lambda method, params, result: result)
    check = told.chain.check(number, node)
    require(check, Verdict.SAME)
    is_traced = count == 16 or told.chain.rules.trie == "standard"
    assert (check.transactions, node.asked.count("debug_traceBlockByNumber")) == (count, int(is_traced))
