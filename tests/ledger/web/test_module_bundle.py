"""Whole bundles in the browser and in Python: every forgery of the bundle's own tests gets the same answer in both."""

from __future__ import annotations

import random
from typing import Any

import pytest

from ledger.bundle import cbor, verify
from ledger.bundle.format import dump, load
from tests.ledger.bundle import (
    stamped,
    test_certified,
    test_erased,
    test_pledge,
    test_refusals,
    test_rotation,
    test_seals,
)
from tests.ledger.bundle.estate import TRUST_ROOT, Estate
from tests.ledger.bundle.rotated import Rotated
from tests.ledger.bundle.test_tampering import HEAD, HONEST, LINKED, flipped, sealed
from tests.ledger.web.javascript import Rules
from tests.ledger.web.parity import code_of

STRIDE = 400  # bytes of a bundle, of which one is changed


def _forgeries() -> dict[str, bytes]:
    made: dict[str, bytes] = {"honest": HONEST, "honest, sealed by a later epoch": LINKED}
    for name, (changes, _) in test_refusals.FORGED_SIGNING.items():
        made[name] = Estate(**changes).with_entries().forge()
    for name, (change, _) in test_refusals.CHANGED_AFTER.items():
        made[name] = Estate().with_entries().forge(change)
    for name, (changes, _) in test_rotation.FORGED.items():
        made[f"linked: {name}"] = Rotated(**changes).with_entries().forge()
    for name, (change, _) in test_rotation.CHANGED.items():
        made[f"linked: {name}"] = Rotated().with_entries().forge(change)
    for name, (changes, _) in test_pledge.FALSE.items():
        signing = {key: value for key, value in changes.items() if key in ("notaries", "attesting")}
        telling = {key: value for key, value in changes.items() if key != "trust_root"}
        estate = test_pledge.Secured(**{key: changes[key] for key in changes if key not in signing}).with_entries()
        told = test_pledge.Secured(**telling).told()
        made[f"pledge: {name}"] = estate.lent(lambda _, told=told: told)  # type: ignore[misc]
    for name, (alter, _) in test_pledge.CHANGED.items():
        made[f"pledge: {name}"] = test_pledge.Secured().with_entries().lent(alter)
    for name, (pledge, credentials, _) in test_pledge.UNSEALED.items():
        made[f"past epoch's pledge: {name}"] = test_pledge.told_by(pledge, *credentials)
    for name, (make, _) in test_erased.FALSE.items():
        made[f"erased: {name}"] = make()
    for name, entry in (("an event", test_erased.PACKING), ("a segment", test_erased.SEGMENT)):
        made[f"honest, {name} erased"] = test_erased.erased(entry)
    for name, (change, _) in test_seals.CHANGED.items():
        made[f"seals: {name}"] = dump(change(load(test_seals.HONEST)))
    for name, root in (("nobody", TRUST_ROOT), ("later ones", test_seals.LATER)):
        made[f"honest, sealed, and {name} pinned"] = test_seals.made(trust_root=root).bundle(shown=False)
    both = {"policy": 4}
    made["honest, sealed and certified"] = test_seals.made(verdict=both, certified=True).bundle()
    made["honest, sealed"], (made["honest, sealed by later ones"], _) = test_seals.HONEST, test_seals.later_validators()
    for name, (change, _) in test_certified.CHANGED.items():
        made[f"certified: {name}"] = dump(change(load(test_certified.HONEST)))
    made["certified: by retired keys"] = test_certified.by_retired_keys()
    made["certified: on a lane of notaries"] = test_certified.on_a_lane_of_notaries()
    made["honest, certified"], made["honest, not shown as certified"] = (
        test_certified.HONEST,
        test_certified.made(shown=False),
    )
    for name, (raw, _) in stamped.FALSE.items():
        made[f"stamp: {name}"] = raw
    made["honest, with a stamp"], made["honest, its stamp left out"] = stamped.STAMPED, stamped.UNSTAMPED
    made["records of credentials without a loan"] = test_pledge.sealing(test_pledge.CREDENTIALS[0]).forge()
    made["honest, its loan sealed"] = test_pledge.told_by(test_pledge.TOLD, *test_pledge.CREDENTIALS)
    return {**made, "honest, with its loan": test_pledge.PLEDGED, "a loan refused": test_pledge.built(executed=0)}


def _by_function(room: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The files that a room's single tests refuse."""
    made: dict[str, bytes] = {}
    for name, test in vars(room).items():
        if name.startswith("test_") and test.__code__.co_argcount == 0:
            monkeypatch.setattr(room, "refuse", lambda raw, _code, name=name, **_: made.update({name: raw}))
            test()
    return made


def _judged(raw: bytes) -> str:
    return code_of(lambda: verify(raw, trust_root=None))


def test_every_forgery_gets_the_same_answer(rules: Rules) -> None:
    made = _forgeries()
    ours = {name: _judged(raw) for name, raw in made.items()}
    theirs = dict(zip(made, rules.codes([("bundle", raw) for raw in made.values()]), strict=True))
    assert theirs == ours
    assert list(ours.values()).count("") == 16
    assert len(made) > 100


def test_every_other_forgery_gets_the_same_answer(rules: Rules, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {**_by_function(test_refusals, monkeypatch), **_by_function(test_rotation, monkeypatch)}
    ours = {name: _judged(raw) for name, raw in made.items()}
    theirs = dict(zip(made, rules.codes([("bundle", raw) for raw in made.values()]), strict=True))
    assert theirs == ours
    assert len(made) > 15
    held = [name for name, code in ours.items() if not code]
    assert len(held) == 1, held  # a whole world made up, which only the reader's own trust root tells from the true one
    assert rules.codes([("bundle", made[held[0]], TRUST_ROOT.fingerprint)]) == ["TRUST_ROOT"]


@pytest.mark.parametrize("honest", [HONEST, LINKED], ids=["plain", "linked"])
def test_a_changed_byte_under_a_fitting_seal_is_refused_in_both(rules: Rules, honest: bytes) -> None:
    dice = random.Random(20260404)
    changed = [
        sealed(flipped(honest, min(start + dice.randrange(STRIDE), len(honest) - 1), 1 << dice.randrange(8))[HEAD:])
        for start in range(HEAD, len(honest), STRIDE)
    ]
    found = rules.codes([("bundle", raw) for raw in [honest, *changed]])
    assert found[0] == ""
    assert [(number, code) for number, code in enumerate(found[1:]) if not code] == []
    assert [(number, bool(_judged(raw))) for number, raw in enumerate(changed)] == [
        (number, True) for number in range(len(changed))
    ]


def test_the_reader_s_own_trust_root_decides(rules: Rules) -> None:
    own, other = TRUST_ROOT.fingerprint, "0000 " * 7 + "0000"
    assert rules.codes([("bundle", HONEST, own), ("bundle", HONEST, other)]) == ["", "TRUST_ROOT"]


# Keys that are no text are left out: here the decoder refuses them, in Python the reader of the fields.
_HEXADECIMAL = """
    00 17 1817 1818 1900ff 190100 1a0000ffff 1b00000000ffffffff 1bffffffffffffffff 1c 1f 20 40 41 4100 5fff 60 6161 61ff
    62c3a9 63efbbbf 63eda080 780161 80 81 8100 9fff a0 a1616100 a2616100616200 a2616200616100 a2616100616100
    a26261610061620000 a2616200626161 a261620062616100 c000 f4 f5 f6 f7 f93c00 fb0000000000000000 ff f814 0000
    818181818181818100 81818181818181818100 818181818181818180 81818181818181818180
    9bffffffffffffffff bbffffffffffffffff 5bffffffffffffffff
    """
_SPELLINGS = [*map(bytes.fromhex, _HEXADECIMAL.split()), b"", bytes.fromhex("9a0007a120") + bytes(500_000)]


def test_one_value_has_one_spelling_in_cbor_too(rules: Rules) -> None:
    found = rules.codes([("decode", raw) for raw in _SPELLINGS])
    ours = [code_of(lambda raw=raw: cbor.decode(raw)) for raw in _SPELLINGS]  # type: ignore[misc]
    assert list(zip(_SPELLINGS, found, strict=True)) == list(zip(_SPELLINGS, ours, strict=True))
