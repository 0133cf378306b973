"""A vault and its voucher on the chains of `world`, their value lanes open and limited; the test plays every part.

`ORIGIN` has the vault, a token and a collection; `DESTINATION` the voucher; `TRANSACTION` the registry that
acknowledges. The test is the relay, the notaries and everybody else, honest or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from contracts.compiler import SOURCES, artifact_at, artifacts
from contracts.manifest import NOTARY_POLICY, Role
from ledger.attestation import EXPIRED, SAME, VOID, Verdict, domain_separator, pause_digest, verdict_digest, word
from ledger.conservation import Transfer
from ledger.ethereum.keccak import keccak256
from ledger.proposal import MESSAGE_SENT, Proposal, lane_id, read_proposal
from ledger.quorum import Certificate, pack
from tests.contracts.evm import Deployed, Evm, Outcome
from tests.contracts.header_bed import announce
from tests.contracts.inprocess import EvmNode
from tests.contracts.swaps import create_address
from tests.contracts.world import CHAIN_IDS, NOTARIES, World, as_abi, in_process_world, verdict_abi
from tests.contracts.world import word as text

HERE: Final = Path(__file__).parent
DEPLOYER, ALICE, BOB, RELAY = (bytes([number]) * 20 for number in (0x77, 0xA1, 0xB0, 0x4E))
WEALTH: Final = 10**6
ITEMS: Final = (1, 2)
CAP, WINDOW_CAP, WINDOW = 500, 1_200, 3_600  # units a message, units a window, seconds
DAY: Final = 24 * 3600
DELAY: Final = 2 * DAY
LIFETIME: Final = 7 * DAY
FAILED, HELD, APPROVED, VOIDED = 1, 2, 3, 4
IN_FLIGHT, COMES_BACK, ENDED = 1, 2, 3
ENDS: Final = {Role.ORIGIN: "Vault", Role.DESTINATION: "Voucher"}
OTHER: Final = {Role.ORIGIN: Role.DESTINATION, Role.DESTINATION: Role.ORIGIN}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A contract in which one line, of its own or of a module, is replaced."""

    contract: str
    source: str
    old: str
    new: str

    def written(self, folder: Path) -> Path:
        """The contract's file beside the changed source."""
        original = (SOURCES / self.source).read_text()
        assert original.count(self.old) == 1, f"{self.source} has no single such line: {self.old}"
        folder.mkdir(exist_ok=True)
        (folder / f"{self.contract}.vy").write_text((SOURCES / f"{self.contract}.vy").read_text())
        (folder / self.source).write_text(original.replace(self.old, self.new))
        return folder / f"{self.contract}.vy"


@dataclass(slots=True)
class Site:
    """One chain of the world, and what stands on it."""

    evm: Evm
    gateway: Deployed
    administration: Deployed


@dataclass(slots=True)
class ValueBed:
    """Everything deployed. `point` and `rewind` keep it for the next test."""

    world: World
    sites: dict[Role, Site]
    ends: dict[Role, Deployed]
    registry: Deployed
    token: Deployed
    collection: Deployed
    points: dict[Role, Any] = field(default_factory=dict)

    @classmethod
    def lay(cls, paths: Mapping[str, Path] | None = None) -> ValueBed:
        """`paths`: contracts to take from elsewhere, mutants."""
        paths = paths or {}
        world = _world(paths.get("Gateway"))
        sites = {role: _site(world, role) for role in Role}
        registry = _at(world, Role.TRANSACTION, "TransactionRegistry")
        address = create_address(DEPLOYER, 0)
        ends = {
            role: sites[role].evm.deploy(
                paths.get(name, name),
                sites[role].gateway.address,
                CHAIN_IDS[OTHER[role]],
                address,
                CHAIN_IDS[Role.TRANSACTION],
                registry.address,
                by=DEPLOYER,
            )
            for role, name in ENDS.items()
        }
        assert {end.address for end in ends.values()} == {address}
        origin = sites[Role.ORIGIN].evm
        token, collection = origin.deploy(HERE / "TestToken.vy"), origin.deploy(HERE / "TestCollection.vy")
        bed = cls(world, sites, ends, registry, token, collection)
        bed._open()
        bed.points = {role: site.evm.snapshot() for role, site in sites.items()}
        return bed

    def _open(self) -> None:
        for role, end in self.ends.items():
            administration = self.sites[role].administration
            lane = (CHAIN_IDS[OTHER[role]], self.ends[OTHER[role]].address, end.address)
            administration.send("open_lane", *lane, NOTARY_POLICY, True, by=DEPLOYER)
            administration.send("limit_lane", *lane, (CAP, WINDOW_CAP, WINDOW), by=DEPLOYER)
            acknowledgements = (CHAIN_IDS[Role.TRANSACTION], self.registry.address, end.address)
            administration.send("open_lane", *acknowledgements, NOTARY_POLICY, False, by=DEPLOYER)
        for account in (ALICE, BOB):
            self.token.send("mint", account, WEALTH)
        for token_id in ITEMS:
            self.collection.send("mint", ALICE, token_id)
        self.vault.send("list_token", self.token.address, False, by=DEPLOYER)
        self.vault.send("list_token", self.collection.address, True, by=DEPLOYER)

    @property
    def vault(self) -> Deployed:
        return self.ends[Role.ORIGIN]

    @property
    def voucher(self) -> Deployed:
        return self.ends[Role.DESTINATION]

    @property
    def asset(self) -> bytes:
        """The token's."""
        return self.token.address.rjust(32, b"\x00")

    def rewind(self) -> None:
        """As it was when it was laid."""
        for role, point in list(self.points.items()):
            self.sites[role].evm.revert(point)
            self.points[role] = self.sites[role].evm.snapshot()

    def wait(self, seconds: int) -> None:
        """Let time pass on every chain."""
        for site in self.sites.values():
            site.evm.time += seconds

    # -- what people do ------------------------------------------------------------------------------------------------

    def lock(self, quantity: int, *, by: bytes = ALICE, beneficiary: bytes = BOB) -> Proposal:
        return self.sent(Role.ORIGIN, self.vault.send("lock", self.token.address, quantity, beneficiary, by=by))

    def lock_item(self, token_id: int, *, by: bytes = ALICE, beneficiary: bytes = BOB) -> Proposal:
        return self.sent(
            Role.ORIGIN, self.vault.send("lock_item", self.collection.address, token_id, beneficiary, by=by)
        )

    def burn(
        self, quantity: int, *, by: bytes = BOB, beneficiary: bytes = ALICE, asset: bytes | None = None
    ) -> Proposal:
        arguments = (asset or self.asset, quantity, beneficiary)
        return self.sent(Role.DESTINATION, self.voucher.send("burn", *arguments, by=by))

    def item(self, token_id: int) -> bytes:
        return bytes(self.vault.call("item_asset", self.collection.address, token_id))

    def sent(self, role: Role, outcome: Outcome) -> Proposal:
        """The one message that a transaction sent."""
        chain = self.world.manifest.chain(role)
        gateway = chain.contracts["Gateway"]
        (found,) = [log for log in outcome.raw_logs if log.address == gateway and log.topics[0] == MESSAGE_SENT]
        return read_proposal(found, origin=chain.end, destinations=self.world.manifest.ends)

    # -- what a relay and the notaries do ------------------------------------------------------------------------------

    def commit(self, proposal: Proposal, certificate: Certificate | None = None) -> Outcome:
        """Commit at the destination, whoever the notaries are that certified it: a quorum if nobody is named."""
        proof = certificate or self.world.certify(proposal.message)
        delivery = proposal.message.as_delivery()
        gateway = self.sites[self.destination(proposal)].gateway
        return gateway.send("commit", delivery, proposal.payload, *as_abi(proof), by=RELAY)

    def retry(self, proposal: Proposal) -> Outcome:
        gateway = self.sites[self.destination(proposal)].gateway
        return gateway.send("retry", proposal.message.as_delivery(), proposal.payload, by=RELAY)

    def destination(self, proposal: Proposal) -> Role:
        return next(role for role, number in CHAIN_IDS.items() if number == proposal.message.destination.chain_id)

    def status(self, proposal: Proposal) -> int:
        return int(self.sites[self.destination(proposal)].gateway.call("status", proposal.message.id))

    def record(self, proposal: Proposal) -> None:
        """Propose and attest on the transaction chain, if nobody has."""
        message = proposal.message
        if self.registry.call("transactions", message.id)[0]:
            return
        self.registry.send("propose", [message.as_abi()], by=RELAY)
        signatures = self.world.certify(message).signatures
        self.registry.send("attest", message.destination.chain_id, [message.id], 1, signatures, by=RELAY)

    def judge(self, proposal: Proposal, verdict: int, outcome: bytes, *, executed: bool = False) -> Proposal:
        """A quorum's final verdict, which the registry acknowledges."""
        self.record(proposal)
        where = (b"\x0b" * 32, b"\x0c" * 32, b"\x0d" * 32)
        found = Verdict(proposal.message.id, 1, *where, 1, verdict, executed, text(outcome), NOTARY_POLICY, 0, 0)
        digest = verdict_digest(chain_id=CHAIN_IDS[Role.TRANSACTION], registry=self.registry.address, verdict=found)
        signatures = pack({index: NOTARIES[index].sign(digest) for index in range(3)})
        return self.sent(Role.TRANSACTION, self.registry.send("judge", verdict_abi(found), signatures, by=RELAY))

    def close(self, proposal: Proposal, outcome: bytes) -> Proposal:
        return self.judge(proposal, SAME, outcome, executed=True)

    def expire(self, proposal: Proposal) -> Proposal:
        return self.judge(proposal, EXPIRED, b"expired")

    def void(self, proposal: Proposal) -> Proposal:
        return self.judge(proposal, VOID, b"void")

    def take_back(self, proposal: Proposal, account: bytes) -> Outcome:
        end = self.ends[OTHER[self.destination(proposal)]]
        return end.send("take_back", proposal.message.id, self.deposit(proposal, account), by=RELAY)

    def deposit(self, proposal: Proposal, account: bytes) -> tuple[bytes, bytes, int]:
        transfer = Transfer.read(proposal.payload)
        return account, transfer.asset, transfer.quantity

    def order(self, role: Role, function: str, *arguments: Any) -> Outcome:
        """Announce an order of the quorum, let its delay pass, carry it out. Every argument is of a static type."""
        administration = self.sites[role].administration
        salt = keccak256(self.sites[role].evm.time.to_bytes(32, "big"))
        tag = keccak256(b"pledgetrail/order/Administration." + function.encode())
        encoded = administration.interface.encode_call(function, *arguments, salt)[4:-32]
        announce(administration, keccak256(tag + encoded), salt)
        self.wait(DELAY)
        return administration.send(function, *arguments, salt, by=RELAY)

    def order_void(self, proposal: Proposal) -> Outcome:
        message = proposal.message
        return self.order(self.destination(proposal), "order_void", message.as_delivery(), message.payload_digest)

    def approve(self, proposal: Proposal, signers: tuple[int, ...] = (0, 1, 2)) -> Outcome:
        """The quorum's second approval of a held transfer."""
        role = self.destination(proposal)
        administration = self.sites[role].administration
        action = keccak256(b"pledgetrail/order/Administration.approve")
        approval_type = keccak256(b"Approval(bytes32 action,bytes32 salt,uint64 epoch)")
        struct_hash = keccak256(approval_type + action + proposal.message.id + word(1))
        digest = keccak256(b"\x19\x01" + domain_separator(CHAIN_IDS[role], administration.address) + struct_hash)
        signatures = pack({index: NOTARIES[index].sign(digest) for index in signers})
        return administration.send("approve", proposal.message.id, 1, signatures, by=RELAY)

    def pause(self, role: Role, member: int, *, is_inbound: bool = True) -> Outcome:
        """One member pauses a direction of the value lane for a day."""
        administration = self.sites[role].administration
        lane = self.lane(OTHER[role], role) if is_inbound else self.lane(role, OTHER[role])
        digest = pause_digest(
            chain_id=CHAIN_IDS[role],
            administration=administration.address,
            lane=lane,
            is_inbound=is_inbound,
            epoch=1,
        )
        signature = bytes([member]) + NOTARIES[member].sign(digest).pack()
        return administration.send("pause", lane, is_inbound, 1, signature, by=RELAY)

    def advance(self, origin: Role, generation: int) -> None:
        """The quorum begins another generation of a value lane at both its gateways."""
        destination = OTHER[origin]
        sender, recipient = self.ends[origin].address, self.ends[destination].address
        self.order(origin, "order_outbound", CHAIN_IDS[destination], sender, recipient, generation)
        lane = (CHAIN_IDS[origin], sender, recipient, generation, NOTARY_POLICY, True)
        self.order(destination, "order_lane", *lane)

    def lane(self, origin: Role, destination: Role) -> bytes:
        chains = {role: self.world.manifest.chain(role).end for role in (origin, destination)}
        return lane_id(chains[origin], chains[destination], self.ends[origin].address, self.ends[destination].address)

    # -- what an adversary does ----------------------------------------------------------------------------------------

    def forge(self, proposal: Proposal, payload: bytes, **changed: Any) -> Proposal:
        """A message that nobody sent; `commit` has it certified by a quorum all the same."""
        message = replace(proposal.message, payload_digest=keccak256(payload), **changed)
        return Proposal(message, payload)

    # -- the law -------------------------------------------------------------------------------------------------------

    def law(self, asset: bytes | None = None) -> tuple[int, int]:
        """minted - burned, and locked - released, of an asset."""
        locked, released = self.vault.call("books", asset or self.asset)
        minted, burned = self.voucher.call("books", asset or self.asset)
        return minted - burned, locked - released


def _world(gateway: Path | None) -> World:
    """The world, with another gateway if one is given."""
    if gateway is None:
        return in_process_world()
    known = artifacts()
    original = known["Gateway"]
    known["Gateway"] = artifact_at(gateway)
    try:
        return in_process_world()
    finally:
        known["Gateway"] = original


def _site(world: World, role: Role) -> Site:
    return Site(_evm(world, role), _at(world, role, "Gateway"), _at(world, role, "Administration"))


def _at(world: World, role: Role, name: str) -> Deployed:
    return _evm(world, role).at(name, world.contract(role, name).address)


def _evm(world: World, role: Role) -> Evm:
    node = world.nodes[role]
    assert isinstance(node, EvmNode)
    return node.evm
