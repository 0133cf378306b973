"""Delivery: what an application can do to the gateway that calls it, and what a relay can do to the call."""

from __future__ import annotations

import pytest

from contracts.binding import interface
from contracts.compiler import CONTRACTS, artifact
from ledger.attestation import word
from ledger.ethereum.keccak import keccak256
from ledger.proposal import Proposal
from tests.contracts.evm import OWNER, STRANGER, Reverted
from tests.contracts.gateway_bed import (
    ANSWERS_31_BYTES,
    ANSWERS_LONG,
    ANSWERS_MAGIC_ONLY,
    ANSWERS_NOTHING,
    ANSWERS_OTHER_MAGIC,
    BURNS_ALL_GAS,
    FAILED,
    HERE,
    PEER,
    REVERTS,
    REVERTS_LONG,
    SENDER,
    TAKEN,
    Bed,
    as_arguments,
)

RECEIVE = keccak256(b"receiveMessage(bytes32,bytes,bytes)")[:4]


# -- what the application answers


@pytest.mark.parametrize(
    ("mode", "outcome"), [(ANSWERS_LONG, TAKEN), (ANSWERS_MAGIC_ONLY, bytes(32))], ids=["10_kB", "the_magic_only"]
)
def test_an_answer_that_begins_with_the_magic_is_taken(bed: Bed, mode: int, outcome: bytes) -> None:
    bed.app.send("behave", mode)
    proposal = bed.message()
    committed = bed.commit(proposal).log("MessageCommitted")
    assert (committed["executed"], committed["outcome"]) == (True, outcome)
    assert (bed.taken(proposal), bed.status(proposal)) == (1, 0)


ANSWERS = {
    "a_revert": REVERTS,
    "a_revert_with_10_kB": REVERTS_LONG,
    "31_bytes": ANSWERS_31_BYTES,
    "another_magic": ANSWERS_OTHER_MAGIC,
    "nothing": ANSWERS_NOTHING,
    "all_gas_burnt": BURNS_ALL_GAS,
}


@pytest.mark.parametrize("name", ANSWERS)
def test_it_is_stored_as_failed_after(bed: Bed, name: str) -> None:
    bed.app.send("behave", ANSWERS[name])
    proposal = bed.message()
    committed = bed.commit(proposal).log("MessageCommitted")
    assert (committed["executed"], bed.status(proposal), bed.is_committed(proposal)) == (False, FAILED, True)
    bed.app.send("behave", 0)
    assert bed.retry(proposal).log("MessageCommitted")["executed"]
    assert bed.status(proposal) == 0


def test_an_application_cannot_make_its_delivery_cost_more_than_its_gas_limit() -> None:
    exact = Bed.lay(exact=True)
    exact.commit(exact.message(sequence=0))  # from here on the word of the replay map is in use
    plain = exact.commit(exact.message(sequence=1)).gas_frame
    spent = {}
    for place, mode in enumerate((REVERTS, REVERTS_LONG, ANSWERS_LONG, BURNS_ALL_GAS), start=2):
        exact.app.send("behave", mode)
        spent[mode] = exact.commit(exact.message(sequence=place, gas_limit=200_000)).gas_frame
    assert spent[BURNS_ALL_GAS] < plain + 200_000 + 25_000  # the 25,000 store the failure
    # 10 kB that are returned are paid by the application alone: the gateway copies two words of them.
    assert spent[REVERTS_LONG] - spent[REVERTS] < 6_000
    assert spent[ANSWERS_LONG] - plain < 40_000


# -- gas


def test_J01_a_relay_cannot_starve_the_call_and_have_it_stored_as_failed(bed: Bed) -> None:
    proposal = bed.message(gas_limit=2_000_000)
    for gas in (2_000_000, 2_000_000 + 2_000_000 // 63, 2_091_000):
        with bed.refused("Gateway: not enough gas"):
            bed.commit(proposal, gas=gas)
    # The least gas with which it goes through, to a thousand: whatever a relay gives, the application gets its limit.
    low, high = 2_091_000, 2_600_000
    while high - low > 1_000:
        gas = (low + high) // 2
        with bed.evm.rolled_back():
            try:
                bed.commit(proposal, gas=gas)
            except Reverted:
                low = gas
                continue
            assert bed.taken(proposal) == 1
            assert bed.app.call("last")[2] >= 2_000_000 - 1_000  # spent before the first line of the application
            high = gas
    bed.commit(proposal, gas=high)
    assert bed.taken(proposal) == 1


def test_the_application_gets_no_more_gas_than_the_message_says(bed: Bed) -> None:
    bed.commit(bed.message(gas_limit=300_000))
    assert 299_000 < bed.app.call("last")[2] <= 300_000


def test_a_message_with_too_little_gas_fails_and_is_stored(bed: Bed) -> None:
    proposal = bed.message(gas_limit=3_000)
    assert not bed.commit(proposal).log("MessageCommitted")["executed"]
    assert bed.status(proposal) == FAILED


# -- reentrancy


def answered(bed: Bed) -> str:
    """The reason with which the call from inside the delivery was refused."""
    return Reverted.of(bed.app.call("answer"), where="").reason


def test_a_delivery_cannot_commit_another_message(bed: Bed) -> None:
    outer, inner = bed.message(), bed.message()
    proof = as_arguments(bed.certificate(inner))
    call = bed.gateway.interface.encode_call("commit", inner.message.as_delivery(), inner.payload, *proof)
    bed.app.send("call_back", bed.gateway.address, call)
    assert bed.commit(outer).log("MessageCommitted")["executed"]
    assert answered(bed) == "Gateway: no commit inside a delivery"
    assert (bed.taken(outer), bed.taken(inner), bed.is_committed(inner)) == (1, 0, False)
    bed.app.send("behave", 0)
    bed.commit(inner)


def test_a_delivery_cannot_commit_itself_again(bed: Bed) -> None:
    proposal = bed.message()
    proof = as_arguments(bed.certificate(proposal))
    call = bed.gateway.interface.encode_call("commit", proposal.message.as_delivery(), proposal.payload, *proof)
    bed.app.send("call_back", bed.gateway.address, call)
    bed.commit(proposal)
    assert answered(bed) == "Gateway: no commit inside a delivery"
    assert bed.taken(proposal) == 1


def test_a_delivery_cannot_commit_several(bed: Bed) -> None:
    outer, inner = bed.message(), bed.message()
    call = bed.gateway.interface.encode_call("commit_together", *bed.together_arguments([inner]))
    bed.app.send("call_back", bed.gateway.address, call)
    bed.commit(outer)
    assert answered(bed) == "Gateway: no commit inside a delivery"
    assert not bed.is_committed(inner)


def test_a_delivery_cannot_retry_a_message_not_even_itself(bed: Bed) -> None:
    failed = bed.message()
    bed.app.send("behave", REVERTS)
    bed.commit(failed)
    call = bed.gateway.interface.encode_call("retry", failed.message.as_delivery(), failed.payload)
    bed.app.send("call_back", bed.gateway.address, call)
    bed.commit(bed.message())
    assert (answered(bed), bed.taken(failed)) == ("Gateway: no commit inside a delivery", 0)
    bed.retry(failed)  # which tries to retry itself
    assert (answered(bed), bed.taken(failed)) == ("Gateway: no commit inside a delivery", 1)


def test_a_delivery_may_send(bed: Bed) -> None:
    recipient = bytes.fromhex("00010000021bbd14") + SENDER
    call = bed.gateway.interface.encode_call("sendMessage", recipient, b"answer", [])
    bed.app.send("call_back", bed.gateway.address, call)
    outcome = bed.commit(bed.message())
    assert outcome.log("MessageSent")["payload"] == b"answer"
    assert outcome.log("MessageCommitted")["executed"]


def test_after_a_delivery_the_gateway_takes_the_next_in_the_same_transaction(bed: Bed) -> None:
    first, second = bed.message(), bed.message()
    bed.app.send("behave", REVERTS)
    bed.together([first, second])
    assert (bed.status(first), bed.status(second)) == (FAILED, FAILED)


# -- whom it calls, and with what


def test_H01_no_privileged_contract_has_an_owner_who_could_open_a_lane_to_it() -> None:
    """A lane is opened by `owner()` of its recipient. A registry has one, and does nothing when it is called."""
    owned = {name for name in CONTRACTS if "owner" in interface(artifact(name)).functions}
    takes = {name for name in CONTRACTS if "receiveMessage" in interface(artifact(name)).functions}
    privileged = {"Gateway", "Committee", "Administration", "LightClient", "CertifiedHeaders", "ReceiptObserver"}
    assert not privileged & (owned | takes)
    assert owned - takes == {"AnchorRegistry", "TransactionRegistry"}
    assert not [name for name in CONTRACTS for entry in artifact(name).abi if entry["type"] in ("fallback", "receive")]


def test_H01_no_other_function_has_the_selector_that_a_gateway_calls() -> None:
    for name in CONTRACTS:
        for function, (selector, _, _) in interface(artifact(name)).functions.items():
            assert (selector == RECEIVE) == (function == "receiveMessage"), (name, function)


@pytest.mark.parametrize("name", ["gateway", "committee", "administration"])
def test_H01_no_lane_is_opened_to_a_privileged_contract(bed: Bed, name: str) -> None:
    target = getattr(bed, name).address
    for caller in (OWNER, STRANGER):
        with bed.refused(""):
            bed.administration.send("open_lane", PEER.chain_id, SENDER, target, 1, False, by=caller)


@pytest.mark.parametrize("recipient", [STRANGER, b"\x99" * 20, bytes(20)], ids=["an_account", "nothing", "zero"])
def test_no_lane_is_opened_to_what_has_no_code(bed: Bed, recipient: bytes) -> None:
    for caller in (OWNER, STRANGER, recipient):
        with bed.refused(""):
            bed.administration.send("open_lane", PEER.chain_id, SENDER, recipient, 1, False, by=caller)


def test_only_receiveMessage_is_called_and_only_with_what_was_sent(bed: Bed) -> None:
    # The payload is call data of `call_back`: it arrives as bytes and is never a call.
    hostile = bed.app.interface.encode_call("behave", REVERTS)
    bed.commit(bed.message(hostile))
    assert bed.app.call("last")[1] == keccak256(hostile)
    assert bed.commit(bed.message()).log("MessageCommitted")["executed"]


def test_an_application_hears_nobody_but_its_gateway(bed: Bed) -> None:
    with bed.refused("Recipient: not the gateway"):
        bed.app.send("receiveMessage", word(1), b"", b"", by=STRANGER)


def test_the_longest_payload_arrives_whole(bed: Bed) -> None:
    payload = bytes(range(256)) * 4
    bed.commit(bed.message(payload))
    assert bed.app.call("last")[1] == keccak256(payload)
    too_long = bed.message(payload + b"\x00")
    with bed.refused(""):
        bed.commit(too_long)


def test_an_empty_payload_arrives_empty(bed: Bed) -> None:
    proposal: Proposal = bed.message(b"")
    bed.commit(proposal)
    assert (bed.taken(proposal), bed.app.call("last")[1]) == (1, keccak256(b""))


def test_two_applications_on_one_gateway_do_not_hear_each_other(bed: Bed) -> None:
    other = bed.evm.deploy(HERE / "Recipient.vy", bed.gateway.address)
    bed.administration.send("open_lane", PEER.chain_id, SENDER, other.address, 1, False)
    proposal = bed.message(recipient=other.address)
    bed.commit(proposal)
    assert (other.call("taken", proposal.message.id), bed.taken(proposal)) == (1, 0)
