"""A deployment that stands nowhere: contracts with addresses, and logs as they would emit them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from eth_abi.abi import encode

from contracts.binding import _events, log_topic
from contracts.manifest import ChainManifest, Manifest, Role, Rules
from ledger import interoperable
from ledger.attestation import word
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.tx_receipt import Log
from ledger.proposal import Kind, Message
from ledger.quorum import Committee

IDS = {Role.ORIGIN: 7101, Role.DESTINATION: 7102, Role.TRANSACTION: 7103}
ATTRIBUTES = ("kind(uint8)", "generation(uint32)", "sequence(uint64)", "expiry(uint64)", "gasLimit(uint64)")


def chain(role: Role, *, finality_blocks: int = 0) -> ChainManifest:
    chain_id = IDS[role]
    names = ("Gateway", "TransactionRegistry") if role is Role.TRANSACTION else ("Gateway", "Administration")
    contracts = {name: keccak256(b"%d %s" % (chain_id, name.encode()))[:20] for name in names}
    genesis = keccak256(b"genesis %d" % chain_id)
    return ChainManifest(role.value, role, chain_id, genesis, Rules(finality_blocks=finality_blocks), 0, 1, contracts)


MANIFEST = Manifest(
    tuple(chain(role) for role in Role),
    Committee(1, tuple(bytes([index + 1]) * 20 for index in range(4))),
    (),
    "log.test/tea",
    b"\x09" * 32,
)
PAYLOAD = b"payload"
MESSAGE = Message(
    Kind.NOTICE,
    MANIFEST.chain(Role.ORIGIN).end,
    MANIFEST.chain(Role.DESTINATION).end,
    1,
    0,
    b"\x33" * 20,
    b"\x44" * 20,
    2_000,
    400_000,
    keccak256(PAYLOAD),
)


def message(sequence: int) -> Message:
    return replace(MESSAGE, sequence=sequence)


def emitted(role: Role, contract: str, event: str, **values: Any) -> Log:
    """The log of one of our contracts, by the ABI its compiler wrote."""
    topic = log_topic(contract, event)
    _, indexed, rest = _events(contract)[topic]
    topics = (topic, *(encode([kind], [values[name]]) for name, kind in indexed))
    data = encode([kind for _, kind in rest], [values[name] for name, _ in rest])
    return Log(MANIFEST.chain(role).contracts[contract], topics, data)


def sent(found: Message) -> Log:
    numbers = (found.kind, found.generation, found.sequence, found.expiry, found.gas_limit)
    return emitted(
        Role.ORIGIN,
        "Gateway",
        "MessageSent",
        sendId=found.id,
        sender=interoperable.encode(found.origin.chain_id, found.sender),
        recipient=interoperable.encode(found.destination.chain_id, found.recipient),
        payload=PAYLOAD,
        value=0,
        attributes=[keccak256(n.encode())[:4] + word(v) for n, v in zip(ATTRIBUTES, numbers, strict=True)],
    )


def proposed(found: Message) -> Log:
    named = {"id": found.id, "lane": found.lane, "sequence": found.sequence}
    return emitted(Role.TRANSACTION, "TransactionRegistry", "Proposed", **named)


def attested(found: Message) -> Log:
    return emitted(Role.TRANSACTION, "TransactionRegistry", "Attested", id=found.id, root=bytes(32), epoch=1)


def committed(found: Message, *, executed: bool = True, role: Role = Role.DESTINATION) -> Log:
    outcome = b"done".ljust(32, b"\x00") if executed else bytes(32)
    return emitted(role, "Gateway", "MessageCommitted", id=found.id, executed=executed, outcome=outcome)


def judged(found: Message, state: int) -> Log:
    names = ("origin_block", "commit_block", "commit_transaction", "outcome", "acknowledgement")
    words = dict.fromkeys(names, bytes(32))
    numbers = {
        "state": state,
        "epoch": 1,
        "checked_from": 1,
        "verdict": 1,
        "policy": 1,
        "origin_log": 0,
        "commit_log": 0,
    }
    also: dict[str, Any] = {"executed": True, "signatures": b""}
    credential = bytes([state]) * 32
    about = {"id": found.id, "credential": credential, **words, **numbers, **also}
    return emitted(Role.TRANSACTION, "TransactionRegistry", "CommitJudged", **about)


def held(found: Message) -> Log:
    return _there("Gateway", "MessageHeld", found)


def voided(found: Message, *, role: Role = Role.DESTINATION) -> Log:
    return _there("Gateway", "MessageVoided", found, role)


def approved(found: Message) -> Log:
    return emitted(Role.DESTINATION, "Administration", "MessageApproved", id=found.id)


def _there(contract: str, event: str, found: Message, role: Role = Role.DESTINATION) -> Log:
    lane = {"lane": found.lane, "generation": found.generation, "sequence": found.sequence}
    return emitted(role, contract, event, id=found.id, **lane)
