"""A deployed world for contract tests: three embedded chains, four notaries whose keys the test holds.

The test plays every part itself, honest or not: it signs certificates and verdicts with whichever keys it likes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from contracts.binding import Contract, DecodedLog
from contracts.deploy import ChainPlan, Deployment, LogIdentity
from contracts.embedded.genesis import Genesis
from contracts.embedded.server import EmbeddedNode
from contracts.manifest import Cosigner, Manifest, Role
from contracts.node import Node, RpcNode
from contracts.transactor import Mined, Transactor
from ledger import merkle
from ledger.attestation import SAME, Verdict, attestation_digest, verdict_digest
from ledger.checkpoint import Cosigner as CosigningKey
from ledger.checkpoint import LogSigner
from ledger.interoperable import encode
from ledger.membership import Possession, operator_digest
from ledger.proposal import MESSAGE_SENT, Message, Proposal, read_proposal
from ledger.quorum import Certificate, Committee, pack, root_over
from ledger.secp256k1 import SigningKey
from tests.contracts.evm import Evm
from tests.contracts.inprocess import EvmNode

CHAIN_IDS = {Role.ORIGIN: 7101, Role.DESTINATION: 7102, Role.TRANSACTION: 7103}
NOTARIES = tuple(SigningKey.from_secret(bytes([0x41 + index]) * 32) for index in range(4))
COMMITTEE = Committee(1, tuple(key.address for key in NOTARIES))
OWNER = SigningKey.from_secret(b"\x11" * 32)
STRANGER = SigningKey.from_secret(b"\x12" * 32)
HOLDER = SigningKey.from_secret(b"\x13" * 32)
LENDER = SigningKey.from_secret(b"\x14" * 32)
LOG_ORIGIN = "log.test/tea"
COSIGNING_KEYS = tuple(CosigningKey(f"notary-{index}.test", bytes([0x61 + index]) * 32) for index in range(4))
LOG_SIGNER = LogSigner(LOG_ORIGIN, b"\x71" * 32)


@dataclass(slots=True)
class World:
    """The deployment and every account on every chain."""

    manifest: Manifest
    nodes: dict[Role, Node]
    notaries: tuple[SigningKey, ...] = NOTARIES

    def send(self, role: Role, contract: str, function: str, *arguments: Any, by: SigningKey = OWNER) -> Mined:
        """Call a function of a deployed contract as an account."""
        bound = self.contract(role, contract)
        return self.transactor(role, by).send(bound.address, bound.encode_call(function, *arguments))

    def read(self, role: Role, contract: str, function: str, *arguments: Any) -> Any:
        """Call a view function."""
        return self.contract(role, contract).read(self.nodes[role], function, *arguments)

    def contract(self, role: Role, name: str) -> Contract:
        return self.manifest.chain(role).contract(name)

    def transactor(self, role: Role, key: SigningKey) -> Transactor:
        return Transactor(self.nodes[role], key, chain_id=CHAIN_IDS[role])

    def logs(self, role: Role, mined: Mined) -> dict[str, DecodedLog]:
        """A transaction's logs of our contracts, by event name."""
        chain = self.manifest.chain(role)
        found = {}
        for log in mined.logs:
            for name in chain.contracts:
                decoded = chain.contract(name).decode_log(log)
                if decoded is not None:
                    found[decoded.name] = decoded
        return found

    def sent(self, role: Role, mined: Mined) -> list[Proposal]:
        """The messages a transaction sent, in order."""
        chain = self.manifest.chain(role)
        gateway = chain.contracts["Gateway"]
        return [
            read_proposal(log, origin=chain.end, destinations=self.manifest.ends)
            for log in mined.logs
            if log.address == gateway and log.topics[0] == MESSAGE_SENT
        ]

    def address(self, role: Role, name: str) -> bytes:
        """Interoperable address of a deployed contract."""
        return encode(CHAIN_IDS[role], self.contract(role, name).address)

    def certify(self, message: Message, *others: Message, signers: Sequence[int] = (0, 1, 2)) -> Certificate:
        """A certificate over a root of messages, proving the first."""
        messages = [message, *others]
        leaves = [merkle.leaf_hash(item.id) for item in messages]
        root = root_over(messages)
        digest = attestation_digest(
            chain_id=message.destination.chain_id, gateway=message.destination.gateway, root=root, epoch=1
        )
        signatures = pack({index: self.notaries[index].sign(digest) for index in signers})
        return Certificate(root, 0, len(messages), tuple(merkle.inclusion_proof(leaves, 0)), 1, signatures)

    def commit(self, proposal: Proposal, certificate: Certificate | None = None, **changed: Any) -> Mined:
        """Commit at the destination; `changed` replaces fields of the certificate."""
        role = next(role for role, chain_id in CHAIN_IDS.items() if chain_id == proposal.message.destination.chain_id)
        proof = replace(certificate or self.certify(proposal.message), **changed)
        told = (proposal.message.as_delivery(), proposal.payload, *as_abi(proof))
        if not proof.signatures:
            return self.send(role, "Gateway", "commit_certified", *told[:-2])
        return self.send(role, "Gateway", "commit", *told)

    def close(self, proposal: Proposal, commit: Mined, *, outcome: bytes, **changed: Any) -> Mined:
        """Record a message on the transaction chain up to a quorum's verdict over its commit."""
        self.record(proposal)
        return self.judge(self.verdict(proposal.message, commit, outcome=outcome, **changed))

    def record(self, proposal: Proposal) -> None:
        """Propose and attest a message on the transaction chain."""
        message = proposal.message
        self.send(Role.TRANSACTION, "TransactionRegistry", "propose", [message.as_abi()])
        certificate = self.certify(message)
        covered = (message.destination.chain_id, [message.id], 1, certificate.signatures)
        self.send(Role.TRANSACTION, "TransactionRegistry", "attest", *covered)

    def verdict(self, message: Message, commit: Mined, *, outcome: bytes, **changed: Any) -> Verdict:
        """An honest verdict, or one with some fields changed."""
        where = (b"\x0b" * 32, commit.block_hash, commit.transaction, commit.block)
        honest = Verdict(message.id, 1, *where, SAME, True, word(outcome), policy=1, origin_log=0, commit_log=0)
        return replace(honest, **changed)

    def judge(self, verdict: Verdict, *, signers: Sequence[int] = (0, 1, 2)) -> Mined:
        """Submit a verdict with the signatures of these notaries."""
        registry = self.contract(Role.TRANSACTION, "TransactionRegistry").address
        digest = verdict_digest(chain_id=CHAIN_IDS[Role.TRANSACTION], registry=registry, verdict=verdict)
        signatures = pack({index: self.notaries[index].sign(digest) for index in signers})
        return self.send(Role.TRANSACTION, "TransactionRegistry", "judge", verdict_abi(verdict), signatures)


def as_abi(proof: Certificate) -> tuple[Any, ...]:
    """A certificate as the contracts' arguments."""
    return (proof.index, proof.size, list(proof.proof), proof.epoch, proof.signatures)


def verdict_abi(v: Verdict) -> tuple[Any, ...]:
    """A verdict as the registry's struct."""
    return astuple(v)


def word(text: bytes) -> bytes:
    """An outcome's text as one word."""
    return text.ljust(32, b"\x00")


@contextmanager
def deployed_world(folder: Path, *, clock: Callable[[], float] = time.time, **planned: Any) -> Iterator[World]:
    """Three embedded chains with everything deployed; stopped at the end. `clock`: their time, seconds since 1970."""
    accounts = {f"0x{key.address.hex()}": 10**24 for key in (OWNER, STRANGER, HOLDER, LENDER)}
    running = {
        role: EmbeddedNode.start(folder / role, Genesis(chain_id, accounts), clock=clock)
        for role, chain_id in CHAIN_IDS.items()
    }
    nodes = {role: RpcNode(node.url) for role, node in running.items()}
    try:
        yield deploy_on(dict(nodes), NOTARIES, **planned)
    finally:
        for node in nodes.values():
            node.close()
        for chain in running.values():
            chain.stop()


def in_process_world(*, exact: bool = False, notaries: tuple[SigningKey, ...] = NOTARIES, **planned: Any) -> World:
    """The same on three EVMs in this process: no servers, proofs or history. `exact` measures gas."""
    accounts = [key.address for key in (OWNER, STRANGER, HOLDER, LENDER)]
    return deploy_on(
        {role: EvmNode(Evm(chain_id=CHAIN_IDS[role], exact=exact), accounts) for role in Role}, notaries, **planned
    )


def deploy_on(
    nodes: dict[Role, Node],
    notaries: tuple[SigningKey, ...],
    *,
    kind: type[Deployment] = Deployment,
    changed: Mapping[Role, Mapping[str, Any]] = MappingProxyType({}),
    **options: Any,
) -> World:
    """Deploy everything on three empty chains. `changed`: fields of a chain's plan; `options`: of the deployment."""
    plans = {
        role: ChainPlan(role.value, Transactor(nodes[role], OWNER, chain_id=CHAIN_IDS[role]), **changed.get(role, {}))
        for role in Role
    }
    keys = [CosigningKey(f"notary-{index}.test", bytes([0x61 + index]) * 32) for index in range(len(notaries))]
    cosigners = tuple(Cosigner(key.name, key.key.public_key) for key in keys)
    log = LogIdentity(LOG_ORIGIN, LOG_SIGNER.key.public_key, OWNER.address)
    committee = Committee(1, tuple(key.address for key in notaries))
    possessions = possessions_of(notaries, keys)
    return World(kind(plans, committee, cosigners, log, possessions, **options).run(), nodes, notaries)


def possessions_of(notaries: Sequence[SigningKey], keys: Sequence[CosigningKey]) -> list[Possession]:
    """Every member's proofs that it holds its keys."""
    pairs = zip(notaries, keys, strict=True)
    return [Possession.prove(operator_digest(key.name), notary, key.private_key) for notary, key in pairs]
