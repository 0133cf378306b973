"""What applications refuse of what a gateway brings them and of those who set them up: reason by reason, alone.

A post office stands for the gateway and delivers what the test says. What a gateway makes of such a refusal is a test
of the gateway; each test here ends with the honest twin.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

from ledger.ethereum.keccak import keccak256
from ledger.interoperable import encode
from tests.contracts.evm import OWNER, STRANGER, Deployed, Evm, Reverted
from tests.contracts.header_bed import DELAY, deploy_committee
from tests.contracts.swaps import HERE, create_address

PLEDGES: Final = b"\x77" * 20
FROM: Final = encode(7102, PLEDGES)
REGISTRY: Final = encode(7103, PLEDGES)
LOAN, RECEIPT, GOODS, TERMS, NUMBER, ROOT, LOG = (bytes([number]) * 32 for number in range(1, 8))
KEEPER, HOLDER, LENDER = (bytes([number]) * 20 for number in (0xC1, 0xC2, 0xC3))
SECURE, RELEASE, ENFORCE = 1, 2, 3
DUE: Final = 2_000_000_000
MAX_CHAINS: Final = 255


# Besides a gateway, these have a committee whose orders they obey.
ORDERED: Final = ("WarehouseReceipt",)


class Office:
    """An application behind a post office, with one sender admitted."""

    def __init__(self, name: str, *also: Any, sender: tuple[int, bytes] = (7102, PLEDGES)) -> None:
        self.evm = Evm()
        for account in (KEEPER, HOLDER, LENDER):
            self.evm.fund(account, 10**24)
        self.post = self.evm.deploy(HERE / "PostOffice.vy")
        ends = (self.evm.deploy(HERE / "AnyQuorum.vy").address, DELAY) if name in ORDERED else ()
        self.app = self.evm.deploy(name, self.post.address, *ends, *also)
        if name != "AnchorRegistry":
            self.app.send("admit", *sender)

    def deliver(self, payload: bytes, *, sender: bytes = FROM) -> bytes:
        """What the application answers."""
        return bytes(self.post.send("deliver", self.app.address, sender, payload).values)


def text(outcome: bytes) -> str:
    return outcome.rstrip(b"\x00").decode()


@contextmanager
def refused(evm: Evm, reason: str) -> Iterator[None]:
    """Refused with exactly this reason, and nothing changed."""
    before = evm.fingerprint()
    with pytest.raises(Reverted) as found:
        yield
    assert found.value.reason == reason
    assert evm.fingerprint() == before


def words(*values: int | bytes) -> bytes:
    return b"".join(
        value.to_bytes(32, "big") if isinstance(value, int) else value.rjust(32, b"\x00") for value in values
    )


def instruction(action: int = SECURE, counter: int = 1, recipient: bytes = b"", loan: bytes = LOAN) -> bytes:
    return words(action, loan, counter, RECEIPT, GOODS, recipient)


# -- every application ------------------------------------------------------------------------------------------------

APPLICATIONS: Final[dict[str, tuple[Any, ...]]] = {
    "GoodsRegistry": (),
    "WarehouseReceipt": (),
    "AnchorMirror": (),
    "PledgeRegistry": (FROM, FROM),
    "Coordinator": (),
    "AnchorRegistry": (LOG, OWNER),
}


@pytest.mark.parametrize("name", APPLICATIONS)
def test_no_application_is_deployed_without_a_gateway(name: str) -> None:
    evm = Evm()
    ends = (evm.deploy(HERE / "AnyQuorum.vy").address, DELAY) if name in ORDERED else ()
    with refused(evm, "application: no gateway"):
        evm.deploy(name, STRANGER, *ends, *APPLICATIONS[name])
    gateway = evm.deploy(HERE / "PostOffice.vy")
    assert evm.deploy(name, gateway.address, *ends, *APPLICATIONS[name]).call("gateway") == gateway.address


@pytest.mark.parametrize("name", [name for name in APPLICATIONS if name != "AnchorRegistry"])
def test_H05_a_message_counts_from_the_gateway_and_an_admitted_sender_only(name: str) -> None:
    office = Office(name, *APPLICATIONS[name])
    with refused(office.evm, "application: not the gateway"):
        office.app.send("receiveMessage", bytes(32), FROM, b"")
    for stranger in (encode(7102, STRANGER), encode(7101, PLEDGES), b""):
        with refused(office.evm, "application: sender not admitted"):
            office.deliver(b"", sender=stranger)
    with pytest.raises(Reverted) as taken:
        office.deliver(b"")
    assert "length" in taken.value.reason


def test_nobody_is_admitted_as_the_sender_nobody() -> None:
    office = Office("GoodsRegistry")
    with refused(office.evm, "application: no sender"):
        office.app.send("admit", 7102, bytes(20))
    with refused(office.evm, "application: not the owner"):
        office.app.send("admit", 7102, STRANGER, by=STRANGER)
    with refused(office.evm, "interoperable_address: chain id is zero"):
        office.app.send("admit", 0, STRANGER)
    office.app.send("admit", 7102, STRANGER)


# -- instructions of a loan -------------------------------------------------------------------------------------------


def test_G06_an_instruction_takes_its_turn_and_no_other() -> None:
    office = Office("GoodsRegistry")
    for counter in (0, 2, 2**256 - 1):
        with refused(office.evm, "instruction: out of turn"):
            office.deliver(instruction(counter=counter))
    assert text(office.deliver(instruction())) == "reserved"
    for counter in (0, 1, 3):
        with refused(office.evm, "instruction: out of turn"):
            office.deliver(instruction(RELEASE, counter))
    assert text(office.deliver(instruction(RELEASE, 2))) == "released"


@pytest.mark.parametrize("name", ["GoodsRegistry", "WarehouseReceipt"])
def test_an_instruction_says_what_to_do_in_six_words(name: str) -> None:
    office = Office(name)
    for payload in (b"", instruction()[:-1], instruction() + b"\x00"):
        with refused(office.evm, "instruction: length"):
            office.deliver(payload)
    for action in (0, 4, 2**256 - 1):
        with refused(office.evm, "instruction: unknown action"):
            office.deliver(instruction(action))
    for action, recipient in ((SECURE, HOLDER), (RELEASE, HOLDER), (ENFORCE, b"")):
        with refused(office.evm, "instruction: recipient"):
            office.deliver(instruction(action, recipient=recipient))
    assert text(office.deliver(instruction())) == ("reserved" if name == "GoodsRegistry" else "no such receipt")


def test_goods_are_released_and_never_handed_over() -> None:
    office = Office("GoodsRegistry")
    office.deliver(instruction())
    held = office.app.call("holders", GOODS)
    with refused(office.evm, "GoodsRegistry: goods are not handed over here"):
        office.deliver(instruction(ENFORCE, 2, HOLDER))
    assert office.app.call("holders", GOODS) == held != bytes(32)
    assert text(office.deliver(instruction(RELEASE, 2))) == "released"


# -- loans ------------------------------------------------------------------------------------------------------------


class Lending(Office):
    """A pledge registry with one enrolled lender, and its instructions' ids."""

    def __init__(self) -> None:
        super().__init__("PledgeRegistry", encode(7103, PLEDGES), encode(7101, PLEDGES), sender=(7103, PLEDGES))
        self.app.send("enrol_lender", LENDER)

    def open(self) -> tuple[bytes, bytes, bytes]:
        """A loan, and the messages that ask for its goods and its receipt."""
        opened = self.app.send("open_loan", NUMBER, RECEIPT, GOODS, TERMS, DUE, by=LENDER)
        asked = opened.log("LoanOpening")
        return asked["loan_id"], asked["goods_message"], asked["receipt_message"]

    def answer(self, message: bytes, outcome: bytes) -> None:
        self.deliver(message + outcome.ljust(32, b"\x00"), sender=REGISTRY)

    def sent_last(self) -> bytes:
        """The id of what the registry sent last."""
        return keccak256(words(self.evm.chain_id, self.post.call("posted")))


def test_nobody_is_not_enrolled_as_a_lender() -> None:
    lending = Lending()
    with refused(lending.evm, "PledgeRegistry: no lender"):
        lending.app.send("enrol_lender", bytes(20))
    lending.app.send("enrol_lender", STRANGER)


@pytest.mark.parametrize("missing", ["number", "goods_key", "due"])
def test_a_loan_is_not_opened_without(missing: str) -> None:
    lending = Lending()
    opening = {"number": NUMBER, "receipt": RECEIPT, "goods_key": GOODS, "terms": TERMS, "due": DUE}
    zero: dict[str, Any] = {missing: 0 if missing == "due" else bytes(32)}
    with refused(lending.evm, "PledgeRegistry: incomplete"):
        lending.app.send("open_loan", *(opening | zero).values(), by=LENDER)
    lending.open()


def test_an_acknowledgement_answers_what_was_asked_once_in_two_words() -> None:
    lending = Lending()
    loan, to_goods, _ = lending.open()
    for payload in (b"", words(to_goods), words(to_goods, 0, 0), words(to_goods, b"\x01" * 32)[:-1]):
        with refused(lending.evm, "PledgeRegistry: acknowledgement length"):
            lending.deliver(payload, sender=REGISTRY)
    with refused(lending.evm, "PledgeRegistry: nothing asked by this message"):
        lending.answer(NUMBER, b"reserved")
    lending.answer(to_goods, b"reserved")
    assert lending.app.call("loans", loan)[5] == 1
    with refused(lending.evm, "PledgeRegistry: nothing asked by this message"):
        lending.answer(to_goods, b"goods already reserved")


@pytest.mark.parametrize("outcome", [b"", b"not held by this loan", b"enforced", b"reserved", b"released "])
def test_a_release_is_over_only_when_it_is_released(outcome: bytes) -> None:
    lending = Lending()
    loan, to_goods, _ = lending.open()
    lending.answer(to_goods, b"reserved")
    lending.app.send("cancel", loan, by=LENDER)
    release = lending.sent_last()
    with refused(lending.evm, "PledgeRegistry: not released"):
        lending.answer(release, outcome)
    lending.answer(release, b"released")
    assert lending.app.call("loans", loan)[5] == 4


def test_an_enforcement_is_over_only_when_it_is_enforced() -> None:
    lending = Lending()
    loan, to_goods, to_receipt = lending.open()
    lending.answer(to_goods, b"reserved")
    lending.answer(to_receipt, b"frozen")
    lending.evm.time = DUE
    lending.app.send("enforce", loan, HOLDER, by=LENDER)
    enforcement = lending.sent_last()
    with refused(lending.evm, "PledgeRegistry: not released"):
        lending.answer(enforcement, b"released")
    lending.answer(enforcement, b"enforced")
    assert lending.app.call("loans", loan)[6] == 4


# -- receipts ---------------------------------------------------------------------------------------------------------


def test_nobody_is_not_enrolled_as_a_keeper() -> None:
    office = Office("WarehouseReceipt")
    with refused(office.evm, "WarehouseReceipt: no keeper"):
        office.app.send("enrol_keeper", bytes(20))
    office.app.send("enrol_keeper", KEEPER)


def test_a_receipt_is_issued_once_and_whole() -> None:
    office = Office("WarehouseReceipt")
    office.app.send("enrol_keeper", KEEPER)
    for goods, holder in ((bytes(32), HOLDER), (GOODS, bytes(20))):
        with refused(office.evm, "WarehouseReceipt: incomplete"):
            office.app.send("issue", RECEIPT, goods, holder, 7, by=KEEPER)
    with refused(office.evm, "WarehouseReceipt: no quantity"):
        office.app.send("issue", RECEIPT, GOODS, HOLDER, 0, by=KEEPER)
    office.app.send("issue", RECEIPT, GOODS, HOLDER, 7, by=KEEPER)
    with refused(office.evm, "WarehouseReceipt: receipt exists"):
        office.app.send("issue", RECEIPT, GOODS, STRANGER, 7, by=KEEPER)


def test_a_receipt_is_not_transferred_to_nobody() -> None:
    office = Office("WarehouseReceipt")
    office.app.send("enrol_keeper", KEEPER)
    office.app.send("issue", RECEIPT, GOODS, HOLDER, 7, by=KEEPER)
    with refused(office.evm, "WarehouseReceipt: no holder"):
        office.app.send("transfer", RECEIPT, bytes(20), by=HOLDER)
    office.app.send("transfer", RECEIPT, STRANGER, by=HOLDER)


def test_a_redeemed_receipt_is_not_redeemed_again() -> None:
    office = Office("WarehouseReceipt")
    office.app.send("enrol_keeper", KEEPER)
    office.app.send("issue", RECEIPT, GOODS, HOLDER, 7, by=KEEPER)
    with refused(office.evm, "WarehouseReceipt: not presented"):
        office.app.send("redeem", RECEIPT, by=KEEPER)
    office.app.send("present", RECEIPT, by=HOLDER)
    office.app.send("redeem", RECEIPT, by=KEEPER)
    with refused(office.evm, "WarehouseReceipt: redeemed"):
        office.app.send("redeem", RECEIPT, by=KEEPER)


# -- anchors ----------------------------------------------------------------------------------------------------------


def test_a_mirror_takes_three_words_and_one_root_for_a_size() -> None:
    office = Office("AnchorMirror")
    for payload in (b"", words(LOG, 5, ROOT)[:-1], words(LOG, 5, ROOT, 0)):
        with refused(office.evm, "AnchorMirror: length"):
            office.deliver(payload)
    assert text(office.deliver(words(LOG, 5, ROOT))) == "mirrored"
    with refused(office.evm, "AnchorMirror: two roots for one size"):
        office.deliver(words(LOG, 5, GOODS))
    assert text(office.deliver(words(LOG, 5, ROOT))) == "mirrored"
    assert text(office.deliver(words(LOG, 6, GOODS))) == "mirrored"


@pytest.mark.parametrize(("log_origin", "anchorer"), [(bytes(32), OWNER), (LOG, bytes(20))])
def test_an_anchor_registry_has_a_log_and_an_anchorer(log_origin: bytes, anchorer: bytes) -> None:
    evm = Evm()
    gateway = evm.deploy(HERE / "PostOffice.vy").address
    with refused(evm, "AnchorRegistry: incomplete"):
        evm.deploy("AnchorRegistry", gateway, log_origin, anchorer)
    evm.deploy("AnchorRegistry", gateway, LOG, OWNER)


# -- the transaction registry's set-up ------------------------------------------------------------------------------


def registry() -> Deployed:
    evm = Evm()
    committee = deploy_committee(evm)
    gateway = evm.deploy(HERE / "PostOffice.vy")
    return evm.deploy("TransactionRegistry", gateway.address, committee.address, DELAY)


def test_a_registry_is_not_its_own_committee() -> None:
    """Orders may be the contract's own business, as a committee's are; certificates may not."""
    evm = Evm()
    committee = deploy_committee(evm)
    gateway = evm.deploy(HERE / "PostOffice.vy").address
    with refused(evm, "TransactionRegistry: no committee"):
        evm.deploy("TransactionRegistry", gateway, create_address(OWNER, 2), DELAY)
    with refused(evm, "order: no committee"):
        evm.deploy("TransactionRegistry", gateway, STRANGER, DELAY)
    evm.deploy("TransactionRegistry", gateway, committee.address, DELAY)


def test_a_chain_is_named_once_and_whole() -> None:
    deployed = registry()
    for chain_id, gateway in ((0, PLEDGES), (7101, bytes(20))):
        with refused(deployed.evm, "TransactionRegistry: incomplete chain"):
            deployed.send("register_chain", (chain_id, ROOT, gateway))
    deployed.send("register_chain", (7101, ROOT, PLEDGES))
    with refused(deployed.evm, "TransactionRegistry: chain exists"):
        deployed.send("register_chain", (7101, LOG, STRANGER))
    deployed.send("register_chain", (7102, ROOT, PLEDGES))


def test_no_more_chains_are_named_than_a_record_can_number() -> None:
    deployed = registry()
    for chain_id in range(1, MAX_CHAINS + 1):
        deployed.send("register_chain", (chain_id, ROOT, PLEDGES))
    with refused(deployed.evm, "TransactionRegistry: too many chains"):
        deployed.send("register_chain", (MAX_CHAINS + 1, ROOT, PLEDGES))
    assert deployed.call("chains", MAX_CHAINS)[0] == MAX_CHAINS
