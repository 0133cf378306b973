"""A checkpoint's cosignatures: counted by the keys that hold, and never fewer than a quorum."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.checkpoint import open_checkpoint
from ledger.errors import Unavailable
from ledger.merkle import Tree, leaf_hash
from relay.cosigning import Cosigning
from tests.ledger.bundle.estate import COSIGNERS
from tests.ledger.refusals import refused
from tests.relay.publishing_desk import Desk, DirectLog

NAMES = [each.key.name for each in COSIGNERS]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def names(desk: Desk, *, old_size: int = 0) -> list[str]:
    """Who cosigned the log's present state."""
    cosigning = Cosigning(desk.root, desk.panel)
    note = desk.ledger.log.make_checkpoint()
    checkpoint = open_checkpoint(note, log_key=desk.root.log)
    opened = cosigning.open(cosigning.ask(note, checkpoint, DirectLog(desk.publishing), old_size=old_size))
    return [given.cosigner.name for given in opened.cosignatures]


def test_all_that_answer_are_in_the_note(desk: Desk) -> None:
    assert names(desk) == NAMES


def test_two_cosigners_wait_for_one_more(desk: Desk) -> None:
    for index in (0, 1):
        desk.notaries[index].silent = True
    with pytest.raises(Unavailable) as waiting:
        names(desk)
    assert (waiting.value.code, waiting.value.what) == ("WAITING", "waiting for 1 more cosignature (2 of 3 given)")
    desk.notaries[0].silent = False
    assert names(desk) == [NAMES[0], *NAMES[2:]]


LINES = {
    "that_is_no_line": lambda line: b"cosigned!",
    "that_is_a_page": lambda line: b"<html>\n" * 5000,
    "that_is_empty": lambda line: b"",
    "with_another_signature": lambda line: line[:-8] + (b"AAAA" if line[-8:-4] != b"AAAA" else b"BBBB") + line[-4:],
    "of_an_unknown_cosigner": lambda line: line.replace(b"notary-1.example", b"notary-9.example"),
    "of_another_cosigner": lambda line: line.replace(b"notary-1.example", b"notary-2.example"),
}


@pytest.mark.parametrize("name", LINES)
def test_a_false_cosignature_is_not_counted_and_spoils_nothing(desk: Desk, name: str) -> None:
    desk.notaries[1].twist_line = LINES[name]
    assert names(desk) == [NAMES[0], *NAMES[2:]]
    desk.append(1)
    desk.notaries[2].silent = True
    with refused("WAITING"):
        names(desk)


def test_a_cosigner_that_answers_twice_counts_once(desk: Desk) -> None:
    for notary in desk.notaries[:2]:
        notary.twist_line = lambda line: line * 2
    for notary in desk.notaries[2:]:
        notary.silent = True
    with pytest.raises(Unavailable, match=r"\(2 of 3 given\)"):
        names(desk)


def test_C07_a_forked_log_finds_no_quorum(desk: Desk) -> None:
    note = desk.ledger.log.make_checkpoint()
    seen = open_checkpoint(note, log_key=desk.root.log)
    forked = Tree(leaf_hash(bytes([200]) * 32) for _ in range(seen.size))
    for notary in desk.notaries[:2]:
        notary.seen = type(seen)(seen.origin, len(forked), forked.root())
    with refused("WAITING"):
        names(desk)


def test_C07_a_cosigner_that_claims_more_than_there_is_gets_no_proof_and_is_missed(desk: Desk) -> None:
    seen = open_checkpoint(desk.ledger.log.make_checkpoint(), log_key=desk.root.log)
    desk.notaries[3].seen = type(seen)(seen.origin, seen.size + 5, bytes(32))
    assert names(desk) == NAMES[:3]


def test_C07_cosigners_of_different_sizes_are_each_asked_from_theirs(desk: Desk) -> None:
    names(desk)
    desk.notaries[0].silent = True
    desk.append(1)
    names(desk)
    desk.notaries[0].silent = False
    desk.append(2)
    assert names(desk, old_size=1) == NAMES
