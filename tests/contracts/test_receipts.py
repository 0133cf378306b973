"""Warehouse receipts split and merged: the quantity stays, a part is never two, and nothing pledged is divided."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ledger.ethereum.keccak import keccak256
from tests.contracts.evm import Deployed, Evm, Reverted
from tests.contracts.swaps import HERE

OWNER, KEEPER, OTHER_KEEPER, HOLDER, STRANGER = (bytes([number]) * 20 for number in range(0xA1, 0xA6))
GOODS, OTHER_GOODS, LOAN = (bytes([number]) * 32 for number in (1, 2, 3))
DELAY = 2 * 24 * 3600
SENDER = b"\x00\x01\x00\x00\x02\x1b\xbe\x14" + b"\x77" * 20


class Receipts:
    """The contract behind a post office that delivers what the test says."""

    def __init__(self) -> None:
        self.evm = Evm()
        for account in (OWNER, KEEPER, OTHER_KEEPER, HOLDER, STRANGER):
            self.evm.fund(account, 10**24)
        self.post = self.evm.deploy(HERE / "PostOffice.vy")
        self.committee = self.evm.deploy(HERE / "AnyQuorum.vy")
        ends = (self.post.address, self.committee.address, DELAY)
        self.contract: Deployed = self.evm.deploy("WarehouseReceipt", *ends, by=OWNER)
        for keeper in (KEEPER, OTHER_KEEPER):
            self.contract.send("enrol_keeper", keeper, by=OWNER)
        self.contract.send("admit", 7102, b"\x77" * 20, by=OWNER)
        self.issued = 0
        self.loans = 0

    def issue(
        self, quantity: int = 10, *, goods: bytes = GOODS, keeper: bytes = KEEPER, holder: bytes = HOLDER
    ) -> bytes:
        self.issued += 1
        number = self.issued.to_bytes(32, "big")
        self.contract.send("issue", number, goods, holder, quantity, by=keeper)
        return number

    def split(self, receipt: bytes, first: int, by: bytes = HOLDER) -> tuple[bytes, bytes]:
        first_part, second_part = self.contract.send("split", receipt, first, by=by).values
        return first_part, second_part

    def freeze(self, receipt: bytes, goods: bytes = GOODS) -> bytes:
        """A loan to which the holder consented takes the receipt; the loan's id."""
        self.loans += 1
        loan = self.loans.to_bytes(32, "little")
        self.contract.send("consent", receipt, loan, by=HOLDER)
        self.instruct(1, loan, 1, receipt, goods)
        return loan

    def instruct(self, action: int, loan: bytes, counter: int, receipt: bytes, goods: bytes = GOODS) -> Any:
        words = (action.to_bytes(32, "big"), loan, counter.to_bytes(32, "big"), receipt, goods, bytes(32))
        return self.post.send("deliver", self.contract.address, SENDER, b"".join(words)).values

    def read(self, receipt: bytes) -> dict[str, Any]:
        names = ("keeper", "holder", "goods_key", "quantity", "consented_to", "lien")
        return dict(zip(names, self.contract.call("receipts", receipt), strict=True))


@pytest.fixture(scope="module")
def shared() -> Receipts:
    return Receipts()


@pytest.fixture
def receipts(shared: Receipts) -> Any:
    with shared.evm.rolled_back():
        yield shared


def refused(receipts: Receipts, reason: str, function: str, *arguments: Any, by: bytes = HOLDER) -> None:
    before = receipts.evm.fingerprint()
    with pytest.raises(Reverted) as found:
        receipts.contract.send(function, *arguments, by=by)
    assert found.value.reason == f"WarehouseReceipt: {reason}"
    assert receipts.evm.fingerprint() == before


def test_two_parts_are_as_much_as_the_whole_which_is_spent(receipts: Receipts) -> None:
    whole = receipts.issue(10)
    first, second = receipts.split(whole, 3)
    assert len({whole, first, second}) == 3
    for part, quantity in ((first, 3), (second, 7)):
        found = receipts.read(part)
        assert (found["keeper"], found["holder"], found["goods_key"]) == (KEEPER, HOLDER, GOODS)
        assert (found["quantity"], found["consented_to"], found["lien"]) == (quantity, bytes(32), bytes(32))
    assert receipts.read(whole)["holder"] == bytes(20)
    for function, arguments in (("split", (whole, 3)), ("transfer", (whole, STRANGER)), ("consent", (whole, LOAN))):
        refused(receipts, "not the holder", function, *arguments)
    refused(receipts, "redeemed", "redeem", whole, by=KEEPER)
    refused(receipts, "receipt exists", "issue", whole, GOODS, HOLDER, 10, by=KEEPER)


def test_the_merged_receipt_is_as_much_as_both_which_are_spent(receipts: Receipts) -> None:
    one, other = receipts.issue(3), receipts.issue(4)
    merged = receipts.contract.send("merge", one, other, by=HOLDER).values
    assert receipts.read(merged)["quantity"] == 7
    assert {receipts.read(each)["holder"] for each in (one, other)} == {bytes(20)}
    refused(receipts, "not the holder", "merge", one, other)
    refused(receipts, "not the holder", "merge", merged, one)


@pytest.mark.parametrize("first", [0, 10, 11, 2**256 - 1])
def test_a_part_is_neither_empty_nor_more_than_the_whole(receipts: Receipts, first: int) -> None:
    whole = receipts.issue(10)
    refused(receipts, "no quantity", "split", whole, first)
    assert receipts.split(whole, 9)


@pytest.mark.parametrize("part", [1, 2])
def test_a_keeper_that_took_a_parts_number_stops_the_division_and_loses_nobody_a_receipt(
    receipts: Receipts, part: int
) -> None:
    whole = receipts.issue(10)
    tag = keccak256(b"pledgetrail/receipt/split/v1")
    number = keccak256(tag + whole + (4).to_bytes(32, "big") + part.to_bytes(32, "big"))
    receipts.contract.send("issue", number, GOODS, STRANGER, 3, by=OTHER_KEEPER)
    refused(receipts, "receipt exists", "split", whole, 4)
    assert receipts.read(number)["holder"] == STRANGER
    assert number not in receipts.split(whole, 5)


def test_what_is_frozen_or_consented_is_not_divided(receipts: Receipts) -> None:
    whole, other = receipts.issue(10), receipts.issue(10)
    receipts.contract.send("consent", whole, LOAN, by=HOLDER)
    refused(receipts, "consented to a loan", "split", whole, 5)
    refused(receipts, "consented to a loan", "merge", whole, other)
    refused(receipts, "consented to a loan", "merge", other, whole)
    receipts.contract.send("consent", whole, bytes(32), by=HOLDER)
    loan = receipts.freeze(whole)
    refused(receipts, "frozen", "split", whole, 5)
    refused(receipts, "frozen", "merge", other, whole)
    receipts.instruct(2, loan, 2, whole)
    assert receipts.contract.send("merge", whole, other, by=HOLDER).values


def test_receipts_of_different_piles_or_keepers_or_holders_are_not_merged(receipts: Receipts) -> None:
    one, honest = receipts.issue(), receipts.issue()
    refused(receipts, "different goods", "merge", one, receipts.issue(goods=OTHER_GOODS))
    refused(receipts, "different keepers", "merge", one, receipts.issue(keeper=OTHER_KEEPER))
    refused(receipts, "not the holder", "merge", one, receipts.issue(holder=STRANGER))
    refused(receipts, "one receipt", "merge", one, one)
    assert receipts.contract.send("merge", one, honest, by=HOLDER).values


def test_quantities_that_do_not_fit_together_are_not_merged(receipts: Receipts) -> None:
    large, one = receipts.issue(2**256 - 1), receipts.issue(1)
    before = receipts.evm.fingerprint()
    with pytest.raises(Reverted):
        receipts.contract.send("merge", large, one, by=HOLDER)
    assert receipts.evm.fingerprint() == before


def test_a_split_takes_no_number_that_a_keeper_would_use_and_repeats_none(receipts: Receipts) -> None:
    whole = receipts.issue(10)
    first, second = receipts.split(whole, 4)
    merged = receipts.contract.send("merge", first, second, by=HOLDER).values
    again = receipts.split(merged, 4)
    assert len({whole, first, second, merged, *again}) == 6


def test_an_instruction_for_the_spent_whole_finds_no_receipt(receipts: Receipts) -> None:
    whole = receipts.issue(10)
    receipts.contract.send("consent", whole, LOAN, by=HOLDER)
    receipts.contract.send("consent", whole, bytes(32), by=HOLDER)
    parts = receipts.split(whole, 4)
    assert receipts.instruct(1, LOAN, 1, whole).rstrip(b"\x00") == b"no such receipt"
    assert {receipts.read(part)["lien"] for part in parts} == {bytes(32)}


class Conserved(RuleBasedStateMachine):
    """Whatever is issued, split, merged, transferred, frozen, released and redeemed: per pile, what free and frozen
    receipts stand for is what was issued less what was redeemed."""

    shared = Receipts()

    def __init__(self) -> None:
        super().__init__()
        self.point = self.shared.evm.snapshot()
        self.live: dict[bytes, tuple[bytes, int]] = {}
        self.frozen: dict[bytes, bytes] = {}
        self.owed = {GOODS: 0, OTHER_GOODS: 0}

    def teardown(self) -> None:
        self.shared.evm.revert(self.point)

    def pick(self, data: st.DataObject, among: list[bytes]) -> bytes:
        return data.draw(st.sampled_from(sorted(among)))

    def free(self) -> list[bytes]:
        return [receipt for receipt in self.live if receipt not in self.frozen]

    @rule(goods=st.sampled_from([GOODS, OTHER_GOODS]), quantity=st.integers(1, 50))
    def issue(self, goods: bytes, quantity: int) -> None:
        self.live[self.shared.issue(quantity, goods=goods)] = (goods, quantity)
        self.owed[goods] += quantity

    @precondition(lambda self: self.live)
    @rule(data=st.data(), first=st.integers(0, 60))
    def split(self, data: st.DataObject, first: int) -> None:
        receipt = self.pick(data, list(self.live))
        goods, quantity = self.live[receipt]
        try:
            parts = self.shared.split(receipt, first)
        except Reverted:
            assert receipt in self.frozen or not 0 < first < quantity
            return
        assert receipt not in self.frozen
        del self.live[receipt]
        self.live |= {parts[0]: (goods, first), parts[1]: (goods, quantity - first)}

    @precondition(lambda self: len(self.live) > 1)
    @rule(data=st.data())
    def merge(self, data: st.DataObject) -> None:
        one, other = (self.pick(data, list(self.live)) for _ in range(2))
        try:
            merged = self.shared.contract.send("merge", one, other, by=HOLDER).values
        except Reverted:
            assert one == other or {one, other} & set(self.frozen) or self.live[one][0] != self.live[other][0]
            return
        (goods, first), (_, second) = self.live.pop(one), self.live.pop(other)
        self.live[merged] = (goods, first + second)

    @precondition(lambda self: self.free())
    @rule(data=st.data())
    def freeze(self, data: st.DataObject) -> None:
        receipt = self.pick(data, self.free())
        self.frozen[receipt] = self.shared.freeze(receipt, self.live[receipt][0])

    @precondition(lambda self: self.frozen)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        receipt = self.pick(data, list(self.frozen))
        self.shared.instruct(2, self.frozen.pop(receipt), 2, receipt, self.live[receipt][0])

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def redeem(self, data: st.DataObject) -> None:
        receipt = self.pick(data, list(self.live))
        try:
            self.shared.contract.send("present", receipt, by=HOLDER)
            self.shared.contract.send("redeem", receipt, by=KEEPER)
        except Reverted:
            assert receipt in self.frozen
            return
        goods, quantity = self.live.pop(receipt)
        self.owed[goods] -= quantity

    @invariant()
    def what_stands_is_what_was_issued_less_what_was_redeemed(self) -> None:
        stands = {GOODS: 0, OTHER_GOODS: 0}
        for receipt in self.live:
            found = self.shared.read(receipt)
            assert found["holder"] == HOLDER
            assert (found["lien"] != bytes(32)) == (receipt in self.frozen)
            stands[found["goods_key"]] += found["quantity"]
        assert stands == self.owed


Conserved.TestCase.settings = settings(
    max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
test_splitting_and_merging_conserve_the_quantity = Conserved.TestCase
