"""H09: who may do what, whole: every function that changes something, for every caller, in every state of its contract.

The declared table is `DOORS` (whose function it is, and with which words everybody else is refused), and here what
whoever it is kept for gets in each state of the contract. Every cell is asked and compared. Callers are accounts of
every role, and a contract: none is trusted because it is one.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from contracts.compiler import CONTRACTS
from ledger.attestation import domain_separator, word
from ledger.ethereum.keccak import keccak256
from ledger.quorum import pack
from tests.contracts.committees import OUTSIDER
from tests.contracts.evm import Deployed, Reverted
from tests.contracts.header_bed import announce
from tests.contracts.swaps import HERE
from tests.contracts.test_side_doors import (
    ANYONE,
    BUILT,
    DOORS,
    ELSEWHERE,
    GOODS,
    NUMBER,
    OPEN,
    RECEIPT,
    ROLES,
    TERMS,
    changing,
    loan_of,
    zero,
)
from tests.contracts.world import NOTARIES

DONE = "done"
AS_BUILT = "as built"


Reach = Callable[[Deployed, bytes], object]
"""Takes a contract and its gateway (or committee) from `AS_BUILT` into a state."""


def admitted(deployed: Deployed, _gateway: bytes) -> object:
    return deployed.send("admit", 7101, ELSEWHERE[-20:], by=ROLES["owner"])


def instructed(action: int, counter: int) -> Reach:
    """The pledge registry elsewhere has a receipt frozen, or a goods key reserved, for a loan."""

    def reach(deployed: Deployed, gateway: bytes) -> object:
        admitted(deployed, gateway)
        if "consent" in deployed.interface.functions:
            deployed.send("consent", RECEIPT, TERMS, by=ROLES["holder"])
        words = (action.to_bytes(32, "big"), TERMS, counter.to_bytes(32, "big"), RECEIPT, GOODS, bytes(32))
        office = deployed.evm.at(HERE / "PostOffice.vy", gateway)
        return office.send("deliver", deployed.address, ELSEWHERE, b"".join(words))

    return reach


def sealed(deployed: Deployed, _committee: bytes) -> object:
    gateway = deployed.evm.deploy("Gateway", b"\x01" * 32, deployed.call("COMMITTEE"), deployed.address)
    deployed.send("attach", gateway.address, by=ROLES["owner"])
    return deployed.send("seal", by=ROLES["owner"])


def ended(deployed: Deployed, _gateway: bytes) -> object:
    return deployed.send("seal", by=ROLES["owner"])


def anchored(deployed: Deployed, _gateway: bytes) -> object:
    return deployed.send("anchor", 5, b"\x05" * 32, by=ROLES["anchorer"])


def opening(deployed: Deployed, _gateway: bytes) -> object:
    return deployed.send("open_loan", NUMBER, RECEIPT, GOODS, TERMS, 1, by=ROLES["lender"])


STATES: dict[str, dict[str, Reach]] = {
    "AnchorRegistry": {"anchored": anchored},
    "AnchorMirror": {"its sender admitted": admitted},
    "WarehouseReceipt": {"its sender admitted": admitted, "frozen": instructed(1, 1)},
    "GoodsRegistry": {"its sender admitted": admitted, "reserved": instructed(1, 1)},
    "PledgeRegistry": {"a loan is opening": opening},
    "Coordinator": {"its sender admitted": admitted},
    "TransactionRegistry": {"sealed": ended},
    "Administration": {"sealed": sealed},
}

# What the one gets whom a function is kept for; nothing else than done is taken without being said here.
FROZEN, SEALED = "WarehouseReceipt: frozen", "Administration: sealed"
NO_LOAN, ENDED = "PledgeRegistry: not the lender", "TransactionRegistry: chains are sealed"
KEPT: dict[tuple[str, str], dict[str, str]] = {
    ("Committee", AS_BUILT): {"attach": ""},  # no gateway stands at the address: the call into it fails without words
    ("Administration", AS_BUILT): {
        "attach": "",  # no gateway stands at the address: the call into it fails without words
        "register_peer": "",  # none is attached yet
        "register_observer": "",
    },
    ("Administration", "sealed"): {
        "attach": "Administration: attached",
        "register_peer": SEALED,
        "register_observer": SEALED,
        "seal": SEALED,
    },
    ("WarehouseReceipt", AS_BUILT): {"redeem": "WarehouseReceipt: not presented"},
    ("WarehouseReceipt", "its sender admitted"): {"redeem": "WarehouseReceipt: not presented"},
    ("WarehouseReceipt", "frozen"): dict.fromkeys(
        ("consent", "consent_to_leg", "present", "transfer", "split", "merge", "redeem"), FROZEN
    ),
    ("PledgeRegistry", AS_BUILT): dict.fromkeys(("cancel", "repay", "enforce", "release"), NO_LOAN),
    ("PledgeRegistry", "a loan is opening"): {
        "repay": "PledgeRegistry: loan is not active",
        "enforce": "PledgeRegistry: loan is not active",
        "release": "PledgeRegistry: loan is not over",
    },
    ("TransactionRegistry", "sealed"): {"register_chain": ENDED, "seal": ENDED},
    ("Vault", AS_BUILT): {"list_token": "Vault: no token"},
}


def callers(deployed: Deployed) -> dict[str, Callable[[bytes], object]]:
    """Everybody: the accounts by role, and a contract that anybody could deploy."""
    evm, puppet = deployed.evm, deployed.evm.deploy(HERE / "Puppet.vy")

    def account(address: bytes) -> Callable[[bytes], object]:
        return lambda data: evm.transact(deployed.address, data, by=address)

    return {role: account(address) for role, address in ROLES.items()} | {
        "a contract": lambda data: puppet.send("play", deployed.address, data, by=ROLES["owner"])
    }


def outcome(deployed: Deployed, call: Callable[[bytes], object], data: bytes) -> str:
    with deployed.evm.rolled_back():
        try:
            call(data)
        except Reverted as refused:
            return refused.reason
        return DONE


def calldata(deployed: Deployed, name: str, function: str) -> bytes:
    arguments = DOORS[name][function].arguments or tuple(zero(field) for field in changing(name)[function])
    if name == "PledgeRegistry" and function in ("cancel", "repay", "enforce", "release"):
        arguments = (loan_of(deployed), *arguments[1:])
    return deployed.interface.encode_call(function, *arguments)


def declared(name: str, state: str, function: str, who: str) -> str:
    """The cell of the table."""
    door = DOORS[name][function]
    if door.kept_for == OPEN:
        return DONE
    return KEPT.get((name, state), {}).get(function, DONE) if who == door.kept_for else door.reason


def built(name: str, state: str) -> Deployed:
    deployed, other = BUILT[name]()
    if state != AS_BUILT:
        STATES[name][state](deployed, other)
    return deployed


@pytest.mark.parametrize(
    ("name", "state"), [(name, state) for name in CONTRACTS for state in (AS_BUILT, *STATES.get(name, {}))]
)
def test_H09_every_cell_is_as_declared(name: str, state: str) -> None:
    deployed = built(name, state)
    everybody = callers(deployed)
    before = deployed.evm.fingerprint(deployed)
    found, table = {}, {}
    for function in changing(name):
        data = calldata(deployed, name, function)
        for who, call in everybody.items():
            found[function, who] = outcome(deployed, call, data)
            table[function, who] = declared(name, state, function, who)
    assert found == table
    assert len(found) == len(changing(name)) * (len(ROLES) + 1)
    assert deployed.evm.fingerprint(deployed) == before


def test_H09_the_table_names_nothing_that_is_not_there() -> None:
    """No cell can hide behind a name that was misspelt or is gone."""
    assert set(STATES) <= set(CONTRACTS)
    for (name, state), cells in KEPT.items():
        assert state in (AS_BUILT, *STATES.get(name, {})), (name, state)
        assert set(cells) <= {function for function, door in DOORS[name].items() if door.kept_for in ROLES}
    kept_for = {door.kept_for for doors in DOORS.values() for door in doors.values()}
    # The three that are contracts cannot be played here: what they do is tested with the gateway itself.
    assert kept_for <= {*ROLES, ANYONE, OPEN, "gateway", "administration", "committee"}


ORDERED = [name for name in CONTRACTS if "announce" in DOORS[name]]


@pytest.mark.parametrize("name", ORDERED)
def test_H09_an_order_is_the_quorums_whoever_carries_it_and_nobody_elses(name: str) -> None:
    deployed = built(name, AS_BUILT)
    everybody = callers(deployed)
    quorum, few, owner_too = (announcement(deployed, signers) for signers in ((0, 1, 2), (0, 1), (0, 1, None)))
    before = deployed.evm.fingerprint(deployed)
    for who, call in everybody.items():
        assert outcome(deployed, call, quorum) == DONE, who
        assert outcome(deployed, call, few) == "Committee: below quorum", who
        assert outcome(deployed, call, owner_too) == "Committee: not this member's signature", who
    assert deployed.evm.fingerprint(deployed) == before
    announce(deployed, b"\x01" * 32)


def announcement(deployed: Deployed, signers: tuple[int | None, ...]) -> bytes:
    """A call that announces an order which these members signed; None signs in member 2's place and is nobody."""
    action, salt = b"\x01" * 32, bytes(32)
    order_type = keccak256(b"Order(bytes32 action,bytes32 salt,uint64 epoch)")
    domain = domain_separator(deployed.evm.chain_id, deployed.address)
    digest = keccak256(b"\x19\x01" + domain + keccak256(order_type + action + salt + word(1)))
    signatures = {
        2 if index is None else index: (OUTSIDER if index is None else NOTARIES[index]).sign(digest)
        for index in signers
    }
    return deployed.interface.encode_call("announce", action, salt, 1, pack(signatures))
