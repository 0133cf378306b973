"""Delivery against payment over real gateways: a warehouse receipt on one chain, its price on another, or neither."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode

from contracts.binding import Contract, creation_code, interface
from contracts.compiler import artifact_at
from contracts.manifest import NOTARY_POLICY, Role
from contracts.transactor import Mined
from ledger import interoperable
from ledger.proposal import Kind, Proposal, read_proposal
from ledger.secp256k1 import SigningKey
from ledger.two_phase import Leg, Plan, Stage, leg_key
from tests.contracts.two_phase_world import legs_abi, plan_abi, terms
from tests.contracts.world import CHAIN_IDS, HOLDER, LENDER, OWNER, World

LEG = artifact_at(Path(__file__).parent / "DeliveryLeg.vy")
FACE = interface(LEG)
RECEIPT, PRICE = b"\x01" * 32, b"\x02" * 32
SELLER, BUYER = HOLDER, LENDER
PLACES = (Role.ORIGIN, Role.DESTINATION)  # the receipt's chain, the price's chain


@dataclass(slots=True)
class Trade:
    """A coordinator and two legs beside the world's own contracts, with lanes both ways."""

    world: World
    coordinator: Contract
    legs: dict[Role, bytes]
    prepare_by: int

    def send(self, role: Role, function: str, *arguments: Any, by: SigningKey = OWNER) -> Mined:
        """Call a leg."""
        return self.world.transactor(role, by).send(self.legs[role], FACE.encode_call(function, *arguments))

    def ask(self, role: Role, function: str, *arguments: Any) -> Any:
        """Ask a leg."""
        call = {"to": f"0x{self.legs[role].hex()}", "data": f"0x{FACE.encode_call(function, *arguments).hex()}"}
        raw = self.world.nodes[role].request("eth_call", call, "latest")
        return FACE.decode_result(function, bytes.fromhex(raw[2:]))

    def call(self, function: str, *arguments: Any) -> Mined:
        """Call the coordinator."""
        calldata = self.coordinator.encode_call(function, *arguments)
        return self.world.transactor(Role.TRANSACTION, OWNER).send(self.coordinator.address, calldata)

    def plan(self, salt: bytes) -> Plan:
        """The receipt to the buyer, the price to the seller."""
        parties = {"coordinator": self.coordinator.address, "initiator": OWNER.address, "salt": salt}
        given = {Role.ORIGIN: terms(RECEIPT, BUYER.address), Role.DESTINATION: terms(PRICE, SELLER.address)}
        legs = tuple(Leg(CHAIN_IDS[role], self.legs[role], given[role]) for role in PLACES)
        return Plan(chain_id=CHAIN_IDS[Role.TRANSACTION], prepare_by=self.prepare_by, legs=legs, **parties)

    def consent(self, plan: Plan, place: int, by: SigningKey) -> None:
        """A holder consents to one leg of this very transaction."""
        here = interoperable.encode(CHAIN_IDS[Role.TRANSACTION], self.coordinator.address)
        leg = plan.legs[place]
        self.send(PLACES[place], "consent", leg.terms[:32], leg_key(here, plan.id, place, leg.terms_digest), by=by)

    def commit(self, proposal: Proposal) -> Mined:
        """Prove and deliver a message; what it makes its recipient send is in the result's logs."""
        assert proposal.message.kind == Kind.NOTICE
        return self.world.commit(proposal)

    def sent(self, role: Role, mined: Mined) -> list[Proposal]:
        """The messages a transaction sent."""
        ends = self.world.manifest.ends
        chain = self.world.manifest.chain(role)
        return [
            read_proposal(log, origin=chain.end, destinations=ends)
            for log in mined.logs
            if log.address == chain.contracts["Gateway"] and len(log.topics) == 2
        ]

    def prepare_and_report(self, prepares: list[Proposal]) -> None:
        """Deliver each PREPARE, and each report it gives."""
        for place, prepare in enumerate(prepares):
            (report,) = self.sent(PLACES[place], self.commit(prepare))
            self.commit(report)

    def stage(self, plan: Plan) -> int:
        """Where the coordinator stands."""
        return int(self.coordinator.read(self.world.nodes[Role.TRANSACTION], "progress", plan.id)[0])

    def holders(self) -> tuple[bytes, bytes]:
        """Who holds the receipt, and who the price."""
        return (
            bytes(self.ask(Role.ORIGIN, "holders", RECEIPT)),
            bytes(self.ask(Role.DESTINATION, "holders", PRICE)),
        )


@pytest.fixture(scope="module")
def deployed(world: World) -> Trade:
    gateways = {role: world.contract(role, "Gateway").address for role in Role}
    owner = {role: world.transactor(role, OWNER) for role in Role}
    at = owner[Role.TRANSACTION].send(None, creation_code("Coordinator", gateways[Role.TRANSACTION])).contract
    assert at is not None
    legs = {}
    for role in PLACES:
        committee = world.contract(role, "Committee").address
        code = LEG.bytecode + encode(FACE.constructor, [gateways[role], committee, 86_400])
        found = owner[role].send(None, code).contract
        assert found is not None
        legs[role] = found
    now = int(world.nodes[Role.TRANSACTION].request("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    trade = Trade(world, Contract("Coordinator", at), legs, now + 30 * 24 * 3600 - 60)
    for role in PLACES:
        trade.call("admit", CHAIN_IDS[role], legs[role])
        trade.send(role, "admit", CHAIN_IDS[Role.TRANSACTION], at)
        to_leg, to_coordinator = (CHAIN_IDS[Role.TRANSACTION], at, legs[role]), (CHAIN_IDS[role], legs[role], at)
        world.send(role, "Administration", "open_lane", *to_leg, NOTARY_POLICY, False)
        world.send(Role.TRANSACTION, "Administration", "open_lane", *to_coordinator, NOTARY_POLICY, False)
    trade.send(Role.ORIGIN, "issue", RECEIPT, SELLER.address)
    trade.send(Role.DESTINATION, "issue", PRICE, BUYER.address)
    return trade


def test_without_one_sides_consent_neither_side_moves(deployed: Trade) -> None:
    plan = deployed.plan(b"\x01" * 32)
    deployed.consent(plan, 0, SELLER)
    prepares = deployed.sent(Role.TRANSACTION, deployed.call("begin", plan.salt, plan.prepare_by, legs_abi(plan)))
    deployed.prepare_and_report(prepares)
    assert deployed.stage(plan) == Stage.ABORTED
    assert any(deployed.ask(Role.ORIGIN, "reserved_by", RECEIPT)), "the prepared leg waits for the decision"
    for place in (0, 1, 0):
        (decision,) = deployed.sent(Role.TRANSACTION, deployed.call("tell", plan_abi(plan), place))
        deployed.commit(decision)
    assert deployed.holders() == (SELLER.address, BUYER.address)
    assert not any(deployed.ask(Role.ORIGIN, "reserved_by", RECEIPT))


def test_with_both_consents_both_sides_move_exactly_once(deployed: Trade) -> None:
    plan = deployed.plan(b"\x02" * 32)
    deployed.consent(plan, 0, SELLER)
    deployed.consent(plan, 1, BUYER)
    prepares = deployed.sent(Role.TRANSACTION, deployed.call("begin", plan.salt, plan.prepare_by, legs_abi(plan)))
    deployed.prepare_and_report(prepares)
    assert deployed.stage(plan) == Stage.COMMITTED
    assert deployed.holders() == (SELLER.address, BUYER.address)
    for place in (0, 1, 0, 1):
        (decision,) = deployed.sent(Role.TRANSACTION, deployed.call("tell", plan_abi(plan), place))
        deployed.commit(decision)
    assert deployed.holders() == (BUYER.address, SELLER.address)
