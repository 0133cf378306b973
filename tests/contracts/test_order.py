"""Orders at any contract: announced by a quorum, taken once when due; an approval is taken at once, and only once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from ledger.attestation import word
from ledger.ethereum.keccak import keccak256
from ledger.orders import WINDOW, Orders, action_of, approval_digest, order_digest
from tests.contracts.committees import DELAY, OUTSIDER, Chamber, members, signed
from tests.contracts.evm import CHAIN_ID, Deployed, Reverted
from tests.ledger.refusals import refused

SALT, OTHER_SALT = b"\x01" * 32, b"\x02" * 32
SET, RELEASE = action_of("Ordered.set", word(7)), action_of("Ordered.release", word(7))
SOURCE = Path(__file__).parent / "Ordered.vy"


@dataclass(slots=True)
class Office:
    """A contract that takes orders of a committee on the same chain."""

    chamber: Chamber
    contract: Deployed

    @classmethod
    def open(cls) -> Office:
        chamber = Chamber.open(members(0, 1, 2, 3))
        return cls(chamber, chamber.evm.deploy(SOURCE, chamber.contract.address, DELAY))

    def order(self, action: bytes = SET, salt: bytes = SALT, epoch: int = 1) -> bytes:
        return order_digest(chain_id=CHAIN_ID, contract=self.contract.address, action=action, salt=salt, epoch=epoch)

    def approval(self, salt: bytes = SALT, epoch: int = 1) -> bytes:
        return approval_digest(
            chain_id=CHAIN_ID, contract=self.contract.address, action=RELEASE, salt=salt, epoch=epoch
        )

    def announce(self, digest: bytes, *by: int, action: bytes = SET, salt: bytes = SALT, epoch: int = 1) -> None:
        self.contract.send("announce", action, salt, epoch, signed(digest, *(by or (0, 1, 2))))

    def refused(self, function: str, *arguments: object) -> str:
        before = self.chamber.evm.fingerprint(self.contract)
        with pytest.raises(Reverted) as reverted:
            self.contract.send(function, *arguments)
        assert self.chamber.evm.fingerprint(self.contract) == before
        return reverted.value.reason


@pytest.fixture
def office() -> Office:
    return Office.open()


def test_an_order_takes_effect_after_its_delay_and_once(office: Office) -> None:
    assert office.refused("set", 7, SALT) == "order: not announced"
    office.announce(office.order())
    assert office.contract.call("order_due", SET, SALT) == office.chamber.evm.time + DELAY
    office.chamber.evm.time += DELAY - 1
    assert office.refused("set", 7, SALT) == "order: not due"
    office.chamber.evm.time += 1
    assert office.refused("set", 8, SALT) == "order: not announced"
    assert office.refused("set", 7, OTHER_SALT) == "order: not announced"
    office.contract.send("set", 7, SALT)
    assert office.contract.call("held") == 7
    assert office.refused("set", 7, SALT) == "order: taken before"
    assert office.refused("announce", SET, SALT, 1, signed(office.order(), 0, 1, 3)) == "order: announced before"
    assert office.contract.call("order_due", SET, SALT) == 2**256 - 1


def test_an_order_lapses_after_its_window(office: Office) -> None:
    office.announce(office.order())
    office.chamber.evm.time += DELAY + WINDOW
    assert office.refused("set", 7, SALT) == "order: lapsed"
    office.chamber.evm.time -= 1
    office.contract.send("set", 7, SALT)


def test_B04_an_order_dies_with_its_epoch_and_the_old_set_gives_no_new_one(office: Office) -> None:
    office.announce(office.order())
    office.chamber.succeed(members(4, 5, 6, 7), 0, 1, 2)
    assert office.refused("set", 7, SALT) == "order: of an earlier epoch"
    late = signed(office.order(salt=OTHER_SALT), 0, 1, 2)
    assert office.refused("announce", SET, OTHER_SALT, 1, late) == "Committee: not the current epoch"
    fresh = signed(office.order(salt=OTHER_SALT, epoch=2), 0, 1, 2, by=(4, 5, 6))
    office.contract.send("announce", SET, OTHER_SALT, 2, fresh)
    office.chamber.evm.time += DELAY
    office.contract.send("set", 7, OTHER_SALT)


def test_an_approval_needs_no_delay_and_counts_once(office: Office) -> None:
    packed = signed(office.approval(), 0, 1, 2)
    office.contract.send("release", 7, SALT, 1, packed)
    assert office.contract.call("released") == 7
    assert office.refused("release", 7, SALT, 1, packed) == "order: announced or approved before"
    again = signed(office.approval(OTHER_SALT), 1, 2, 3)
    office.contract.send("release", 7, OTHER_SALT, 1, again)
    assert office.contract.call("released") == 14


def test_A11_an_approval_is_not_announced_and_an_order_not_approved(office: Office) -> None:
    """Otherwise whoever sees an approval could announce it first, and use its salt up."""
    not_this = "Committee: not this member's signature"
    assert office.refused("announce", RELEASE, SALT, 1, signed(office.approval(), 0, 1, 2)) == not_this
    assert office.refused("release", 7, SALT, 1, signed(office.order(RELEASE), 0, 1, 2)) == not_this
    office.contract.send("release", 7, SALT, 1, signed(office.approval(), 0, 1, 2))


def test_B04_less_than_a_quorum_orders_and_approves_nothing(office: Office) -> None:
    below = "Committee: below quorum"
    assert office.refused("announce", SET, SALT, 1, signed(office.order(), 0, 1)) == below
    assert office.refused("release", 7, SALT, 1, signed(office.approval(), 1, 2)) == below
    assert office.refused("announce", SET, SALT, 2, signed(office.order(epoch=2), 0, 1, 2)) == (
        "Committee: not the current epoch"
    )
    office.announce(office.order())


def test_A10_an_order_is_for_one_contract_on_one_chain(office: Office) -> None:
    sibling = office.chamber.evm.deploy(SOURCE, office.chamber.contract.address, DELAY)
    for digest in (
        order_digest(chain_id=CHAIN_ID, contract=sibling.address, action=SET, salt=SALT, epoch=1),
        order_digest(chain_id=CHAIN_ID + 1, contract=office.contract.address, action=SET, salt=SALT, epoch=1),
    ):
        refusal = office.refused("announce", SET, SALT, 1, signed(digest, 0, 1, 2))
        assert refusal == "Committee: not this member's signature"
    office.announce(office.order())


@pytest.mark.parametrize(("delay", "reason"), [(0, "order: delay"), (90 * 24 * 3600 + 1, "order: delay")])
def test_a_delay_out_of_bounds_is_refused(office: Office, delay: int, reason: str) -> None:
    with pytest.raises(Reverted, match=reason):
        office.chamber.evm.deploy(SOURCE, office.chamber.contract.address, delay)
    assert office.contract.call("order_delay") == DELAY


def test_a_committee_that_is_no_contract_is_refused(office: Office) -> None:
    with pytest.raises(Reverted, match="order: no committee"):
        office.chamber.evm.deploy(SOURCE, OUTSIDER.address, DELAY)
    assert action_of("Ordered.set", word(7)) == keccak256(keccak256(b"pledgetrail/order/Ordered.set") + word(7))


def test_the_twin_consumes_an_order_and_an_approval_once() -> None:
    ordered = Orders(DELAY).announce(SET, SALT, epoch=1, now=100).take(SET, SALT, epoch=1, now=100 + DELAY)
    approved = Orders(DELAY).approve(RELEASE, SALT)
    for orders, action in ((ordered, SET), (approved, RELEASE)):
        with refused("ORDER_REPEATED"):
            orders.take(action, SALT, epoch=1, now=100 + DELAY)
        with refused("ORDER_REPEATED"):
            orders.announce(action, SALT, epoch=1, now=100)
        with refused("ORDER_REPEATED"):
            orders.approve(action, SALT)
        orders.announce(action, OTHER_SALT, epoch=1, now=100)
