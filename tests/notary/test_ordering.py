"""What a member is shown is what it signs: an order is decoded by the signer itself (attack row K07)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from contracts.manifest import Role
from contracts.order_request import ORDERED, read_order_request
from ledger.orders import order_digest
from ledger.secp256k1 import Signature, recover
from notary.config import NotaryConfig
from notary.ordering import sign_order
from tests.chains import NOTARY_KEYS, Deployed
from tests.contracts.gateway_bed import Bed
from tests.notary.subject import refusal, write_keys

LANE, SALT = b"\x1a" * 32, b"\x5a" * 32
LIMITS: list[Any] = [f"0x{LANE.hex()}", ["500", 1_200, 3_600]]


@dataclass
class Desk:
    """A member with its keys, and the file it was handed."""

    config: NotaryConfig
    file: Path

    def hand(self, **changed: Any) -> None:
        fields = {
            "chain": "eip155:7102",
            "contract": "Administration",
            "function": "order_limits",
            "arguments": LIMITS,
            "salt": f"0x{SALT.hex()}",
            "epoch": 1,
        }
        self.file.write_text(json.dumps(fields | changed))

    def look(self) -> dict[str, Any]:
        return sign_order(self.config, self.file)


@pytest.fixture
def desk(chains: Deployed, tmp_path: Path) -> Desk:
    write_keys(tmp_path / "notary0", 0)
    desk = Desk(NotaryConfig(0, chains.manifest, dict(chains.urls), tmp_path / "notary0"), tmp_path / "order.json")
    desk.hand()
    return desk


def test_an_order_is_shown_in_words_and_nothing_is_signed(desk: Desk) -> None:
    shown = desk.look()
    assert "signature" not in shown
    assert "Administration.order_limits" in shown["order"][0] and "eip155:7102" in shown["order"][0]
    assert shown["order"][1].endswith(LIMITS[0]) and shown["order"][2].endswith("(500, 1200, 3600)")


def test_the_action_is_the_contract_s_and_the_signature_is_the_member_s(desk: Desk, chains: Deployed) -> None:
    shown = desk.look()
    bed = Bed.__new__(Bed)
    bed.administration = chains.manifest.chain(Role.DESTINATION).contract("Administration")  # type: ignore[assignment]
    action = bed.action("order_limits", LANE, (500, 1_200, 3_600))
    contract = chains.manifest.chain(Role.DESTINATION).contracts["Administration"]
    digest = order_digest(chain_id=7102, contract=contract, action=action, salt=SALT, epoch=1)
    assert (shown["action"], shown["digest"]) == (f"0x{action.hex()}", f"0x{digest.hex()}")
    signed = sign_order(desk.config, desk.file, approve=shown["digest"])
    assert recover(digest, Signature.parse_hex(signed["signature"])) == NOTARY_KEYS[0].address
    desk.hand(digest=shown["digest"])
    assert desk.look() == shown


def test_K07_who_was_shown_one_order_and_handed_another_signs_neither(desk: Desk) -> None:
    shown = desk.look()["digest"]
    # The page shows what it showed; the file is another one.
    desk.hand(arguments=[LIMITS[0], ["500000000", 1_200_000_000, 3_600]])
    refused = refusal(lambda: sign_order(desk.config, desk.file, approve=shown))
    assert (refused.code, refused.where) == ("ORDER_DIFFERS", shown)
    assert "(500000000, 1200000000, 3600)" in desk.look()["order"][2], "what was handed over is seen for what it is"
    # The file's words are those the page showed; only the digest is of the other order.
    other = desk.look()["digest"]
    desk.hand(digest=other)
    assert refusal(desk.look).code == "ORDER_DIFFERS"
    assert refusal(lambda: sign_order(desk.config, desk.file, approve=other)).code == "ORDER_DIFFERS"
    desk.hand()
    assert refusal(lambda: sign_order(desk.config, desk.file, approve=shown[:-2])).code == "ORDER_DIFFERS"
    assert "signature" in sign_order(desk.config, desk.file, approve=shown)


@pytest.mark.parametrize(
    "changed",
    [
        {"chain": "eip155:7101"},
        {"function": "order_pause", "arguments": [LIMITS[0], True, 7]},
        {"arguments": [f"0x{'1b' * 32}", LIMITS[1]]},
        {"salt": f"0x{'5b' * 32}"},
        {"epoch": 2},
    ],
    ids=["chain", "function", "argument", "salt", "epoch"],
)
def test_K07_every_part_of_an_order_is_in_its_digest(desk: Desk, changed: dict[str, Any]) -> None:
    shown = desk.look()["digest"]
    desk.hand(**changed)
    assert refusal(lambda: sign_order(desk.config, desk.file, approve=shown)).code == "ORDER_DIFFERS"
    assert "signature" in sign_order(desk.config, desk.file, approve=desk.look()["digest"])


@pytest.mark.parametrize(
    "changed",
    [
        {"chain": "eip155:9"},
        {"contract": "Nobody"},
        {"contract": "Gateway", "function": "commit"},
        {"function": "open_lane"},
        {"function": "order_due"},
        {"arguments": LIMITS[:1]},
        {"arguments": [LIMITS[0], [1, 2]]},
        {"arguments": [LIMITS[0], [1, 2, -1]]},
        {"arguments": [LIMITS[0], [1, 2, str(2**300)]]},
        {"arguments": [LIMITS[0], [1, 2, True]]},
        {"arguments": [LIMITS[0], [1, 2, "03"]]},
        {"arguments": [LIMITS[0].upper(), LIMITS[1]]},
        {"arguments": ["0x1a", LIMITS[1]]},
        {"salt": "0x5a"},
        {"epoch": 0},
        {"epoch": "1"},
        {"extra": 1},
    ],
    ids=str,
)
def test_an_order_that_does_not_read_exactly_is_refused(desk: Desk, changed: dict[str, Any]) -> None:
    desk.hand(**changed)
    assert refusal(desk.look).code == "ORDER_FORMAT"
    desk.hand()
    desk.look()


def test_every_order_of_the_administration_can_be_read(chains: Deployed) -> None:
    functions = chains.manifest.chain(Role.DESTINATION).contract("Administration").interface.functions
    found = {name for name, (_, inputs, outputs) in functions.items() if name.startswith("order_") and not outputs}
    assert found == set(ORDERED["Administration"])
    for name in found:
        types = functions[name][1][:-1]
        fields: dict[str, Any] = {"chain": "eip155:7102", "contract": "Administration", "function": name}
        fields |= {"arguments": [_example(kind) for kind in types], "salt": f"0x{SALT.hex()}", "epoch": 1}
        assert len(read_order_request(json.dumps(fields).encode(), chains.manifest).lines()) == 1 + len(types)


def _example(kind: str) -> Any:
    simple: dict[str, Callable[[], Any]] = {
        "bool": lambda: True,
        "address": lambda: f"0x{'0a' * 20}",
        "bytes32": lambda: f"0x{'0b' * 32}",
    }
    if kind.startswith("("):
        depth, parts = 0, [""]
        for char in kind[1:-1]:
            depth += {"(": 1, ")": -1}.get(char, 0)
            parts = [*parts, ""] if char == "," and not depth else [*parts[:-1], parts[-1] + char]
        return [_example(each) for each in parts]
    return simple.get(kind, lambda: 1)()
