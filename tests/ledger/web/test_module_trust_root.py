"""The trust root in the browser and in Python: read or refused alike, under one fingerprint."""

from __future__ import annotations

import json
from typing import Any

from ledger.bundle import TrustRoot
from ledger.canonical import canonical_json
from tests.ledger.bundle import estate
from tests.ledger.web.javascript import Rules
from tests.ledger.web.parity import code_of

ROOT = estate.TRUST_ROOT
MEMBERS = [f"0x{number:040x}" for number in range(1, 5)]
SEALED: dict[str, Any] = {"height": 7, "validators": MEMBERS}
WRONG_SEALED: tuple[dict[str, Any], ...] = (
    {"height": -1},
    {"height": True},
    {"height": "7"},
    {"validators": MEMBERS[:3]},
    {"validators": MEMBERS[::-1]},
    {"validators": [*MEMBERS[:3], MEMBERS[2]]},
    {"validators": [f"0x{0:040x}", *MEMBERS]},
    {"validators": [*MEMBERS, "0x05"]},
    {"validators": [each[2:] for each in MEMBERS]},
    {"validators": [f"0x{number:040x}" for number in range(1, 102)]},
    {"validators": "all"},
    {"more": 1},
)


def _roots() -> list[bytes]:
    honest = json.loads(ROOT.dump())

    def but(**changes: Any) -> bytes:
        return canonical_json({**honest, **changes})

    first, *others = honest["cosigners"]
    return [
        ROOT.dump(),
        but(quorum=4),
        but(quorum=2),
        but(quorum=5),
        but(quorum=True),
        but(quorum=3.5),
        but(quorum="3"),
        but(cosigners=[]),
        but(cosigners=[first, first, *others[1:]]),
        but(cosigners=[first, {**others[0], "name": first["name"]}, *others[1:]]),
        but(cosigners=[{**first, "key": honest["log"]["key"]}, *others]),
        but(cosigners=[{**first, "key": "00" * 32}, *others]),
        but(cosigners=[{**first, "key": first["key"][:-2]}, *others]),
        but(cosigners=[{**first, "name": "two words"}, *others]),
        but(format="pledgetrail/trust-root/v2"),
        but(log={"origin": "", "key": honest["log"]["key"]}),
        but(log={"key": honest["log"]["key"]}),
        canonical_json({name: value for name, value in honest.items() if name != "quorum"}),
        json.dumps(honest, sort_keys=True).encode(),
        b"[]",
        b"null",
        but(origin={**honest["origin"], "sealed": SEALED}),
        *(but(origin={**honest["origin"], "sealed": {**SEALED, **wrong}}) for wrong in WRONG_SEALED),
        but(origin={**honest["origin"], "sealed": {"validators": SEALED["validators"]}}),
        but(origin={**honest["origin"], "sealed": {}}),
        but(origin={**honest["origin"], "sealed": None}),
    ]


def test_a_trust_root_is_read_or_refused_alike_and_has_one_fingerprint(rules: Rules) -> None:
    found = rules.answers([("readTrustRoot", raw) for raw in _roots()])
    expected = [code_of(lambda raw=raw: TrustRoot.load(raw)) for raw in _roots()]  # type: ignore[misc]
    assert [bool(code) for code, _ in found] == [bool(code) for code in expected]
    assert found[0] == ["", ROOT.fingerprint]
    assert found[1] == ["", TrustRoot.load(_roots()[1]).fingerprint]
    assert [code for code, _ in found].count("") == 3
