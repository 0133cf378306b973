"""A warehouse receipt in a two-phase commit: held for one leg, handed over once or let go, and nothing between.

And as a title: only its holder hands it on, its keeper ends it only once it was presented, and a lien can keep it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from ledger.condition import Meaning
from ledger.condition import Terms as LienTerms
from ledger.ethereum.keccak import keccak256
from ledger.leg_terms import ReceiptTerms
from ledger.two_phase import Action, LegState, Report, prepare_payload
from tests.contracts.leg_bed import NOW, OTHER_COORDINATOR, YEAR, LegBed, Turn, nobody_forces_alone
from tests.contracts.swaps import HERE
from tests.contracts.two_phase_world import text

KEEPER, OTHER_KEEPER, SELLER, BUYER, STRANGER = (bytes([0xC1 + k]) * 20 for k in range(5))
GOODS, OTHER_GOODS, LOAN = (bytes([k]) * 32 for k in (1, 2, 3))
LENDERS = b"\x00\x01\x00\x00\x02\x1b\xbe\x14" + b"\x78" * 20  # a pledge registry on chain 7102
FROZEN, FREE = "WarehouseReceipt: frozen", bytes(32)
DECISIONS = (Action.COMMIT, Action.ABORT)


@dataclass(slots=True)
class ReceiptBed(LegBed):
    """Receipts of seven units which the seller holds, each for a leg of its own."""

    issued: int = 0

    def issue(self, **changed: Any) -> ReceiptTerms:
        """A new receipt, and terms that hand it to the buyer."""
        self.issued += 1
        given: dict[str, Any] = {"goods_key": GOODS, "quantity": 7, "keeper": KEEPER} | changed
        terms = ReceiptTerms(self.issued.to_bytes(32, "big"), receiver=BUYER, **given)
        self.contract.send("issue", terms.receipt_id, terms.goods_key, SELLER, terms.quantity, by=terms.keeper)
        return terms

    def agreed(self, terms: ReceiptTerms | None = None, **changed: Any) -> Turn:
        """A leg to which the seller has consented."""
        terms = terms or self.issue()
        turn = self.turn(terms.encode(), **changed)
        self.contract.send("consent_to_leg", terms.receipt_id, turn.key, by=SELLER)
        return turn

    def held(self) -> Turn:
        """A prepared leg."""
        turn = self.agreed()
        assert self.prepare(turn) == "prepared"
        return turn

    def instruct(self, action: int, counter: int, receipt: bytes, loan: bytes = LOAN) -> str:
        """A pledge registry's instruction; the outcome's text."""
        words = (action.to_bytes(32, "big"), loan, counter.to_bytes(32, "big"), receipt, GOODS, bytes(32))
        return text(self.post.send("deliver", self.contract.address, LENDERS, b"".join(words)).values)

    def read(self, receipt: bytes) -> dict[str, Any]:
        names = ("keeper", "holder", "goods_key", "quantity", "consented_to", "lien")
        return dict(zip(names, self.contract.call("receipts", receipt), strict=True))


def receipt_of(turn: Turn) -> bytes:
    return turn.terms[:32]


@pytest.fixture(scope="module")
def laid() -> ReceiptBed:
    bed = ReceiptBed.lay("WarehouseReceipt")
    for account in (KEEPER, OTHER_KEEPER, SELLER, BUYER, STRANGER):
        bed.evm.fund(account, 10**24)
    for keeper in (KEEPER, OTHER_KEEPER):
        bed.contract.send("enrol_keeper", keeper)
    bed.contract.send("admit", 7102, b"\x78" * 20)
    return bed


@pytest.fixture
def bed(laid: ReceiptBed) -> Any:
    laid.evm.time = NOW
    with laid.evm.rolled_back():
        yield laid


# -- held -----------------------------------------------------------------------------------------------------------


def doors_of_the_holder(receipt: bytes, other: bytes) -> dict[str, tuple[Any, ...]]:
    return {
        "transfer": (receipt, STRANGER),
        "consent": (receipt, LOAN),
        "consent_to_leg": (receipt, LOAN),
        "present": (receipt,),
        "split": (receipt, 3),
        "merge": (receipt, other),
    }


@pytest.mark.parametrize("function", doors_of_the_holder(b"", b""))
def test_what_a_leg_holds_is_not_touched_until_it_is_let_go(bed: ReceiptBed, function: str) -> None:
    other = bed.issue().receipt_id
    turn = bed.held()
    arguments = doors_of_the_holder(receipt_of(turn), other)[function]
    bed.refused(FROZEN, function, *arguments, by=SELLER)
    assert bed.decide(turn, Action.ABORT) == "aborted"
    bed.contract.send(function, *arguments, by=SELLER)


def test_what_a_leg_holds_is_neither_pledged_nor_redeemed(bed: ReceiptBed) -> None:
    turn = bed.agreed()
    receipt = receipt_of(turn)
    assert bed.prepare(turn) == "prepared"
    kept = bed.read(receipt)
    assert kept["lien"] == turn.key
    assert bed.instruct(1, 1, receipt) == "receipt already frozen"
    assert bed.instruct(2, 2, receipt) == "not held by this loan"
    bed.refused(FROZEN, "redeem", receipt, by=KEEPER)
    assert bed.read(receipt) == kept
    bed.decide(turn, Action.ABORT)
    bed.contract.send("consent", receipt, b"\x09" * 32, by=SELLER)
    assert bed.instruct(1, 1, receipt, b"\x09" * 32) == "frozen"


def test_a_prepare_holds_and_reports(bed: ReceiptBed) -> None:
    turn = bed.agreed()
    outcome = bed.deliver(turn, prepare_payload(turn.id, turn.place, turn.terms))
    assert text(outcome.values) == "prepared"
    assert outcome.log("Posted")["payload"] == Report(turn.id, 0, keccak256(turn.terms)).encode()
    assert outcome.log("ReceiptHeld") == {"receipt_id": receipt_of(turn), "key": turn.key}
    assert bed.contract.call("holds", turn.key) == (receipt_of(turn), BUYER)
    assert bed.contract.call("holder_of", receipt_of(turn)) == SELLER


# -- refusals -------------------------------------------------------------------------------------------------------


def spent(bed: ReceiptBed) -> Turn:
    turn = bed.agreed()
    bed.contract.send("consent_to_leg", receipt_of(turn), FREE, by=SELLER)
    bed.contract.send("split", receipt_of(turn), 3, by=SELLER)
    return turn


def described_otherwise(**changed: Any) -> Callable[[ReceiptBed], Turn]:
    return lambda bed: bed.agreed(replace(bed.issue(), **changed))


def with_bytes(change: Callable[[bytes], bytes]) -> Callable[[ReceiptBed], Turn]:
    def make(bed: ReceiptBed) -> Turn:
        terms = bed.issue()
        turn = bed.turn(change(terms.encode()))
        bed.contract.send("consent_to_leg", terms.receipt_id, turn.key, by=SELLER)
        return turn

    return make


def consented_to_another(**changed: Any) -> Callable[[ReceiptBed], Turn]:
    return lambda bed: replace(bed.agreed(), **changed)


def after_consent(function: str, *arguments: Any) -> Callable[[ReceiptBed], Turn]:
    def make(bed: ReceiptBed) -> Turn:
        turn = bed.agreed()
        bed.contract.send(function, receipt_of(turn), *arguments, by=SELLER)
        return turn

    return make


def pledged(bed: ReceiptBed) -> Turn:
    turn = bed.agreed()
    bed.contract.send("consent", receipt_of(turn), LOAN, by=SELLER)
    assert bed.instruct(1, 1, receipt_of(turn)) == "frozen"
    return turn


def held_by_another(bed: ReceiptBed) -> Turn:
    first = bed.held()
    return bed.turn(first.terms)


REFUSED: dict[str, tuple[Callable[[ReceiptBed], Turn], str]] = {
    "no_such_receipt": (lambda bed: bed.turn(replace(bed.issue(), receipt_id=LOAN).encode()), "no such receipt"),
    "a_receipt_that_was_divided": (spent, "no such receipt"),
    "F05_more_than_the_receipt_is_for": (described_otherwise(quantity=8), "receipt is for other goods"),
    "F05_less_than_the_receipt_is_for": (described_otherwise(quantity=6), "receipt is for other goods"),
    "other_goods": (described_otherwise(goods_key=OTHER_GOODS), "receipt is for other goods"),
    "another_keepers_receipt": (described_otherwise(keeper=OTHER_KEEPER), "receipt is for other goods"),
    "a_pledged_receipt": (pledged, "receipt already frozen"),
    "a_receipt_another_leg_holds": (held_by_another, "receipt already frozen"),
    "no_consent": (lambda bed: bed.turn(bed.issue().encode()), "holder has not consented"),
    "consent_to_another_transaction": (consented_to_another(id=LOAN), "holder has not consented"),
    "consent_to_another_place": (consented_to_another(place=1), "holder has not consented"),
    "G02_consent_to_another_coordinator": (
        consented_to_another(coordinator=OTHER_COORDINATOR),
        "holder has not consented",
    ),
    "consent_to_another_receiver": (
        lambda bed: (t := bed.agreed()) and replace(t, terms=t.terms[:128] + bytes(12) + STRANGER),
        "holder has not consented",
    ),
    "a_consent_withdrawn": (after_consent("consent_to_leg", FREE), "holder has not consented"),
    "a_consent_to_a_loan_instead": (after_consent("consent", LOAN), "holder has not consented"),
    "a_receipt_presented_instead": (after_consent("present"), "holder has not consented"),
    "a_former_holders_consent": (after_consent("transfer", STRANGER), "holder has not consented"),
    "no_terms": (with_bytes(lambda terms: terms[:32]), "terms not understood"),
    "terms_cut_short": (with_bytes(lambda terms: terms[:-1]), "terms not understood"),
    "terms_with_more": (with_bytes(lambda terms: terms + b"\x00"), "terms not understood"),
    "nobody_as_receiver": (with_bytes(lambda terms: terms[:128] + bytes(32)), "no such beneficiary"),
    "F09_a_receiver_past_20_bytes": (
        with_bytes(lambda terms: terms[:128] + b"\x01".rjust(12, b"\0") + terms[140:]),
        "no such beneficiary",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_leg_is_refused(bed: ReceiptBed, name: str) -> None:
    make, reason = REFUSED[name]
    turn = make(bed)
    kept = bed.read(receipt_of(turn))
    outcome = bed.deliver(turn, prepare_payload(turn.id, turn.place, turn.terms))
    said = Report(turn.id, turn.place, keccak256(turn.terms), reason.encode().ljust(32, b"\0"))
    assert (text(outcome.values), outcome.log("Posted")["payload"]) == (reason, said.encode())
    assert bed.state(turn) is LegState.REFUSED
    assert bed.read(receipt_of(turn)) == kept
    assert bed.contract.call("holds", turn.key) == (FREE, bytes(20))
    assert bed.decide(turn, Action.COMMIT) == "decision contradicted"
    assert bed.read(receipt_of(turn)) == kept
    bed.held()


def test_the_registry_itself_receives_nothing(bed: ReceiptBed) -> None:
    turn = bed.agreed(replace(bed.issue(), receiver=bed.contract.address))
    assert bed.prepare(turn) == "no such beneficiary"


# -- the decision ---------------------------------------------------------------------------------------------------


def test_G01_a_commit_hands_the_receipt_over_once_and_changes_nothing_else(bed: ReceiptBed) -> None:
    turn = bed.held()
    receipt, before = receipt_of(turn), bed.read(receipt_of(turn))
    assert bed.decide(turn, Action.COMMIT) == "committed"
    after = before | {"holder": BUYER, "lien": FREE, "consented_to": FREE}
    assert bed.read(receipt) == after
    bed.contract.send("transfer", receipt, STRANGER, by=BUYER)
    for _ in range(2):
        assert (bed.decide(turn, Action.COMMIT), bed.prepare(turn)) == ("committed", "committed")
        assert bed.decide(turn, Action.ABORT) == "decision contradicted"
    assert bed.read(receipt) == after | {"holder": STRANGER}
    bed.refused("WarehouseReceipt: not the holder", "transfer", receipt, SELLER, by=SELLER)


def test_G01_an_abort_lets_it_go_once(bed: ReceiptBed) -> None:
    turn = bed.held()
    receipt = receipt_of(turn)
    assert bed.decide(turn, Action.ABORT) == "aborted"
    assert (bed.read(receipt)["holder"], bed.read(receipt)["lien"]) == (SELLER, FREE)
    newer = bed.turn(turn.terms)
    bed.contract.send("consent_to_leg", receipt, newer.key, by=SELLER)
    assert bed.prepare(newer) == "prepared"
    for late, outcome in ((Action.ABORT, "aborted"), (Action.COMMIT, "decision contradicted")):
        assert bed.decide(turn, late) == outcome
        assert bed.read(receipt)["lien"] == newer.key, "G04: an old decision never acts on a newer transaction"
    assert bed.decide(newer, Action.COMMIT) == "committed"
    assert bed.read(receipt)["holder"] == BUYER


@pytest.mark.parametrize("late", DECISIONS)
def test_G04_a_late_decision_never_lifts_a_newer_loans_lien(bed: ReceiptBed, late: Action) -> None:
    turn = bed.held()
    receipt = receipt_of(turn)
    bed.decide(turn, Action.ABORT)
    bed.contract.send("consent", receipt, LOAN, by=SELLER)
    assert bed.instruct(1, 1, receipt) == "frozen"
    kept = bed.read(receipt)
    bed.decide(turn, late)
    bed.prepare(turn)
    assert bed.read(receipt) == kept


def test_G04_a_late_release_of_a_loan_never_lifts_a_newer_hold(bed: ReceiptBed) -> None:
    terms = bed.issue()
    bed.contract.send("consent", terms.receipt_id, LOAN, by=SELLER)
    assert bed.instruct(1, 1, terms.receipt_id) == "frozen"
    assert bed.instruct(2, 2, terms.receipt_id) == "released"
    turn = bed.agreed(terms)
    assert bed.prepare(turn) == "prepared"
    assert bed.instruct(2, 3, terms.receipt_id) == "not held by this loan"
    assert bed.read(terms.receipt_id)["lien"] == turn.key


def test_G02_another_coordinators_decision_ends_nothing(bed: ReceiptBed) -> None:
    turn = bed.held()
    kept = bed.read(receipt_of(turn))
    for decision in DECISIONS:
        bed.decide(replace(turn, coordinator=OTHER_COORDINATOR), decision)
    assert (bed.read(receipt_of(turn)), bed.state(turn)) == (kept, LegState.PREPARED)


def test_an_abort_before_its_prepare_leaves_the_receipt_free(bed: ReceiptBed) -> None:
    turn = bed.agreed()
    assert (bed.decide(turn, Action.ABORT), bed.prepare(turn)) == ("aborted", "aborted")
    assert bed.read(receipt_of(turn))["lien"] == FREE
    bed.contract.send("transfer", receipt_of(turn), STRANGER, by=SELLER)


def test_G06_a_held_receipt_waits_for_the_decision_however_long(bed: ReceiptBed) -> None:
    turn = bed.held()
    for years in (1, 10, 50):
        bed.evm.time = NOW + years * YEAR
        bed.refused(FROZEN, "transfer", receipt_of(turn), STRANGER, by=SELLER)
        assert bed.prepare(turn) == "prepared"
    assert bed.decide(turn, Action.COMMIT) == "committed"
    assert bed.read(receipt_of(turn))["holder"] == BUYER


def test_H08_only_the_quorum_forces_and_only_after_the_delay(bed: ReceiptBed) -> None:
    turn = bed.held()
    nobody_forces_alone(bed, turn, KEEPER, SELLER, BUYER)
    assert (bed.read(receipt_of(turn))["holder"], bed.read(receipt_of(turn))["lien"]) == (SELLER, FREE)
    bed.contract.send("transfer", receipt_of(turn), STRANGER, by=SELLER)
    assert bed.decide(turn, Action.COMMIT) == "decision contradicted"
    assert bed.state(turn) is LegState.CONTRADICTED
    assert bed.read(receipt_of(turn))["holder"] == STRANGER


def test_a_forced_commit_hands_the_receipt_over(bed: ReceiptBed) -> None:
    turn = bed.held()
    bed.announce_force(turn, Action.COMMIT, LOAN)
    bed.evm.time += 2 * 24 * 3600
    bed.force(turn, Action.COMMIT, LOAN)
    assert bed.read(receipt_of(turn))["holder"] == BUYER
    assert bed.decide(turn, Action.COMMIT) == "committed"
    assert bed.read(receipt_of(turn))["holder"] == BUYER


@pytest.mark.parametrize("action", [0, 16, 20, 21, 2**256 - 1])
def test_what_neither_a_loan_nor_a_coordinator_says_is_refused(bed: ReceiptBed, action: int) -> None:
    turn = bed.agreed()
    payload = action.to_bytes(32, "big") + bytes(160)
    with pytest.raises(Exception, match="instruction: unknown action"):
        bed.deliver(turn, payload)
    assert bed.prepare(turn) == "prepared"


# -- as a title -----------------------------------------------------------------------------------------------------


def test_a_keeper_ends_no_receipt_that_was_not_presented(bed: ReceiptBed) -> None:
    receipt = bed.issue().receipt_id
    bed.refused("WarehouseReceipt: not presented", "redeem", receipt, by=KEEPER)
    bed.contract.send("present", receipt, by=SELLER)
    bed.refused("WarehouseReceipt: not the keeper", "redeem", receipt, by=OTHER_KEEPER)
    bed.refused("WarehouseReceipt: consented to a loan", "split", receipt, 3, by=SELLER)
    bed.contract.send("redeem", receipt, by=KEEPER)
    assert bed.contract.call("holder_of", receipt) == bytes(20)


@pytest.mark.parametrize("function", ["consent", "consent_to_leg"])
def test_a_later_consent_takes_a_presented_receipt_back(bed: ReceiptBed, function: str) -> None:
    receipt = bed.issue().receipt_id
    bed.contract.send("present", receipt, by=SELLER)
    bed.contract.send(function, receipt, LOAN, by=SELLER)
    bed.refused("WarehouseReceipt: not presented", "redeem", receipt, by=KEEPER)
    bed.contract.send("present", receipt, by=SELLER)
    bed.contract.send("transfer", receipt, BUYER, by=SELLER)
    bed.refused("WarehouseReceipt: not presented", "redeem", receipt, by=KEEPER)
    bed.contract.send("present", receipt, by=BUYER)
    bed.contract.send("redeem", receipt, by=KEEPER)


@pytest.mark.parametrize("is_set", [True, False])
def test_a_lien_keeps_a_receipt_until_another_chain_says_whose_it_is(bed: ReceiptBed, is_set: bool) -> None:
    account, code, slot, date = b"\x71" * 20, b"\x72" * 32, b"\x73" * 32, NOW + YEAR
    book, lien = bed.evm.deploy(HERE / "StateBook.vy", account, code, slot), bed.evm.deploy("ConditionalLien")
    receipt = bed.issue().receipt_id
    condition = (book.address, account, code, slot, Meaning.RELEASES, date, 3600, 24 * 3600, bytes(32))
    terms = LienTerms(bed.contract.address, receipt, SELLER, BUYER, STRANGER, *condition).as_abi()
    lien.send("agree", terms, by=SELLER)
    bed.contract.send("transfer", receipt, lien.address, by=SELLER)
    lien.send("freeze", terms)
    for function, arguments in doors_of_the_holder(receipt, bed.issue().receipt_id).items():
        bed.refused("WarehouseReceipt: not the holder", function, *arguments, by=SELLER)
    bed.refused("WarehouseReceipt: not presented", "redeem", receipt, by=KEEPER)
    assert bed.instruct(1, 1, receipt) == "holder has not consented"
    book.send("set_from", 1 if is_set else 2**64 - 1)
    header = (5, b"\1" * 32, b"\2" * 32, b"\3" * 32, date - 1 if is_set else date)
    lien.send("prove_set" if is_set else "prove_unset", terms, header, b"")
    lien.send("hand_over", terms)
    assert bed.contract.call("holder_of", receipt) == (SELLER if is_set else BUYER)


def test_a_pledged_or_held_receipt_is_not_put_under_a_lien(bed: ReceiptBed) -> None:
    turn = bed.held()
    bed.refused(FROZEN, "transfer", receipt_of(turn), STRANGER, by=SELLER)
    pledge = pledged(bed)
    bed.refused(FROZEN, "transfer", receipt_of(pledge), STRANGER, by=SELLER)
