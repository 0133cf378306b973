"""How well an entry is witnessed: stage by stage, and an anchor of another root never counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.collateral import fold
from ledger.standing import Stage, Witnesses, witnesses
from ledger.store import Ledger
from tests.ledger.chain_tale import Tale, named
from tests.ledger.tea import ORIGIN, cosign_log, open_ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Four entries, cosigned."""
    ledger = open_ledger(tmp_path / "ledger")
    for number in range(4):
        ledger.statements.enter("pledgetrail/test/v1/json", f"{number}".encode())
    cosign_log(ledger)
    return ledger


def _vouching(ledger: Ledger, tale: Tale) -> Witnesses:
    published = ledger.log.latest_cosigned()
    return witnesses(
        fold(tale.facts),
        origin=ledger.log.origin,
        size=ledger.log.size,
        root_of=ledger.log.root,
        published=None if published is None else published.cosigned,
    )


def test_stages_follow_one_another(ledger: Ledger) -> None:
    tale, stages = Tale(), []
    stages.append(_vouching(ledger, tale).standing(3).stage)
    tale.anchor(4, ledger.log.root(4))
    stages.append(_vouching(ledger, tale).standing(3).stage)
    tale.mirror(ORIGIN, 4, ledger.log.root(4))
    stages.append(_vouching(ledger, tale).standing(3).stage)
    assert stages == [Stage.COSIGNED, Stage.ANCHORED, Stage.MIRRORED]


def test_the_first_anchor_that_covers_the_entry_is_named(ledger: Ledger) -> None:
    tale = Tale()
    for size in (2, 3, 4):
        tale.anchor(size, ledger.log.root(size))
    anchor = _vouching(ledger, tale).standing(2).anchor
    assert anchor is not None
    assert anchor.size == 3


def test_an_entry_above_every_checkpoint_is_only_logged(ledger: Ledger) -> None:
    tale = Tale()
    tale.anchor(4, ledger.log.root(4))
    ledger.statements.enter("pledgetrail/test/v1/json", b"later")
    standing = _vouching(ledger, tale).standing(4)
    assert (standing.stage, standing.cosigned, standing.anchor) == (Stage.LOGGED, None, None)


def test_an_anchor_that_no_quorum_cosigned_proves_nothing(ledger: Ledger) -> None:
    tale = Tale()
    ledger.statements.enter("pledgetrail/test/v1/json", b"later")
    tale.anchor(5, ledger.log.root(5))
    assert _vouching(ledger, tale).standing(4).stage is Stage.LOGGED


def test_an_anchor_with_another_root_is_a_contradiction_and_never_counts(ledger: Ledger) -> None:
    tale = Tale()
    tale.anchor(4, named("another root"))
    tale.mirror(ORIGIN, 4, named("another root"))
    vouching = _vouching(ledger, tale)
    assert len(vouching.contradicting) == 2
    assert vouching.standing(0).stage is Stage.COSIGNED


def test_an_anchor_larger_than_the_log_is_a_contradiction(ledger: Ledger) -> None:
    tale = Tale()
    tale.anchor(9, named("entries that were removed"))
    assert len(_vouching(ledger, tale).contradicting) == 1


def test_a_mirror_of_another_log_is_none_of_ours(ledger: Ledger) -> None:
    tale = Tale()
    tale.anchor(4, ledger.log.root(4))
    tale.mirror("other.example/log", 4, named("its root"))
    vouching = _vouching(ledger, tale)
    assert (vouching.contradicting, vouching.standing(0).stage) == ((), Stage.ANCHORED)
