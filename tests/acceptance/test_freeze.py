"""A receipt that what happens on another chain freezes and releases, with separate processes on three anvil nodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from contracts.binding import Contract
from contracts.manifest import Observer, Policy, Role
from contracts.node import data
from contracts.plan import PLEDGE_LANES, ApplicationPlan
from contracts.proven_storage import slot_of
from ledger.errors import Refused
from ledger.ethereum.header import header_from_rpc
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.packed_nodes import pack_nodes
from ledger.freeze import FreezeState, FreezeTerms, Trigger
from relay.headers import held_form
from tests.acceptance.estate import Estate, estate
from tests.acceptance.processes import SECONDS, Staff
from tests.acceptance.program import until
from tests.contracts.world import CHAIN_IDS, HOLDER, LENDER, OWNER, STRANGER, World

# The lender's chain tells the receipt's chain of each loan, under headers that the notaries certify.
LANES = [
    replace(lane, policy=Policy.CERTIFIED) if lane.recipient == "WarehouseReceipt" else lane for lane in PLEDGE_LANES
]
HERE, THERE = Role.ORIGIN, Role.DESTINATION
DAY = 24 * 3600
NOT_MET = "ConditionalFreeze: condition is not met"


@dataclass
class Guarded:
    """A receipt in the freeze's hands: one loan being opened freezes it, another one gives it back."""

    chains: Estate
    staff: Staff
    terms: FreezeTerms

    def call(self, function: str, *arguments: Any) -> None:
        """Call the freeze; a stranger does, because anyone may."""
        self.chains.world.send(HERE, "ConditionalFreeze", function, self.terms.as_abi(), *arguments, by=STRANGER)

    @property
    def state(self) -> FreezeState:
        contract = self.chains.world.contract(HERE, "ConditionalFreeze")
        named = self.terms.id(chain_id=CHAIN_IDS[HERE], contract=contract.address)
        return FreezeState(self.chains.world.read(HERE, "ConditionalFreeze", "freeze_state", named)[0])

    def becomes(self, state: FreezeState) -> None:
        """Wait until it is; fail with what the relay says of it."""
        named = self.terms.id(chain_id=CHAIN_IDS[HERE], contract=self.contract)

        def fail() -> None:
            raise AssertionError(f"never {state.name}: {self.staff.ask('relay', f'/explain/0x{named.hex()}')}")

        until(lambda: self.state is state or None, seconds=SECONDS, what=f"the title is {state.name}", on_timeout=fail)

    @property
    def contract(self) -> bytes:
        return self.chains.world.contract(HERE, "ConditionalFreeze").address

    @property
    def holder(self) -> bytes:
        return bytes(self.chains.world.read(HERE, "WarehouseReceipt", "holder_of", self.terms.subject))

    def lend(self, name: bytes) -> int:
        """Open a loan; the lender's block in which it stands, once the receipt's chain was brought its header."""
        world = self.chains.world
        since = int(world.nodes[THERE].request("eth_blockNumber"), 16) + 1
        assert self.chains.network.open_loan(name, goods=name) == loan(world, name)
        holder_of_headers = Contract("CertifiedHeaders", observer_of(world).headers)

        def look() -> int | None:
            blocks = range(since, int(world.nodes[THERE].request("eth_blockNumber"), 16) + 1)
            held = (each for each in blocks if any(holder_of_headers.read(world.nodes[HERE], "held", each)))
            return next(held, None)

        return until(look, seconds=SECONDS, what="a header of the lender's chain is held")

    def proof(self, number: int, slot: bytes) -> tuple[tuple[Any, ...], bytes]:
        """A held header of the lender's chain, and what its node proves of a slot under it."""
        node = self.chains.world.nodes[THERE]
        held = held_form(header_from_rpc(node.request("eth_getBlockByNumber", hex(number), False)))
        asked = [f"0x{self.terms.account.hex()}", [f"0x{slot.hex()}"], hex(number)]
        proven = node.request("eth_getProof", *asked)
        nodes = [*proven["accountProof"], *proven["storageProof"][0]["proof"]]
        fields = (held.height, held.block_hash, held.state_root, held.receipts_root, held.timestamp)
        return fields, pack_nodes(data(each) for each in nodes)


def observer_of(world: World) -> Observer:
    """Who sees the lender's chain from the receipt's."""
    (observer,) = (each for each in world.manifest.chain(HERE).observers if each.origin == CHAIN_IDS[THERE])
    return observer


def loan(world: World, name: bytes) -> bytes:
    """The id of a loan that `Network.open_loan` opens, before it does."""
    opening = (keccak256(b"loan" + name), keccak256(b"receipt" + name), keccak256(name), keccak256(b"terms"))
    return bytes(world.read(THERE, "PledgeRegistry", "loan_id", LENDER.address, *opening, 2_000_000_000))


def lender_slot(world: World, name: bytes) -> bytes:
    """Where the lender's chain keeps who gave a loan: set once, when it is opened."""
    return slot_of("PledgeRegistry", "loans", loan(world, name)).to_bytes(32, "big")


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    freezes = ApplicationPlan("ConditionalFreeze", HERE)
    with (
        estate(lanes=LANES, applications=(freezes,), read=(THERE,)) as chains,
        chains.staff(tmp_path) as staff,
    ):
        yield Guarded(chains, staff, guard(chains))


def guard(chains: Estate) -> FreezeTerms:
    """The holder agrees and hands the receipt over."""
    world, receipt = chains.world, keccak256(b"guarded")
    registry, contract = world.contract(THERE, "PledgeRegistry"), world.contract(HERE, "ConditionalFreeze")
    code = keccak256(data(world.nodes[THERE].request("eth_getCode", f"0x{registry.address.hex()}", "latest")))
    now = int(world.nodes[HERE].request("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    title = world.contract(HERE, "WarehouseReceipt").address
    reader = observer_of(world).reader
    assert reader is not None
    parties = (title, receipt, HOLDER.address, LENDER.address, reader, registry.address)
    condition = (code, lender_slot(world, b"freezes"), Trigger.WHEN_SET, 0, lender_slot(world, b"releases"))
    terms = FreezeTerms(*parties, *condition, DAY, now + 30 * DAY, bytes(32))
    world.send(HERE, "WarehouseReceipt", "enrol_keeper", OWNER.address)
    world.send(HERE, "WarehouseReceipt", "issue", receipt, keccak256(b"guarded pile"), HOLDER.address, 7)
    world.send(HERE, "ConditionalFreeze", "agree", terms.as_abi(), by=HOLDER)
    world.send(HERE, "WarehouseReceipt", "transfer", receipt, contract.address, by=HOLDER)
    world.send(HERE, "ConditionalFreeze", "take_up", terms.as_abi(), by=STRANGER)
    return terms


def test_a_loan_on_another_chain_freezes_a_receipt_and_a_second_one_gives_it_back(guarded: Guarded) -> None:
    terms, contract = guarded.terms, guarded.chains.world.contract(HERE, "ConditionalFreeze").address
    assert (guarded.state, guarded.holder) == (FreezeState.GUARDED, contract)

    earlier = guarded.lend(b"another")
    with pytest.raises(Refused, match=NOT_MET):
        guarded.call("prove_freeze", *guarded.proof(earlier, terms.freeze_slot))
    assert guarded.state is FreezeState.GUARDED

    guarded.chains.mine(THERE)
    unvouched = int(guarded.chains.world.nodes[THERE].request("eth_blockNumber"), 16)
    with pytest.raises(Refused) as refused:  # nobody vouched for this header
        guarded.call("prove_freeze", *guarded.proof(unvouched, terms.freeze_slot))
    assert refused.value.code == "CALL_REVERTED" and NOT_MET not in refused.value.what
    assert guarded.state is FreezeState.GUARDED

    # Nobody calls the contract: the relay carries what the lender's chain makes due.
    frozen_at = guarded.lend(b"freezes")
    guarded.becomes(FreezeState.FROZEN)
    assert guarded.holder == contract
    with pytest.raises(Refused, match="ConditionalFreeze: not guarded"):
        guarded.chains.world.send(HERE, "ConditionalFreeze", "give_notice", terms.as_abi(), by=HOLDER)
    with pytest.raises(Refused, match="ConditionalFreeze: slot is unset"):
        guarded.call("prove_release", *guarded.proof(frozen_at, terms.release_slot))
    assert (guarded.state, guarded.holder) == (FreezeState.FROZEN, contract)

    guarded.lend(b"releases")
    guarded.becomes(FreezeState.RETURNED)
    assert guarded.holder == HOLDER.address
