"""The logs of the model's contracts, as the real ones write them, and what they say."""

from __future__ import annotations

from functools import lru_cache

from eth_abi.abi import encode

from contracts.binding import DecodedLog
from ledger import interoperable
from ledger.attestation import word
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.tx_receipt import Log
from ledger.proposal import MESSAGE_SENT, Proposal
from notary.policy import MESSAGE_COMMITTED

OUTCOME = b"\x0c" * 32  # what every application answers
PROPOSED, ATTESTED, JUDGED = (keccak256(name) for name in (b"Proposed", b"Attested", b"CommitJudged"))
_NAMES = {PROPOSED: "Proposed", ATTESTED: "Attested", JUDGED: "CommitJudged"}
_ATTRIBUTES = tuple(
    keccak256(name)[:4]
    for name in (b"kind(uint8)", b"generation(uint32)", b"sequence(uint64)", b"expiry(uint64)", b"gasLimit(uint64)")
)


@lru_cache(maxsize=1024)
def sent_log(proposal: Proposal) -> Log:
    """The gateway's log of a message."""
    message = proposal.message
    values = (message.kind, message.generation, message.sequence, message.expiry, message.gas_limit)
    attributes = [name + word(value) for name, value in zip(_ATTRIBUTES, values, strict=True)]
    ends = (
        interoperable.encode(message.origin.chain_id, message.sender),
        interoperable.encode(message.destination.chain_id, message.recipient),
    )
    data = encode(["bytes", "bytes", "bytes", "uint256", "bytes[]"], [*ends, proposal.payload, 0, attributes])
    return Log(message.origin.gateway, (MESSAGE_SENT, message.id), data)


def committed_log(gateway: bytes, message_id: bytes) -> Log:
    """The gateway's log of a message it has executed."""
    return Log(gateway, (MESSAGE_COMMITTED, message_id), word(1) + OUTCOME)


def recorded_log(registry: bytes, topic: bytes, message_id: bytes, state: int) -> Log:
    """The registry's log of a message's new state."""
    return Log(registry, (topic, message_id), bytes(32) + word(state))


def is_sent(log: Log) -> bool:
    """Whether a log is a gateway's of a message that left."""
    return log.topics[0] == MESSAGE_SENT


@lru_cache(maxsize=4096)
def decoded(log: Log) -> DecodedLog | None:
    """A log of the model's contracts by name and fields."""
    topic = log.topics[0]
    if topic == MESSAGE_SENT:
        return DecodedLog("Gateway", "MessageSent", {"sendId": log.topics[1]})
    if topic == MESSAGE_COMMITTED:
        fields = {"id": log.topics[1], "executed": bool(log.data[31]), "outcome": log.data[32:]}
        return DecodedLog("Gateway", "MessageCommitted", fields)
    fields = {"id": log.topics[1], "credential": log.data[:32], "state": int.from_bytes(log.data[32:], "big")}
    return DecodedLog("TransactionRegistry", _NAMES[topic], fields)
