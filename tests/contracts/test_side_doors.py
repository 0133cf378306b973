"""H05: every function of every contract that can change something, called by everybody it is not for.

The functions come from the ABIs: a contract or a function that is not classified here fails the first two tests. A
function kept for one role is refused to all others with exactly the stated reason, whatever they pass; one that is open
to anybody is closed by what it asks to be proven, and without it nothing changes, whoever calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from contracts.compiler import CONTRACTS, artifact
from tests.contracts.evm import Deployed, Evm, Reverted
from tests.contracts.header_bed import DELAY, DRIFT, GENESIS, PERIOD, TRUST_PERIOD, deploy_committee
from tests.contracts.swaps import HERE, opened_lane
from tests.simulator.qbft import QbftChain, keys

ANYONE, OPEN = "anyone", "open"
ROLES = {
    name: bytes([number]) * 20
    for number, name in enumerate(("stranger", "owner", "anchorer", "keeper", "holder", "lender", "member"), start=0xA1)
}
RECEIPT, GOODS, TERMS, NUMBER, OTHER_RECEIPT = (bytes([number]) * 32 for number in range(1, 6))
ELSEWHERE = b"\x00\x01\x00\x00\x02\x1b\xbd\x14" + b"\x77" * 20
CHAIN = (7101, b"\x01" * 32, b"\x02" * 20)


@dataclass(frozen=True)
class Door:
    """`kept_for`: the only role (or contract) that gets past `reason`; ANYONE where it stops everybody who proves
    nothing; OPEN where nothing stops anybody, which needs a word why that harms nobody.

    `arguments`: what is passed; without them zeros of every type.
    """

    kept_for: str
    reason: str
    arguments: tuple[Any, ...] | None = None


def orders(*functions: str) -> dict[str, Door]:
    """`announce`, and what is done only by an order that was announced."""
    return {"announce": Door(ANYONE, "Committee: signature length", (b"\x01" * 32, b"\x02" * 32, 1, b""))} | {
        function: Door(ANYONE, "order: not announced") for function in functions
    }


APPLICATION = {
    "admit": Door("owner", "application: not the owner", (7101, b"\x05" * 20)),
    "receiveMessage": Door("gateway", "application: not the gateway"),
}
LEG = (
    APPLICATION
    | orders()
    | {
        "report": Door(ANYONE, "participant: nothing to report"),
        "force": Door(ANYONE, "participant: not prepared", (b"\x01" * 32, 19, b"\x02" * 32)),
    }
)
LOCK = {
    "claim": Door(ANYONE, "HashLock: no such swap"),
    "refund": Door(ANYONE, "HashLock: no such swap"),
    "withdraw": Door(ANYONE, "HashLock: nothing owed"),
    # Whoever knows a preimage may say so: it ends the use of that hash, of which the caller held the secret.
    "expose": Door(OPEN, ""),
}
VALUE_END = {
    "receiveMessage": Door(ANYONE, "ValueEnd: not the gateway"),
    "take_back": Door(ANYONE, "ValueEnd: nothing comes back"),
}
DOORS: dict[str, dict[str, Door]] = {
    "Vault": VALUE_END
    | {
        "lock": Door(ANYONE, "Vault: token not listed"),
        "lock_item": Door(ANYONE, "Vault: token not listed"),
        "list_token": Door("owner", "Vault: not the owner"),
        "withdraw": Door(ANYONE, "Vault: nothing owed"),
    },
    "Voucher": VALUE_END
    | {
        "transfer": Door(ANYONE, "Voucher: no receiver"),
        "burn": Door(ANYONE, "Voucher: no quantity"),
    },
    "Committee": orders("rotate")
    | {
        "report": Door(ANYONE, "Committee: one message"),
        "attach": Door("owner", "Committee: not the deployer", (b"\x05" * 20,)),
    },
    "Gateway": {
        "sendMessage": Door(ANYONE, "interoperable_address: too short"),
        "certify": Door(ANYONE, "Committee: wrong epoch"),
        "commit": Door(ANYONE, "Gateway: lane not open"),
        "commit_certified": Door(ANYONE, "Gateway: lane not open"),
        "commit_together": Door(ANYONE, "Gateway: lane not open"),
        "commit_observed": Door(ANYONE, "Gateway: lane not open"),
        "retry": Door(ANYONE, "Gateway: lane not open"),
        "set_seat": Door("committee", "Gateway: not the committee"),
    }
    | {
        function: Door("administration", "Gateway: not the administration")
        for function in (
            *("set_peer", "set_observer", "set_lane", "set_lane_word", "set_limits", "set_outbound", "void"),
            "approve",
        )
    },
    "Administration": orders(
        "order_peer", "order_observer", "order_lane", "order_outbound", "order_limits", "order_pause", "order_void"
    )
    | {
        "attach": Door("owner", "Administration: not the deployer", (b"\x05" * 20,)),
        "register_peer": Door("owner", "Administration: not the deployer", (CHAIN,)),
        "register_observer": Door("owner", "Administration: not the deployer"),
        "seal": Door("owner", "Administration: not the deployer"),
        "open_lane": Door(ANYONE, ""),
        "limit_lane": Door(ANYONE, ""),
        "pause": Door(ANYONE, "Committee: signature length"),
        "approve": Door(ANYONE, "Committee: not the current epoch"),
    },
    "RemoteReader": {},
    "AnchorRegistry": {
        "anchor": Door("anchorer", "AnchorRegistry: not the anchorer", (9, b"\x01" * 32)),
        "carry": Door(ANYONE, "AnchorRegistry: not the latest anchor"),
    },
    "AnchorMirror": APPLICATION,
    "WarehouseReceipt": LEG
    | {
        "consent_to_leg": Door("holder", "WarehouseReceipt: not the holder", (RECEIPT, NUMBER)),
        "present": Door("holder", "WarehouseReceipt: not the holder", (RECEIPT,)),
        "enrol_keeper": Door("owner", "WarehouseReceipt: not the owner", (b"\x05" * 20,)),
        "issue": Door("keeper", "WarehouseReceipt: not a keeper", (NUMBER, GOODS, b"\x05" * 20, 1)),
        "consent": Door("holder", "WarehouseReceipt: not the holder", (RECEIPT, NUMBER)),
        "transfer": Door("holder", "WarehouseReceipt: not the holder", (RECEIPT, b"\x05" * 20)),
        "split": Door("holder", "WarehouseReceipt: not the holder", (RECEIPT, 1)),
        "merge": Door("holder", "WarehouseReceipt: not the holder", (RECEIPT, OTHER_RECEIPT)),
        "redeem": Door("keeper", "WarehouseReceipt: not the keeper", (RECEIPT,)),
    },
    "TokenLeg": LEG
    | {
        "fund": Door(ANYONE, "TokenLeg: length of terms"),
        "take_back": Door(ANYONE, "TokenLeg: not the payer", (b"\x01" * 32,)),
        "withdraw": Door(ANYONE, "TokenLeg: nothing owed"),
    },
    "GoodsRegistry": APPLICATION,
    "PledgeRegistry": APPLICATION
    | {
        "enrol_lender": Door("owner", "PledgeRegistry: not the owner", (b"\x05" * 20,)),
        "open_loan": Door("lender", "PledgeRegistry: not a lender", (NUMBER, RECEIPT, GOODS, b"\x06" * 32, 1)),
        "cancel": Door("lender", "PledgeRegistry: not the lender"),
        "repay": Door("lender", "PledgeRegistry: not the lender"),
        "enforce": Door("lender", "PledgeRegistry: not the lender"),
        "release": Door("lender", "PledgeRegistry: not the lender"),
    },
    "TransactionRegistry": orders("resolve")
    | {
        "register_chain": Door("owner", "TransactionRegistry: chains are sealed", (CHAIN,)),
        "seal": Door("owner", "TransactionRegistry: chains are sealed"),
        "propose": Door(ANYONE, "TransactionRegistry: id exists"),
        "attest": Door(ANYONE, "TransactionRegistry: unknown chain"),
        "judge": Door(ANYONE, "TransactionRegistry: nothing to judge"),
        "acknowledge": Door(ANYONE, "TransactionRegistry: not over"),
    },
    "InitiatorLock": LOCK | {"fund": Door(ANYONE, "InitiatorLock: refund time before L")},
    "ResponderLock": LOCK
    | {function: Door(ANYONE, "ResponderLock: no time to claim") for function in ("bond", "fund")},
    "Coordinator": APPLICATION
    | {
        "begin": Door(ANYONE, "Coordinator: deadline is past"),
        "tell": Door(ANYONE, "Coordinator: unknown transaction"),
        "expire": Door(ANYONE, "Coordinator: not preparing"),
    },
    "LightClient": orders("cure") | {"update": Door(ANYONE, "qbft_header: length")},
    "ConditionalLien": {
        "agree": Door(ANYONE, "ConditionalLien: not the holder"),
        "freeze": Door(ANYONE, "ConditionalLien: not agreed"),
        "prove_set": Door(ANYONE, "ConditionalLien: not waiting for this"),
        "prove_unset": Door(ANYONE, "ConditionalLien: not waiting for this"),
        "settle": Door(ANYONE, "ConditionalLien: nothing claimed"),
        "arbitrate": Door(ANYONE, "ConditionalLien: not the arbiter"),
        "hand_over": Door(ANYONE, "ConditionalLien: not ended"),
    },
    "ConditionalFreeze": {
        "agree": Door(ANYONE, "ConditionalFreeze: not the holder"),
        "take_up": Door(ANYONE, "ConditionalFreeze: not agreed"),
        "prove_freeze": Door(ANYONE, "ConditionalFreeze: not guarded"),
        "give_notice": Door(ANYONE, "ConditionalFreeze: not the holder"),
        "take_back": Door(ANYONE, "ConditionalFreeze: no notice"),
        "prove_release": Door(ANYONE, "ConditionalFreeze: nothing to release"),
        "let_go": Door(ANYONE, "ConditionalFreeze: not the beneficiary"),
        "lapse": Door(ANYONE, "ConditionalFreeze: nothing to release"),
    },
    "ReceiptObserver": {},
    "CertifiedHeaders": orders("cure") | {"certify": Door(ANYONE, "Committee: wrong epoch")},
}


def changing(name: str) -> dict[str, list[dict[str, Any]]]:
    """The functions of a contract that can change state, with the ABI of their arguments."""
    functions = (entry for entry in artifact(name).abi if entry["type"] == "function")
    return {entry["name"]: entry["inputs"] for entry in functions if entry["stateMutability"] not in ("view", "pure")}


def zero(field: dict[str, Any]) -> Any:
    """The zero of an ABI type."""
    kind: str = field["type"]
    if kind.endswith("[]"):
        return []
    if kind == "tuple":
        return tuple(zero(part) for part in field["components"])
    fixed: Mapping[str, Any] = {"address": bytes(20), "bool": False, "bytes": b"", "string": ""}
    if kind in fixed:
        return fixed[kind]
    return bytes(int(kind.removeprefix("bytes"))) if kind.startswith("bytes") else 0


def evm_with_roles() -> Evm:
    evm = Evm()
    for account in ROLES.values():
        evm.fund(account, 10**24)
    return evm


def of_gateway(name: str, *also: Any) -> Callable[[], tuple[Deployed, bytes]]:
    """An application of the owner's behind a gateway, and the gateway."""

    def build() -> tuple[Deployed, bytes]:
        evm = evm_with_roles()
        gateway = evm.deploy(HERE / "PostOffice.vy")
        return evm.deploy(name, gateway.address, *also, by=ROLES["owner"]), gateway.address

    return build


def leg(name: str) -> tuple[Deployed, bytes]:
    evm = evm_with_roles()
    gateway, committee = evm.deploy(HERE / "PostOffice.vy"), deploy_committee(evm)
    return evm.deploy(name, gateway.address, committee.address, DELAY, by=ROLES["owner"]), gateway.address


def receipts() -> tuple[Deployed, bytes]:
    deployed, gateway = leg("WarehouseReceipt")
    deployed.send("enrol_keeper", ROLES["keeper"], by=ROLES["owner"])
    for receipt in (RECEIPT, OTHER_RECEIPT):
        deployed.send("issue", receipt, GOODS, ROLES["holder"], 7, by=ROLES["keeper"])
    return deployed, gateway


def pledges() -> tuple[Deployed, bytes]:
    deployed, gateway = of_gateway("PledgeRegistry", ELSEWHERE, ELSEWHERE)()
    deployed.send("enrol_lender", ROLES["lender"], by=ROLES["owner"])
    return deployed, gateway


def loan_of(deployed: Deployed) -> bytes:
    opening = (NUMBER, RECEIPT, GOODS, TERMS, 1)
    loan: bytes = deployed.call("loan_id", ROLES["lender"], *opening)
    return loan


def with_committee(name: str) -> tuple[Deployed, bytes]:
    evm = evm_with_roles()
    committee = deploy_committee(evm, by=ROLES["owner"])
    if name == "Committee":
        return committee, committee.address
    if name == "Gateway":
        administration = evm.deploy("Administration", committee.address, DELAY, by=ROLES["owner"])
        deployed = evm.deploy(name, b"\x01" * 32, committee.address, administration.address, by=ROLES["owner"])
        return deployed, administration.address
    if name == "Administration":
        return evm.deploy(name, committee.address, DELAY, by=ROLES["owner"]), committee.address
    if name == "TransactionRegistry":
        gateway = evm.deploy(HERE / "PostOffice.vy")
        return evm.deploy(name, gateway.address, committee.address, DELAY, by=ROLES["owner"]), gateway.address
    if name in ("CertifiedHeaders", "ReceiptObserver", "RemoteReader"):
        headers = evm.deploy("CertifiedHeaders", 7101, GENESIS, DRIFT, PERIOD, committee.address, DELAY)
        also = (False,) if name == "RemoteReader" else ()
        found = headers if name == "CertifiedHeaders" else evm.deploy(name, headers.address, *also)
        return found, committee.address
    if name in ("ConditionalLien", "ConditionalFreeze"):
        return evm.deploy(name), committee.address
    first = QbftChain(keys(4)).mine()
    evm.time = first.timestamp
    periods = (TRUST_PERIOD, DRIFT, PERIOD)
    return evm.deploy(name, 7101, GENESIS, first.unsealed, *periods, committee.address, DELAY), committee.address


def lock(side: str) -> tuple[Deployed, bytes]:
    swaps = opened_lane()
    found = (swaps.first if side == "InitiatorLock" else swaps.second).lock
    for account in ROLES.values():
        found.evm.fund(account, 10**24)
    return found, found.address


def value_end(name: str) -> tuple[Deployed, bytes]:
    evm = evm_with_roles()
    gateway = evm.deploy(HERE / "ValueOffice.vy").address
    ends = (7101, b"\x05" * 20, 7103, b"\x06" * 20)
    return evm.deploy(name, gateway, *ends, by=ROLES["owner"]), gateway


BUILT: dict[str, Callable[[], tuple[Deployed, bytes]]] = {
    "Vault": lambda: value_end("Vault"),
    "Voucher": lambda: value_end("Voucher"),
    "AnchorRegistry": of_gateway("AnchorRegistry", b"\x01" * 32, ROLES["anchorer"]),
    "AnchorMirror": of_gateway("AnchorMirror"),
    "WarehouseReceipt": receipts,
    "TokenLeg": lambda: leg("TokenLeg"),
    "GoodsRegistry": of_gateway("GoodsRegistry"),
    "PledgeRegistry": pledges,
    "Coordinator": of_gateway("Coordinator"),
    "InitiatorLock": lambda: lock("InitiatorLock"),
    "ResponderLock": lambda: lock("ResponderLock"),
} | {
    name: lambda name=name: with_committee(name)
    for name in (
        "Committee",
        "Gateway",
        "Administration",
        "TransactionRegistry",
        "LightClient",
        "CertifiedHeaders",
        "ReceiptObserver",
        "RemoteReader",
        "ConditionalLien",
        "ConditionalFreeze",
    )
}


def test_H05_every_contract_is_classified() -> None:
    assert set(DOORS) == set(BUILT) == set(CONTRACTS)


@pytest.mark.parametrize("name", CONTRACTS)
def test_H05_every_function_is_classified(name: str) -> None:
    assert set(DOORS[name]) == set(changing(name))


@pytest.mark.parametrize(("name", "function"), [(name, function) for name in DOORS for function in DOORS[name]])
def test_H05_a_door_is_closed_to_everybody_it_is_not_for(name: str, function: str) -> None:
    deployed, gateway = BUILT[name]()
    door = DOORS[name][function]
    arguments = door.arguments or tuple(zero(field) for field in changing(name)[function])
    if name == "PledgeRegistry" and function in ("cancel", "repay", "enforce", "release"):
        deployed.send("open_loan", NUMBER, RECEIPT, GOODS, TERMS, 1, by=ROLES["lender"])
        arguments = (loan_of(deployed), *arguments[1:])
    before = deployed.evm.fingerprint()
    if door.kept_for == OPEN:
        deployed.send(function, *arguments, by=ROLES["stranger"])
        return
    for role, account in ROLES.items():
        if role == door.kept_for:
            continue
        with pytest.raises(Reverted) as refused:
            deployed.send(function, *arguments, by=account)
        assert refused.value.reason == door.reason, role
        assert deployed.evm.fingerprint() == before, role
    # The honest twin: the one it is kept for gets past this check, whatever the next one says.
    if door.kept_for == "gateway":
        with pytest.raises(Reverted, match="application: sender not admitted"):
            deployed.evm.at(HERE / "PostOffice.vy", gateway).send("deliver", deployed.address, ELSEWHERE, b"")
    elif door.kept_for in ROLES:
        try:
            deployed.send(function, *arguments, by=ROLES[door.kept_for])
        except Reverted as later:
            assert later.reason != door.reason
