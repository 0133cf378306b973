"""One epoch after another: ordered by the current committee, seen coming, once, and never by anybody else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from ledger.membership import Purpose
from ledger.orders import WINDOW, order_digest
from ledger.rotation import rotation
from tests.contracts.committees import (
    DELAY,
    DIGEST,
    GRACE,
    SALT,
    Chamber,
    Said,
    key,
    member,
    members,
    proofs,
    signed,
)
from tests.contracts.evm import CHAIN_ID

OLD, NEW, LATER = members(0, 1, 2, 3), members(4, 5, 6, 7, 8), members(10, 11, 12, 13)
OTHER_SALT = b"\x02" * 32
NOT_THIS = Said("Committee: not this member's signature", "SIG_UNKNOWN")


@pytest.fixture
def chamber() -> Chamber:
    return Chamber.open(OLD)


def by_new(digest: bytes = DIGEST) -> bytes:
    """A quorum of the second epoch's five members."""
    return signed(digest, 0, 1, 2, 3, by=(4, 5, 6, 7))


def by_later(digest: bytes = DIGEST) -> bytes:
    """A quorum of the third epoch's four members."""
    return signed(digest, 0, 1, 2, by=(10, 11, 12))


def succeeded(chamber: Chamber) -> Chamber:
    """One honest rotation later."""
    chamber.succeed(NEW, 0, 1, 2)
    return chamber


def test_the_next_committee_begins_when_the_order_is_due(chamber: Chamber) -> None:
    assert chamber.order(NEW, 0, 1, 2) is None
    assert chamber.rotate(NEW) == Said("order: not due", "ORDER_EARLY")
    chamber.evm.time += DELAY - 1
    assert chamber.rotate(NEW) == Said("order: not due", "ORDER_EARLY")
    chamber.evm.time += 1
    assert chamber.rotate(NEW) is None
    started = chamber.log[-1].log("EpochStarted")
    assert started["epoch"] == 2
    assert started["members"] == tuple(each.as_abi() for each in NEW)
    assert chamber.check(2, DIGEST, by_new()) is True


def test_B01_a_past_epoch_counts_until_its_grace_period_is_over(chamber: Chamber) -> None:
    succeeded(chamber)
    old = signed(DIGEST, 0, 1, 2)
    chamber.evm.time += GRACE - 1
    assert chamber.check(1, DIGEST, old) is True
    assert chamber.check(1, DIGEST, old, "check_blocking") is True
    chamber.evm.time += 1
    for function in ("check", "check_blocking"):
        assert chamber.check(1, DIGEST, old, function) == Said("Committee: grace is over", "SET_EXPIRED")
    assert chamber.check(2, DIGEST, by_new()) is True


def test_B01_the_epoch_before_the_previous_is_refused_even_within_its_grace(chamber: Chamber) -> None:
    succeeded(chamber)
    chamber.succeed(LATER, 4, 5, 6, 7, salt=OTHER_SALT, places=(0, 1, 2, 3))
    assert chamber.check(1, DIGEST, signed(DIGEST, 0, 1, 2)) == Said("Committee: wrong epoch", "SET_EPOCH")
    assert chamber.check(2, DIGEST, by_new()) is True
    assert chamber.check(3, DIGEST, by_later()) is True


def test_one_epochs_signatures_are_nothing_under_anothers_name(chamber: Chamber) -> None:
    succeeded(chamber)
    assert chamber.check(2, DIGEST, signed(DIGEST, 0, 1, 2, 3)) == NOT_THIS
    assert chamber.check(1, DIGEST, signed(DIGEST, 0, 1, 2, by=(4, 5, 6))) == NOT_THIS


def test_a_grace_of_nothing_ends_the_epoch_at_once() -> None:
    chamber = succeeded(Chamber.open(OLD, grace=0))
    assert chamber.check(1, DIGEST, signed(DIGEST, 0, 1, 2)) == Said("Committee: grace is over", "SET_EXPIRED")


def test_B03_a_rotation_is_taken_once(chamber: Chamber) -> None:
    succeeded(chamber)
    assert chamber.rotate(NEW) == Said("order: not announced", "ORDER_UNKNOWN")
    assert chamber.order(NEW, 4, 5, 6, 7, places=(0, 1, 2, 3), salt=OTHER_SALT) is None, "the same members, again"
    chamber.evm.time += DELAY
    assert chamber.rotate(NEW, salt=OTHER_SALT) is None


def test_B03_no_epoch_is_jumped_over(chamber: Chamber) -> None:
    action = rotation(3, NEW)
    digest = chamber.twin.order_digest(action, SALT, 1)
    assert chamber.announce(action, signed(digest, 0, 1, 2)) is None
    chamber.evm.time += DELAY
    assert chamber.rotate(NEW) == Said("order: not announced", "ORDER_UNKNOWN")
    # Nor later, when it would be the next one: the epoch it was signed in is over.
    chamber.succeed(LATER, 0, 1, 2, salt=OTHER_SALT)
    assert chamber.rotate(NEW) == Said("order: of an earlier epoch", "ORDER_LAPSED")


def test_B03_of_two_orders_for_one_epoch_the_second_is_nothing(chamber: Chamber) -> None:
    assert chamber.order(NEW, 0, 1, 2) is None
    assert chamber.order(LATER, 1, 2, 3, salt=OTHER_SALT) is None
    chamber.evm.time += DELAY
    assert chamber.rotate(NEW) is None
    assert chamber.rotate(LATER, salt=OTHER_SALT) == Said("order: not announced", "ORDER_UNKNOWN")


ELSEWHERE: dict[str, Callable[[Chamber], bytes]] = {
    "another chain": lambda c: order_digest(
        chain_id=CHAIN_ID + 1, contract=c.contract.address, action=rotation(2, NEW), salt=SALT, epoch=1
    ),
    "another contract": lambda c: order_digest(
        chain_id=CHAIN_ID, contract=b"\x66" * 20, action=rotation(2, NEW), salt=SALT, epoch=1
    ),
    "another salt": lambda c: c.twin.order_digest(rotation(2, NEW), OTHER_SALT, 1),
    "other members": lambda c: c.twin.order_digest(rotation(2, LATER), SALT, 1),
    "another epoch": lambda c: c.twin.order_digest(rotation(2, NEW), SALT, 2),
}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_B03_an_order_made_for(chamber: Chamber, name: str) -> None:
    digest = ELSEWHERE[name](chamber)
    assert chamber.announce(rotation(2, NEW), signed(digest, 0, 1, 2)) == NOT_THIS
    assert chamber.order(NEW, 0, 1, 2) is None


def test_B04_a_committee_does_not_order_itself(chamber: Chamber) -> None:
    assert chamber.order(NEW, 4, 5, 6, places=(0, 1, 2)) == NOT_THIS
    assert chamber.order(NEW, 0, 1) == Said("Committee: below quorum", "QUORUM")
    assert chamber.order(NEW, 0, 1, 2) is None


def test_B04_a_past_committee_orders_nothing_even_in_its_grace(chamber: Chamber) -> None:
    succeeded(chamber)
    action = rotation(3, LATER)
    for epoch, reason in ((1, Said("Committee: not the current epoch", "SET_EPOCH")), (2, NOT_THIS)):
        digest = chamber.twin.order_digest(action, SALT, epoch)
        assert chamber.announce(action, signed(digest, 0, 1, 2, 3), epoch=epoch) == reason
    assert chamber.order(LATER, 4, 5, 6, 7, places=(0, 1, 2, 3)) is None


def test_B04_an_order_announced_before_a_rotation_dies_with_its_epoch(chamber: Chamber) -> None:
    action = rotation(3, OLD)
    digest = chamber.twin.order_digest(action, OTHER_SALT, 1)
    assert chamber.announce(action, signed(digest, 0, 1, 2), salt=OTHER_SALT) is None
    succeeded(chamber)
    assert chamber.rotate(OLD, salt=OTHER_SALT) == Said("order: of an earlier epoch", "ORDER_LAPSED")


def test_an_order_lapses(chamber: Chamber) -> None:
    assert chamber.order(NEW, 0, 1, 2) is None
    chamber.evm.time += DELAY + WINDOW
    assert chamber.rotate(NEW) == Said("order: lapsed", "ORDER_LAPSED")
    chamber.evm.time -= 1
    assert chamber.rotate(NEW) is None


def test_an_order_is_announced_once(chamber: Chamber) -> None:
    assert chamber.order(NEW, 0, 1, 2) is None
    assert chamber.order(NEW, 1, 2, 3) == Said("order: announced before", "ORDER_REPEATED")
    succeeded_action = rotation(2, NEW)
    due = chamber.contract.call("order_due", succeeded_action, SALT)
    assert due == chamber.evm.time + DELAY


def test_only_the_members_that_were_ordered_come_in(chamber: Chamber) -> None:
    assert chamber.order(NEW, 0, 1, 2) is None
    chamber.evm.time += DELAY
    reordered = (NEW[1], NEW[0], *NEW[2:])
    another = (*NEW[:4], replace(NEW[4], oprf=b"\x09" * 32))
    for records in (NEW[:4], reordered, another, LATER):
        assert chamber.rotate(records) == Said("order: not announced", "ORDER_UNKNOWN")
    assert chamber.rotate(NEW) is None


def ordered(chamber: Chamber, records: tuple[object, ...]) -> Chamber:
    """An order for these records is due."""
    assert chamber.order(records, 0, 1, 2) is None  # type: ignore[arg-type]
    chamber.evm.time += DELAY
    return chamber


def test_B05_no_committee_orders_a_weak_one(chamber: Chamber) -> None:
    weak = members(4, 5, 6)
    said = ordered(chamber, weak).rotate(weak)
    assert said == Said("Committee: fewer than four members tolerate no fault", "CONFIG_SET")


def test_who_stays_keeps_the_keys_and_who_takes_them_is_refused(chamber: Chamber) -> None:
    staying = (OLD[0], OLD[1], *members(4, 5))
    assert ordered(chamber, staying).rotate(staying) is None
    taking = (replace(member(9), cosigning=OLD[3].cosigning), *members(10, 11, 12))
    assert chamber.order(taking, 0, 1, 4, places=(0, 1, 2), salt=OTHER_SALT) is None
    chamber.evm.time += DELAY
    assert chamber.rotate(taking, salt=OTHER_SALT) == Said("member: another operator's key", "KEY_REUSED")


def test_a_key_does_not_change_its_purpose_from_one_epoch_to_the_next(chamber: Chamber) -> None:
    """A purpose is for ever: an attesting key does not seal blocks later."""
    changing = (replace(OLD[0], attesting=key(9).address, validator=key(0).address), *members(1, 2, 3))
    evidence = proofs(changing, {key(0).address: key(0)})
    assert ordered(chamber, changing).rotate(changing, evidence=evidence) == Said(
        "member: key has another purpose", "KEY_REUSED"
    )
    sealing = (replace(OLD[0], validator=key(0, Purpose.VALIDATOR).address), *members(1, 2, 3))
    assert chamber.order(sealing, 0, 1, 2, salt=OTHER_SALT) is None
    chamber.evm.time += DELAY
    assert chamber.rotate(sealing, salt=OTHER_SALT) is None


def test_a_newcomer_shows_that_it_holds_its_key(chamber: Chamber) -> None:
    ordered(chamber, NEW)
    stolen = proofs(NEW)[:-65] + proofs(LATER)[-65:]
    assert chamber.rotate(NEW, evidence=stolen) == Said("member: key not possessed", "KEY_POSSESSION")
    assert chamber.rotate(NEW) is None


def test_B11_n_counts_change_with_the_epoch(chamber: Chamber) -> None:
    """Seven members after four: five signatures, and the old three of four stay good for the old epoch alone."""
    seven = members(*range(4, 11))
    assert ordered(chamber, seven).rotate(seven) is None
    assert chamber.check(2, DIGEST, signed(DIGEST, 0, 1, 2, 3, by=(4, 5, 6, 7))) == Said(
        "Committee: below quorum", "QUORUM"
    )
    assert chamber.check(2, DIGEST, signed(DIGEST, 0, 1, 2, 3, 4, by=(4, 5, 6, 7, 8))) is True
    assert chamber.check(1, DIGEST, signed(DIGEST, 0, 1, 2)) is True
