"""What tests of registries and loans share: a refusal that changed nothing, time, orders, verdicts without a commit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from contracts.deploy import ROTATION
from contracts.manifest import Role
from contracts.transactor import Mined
from ledger.attestation import EXPIRED, SAME, VOID, Verdict, verdict_digest
from ledger.attestation import _digest as eip712_digest
from ledger.attestation import word as abi_word
from ledger.errors import Refused
from ledger.ethereum.keccak import keccak256
from ledger.proposal import Message, Proposal
from ledger.quorum import pack
from tests.contracts.evm import Evm
from tests.contracts.inprocess import EvmNode
from tests.contracts.world import CHAIN_IDS, NOTARIES, World, verdict_abi, word

REGISTRY = "TransactionRegistry"
RESOLVE = keccak256(b"pledgetrail/order/TransactionRegistry.resolve")
_ORDER_TYPE = keccak256(b"Order(bytes32 action,bytes32 salt,uint64 epoch)")
ENDS = {SAME: b"reserved", EXPIRED: b"expired", VOID: b"void"}
STATES = ("unknown", "proposed", "attested", "committed", "closed", "disputed", "expired", "aborted")


def evm_of(world: World, role: Role) -> Evm:
    """The chain itself: its time and what its contracts hold."""
    node = world.nodes[role]
    assert isinstance(node, EvmNode)
    return node.evm


def fingerprint(world: World) -> tuple[object, ...]:
    """Storage and balance of every deployed contract."""
    return tuple(
        evm_of(world, role).engine.fingerprint(address)
        for role in Role
        for address in world.manifest.chain(role).contracts.values()
    )


@contextmanager
def refused(world: World, reason: str) -> Iterator[None]:
    """A transaction inside is refused with exactly this revert string, and no contract changed."""
    before = fingerprint(world)
    with pytest.raises(Refused) as caught:
        yield
    assert caught.value.code == "CALL_REVERTED"
    assert caught.value.what.endswith(f"execution reverted: {reason}"), caught.value
    assert fingerprint(world) == before


def state_of(world: World, message_id: bytes) -> str:
    """Where a message stands, as the registry says."""
    return STATES[world.read(Role.TRANSACTION, REGISTRY, "transactions", message_id)[0]]


def propose(world: World, *messages: Message) -> Mined:
    return world.send(Role.TRANSACTION, REGISTRY, "propose", [each.as_abi() for each in messages])


def attest(world: World, *messages: Message, signers: tuple[int, ...] = (0, 1, 2)) -> Mined:
    """Record one certificate over these messages."""
    certificate = world.certify(*messages, signers=signers)
    covered = (messages[0].destination.chain_id, [each.id for each in messages], 1, certificate.signatures)
    return world.send(Role.TRANSACTION, REGISTRY, "attest", *covered)


def ending(message: Message, kind: int, *, outcome: bytes | None = None, **changed: Any) -> Verdict:
    """An honest verdict that ends a message in this way, or one with some fields changed."""
    said = word(ENDS[kind] if outcome is None else outcome)
    blocks = (b"\x0b" * 32, b"\x0c" * 32, bytes(32) if kind == EXPIRED else b"\x0d" * 32)
    honest = Verdict(message.id, 1, *blocks, 1, kind, kind == SAME, said, policy=1, origin_log=0, commit_log=0)
    return replace(honest, **changed)


def announce_resolution(world: World, verdict: Verdict, salt: bytes = bytes(32)) -> None:
    """A quorum orders that this verdict decides; it may be carried out when the delay is over."""
    address = world.contract(Role.TRANSACTION, REGISTRY).address
    digest = verdict_digest(chain_id=CHAIN_IDS[Role.TRANSACTION], registry=address, verdict=verdict)
    action = keccak256(RESOLVE + digest)
    ordered = eip712_digest(CHAIN_IDS[Role.TRANSACTION], address, keccak256(_ORDER_TYPE + action + salt + abi_word(1)))
    signatures = pack({index: NOTARIES[index].sign(ordered) for index in (0, 1, 2)})
    world.send(Role.TRANSACTION, REGISTRY, "announce", action, salt, 1, signatures)


def resolve(world: World, verdict: Verdict, salt: bytes = bytes(32)) -> Mined:
    return world.send(Role.TRANSACTION, REGISTRY, "resolve", verdict_abi(verdict), salt)


def let_delay_pass(world: World) -> None:
    evm_of(world, Role.TRANSACTION).time += ROTATION.delay


def acknowledged(world: World, mined: Mined) -> list[tuple[bytes, bytes]]:
    """(message id, outcome as text) of every acknowledgement that a transaction of the registry sent."""
    return [(sent.payload[:32], sent.payload[32:].rstrip(b"\x00")) for sent in world.sent(Role.TRANSACTION, mined)]


def end(world: World, proposal: Proposal, kind: int) -> Proposal:
    """Let a call expire or be voided: recorded, judged and acknowledged. Returns the acknowledgement, uncommitted."""
    propose(world, proposal.message)
    (acknowledgement,) = world.sent(Role.TRANSACTION, world.judge(ending(proposal.message, kind)))
    return acknowledgement
