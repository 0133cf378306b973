"""What certificates and commits cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from contracts.manifest import Role
from ledger.attestation import attestation_digest
from ledger.ethereum.keccak import keccak256
from ledger.merkle import leaf_hash
from ledger.multiproof import MAX_LEAVES, multiproof
from ledger.proposal import Proposal
from ledger.quorum import pack, quorum
from tests.benchmarks.gas_figures import Spent, Work, last
from tests.benchmarks.gas_scene import PAYLOAD, scene, signers
from tests.contracts.world import CHAIN_IDS, World

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
        yield named("commit one transfer, with limits and conservation", partial(transfer, members))
    yield Work("commit one message inside a certified root, depth 10", inside, is_quick=True)
    yield Work("commit one of 64 messages together, 13 of 19 signatures", together)
    yield Work("anchor one checkpoint, a later one", anchor, kind="anchor", is_quick=True)


def verify(members: int) -> Spent:
    """A transaction that checks a quorum's signatures over one digest, and nothing else."""
    world = scene(members).world
    gateway = world.contract(Role.DESTINATION, "Gateway").address
    digest = attestation_digest(chain_id=CHAIN_IDS[Role.DESTINATION], gateway=gateway, root=PAYLOAD, epoch=1)
    signatures = pack({index: world.notaries[index].sign(digest) for index in signers(members)})
    world.send(Role.DESTINATION, "Committee", "check", 1, digest, signatures)
    return last(world, Role.DESTINATION)


def commit(members: int) -> Spent:
    """Verify, mark in a replay word in use, call an application that emits one log."""
    there = scene(members)
    return _second(there.world, [there.send(), there.send()], members)


def transfer(members: int) -> Spent:
    """As `commit`, of a message that carries value: counted against the lane's limits and against what was sent."""
    there = scene(members)
    return _second(there.world, [there.transfer(1), there.transfer(2)], members)


def inside() -> Spent:
    """A message under a root of 1,024 whose certificate was checked before."""
    there = scene(HEADLINE)
    world, first, second = there.world, there.send(), there.send()
    world.commit(first, world.certify(first.message, signers=signers(HEADLINE)))
    others = [replace(second.message, sequence=second.message.sequence + k) for k in range(1, LEAVES)]
    certificate = world.certify(second.message, *others, signers=signers(HEADLINE))
    world.send(Role.DESTINATION, "Gateway", "certify", certificate.root, 1, certificate.signatures)
    assert len(certificate.proof) == 10
    mined = world.commit(second, certificate, signatures=b"")
    assert world.logs(Role.DESTINATION, mined)["MessageCommitted"].fields["executed"]
    return last(world, Role.DESTINATION)


def together() -> Spent:
    """The share of one of 64 messages that a single transaction proves and delivers."""
    there = scene(HEADLINE)
    world, first = there.world, there.send()
    world.commit(first, world.certify(first.message, signers=signers(HEADLINE)))
    sent = [there.send() for _ in range(MAX_LEAVES)]
    certificate = world.certify(*(each.message for each in sent), signers=signers(HEADLINE))
    leaves = [leaf_hash(each.message.id) for each in sent]
    items = [each.as_item(place) for place, each in enumerate(sent)]
    proof = multiproof(leaves, range(len(sent)))
    arguments = (sent[0].message.as_run(), items, len(sent), proof, 1, certificate.signatures)
    mined = world.send(Role.DESTINATION, "Gateway", "commit_together", *arguments)
    assert len(mined.logs) == 2 * len(sent)
    return last(world, Role.DESTINATION).each(len(sent))


def _second(world: World, sent: Sequence[Proposal], members: int) -> Spent:
    """What the second of two commits costs, which finds every word in use."""
    for each in sent:
        mined = world.commit(each, world.certify(each.message, signers=signers(members)))
        assert world.logs(Role.DESTINATION, mined)["MessageCommitted"].fields["executed"]
    return last(world, Role.DESTINATION)


def anchor() -> Spent:
    """A checkpoint recorded where one stands already, whatever it covers."""
    world = scene(4).world
    for size in (1_000_000, 1_001_000):
        world.send(Role.ORIGIN, "AnchorRegistry", "anchor", size, keccak256(size.to_bytes(8, "big")))
    return last(world, Role.ORIGIN)
