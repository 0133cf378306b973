"""A loan and its security: reserved once, frozen by consent, active when both are closed, released on repayment."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import pytest

from contracts.manifest import Role
from ledger.attestation import DIFFERS, SAME
from ledger.collateral.identity import loan_id
from ledger.errors import Refused
from ledger.ethereum.keccak import keccak256
from ledger.proposal import Kind, Proposal
from ledger.secp256k1 import SigningKey
from tests.contracts.world import HOLDER, LENDER, OWNER, STRANGER, World, word

NUMBERS = itertools.count(1)
TERMS = keccak256(b"terms")
DUE = 2_000_000_000
OPENING, ACTIVE, REFUSED, REPAID, RELEASED = 1, 2, 3, 4, 5


def fresh() -> bytes:
    return keccak256(next(NUMBERS).to_bytes(8, "big"))


@dataclass(frozen=True)
class Opened:
    """A loan just opened, with its two instructions on their way."""

    loan: bytes
    number: bytes
    receipt: bytes
    goods: bytes
    to_goods: Proposal
    to_receipt: Proposal


def issue(world: World, goods: bytes) -> bytes:
    receipt = fresh()
    if not world.read(Role.ORIGIN, "WarehouseReceipt", "keepers", OWNER.address):
        world.send(Role.ORIGIN, "WarehouseReceipt", "enrol_keeper", OWNER.address)
    world.send(Role.ORIGIN, "WarehouseReceipt", "issue", receipt, goods, HOLDER.address, 12_000)
    return receipt


def open_loan(world: World, goods: bytes | None = None, *, consent: bool = True) -> Opened:
    number, goods = fresh(), goods or fresh()
    receipt = issue(world, goods)
    # Enrolled again each time: many loans here are left opening, and a lender has only so many without a paper.
    world.send(Role.DESTINATION, "PledgeRegistry", "enrol_lender", LENDER.address)
    loan = id_of(world, LENDER, number, receipt, goods)
    if consent:
        world.send(Role.ORIGIN, "WarehouseReceipt", "consent", receipt, loan, by=HOLDER)
    opening = (number, receipt, goods, TERMS, DUE)
    mined = world.send(Role.DESTINATION, "PledgeRegistry", "open_loan", *opening, by=LENDER)
    to_goods, to_receipt = world.sent(Role.DESTINATION, mined)
    return Opened(loan, number, receipt, goods, to_goods, to_receipt)


def id_of(
    world: World, lender: SigningKey, number: bytes, receipt: bytes, goods: bytes, terms: bytes = TERMS, due: int = DUE
) -> bytes:
    return loan_id(
        chain_id=7102,
        registry=world.contract(Role.DESTINATION, "PledgeRegistry").address,
        lender=lender.address,
        number=number,
        receipt_id=receipt,
        goods_key=goods,
        terms_digest=terms,
        due=due,
    )


def settle(world: World, instruction: Proposal) -> bytes:
    """Carry an instruction all the way: committed, closed, acknowledged. Returns the outcome."""
    role = Role.TRANSACTION if instruction.message.destination.chain_id == 7103 else Role.ORIGIN
    commit = world.commit(instruction)
    outcome = world.logs(role, commit)["MessageCommitted"].fields["outcome"]
    closed = world.close(instruction, commit, outcome=outcome)
    (acknowledgement,) = world.sent(Role.TRANSACTION, closed)
    world.commit(acknowledgement)
    return bytes(outcome)


def state(world: World, opened: Opened) -> int:
    return int(world.read(Role.DESTINATION, "PledgeRegistry", "loans", opened.loan)[4])


def lien(world: World, receipt: bytes) -> bytes:
    return bytes(world.read(Role.ORIGIN, "WarehouseReceipt", "receipts", receipt)[5])


def holder_of(world: World, goods: bytes) -> bytes:
    return bytes(world.read(Role.TRANSACTION, "GoodsRegistry", "holders", goods))


def test_a_loan_is_active_only_when_both_legs_are_closed(world: World) -> None:
    opened = open_loan(world)
    assert state(world, opened) == OPENING
    assert settle(world, opened.to_goods) == word(b"reserved")
    assert state(world, opened) == OPENING
    assert settle(world, opened.to_receipt) == word(b"frozen")
    assert state(world, opened) == ACTIVE
    assert lien(world, opened.receipt) != bytes(32)


def test_committed_but_unclosed_legs_keep_the_loan_opening(world: World) -> None:
    opened = open_loan(world)
    world.commit(opened.to_goods)
    world.commit(opened.to_receipt)
    assert state(world, opened) == OPENING


def test_OT04_the_same_goods_under_another_receipt_are_refused(world: World) -> None:
    first = open_loan(world)
    settle(world, first.to_goods)
    settle(world, first.to_receipt)
    second = open_loan(world, first.goods)
    assert second.receipt != first.receipt
    assert settle(world, second.to_receipt) == word(b"frozen")
    assert settle(world, second.to_goods) == word(b"goods already reserved")
    assert state(world, second) == REFUSED
    assert state(world, first) == ACTIVE
    refusal = world.read(Role.DESTINATION, "PledgeRegistry", "loans", second.loan)[8]
    assert refusal == word(b"goods already reserved")


def test_a_refused_loan_lets_go_of_what_it_had_frozen(world: World) -> None:
    first = open_loan(world)
    settle(world, first.to_goods)
    second = open_loan(world, first.goods)
    settle(world, second.to_goods)
    commit = world.commit(second.to_receipt)
    assert lien(world, second.receipt) != bytes(32)
    closed = world.close(second.to_receipt, commit, outcome=b"frozen")
    (acknowledgement,) = world.sent(Role.TRANSACTION, closed)
    (release,) = world.sent(Role.DESTINATION, world.commit(acknowledgement))
    assert settle(world, release) == word(b"released")
    assert lien(world, second.receipt) == bytes(32)


def test_repayment_releases_both_and_the_goods_can_be_pledged_again(world: World) -> None:
    opened = open_loan(world)
    settle(world, opened.to_goods)
    settle(world, opened.to_receipt)
    mined = world.send(Role.DESTINATION, "PledgeRegistry", "repay", opened.loan, by=LENDER)
    releases = world.sent(Role.DESTINATION, mined)
    assert state(world, opened) == REPAID
    for release in releases:
        assert settle(world, release) == word(b"released")
    assert state(world, opened) == RELEASED
    assert (lien(world, opened.receipt), holder_of(world, opened.goods)) == (bytes(32), bytes(32))
    again = open_loan(world, opened.goods)
    assert settle(world, again.to_goods) == word(b"reserved")


def test_an_old_instruction_never_acts_on_a_newer_pledge(world: World) -> None:
    opened = open_loan(world)
    settle(world, opened.to_goods)
    held = holder_of(world, opened.goods)
    # The same instruction under a new sequence, as a replayed or late retry would bring it.
    late = Proposal(
        replace(opened.to_goods.message, sequence=opened.to_goods.message.sequence + 500), opened.to_goods.payload
    )
    committed = world.logs(Role.TRANSACTION, world.commit(late))["MessageCommitted"].fields
    assert not committed["executed"]
    assert holder_of(world, opened.goods) == held


@pytest.mark.parametrize(
    ("what", "outcome"),
    [
        ("consent", b"holder has not consented"),
        ("goods", b"receipt is for other goods"),
        ("receipt", b"no such receipt"),
    ],
)
def test_a_freeze_is_refused_without(world: World, what: str, outcome: bytes) -> None:
    opened = open_loan(world, consent=what != "consent")
    payload = bytearray(opened.to_receipt.payload)
    if what == "receipt":
        payload[96:128] = fresh()
    if what == "goods":
        payload[128:160] = fresh()
    message = replace(opened.to_receipt.message, payload_digest=keccak256(bytes(payload)))
    commit = world.commit(Proposal(message, bytes(payload)))
    assert world.logs(Role.ORIGIN, commit)["MessageCommitted"].fields["outcome"] == word(outcome)
    assert lien(world, opened.receipt) == bytes(32)


def test_a_frozen_receipt_is_neither_transferred_nor_redeemed_nor_pledged_again(world: World) -> None:
    opened = open_loan(world)
    free = open_loan(world)
    settle(world, opened.to_receipt)
    for function, arguments, key in (
        ("transfer", (opened.receipt, STRANGER.address), HOLDER),
        ("consent", (opened.receipt, fresh()), HOLDER),
        ("redeem", (opened.receipt,), OWNER),
    ):
        with pytest.raises(Refused, match="WarehouseReceipt: frozen"):
            world.send(Role.ORIGIN, "WarehouseReceipt", function, *arguments, by=key)
    world.send(Role.ORIGIN, "WarehouseReceipt", "transfer", free.receipt, STRANGER.address, by=HOLDER)
    world.send(Role.ORIGIN, "WarehouseReceipt", "present", free.receipt, by=STRANGER)
    world.send(Role.ORIGIN, "WarehouseReceipt", "redeem", free.receipt)


H05_SIDE_DOORS: dict[str, tuple[Role, str, str, tuple[Any, ...], str]] = {
    "deliver_to_the_goods_registry": (
        Role.TRANSACTION, "GoodsRegistry", "receiveMessage", (bytes(32), b"", b""), "not the gateway"),
    "deliver_to_the_receipts": (
        Role.ORIGIN, "WarehouseReceipt", "receiveMessage", (bytes(32), b"", b""), "not the gateway"),
    "deliver_an_acknowledgement": (
        Role.DESTINATION, "PledgeRegistry", "receiveMessage", (bytes(32), b"", b""), "not the gateway"),
    "deliver_an_anchor": (
        Role.DESTINATION, "AnchorMirror", "receiveMessage", (bytes(32), b"", b""), "not the gateway"),
    "admit_a_sender": (Role.TRANSACTION, "GoodsRegistry", "admit", (1, b"\x01" * 20), "not the owner"),
    "enrol_a_keeper": (Role.ORIGIN, "WarehouseReceipt", "enrol_keeper", (b"\x01" * 20,), "not the owner"),
    "enrol_a_lender": (Role.DESTINATION, "PledgeRegistry", "enrol_lender", (b"\x01" * 20,), "not the owner"),
    "issue_a_receipt": (
        Role.ORIGIN, "WarehouseReceipt", "issue", (b"\x01" * 32, b"\x02" * 32, b"\x03" * 20, 1), "not a keeper"),
    "anchor_a_checkpoint": (Role.ORIGIN, "AnchorRegistry", "anchor", (1, b"\x01" * 32), "not the anchorer"),
    "name_a_chain": (
        Role.TRANSACTION, "TransactionRegistry", "register_chain", ((9, b"\x01" * 32, b"\x02" * 20),), "sealed"),
    "repay_anothers_loan": (Role.DESTINATION, "PledgeRegistry", "repay", (b"\x01" * 32,), "not the lender"),
}  # fmt: skip


@pytest.mark.parametrize("name", H05_SIDE_DOORS)
def test_H05_a_stranger_cannot(world: World, name: str) -> None:
    role, contract, function, arguments, reason = H05_SIDE_DOORS[name]
    with pytest.raises(Refused, match=reason):
        world.send(role, contract, function, *arguments, by=STRANGER)


def test_a_loan_is_opened_once_and_repaid_only_when_active(world: World) -> None:
    opened = open_loan(world)
    again = (opened.number, opened.receipt, opened.goods, TERMS, DUE)
    with pytest.raises(Refused, match="loan exists"):
        world.send(Role.DESTINATION, "PledgeRegistry", "open_loan", *again, by=LENDER)
    with pytest.raises(Refused, match="not active"):
        world.send(Role.DESTINATION, "PledgeRegistry", "repay", opened.loan, by=LENDER)
    assert state(world, opened) == OPENING


def test_nobody_takes_over_a_loan_the_holder_consented_to(world: World) -> None:
    opened = open_loan(world)
    arguments = (opened.number, opened.receipt, opened.goods, TERMS, DUE)
    with pytest.raises(Refused, match="not a lender"):
        world.send(Role.DESTINATION, "PledgeRegistry", "open_loan", *arguments, by=STRANGER)
    # Even an enrolled lender gets a loan of its own, to which nobody consented; so do other terms.
    world.send(Role.DESTINATION, "PledgeRegistry", "enrol_lender", STRANGER.address)
    ids = {opened.loan}
    for key, terms in ((STRANGER, TERMS), (LENDER, keccak256(b"harder terms"))):
        mined = world.send(Role.DESTINATION, "PledgeRegistry", "open_loan", *arguments[:3], terms, DUE, by=key)
        ids.add(world.logs(Role.DESTINATION, mined)["LoanOpening"].fields["loan_id"])
        _, to_receipt = world.sent(Role.DESTINATION, mined)
        commit = world.logs(Role.ORIGIN, world.commit(to_receipt))["MessageCommitted"].fields
        assert commit["outcome"] == word(b"holder has not consented")
    assert len(ids) == 3
    assert settle(world, opened.to_receipt) == word(b"frozen")


def test_the_python_twin_gives_the_contracts_loan_id(world: World) -> None:
    fields = (fresh(), fresh(), fresh(), fresh(), DUE)
    said = world.read(Role.DESTINATION, "PledgeRegistry", "loan_id", LENDER.address, *fields)
    assert id_of(world, LENDER, *fields) == said


def test_an_acknowledgement_for_nothing_asked_is_not_executed(world: World) -> None:
    opened = open_loan(world)
    closed = world.close(opened.to_goods, world.commit(opened.to_goods), outcome=b"reserved")
    (honest,) = world.sent(Role.TRANSACTION, closed)
    payload = fresh() + word(b"reserved")
    forged = Proposal(
        replace(honest.message, sequence=honest.message.sequence + 500, payload_digest=keccak256(payload)), payload
    )
    committed = world.logs(Role.DESTINATION, world.commit(forged))["MessageCommitted"].fields
    assert not committed["executed"]
    world.commit(honest)
    assert world.read(Role.DESTINATION, "PledgeRegistry", "loans", opened.loan)[5] == 1


# -- the transaction registry ----------------------------------------------------------------------------------------


def test_a_call_is_acknowledged_when_closed_and_an_acknowledgement_is_not(world: World) -> None:
    opened = open_loan(world)
    closed = world.close(opened.to_goods, world.commit(opened.to_goods), outcome=b"reserved")
    (acknowledgement,) = world.sent(Role.TRANSACTION, closed)
    assert acknowledgement.message.kind is Kind.ACKNOWLEDGEMENT
    assert acknowledgement.payload == opened.to_goods.message.id + word(b"reserved")
    over = world.close(acknowledgement, world.commit(acknowledgement), outcome=b"")
    assert world.sent(Role.TRANSACTION, over) == []


def test_the_registry_refuses_a_verdict_of_less_than_a_quorum(world: World) -> None:
    opened = open_loan(world)
    commit = world.commit(opened.to_goods)
    world.send(Role.TRANSACTION, "TransactionRegistry", "propose", [opened.to_goods.message.as_abi()])
    verdict = world.verdict(opened.to_goods.message, commit, outcome=b"reserved")
    with pytest.raises(Refused, match="not attested"):
        world.judge(verdict)
    certificate = world.certify(opened.to_goods.message)
    covered = (opened.to_goods.message.destination.chain_id, [opened.to_goods.message.id], 1)
    below = world.certify(opened.to_goods.message, signers=(0, 1))
    with pytest.raises(Refused, match="below quorum"):
        world.send(Role.TRANSACTION, "TransactionRegistry", "attest", *covered, below.signatures)
    world.send(Role.TRANSACTION, "TransactionRegistry", "attest", *covered, certificate.signatures)
    with pytest.raises(Refused, match="below quorum"):
        world.judge(verdict, signers=(0, 1))
    assert state(world, opened) == OPENING
    world.judge(verdict)


def test_a_quorum_that_finds_a_difference_disputes_and_nothing_is_acknowledged(world: World) -> None:
    opened = open_loan(world)
    mined = world.close(opened.to_goods, world.commit(opened.to_goods), outcome=b"reserved", verdict=DIFFERS)
    assert world.logs(Role.TRANSACTION, mined)["CommitJudged"].fields["state"] == 5
    assert world.sent(Role.TRANSACTION, mined) == []
    assert state(world, opened) == OPENING


def test_two_of_four_dispute_and_two_of_four_close_nothing(world: World) -> None:
    opened = open_loan(world)
    commit = world.commit(opened.to_goods)
    world.record(opened.to_goods)
    differs = world.verdict(opened.to_goods.message, commit, outcome=b"reserved", verdict=DIFFERS)
    with pytest.raises(Refused, match="below quorum"):
        world.judge(differs, signers=(3,))
    with pytest.raises(Refused, match="below quorum"):
        world.judge(replace(differs, verdict=SAME), signers=(2, 3))
    mined = world.judge(differs, signers=(2, 3))
    assert world.logs(Role.TRANSACTION, mined)["CommitJudged"].fields["state"] == 5
    assert world.sent(Role.TRANSACTION, mined) == []


def test_a_verdict_is_same_or_differs(world: World) -> None:
    opened = open_loan(world)
    commit = world.commit(opened.to_goods)
    world.record(opened.to_goods)
    for verdict in (0, 5):
        with pytest.raises(Refused, match="TransactionRegistry: verdict"):
            world.judge(
                world.verdict(opened.to_goods.message, commit, outcome=b"reserved", verdict=verdict, executed=False)
            )


def test_a_commit_whose_record_comes_after_its_expiry_is_closed_all_the_same(world: World) -> None:
    # The transaction chain was away: the destination committed in time, and here the expiry is long past.
    opened = open_loan(world)
    late = Proposal(replace(opened.to_goods.message, expiry=1), opened.to_goods.payload)
    world.record(late)
    verdict = replace(world.verdict(late.message, world.commit(opened.to_goods), outcome=b"reserved"))
    assert world.logs(Role.TRANSACTION, world.judge(verdict))["CommitJudged"].fields["state"] == 4


def test_a_call_from_the_transaction_chain_itself_is_not_recorded(world: World) -> None:
    opened = open_loan(world)
    closed = world.close(opened.to_goods, world.commit(opened.to_goods), outcome=b"reserved")
    (acknowledgement,) = world.sent(Role.TRANSACTION, closed)
    call = replace(acknowledgement.message, kind=Kind.CALL)
    with pytest.raises(Refused, match="a call from this chain"):
        world.send(Role.TRANSACTION, "TransactionRegistry", "propose", [call.as_abi()])
    world.send(Role.TRANSACTION, "TransactionRegistry", "propose", [acknowledgement.message.as_abi()])


def test_a_failed_call_is_committed_and_not_acknowledged_before_its_retry(world: World) -> None:
    opened = open_loan(world)
    commit = world.commit(opened.to_goods)
    mined = world.close(opened.to_goods, commit, outcome=b"", executed=False)
    assert world.logs(Role.TRANSACTION, mined)["CommitJudged"].fields["state"] == 3
    assert world.sent(Role.TRANSACTION, mined) == []
    after_retry = world.judge(world.verdict(opened.to_goods.message, commit, outcome=b"reserved"))
    assert len(world.sent(Role.TRANSACTION, after_retry)) == 1


def test_a_credential_is_closed_once(world: World) -> None:
    opened = open_loan(world)
    commit = world.commit(opened.to_goods)
    world.close(opened.to_goods, commit, outcome=b"reserved")
    with pytest.raises(Refused, match="nothing to judge"):
        world.judge(world.verdict(opened.to_goods.message, commit, outcome=b"reserved"))
    with pytest.raises(Refused, match="id exists"):
        world.send(Role.TRANSACTION, "TransactionRegistry", "propose", [opened.to_goods.message.as_abi()])


@pytest.mark.parametrize(("name", "reason"), [("origin", "unknown chain"), ("destination", "unknown chain")])
def test_a_proposal_is_refused_with_an_unknown(world: World, name: str, reason: str) -> None:
    message = open_loan(world).to_goods.message
    forged = {
        "origin": replace(message, origin=replace(message.origin, genesis=b"\x01" * 32)),
        "destination": replace(message, destination=replace(message.destination, gateway=b"\x01" * 20)),
    }[name]
    with pytest.raises(Refused, match=reason):
        world.send(Role.TRANSACTION, "TransactionRegistry", "propose", [forged.as_abi()])
    world.send(Role.TRANSACTION, "TransactionRegistry", "propose", [message.as_abi()])


# -- anchors ---------------------------------------------------------------------------------------------------------


def test_an_anchor_only_grows(world: World) -> None:
    world.send(Role.ORIGIN, "AnchorRegistry", "anchor", 10, b"\x0a" * 32)
    for size in (10, 9, 0):
        with pytest.raises(Refused, match="size not larger"):
            world.send(Role.ORIGIN, "AnchorRegistry", "anchor", size, b"\x0b" * 32)
    world.send(Role.ORIGIN, "AnchorRegistry", "anchor", 11, b"\x0b" * 32)
    assert world.read(Role.ORIGIN, "AnchorRegistry", "is_latest", 11, b"\x0b" * 32)
