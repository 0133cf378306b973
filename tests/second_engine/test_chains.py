"""Every block of our chains, executed by the Ethereum specification, has the roots that its header states."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.embedded.genesis import Genesis
from contracts.manifest import Role
from contracts.node import Node, RpcNode
from contracts.reexecution import ChainRules, Verdict
from contracts.reexecution.ancestors import Ancestors
from contracts.reexecution.claims import BlockReader
from contracts.reexecution.execution import execute
from contracts.reexecution.witness import KnownState, Witness
from ledger.ethereum.header import Header, header_from_rpc
from tests.chains import CHAIN_IDS, DEPLOYER, deployed_on_embedded
from tests.contracts.reexecution.chains import ACCOUNTS, CHAIN_ID, embedded, require
from tests.contracts.reexecution.story import STORY, tell
from tests.second_engine.engine import Body, Specification, ours, specification, touched

pytestmark = pytest.mark.filterwarnings("ignore:SELFDESTRUCT opcode")


class Follower:
    """Executes a chain's blocks in both engines, one after the other, from its genesis on."""

    def __init__(self, node: Node, other: Specification, rules: ChainRules, genesis: Genesis) -> None:
        self._node, self._other, self._rules, self._known = node, other, rules, KnownState()
        self._reader, self._ancestors = BlockReader(node), Ancestors(node, Header)
        self.parent = header_from_rpc(node.request("eth_getBlockByNumber", "0x0", False))
        assert other.begin(rules.chain_id, genesis.state()) == self.parent.state_root

    def next(self) -> list[str]:
        """What differs in the next block: between the engines, or between the specification and the header."""
        block = self._reader.read(self.parent.number + 1)
        before = Witness(self._node, self._known, self.parent.state_root, self.parent.number)
        outcome = execute(block, before, self._ancestors.of(self.parent), self._rules)
        hashes = list(self._ancestors.of(self.parent))
        body = Body(block.header, hashes, block.transactions, [each.encoded for each in block.withdrawals])
        theirs = self._other.execute(body, touched(outcome))
        # The root as the header states it: `BlockChecker` recomputes it, here the other engine does.
        one, header = ours(outcome, block.header.state_root), block.header
        stated = (header.receipts_root, header.logs_bloom, header.gas_used, header.blob_gas_used, header.requests_hash)
        told = (theirs.receipts_root, theirs.logs_bloom, theirs.gas_used, theirs.blob_gas_used, theirs.requests_hash)
        self.parent = header
        return one.differences(theirs) + ["header"] * (stated != told)


def genesis_of(*accounts: str, chain_id: int, fee_recipient: str = "0x" + "00" * 20) -> Genesis:
    return Genesis(chain_id, dict.fromkeys(accounts, 10**21), fee_recipient=fee_recipient)


def test_every_block_of_the_story_is_the_same(other: Specification, tmp_path: Path) -> None:
    with embedded(tmp_path) as chain:
        numbers = tell(chain)
        genesis = genesis_of(*(a.address for a in ACCOUNTS), chain_id=CHAIN_ID, fee_recipient="0x" + "fe" * 20)
        follower = Follower(chain.node, other, chain.rules, genesis)
        assert {number: follower.next() for number in range(1, max(numbers.values()) + 1)} == {
            number: [] for number in range(1, len(STORY) + 1)
        }


def test_a_rule_that_chain_and_check_get_wrong_alike_is_caught(
    other: Specification, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our own check finds the block the same: it shares the chain's rules. The second engine does not."""
    monkeypatch.setattr("contracts.embedded.rules.REFUND_QUOTIENT", 2)
    with embedded(tmp_path) as chain:
        chain.deploy()
        chain.call("store_many(uint256,uint256,uint256)", 100, 9, 5)
        cleared = chain.call("store_many(uint256,uint256,uint256)", 100, 0, 5)
        require(chain.check(cleared), Verdict.SAME)
        genesis = genesis_of(*(a.address for a in ACCOUNTS), chain_id=CHAIN_ID, fee_recipient="0x" + "fe" * 20)
        follower = Follower(chain.node, other, chain.rules, genesis)
        assert [follower.next(), follower.next()] == [[], []]
        assert {"gas_used", "receipts_root", "header"} <= set(follower.next())


@pytest.fixture(scope="module")
def commits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Role, RpcNode]]:
    """Three chains with a deployment, and two messages sent and committed over it."""
    with deployed_on_embedded(tmp_path_factory.mktemp("chains")) as deployed:
        for _ in range(2):
            deployed.commit(deployed.send())
        yield {role: deployed.node(role) for role in CHAIN_IDS}


@pytest.mark.parametrize("role", CHAIN_IDS)
def test_every_block_of_a_deployment_and_its_commits_is_the_same(commits: dict[Role, RpcNode], role: Role) -> None:
    node, chain_id = commits[role], CHAIN_IDS[role]
    with specification() as other:
        genesis = genesis_of(f"0x{DEPLOYER.address.hex()}", chain_id=chain_id)
        follower = Follower(node, other, ChainRules(chain_id), genesis)
        head = int(node.request("eth_blockNumber"), 16)
        assert {number: follower.next() for number in range(1, head + 1)} == {n: [] for n in range(1, head + 1)}
        assert head > 5
