"""Worlds of any committee size on exact EVMs, each row's in the state it was deployed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from contracts.manifest import NOTARY_POLICY, Role
from ledger.ethereum.keccak import keccak256
from ledger.interoperable import encode
from ledger.proposal import Kind, Proposal
from ledger.quorum import quorum
from ledger.secp256k1 import SigningKey
from tests.contracts.evm import Deployed
from tests.contracts.inprocess import EvmNode
from tests.contracts.world import CHAIN_IDS, OWNER, World, in_process_world

KIND: Final = keccak256(b"kind(uint8)")[:4]
PAYLOAD: Final = keccak256(b"one hash, as the peers carry it")
RECEIVER: Final = Path(__file__).parent / "Receiver.vy"


@dataclass(frozen=True, slots=True)
class Scene:
    """A deployment, and two receivers at the destination with open lanes from OWNER's account: one carries value."""

    world: World
    receiver: Deployed
    treasury: Deployed
    points: dict[Role, Any]

    def send(self) -> Proposal:
        """One message from the origin, on its way."""
        return self._send(self.receiver, PAYLOAD)

    def transfer(self, total: int) -> Proposal:
        """One transfer of 10^18 units, on its way; `total`: all sent with it, in the same units."""
        head = b"".join(value.to_bytes(32, "big") for value in (10**18, total * 10**18))
        return self._send(self.treasury, keccak256(b"asset") + head, [KIND + Kind.TRANSFER.to_bytes(32, "big")])

    def _send(self, receiver: Deployed, payload: bytes, attributes: Sequence[bytes] = ()) -> Proposal:
        recipient = encode(CHAIN_IDS[Role.DESTINATION], receiver.address)
        mined = self.world.send(Role.ORIGIN, "Gateway", "sendMessage", recipient, payload, list(attributes))
        return self.world.sent(Role.ORIGIN, mined)[0]


def key(index: int) -> SigningKey:
    """The attesting key of a member."""
    return SigningKey.from_secret(keccak256(b"notary %d" % index))


def signers(members: int) -> Sequence[int]:
    """A quorum, spread evenly, as the peers' figures have it."""
    needed = quorum(members)
    return [index * members // needed for index in range(needed)]


def scene(members: int) -> Scene:
    """A world of so many notaries, as it was right after the deployment."""
    found = _built(members)
    for role, point in found.points.items():
        node(found.world, role).evm.revert(point)
    return found


def node(world: World, role: Role) -> EvmNode:
    """The node of an in-process world."""
    found = world.nodes[role]
    assert isinstance(found, EvmNode)
    return found


@cache
def _built(members: int) -> Scene:
    world = in_process_world(exact=True, notaries=tuple(key(index) for index in range(members)))
    evm = node(world, Role.DESTINATION).evm
    gateway = world.contract(Role.DESTINATION, "Gateway").address
    receiver, treasury = (evm.deploy(RECEIVER, gateway, by=OWNER.address) for _ in range(2))
    for application, carries_value in ((receiver, False), (treasury, True)):
        lane = (CHAIN_IDS[Role.ORIGIN], OWNER.address, application.address, NOTARY_POLICY, carries_value)
        world.send(Role.DESTINATION, "Administration", "open_lane", *lane)
    value_lane = (CHAIN_IDS[Role.ORIGIN], OWNER.address, treasury.address)
    world.send(Role.DESTINATION, "Administration", "limit_lane", *value_lane, (2**96, 2**100, 24 * 3600))
    return Scene(world, receiver, treasury, {role: node(world, role).evm.snapshot() for role in Role})
