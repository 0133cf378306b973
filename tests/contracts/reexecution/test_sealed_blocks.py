"""Blocks that validators seal: their hash leaves the seals out, and everything else is executed as on any chain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from contracts.embedded import genesis
from contracts.reexecution import Verdict
from contracts.reexecution.checker import BlockChecker
from contracts.reexecution.replay_file import decode_replay
from contracts.reexecution.replaying import replay
from ledger.ethereum.qbft import QbftHeader
from tests.contracts.reexecution import chains
from tests.contracts.reexecution.chains import Chain, LyingNode, require
from tests.contracts.reexecution.story import STORY
from tests.simulator.qbft import keys
from tests.simulator.sealed import SealedNode

pytestmark = pytest.mark.filterwarnings("ignore:SELFDESTRUCT opcode")

# They execute what the chain underneath says of its own hashes, which are not the sealed ones.
_READ_HASHES = {"reads the parent's hash", "reads an ancestor's hash"}


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Chain, dict[str, int]]]:
    """An embedded chain under seals, with blocks of many kinds.

    Without the contract that stores parents' hashes: underneath they are those of the chain without seals.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(genesis, "SYSTEM_CONTRACTS", {})
        with chains.embedded(tmp_path_factory.mktemp("sealed")) as plain:
            numbers = {name: make(plain) for name, make in STORY.items() if name not in _READ_HASHES}
            sealing = SealedNode(plain.node, keys(4))
            yield Chain(sealing, replace(plain.rules, sealed=True)), numbers


def test_sealed_blocks_are_the_same_one_after_the_other(sealed: tuple[Chain, dict[str, int]]) -> None:
    chain, numbers = sealed
    checker, parent = BlockChecker(chain.node, chain.rules), chain.header(0)
    for number in sorted(numbers.values()):
        check = checker.check(parent, number)
        require(check, Verdict.SAME)
        assert isinstance(check.header, QbftHeader) and check.header.extra.seals
        parent = check.header


def test_a_chain_is_either_sealed_or_not(sealed: tuple[Chain, dict[str, int]]) -> None:
    chain, numbers = sealed
    number = numbers["sets a slot"]
    unsealed = Chain(chain.node, replace(chain.rules, sealed=False))
    parent = chain.header(number - 1)
    require(BlockChecker(chain.node, unsealed.rules).check(parent, number), Verdict.DIFFERS, "HEADER_HASH")
    require(chain.check(number), Verdict.SAME)


def test_a_sealed_block_that_claims_another_state_differs(sealed: tuple[Chain, dict[str, int]]) -> None:
    chain, numbers = sealed
    number = numbers["sets a slot"]

    def poorer(method: str, params: Sequence[Any], result: Any) -> Any:
        if method == "eth_getBlockReceipts" and params[0] == hex(number):
            return [each | {"status": "0x0"} for each in result]
        return result

    require(chain.check(number, LyingNode(chain.node, poorer)), Verdict.DIFFERS, "receipts root")


def test_the_file_of_a_sealed_block_replays_as_the_same(sealed: tuple[Chain, dict[str, int]]) -> None:
    chain, numbers = sealed
    number = numbers["sets forty slots"]
    checker = BlockChecker(chain.node, chain.rules)
    require(checker.check(chain.header(number - 1), number), Verdict.SAME)
    raw = checker.witness()
    assert raw is not None and decode_replay(raw).rules.sealed
    assert replay(raw).verdict is Verdict.SAME
