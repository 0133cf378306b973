"""The message: what its id binds, what no message can be, and which logs carry one."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from eth_abi.abi import encode as abi_encode
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import interoperable
from ledger.attestation import word
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.tx_receipt import Log
from ledger.proposal import MESSAGE_SENT, Chain, Kind, Message, Proposal, lane_id, read_proposal
from tests.ledger.messages import DESTINATION, MESSAGE, ORIGIN, messages
from tests.ledger.refusals import refused

CHAIN = "(uint256,bytes32,address)"


@given(messages)
def test_lane_and_id_are_hashes_of_a_tag_and_abi_words(message: Message) -> None:
    version, kind, origin, destination, generation, sequence, sender, recipient, *rest = message.as_abi()
    ends = [keccak256(b"pledgetrail/lane/v1"), origin, destination, sender, recipient]
    lane = keccak256(abi_encode(["bytes32", CHAIN, CHAIN, "address", "address"], ends))
    fields = [keccak256(b"pledgetrail/message/v1"), version, kind, lane, generation, sequence, *rest]
    words = ["bytes32", "uint8", "uint8", "bytes32", "uint32", "uint64", "uint64", "uint64", "bytes32"]
    assert (message.lane, message.id) == (lane, keccak256(abi_encode(words, fields)))


@settings(max_examples=500)
@given(messages, messages)
def test_A13_unequal_messages_have_unequal_ids(one: Message, other: Message) -> None:
    assert (one == other) == (one.id == other.id)


OTHER_VALUES: dict[str, Any] = {
    "kind": Kind.NOTICE,
    "origin": replace(ORIGIN, gateway=b"\x12" * 20),
    "destination": replace(DESTINATION, genesis=b"\x03" * 32),
    "generation": 2,
    "sequence": 6,
    "sender": b"\x44" * 20,
    "recipient": b"\x33" * 20,
    "expiry": 1_800_000_001,
    "gas_limit": 400_001,
    "payload_digest": b"\x56" * 32,
    "version": 2,
}


def test_A13_each_field_is_bound() -> None:
    assert set(OTHER_VALUES) == {field.name for field in fields(Message)}
    ids = {replace(MESSAGE, **{name: value}).id for name, value in OTHER_VALUES.items()}
    assert len(ids | {MESSAGE.id}) == len(OTHER_VALUES) + 1


def test_A13_exchanged_neighbours_give_another_id() -> None:
    for one, other in (("sender", "recipient"), ("expiry", "gas_limit"), ("origin", "destination")):
        exchanged: dict[str, Any] = {one: getattr(MESSAGE, other), other: getattr(MESSAGE, one)}
        assert replace(MESSAGE, **exchanged).id != MESSAGE.id


@pytest.mark.parametrize("shift", range(1, 32))
def test_A13_no_byte_moves_from_one_field_to_the_next(shift: int) -> None:
    joined = ORIGIN.genesis + ORIGIN.gateway.rjust(32, b"\x00")
    with refused("CHAIN_END"):
        Chain(ORIGIN.chain_id, joined[:-shift][:32] + joined[32 : 32 + shift], joined[32 + shift :])
    with refused("CHAIN_END"):
        Chain(ORIGIN.chain_id, ORIGIN.genesis[:-shift], ORIGIN.genesis[-shift:] + ORIGIN.gateway)


def test_the_lane_has_no_generation_and_no_sequence() -> None:
    assert replace(MESSAGE, generation=9, sequence=9, kind=Kind.NOTICE, expiry=9).lane == MESSAGE.lane
    assert lane_id(ORIGIN, DESTINATION, MESSAGE.sender, MESSAGE.recipient) == MESSAGE.lane


@pytest.mark.parametrize("name", ["origin", "destination", "sender", "recipient"])
def test_G02_another_end_is_another_lane(name: str) -> None:
    other = Chain(7199, b"\x01" * 32, b"\x11" * 20) if name in ("origin", "destination") else b"\x34" * 20
    assert replace(MESSAGE, **{name: other}).lane != MESSAGE.lane  # type: ignore[arg-type]


def test_G02_a_fork_with_the_same_ids_is_another_message() -> None:
    assert replace(MESSAGE, origin=replace(ORIGIN, genesis=b"\x09" * 32)).id != MESSAGE.id
    assert replace(MESSAGE, destination=replace(DESTINATION, genesis=b"\x09" * 32)).id != MESSAGE.id


BITS = {"version": 8, "generation": 32, "sequence": 64, "expiry": 64, "gas_limit": 64}
ODD: list[Any] = [-1, 1.5, "1", "01", "1e3", None, True, float("nan"), b"\x01"]


@pytest.mark.parametrize("name", BITS)
def test_F09_a_number_is_a_whole_one_inside_its_type(name: str) -> None:
    for value in (*ODD, 2 ** BITS[name]):
        with refused("MESSAGE_RANGE"):
            replace(MESSAGE, **{name: value})
    for value in (0, 2 ** BITS[name] - 1):
        changed: dict[str, Any] = {name: value}
        assert getattr(replace(MESSAGE, **changed), name) == value


@pytest.mark.parametrize("value", [*ODD, 2**256])
def test_F09_a_chain_id_is_a_whole_number_of_256_bits(value: Any) -> None:
    with refused("CHAIN_END"):
        Chain(value, ORIGIN.genesis, ORIGIN.gateway)


@pytest.mark.parametrize("kind", [0, 5, 255, -1, "1", None])
def test_another_kind_is_no_message(kind: Any) -> None:
    with refused("MESSAGE_RANGE"):
        replace(MESSAGE, kind=kind)


@pytest.mark.parametrize("name", ["sender", "recipient", "payload_digest"])
@pytest.mark.parametrize("length", [0, 19, 21, 31, 33])
def test_bytes_have_their_length(name: str, length: int) -> None:
    with refused("MESSAGE_RANGE"):
        replace(MESSAGE, **{name: bytes(length)})  # type: ignore[arg-type]


# -- logs -----------------------------------------------------------------------------------------------------------

PAYLOAD = b"three words"
SENT = replace(MESSAGE, payload_digest=keccak256(PAYLOAD))
SENDER = interoperable.encode(7101, SENT.sender)
RECIPIENT = interoperable.encode(7102, SENT.recipient)
FIELDS = {"kind(uint8)": 2, "generation(uint32)": 1, "sequence(uint64)": 5, "expiry(uint64)": 1_800_000_000}
FIELDS |= {"gasLimit(uint64)": 400_000}


def attribute(name: str, value: int) -> bytes:
    return keccak256(name.encode())[:4] + word(value)


def log(**changed: Any) -> Log:
    parts: dict[str, Any] = {
        "address": ORIGIN.gateway,
        "topics": (MESSAGE_SENT, SENT.id),
        "sender": SENDER,
        "recipient": RECIPIENT,
        "payload": PAYLOAD,
        "value": 0,
        "attributes": [attribute(name, value) for name, value in FIELDS.items()],
    } | changed
    names = ("sender", "recipient", "payload", "value", "attributes")
    data = abi_encode(["bytes", "bytes", "bytes", "uint256", "bytes[]"], [parts[name] for name in names])
    return Log(parts["address"], parts["topics"], data)


def read(found: Log) -> Proposal:
    return read_proposal(found, origin=ORIGIN, destinations={7101: ORIGIN, 7102: DESTINATION})


def test_the_gateways_log_is_read() -> None:
    assert read(log()) == Proposal(SENT, PAYLOAD)


def with_attribute(name: str, value: int) -> list[bytes]:
    return [attribute(each, value if each == name else number) for each, number in FIELDS.items()]


HONEST = [attribute(name, value) for name, value in FIELDS.items()]
LOGS: dict[str, tuple[dict[str, Any], str]] = {
    "F01_from_another_contract": ({"address": b"\x12" * 20}, "EMITTER"),
    "F01_from_the_destinations_gateway": ({"address": DESTINATION.gateway}, "EMITTER"),
    "F03_of_another_event": ({"topics": (keccak256(b"MessageSent(bytes32)"), SENT.id)}, "PROPOSAL_LOG"),
    "without_an_id": ({"topics": (MESSAGE_SENT,)}, "PROPOSAL_LOG"),
    "without_topics": ({"topics": ()}, "PROPOSAL_LOG"),
    "with_a_topic_more": ({"topics": (MESSAGE_SENT, SENT.id, SENT.id)}, "PROPOSAL_LOG"),
    "F05_with_native_value": ({"value": 1}, "PROPOSAL_LOG"),
    "with_a_payload_too_large": ({"payload": bytes(4097)}, "PROPOSAL_LOG"),
    "C05_with_another_payload": ({"payload": b"other words"}, "PROPOSAL_ID"),
    "with_another_id": ({"topics": (MESSAGE_SENT, b"\x01" * 32)}, "PROPOSAL_ID"),
    "G02_from_a_sender_on_another_chain": ({"sender": interoperable.encode(7199, SENT.sender)}, "PROPOSAL_CHAIN"),
    "G02_to_an_unknown_chain": ({"recipient": interoperable.encode(7199, SENT.recipient)}, "PROPOSAL_CHAIN"),
    "G02_to_another_known_chain": ({"recipient": interoperable.encode(7101, SENT.recipient)}, "PROPOSAL_ID"),
    "from_another_sender": ({"sender": interoperable.encode(7101, b"\x34" * 20)}, "PROPOSAL_ID"),
    "from_an_address_that_is_not_minimal": ({"sender": SENDER + b"\x00"}, "ADDRESS_FORM"),
    "to_nobody": ({"recipient": b""}, "ADDRESS_FORM"),
    "without_an_attribute": ({"attributes": HONEST[:4]}, "PROPOSAL_LOG"),
    "with_an_attribute_twice": ({"attributes": [*HONEST[:4], HONEST[0]]}, "PROPOSAL_LOG"),
    "with_an_attribute_more": ({"attributes": [*HONEST, HONEST[0]]}, "PROPOSAL_LOG"),
    "with_an_unknown_attribute": ({"attributes": [*HONEST[:4], attribute("fee(uint64)", 1)]}, "PROPOSAL_LOG"),
    "with_a_short_attribute": ({"attributes": [*HONEST[:4], HONEST[4][:-1]]}, "PROPOSAL_LOG"),
    "with_a_long_attribute": ({"attributes": [*HONEST[:4], HONEST[4] + b"\x00"]}, "PROPOSAL_LOG"),
    "F09_of_kind_0": ({"attributes": with_attribute("kind(uint8)", 0)}, "PROPOSAL_LOG"),
    "F09_of_kind_5": ({"attributes": with_attribute("kind(uint8)", 5)}, "PROPOSAL_LOG"),
    "F09_of_kind_256_plus_2": ({"attributes": with_attribute("kind(uint8)", 258)}, "PROPOSAL_LOG"),
    "F09_with_a_generation_of_33_bits": ({"attributes": with_attribute("generation(uint32)", 2**32)}, "PROPOSAL_LOG"),
    "F09_with_a_sequence_of_65_bits": ({"attributes": with_attribute("sequence(uint64)", 2**64)}, "PROPOSAL_LOG"),
    "F09_with_an_endless_expiry": ({"attributes": with_attribute("expiry(uint64)", 2**256 - 1)}, "PROPOSAL_LOG"),
    "F09_with_all_the_gas": ({"attributes": with_attribute("gasLimit(uint64)", 2**64)}, "PROPOSAL_LOG"),
    "in_another_sequence": ({"attributes": with_attribute("sequence(uint64)", 6)}, "PROPOSAL_ID"),
}


@pytest.mark.parametrize("name", LOGS)
def test_a_log_is_refused(name: str) -> None:
    changed, code = LOGS[name]
    with refused(code):
        read(log(**changed))
    assert read(log()) == Proposal(SENT, PAYLOAD)


@given(st.permutations(HONEST))
def test_attributes_may_stand_in_any_order(listed: list[bytes]) -> None:
    assert read(log(attributes=listed)).message == SENT
