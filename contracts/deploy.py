"""Deploys the contracts on the three chains, connects them, seals the set-up, and writes down what stands where.

Order matters: an application's constructor names what it talks to, so the registries that secure a loan come before
the pledge registry. After `seal` nobody can add a peer. Run again after a crash it simply deploys anew: contracts of an
unfinished deployment are never named in a manifest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from contracts.binding import Contract, creation_code
from contracts.manifest import NOTARY_POLICY, ChainManifest, Cosigner, Manifest, Role, Rotation, members_of
from contracts.node import data, quantity
from contracts.transactor import Mined, Transactor
from ledger.errors import Refused
from ledger.interoperable import encode
from ledger.membership import Possession, check_cosigning_possession
from ledger.proposal import Chain
from ledger.quorum import Committee

ROTATION = Rotation()


@dataclass(frozen=True, slots=True)
class ChainPlan:
    """A chain to deploy on: its name and rules, and the account that deploys (and owns the applications)."""

    name: str
    transactor: Transactor
    trie: str = "standard"
    finality_blocks: int = 0
    fork: str = "prague"


@dataclass(frozen=True, slots=True)
class LogIdentity:
    """The evidence log that the origin chain anchors: origin line, Ed25519 key, and the account that anchors."""

    origin: str
    public_key: bytes
    anchorer: bytes


@dataclass(slots=True)
class _Site:
    """One chain while it is being deployed on."""

    role: Role
    plan: ChainPlan
    chain_id: int
    genesis: bytes
    contracts: dict[str, bytes] = field(default_factory=dict)
    first_block: int = 0
    last_block: int = 0

    def end(self) -> Chain:
        return Chain(self.chain_id, self.genesis, self.contracts["Gateway"])

    def address_of(self, name: str) -> bytes:
        return encode(self.chain_id, self.contracts[name])


class Deployment:
    """Carries out one deployment; `on_step` hears of each contract and connection, for a progress display.

    `possessions`: of each member, that it holds its keys; an attesting key is proven to the contracts, a cosigning key
    here, because no contract can check it. Errors: `Refused` CHAIN_ID, CONFIG_SET, SIG_INVALID.
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
        on_step: Callable[[str], None] = lambda _step: None,
    ) -> None:
        if len({plan.transactor.chain_id for plan in plans.values()}) != len(Role) or set(plans) != set(Role):
            raise Refused("CHAIN_ID", "three different chains are needed, one for each role")
        self._committee, self._cosigners, self._log, self._on_step = committee, cosigners, log, on_step
        self._members, self._rotation = members_of(committee, cosigners), rotation
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
        return Manifest(
            chains=tuple(_manifest_of(self._sites[role]) for role in Role),
            committee=self._committee,
            cosigners=self._cosigners,
            log_origin=self._log.origin,
            log_key=self._log.public_key,
            rotation=self._rotation,
        )

    def _create_ground(self, site: _Site) -> None:
        records, terms = [member.as_abi() for member in self._members], self._rotation
        self._create(site, "Committee", records, self._proofs, terms.delay, terms.grace, terms.development)
        self._create(site, "Administration", site.contracts["Committee"], terms.delay)
        self._create(site, "Gateway", site.genesis, site.contracts["Committee"], site.contracts["Administration"])
        self._call(site, "Administration", "attach", site.contracts["Gateway"])

    def _create_applications(self) -> None:
        origin, destination, transaction = (self._sites[role] for role in Role)
        log_digest = hashlib.sha256(self._log.origin.encode()).digest()
        self._create(origin, "AnchorRegistry", origin.contracts["Gateway"], log_digest, self._log.anchorer)
        self._create(origin, "WarehouseReceipt", origin.contracts["Gateway"])
        self._create(transaction, "GoodsRegistry", transaction.contracts["Gateway"])
        gateway, committee = transaction.contracts["Gateway"], transaction.contracts["Committee"]
        self._create(transaction, "TransactionRegistry", gateway, committee, self._rotation.delay)
        self._create(destination, "AnchorMirror", destination.contracts["Gateway"])
        secures = (transaction.address_of("GoodsRegistry"), origin.address_of("WarehouseReceipt"))
        self._create(destination, "PledgeRegistry", destination.contracts["Gateway"], *secures)

    def _connect(self) -> None:
        origin, destination, transaction = (self._sites[role] for role in Role)
        for site in self._sites.values():
            for other in self._sites.values():
                if other is not site:
                    peer = (other.chain_id, other.genesis, other.contracts["Gateway"])
                    self._call(site, "Administration", "register_peer", peer)
            end = (site.chain_id, site.genesis, site.contracts["Gateway"])
            self._call(transaction, "TransactionRegistry", "register_chain", end)
        for sender, at_sender, recipient, at_recipient in (
            ("AnchorRegistry", origin, "AnchorMirror", destination),
            ("PledgeRegistry", destination, "GoodsRegistry", transaction),
            ("PledgeRegistry", destination, "WarehouseReceipt", origin),
            ("TransactionRegistry", transaction, "PledgeRegistry", destination),
        ):
            who = (at_sender.chain_id, at_sender.contracts[sender])
            self._call(at_recipient, recipient, "admit", *who)
            lane = (*who, at_recipient.contracts[recipient], NOTARY_POLICY, False)
            self._call(at_recipient, "Administration", "open_lane", *lane)
        for site in self._sites.values():
            self._call(site, "Administration", "seal")
        self._call(transaction, "TransactionRegistry", "seal")

    def _create(self, site: _Site, name: str, *arguments: object) -> None:
        self._on_step(f"{site.plan.name}: {name}")
        mined = site.plan.transactor.send(None, creation_code(name, *arguments))
        if mined.contract is None:
            raise Refused("DEPLOY_FAILED", f"{name} has no address", where=site.plan.name)
        site.contracts[name] = mined.contract
        site.first_block = site.first_block or mined.block
        site.last_block = mined.block

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
    return ChainManifest(
        name=site.plan.name,
        role=site.role,
        chain_id=site.chain_id,
        genesis=site.genesis,
        fork=site.plan.fork,
        trie="keeps_zero_leaves" if site.plan.trie == "keeps_zero_leaves" else "standard",
        finality_blocks=site.plan.finality_blocks,
        first_block=site.first_block,
        checked_from=site.last_block + 1,
        contracts=dict(site.contracts),
    )
