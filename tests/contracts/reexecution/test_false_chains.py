"""Chains that really did wrong: their headers, proofs and receipts agree with one another, but not with
the EVM.
"""

from pathlib import Path
from typing import Any

import pytest
from eth.chains.base import MiningChain

from contracts.embedded.rules import EmbeddedChainDB, EmbeddedState, EmbeddedVM
from contracts.reexecution import BlockCheck, BlockChecker, ChainRules, Verdict
from tests.contracts.reexecution.chains import ACCOUNTS, CHAIN_ID, Chain, anvil, embedded, require


@pytest.fixture(name="chain", scope="module")
def _chain() -> Any:
    with anvil() as chain:
        chain.deploy()
        yield chain


def slot_of(chain: Chain, key: int) -> str:
    """Where Vyper keeps `cells[key]`, found by changing it and looking what changed."""
    number = chain.call("store(uint256,uint256)", key, 0xC0FFEE)
    trace = chain.node.request("debug_traceBlockByNumber", hex(number), {"tracer": "prestateTracer"})
    (slot,) = trace[0]["result"]["0x" + chain.contract.hex()]["storage"]
    return str(slot)


class Watch:
    """A checker that follows the chain block by block, as a notary does."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self.checker = BlockChecker(chain.node, chain.rules)

    def check(self, number: int) -> BlockCheck:
        return self.checker.check(self._chain.header(number - 1), number)


def rewrite(chain: Chain, slot: str) -> None:
    """Change a slot with no transaction; anvil does it inside the last block's state."""
    chain.node.request("anvil_setStorageAt", "0x" + chain.contract.hex(), slot, "0x" + "00" * 31 + "01")


def test_a_slot_rewritten_one_block_before_an_honest_commit_is_seen(chain: Chain) -> None:
    slot, watch = slot_of(chain, 1), Watch(chain)
    require(watch.check(chain.mine_empty()), Verdict.SAME)
    rewrite(chain, slot)
    rewritten = chain.mine_empty()
    commit = chain.call("store(uint256,uint256)", 2, 7)
    require(watch.check(rewritten), Verdict.DIFFERS, "state root")
    require(chain.check(rewritten), Verdict.DIFFERS)  # so it is for who comes late: the state before does not prove
    require(watch.check(commit), Verdict.SAME)  # hence blocks are checked without gaps


def test_a_slot_rewritten_in_a_block_that_also_touches_its_contract_is_named(chain: Chain) -> None:
    slot, watch = slot_of(chain, 3), Watch(chain)
    require(watch.check(chain.call("store(uint256,uint256)", 4, 6)), Verdict.SAME)
    rewrite(chain, slot)
    number = chain.call("store(uint256,uint256)", 4, 7)
    require(watch.check(number), Verdict.DIFFERS, f"0x{chain.contract.hex()} has another storage root")


def test_a_rewritten_slot_that_the_next_block_reads_does_not_prove(chain: Chain) -> None:
    slot = slot_of(chain, 5)
    rewrite(chain, slot)
    number = chain.call("store(uint256,uint256)", 5, 8)
    require(chain.check(number), Verdict.DIFFERS, "does not prove")


@pytest.mark.parametrize(
    ("method", "value"),
    [("anvil_setBalance", "0x1"), ("anvil_setNonce", "0x63"), ("anvil_setCode", "0x6001")],
)
def test_an_account_rewritten_without_a_transaction_is_seen(chain: Chain, method: str, value: str) -> None:
    watch = Watch(chain)
    require(watch.check(chain.mine_empty()), Verdict.SAME)
    chain.node.request(method, "0x" + "ab" * 20, value)
    require(watch.check(chain.mine_empty()), Verdict.DIFFERS, "state root")
    require(watch.check(chain.mine_empty()), Verdict.SAME)


def test_an_impersonated_sender_is_seen(chain: Chain) -> None:
    victim = "0x" + "cd" * 20
    chain.node.request("anvil_setBalance", victim, hex(10**18))
    chain.mine_empty()
    chain.node.request("anvil_impersonateAccount", victim)
    digest = chain.node.request("eth_sendTransaction", {"from": victim, "to": ACCOUNTS[1].address, "value": "0x1"})
    # The node answers before the block is mined: until then its newest block is the one before.
    number = int(chain.receipt(digest)["blockNumber"], 16)
    chain.node.request("anvil_stopImpersonatingAccount", victim)
    require(chain.check(number), Verdict.DIFFERS, "transaction")


def test_a_base_fee_that_eip_1559_does_not_give_is_seen_unless_the_rules_leave_it_free(chain: Chain) -> None:
    chain.node.request("anvil_setNextBlockBaseFeePerGas", hex(5 * 10**9))
    number = chain.call("store(uint256,uint256)", 6, 1)
    require(chain.check(number), Verdict.DIFFERS, "base fee")
    free = ChainRules(CHAIN_ID, trie="keeps_zero_leaves", base_fee="free")
    require(BlockChecker(chain.node, free).check(chain.header(number - 1), number), Verdict.SAME)


def test_wrong_rules_make_an_honest_block_differ_and_never_the_same(chain: Chain) -> None:
    number = chain.call("try_to_store(uint256,uint256)", 77, 4)
    parent = chain.header(number - 1)
    for wrong in (ChainRules(CHAIN_ID), ChainRules(CHAIN_ID, trie="keeps_zero_leaves", system_writes=False)):
        require(BlockChecker(chain.node, wrong).check(parent, number), Verdict.DIFFERS, "state root")
    other = ChainRules(CHAIN_ID + 1, trie="keeps_zero_leaves")
    require(BlockChecker(chain.node, other).check(parent, number), Verdict.DIFFERS, "signed for chain")
    require(chain.check(number), Verdict.SAME)


class FalseState(EmbeddedState):
    """Stores one more than it is told, in every slot of ordinary size."""

    def set_storage(self, address: bytes, slot: int, value: int) -> None:
        super().set_storage(address, slot, value + 1 if 0 < value < 1_000 else value)


class FalseStorageVM(EmbeddedVM):
    _state_class = FalseState


class FalseGasVM(EmbeddedVM):
    @classmethod
    def finalize_gas_used(cls, transaction: Any, computation: Any) -> int:
        return EmbeddedVM.finalize_gas_used(transaction, computation) - 1


class FalseLogsVM(EmbeddedVM):
    @classmethod
    def make_receipt(cls, base_header: Any, transaction: Any, computation: Any, state: Any) -> Any:
        computation.get_log_entries = lambda: ()
        return super().make_receipt(base_header, transaction, computation, state)


class ForgetfulVM(EmbeddedVM):
    def block_preprocessing(self, block: Any) -> None:
        """The system writes of EIP-4788 and EIP-2935 are left out."""


@pytest.mark.parametrize(
    ("machine", "reason"),
    [
        (FalseStorageVM, "has another storage root"),
        (FalseGasVM, "cumulative gas"),
        (FalseLogsVM, "logs"),
        (ForgetfulVM, "has another storage root"),
    ],
)
def test_a_chain_whose_machine_executes_falsely_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: type, reason: str
) -> None:
    def false_chain_class(chain_id: int) -> Any:
        return MiningChain.configure(
            __name__="FalseChain",
            vm_configuration=((0, machine),),
            chain_id=chain_id,
            chaindb_class=EmbeddedChainDB,
        )

    monkeypatch.setattr("contracts.embedded.chain.chain_class", false_chain_class)
    with embedded(tmp_path) as chain:
        number = chain.deploy() and chain.call("store(uint256,uint256)", 1, 5)
        require(chain.check(number), Verdict.DIFFERS, reason)
    monkeypatch.undo()
    with embedded(tmp_path / "honest") as chain:
        number = chain.deploy() and chain.call("store(uint256,uint256)", 1, 5)
        require(chain.check(number), Verdict.SAME)
