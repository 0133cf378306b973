"""Loans whose legs are refused, expire or are voided; cancelled, enforced; opened in numbers without a paper."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from contracts.manifest import Role
from ledger.attestation import EXPIRED, VOID
from ledger.ethereum.keccak import keccak256
from ledger.proposal import Proposal
from tests.contracts.collateral_world import end, evm_of, refused
from tests.contracts.test_collateral import (
    DUE,
    TERMS,
    Opened,
    fresh,
    holder_of,
    id_of,
    issue,
    lien,
    open_loan,
    settle,
)
from tests.contracts.world import HOLDER, LENDER, OWNER, STRANGER, World, word

STATES = ("none", "opening", "active", "refused", "repaid", "released", "enforced")
MAX_UNPROVEN = 16
ENDS = {"expired": EXPIRED, "void": VOID}


def state(world: World, opened: Opened) -> str:
    return STATES[world.read(Role.DESTINATION, "PledgeRegistry", "loans", opened.loan)[4]]


def refusal(world: World, opened: Opened) -> bytes:
    return bytes(world.read(Role.DESTINATION, "PledgeRegistry", "loans", opened.loan)[8]).rstrip(b"\x00")


def pledges(world: World, function: str, *arguments: Any, by: Any = LENDER) -> list[Proposal]:
    """Call the pledge registry; the messages it sent."""
    return world.sent(Role.DESTINATION, world.send(Role.DESTINATION, "PledgeRegistry", function, *arguments, by=by))


def ended(world: World, instruction: Proposal, how: str) -> list[Proposal]:
    """An instruction expires or is voided, and its sender hears of it; the messages it sent then."""
    return world.sent(Role.DESTINATION, world.commit(end(world, instruction, ENDS[how])))


def carried(world: World, instruction: Proposal, outcome: bytes) -> list[Proposal]:
    """An instruction acts and is acknowledged; the messages its sender sent then."""
    commit = world.commit(instruction)
    closed = world.close(instruction, commit, outcome=outcome)
    role = Role.TRANSACTION if instruction.message.destination.chain_id == 7103 else Role.ORIGIN
    assert world.logs(role, commit)["MessageCommitted"].fields["outcome"] == word(outcome)
    (acknowledgement,) = world.sent(Role.TRANSACTION, closed)
    return world.sent(Role.DESTINATION, world.commit(acknowledgement))


def active(world: World) -> Opened:
    opened = open_loan(world)
    settle(world, opened.to_goods)
    settle(world, opened.to_receipt)
    assert state(world, opened) == "active"
    return opened


def is_free(world: World, opened: Opened) -> bool:
    return (holder_of(world, opened.goods), lien(world, opened.receipt)) == (bytes(32), bytes(32))


# -- a leg that never acted -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("leg", ["goods", "receipt"])
@pytest.mark.parametrize("other_first", [True, False])
def test_G06_a_leg_that_ended_unacted_refuses_the_loan_and_the_other_is_released(
    world: World, how: str, leg: str, other_first: bool
) -> None:
    opened = open_loan(world)
    gone, other = (opened.to_goods, opened.to_receipt) if leg == "goods" else (opened.to_receipt, opened.to_goods)
    secured = b"frozen" if leg == "goods" else b"reserved"
    if other_first:
        assert carried(world, other, secured) == []
        (release,) = ended(world, gone, how)
    else:
        assert ended(world, gone, how) == []
        assert state(world, opened) == "refused"
        (release,) = carried(world, other, secured)
    assert (state(world, opened), refusal(world, opened)) == ("refused", how.encode())
    assert carried(world, release, b"released") == []
    assert is_free(world, opened)
    again = open_loan(world, opened.goods)
    assert settle(world, again.to_goods) == word(b"reserved")


@pytest.mark.parametrize("how", ENDS)
def test_a_loan_with_no_leg_at_all_is_refused_and_holds_nothing(world: World, how: str) -> None:
    opened = open_loan(world)
    assert ended(world, opened.to_goods, how) == ended(world, opened.to_receipt, how) == []
    assert (state(world, opened), is_free(world, opened)) == ("refused", True)


def test_an_expired_instruction_is_not_committed_afterwards(world: World) -> None:
    opened = open_loan(world)
    evm = evm_of(world, Role.TRANSACTION)
    with evm.rolled_back():
        evm.time = opened.to_goods.message.expiry
        with refused(world, "Gateway: expired"):
            world.commit(opened.to_goods)
        evm.time = opened.to_goods.message.expiry - 1
        world.commit(opened.to_goods)


@pytest.mark.parametrize("how", ENDS)
def test_a_release_that_never_acted_is_asked_again(world: World, how: str) -> None:
    opened = active(world)
    to_goods, to_receipt = pledges(world, "repay", opened.loan)
    ended(world, to_goods, how)
    carried(world, to_receipt, b"released")
    assert state(world, opened) == "repaid"
    assert holder_of(world, opened.goods) != bytes(32)
    (again,) = pledges(world, "release", opened.loan)
    assert carried(world, again, b"released") == []
    assert (state(world, opened), is_free(world, opened)) == ("released", True)


def test_a_release_is_asked_again_only_where_the_first_never_acted(world: World) -> None:
    opened = active(world)
    with refused(world, "PledgeRegistry: loan is not over"):
        pledges(world, "release", opened.loan)
    to_goods, _ = pledges(world, "repay", opened.loan)
    with refused(world, "PledgeRegistry: nothing to release"):
        pledges(world, "release", opened.loan)
    ended(world, to_goods, "expired")
    with refused(world, "PledgeRegistry: not the lender"):
        pledges(world, "release", opened.loan, by=STRANGER)
    assert len(pledges(world, "release", opened.loan)) == 1


# -- cancelled --------------------------------------------------------------------------------------------------------


def test_a_lender_cancels_an_opening_loan_and_gets_back_what_was_given(world: World) -> None:
    opened = open_loan(world)
    carried(world, opened.to_goods, b"reserved")
    with refused(world, "PledgeRegistry: not the lender"):
        pledges(world, "cancel", opened.loan, by=STRANGER)
    (release,) = pledges(world, "cancel", opened.loan)
    assert (state(world, opened), refusal(world, opened)) == ("refused", b"cancelled by its lender")
    carried(world, release, b"released")
    assert is_free(world, opened)


def test_what_is_secured_after_the_cancellation_is_released(world: World) -> None:
    opened = open_loan(world)
    assert pledges(world, "cancel", opened.loan) == []
    for instruction, outcome in ((opened.to_goods, b"reserved"), (opened.to_receipt, b"frozen")):
        (release,) = carried(world, instruction, outcome)
        carried(world, release, b"released")
    assert (state(world, opened), is_free(world, opened)) == ("refused", True)


@contextmanager
def past_due(world: World) -> Iterator[None]:
    """The due date has come at the destination, for what happens inside."""
    evm = evm_of(world, Role.DESTINATION)
    now, evm.time = evm.time, DUE
    try:
        yield
    finally:
        evm.time = now


FLOW = ("cancel", "repay", "enforce", "release")
ALLOWED = {
    "opening": {"cancel"},
    "active": {"repay", "enforce"},
    "refused": set(),
    "repaid": set(),
    "released": set(),
    "enforced": set(),
}


def brought_to(world: World, wanted: str) -> Opened:
    if wanted == "opening":
        return open_loan(world)
    if wanted == "refused":
        opened = open_loan(world)
        pledges(world, "cancel", opened.loan)
        return opened
    opened = active(world)
    if wanted == "enforced":
        with past_due(world):
            pledges(world, "enforce", opened.loan, STRANGER.address)
    elif wanted != "active":
        releases = pledges(world, "repay", opened.loan)
        for release in releases if wanted == "released" else []:
            carried(world, release, b"released")
    return opened


@pytest.mark.parametrize("wanted", ALLOWED)
def test_OT05_a_step_out_of_order_changes_nothing(world: World, wanted: str) -> None:
    opened = brought_to(world, wanted)
    assert state(world, opened) == wanted
    reasons = {
        "cancel": "loan is not opening",
        "repay": "loan is not active",
        "enforce": "receipt is not held" if wanted == "enforced" else "loan is not active",
        "release": {
            "enforced": "receipt has not passed",
            "refused": "nothing to release",
            "repaid": "nothing to release",
        }.get(wanted, "loan is not over"),
    }
    with past_due(world):
        for function in FLOW:
            arguments = (STRANGER.address,) if function == "enforce" else ()
            if function in ALLOWED[wanted]:
                with evm_of(world, Role.DESTINATION).rolled_back():
                    pledges(world, function, opened.loan, *arguments)
                    assert state(world, opened) != wanted
            else:
                with refused(world, f"PledgeRegistry: {reasons[function]}"):
                    pledges(world, function, opened.loan, *arguments)


# -- enforced ---------------------------------------------------------------------------------------------------------


def test_after_the_due_date_the_lender_names_the_receipts_next_holder(world: World) -> None:
    opened = active(world)
    evm = evm_of(world, Role.DESTINATION)
    with refused(world, "PledgeRegistry: not due"):
        pledges(world, "enforce", opened.loan, STRANGER.address)
    now, evm.time = evm.time, DUE - 1
    with refused(world, "PledgeRegistry: not due"):
        pledges(world, "enforce", opened.loan, STRANGER.address)
    evm.time = DUE
    with refused(world, "PledgeRegistry: not the lender"):
        pledges(world, "enforce", opened.loan, STRANGER.address, by=HOLDER)
    with refused(world, "PledgeRegistry: no recipient"):
        pledges(world, "enforce", opened.loan, bytes(20))
    (enforcement,) = pledges(world, "enforce", opened.loan, STRANGER.address)
    evm.time = now
    assert state(world, opened) == "enforced"
    assert carried(world, enforcement, b"enforced") == []
    receipt = world.read(Role.ORIGIN, "WarehouseReceipt", "receipts", opened.receipt)
    assert (receipt[1], receipt[5]) == (STRANGER.address, bytes(32))
    # The goods key stays the lender's until it lets go: nobody else lends on the pile meanwhile.
    assert holder_of(world, opened.goods) != bytes(32)
    (release,) = pledges(world, "release", opened.loan)
    carried(world, release, b"released")
    assert (state(world, opened), holder_of(world, opened.goods)) == ("released", bytes(32))


def test_an_enforcement_that_never_acted_may_name_another(world: World) -> None:
    opened = active(world)
    evm = evm_of(world, Role.DESTINATION)
    now, evm.time = evm.time, DUE
    (first,) = pledges(world, "enforce", opened.loan, STRANGER.address)
    evm.time = now
    ended(world, first, "expired")
    evm.time = DUE
    (second,) = pledges(world, "enforce", opened.loan, OWNER.address)
    evm.time = now
    carried(world, second, b"enforced")
    assert world.read(Role.ORIGIN, "WarehouseReceipt", "receipts", opened.receipt)[1] == OWNER.address


@pytest.mark.parametrize(("action", "recipient"), [(3, bytes(20)), (1, b"\x05" * 20), (2, b"\x05" * 20)])
def test_only_an_enforcement_names_a_recipient(world: World, action: int, recipient: bytes) -> None:
    opened = open_loan(world)
    payload = bytearray(opened.to_receipt.payload)
    payload[31], payload[172:192] = action, recipient
    commit = world.commit(forged(opened.to_receipt, bytes(payload)))
    assert not world.logs(Role.ORIGIN, commit)["MessageCommitted"].fields["executed"]
    assert lien(world, opened.receipt) == bytes(32)


@pytest.mark.parametrize("length", [0, 160, 191, 193, 224])
def test_an_instruction_has_its_length(world: World, length: int) -> None:
    opened = open_loan(world)
    payload = opened.to_receipt.payload.ljust(224, b"\x00")[:length]
    commit = world.commit(forged(opened.to_receipt, payload))
    assert not world.logs(Role.ORIGIN, commit)["MessageCommitted"].fields["executed"]
    assert settle(world, opened.to_receipt) == word(b"frozen")


def test_goods_are_not_handed_over_by_an_enforcement(world: World) -> None:
    opened = active(world)
    held = holder_of(world, opened.goods)
    payload = bytearray(opened.to_goods.payload)
    payload[31], payload[95], payload[172:192] = 3, 2, STRANGER.address
    commit = world.commit(forged(opened.to_goods, bytes(payload)))
    assert not world.logs(Role.TRANSACTION, commit)["MessageCommitted"].fields["executed"]
    assert holder_of(world, opened.goods) == held


SEQUENCES = itertools.count(1_000_000)


def forged(honest: Proposal, payload: bytes) -> Proposal:
    """What a quorum of notaries could let through on the same lane."""
    changed = replace(honest.message, sequence=next(SEQUENCES), payload_digest=keccak256(payload))
    return Proposal(changed, payload)


# -- goods held without a paper ---------------------------------------------------------------------------------------


def opened_without_consent(world: World) -> Opened:
    """One more opening by the lender, with no paper to show, and without enrolling it again."""
    number, goods, receipt = fresh(), fresh(), fresh()
    to_goods, to_receipt = pledges(world, "open_loan", number, receipt, goods, TERMS, DUE)
    return Opened(id_of(world, LENDER, number, receipt, goods), number, receipt, goods, to_goods, to_receipt)


def test_OT04_a_lender_without_a_paper_holds_few_goods_and_not_for_ever(world: World) -> None:
    world.send(Role.DESTINATION, "PledgeRegistry", "enrol_lender", LENDER.address)
    openings = [opened_without_consent(world) for _ in range(MAX_UNPROVEN)]
    with refused(world, "PledgeRegistry: too many openings without a paper"):
        opened_without_consent(world)
    # The receipts' refusal frees the goods, and does not give the opening back.
    bare = openings[0]
    carried(world, bare.to_goods, b"reserved")
    (release,) = carried(world, bare.to_receipt, b"no such receipt")
    carried(world, release, b"released")
    assert holder_of(world, bare.goods) == bytes(32)
    with refused(world, "PledgeRegistry: too many openings without a paper"):
        opened_without_consent(world)
    world.send(Role.DESTINATION, "PledgeRegistry", "enrol_lender", LENDER.address)
    opened_without_consent(world)


@pytest.mark.parametrize("how", ["frozen", "expired", "void"])
def test_a_lender_who_shows_the_paper_or_was_never_answered_opens_on(world: World, how: str) -> None:
    opened = open_loan(world)
    for _ in range(MAX_UNPROVEN - 1):
        opened_without_consent(world)
    with refused(world, "PledgeRegistry: too many openings without a paper"):
        opened_without_consent(world)
    if how == "frozen":
        carried(world, opened.to_receipt, b"frozen")
    else:
        ended(world, opened.to_receipt, how)
    opened_without_consent(world)


def test_OT04_of_two_parts_of_one_pile_one_is_pledged_at_a_time(world: World) -> None:
    goods = fresh()
    whole = issue(world, goods)
    mined = world.send(Role.ORIGIN, "WarehouseReceipt", "split", whole, 5_000, by=HOLDER)
    fields = world.logs(Role.ORIGIN, mined)["ReceiptSplit"].fields
    loans = []
    for part in (fields["first"], fields["second"]):
        number = fresh()
        loan = id_of(world, LENDER, number, part, goods)
        world.send(Role.ORIGIN, "WarehouseReceipt", "consent", part, loan, by=HOLDER)
        world.send(Role.DESTINATION, "PledgeRegistry", "enrol_lender", LENDER.address)
        loans.append((loan, pledges(world, "open_loan", number, part, goods, TERMS, DUE)))
    # Concurrently: both ask before either is answered.
    assert settle(world, loans[0][1][0]) == word(b"reserved")
    assert settle(world, loans[1][1][0]) == word(b"goods already reserved")
    assert settle(world, loans[0][1][1]) == word(b"frozen")
    found = [STATES[world.read(Role.DESTINATION, "PledgeRegistry", "loans", loan)[4]] for loan, _ in loans]
    assert found == ["active", "refused"]
