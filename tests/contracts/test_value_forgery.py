"""A quorum that attests what is false on a value lane: what the contracts refuse all the same, and where it ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from contracts.manifest import Role
from ledger.conservation import Arrivals, Books, Transfer, check_come_back, check_transfer
from ledger.errors import Refused
from ledger.proposal import Kind, Proposal
from tests.contracts.evm import Reverted
from tests.contracts.value_bed import ALICE, ValueBed

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
