"""A trust root is renewed by what its own notaries ordered, one epoch at a time, and written over nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ledger.bundle import Lending, TrustRoot
from ledger.bundle.succession import RotationOrder, follow_rotations, successor
from ledger.cli import build
from ledger.errors import Problem
from tests.ledger.bundle.estate import address
from tests.ledger.bundle.succeeding import HELD, SECOND, THIRD, members_of, order_of
from tests.ledger.refusals import refused

NAMES = [f"bank-{n}.example/2" for n in range(4)]
DATED = SECOND.dated.isoformat()


@dataclass
class Files:
    """A folder with a trust root, an order, and a place for the next one."""

    folder: Path

    @property
    def out(self) -> Path:
        return self.folder / "next.json"

    def renew(
        self,
        held: TrustRoot = HELD,
        order: RotationOrder | bytes | None = None,
        *,
        names: list[str] | None = None,
        dated: str = DATED,
        more: tuple[str, ...] = (),
    ) -> Result:
        """Run the verb."""
        (self.folder / "held.json").write_bytes(held.dump())
        raw = order if isinstance(order, bytes) else (order or order_of(1)).dump()
        (self.folder / "order.json").write_bytes(raw)
        given = [word for name in (NAMES if names is None else names) for word in ("--name", name)]
        where = ["--order", str(self.folder / "order.json"), "--out", str(self.out), "--dated", dated]
        return CliRunner().invoke(build(), ["trust", "renew", str(self.folder / "held.json"), *where, *given, *more])


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def code_of(result: Result) -> str:
    assert isinstance(result.exception, Problem), result.output
    return result.exception.code


def test_what_the_pinned_notaries_ordered_is_written_and_shown(files: Files) -> None:
    result = files.renew()
    assert result.exit_code == 0, result.output
    made = TrustRoot.load(files.out.read_bytes())
    assert made == SECOND
    assert made.fingerprint in result.output
    follow_rotations(HELD, made, [order_of(1)])
    shown = CliRunner().invoke(build(), ["trust", "show", str(files.out), "--json"])
    assert json.loads(shown.stdout) == {"fingerprint": made.fingerprint, "trust_root": json.loads(made.dump())}


def test_two_rotations_are_two_renewals(files: Files) -> None:
    names = [f"bank-{n}.example/3" for n in range(4)]
    assert files.renew().exit_code == 0
    files.out.unlink()
    result = files.renew(SECOND, order_of(2), names=names, dated=THIRD.dated.isoformat())
    assert result.exit_code == 0, result.output
    assert TrustRoot.load(files.out.read_bytes()) == THIRD


def test_a_member_that_keeps_its_key_keeps_its_name() -> None:
    same = order_of(1, members=members_of(1))
    made = successor(HELD, same, (), SECOND.dated)
    assert made.pinned.cosigners == HELD.pinned.cosigners
    with refused("COSIGNER_NAMES"):
        successor(HELD, order_of(1), (), SECOND.dated)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "nobody of them ordered it": ({"order": order_of(1, by=3)}, "SIG_UNKNOWN"),
    "too few of them ordered it": ({"order": order_of(1, signers=(0, 1))}, "QUORUM"),
    "those who follow ordered it": ({"order": order_of(1, by=2)}, "SIG_UNKNOWN"),
    "retired keys ordered it": ({"order": order_of(1, by=0)}, "SIG_UNKNOWN"),
    "it is an earlier rotation": ({"order": order_of(0)}, "EPOCH_UNLINKED"),
    "it skips an epoch": ({"order": order_of(2)}, "SET_EPOCH"),
    "it is of a chain that nobody named": ({"order": order_of(1, chain_id=9)}, "ROTATION_CHAIN"),
    "the members were exchanged": ({"order": replace(order_of(1), members=members_of(4))}, "SIG_UNKNOWN"),
    "the day is an older one": ({"dated": (HELD.dated - timedelta(days=1)).isoformat()}, "ROTATION_ROOT"),
    "the day is none": ({"dated": "2026-02-30"}, "DAY_FORMAT"),
    "the day is written in another way": ({"dated": "20261122"}, "DAY_FORMAT"),
    "a name is missing": ({"names": NAMES[:3]}, "COSIGNER_NAMES"),
    "there is a name too many": ({"names": [*NAMES, "another.example"]}, "COSIGNER_NAMES"),
    "two have one name": ({"names": [NAMES[0], *NAMES[:3]]}, "CONFIG_SET"),
    "a name is none that a note can hold": ({"names": ["a b", *NAMES[1:]]}, "KEY_NAME"),
    "names are missing for new keys": ({"names": []}, "COSIGNER_NAMES"),
    "the order is none": ({"order": b"{}"}, "ROTATION_FORMAT"),
    "the order is a trust root": ({"order": HELD.dump()}, "ROTATION_FORMAT"),
    "the order is spelt in another way": ({"order": b" " + order_of(1).dump()}, "NON_CANONICAL"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_no_trust_root_is_written_when(files: Files, case: str) -> None:
    changed, code = REFUSED[case]
    assert code_of(files.renew(**changed)) == code
    assert not files.out.exists()
    assert files.renew().exit_code == 0


def test_a_trust_root_is_written_over_nothing(files: Files) -> None:
    files.out.write_bytes(THIRD.dump())
    assert code_of(files.renew()) == "FILE_EXISTS"
    assert files.out.read_bytes() == THIRD.dump()
    files.out.unlink()
    assert files.renew().exit_code == 0


def test_a_place_that_is_none_is_said_to_be(files: Files) -> None:
    files.folder.joinpath("next.json").mkdir()
    assert code_of(files.renew()) in ("FILE_EXISTS", "FILE_UNWRITABLE")


def test_it_is_shown_as_tables(files: Files) -> None:
    lent = replace(SECOND, lending=Lending(address(1), address(2), address(3)))
    (files.folder / "root.json").write_bytes(lent.dump())
    shown = CliRunner().invoke(build(), ["trust", "show", str(files.folder / "root.json")], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    for word in (lent.fingerprint, DATED, lent.log.name, "epoch 2 (pinned)", "epoch 1 (past", *NAMES, "warehouse"):
        assert word in shown.output, word
    assert f"0x{lent.pinned.committee.members[0].hex()}" in shown.output


def test_what_is_no_trust_root_is_not_shown(files: Files) -> None:
    (files.folder / "root.json").write_bytes(b"{}")
    result = CliRunner().invoke(build(), ["trust", "show", str(files.folder / "root.json")])
    assert code_of(result) == "TRUST_ROOT_FORMAT"
    assert code_of(CliRunner().invoke(build(), ["trust", "show", "/nowhere/root.json"])) == "FILE_UNREADABLE"
