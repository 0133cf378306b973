"""A cross-chain message as three chains tell of it: sent, proposed, attested, committed, and how it was judged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from ledger.collateral.fact import ChainFact
from ledger.collateral.record import Record, bytes_of, flag, number, outcome_text, raw, record_of
from ledger.errors import BadInput
from ledger.ethereum.keccak import keccak256
from ledger.interoperable import decode

_KIND, _EXPIRY = (keccak256(name)[:4] for name in (b"kind(uint8)", b"expiry(uint64)"))
_INSTRUCTION_BYTES, _ANCHOR_BYTES = 192, 96
_STATES = {
    3: "committed",
    4: "closed",
    5: "disputed",
    6: "expired",
    7: "aborted",
}  # contracts/vyper/TransactionRegistry.vy


class MessageState(StrEnum):
    """How far a message has come."""

    SENT = "sent"
    PROPOSED = "proposed"
    ATTESTED = "attested"
    COMMITTED = "committed"
    CLOSED = "closed"
    DISPUTED = "disputed"
    EXPIRED = "expired"
    ABORTED = "aborted"

    @property
    def is_judged(self) -> bool:
        """Whether it is one of the verdicts after which nothing follows by itself."""
        return self in (MessageState.CLOSED, MessageState.DISPUTED, MessageState.EXPIRED, MessageState.ABORTED)


class Action(StrEnum):
    """What an instruction asks (`contracts/vyper/instruction.vy`)."""

    SECURE = "secure"
    RELEASE = "release"
    ENFORCE = "enforce"


@dataclass(frozen=True, slots=True)
class Instruction:
    """What a loan asks of a registry that holds its security; ids of 32 bytes, who gets an enforced receipt of 20."""

    action: Action
    loan_id: bytes
    receipt_id: bytes
    goods_key: bytes
    recipient: bytes


@dataclass(frozen=True, slots=True)
class CarriedMessage:
    """One message. A stage that no chain has told of yet is None.

    `outcome`: the application's answer as text; `executed`: whether its call went through; `credential`,
    `acknowledgement`: 32 bytes; `anchor_size`: where it carries an anchor; `expiry`: POSIX seconds at the destination.
    """

    id: bytes
    kind: int = 0
    origin_chain: int = 0
    destination_chain: int = 0
    sender: bytes = b""
    recipient: bytes = b""
    expiry: int = 0
    instruction: Instruction | None = None
    anchor_size: int | None = None
    sent: Record | None = None
    proposed: Record | None = None
    attested: Record | None = None
    committed: Record | None = None
    executed: bool | None = None
    outcome: str = ""
    judged: Record | None = None
    verdict: MessageState | None = None
    credential: bytes | None = None
    acknowledgement: bytes | None = None

    @property
    def state(self) -> MessageState:
        """The furthest stage; a dispute stays one."""
        if self.verdict is not None and self.verdict.is_judged:
            return self.verdict
        for stage, state in (
            (self.committed, MessageState.COMMITTED),
            (self.attested, MessageState.ATTESTED),
            (self.proposed, MessageState.PROPOSED),
        ):
            if stage is not None:
                return state
        return MessageState.SENT


def sent(message: CarriedMessage, fact: ChainFact) -> CarriedMessage:
    """After `Gateway.MessageSent`."""
    (origin, sender), (destination, recipient) = (decode(raw(fact, end)) for end in ("sender", "recipient"))
    attributes = _attributes(fact)
    payload = raw(fact, "payload")
    return replace(
        message,
        kind=attributes.get(_KIND, 0),
        origin_chain=origin,
        destination_chain=destination,
        sender=sender,
        recipient=recipient,
        expiry=attributes.get(_EXPIRY, 0),
        instruction=_instruction(payload),
        anchor_size=int.from_bytes(payload[32:64], "big") if len(payload) == _ANCHOR_BYTES else None,
        sent=record_of(fact),
    )


def committed(message: CarriedMessage, fact: ChainFact) -> CarriedMessage:
    """After `Gateway.MessageCommitted`; a later one is the retry of a call that had failed."""
    return replace(
        message,
        committed=record_of(fact),
        executed=flag(fact, "executed"),
        outcome=outcome_text(raw(fact, "outcome")),
    )


def judged(message: CarriedMessage, fact: ChainFact) -> CarriedMessage:
    """After `TransactionRegistry.CommitJudged`."""
    state = _STATES.get(number(fact, "state"))
    if state is None:
        raise BadInput("FACT_FIELD", "A verdict has no such state.", where="TransactionRegistry.CommitJudged.state")
    acknowledgement = raw(fact, "acknowledgement")
    return replace(
        message,
        judged=record_of(fact),
        verdict=MessageState(state),
        credential=raw(fact, "credential"),
        acknowledgement=acknowledgement if any(acknowledgement) else None,
    )


def _attributes(fact: ChainFact) -> dict[bytes, int]:
    listed = fact.fields.get("attributes")
    if not isinstance(listed, list):
        return {}
    words = (bytes_of(fact, attribute, "attributes") for attribute in listed)
    return {word[:4]: int.from_bytes(word[4:], "big") for word in words if len(word) == 36}


def _instruction(payload: bytes) -> Instruction | None:
    if len(payload) != _INSTRUCTION_BYTES:
        return None
    action, loan_id, _counter, receipt_id, goods_key, recipient = (
        payload[at : at + 32] for at in range(0, _INSTRUCTION_BYTES, 32)
    )
    asked = {1: Action.SECURE, 2: Action.RELEASE, 3: Action.ENFORCE}.get(int.from_bytes(action, "big"))
    return None if asked is None else Instruction(asked, loan_id, receipt_id, goods_key, recipient[12:])
