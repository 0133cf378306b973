"""A vault and its voucher: value leaves once, stands once, and comes back once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from contracts.manifest import Role
from ledger.conservation import MAX_UNITS, Transfer
from ledger.interoperable import encode
from ledger.proposal import Proposal
from tests.contracts.evm import STRANGER, Deployed, Evm, Reverted
from tests.contracts.value_bed import (
    ALICE,
    BOB,
    CAP,
    COMES_BACK,
    DEPLOYER,
    ENDED,
    FAILED,
    HELD,
    HERE,
    IN_FLIGHT,
    WEALTH,
    WINDOW,
    WINDOW_CAP,
    ValueBed,
)
from tests.contracts.world import CHAIN_IDS
from tests.contracts.world import word as text

PEER_CHAIN, REGISTRY_CHAIN = 7201, 7203
PEER, REGISTRY = b"\x1a" * 20, b"\x1b" * 20
HONEST, KEEPS_A_FEE, ANSWERS_FALSE, REVERTS, MOVES_NOTHING, MOVES_ONE_MORE, CALLS_BACK = range(7)


@pytest.fixture(scope="module")
def laid() -> ValueBed:
    return ValueBed.lay()


@pytest.fixture
def bed(laid: ValueBed) -> Iterator[ValueBed]:
    yield laid
    laid.rewind()


def refused(bed: ValueBed, act: Callable[[], Any], reason: str) -> None:
    """Refused for this reason, with nothing changed at either end, at a gateway or at the tokens."""
    contracts = (*bed.ends.values(), *(site.gateway for site in bed.sites.values()), bed.token, bed.collection)
    before = [contract.evm.fingerprint(contract) for contract in contracts]
    with pytest.raises(Reverted) as said:
        act()
    assert said.value.reason == reason
    assert [contract.evm.fingerprint(contract) for contract in contracts] == before


def committed(bed: ValueBed, proposal: Proposal) -> tuple[bool, bytes]:
    """Commit; whether the application took it, and what it answered."""
    fields = bed.commit(proposal).log("MessageCommitted")
    return fields["executed"], bytes(fields["outcome"]).rstrip(b"\x00")


def vouchers(bed: ValueBed, account: bytes, asset: bytes | None = None) -> int:
    return int(bed.voucher.call("balances", asset or bed.asset, account))


def state(bed: ValueBed, proposal: Proposal, role: Role = Role.ORIGIN) -> int:
    return int(bed.ends[role].call("deposit_state", proposal.message.id))


# -- the way there and back ------------------------------------------------------------------------------------------


def test_what_is_locked_stands_as_vouchers_and_what_is_burned_is_paid_out(bed: ValueBed) -> None:
    there = bed.lock(100)
    assert Transfer.read(there.payload) == Transfer(bed.asset, 100, 100, BOB)
    assert bed.law() == (0, 100)
    assert committed(bed, there) == (True, b"minted")
    assert (vouchers(bed, BOB), bed.law()) == (100, (100, 100))
    back = bed.burn(40)
    assert bed.law() == (60, 100)
    assert committed(bed, back) == (True, b"released")
    assert bed.law() == (60, 60)
    bed.vault.send("withdraw", ALICE, bed.asset, by=STRANGER)
    assert bed.token.call("balanceOf", ALICE) == WEALTH - 60


def test_totals_count_up_and_tell_equal_transfers_apart(bed: ValueBed) -> None:
    first, second = bed.lock(7), bed.lock(7)
    assert (Transfer.read(first.payload).total, Transfer.read(second.payload).total) == (7, 14)
    assert committed(bed, second) == committed(bed, first) == (True, b"minted")


def test_an_item_is_an_asset_of_quantity_one(bed: ValueBed) -> None:
    asset = bed.item(1)
    assert committed(bed, bed.lock_item(1)) == (True, b"minted")
    assert (vouchers(bed, BOB, asset), bed.law(asset), bed.law()) == (1, (1, 1), (0, 0))
    refused(bed, lambda: bed.lock_item(1), "Vault: not the item's owner")
    assert committed(bed, bed.burn(1, asset=asset)) == (True, b"released")
    bed.vault.send("withdraw", ALICE, asset)
    assert bed.collection.call("ownerOf", 1) == ALICE
    bed.lock_item(1)
    assert bed.law(asset) == (0, 1)


def test_vouchers_are_handed_on_and_conserved(bed: ValueBed) -> None:
    bed.commit(bed.lock(10))
    bed.voucher.send("transfer", bed.asset, ALICE, 4, by=BOB)
    assert (vouchers(bed, ALICE), vouchers(bed, BOB), bed.law()) == (4, 6, (10, 10))
    for quantity, reason in ((7, "Voucher: balance too small"), (0, "Voucher: no quantity")):
        refused(bed, lambda q=quantity: bed.voucher.send("transfer", bed.asset, ALICE, q, by=BOB), reason)  # type: ignore[misc]
        refused(bed, lambda q=quantity: bed.burn(q), reason)  # type: ignore[misc]
    for nobody in (bytes(20), bed.voucher.address):
        refused(
            bed,
            lambda to=nobody: bed.voucher.send("transfer", bed.asset, to, 1, by=BOB),  # type: ignore[misc]
            "Voucher: no receiver",
        )


def test_F09_6_and_18_decimals_are_the_same_units_on_both_sides(bed: ValueBed) -> None:
    for quantity in (1, 3, CAP):
        before = vouchers(bed, BOB)
        bed.commit(bed.lock(quantity))
        assert vouchers(bed, BOB) - before == quantity


# -- F04: what was not really locked -----------------------------------------------------------------------------------

BAD_TOKENS = {
    "keeps_a_fee": (KEEPS_A_FEE, "Vault: token moved another amount"),
    "answers_false": (ANSWERS_FALSE, "Vault: token refused"),
    "reverts": (REVERTS, "TestToken: paused"),
    "moves_nothing": (MOVES_NOTHING, "Vault: token moved another amount"),
    "moves_one_more": (MOVES_ONE_MORE, "Vault: token moved another amount"),
}


def misbehave(bed: ValueBed, mode: int, call_back: bytes = b"") -> None:
    bed.token.send("misbehave", mode, bed.vault.address, call_back)


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_F04_nothing_is_locked_with_a_token_that(bed: ValueBed, name: str) -> None:
    mode, reason = BAD_TOKENS[name]
    misbehave(bed, mode)
    refused(bed, lambda: bed.lock(100), reason)
    misbehave(bed, HONEST)
    bed.lock(100)
    assert bed.law() == (0, 100)


@pytest.mark.parametrize("name", sorted(set(BAD_TOKENS) - {"keeps_a_fee"}))
def test_F04_nothing_is_paid_out_and_the_debt_stays_with_a_token_that(bed: ValueBed, name: str) -> None:
    mode, reason = BAD_TOKENS[name]
    bed.commit(bed.lock(101))
    bed.commit(bed.burn(100))
    misbehave(bed, mode)
    refused(bed, lambda: bed.vault.send("withdraw", ALICE, bed.asset), reason)
    misbehave(bed, HONEST)
    bed.vault.send("withdraw", ALICE, bed.asset)
    refused(bed, lambda: bed.vault.send("withdraw", ALICE, bed.asset), "Vault: nothing owed")


def test_F04_a_token_that_calls_back_finds_the_vault_closed(bed: ValueBed) -> None:
    bed.commit(bed.lock(100))
    bed.commit(bed.burn(60))
    for call_back in (
        bed.vault.interface.encode_call("withdraw", ALICE, bed.asset),
        bed.vault.interface.encode_call("lock", bed.token.address, 5, BOB),
    ):
        misbehave(bed, CALLS_BACK, call_back)
        bed.lock(5)
        assert bed.token.call("answered") is False
    bed.vault.send("withdraw", ALICE, bed.asset)
    assert bed.token.call("answered") is False
    assert (bed.law(), bed.token.call("balanceOf", bed.vault.address)) == ((40, 50), 50)


def test_an_account_that_a_token_blocks_stands_in_nobodys_way(bed: ValueBed) -> None:
    bed.commit(bed.lock(100))
    bed.token.send("block_account", ALICE)
    for account in (ALICE, BOB):
        assert committed(bed, bed.burn(50, beneficiary=account)) == (True, b"released")
    refused(bed, lambda: bed.vault.send("withdraw", ALICE, bed.asset), "TestToken: blocked")
    bed.vault.send("withdraw", BOB, bed.asset)
    assert bed.token.call("balanceOf", BOB) == WEALTH + 50


UNLOCKABLE: dict[str, tuple[Callable[[ValueBed], Any], str]] = {
    "no_quantity": (lambda bed: bed.lock(0), "Vault: no quantity"),
    "F09_more_units_than_are_counted": (lambda bed: bed.lock(MAX_UNITS + 1), "Gateway: quantity"),
    "F09_all_ones": (lambda bed: bed.lock(2**256 - 1), "ValueEnd: books"),
    "no_beneficiary": (lambda bed: bed.lock(1, beneficiary=bytes(20)), "ValueEnd: no beneficiary"),
    "a_token_that_is_not_listed": (
        lambda bed: bed.vault.send("lock", STRANGER, 1, BOB, by=ALICE),
        "Vault: token not listed",
    ),
    "a_collection_as_if_it_were_a_token": (
        lambda bed: bed.vault.send("lock", bed.collection.address, 1, BOB, by=ALICE),
        "Vault: token not listed",
    ),
    "a_token_as_if_it_were_a_collection": (
        lambda bed: bed.vault.send("lock_item", bed.token.address, 1, BOB, by=ALICE),
        "Vault: token not listed",
    ),
    "another_ones_item": (lambda bed: bed.lock_item(1, by=BOB), "Vault: not the item's owner"),
}


@pytest.mark.parametrize("name", UNLOCKABLE)
def test_F04_nothing_is_locked_for(bed: ValueBed, name: str) -> None:
    act, reason = UNLOCKABLE[name]
    bed.token.send("mint", ALICE, 2**200)
    refused(bed, lambda: act(bed), reason)
    bed.lock(1)
    bed.lock_item(1)


def test_F04_an_item_that_does_not_arrive_or_is_here_already_is_not_locked(bed: ValueBed) -> None:
    for mode, named, reason in (
        (1, ALICE, "TestCollection: paused"),
        (2, ALICE, "Vault: item did not arrive"),
    ):
        bed.collection.send("misbehave", mode, named)
        refused(bed, lambda: bed.lock_item(1), reason)
    bed.collection.send("misbehave", 0, ALICE)
    bed.lock_item(1)
    bed.collection.send("misbehave", 3, ALICE)
    refused(bed, lambda: bed.lock_item(1), "Vault: item is locked")


def test_F04_an_item_that_does_not_leave_stays_owed(bed: ValueBed) -> None:
    asset = bed.item(1)
    committed(bed, bed.lock_item(1))
    committed(bed, bed.burn(1, asset=asset))
    bed.collection.send("misbehave", 2, ALICE)
    refused(bed, lambda: bed.vault.send("withdraw", ALICE, asset), "Vault: item did not leave")
    bed.collection.send("misbehave", 0, ALICE)
    bed.vault.send("withdraw", ALICE, asset)
    assert bed.collection.call("ownerOf", 1) == ALICE


def test_only_the_owner_lists_a_token_once_and_it_has_code(bed: ValueBed) -> None:
    for arguments, by, reason in (
        ((bed.registry.address, False), ALICE, "Vault: not the owner"),
        ((bytes(20), False), DEPLOYER, "Vault: no token"),
        ((STRANGER, False), DEPLOYER, "Vault: no token"),
        ((bed.token.address, True), DEPLOYER, "Vault: listed before"),
    ):
        refused(bed, lambda a=arguments, b=by: bed.vault.send("list_token", *a, by=b), reason)  # type: ignore[misc]


def test_nobody_mints_releases_or_changes_the_other_end_by_hand(bed: ValueBed) -> None:
    """Every function that writes, at either end."""
    shared = {"receiveMessage", "take_back"}
    assert writers(bed, Role.DESTINATION) == shared | {"transfer", "burn"}
    assert writers(bed, Role.ORIGIN) == shared | {"lock", "lock_item", "list_token", "withdraw"}


def writers(bed: ValueBed, role: Role) -> set[str]:
    from contracts.compiler import artifact
    from tests.contracts.value_bed import ENDS

    return {
        entry["name"]
        for entry in artifact(ENDS[role]).abi
        if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure")
    }


# -- who is listened to ------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Desk:
    """Both ends behind a test gateway on one chain, to hear why exactly a delivery is refused."""

    office: Deployed
    vault: Deployed
    voucher: Deployed
    token: Deployed

    @classmethod
    def open(cls) -> Desk:
        evm = Evm()
        office = evm.deploy(HERE / "ValueOffice.vy")
        ends = (PEER_CHAIN, PEER, REGISTRY_CHAIN, REGISTRY)
        vault, voucher = (evm.deploy(name, office.address, *ends) for name in ("Vault", "Voucher"))
        token = evm.deploy(HERE / "TestToken.vy")
        token.send("mint", ALICE, WEALTH)
        vault.send("list_token", token.address, False)
        return cls(office, vault, voucher, token)

    @property
    def asset(self) -> bytes:
        return self.token.address.rjust(32, b"\x00")

    def lock(self, quantity: int) -> bytes:
        return bytes(self.vault.send("lock", self.token.address, quantity, BOB, by=ALICE).values)

    def deliver(self, end: Deployed, sender: bytes, payload: bytes, kind: int = 4) -> bytes:
        answer = self.office.send("deliver", end.address, sender, payload, kind).values
        return bytes(answer).rstrip(b"\x00")

    def answer(self, message: bytes, outcome: bytes) -> bytes:
        return self.deliver(self.vault, encode(REGISTRY_CHAIN, REGISTRY), message + text(outcome), 3)

    def refused(self, act: Callable[[], Any], reason: str) -> None:
        """Refused for this reason, with nothing changed."""
        before = self.office.evm.fingerprint()
        with pytest.raises(Reverted) as said:
            act()
        assert said.value.reason == reason
        assert self.office.evm.fingerprint() == before


@pytest.fixture
def desk() -> Desk:
    return Desk.open()


STRANGERS = {
    "another_contract_of_that_chain": encode(PEER_CHAIN, STRANGER),
    "the_same_address_on_another_chain": encode(PEER_CHAIN + 1, PEER),
    "the_registry_on_another_chain": encode(PEER_CHAIN, REGISTRY),
    "nobody": b"",
}


@pytest.mark.parametrize("name", STRANGERS)
def test_F03_value_does_not_come_from(desk: Desk, name: str) -> None:
    payload = Transfer(desk.asset, 5, 5, ALICE).encode()
    desk.refused(lambda: desk.deliver(desk.voucher, STRANGERS[name], payload), "ValueEnd: not the other end")
    assert desk.deliver(desk.voucher, encode(PEER_CHAIN, PEER), payload) == b"minted"


@pytest.mark.parametrize("kind", [0, 1, 2, 3])
def test_F05_value_does_not_come_as_another_kind(desk: Desk, kind: int) -> None:
    delivery = (desk.voucher, encode(PEER_CHAIN, PEER), Transfer(desk.asset, 5, 5, ALICE).encode())
    desk.refused(lambda: desk.deliver(*delivery, kind), "ValueEnd: not a transfer")
    assert desk.deliver(*delivery) == b"minted"


def test_only_the_gateway_delivers(desk: Desk) -> None:
    arguments = (bytes(32), encode(PEER_CHAIN, PEER), Transfer(desk.asset, 5, 5, ALICE).encode())
    for end in (desk.vault, desk.voucher):
        desk.refused(lambda e=end: e.send("receiveMessage", *arguments), "ValueEnd: not the gateway")  # type: ignore[misc]


BENEFICIARIES = {
    "nobody": bytes(32),
    "more_than_an_address": b"\x01" + bytes(11) + ALICE,
    "a_word_too_many": ALICE.rjust(32, b"\x00") + bytes(32),
    "a_byte_too_few": ALICE.rjust(32, b"\x00")[:-1],
    "nothing_at_all": b"",
}


@pytest.mark.parametrize("name", BENEFICIARIES)
def test_a_transfer_is_answered_with_a_refusal_whose_beneficiary_is(desk: Desk, name: str) -> None:
    desk.lock(5)
    payload = Transfer(desk.asset, 5, 5, ALICE).encode()
    for end, done in ((desk.vault, b"released"), (desk.voucher, b"minted")):
        before = end.call("books", desk.asset)
        assert desk.deliver(end, encode(PEER_CHAIN, PEER), payload[:96] + BENEFICIARIES[name]) == b"no such beneficiary"
        assert end.call("books", desk.asset) == before
        assert desk.deliver(end, encode(PEER_CHAIN, PEER), payload) == done


def test_F03_a_vault_that_looks_alike_has_no_lane(bed: ValueBed) -> None:
    proposal = bed.lock(5)
    lookalike = bed.forge(proposal, proposal.payload, sender=STRANGER)
    refused(bed, lambda: bed.commit(lookalike), "Gateway: lane not open")
    assert committed(bed, proposal) == (True, b"minted")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((CHAIN_IDS[Role.ORIGIN], bytes(20), 7103, ALICE), "ValueEnd: incomplete"),
        ((CHAIN_IDS[Role.ORIGIN], ALICE, 7103, bytes(20)), "ValueEnd: incomplete"),
        ((7199, ALICE, 7103, BOB), "ValueEnd: unknown chain"),
        ((7103, ALICE, 7103, ALICE), "ValueEnd: the registry is no end"),
        ((7101, ALICE, 7102, BOB), "ValueEnd: the transaction chain acknowledges none of its own"),
    ],
)
def test_an_end_is_not_created_with(bed: ValueBed, arguments: tuple[Any, ...], reason: str) -> None:
    site = bed.sites[Role.DESTINATION]
    refused(bed, lambda: site.evm.deploy("Voucher", site.gateway.address, *arguments), reason)


# -- what comes back ---------------------------------------------------------------------------------------------------


def unfinished(bed: ValueBed, why: str) -> tuple[Proposal, Proposal]:
    """A lock that came to nothing, and its acknowledgement."""
    proposal = bed.lock(100, beneficiary=bed.voucher.address if why == "refused" else BOB)
    if why == "refused":
        assert committed(bed, proposal) == (True, b"no such beneficiary")
        return proposal, bed.close(proposal, b"no such beneficiary")
    if why == "void":
        bed.order_void(proposal)
        return proposal, bed.void(proposal)
    bed.wait(proposal.message.expiry)
    return proposal, bed.expire(proposal)


@pytest.mark.parametrize("why", ["refused", "void", "expired"])
def test_a_lock_comes_back_once_when_its_transfer_was(bed: ValueBed, why: str) -> None:
    proposal, answer = unfinished(bed, why)
    refused(bed, lambda: bed.take_back(proposal, ALICE), "ValueEnd: nothing comes back")
    assert state(bed, proposal) == IN_FLIGHT
    assert committed(bed, answer)[0]
    assert (state(bed, proposal), bed.law()) == (COMES_BACK, (0, 100))
    refused(bed, lambda: bed.take_back(proposal, BOB), "ValueEnd: nothing comes back")
    bed.take_back(proposal, ALICE)
    assert (state(bed, proposal), bed.law()) == (ENDED, (0, 0))
    refused(bed, lambda: bed.take_back(proposal, ALICE), "ValueEnd: nothing comes back")
    bed.vault.send("withdraw", ALICE, bed.asset)
    assert bed.token.call("balanceOf", ALICE) == WEALTH


def test_a_burn_comes_back_once_when_its_transfer_expired(bed: ValueBed) -> None:
    bed.commit(bed.lock(100))
    back = bed.burn(30)
    bed.wait(back.message.expiry)
    bed.commit(bed.expire(back))
    bed.take_back(back, BOB)
    assert (vouchers(bed, BOB), bed.law()) == (100, (100, 100))
    refused(bed, lambda: bed.take_back(back, BOB), "ValueEnd: nothing comes back")


def test_an_item_comes_back(bed: ValueBed) -> None:
    proposal = bed.lock_item(2)
    bed.wait(proposal.message.expiry)
    bed.commit(bed.expire(proposal))
    bed.take_back(proposal, ALICE)
    bed.vault.send("withdraw", ALICE, bed.item(2))
    assert bed.collection.call("ownerOf", 2) == ALICE


@pytest.mark.parametrize("first", [b"minted", b"released", b"expired", b"void", b"value is not backed"])
@pytest.mark.parametrize("second", [b"expired", b"void", b"minted", b"no such beneficiary"])
def test_F07_a_transfer_is_answered_once(desk: Desk, first: bytes, second: bytes) -> None:
    sent = desk.lock(100)
    desk.answer(sent, first)
    desk.refused(lambda: desk.answer(sent, second), "ValueEnd: answered before")
    deposit = (ALICE, desk.asset, 100)
    if first in (b"minted", b"released"):
        desk.refused(lambda: desk.vault.send("take_back", sent, deposit), "ValueEnd: nothing comes back")
        return
    for other in ((BOB, desk.asset, 100), (ALICE, bytes(32), 100), (ALICE, desk.asset, 101)):
        desk.refused(lambda o=other: desk.vault.send("take_back", sent, o), "ValueEnd: nothing comes back")  # type: ignore[misc]
    desk.vault.send("take_back", sent, deposit)
    desk.refused(lambda: desk.vault.send("take_back", sent, deposit), "ValueEnd: nothing comes back")
    desk.refused(lambda: desk.answer(sent, second), "ValueEnd: answered before")


def test_F07_an_acknowledgement_said_twice_brings_nothing_twice(bed: ValueBed) -> None:
    proposal, answer = unfinished(bed, "expired")
    bed.commit(answer)
    again = bed.forge(answer, answer.payload, sequence=10**6)
    assert committed(bed, again) == (False, b"")
    bed.take_back(proposal, ALICE)
    bed.wait(1)
    assert committed(bed, bed.forge(answer, answer.payload, sequence=10**6 + 1)) == (False, b"")
    assert (state(bed, proposal), bed.vault.call("owed", ALICE, bed.asset)) == (ENDED, 100)


@pytest.mark.parametrize("outcome", [b"", b"not for an application to say", b"mintedx", b"released\x01"])
def test_words_that_mean_neither_leave_the_value_where_it_is(desk: Desk, outcome: bytes) -> None:
    sent = desk.lock(100)
    desk.refused(lambda: desk.answer(sent, outcome), "ValueEnd: unknown outcome")
    desk.answer(sent, b"minted")


def test_an_acknowledgement_of_nothing_sent_here_is_refused(desk: Desk) -> None:
    desk.refused(lambda: desk.answer(b"\x09" * 32, b"expired"), "ValueEnd: nothing sent by this message")
    short = (desk.vault, encode(REGISTRY_CHAIN, REGISTRY), b"\x01" * 63, 3)
    desk.refused(lambda: desk.deliver(*short), "ValueEnd: acknowledgement length")


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_G06_at_the_expiry_a_transfer_is_delivered_or_comes_back(bed: ValueBed, offset: int) -> None:
    proposal = bed.lock(100)
    evm = bed.sites[Role.DESTINATION].evm
    bed.wait(proposal.message.expiry + offset - evm.time)
    if offset < 0:
        assert committed(bed, proposal) == (True, b"minted")
        bed.commit(bed.close(proposal, b"minted"))
        refused(bed, lambda: bed.take_back(proposal, ALICE), "ValueEnd: nothing comes back")
    else:
        refused(bed, lambda: bed.commit(proposal), "Gateway: expired")
        bed.commit(bed.expire(proposal))
        bed.take_back(proposal, ALICE)
    assert (vouchers(bed, BOB), bed.vault.call("owed", ALICE, bed.asset)) in ((100, 0), (0, 100))


def test_a_pause_stops_transfers_and_no_way_back(bed: ValueBed) -> None:
    proposal = bed.lock(100)
    bed.pause(Role.DESTINATION, 0)
    bed.pause(Role.ORIGIN, 1, is_inbound=False)
    refused(bed, lambda: bed.commit(proposal), "Gateway: lane paused")
    refused(bed, lambda: bed.lock(1), "Gateway: lane paused")
    bed.wait(proposal.message.expiry - bed.sites[Role.DESTINATION].evm.time)
    answer = bed.expire(proposal)
    bed.pause(Role.ORIGIN, 2, is_inbound=True)
    bed.commit(answer)
    bed.take_back(proposal, ALICE)
    assert bed.law() == (0, 0)


def test_a_new_generation_counts_anew_and_what_was_under_way_comes_back(bed: ValueBed) -> None:
    old = bed.lock(100)
    bed.advance(Role.ORIGIN, 2)
    refused(bed, lambda: bed.commit(old), "Gateway: lane not open")
    new = bed.lock(30)
    assert (new.message.generation, Transfer.read(new.payload).total) == (2, 30)
    assert committed(bed, new) == (True, b"minted")
    bed.wait(old.message.expiry - bed.sites[Role.DESTINATION].evm.time)
    bed.commit(bed.expire(old))
    bed.take_back(old, ALICE)
    assert bed.law() == (30, 30)


# -- F10: limits -------------------------------------------------------------------------------------------------------


def test_F10_a_transfer_beyond_the_limit_waits_for_a_quorum(bed: ValueBed) -> None:
    proposal = bed.lock(CAP + 1)
    assert [log.name for log in bed.commit(proposal).logs] == ["MessageHeld"]
    assert (bed.status(proposal), bed.law()) == (HELD, (0, CAP + 1))
    refused(bed, lambda: bed.retry(proposal), "Gateway: nothing to retry")
    with pytest.raises(Reverted, match="Committee: below quorum"):
        bed.approve(proposal, signers=(0, 1))
    bed.approve(proposal)
    assert bed.retry(proposal).log("MessageCommitted")["executed"]
    assert bed.law() == (CAP + 1, CAP + 1)
    refused(bed, lambda: bed.retry(proposal), "Gateway: nothing to retry")


def test_F10_a_window_is_used_up_and_begins_again(bed: ValueBed) -> None:
    for quantity in (CAP, CAP, WINDOW_CAP - 2 * CAP):
        assert committed(bed, bed.lock(quantity)) == (True, b"minted")
    over = bed.lock(1)
    assert [log.name for log in bed.commit(over).logs] == ["MessageHeld"]
    bed.wait(WINDOW)
    assert committed(bed, bed.lock(1)) == (True, b"minted")
    assert bed.status(over) == HELD


def test_F10_what_was_held_and_voided_comes_back(bed: ValueBed) -> None:
    proposal = bed.lock(CAP + 1)
    bed.commit(proposal)
    bed.order_void(proposal)
    refused(bed, lambda: bed.retry(proposal), "Gateway: nothing to retry")
    bed.commit(bed.void(proposal))
    bed.take_back(proposal, ALICE)
    assert bed.law() == (0, 0)


# -- F07: many times ---------------------------------------------------------------------------------------------------


def test_F07_one_deposit_through_143_hops_is_still_one(bed: ValueBed) -> None:
    bed.commit(bed.lock(10))
    spent: list[Proposal] = []
    for _ in range(71):
        hop = bed.burn(10)
        assert committed(bed, hop) == (True, b"released")
        bed.vault.send("withdraw", ALICE, bed.asset)
        spent += [hop, bed.lock(10)]
        assert committed(bed, spent[-1]) == (True, b"minted")
        for old in spent[-2:]:
            refused(bed, lambda p=old: bed.commit(p), "Gateway: already committed")  # type: ignore[misc]
            refused(bed, lambda p=old: bed.retry(p), "Gateway: nothing to retry")  # type: ignore[misc]
    assert len(spent) + 1 == 143
    assert (bed.law(), vouchers(bed, BOB)) == ((10, 10), 10)
    assert bed.token.call("balanceOf", ALICE) == WEALTH - 10
    assert all(bed.status(each) != FAILED for each in spent)
