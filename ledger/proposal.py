"""The message between chains: its fields, its id, its lane, and how it is read from the gateway's log.

Twin of `contracts/vyper/message.vy`. The lane binds both ends whole with sender and recipient, the id binds the lane
and the other fields, each as one ABI word under a tag, so that two different messages never share an id; it holds no
epoch and no signature, because who attests a message does not change which message it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from ledger import interoperable
from ledger.attestation import address_word, fits, word
from ledger.errors import BadInput
from ledger.ethereum.keccak import keccak256 as keccak
from ledger.ethereum.tx_receipt import Log
from ledger.once import once

VERSION = 1
MAX_PAYLOAD_BYTES = 1024
MAX_LANES_KNOWN = 4_096  # ids kept ready

_ID_TAG = keccak(b"pledgetrail/message/v1")
_LANE_TAG = keccak(b"pledgetrail/lane/v1")

MESSAGE_SENT = keccak(b"MessageSent(bytes32,bytes,bytes,bytes,uint256,bytes[])")
_ATTRIBUTES = {
    keccak(signature)[:4]: (field, bits)
    for signature, field, bits in (
        (b"kind(uint8)", "kind", 8),
        (b"generation(uint32)", "generation", 32),
        (b"sequence(uint64)", "sequence", 64),
        (b"expiry(uint64)", "expiry", 64),
        (b"gasLimit(uint64)", "gas_limit", 64),
    )
}


class Kind(IntEnum):
    """What a message asks for. A call and a transfer are acknowledged, once their credential is closed; only a transfer
    carries value.
    """

    NOTICE = 1
    CALL = 2
    ACKNOWLEDGEMENT = 3
    TRANSFER = 4


@dataclass(frozen=True, slots=True)
class Chain:
    """One end of a message: EIP-155 id, genesis hash (32 bytes) and gateway (20 bytes); else `BadInput` CHAIN_END."""

    chain_id: int
    genesis: bytes
    gateway: bytes

    def __post_init__(self) -> None:
        if not fits(self.chain_id, 256) or len(self.genesis) != 32 or len(self.gateway) != 20:
            raise BadInput("CHAIN_END", "a chain is an id, a genesis hash of 32 bytes and a gateway of 20 bytes")

    def words(self) -> bytes:
        """The end as three ABI words."""
        return word(self.chain_id) + self.genesis + address_word(self.gateway)

    def as_abi(self) -> tuple[int, bytes, bytes]:
        """The contract's `Chain` struct, for an ABI encoder."""
        return self.chain_id, self.genesis, self.gateway

    def __str__(self) -> str:
        return interoperable.caip2(self.chain_id)


@dataclass(frozen=True)
class Message:
    """A message as both gateways see it. `expiry`: seconds of destination block time. `payload_digest`: Keccak-256.

    Errors: `BadInput` MESSAGE_RANGE for a field outside its ABI type: two different messages must never share an id.
    """

    kind: Kind
    origin: Chain
    destination: Chain
    generation: int
    sequence: int
    sender: bytes
    recipient: bytes
    expiry: int
    gas_limit: int
    payload_digest: bytes
    version: int = VERSION

    def __post_init__(self) -> None:
        numbers = all(fits(value, 64) for value in (self.sequence, self.expiry, self.gas_limit))
        small = fits(self.version, 8) and fits(self.generation, 32) and self.kind in Kind.__members__.values()
        accounts = len(self.sender) == len(self.recipient) == 20
        if not (numbers and small and accounts and len(self.payload_digest) == 32):
            raise BadInput(
                "MESSAGE_RANGE", "a field of the message is outside its type", where=f"{self.sequence!r}"[:80]
            )

    @once
    def id(self) -> bytes:
        """The message's identity, 32 bytes."""
        return keccak(
            _ID_TAG
            + word(self.version)
            + word(self.kind)
            + self.lane
            + word(self.generation)
            + word(self.sequence)
            + word(self.expiry)
            + word(self.gas_limit)
            + self.payload_digest
        )

    @once
    def lane(self) -> bytes:
        """The lane it travels on, without the generation, 32 bytes."""
        return lane_id(self.origin, self.destination, self.sender, self.recipient)

    def as_abi(self) -> tuple[object, ...]:
        """The contract's `Message` struct, for an ABI encoder."""
        return (
            self.version,
            int(self.kind),
            self.origin.as_abi(),
            self.destination.as_abi(),
            self.generation,
            self.sequence,
            self.sender,
            self.recipient,
            self.expiry,
            self.gas_limit,
            self.payload_digest,
        )

    def as_run(self) -> tuple[object, ...]:
        """The contract's `Delivery` struct of what messages of one lane, kind and generation have in common."""
        return self._as_delivery(0, 0, 0)

    def as_delivery(self) -> tuple[object, ...]:
        """The contract's `Delivery` struct: what a destination gateway does not know itself."""
        return self._as_delivery(self.sequence, self.expiry, self.gas_limit)

    def _as_delivery(self, sequence: int, expiry: int, gas_limit: int) -> tuple[object, ...]:
        terms = int(self.kind) << 224 | self.generation << 192 | sequence << 128 | expiry << 64 | gas_limit
        accounts = (int.from_bytes(account, "big") for account in (self.sender, self.recipient))
        return terms, self.lane, self.origin.chain_id, *accounts


@dataclass(frozen=True, slots=True)
class Proposal:
    """A message with its payload, as the origin gateway's log carries it."""

    message: Message
    payload: bytes

    def as_item(self, position: int) -> bytes:
        """What `Gateway.commit_together` takes of it: position among the leaves (8 bytes) | sequence (8) | expiry (8) |
        gas limit (8) | payload.
        """
        own = (self.message.sequence, self.message.expiry, self.message.gas_limit)
        return position.to_bytes(8, "big") + b"".join(value.to_bytes(8, "big") for value in own) + self.payload


@lru_cache(maxsize=MAX_LANES_KNOWN)  # asked for many times for each message
def lane_id(origin: Chain, destination: Chain, sender: bytes, recipient: bytes) -> bytes:
    """Keccak-256 of tag, both ends, sender and recipient, 32 bytes."""
    return keccak(_LANE_TAG + origin.words() + destination.words() + address_word(sender) + address_word(recipient))


def read_proposal(log: Log, *, origin: Chain, destinations: dict[int, Chain]) -> Proposal:
    """Read a `MessageSent` log; the message's id is recomputed and must be the one the log names.

    `destinations`: the gateways known for each chain id. The log's inclusion is the caller's to prove.
    Errors: `BadInput` EMITTER (not the origin's gateway), PROPOSAL_LOG (not such a log, or fields that contradict each
    other), ADDRESS_FORM, PROPOSAL_CHAIN (unknown destination, or sender not on the origin), PROPOSAL_ID.
    """
    if log.address != origin.gateway:
        raise BadInput("EMITTER", "the log is not the origin gateway's", where=f"0x{log.address.hex()}")
    if len(log.topics) != 2 or log.topics[0] != MESSAGE_SENT:
        raise BadInput("PROPOSAL_LOG", "not a MessageSent log")
    sender, recipient, payload, value, attributes = _decode_sent(log.data)
    if value != 0 or len(payload) > MAX_PAYLOAD_BYTES:
        raise BadInput("PROPOSAL_LOG", "the log carries native value or too large a payload")
    sender_chain, sender_account = interoperable.decode(sender)
    recipient_chain, recipient_account = interoperable.decode(recipient)
    destination = destinations.get(recipient_chain)
    if sender_chain != origin.chain_id or destination is None:
        raise BadInput("PROPOSAL_CHAIN", "the message is not between known chains", where=f"{recipient_chain}")
    fields = _read_attributes(attributes)
    message = Message(
        kind=Kind(fields["kind"]),
        origin=origin,
        destination=destination,
        generation=fields["generation"],
        sequence=fields["sequence"],
        sender=sender_account,
        recipient=recipient_account,
        expiry=fields["expiry"],
        gas_limit=fields["gas_limit"],
        payload_digest=keccak(payload),
    )
    if message.id != log.topics[1]:
        raise BadInput("PROPOSAL_ID", "the log names another id than its fields give", where=log.topics[1].hex())
    return Proposal(message, payload)


def _decode_sent(data: bytes) -> tuple[bytes, bytes, bytes, int, tuple[bytes, ...]]:
    """The log's data as ABI (bytes, bytes, bytes, uint256, bytes[]); else `BadInput` PROPOSAL_LOG.

    By hand, because importing an ABI library takes longer than verifying a whole bundle; a test keeps the two equal.
    """
    sender, recipient, payload = (_dynamic(data, _number(data, 32 * place)) for place in range(3))
    listed = _number(data, 128)
    count = _number(data, listed)
    if count != len(_ATTRIBUTES):
        raise BadInput("PROPOSAL_LOG", f"the log carries {count} attributes, not {len(_ATTRIBUTES)}")
    offsets = (_number(data, listed + 32 * place) for place in range(1, count + 1))
    attributes = tuple(_dynamic(data, listed + 32 + offset) for offset in offsets)
    return sender, recipient, payload, _number(data, 96), attributes


def _dynamic(data: bytes, at: int) -> bytes:
    """The byte string whose length stands at `at`."""
    end = at + 32 + _number(data, at)
    if end > len(data):
        raise BadInput("PROPOSAL_LOG", "the log's data does not decode", where=f"byte {at}")
    return data[at + 32 : end]


def _number(data: bytes, at: int) -> int:
    """The word at `at`."""
    if at + 32 > len(data):
        raise BadInput("PROPOSAL_LOG", "the log's data does not decode", where=f"byte {at}")
    return int.from_bytes(data[at : at + 32], "big")


def _read_attributes(attributes: tuple[bytes, ...]) -> dict[str, int]:
    """Each of the five attributes exactly once, in range; else `BadInput` PROPOSAL_LOG."""
    fields: dict[str, int] = {}
    for attribute in attributes:
        field, bits = _ATTRIBUTES.get(attribute[:4], ("", 0))
        value = int.from_bytes(attribute[4:], "big")
        if len(attribute) != 36 or not field or field in fields or value >= 2**bits:
            raise BadInput("PROPOSAL_LOG", "an attribute is unknown, repeated or out of range", where=attribute.hex())
        fields[field] = value
    if len(fields) != len(_ATTRIBUTES) or fields["kind"] not in Kind.__members__.values():
        raise BadInput("PROPOSAL_LOG", "an attribute is missing, or the kind is unknown")
    return fields
