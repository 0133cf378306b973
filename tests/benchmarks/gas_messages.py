"""What certificates and commits cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Final

from contracts.manifest import Role
from ledger.attestation import attestation_digest
from ledger.ethereum.keccak import keccak256
from ledger.quorum import pack, quorum
from tests.benchmarks.gas_figures import Spent, Work, last
from tests.benchmarks.gas_scene import PAYLOAD, scene, signers
from tests.contracts.world import CHAIN_IDS

SIZES: Final = (4, 7, 19, 50, 100)
HEADLINE: Final = 19
LEAVES: Final = 1024  # depth 10


def works() -> Iterator[Work]:
    """Every line of this part of the table."""
    for members in SIZES:
        named = partial(Work, signers=quorum(members), members=members, is_quick=members <= HEADLINE)
        yield named("verify one certificate", partial(verify, members), kind="verify")
    for members in SIZES:
        named = partial(Work, signers=quorum(members), members=members, is_quick=members <= HEADLINE)
        yield named("commit one message", partial(commit, members), kind="deliver")
    yield Work("anchor one checkpoint, a later one", anchor, kind="anchor", is_quick=True)


def verify(members: int) -> Spent:
    """A transaction that checks a quorum's signatures over one digest, and nothing else."""
    world = scene(members).world
    gateway = world.contract(Role.DESTINATION, "Gateway").address
    digest = attestation_digest(chain_id=CHAIN_IDS[Role.DESTINATION], gateway=gateway, root=PAYLOAD, epoch=1)
    signatures = pack({index: world.notaries[index].sign(digest) for index in signers(members)})
    world.send(Role.DESTINATION, "Committee", "check", 1, digest, signatures)
    return last(world, Role.DESTINATION)


def commit(members: int, *, leaves: int = 1) -> Spent:
    """Verify, mark in a replay word in use, call an application that emits one log."""
    there = scene(members)
    world, first, second = there.world, there.send(), there.send()
    world.commit(first, world.certify(first.message, signers=signers(members)))
    others = [replace(second.message, sequence=second.message.sequence + k) for k in range(1, leaves)]
    mined = world.commit(second, world.certify(second.message, *others, signers=signers(members)))
    assert world.logs(Role.DESTINATION, mined)["MessageCommitted"].fields["executed"]
    return last(world, Role.DESTINATION)


def anchor() -> Spent:
    """A checkpoint recorded where one stands already, whatever it covers."""
    world = scene(4).world
    for size in (1_000_000, 1_001_000):
        world.send(Role.ORIGIN, "AnchorRegistry", "anchor", size, keccak256(size.to_bytes(8, "big")))
    return last(world, Role.ORIGIN)
