"""Leaving: a message gets its identity from the gateway alone, and no two are the same."""

from __future__ import annotations

from itertools import pairwise

import pytest

from ledger.attestation import word
from ledger.ethereum.keccak import keccak256
from ledger.interoperable import encode
from ledger.proposal import Kind
from tests.contracts.evm import OWNER, STRANGER
from tests.contracts.gateway_bed import ASSET, DAY, PEER, SENDER, Bed, attribute, transfer_head

TO_PEER = encode(PEER.chain_id, SENDER)
KIND, EXPIRY, GAS = "kind(uint8)", "expiry(uint64)", "gasLimit(uint64)"
MAX_UNITS = 2**112 - 1


def test_a_message_leaves_with_what_its_sender_asked_for(bed: Bed) -> None:
    expiry = bed.evm.time + 5
    sent = bed.send(b"what it says", attribute(GAS, 70_000), attribute(KIND, 2), attribute(EXPIRY, expiry))
    message = sent.message  # read from the log, and its id computed again
    assert (message.kind, message.expiry, message.gas_limit) == (Kind.CALL, expiry, 70_000)
    assert (message.origin, message.destination) == (bed.here, PEER)
    assert (message.sender, message.recipient, sent.payload) == (OWNER, SENDER, b"what it says")
    assert (message.generation, message.sequence) == (1, 0)


def test_a_message_of_which_nothing_was_asked_is_a_notice_for_seven_days(bed: Bed) -> None:
    message = bed.send().message
    assert (message.kind, message.expiry - bed.evm.time, message.gas_limit) == (Kind.NOTICE, 7 * DAY, 400_000)


def test_G04_sequences_count_up_for_each_lane_without_a_gap(bed: Bed) -> None:
    sent = [bed.send(by=by).message for by in (OWNER, STRANGER, OWNER, OWNER, STRANGER)]
    assert [message.sequence for message in sent] == [0, 0, 1, 2, 1]
    assert len({message.id for message in sent}) == 5


def test_equal_messages_have_different_ids(bed: Bed) -> None:
    assert bed.send(b"the same").message.id != bed.send(b"the same").message.id


def test_the_gateway_says_which_attributes_it_knows(bed: Bed) -> None:
    known = [keccak256(name.encode())[:4] for name in (KIND, EXPIRY, GAS)]
    unknown = [keccak256(b"generation(uint32)")[:4], keccak256(b"sequence(uint64)")[:4], bytes(4)]
    assert [bed.gateway.call("supportsAttribute", selector) for selector in known + unknown] == [True] * 3 + [False] * 3


REFUSED_ATTRIBUTES = {
    "an_unknown_attribute": ([b"\xde\xad\xbe\xef" + bytes(32)], "Gateway: unsupported attribute"),
    "a_sequence_of_its_own": ([attribute("sequence(uint64)", 5)], "Gateway: unsupported attribute"),
    "a_generation_of_its_own": ([attribute("generation(uint32)", 2)], "Gateway: unsupported attribute"),
    "an_attribute_too_short": ([attribute(KIND, 1)[:35]], "Gateway: attribute length"),
    "an_empty_attribute": ([b""], "Gateway: attribute length"),
    "a_repeated_kind": ([attribute(KIND, 1)] * 2, "Gateway: repeated attribute"),
    "a_repeated_expiry": ([attribute(EXPIRY, 2**63)] * 2, "Gateway: repeated attribute"),
    "a_repeated_gas_limit": ([attribute(GAS, 1)] * 2, "Gateway: repeated attribute"),
    "the_kind_0": ([attribute(KIND, 0)], "Gateway: unknown kind"),
    "the_kind_5": ([attribute(KIND, 5)], "Gateway: unknown kind"),
    "the_kind_257": ([attribute(KIND, 257)], "Gateway: unknown kind"),
    "an_expiry_now": ([attribute(EXPIRY, 1_800_000_000)], "Gateway: expiry is past"),
    "an_expiry_too_wide": ([attribute(EXPIRY, 2**64)], ""),
    "too_much_gas": ([attribute(GAS, 5_000_001)], "Gateway: gas limit too high"),
    "four_attributes": ([attribute(KIND, 1)] * 4, ""),
}


@pytest.mark.parametrize("name", REFUSED_ATTRIBUTES)
def test_sending_is_refused_with(bed: Bed, name: str) -> None:
    attributes, reason = REFUSED_ATTRIBUTES[name]
    with bed.refused(reason):
        bed.gateway.send("sendMessage", TO_PEER, b"payload", attributes)
    bed.send(b"payload", attribute(KIND, 1), attribute(EXPIRY, bed.evm.time + 1), attribute(GAS, 5_000_000))


REFUSED_RECIPIENTS = {
    "on_an_unknown_chain": (encode(7199, SENDER), "Gateway: unknown chain"),
    "on_this_chain": (encode(7102, SENDER), "Gateway: unknown chain"),
    "with_a_leading_zero": (bytes.fromhex("0001000003001bbd14") + SENDER, "interoperable_address: not minimal"),
    "of_another_version": (bytes.fromhex("00020000021bbd14") + SENDER, "interoperable_address: not minimal"),
    "of_another_kind_of_chain": (bytes.fromhex("00010002021bbd14") + SENDER, "interoperable_address: not minimal"),
    "with_a_short_account": (TO_PEER[:-1], "interoperable_address: length"),
    "with_a_byte_too_many": (TO_PEER + b"\x00", "interoperable_address: length"),
    "that_is_empty": (b"", "interoperable_address: too short"),
}


@pytest.mark.parametrize("name", REFUSED_RECIPIENTS)
def test_sending_is_refused_to_a_recipient(bed: Bed, name: str) -> None:
    recipient, reason = REFUSED_RECIPIENTS[name]
    with bed.refused(reason):
        bed.gateway.send("sendMessage", recipient, b"payload", [])
    bed.send()


def test_a_message_carries_no_native_value(bed: Bed) -> None:
    with bed.refused("Gateway: carries no native value"):
        bed.gateway.send("sendMessage", TO_PEER, b"payload", [], value=1)
    bed.send()


def test_a_payload_of_1024_bytes_leaves_and_one_more_does_not(bed: Bed) -> None:
    with bed.refused(""):
        bed.gateway.send("sendMessage", TO_PEER, bytes(1025), [])
    assert bed.send(bytes(1024)).payload == bytes(1024)


# -- transfers: the gateway counts what is sent, whoever sends


def total(bed: Bed, quantity: int, claimed: int, *, asset: bytes = ASSET, by: bytes = OWNER) -> None:
    """Send a transfer that claims a total."""
    bed.send(transfer_head(quantity, claimed, asset=asset), attribute(KIND, 4), by=by)


def test_a_transfer_names_all_that_was_ever_sent(bed: Bed) -> None:
    total(bed, 5, 5)
    total(bed, 7, 12)
    assert bed.gateway.call("units_sent", bed.lane_out(), 1, ASSET) == 12


def test_totals_are_counted_for_each_lane_and_asset(bed: Bed) -> None:
    total(bed, 5, 5)
    total(bed, 5, 5, by=STRANGER)
    total(bed, 5, 5, asset=b"\x01" * 32)
    lanes = [(bed.lane_out(), ASSET), (bed.lane_out(STRANGER), ASSET), (bed.lane_out(), b"\x01" * 32)]
    assert [bed.gateway.call("units_sent", lane, 1, asset) for lane, asset in lanes] == [5, 5, 5]


@pytest.mark.parametrize("claimed", [0, 4, 6, 12, 2**128 - 1])
def test_F05_a_transfer_with_another_total_does_not_leave(bed: Bed, claimed: int) -> None:
    with bed.refused("Gateway: total is not what was sent"):
        total(bed, 5, claimed)
    total(bed, 5, 5)


def test_F07_a_total_is_not_claimed_twice(bed: Bed) -> None:
    total(bed, 5, 5)
    with bed.refused("Gateway: total is not what was sent"):
        total(bed, 5, 5)
    total(bed, 5, 10)


F09 = {
    "nothing": (transfer_head(0, 0), "Gateway: quantity"),
    "more_than_112_bits": (transfer_head(2**112, 2**112), "Gateway: quantity"),
    "minus_one": (transfer_head(2**256 - 1, 2**256 - 1), "Gateway: quantity"),
    "a_total_of_more_than_128_bits": (transfer_head(1, 2**128), "Gateway: total"),
    "half_a_head": (transfer_head(1, 1)[:95], "Gateway: transfer without a head"),
    "no_head": (b"", "Gateway: transfer without a head"),
}


@pytest.mark.parametrize("name", F09)
def test_F09_a_transfer_does_not_leave_with(bed: Bed, name: str) -> None:
    payload, reason = F09[name]
    with bed.refused(reason):
        bed.send(payload, attribute(KIND, 4))
    total(bed, MAX_UNITS, MAX_UNITS)


def test_a_notice_that_looks_like_a_transfer_is_not_counted(bed: Bed) -> None:
    bed.send(transfer_head(5, 99))
    assert bed.gateway.call("units_sent", bed.lane_out(), 1, ASSET) == 0


# -- generations of a lane out of this chain


def advance(bed: Bed, generation: int, *, salt: bytes = bytes(32)) -> None:
    """Carry out the quorum's order to begin a generation of the lane from OWNER."""
    bed.order("order_outbound", PEER.chain_id, OWNER, SENDER, generation, salt=salt)


def test_a_new_generation_begins_at_sequence_zero_and_repeats_no_place(bed: Bed) -> None:
    places = []
    for generation in (1, 2, 3):
        if generation > 1:
            advance(bed, generation)
        sent = [bed.send(b"the same").message for _ in range(3)]
        places += [(message.generation, message.sequence, message.id) for message in sent]
    assert [place[:2] for place in places] == [(generation, k) for generation in (1, 2, 3) for k in range(3)]
    assert all(left < right for left, right in pairwise(place[:2] for place in places))
    assert len({place[2] for place in places}) == 9


def test_a_new_generation_begins_its_totals_anew_and_leaves_other_lanes_alone(bed: Bed) -> None:
    total(bed, 5, 5)
    bed.send(by=STRANGER)
    advance(bed, 2)
    total(bed, 3, 3)
    assert [bed.gateway.call("units_sent", bed.lane_out(), k, ASSET) for k in (1, 2)] == [5, 3]
    assert (bed.send(by=STRANGER).message.generation, bed.send(by=STRANGER).message.sequence) == (1, 2)


@pytest.mark.parametrize("generation", [0, 1, 3, 2**32 - 1])
def test_a_generation_out_of_this_chain_is_the_next_one(bed: Bed, generation: int) -> None:
    bed.announce("order_outbound", PEER.chain_id, OWNER, SENDER, generation)
    bed.announce("order_outbound", PEER.chain_id, OWNER, SENDER, 2)
    bed.evm.time += 2 * DAY
    with bed.refused("Administration: not the next generation"):
        bed.administration.send("order_outbound", PEER.chain_id, OWNER, SENDER, generation, bytes(32))
    bed.administration.send("order_outbound", PEER.chain_id, OWNER, SENDER, 2, bytes(32))
    assert bed.send().message.generation == 2


def test_a_pause_outlives_a_new_generation(bed: Bed) -> None:
    bed.announce("order_outbound", PEER.chain_id, OWNER, SENDER, 2)
    bed.evm.time += 2 * DAY
    bed.pause(bed.lane_out(), is_inbound=False)
    bed.administration.send("order_outbound", PEER.chain_id, OWNER, SENDER, 2, bytes(32))
    with bed.refused("Gateway: lane paused"):
        bed.gateway.send("sendMessage", TO_PEER, b"payload", [])
    bed.evm.time += DAY
    assert bed.send().message.generation == 2


def test_the_twin_reads_no_payload_for_another(bed: Bed) -> None:
    sent = bed.send(word(1))
    assert sent.message.payload_digest == keccak256(word(1))
