"""Delivery against payment as deployed: a receipt on one chain, its price on another, the coordinator on the third.

The test carries the messages, or does not: each one is proven and delivered over the real gateways.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from contracts.binding import Contract, Interface, interface
from contracts.compiler import artifact_at
from contracts.manifest import Role
from contracts.plan import EXCHANGE, EXCHANGE_LANES, PLEDGE_LANES
from contracts.transactor import Mined
from ledger.attestation import word
from ledger.ethereum.keccak import keccak256
from ledger.leg_terms import ReceiptTerms, TokenTerms
from ledger.orders import action_of, order_digest
from ledger.proposal import Proposal
from ledger.quorum import pack
from ledger.secp256k1 import SigningKey
from ledger.two_phase import Leg, LegState, Plan, Stage, leg_key
from tests.contracts.two_phase_world import legs_abi, plan_abi, text
from tests.contracts.world import CHAIN_IDS, HOLDER, LENDER, OWNER, STRANGER, World, in_process_world

SELLER, BUYER = HOLDER, LENDER
RECEIPTS, MONEY = (Role.ORIGIN, "WarehouseReceipt"), (Role.DESTINATION, "TokenLeg")
PLACES = (RECEIPTS, MONEY)
GOODS, UNITS, PRICE = b"\x6d" * 32, 12_000, 500
HOUR = 3600
TOKEN = artifact_at(Path(__file__).parent / "TestToken.vy")
TOKEN_FACE: Interface = interface(TOKEN)


@dataclass(slots=True)
class Exchange:
    """One world with the roles of an exchange; each trade has a receipt of its own."""

    world: World
    token: bytes
    trades: int = 0

    @classmethod
    def open(cls) -> Self:
        """Deployed by plan, a keeper enrolled, and the buyer in funds."""
        return cls.on(in_process_world(lanes=PLEDGE_LANES + EXCHANGE_LANES, applications=EXCHANGE))

    @classmethod
    def on(cls, world: World) -> Self:
        """The same where the roles of an exchange are deployed already."""
        token = world.transactor(Role.DESTINATION, OWNER).send(None, TOKEN.bytecode).contract
        assert token is not None
        mint = TOKEN_FACE.encode_call("mint", BUYER.address, 10**6)
        world.transactor(Role.DESTINATION, OWNER).send(token, mint)
        world.send(*RECEIPTS, "enrol_keeper", OWNER.address)
        return cls(world, token)

    def plan(self, receipt: bytes | None = None, *, prepare_in: int = HOUR) -> Plan:
        """A receipt to the buyer, the price to the seller."""
        self.trades += 1
        salt = keccak256(b"trade" + self.trades.to_bytes(32, "big"))
        if receipt is None:
            receipt = keccak256(b"receipt" + salt)
            self.world.send(*RECEIPTS, "issue", receipt, GOODS, SELLER.address, UNITS)
        terms = (
            ReceiptTerms(receipt, OWNER.address, GOODS, UNITS, BUYER.address).encode(),
            TokenTerms(self.token, PRICE, BUYER.address, SELLER.address).encode(),
        )
        legs = tuple(
            Leg(CHAIN_IDS[role], self.world.contract(role, name).address, given)
            for (role, name), given in zip(PLACES, terms, strict=True)
        )
        at = self.world.contract(Role.TRANSACTION, "Coordinator").address
        return Plan(CHAIN_IDS[Role.TRANSACTION], at, OWNER.address, salt, self.now + prepare_in, legs)

    def key(self, plan: Plan, place: int) -> bytes:
        """Where a leg is kept."""
        return leg_key(self.coordinator, plan.id, place, plan.legs[place].terms_digest)

    def agree(self, plan: Plan, places: Sequence[int] = (0, 1)) -> None:
        """The seller consents, the buyer funds."""
        if 0 in places:
            receipt = plan.legs[0].terms[:32]
            self.world.send(*RECEIPTS, "consent_to_leg", receipt, self.key(plan, 0), by=SELLER)
        if 1 in places:
            self.world.send(*MONEY, "fund", self.coordinator, plan.id, 1, plan.legs[1].terms, by=BUYER)

    def begin(self, plan: Plan) -> list[Proposal]:
        """Begin; the messages that ask each leg to prepare."""
        return self.sent(self.call("begin", plan.salt, plan.prepare_by, legs_abi(plan)))

    def tell(self, plan: Plan, place: int) -> Proposal:
        """Have the coordinator say what stands; anyone may."""
        (message,) = self.sent(self.call("tell", plan_abi(plan), place, by=STRANGER))
        return message

    def decided(self, plan: Plan, place: int) -> str:
        """Carry the decision to a leg; the outcome."""
        return self.deliver(self.tell(plan, place))

    def report_again(self, plan: Plan, place: int) -> Proposal:
        """Have a leg say its report again; anyone may."""
        role, name = PLACES[place]
        leg = plan.legs[place]
        said = self.world.send(role, name, "report", self.coordinator, plan.id, place, leg.terms_digest, by=STRANGER)
        (message,) = self.world.sent(role, said)
        return message

    def prepare(self, message: Proposal) -> Proposal:
        """Deliver a PREPARE; the leg's report."""
        mined = self.world.commit(message)
        role = role_of(message)
        (report,) = self.world.sent(role, mined)
        return report

    def deliver(self, message: Proposal) -> str:
        """Prove and deliver a message; the outcome's text."""
        role = role_of(message)
        committed = self.world.logs(role, self.world.commit(message))["MessageCommitted"].fields
        assert committed["executed"], "the application took it"
        return text(committed["outcome"])

    def force(self, plan: Plan, place: int, decision: int) -> Mined:
        """An order of three of four notaries, announced, waited for, carried out."""
        action = self.announce(plan, place, decision)
        self.pass_time(self.world.manifest.rotation.delay, PLACES[place][0])
        role, name = PLACES[place]
        return self.world.send(role, name, "force", self.key(plan, place), decision, action, by=STRANGER)

    def announce(self, plan: Plan, place: int, decision: int, signers: Sequence[int] = (0, 1, 2)) -> bytes:
        """Announce it; the salt."""
        role, name = PLACES[place]
        salt, action = keccak256(plan.salt), action_of("participant.force", self.key(plan, place), word(decision))
        at = self.world.contract(role, name).address
        digest = order_digest(chain_id=CHAIN_IDS[role], contract=at, action=action, salt=salt, epoch=1)
        signatures = pack({index: self.world.notaries[index].sign(digest) for index in signers})
        self.world.send(role, name, "announce", action, salt, 1, signatures, by=STRANGER)
        return salt

    def call(self, function: str, *arguments: Any, by: SigningKey = OWNER) -> Mined:
        """Call the coordinator."""
        return self.world.send(Role.TRANSACTION, "Coordinator", function, *arguments, by=by)

    def sent(self, mined: Mined) -> list[Proposal]:
        """What the coordinator sent."""
        return self.world.sent(Role.TRANSACTION, mined)

    def stage(self, plan: Plan) -> Stage:
        """Where the coordinator stands."""
        return Stage(self.world.read(Role.TRANSACTION, "Coordinator", "progress", plan.id)[0])

    def state(self, plan: Plan, place: int) -> LegState:
        """Where a leg stands."""
        return LegState(self.world.read(*PLACES[place], "leg_states", self.key(plan, place)))

    def holder(self, plan: Plan) -> bytes:
        """Who holds the receipt."""
        return bytes(self.world.read(*RECEIPTS, "holder_of", plan.legs[0].terms[:32]))

    def is_frozen(self, plan: Plan) -> bool:
        """Whether a lien is on the receipt."""
        return any(self.world.read(*RECEIPTS, "receipts", plan.legs[0].terms[:32])[5])

    def owed(self, key: SigningKey) -> int:
        """Units that the token leg owes an account."""
        return int(self.world.read(*MONEY, "owed", key.address, self.token))

    def pass_time(self, seconds: int, *roles: Role) -> None:
        """Let the clocks go on; all of them where none is named."""
        for role in roles or tuple(Role):
            self.evm(role).time += seconds

    def evm(self, role: Role) -> Any:
        """A chain's engine."""
        return self.world.nodes[role].evm  # type: ignore[attr-defined]

    @property
    def now(self) -> int:
        """Seconds of the transaction chain's time."""
        return int(self.evm(Role.TRANSACTION).time)

    @property
    def coordinator(self) -> bytes:
        """The coordinator's interoperable address."""
        return self.world.address(Role.TRANSACTION, "Coordinator")

    def contract(self, role: Role, name: str) -> Contract:
        """A deployed contract."""
        return self.world.contract(role, name)


def role_of(message: Proposal) -> Role:
    """The chain that a message is for."""
    return next(role for role, chain_id in CHAIN_IDS.items() if chain_id == message.message.destination.chain_id)
