"""Facts folded into collateral: a loan's whole life, the double pledge, and going back by folding fewer facts."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from ledger.collateral import (
    Attention,
    ChainFact,
    Collateral,
    FactValue,
    LoanState,
    MessageState,
    ReceiptState,
    attention_of,
    fold,
    outcome_text,
)
from tests.ledger.chain_tale import ESTATE, LENDER, NOTARIES, Tale, hexed, message_id, named
from tests.ledger.refusals import refused

GOODS = named("goods")


@pytest.fixture
def tale() -> Tale:
    """Loan A on receipt one, up to its opening."""
    tale = Tale()
    tale.issue("one", GOODS)
    tale.consent("one", "A")
    tale.open_loan("A", "one", GOODS)
    return tale


def _active(tale: Tale) -> Tale:
    tale.secure_goods("A", GOODS)
    tale.secure_receipt("A", "one")
    tale.activate("A")
    return tale


def _attention(collateral: Collateral, loan: str = "A") -> Attention:
    return attention_of(collateral.loans[named(loan)], collateral)


def test_nothing_folded_is_nothing() -> None:
    assert fold([]).loans == {}


def test_an_opening_loan_waits_for_both_securities(tale: Tale) -> None:
    state = fold(tale.facts)
    loan = state.loans[named("A")]
    assert (loan.state, loan.goods.answer, loan.receipt.answer) == (LoanState.OPENING, "", "")
    assert state.messages[loan.goods.message].state is MessageState.SENT
    assert state.receipts[named("one")].consented_to == named("A")
    assert _attention(state) is Attention.WAIT_SECURITY


def test_each_stage_of_a_message_is_told_by_its_chain(tale: Tale) -> None:
    message = message_id("A", "goods", 1)
    seen = []
    tale.attest(message)
    seen.append(fold(tale.facts).messages[message].state)
    tale.commit(NOTARIES, message, "reserved")
    seen.append(fold(tale.facts).messages[message].state)
    tale.judge(message, "reserved")
    seen.append(fold(tale.facts).messages[message].state)
    assert seen == [MessageState.ATTESTED, MessageState.COMMITTED, MessageState.CLOSED]
    told = fold(tale.facts).messages[message]
    assert (told.origin_chain, told.destination_chain, told.kind) == (LENDER, NOTARIES, 2)
    assert told.instruction is not None
    assert (told.instruction.loan_id, told.instruction.goods_key) == (named("A"), GOODS)
    assert (told.executed, told.outcome) == (True, "reserved")
    assert told.acknowledgement == named(f"ack {message.hex()}")


def test_one_secured_leg_does_not_make_a_loan_active(tale: Tale) -> None:
    tale.secure_goods("A", GOODS)
    tale.answer("A", "goods", "reserved")
    loan = fold(tale.facts).loans[named("A")]
    assert (loan.state, loan.goods.secured, loan.receipt.secured) == (LoanState.OPENING, True, False)


def test_both_secured_legs_make_it_active(tale: Tale) -> None:
    state = fold(_active(tale).facts)
    assert state.loans[named("A")].state is LoanState.ACTIVE
    assert state.receipts[named("one")].state is ReceiptState.FROZEN
    assert state.receipts[named("one")].frozen_by == named("A")
    assert state.reservations[GOODS].held_by == named("A")
    assert _attention(state) is Attention.NOTHING


def test_the_same_goods_under_another_receipt_are_refused_and_what_was_secured_is_released(tale: Tale) -> None:
    _active(tale)
    tale.issue("two", GOODS)
    tale.consent("two", "B")
    tale.open_loan("B", "two", GOODS)
    tale.secure_goods("B", GOODS, taken=True)
    tale.secure_receipt("B", "two")
    tale.refuse("B", "two", GOODS)
    tale.release_receipt("B", "two")
    tale.answer("B", "receipt", "released")
    state = fold(tale.facts)
    loan = state.loans[named("B")]
    assert (loan.state, loan.refusal) == (LoanState.REFUSED, "goods already reserved")
    assert (loan.goods.denied, loan.goods.release) == (True, None)
    assert (loan.receipt.release, loan.receipt.release_answer) == (message_id("B", "receipt", 2), "released")
    assert state.receipts[named("two")].state is ReceiptState.FREE
    assert [refused_loan for refused_loan, _ in state.reservations[GOODS].refused] == [named("B")]
    assert state.reservations[GOODS].held_by == named("A")
    assert (_attention(state, "A"), _attention(state, "B")) == (Attention.NOTHING, Attention.OTHER_SECURITY)


def test_a_repaid_loan_is_released_when_both_legs_are(tale: Tale) -> None:
    _active(tale)
    tale.repay("A", "one", GOODS)
    assert _attention(fold(tale.facts)) is Attention.WAIT_RELEASE
    tale.release_goods("A", GOODS)
    tale.release_receipt("A", "one")
    tale.answer("A", "goods", "released")
    tale.answer("A", "receipt", "released", ("PledgeRegistry", "LoanReleased", {"loan_id": f"0x{named('A').hex()}"}))
    state = fold(tale.facts)
    loan = state.loans[named("A")]
    assert loan.state is LoanState.RELEASED
    assert (loan.goods.release, loan.receipt.release) == (message_id("A", "goods", 2), message_id("A", "receipt", 2))
    assert (loan.goods.answer, loan.goods.release_answer) == ("reserved", "released")
    assert state.reservations[GOODS].held_by is None
    assert state.receipts[named("one")].state is ReceiptState.FREE
    assert _attention(state) is Attention.NOTHING


def test_an_active_loan_whose_security_went_away_says_stop(tale: Tale) -> None:
    _active(tale)
    fields = {"receipt_id": f"0x{named('one').hex()}", "loan_id": f"0x{named('A').hex()}"}
    tale.tell(ESTATE, ("WarehouseReceipt", "ReceiptReleased", dict(fields)))
    assert _attention(fold(tale.facts)) is Attention.SECURITY_LOST


def test_a_receipt_held_by_a_leg_is_not_free_and_the_decision_says_whose_it_is(tale: Tale) -> None:
    receipt, buyer = named("one"), b"\x07" * 20
    both: dict[str, Any] = {"receipt_id": f"0x{receipt.hex()}", "key": f"0x{named('leg').hex()}"}

    def after(event: str, **more: str) -> Any:
        tale.tell(ESTATE, ("WarehouseReceipt", event, both | more))
        return fold(tale.facts).receipts[receipt]

    seller = fold(tale.facts).receipts[receipt].holder
    assert after("LegConsented").consented_to is None
    held = after("ReceiptHeld")
    assert (held.state, held.holder, held.frozen_by) == (ReceiptState.HELD, seller, None)
    let_go = after("ReceiptLetGo")
    assert (let_go.state, let_go.holder) == (ReceiptState.FREE, seller)
    assert after("ReceiptHeld").state is ReceiptState.HELD
    delivered = after("ReceiptDelivered", holder=f"0x{buyer.hex()}")
    assert (delivered.state, delivered.holder) == (ReceiptState.FREE, buyer)
    after("PledgeConsented", loan_id=both["key"])
    assert fold(tale.facts).receipts[receipt].consented_to == named("leg")
    assert after("ReceiptPresented").consented_to is None


def test_a_dispute_stays_one_whatever_comes_after(tale: Tale) -> None:
    message = message_id("A", "goods", 1)
    tale.attest(message)
    tale.commit(NOTARIES, message, "reserved")
    tale.judge(message, "reserved", state=5)
    state = fold(tale.facts)
    assert state.messages[message].state is MessageState.DISPUTED
    assert state.messages[message].acknowledgement is None
    assert _attention(state) is Attention.DISPUTED


def test_a_retry_that_went_through_replaces_the_failed_call(tale: Tale) -> None:
    message = message_id("A", "goods", 1)
    tale.attest(message)
    tale.commit(NOTARIES, message, "")
    failed = tale.facts[-1]
    tale.facts[-1] = replace(failed, fields={**failed.fields, "executed": False})
    assert fold(tale.facts).messages[message].executed is False
    tale.commit(NOTARIES, message, "reserved")
    assert fold(tale.facts).messages[message].executed is True


def test_the_order_in_which_facts_arrive_makes_no_difference(tale: Tale) -> None:
    facts = _active(tale).facts
    expected = fold(facts)
    for seed in range(5):
        shuffled = facts[:]
        random.Random(seed).shuffle(shuffled)
        assert fold(shuffled) == expected


def test_rewinding_is_folding_fewer_facts(tale: Tale) -> None:
    before = len(tale.facts)
    expected = fold(tale.facts)
    _active(tale)
    assert fold(tale.facts) != expected
    assert fold(tale.facts[:before]) == expected


def test_a_fact_about_nothing_known_is_kept_as_unexplained(tale: Tale) -> None:
    tale.answer("unknown", "goods", "reserved")
    tale.tell(ESTATE, ("WarehouseReceipt", "ReceiptRedeemed", {"receipt_id": f"0x{named('unknown').hex()}"}))
    state = fold(tale.facts)
    assert [fact.event for fact in state.unexplained] == ["ReceiptRedeemed", "LegAnswered"]
    assert list(state.loans) == [named("A")]


def test_other_contracts_and_events_change_nothing(tale: Tale) -> None:
    expected = fold(tale.facts)
    tale.tell(ESTATE, ("Committee", "EpochStarted", {"epoch": 1}), ("Stranger", "LoanActive", {"loan_id": "0x"}))
    assert fold(tale.facts) == expected


@pytest.mark.parametrize(
    ("field", "value"),
    [("size", "0x01"), ("size", True), ("root", 7), ("root", "not hex"), ("root", "0xzz")],
)
def test_refuses_a_fact_that_does_not_have_its_events_fields(field: str, value: int | str) -> None:
    honest: dict[str, int | str] = {"size": 1, "root": f"0x{named('root').hex()}"}
    with refused("FACT_FIELD"):
        fold([_anchored({**honest, field: value})])
    with refused("FACT_FIELD"):
        fold([_anchored({name: kept for name, kept in honest.items() if name != field})])
    assert fold([_anchored(honest)]).anchors[0].size == 1


@pytest.mark.parametrize(
    ("word", "text"),
    [
        (b"reserved".ljust(32, b"\x00"), "reserved"),
        (bytes(32), ""),
        (b"\xff" * 32, "0x" + "ff" * 32),
        (b"a\x00b".ljust(32, b"\x00"), "0x" + b"a\x00b".ljust(32, b"\x00").hex()),
        ("\u202e".encode().ljust(32, b"\x00"), "0x" + "\u202e".encode().ljust(32, b"\x00").hex()),
    ],
    ids=["text", "empty", "no text", "a zero inside", "a direction mark"],
)
def test_an_outcome_is_text_only_when_it_is_plain(word: bytes, text: str) -> None:
    assert outcome_text(word) == text


def _anchored(fields: dict[str, int | str]) -> ChainFact:
    return ChainFact(ESTATE, 1, named("b"), named("t"), 0, "AnchorRegistry", "Anchored", dict(fields))


# -- receipts that are divided, and loans that are enforced ------------------------------------------------------------


def divided() -> Tale:
    tale = Tale()
    tale.issue("whole", GOODS, 10)
    ids = {"receipt_id": "whole", "first": "one", "second": "other"}
    fields: dict[str, FactValue] = {name: hexed(named(text)) for name, text in ids.items()}
    tale.tell(ESTATE, ("WarehouseReceipt", "ReceiptSplit", fields | {"first_quantity": 3}))
    return tale


def test_the_parts_of_a_receipt_are_as_much_as_the_whole_was() -> None:
    receipts = fold(divided().facts).receipts
    assert receipts[named("whole")].state is ReceiptState.DIVIDED
    parts = [receipts[named(name)] for name in ("one", "other")]
    assert [part.quantity for part in parts] == [3, 7]
    assert {(part.goods_key, part.state, part.holder) for part in parts} == {
        (GOODS, ReceiptState.ISSUED, bytes([8]) * 20)
    }


def test_a_merged_receipt_takes_the_place_of_both() -> None:
    tale = divided()
    ids = {"receipt_id": "merged", "first": "one", "second": "other"}
    fields: dict[str, FactValue] = {name: hexed(named(text)) for name, text in ids.items()}
    tale.tell(ESTATE, ("WarehouseReceipt", "ReceiptsMerged", fields | {"quantity": 10}))
    receipts = fold(tale.facts).receipts
    assert receipts[named("merged")].quantity == 10
    assert {receipts[named(name)].state for name in ("one", "other")} == {ReceiptState.DIVIDED}


def test_a_division_of_what_nobody_issued_is_kept_as_unexplained() -> None:
    facts = [fact for fact in divided().facts if fact.event == "ReceiptSplit"]
    collateral = fold(facts)
    assert (len(collateral.receipts), collateral.unexplained) == (0, tuple(facts))


def test_an_enforced_loan_and_its_receipts_next_holder_are_told() -> None:
    tale = Tale()
    tale.issue("receipt", GOODS)
    tale.open_loan("loan", "receipt", GOODS)
    ids: dict[str, FactValue] = {"loan_id": hexed(named("loan"))}
    tale.tell(LENDER, ("PledgeRegistry", "LoanEnforced", ids | {"recipient": hexed(bytes([9]) * 20)}))
    both: dict[str, FactValue] = {"receipt_id": hexed(named("receipt")), "holder": hexed(bytes([9]) * 20)}
    tale.tell(ESTATE, ("WarehouseReceipt", "ReceiptEnforced", ids | both))
    collateral = fold(tale.facts)
    assert collateral.loans[named("loan")].state is LoanState.ENFORCED
    assert collateral.receipts[named("receipt")].holder == bytes([9]) * 20


@pytest.mark.parametrize(("state", "ended"), [(6, MessageState.EXPIRED), (7, MessageState.ABORTED)])
def test_a_message_that_never_acted_is_told_as_ended(state: int, ended: MessageState) -> None:
    tale = Tale()
    tale.judge(named("message"), "expired", state=state)
    assert fold(tale.facts).messages[named("message")].state is ended
