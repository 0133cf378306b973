"""Deploys the contracts on the three chains, connects them, seals the set-up, and writes down what stands where.

Order matters: an application's constructor names what it talks to, so the registries that secure a loan come before
the pledge registry. After `seal` nobody can add a peer. Run again after a crash it simply deploys anew: contracts of an
unfinished deployment are never named in a manifest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, field

from contracts.binding import Contract, created_address, creation_code
from contracts.manifest import ChainManifest, Cosigner, Lane, Manifest, Observer, Policy, Role, Rotation, members_of
from contracts.node import data, quantity
from contracts.plan import (
    PLEDGE_LANES,
    ApplicationPlan,
    ChainPlan,
    LanePlan,
    LogIdentity,
    ValueLanePlan,
    require_possible,
)
from contracts.transactor import Mined
from ledger.errors import Refused
from ledger.hash_lock import End
from ledger.hash_lock import Lane as ValueLane
from ledger.interoperable import encode
from ledger.membership import Possession, check_cosigning_possession
from ledger.proposal import Chain
from ledger.quorum import Committee

__all__ = ["ApplicationPlan", "ChainPlan", "Deployment", "LanePlan", "LogIdentity", "ValueLanePlan"]

ROTATION = Rotation()
OWNED = (
    "AnchorRegistry",
    "WarehouseReceipt",
    "GoodsRegistry",
    "TransactionRegistry",
    "AnchorMirror",
    "PledgeRegistry",
    "Coordinator",
    "TokenLeg",
)


@dataclass(slots=True)
class _Site:
    """One chain while it is being deployed on."""

    role: Role
    plan: ChainPlan
    chain_id: int
    genesis: bytes
    contracts: dict[str, bytes] = field(default_factory=dict)
    lanes: list[Lane] = field(default_factory=list)
    observers: list[Observer] = field(default_factory=list)
    first_block: int = 0
    last_block: int = 0

    def end(self) -> Chain:
        return Chain(self.chain_id, self.genesis, self.contracts["Gateway"])

    def address_of(self, name: str) -> bytes:
        return encode(self.chain_id, self.contracts[name])


class Deployment:
    """Carries out one deployment; `on_step` hears of each contract and connection, for a progress display.

    `possessions`: of each member, that it holds its keys; an attesting key is proven to the contracts, a cosigning key
    here, because no contract can check it. Errors: as `require_possible`, and `Refused` CONFIG_SET, SIG_INVALID.
    """

    def __init__(
        self,
        plans: Mapping[Role, ChainPlan],
        committee: Committee,
        cosigners: tuple[Cosigner, ...],
        log: LogIdentity,
        possessions: Sequence[Possession],
        *,
        rotation: Rotation = ROTATION,
        lanes: Sequence[LanePlan] = PLEDGE_LANES,
        applications: Sequence[ApplicationPlan] = (),
        value_lanes: Sequence[ValueLanePlan] = (),
        on_step: Callable[[str], None] = lambda _step: None,
    ) -> None:
        require_possible(plans, lanes, applications)
        self._committee, self._cosigners, self._log, self._on_step = committee, cosigners, log, on_step
        self._members, self._rotation = members_of(committee, cosigners), rotation
        self._lanes, self._applications, self._value_plans = lanes, applications, value_lanes
        self._value_lanes: list[ValueLane] = []
        for member, possession in zip(self._members, possessions, strict=True):
            check_cosigning_possession(member, possession.cosigning)
        self._proofs = b"".join(possession.attesting for possession in possessions)
        self._sites = {role: _open_site(role, plan) for role, plan in plans.items()}

    def run(self) -> Manifest:
        """Deploy, connect and seal; return the manifest. Errors as `Transactor.send`."""
        for site in self._sites.values():
            self._create_ground(site)
        self._create_applications()
        self._connect()
        for lane in self._lanes:
            self._open_lane(lane)
        for site in self._sites.values():
            self._call(site, "Administration", "seal")
        self._call(self._sites[Role.TRANSACTION], "TransactionRegistry", "seal")
        for value_lane in self._value_plans:
            self._create_locks(value_lane)
        return Manifest(
            chains=tuple(_manifest_of(self._sites[role]) for role in Role),
            committee=self._committee,
            cosigners=self._cosigners,
            log_origin=self._log.origin,
            log_key=self._log.public_key,
            rotation=self._rotation,
            anchorer=self._log.anchorer,
            value_lanes=tuple(self._value_lanes),
        )

    def _create_ground(self, site: _Site) -> None:
        records, terms = [member.as_abi() for member in self._members], self._rotation
        self._create(site, "Committee", records, self._proofs, terms.delay, terms.grace, terms.development)
        self._create(site, "Administration", site.contracts["Committee"], terms.delay)
        self._create(site, "Gateway", site.genesis, site.contracts["Committee"], site.contracts["Administration"])
        for keeper in ("Administration", "Committee"):
            self._call(site, keeper, "attach", site.contracts["Gateway"])

    def _create_applications(self) -> None:
        origin, destination, transaction = (self._sites[role] for role in Role)
        log_digest = hashlib.sha256(self._log.origin.encode()).digest()
        self._create(origin, "AnchorRegistry", origin.contracts["Gateway"], log_digest, self._log.anchorer)
        self._create(origin, "WarehouseReceipt", *self._leg_of(origin))
        self._create(transaction, "GoodsRegistry", transaction.contracts["Gateway"])
        gateway, committee = transaction.contracts["Gateway"], transaction.contracts["Committee"]
        self._create(transaction, "TransactionRegistry", gateway, committee, self._rotation.delay)
        self._create(destination, "AnchorMirror", destination.contracts["Gateway"])
        secures = (transaction.address_of("GoodsRegistry"), origin.address_of("WarehouseReceipt"))
        self._create(destination, "PledgeRegistry", destination.contracts["Gateway"], *secures)
        for added in self._applications:
            self._create_added(self._sites[added.role], added.name)

    def _create_added(self, site: _Site, name: str) -> None:
        """Create an application that not every deployment has."""
        told: dict[str, tuple[object, ...]] = {
            "Coordinator": (site.contracts["Gateway"],),
            "TokenLeg": self._leg_of(site),
            "ConditionalLien": (),
            "ConditionalFreeze": (),
        }
        self._create(site, name, *told[name])

    def _leg_of(self, site: _Site) -> tuple[object, ...]:
        """What the application of a leg is told: its gateway, and by whose orders a leg is forced."""
        return site.contracts["Gateway"], site.contracts["Committee"], self._rotation.delay

    def _connect(self) -> None:
        transaction = self._sites[Role.TRANSACTION]
        for site in self._sites.values():
            for other in self._sites.values():
                if other is not site:
                    peer = (other.chain_id, other.genesis, other.contracts["Gateway"])
                    self._call(site, "Administration", "register_peer", peer)
            end = (site.chain_id, site.genesis, site.contracts["Gateway"])
            self._call(transaction, "TransactionRegistry", "register_chain", end)

    def _open_lane(self, planned: LanePlan) -> None:
        origin, destination = self._sites[planned.origin], self._sites[planned.destination]
        if (kind := planned.policy.observed_under) is not None:
            self._observe(origin, destination, kind)
        who = (origin.chain_id, origin.contracts[planned.sender])
        recipient = destination.contracts[planned.recipient]
        self._call(destination, planned.recipient, "admit", *who)
        opened = (*who, recipient, planned.policy.value, planned.carries_value)
        self._call(destination, "Administration", "open_lane", *opened)
        if planned.limits is not None:
            self._call(destination, "Administration", "limit_lane", *who, recipient, astuple(planned.limits))
        lane = Lane(*who, recipient, planned.policy, 1, planned.carries_value, planned.limits)
        destination.lanes.append(lane)

    def _observe(self, origin: _Site, destination: _Site, policy: Policy) -> None:
        """Have a destination observe an origin by its headers, once for each policy."""
        if any(held.origin == origin.chain_id and held.policy is policy for held in destination.observers):
            return
        terms, committee = origin.plan.headers, destination.contracts["Committee"]
        chain, pace = (origin.chain_id, origin.genesis), (terms.max_drift, terms.block_period)
        if policy is Policy.RELAY:
            seal = (terms.first_header, terms.trust_period)
            headers = self._place(destination, "LightClient", *chain, *seal, *pace, committee, self._rotation.delay)
        else:
            seal = (b"", 0)
            headers = self._place(destination, "CertifiedHeaders", *chain, *pace, committee, self._rotation.delay)
        observer = self._place(destination, "ReceiptObserver", headers)
        keeps = origin.plan.rules.trie == "keeps_zero_leaves"
        reader = self._place(destination, "RemoteReader", headers, keeps) if terms.is_read else None
        named = (origin.chain_id, policy.value, observer)
        self._call(destination, "Administration", "register_observer", *named)
        destination.observers.append(
            Observer(origin.chain_id, policy, observer, headers, *pace, seal[1], seal[0], reader)
        )

    def _create_locks(self, planned: ValueLanePlan) -> None:
        """Create a pair of locks; each names the other, whose address its creator's nonce decides beforehand."""
        ends = []
        for role, token in (
            (planned.initiator, planned.initiator_token),
            (planned.responder, planned.responder_token),
        ):
            site = self._sites[role]
            account = site.plan.transactor.address
            nonce = site.plan.transactor.node.request("eth_getTransactionCount", f"0x{account.hex()}", "latest")
            ends.append(End(site.chain_id, site.genesis, created_address(account, quantity(nonce)), token))
        first, second = ends
        lane = ValueLane(first, second, planned.bounds)
        for role, name, own, mirror in (
            (planned.initiator, "InitiatorLock", first, second),
            (planned.responder, "ResponderLock", second, first),
        ):
            terms = (own.genesis, own.token, astuple(mirror), astuple(planned.bounds))
            if self._place(self._sites[role], name, *terms) != own.lock:
                raise Refused("DEPLOY_FAILED", f"{name} is not where its counterpart expects it", where=role.value)
        self._value_lanes.append(lane)

    def _create(self, site: _Site, name: str, *arguments: object) -> None:
        site.contracts[name] = self._place(site, name, *arguments)

    def _place(self, site: _Site, name: str, *arguments: object) -> bytes:
        self._on_step(f"{site.plan.name}: {name}")
        mined = site.plan.transactor.send(None, creation_code(name, *arguments))
        if mined.contract is None:
            raise Refused("DEPLOY_FAILED", f"{name} has no address", where=site.plan.name)
        site.first_block = site.first_block or mined.block
        site.last_block = mined.block
        return mined.contract

    def _call(self, site: _Site, name: str, function: str, *arguments: object) -> Mined:
        self._on_step(f"{site.plan.name}: {name}.{function}")
        contract = Contract(name, site.contracts[name])
        mined = site.plan.transactor.send(contract.address, contract.encode_call(function, *arguments))
        site.last_block = mined.block
        return mined


def _open_site(role: Role, plan: ChainPlan) -> _Site:
    node = plan.transactor.node
    genesis = node.request("eth_getBlockByNumber", "0x0", False)
    chain_id = quantity(node.request("eth_chainId"))
    return _Site(role, plan, chain_id, data(genesis["hash"], length=32))


def _manifest_of(site: _Site) -> ChainManifest:
    owner = site.plan.transactor.address
    return ChainManifest(
        name=site.plan.name,
        role=site.role,
        chain_id=site.chain_id,
        genesis=site.genesis,
        rules=site.plan.rules,
        first_block=site.first_block,
        checked_from=site.last_block + 1,
        contracts=dict(site.contracts),
        owners={name: owner for name in site.contracts if name in OWNED},
        lanes=tuple(site.lanes),
        observers=tuple(site.observers),
    )
