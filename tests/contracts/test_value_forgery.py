"""A quorum that attests what is false on a value lane: what the contracts refuse all the same, and where it ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from contracts.manifest import Role
from ledger.conservation import Arrivals, Books, Transfer, check_come_back, check_transfer
from ledger.errors import Refused
from ledger.proposal import Kind, Proposal
from tests.contracts.committees import attested
from tests.contracts.evm import Reverted
from tests.contracts.value_bed import ALICE, CAP, RELAY, WINDOW_CAP, ValueBed
from tests.contracts.world import NOTARIES

THIEF = b"\x7f" * 20


@pytest.fixture(scope="module")
def laid() -> ValueBed:
    return ValueBed.lay()


@pytest.fixture
def bed(laid: ValueBed) -> Iterator[ValueBed]:
    yield laid
    laid.rewind()


def forged(bed: ValueBed, proposal: Proposal, quantity: int, total: int, kind: Kind = Kind.TRANSFER) -> Proposal:
    """A message of the thief's own, which a quorum will certify."""
    payload = Transfer(Transfer.read(proposal.payload).asset, quantity, total, THIEF).encode()
    return bed.forge(proposal, payload, sequence=10**6, kind=kind)


def books(bed: ValueBed, *, moving: int) -> Books:
    locked, released = bed.vault.call("books", bed.asset)
    minted, burned = bed.voucher.call("books", bed.asset)
    return Books(locked, released, minted, burned, moving)


@pytest.mark.parametrize(("quantity", "total"), [(1_000, 0), (101, 100), (1, 0), (2**112 - 1, 2**111)])
def test_F05_the_proof_is_true_and_the_economics_are_false(bed: ValueBed, quantity: int, total: int) -> None:
    proposal = bed.lock(100)
    said = forged(bed, proposal, quantity, total)
    before = bed.voucher.evm.fingerprint()
    with pytest.raises(Reverted) as refused:
        bed.commit(said)
    assert refused.value.reason == "Gateway: value is not backed"
    assert bed.voucher.evm.fingerprint() == before
    with pytest.raises(Refused) as twin:
        check_transfer(
            Transfer.read(said.payload), sent=100, arrivals=Arrivals(), books=books(bed, moving=100), to_vault=False
        )
    assert twin.value.code == "VALUE_UNBACKED"
    bed.commit(proposal)
    assert bed.law() == (100, 100)


@pytest.mark.parametrize("kind", [Kind.NOTICE, Kind.CALL, Kind.ACKNOWLEDGEMENT])
def test_F05_a_message_of_another_kind_is_not_counted_and_mints_nothing(bed: ValueBed, kind: Kind) -> None:
    proposal = bed.lock(100)
    said = forged(bed, proposal, 100, 100, kind)
    with pytest.raises(Reverted, match="Gateway: lane carries value only"):
        bed.commit(said)
    assert (bed.status(said), bed.law()) == (0, (0, 100))
    bed.commit(proposal)
    assert bed.law() == (100, 100)


def test_F05_a_vault_releases_no_more_than_it_holds_whatever_was_attested(bed: ValueBed) -> None:
    bed.commit(bed.lock(100))
    back = bed.burn(60)
    said = forged(bed, back, 101, 10**6)
    assert bytes(bed.commit(said).log("MessageCommitted")["outcome"]).rstrip(b"\x00") == b"value is not backed"
    assert bed.law() == (40, 100)
    bed.commit(back)
    assert bed.law() == (40, 40)


def test_F05_a_notary_sees_that_another_message_took_a_transfers_place(bed: ValueBed) -> None:
    """The theft itself is within what was sent. Nothing comes back any more, and the law holds."""
    proposal = bed.lock(100)
    transfer = Transfer.read(proposal.payload)
    check_come_back(transfer, books=books(bed, moving=100), to_vault=False)
    bed.commit(forged(bed, proposal, 100, 100))
    with pytest.raises(Reverted, match="Gateway: value is not backed"):
        bed.commit(proposal)
    with pytest.raises(Refused) as refused:
        check_come_back(transfer, books=books(bed, moving=100), to_vault=False)
    assert refused.value.code == "VALUE_UNBACKED"
    assert bed.law() == (100, 100)


def test_F05_a_quorum_that_takes_the_place_of_what_came_back_breaks_the_law_and_robs_only_what_is_locked(
    bed: ValueBed,
) -> None:
    """Where the protection of a lane of policy notary ends, written down: the destination cannot see what came back."""
    proposal = bed.lock(100)
    bed.wait(proposal.message.expiry)
    bed.commit(bed.expire(proposal))
    bed.take_back(proposal, ALICE)
    bed.commit(bed.lock(30, beneficiary=ALICE))
    expiry = bed.sites[Role.DESTINATION].evm.time + 1
    said = bed.forge(proposal, Transfer(bed.asset, 100, 130, THIEF).encode(), sequence=10**6, expiry=expiry)
    bed.commit(said)
    assert bed.law() == (130, 30)
    with pytest.raises(Refused) as refused:
        books(bed, moving=0)
    assert refused.value.code == "VALUE_UNBACKED"
    robbed = bed.commit(bed.burn(100, by=THIEF, beneficiary=THIEF)).log("MessageCommitted")
    assert bytes(robbed["outcome"]).rstrip(b"\x00") == b"value is not backed"
    assert bed.vault.call("owed", THIEF, bed.asset) == 0


# -- K09: the circuit breaker ------------------------------------------------------------------------------------------

BLOCK_SECONDS = 12


def unbacked(bed: ValueBed, genuine: Proposal, number: int, quantity: int, total: int) -> Proposal:
    """The thieves' next mint: nothing was locked for it, and its totals add up at the destination."""
    payload = Transfer(bed.asset, quantity, total, THIEF).encode()
    return bed.forge(genuine, payload, sequence=10**6 + number)


def mint_all(bed: ValueBed, genuine: Proposal) -> list[Proposal]:
    """Everything that the thieves can mint in one block, and more: what is too much is held."""
    total, tries = Transfer.read(genuine.payload).total, list[Proposal]()
    for number, quantity in enumerate((CAP, CAP, CAP, CAP + 1, 1)):
        total += quantity
        tries.append(unbacked(bed, genuine, number, quantity, total))
        bed.commit(tries[-1])
    return tries


def test_K09_an_unbacked_mint_leaks_no_more_than_the_cap_and_one_member_freezes_it_in_the_next_block(
    bed: ValueBed,
) -> None:
    genuine = bed.lock(10)
    bed.commit(genuine)
    tries = mint_all(bed, genuine)
    (minted, locked), thieved = bed.law(), bed.voucher.call("balances", bed.asset, THIEF)
    assert (thieved, minted - locked) == (2 * CAP + 1, 2 * CAP + 1), "the third is held, and one above the cap"
    assert minted <= WINDOW_CAP
    # The next block: an honest member, who was asked nothing and found minted > locked, pauses the lane alone.
    bed.wait(BLOCK_SECONDS)
    bed.pause(Role.DESTINATION, 3)
    last = unbacked(bed, genuine, 9, 1, Transfer.read(tries[-1].payload).total + 1)
    before = bed.voucher.evm.fingerprint()
    with pytest.raises(Reverted, match="Gateway: lane paused"):
        bed.commit(last)
    with pytest.raises(Reverted, match="Gateway: lane paused"):
        bed.retry(tries[2])
    assert bed.voucher.evm.fingerprint() == before
    assert bed.law()[0] == minted


def test_K09_the_thieves_signatures_are_the_evidence_that_ends_their_keys(bed: ValueBed) -> None:
    """A stolen key that signs for a place of the lane where another message stands: whoever holds both bars it."""
    genuine = bed.lock(10)
    payload = Transfer(bed.asset, 20, 20, THIEF).encode()
    rival = bed.forge(genuine, payload)
    bed.commit(rival)
    assert bed.law() == (20, 10)
    bed.wait(BLOCK_SECONDS)
    committee = bed.world.contract(Role.DESTINATION, "Committee")
    for key in NOTARIES[:2]:
        pair = [attested(each.message, key).as_abi() for each in (genuine, rival)]
        bed.sites[Role.DESTINATION].evm.at("Committee", committee.address).send("report", *pair, by=RELAY)
    following = bed.forge(genuine, Transfer(bed.asset, 5, 25, THIEF).encode(), sequence=10**6)
    before = bed.voucher.evm.fingerprint()
    with pytest.raises(Reverted, match="Committee"):
        bed.commit(following)
    assert bed.voucher.evm.fingerprint() == before
    assert bed.law() == (20, 10)
