"""Several messages of one lane in one transaction: all or none, each once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ledger.ethereum.keccak import keccak256
from ledger.proposal import Kind, Proposal
from ledger.quorum import pack
from tests.contracts.evm import STRANGER
from tests.contracts.gateway_bed import (
    CERTIFIED,
    FAILED,
    HELD,
    RELAY,
    Bed,
)
from tests.contracts.world import NOTARIES

FEW = pack({index: NOTARIES[index].sign(b"\x01" * 32) for index in (0, 1)})
NOT_SIGNED = "Committee: not this member's signature"


def test_several_messages_are_committed_in_one_transaction(bed: Bed) -> None:
    among = [bed.message(b"payload %d" % place) for place in range(11)]
    chosen = [among[place] for place in (0, 3, 4, 10)]
    outcome = bed.together(chosen, among)
    committed = [log.fields for log in outcome.logs if log.name == "MessageCommitted"]
    assert [log["id"] for log in committed] == [proposal.message.id for proposal in chosen]
    assert all(log["executed"] for log in committed)
    assert [bed.taken(proposal) for proposal in among] == [int(proposal in chosen) for proposal in among]


@pytest.mark.parametrize("count", [1, 2, 63, 64])
def test_up_to_64_messages_go_together(bed: Bed, count: int) -> None:
    proposals = [bed.message(gas_limit=150_000) for _ in range(count)]
    bed.together(proposals)
    assert all(bed.taken(proposal) == 1 for proposal in proposals)


def test_65_messages_do_not_go_together(bed: Bed) -> None:
    proposals = [bed.message(gas_limit=150_000) for _ in range(65)]
    *_, last = proposals
    arguments = bed.together_arguments(proposals[:64], proposals)
    items = [*arguments[1], last.as_item(64)]
    with bed.refused(""):
        bed.gateway.send("commit_together", arguments[0], items, *arguments[2:])
    bed.together(proposals[:64], proposals)


def test_a_certified_root_needs_no_signatures(bed: Bed) -> None:
    proposals = [bed.message() for _ in range(3)]
    certificate = bed.certificate(*proposals)
    with bed.refused("Gateway: root not certified"):
        bed.together(proposals, signatures=b"")
    bed.gateway.send("certify", certificate.root, 1, certificate.signatures, by=STRANGER)
    bed.together(proposals, signatures=b"")
    assert all(bed.taken(proposal) == 1 for proposal in proposals)


def test_an_application_that_fails_on_one_does_not_hold_up_the_others(bed: Bed) -> None:
    first, second, third = bed.message(), bed.message(gas_limit=2_000), bed.message()
    bed.together([first, second, third])
    assert [bed.taken(proposal) for proposal in (first, second, third)] == [1, 0, 1]
    assert [bed.status(proposal) for proposal in (first, second, third)] == [0, FAILED, 0]


def test_transfers_beyond_the_limits_are_held_beside_those_within(bed: Bed) -> None:
    sender = b"\x5f" * 20
    bed.open(value=True, sender=sender)
    bed.limit(10, 25, sender=sender)
    quantities = (10, 11, 10, 6, 5)
    totals = [sum(quantities[: place + 1]) for place in range(len(quantities))]
    proposals = [bed.transfer(q, t, sender=sender) for q, t in zip(quantities, totals, strict=True)]
    bed.together(proposals)
    # 10 fits, 11 is more than a message may, 10 fits, 6 would be 26 in the window, 5 makes 25.
    assert [bed.status(proposal) for proposal in proposals] == [0, HELD, 0, HELD, 0]
    assert [bed.taken(proposal) for proposal in proposals] == [1, 0, 1, 0, 1]


# -- refused, all of them


def test_one_that_is_committed_refuses_all(bed: Bed) -> None:
    first, second, third = (bed.message() for _ in range(3))
    bed.commit(second)
    with bed.refused("Gateway: already committed"):
        bed.together([first, second, third])
    bed.together([first, third], [first, second, third])


def test_one_that_is_expired_refuses_all(bed: Bed) -> None:
    first, second = bed.message(), bed.message(expiry=bed.evm.time)
    with bed.refused("Gateway: expired"):
        bed.together([first, second])
    bed.together([first], [first, second])


def test_one_message_at_two_places_is_refused(bed: Bed) -> None:
    message, other = bed.message(), bed.message()
    arguments = bed.together_arguments([message, other], [message, message, other])
    twice = [message.as_item(0), message.as_item(1), other.as_item(2)]
    with bed.refused("Gateway: already committed"):
        bed.gateway.send("commit_together", arguments[0], twice, 3, [], *arguments[4:])
    bed.together([message, other], [message, message, other])


ORDERS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "in_the_other_order": lambda items: items[::-1],
    "one_place_twice": lambda items: [items[0], items[0]],
}


@pytest.mark.parametrize("name", ORDERS)
def test_places_are_refused(bed: Bed, name: str) -> None:
    proposals = [bed.message(), bed.message()]
    arguments = bed.together_arguments(proposals)
    with bed.refused("merkle: indices out of order"):
        bed.gateway.send("commit_together", arguments[0], ORDERS[name](arguments[1]), *arguments[2:])
    bed.together(proposals)


def changed_item(proposals: list[Proposal], at: int, by: bytes) -> list[bytes]:
    """The items with a few bytes of the first one changed."""
    first, *rest = [proposal.as_item(place) for place, proposal in enumerate(proposals)]
    return [first[:at] + by + first[at + len(by) :], *rest]


WRONG: dict[str, tuple[Callable[[list[Proposal]], dict[str, Any]], str]] = {
    "C04_a_multiproof_too_short": (lambda _: {"multiproof": []}, "merkle: proof too short"),
    "C04_a_multiproof_too_long": (lambda _: {"multiproof": [bytes(32)] * 2}, "merkle: proof too long"),
    "C04_another_hash": (lambda _: {"multiproof": [keccak256(b"another")]}, NOT_SIGNED),
    "a_smaller_tree": (lambda _: {"size": 2, "multiproof": []}, NOT_SIGNED),
    "a_place_outside_the_tree": (lambda _: {"size": 1}, "merkle: index outside the tree"),
    "a_tree_too_large": (lambda _: {"size": 2**32 + 1}, "merkle: tree too large"),
    "no_item": (lambda _: {"items": []}, "merkle: no leaves"),
    "an_item_too_short_for_its_head": (
        lambda p: {"items": [p[0].as_item(0)[:31], p[1].as_item(1)]},
        "Gateway: item too short",
    ),
    "C05_another_payload": (lambda p: {"items": changed_item(p, 32, b"!")}, NOT_SIGNED),
    "another_sequence": (lambda p: {"items": changed_item(p, 8, b"\x01")}, NOT_SIGNED),
    "another_expiry": (lambda p: {"items": changed_item(p, 23, b"\x01")}, NOT_SIGNED),
    "another_gas_limit": (lambda p: {"items": changed_item(p, 31, b"\x01")}, NOT_SIGNED),
    "another_sender": (
        lambda p: {"run": replace(p[0].message, sender=STRANGER).as_run()},
        "Gateway: lane not open",
    ),
    "another_kind": (lambda p: {"run": replace(p[0].message, kind=Kind.CALL).as_run()}, NOT_SIGNED),
    "one_message's_terms": (lambda p: {"run": p[0].message.as_delivery()}, "Gateway: one message's terms"),
    "another_generation": (
        lambda p: {"run": replace(p[0].message, generation=2).as_run()},
        "Gateway: lane not open",
    ),
    "A07_too_few_signatures": (lambda _: {"signatures": FEW}, "Committee: below quorum"),
    "C06_no_signatures": (lambda _: {"signatures": b""}, "Gateway: root not certified"),
}


@pytest.mark.parametrize("name", WRONG)
def test_all_are_refused_for(bed: Bed, name: str) -> None:
    change, reason = WRONG[name]
    proposals = [bed.message(), bed.message()]
    among = [*proposals, bed.message()]
    with bed.refused(reason):
        arguments = dict(
            zip(
                ("run", "items", "size", "multiproof", "epoch", "signatures"),
                bed.together_arguments(proposals, among),
                strict=True,
            )
        )
        bed.gateway.send("commit_together", *(arguments | change(proposals)).values())
    bed.together(proposals, among)


@pytest.mark.parametrize("policy", [CERTIFIED, RELAY])
def test_a_lane_of_another_policy_takes_nothing_by_certificate(watched_bed: Bed, policy: int) -> None:
    sender = bytes([0x60 + policy]) * 20
    watched_bed.open(policy, sender=sender)
    with watched_bed.refused("Gateway: lane asks for another proof"):
        watched_bed.together([watched_bed.message(sender=sender)])
    watched_bed.together([watched_bed.message()])


def test_a_payload_too_long_to_go_together_goes_alone(bed: Bed) -> None:
    longest, too_long = bed.message(bytes(256)), bed.message(bytes(257))
    bed.together([longest])
    with bed.refused(""):
        bed.together([too_long])
    bed.commit(too_long)
    assert (bed.taken(longest), bed.taken(too_long)) == (1, 1)
