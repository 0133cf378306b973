"""B10: a member that is only coming counts for nothing, whatever it signs, until its epoch has begun.

Probation here is the rotation's delay: who is coming is announced by a quorum and seen for that long, and no delay of
nothing can be deployed. There is no shared key and no ceremony to poison: members sign one by one, each with a key it
has proven to hold, and a malformed proof admits nobody.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger.secp256k1 import ORDER, SigningKey
from tests.contracts.committees import (
    DELAY,
    DIGEST,
    OUTSIDER,
    SALT,
    Chamber,
    Said,
    key,
    member,
    members,
    proofs,
    signed,
)
from tests.contracts.evm import Reverted
from tests.contracts.value_bed import CAP, HELD, ValueBed
from tests.contracts.world import NOTARIES

OLD, NEW = members(0, 1, 2, 3), (*members(0, 1, 2), member(7))
NOT_THIS = Said("Committee: not this member's signature", "SIG_UNKNOWN")
WRONG_EPOCH = Said("Committee: wrong epoch", "SET_EPOCH")
NOT_CURRENT = Said("Committee: not the current epoch", "SET_EPOCH")
WITH_NEWCOMER = signed(DIGEST, 0, 1, 3, by=(0, 1, 7))


@pytest.fixture
def chamber() -> Chamber:
    return Chamber.open(OLD)


def counts_for_nothing(chamber: Chamber) -> None:
    before = chamber.evm.fingerprint(chamber.contract)
    for function in ("check", "check_blocking", "check_current"):
        assert chamber.check(1, DIGEST, WITH_NEWCOMER, function) == NOT_THIS
        expected = NOT_CURRENT if function == "check_current" else WRONG_EPOCH
        assert chamber.check(2, DIGEST, WITH_NEWCOMER, function) == expected
    with pytest.raises(Reverted, match="not this member's signature"):
        chamber.contract.call("check_member", 1, DIGEST, b"\x03" + key(7).sign(DIGEST).pack())
    assert chamber.evm.fingerprint(chamber.contract) == before


def test_B10_a_member_that_is_announced_counts_only_once_its_epoch_has_begun(chamber: Chamber) -> None:
    counts_for_nothing(chamber)
    assert chamber.order(NEW, 0, 1, 2) is None
    counts_for_nothing(chamber)
    chamber.evm.time += DELAY - 1
    assert chamber.rotate(NEW) == Said("order: not due", "ORDER_EARLY")
    counts_for_nothing(chamber)
    chamber.evm.time += 1
    counts_for_nothing(chamber)  # due is not begun
    assert chamber.rotate(NEW) is None
    # The honest twin: the same signatures, now that the epoch is theirs.
    assert chamber.check(2, DIGEST, WITH_NEWCOMER) is True
    assert chamber.check(1, DIGEST, WITH_NEWCOMER) == NOT_THIS


def test_B10_a_member_that_is_coming_orders_nothing(chamber: Chamber) -> None:
    assert chamber.order(NEW, 0, 1, 2) is None
    action = chamber.twin.order_digest(b"\x01" * 32, SALT, 1)
    assert chamber.announce(b"\x01" * 32, signed(action, 0, 1, 3, by=(0, 1, 7))) == NOT_THIS
    assert chamber.announce(b"\x01" * 32, signed(action, 0, 1, 3)) is None


def test_B10_no_committee_begins_without_a_delay() -> None:
    with pytest.raises(Reverted, match="order: delay"):
        Chamber.open(OLD, delay=0)
    assert Chamber.open(OLD, delay=1).contract.call("order_delay") == 1


MALFORMED: dict[str, tuple[Callable[[bytes], bytes], Said]] = {
    "cut short": (lambda raw: raw[:-1], Said("Committee: proofs of possession", "SIG_LENGTH")),
    "nothing": (lambda _raw: b"", Said("Committee: proofs of possession", "SIG_LENGTH")),
    "zeros": (lambda raw: raw[:-65] + bytes(64) + b"\x1b", Said("strict_signature: nobody's", "SIG_RANGE")),
    "of the member before": (
        lambda raw: raw[:-65] + raw[-130:-65],
        Said("member: key not possessed", "KEY_POSSESSION"),
    ),
    "another recovery id": (lambda raw: raw[:-1] + b"\x1d", Said("strict_signature: recovery id", "SIG_BAD_V")),
    "by a key made of the members' keys": (
        lambda raw: raw[:-65] + summed().sign(DIGEST).pack(),
        Said("member: key not possessed", "KEY_POSSESSION"),
    ),
}


def summed() -> SigningKey:
    """What an additive scheme would sign with: the sum of every member's secret."""
    total = sum(int.from_bytes(key(index).secret, "big") for index in (0, 1, 2, 7)) % ORDER
    return SigningKey.from_secret(total.to_bytes(32, "big"))


@pytest.mark.parametrize("name", MALFORMED)
def test_B10_a_malformed_proof_admits_nobody_and_the_honest_one_does(chamber: Chamber, name: str) -> None:
    spoil, expected = MALFORMED[name]
    assert chamber.order(NEW, 0, 1, 2) is None
    chamber.evm.time += DELAY
    assert chamber.rotate(NEW, evidence=spoil(proofs(NEW))) == expected
    assert chamber.twin.epoch == chamber.contract.call("epoch") == 1
    assert chamber.rotate(NEW) is None


def test_B10_no_one_key_signs_for_a_committee(chamber: Chamber) -> None:
    alone = summed()
    for place in range(4):
        packed = signed(DIGEST, place)[:26] + alone.sign(DIGEST).pack()[:64]
        assert chamber.check(1, DIGEST, packed) == Said("Committee: below quorum", "QUORUM")
        with pytest.raises(Reverted, match="not this member's signature"):
            chamber.contract.call("check_member", 1, DIGEST, bytes([place]) + alone.sign(DIGEST).pack())


def test_B10_what_is_worth_much_is_held_and_a_newcomer_cannot_help_to_let_it_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bed = ValueBed.lay()
    proposal = bed.lock(CAP + 1)
    bed.commit(proposal)
    assert bed.status(proposal) == HELD
    with monkeypatch.context() as changed:
        changed.setattr("tests.contracts.value_bed.NOTARIES", (*NOTARIES[:2], OUTSIDER, NOTARIES[3]))
        before = [site.evm.fingerprint() for site in bed.sites.values()]
        with pytest.raises(Reverted, match="Committee: not this member's signature"):
            bed.approve(proposal)
        assert [site.evm.fingerprint() for site in bed.sites.values()] == before
    assert bed.status(proposal) == HELD
    bed.approve(proposal)
    bed.retry(proposal)
    assert bed.status(proposal) == 0
