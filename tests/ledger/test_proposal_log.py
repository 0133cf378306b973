"""Reading the gateway's MessageSent by hand gives what an ABI library gives, and refuses what that refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_abi.abi import encode as abi_encode
from hypothesis import given
from hypothesis import strategies as st

from ledger import interoperable
from ledger.attestation import word
from ledger.errors import Problem
from ledger.ethereum.keccak import keccak256
from ledger.ethereum.tx_receipt import Log
from ledger.proposal import MESSAGE_SENT, Chain, Kind, Message, Proposal, read_proposal
from tests.ledger.refusals import refused

ORIGIN, DESTINATION = Chain(7101, bytes([1]) * 32, bytes([2]) * 20), Chain(7102, bytes([3]) * 32, bytes([4]) * 20)
NAMES = ("kind(uint8)", "generation(uint32)", "sequence(uint64)", "expiry(uint64)", "gasLimit(uint64)")
SENDER = interoperable.encode(7101, bytes([5]) * 20)
RECIPIENT = interoperable.encode(7102, bytes([6]) * 20)


def message(payload: bytes, numbers: tuple[int, ...]) -> Message:
    kind, generation, sequence, expiry, gas_limit = numbers
    digest = keccak256(payload)
    ends = (ORIGIN, DESTINATION)
    accounts = (bytes([5]) * 20, bytes([6]) * 20)
    return Message(Kind(kind), *ends, generation, sequence, *accounts, expiry, gas_limit, digest)


def attributes(numbers: tuple[int, ...]) -> list[bytes]:
    return [keccak256(name.encode())[:4] + word(value) for name, value in zip(NAMES, numbers, strict=True)]


def sent(payload: bytes, numbers: tuple[int, ...], *, value: int = 0, listed: list[bytes] | None = None) -> Log:
    listed = attributes(numbers) if listed is None else listed
    data = abi_encode(["bytes", "bytes", "bytes", "uint256", "bytes[]"], [SENDER, RECIPIENT, payload, value, listed])
    return Log(ORIGIN.gateway, (MESSAGE_SENT, message(payload, numbers).id), data)


def read(log: Log) -> Proposal:
    return read_proposal(log, origin=ORIGIN, destinations={7102: DESTINATION})


NUMBERS = st.tuples(st.integers(1, 3), st.integers(0, 2**32 - 1), *(st.integers(0, 2**64 - 1) for _ in range(3)))
HONEST = sent(b"payload", (1, 1, 7, 9, 11))


@given(st.binary(max_size=300), NUMBERS)
def test_what_the_library_writes_is_read_back(payload: bytes, numbers: tuple[int, ...]) -> None:
    assert read(sent(payload, numbers)) == Proposal(message(payload, numbers), payload)


@given(st.integers(0, len(HONEST.data)))
def test_a_log_cut_short_is_refused(length: int) -> None:
    if length < len(HONEST.data):
        cut = replace(HONEST, data=HONEST.data[:length])
        if HONEST.data[length:].strip(b"\0"):  # the padding after the last attribute may be missing
            with pytest.raises(Problem):
                read(cut)


@given(st.integers(0, len(HONEST.data) - 1), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_means_the_same(at: int, mask: int) -> None:
    data = HONEST.data[:at] + bytes([HONEST.data[at] ^ mask]) + HONEST.data[at + 1 :]
    try:
        found = read(replace(HONEST, data=data))
    except Problem:
        return
    assert found == read(HONEST)


@given(st.binary(max_size=700))
def test_arbitrary_data_raises_nothing_but_problems(data: bytes) -> None:
    with pytest.raises(Problem):
        read(replace(HONEST, data=data))


@pytest.mark.parametrize("count", [0, 4, 6, 40])
def test_another_number_of_attributes_is_refused(count: int) -> None:
    listed = (attributes((1, 1, 7, 9, 11)) * 8)[:count]
    with refused("PROPOSAL_LOG"):
        read(sent(b"payload", (1, 1, 7, 9, 11), listed=listed))
    assert read(HONEST)


def test_native_value_is_refused() -> None:
    with refused("PROPOSAL_LOG"):
        read(sent(b"payload", (1, 1, 7, 9, 11), value=1))
