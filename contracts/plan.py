"""What is to be deployed: chains with their rules, lanes with their policies, pairs of hash locks.

Nothing is sent here: `require_possible` refuses a plan that its chains cannot serve, with the reason, before anything
is paid for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from contracts.chain_rules import require_served
from contracts.manifest import Limits, Policy, Role, Rules
from contracts.transactor import Transactor
from ledger.errors import Refused
from ledger.hash_lock import Bounds


@dataclass(frozen=True, slots=True)
class HeaderTerms:
    """How others may hold a chain's headers. Seconds; `first_header` (RLP without seals) where it seals them.

    `is_read`: whether a `RemoteReader` stands over them.
    """

    max_drift: int = 60
    block_period: int = 0
    trust_period: int = 14 * 24 * 3600
    first_header: bytes = b""
    is_read: bool = False


@dataclass(frozen=True, slots=True)
class ChainPlan:
    """A chain to deploy on: its name and rules, and the account that deploys (and owns the applications)."""

    name: str
    transactor: Transactor
    rules: Rules = field(default_factory=Rules)
    headers: HeaderTerms = field(default_factory=HeaderTerms)


@dataclass(frozen=True, slots=True)
class LogIdentity:
    """The evidence log that the origin chain anchors: origin line, Ed25519 key, and the account that anchors."""

    origin: str
    public_key: bytes
    anchorer: bytes


@dataclass(frozen=True, slots=True)
class ApplicationPlan:
    """An application beside those that every deployment has: one of `ADDABLE`, and on which chain."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class LanePlan:
    """A lane to open: the sending contract and its chain, the receiving one and its chain."""

    sender: str
    origin: Role
    recipient: str
    destination: Role
    policy: Policy = Policy.NOTARY
    carries_value: bool = False
    limits: Limits | None = None


@dataclass(frozen=True, slots=True)
class ValueLanePlan:
    """A pair of hash locks: on which chains, over which tokens (20 bytes each), under which bounds."""

    initiator: Role
    initiator_token: bytes
    responder: Role
    responder_token: bytes
    bounds: Bounds


PLEDGE_LANES = (
    LanePlan("AnchorRegistry", Role.ORIGIN, "AnchorMirror", Role.DESTINATION),
    LanePlan("PledgeRegistry", Role.DESTINATION, "GoodsRegistry", Role.TRANSACTION),
    LanePlan("PledgeRegistry", Role.DESTINATION, "WarehouseReceipt", Role.ORIGIN),
    LanePlan("TransactionRegistry", Role.TRANSACTION, "PledgeRegistry", Role.DESTINATION),
)


# Delivery against payment by two-phase commit: a coordinator, and a leg on either side of it. A coordinator cannot send
# to its own chain, so that it stands where no leg does.
ADDABLE = ("Coordinator", "TokenLeg", "ConditionalLien", "ConditionalFreeze")
EXCHANGE = (ApplicationPlan("Coordinator", Role.TRANSACTION), ApplicationPlan("TokenLeg", Role.DESTINATION))
EXCHANGE_LANES = tuple(
    lane
    for leg, role in (("WarehouseReceipt", Role.ORIGIN), ("TokenLeg", Role.DESTINATION))
    for lane in (
        LanePlan("Coordinator", Role.TRANSACTION, leg, role),
        LanePlan(leg, role, "Coordinator", Role.TRANSACTION),
    )
)


def require_possible(
    plans: Mapping[Role, ChainPlan], lanes: Sequence[LanePlan], applications: Sequence[ApplicationPlan] = ()
) -> None:
    """Refuse what cannot be deployed.

    Errors: `Refused` CHAIN_ID (not three different chains), POLICY_CAPABILITY (a lane asks for more than its chains can
    do), HEADERS_UNKNOWN (a lane rests on sealed headers, and none to begin with is named), LANE_PLAN (a lane twice),
    APPLICATION_PLAN (an application that is none of `ADDABLE`, or twice on a chain).
    """
    if set(plans) != set(Role) or len({plan.transactor.chain_id for plan in plans.values()}) != len(Role):
        raise Refused("CHAIN_ID", "three different chains are needed, one for each role")
    if len(set(applications)) < len(applications) or not {added.name for added in applications} <= set(ADDABLE):
        raise Refused(
            "APPLICATION_PLAN",
            f"each of {', '.join(ADDABLE)} is planned at most once on a chain, and nothing else",
            where=", ".join(f"{added.name} on {plans[added.role].name}" for added in applications),
        )
    seen = set()
    for lane in lanes:
        origin, destination = plans[lane.origin], plans[lane.destination]
        where = f"{lane.sender} on {origin.name} to {lane.recipient} on {destination.name}"
        ends = (lane.sender, lane.origin, lane.recipient, lane.destination)
        if ends in seen or lane.origin is lane.destination:
            raise Refused("LANE_PLAN", "a lane is planned once, between two chains", where=where)
        seen.add(ends)
        require_served(lane.policy, origin=origin.rules, destination=destination.rules, where=where)
        if lane.policy.needs_seals and not origin.headers.first_header:
            raise Refused(
                "HEADERS_UNKNOWN",
                "a light client begins with a header that somebody vouches for",
                where=where,
                cure="Put a header of the origin, with its validators and without seals, into the plan.",
            )
