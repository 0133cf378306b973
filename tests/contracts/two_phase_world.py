"""A coordinator and delivery legs on chains of their own, in this process; the test carries the messages."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from eth_abi.abi import encode

from ledger import interoperable
from ledger.ethereum.keccak import keccak256
from ledger.two_phase import Action, Leg, LegState, Plan, Progress, Report, Stage, decision_payload, prepare_payload
from tests.contracts.evm import OWNER, STRANGER, Deployed, Evm, Outcome

HERE = Path(__file__).parent
NOW = 1_800_000_000
PREPARE_BY = NOW + 3600
DELAY = 2 * 24 * 3600
COORDINATOR_CHAIN = 7103
FORCE = keccak256(b"pledgetrail/order/participant.force")
HOLDERS = tuple(bytes([0xA1 + place]) * 20 for place in range(8))
TRANSFER_NOTICE = 1


@dataclass(slots=True)
class Site:
    """One chain: its post office, its committee, and the application the tests talk to."""

    evm: Evm
    post: Deployed
    committee: Deployed
    application: Deployed

    @property
    def address(self) -> bytes:
        """The application's interoperable address."""
        return interoperable.encode(self.evm.chain_id, self.application.address)

    def deliver(self, sender: bytes, payload: bytes) -> Outcome:
        """A proven message; the outcome's text is its result."""
        return self.post.send("deliver", self.application.address, sender, payload)


def open_site(chain_id: int, contract: str) -> Site:
    """A chain with one of our applications."""
    evm = Evm(chain_id=chain_id, timestamp=NOW)
    post, committee = evm.deploy(HERE / "PostOffice.vy"), evm.deploy(HERE / "AnyQuorum.vy")
    if contract == "Coordinator":
        return Site(evm, post, committee, evm.deploy("Coordinator", post.address))
    leg = evm.deploy(HERE / f"{contract}.vy", post.address, committee.address, DELAY)
    return Site(evm, post, committee, leg)


@dataclass(slots=True)
class TwoPhaseWorld:
    """A coordinator and several legs, each holding one thing for another holder; what is begun is what they consent to.

    The rows of `things`: what each leg delivers; its holder is `HOLDERS[k]`, its receiver the next leg's holder.
    """

    coordinator: Site
    legs: tuple[Site, ...]
    salts: int = 0
    plan: Plan = field(init=False)
    accepting: tuple[bool, ...] = ()

    def next_plan(self, **changed: Any) -> Plan:
        """A transaction of its own, with a thing of its own at each leg."""
        self.salts += 1
        salt = self.salts.to_bytes(32, "big")
        fields = {
            "chain_id": COORDINATOR_CHAIN,
            "coordinator": self.coordinator.application.address,
            "initiator": OWNER,
            "salt": salt,
            "prepare_by": PREPARE_BY,
            "legs": tuple(
                Leg(site.evm.chain_id, site.application.address, terms(keccak256(salt), HOLDERS[place + 1]))
                for place, site in enumerate(self.legs)
            ),
        }
        return Plan(**{**fields, **changed})

    def start(self) -> Self:
        """The clocks at the same second, and a transaction just begun to which every holder has consented."""
        for site in (self.coordinator, *self.legs):
            site.evm.time = NOW
        self.begin()
        return self

    def begin(self, plan: Plan | None = None, *, consenting: bool = True) -> Plan:
        """Enter the things, consent as each holder, and begin."""
        self.plan = plan = plan or self.next_plan()
        for place, leg in enumerate(plan.legs):
            site = self.legs[place]
            site.application.send("issue", leg.terms[:32], HOLDERS[place])
            if consenting:
                self.consent(place)
        self.coordinator.application.send("begin", plan.salt, plan.prepare_by, legs_abi(plan))
        return plan

    def consent(self, place: int) -> None:
        """The holder of a leg's thing consents to this transaction."""
        thing = self.plan.legs[place].terms[:32]
        self.legs[place].application.send("consent", thing, self.key(place), by=HOLDERS[place])

    def key(self, place: int) -> bytes:
        """Where a leg is kept."""
        leg = self.plan.legs[place]
        return bytes(
            self.legs[place].application.call(
                "leg_key", self.coordinator.address, self.plan.id, place, leg.terms_digest
            )
        )

    def prepare(self, place: int) -> str:
        """Deliver the PREPARE; the outcome's text."""
        payload = prepare_payload(self.plan.id, place, self.plan.legs[place].terms)
        return text(self.legs[place].deliver(self.coordinator.address, payload).values)

    def decide(self, place: int, decision: Action) -> str:
        """Deliver a decision; the outcome's text."""
        payload = decision_payload(decision, self.plan.id, place, self.plan.legs[place].terms_digest)
        return text(self.legs[place].deliver(self.coordinator.address, payload).values)

    def report(self, place: int, refusal: bytes = bytes(32)) -> str:
        """Deliver a leg's report; the outcome's text."""
        said = Report(self.plan.id, place, self.plan.legs[place].terms_digest, refusal)
        return text(self.coordinator.deliver(self.legs[place].address, said.encode()).values)

    def report_again(self, place: int) -> Outcome:
        """Let the leg's contract say its report again; anyone may."""
        leg = self.plan.legs[place]
        arguments = (self.coordinator.address, self.plan.id, place, leg.terms_digest)
        return self.legs[place].application.send("report", *arguments, by=STRANGER)

    def tell(self, place: int) -> Outcome:
        """Let the coordinator say what stands; anyone may."""
        return self.coordinator.application.send("tell", plan_abi(self.plan), place, by=STRANGER)

    def force(self, place: int, decision: Action) -> None:
        """Announce the quorum's order, wait, carry it out."""
        site, salt = self.legs[place], keccak256(b"salt" + bytes([decision]))
        action = keccak256(encode(["bytes32", "bytes32", "uint256"], [FORCE, self.key(place), int(decision)]))
        site.application.send("announce", action, salt, site.committee.call("epoch"), b"quorum", by=STRANGER)
        site.evm.time += DELAY
        site.application.send("force", self.key(place), int(decision), salt, by=STRANGER)

    def progress(self) -> Progress:
        """What the coordinator says, as the twin's type."""
        stage, legs, prepared, prepare_by, decided_at = self.coordinator.application.call("progress", self.plan.id)
        return Progress(Stage(stage), legs, prepared, prepare_by, decided_at)

    def leg_state(self, place: int) -> LegState:
        """What a leg says, as the twin's type."""
        return LegState(self.legs[place].application.call("leg_states", self.key(place)))

    def holder(self, place: int) -> bytes:
        """Who holds the thing of a leg."""
        return bytes(self.legs[place].application.call("holders", self.plan.legs[place].terms[:32]))

    def is_reserved(self, place: int) -> bool:
        """Whether the thing of a leg is reserved."""
        return any(self.legs[place].application.call("reserved_by", self.plan.legs[place].terms[:32]))


def open_world(legs: int) -> TwoPhaseWorld:
    """Deployed and connected."""
    coordinator = open_site(COORDINATOR_CHAIN, "Coordinator")
    sites = tuple(open_site(7201 + place, "DeliveryLeg") for place in range(legs))
    for site in sites:
        coordinator.application.send("admit", site.evm.chain_id, site.application.address)
        site.application.send("admit", COORDINATOR_CHAIN, coordinator.application.address)
    return TwoPhaseWorld(coordinator, sites)


def terms(thing: bytes, receiver: bytes) -> bytes:
    """A delivery leg's terms."""
    return thing + receiver.rjust(32, b"\0")


def legs_abi(plan: Plan) -> list[tuple[int, bytes, bytes]]:
    """The legs as `begin` takes them."""
    return [(leg.chain_id, leg.participant, leg.terms) for leg in plan.legs]


def plan_abi(plan: Plan) -> tuple[Any, ...]:
    """The whole plan as `tell` takes it."""
    return (plan.initiator, plan.salt, plan.prepare_by, legs_abi(plan))


def text(outcome: bytes) -> str:
    """An outcome word as text."""
    return outcome.rstrip(b"\0").decode()
