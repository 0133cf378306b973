"""G09: two processes with one key and eight workers each, asked for two rivals at once: one promise, for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.errors import Problem
from notary.journal import Journal
from tests.crowd import DONE, crowd
from tests.notary.promising import OWNER, RIVALS, promise


def test_G09_of_two_rivals_one_is_promised_whoever_asks_at_once(tmp_path: Path) -> None:
    found = sorted(crowd("tests.notary.promising", tmp_path), key=len)
    waiting, working = found
    # One process has the key; the other is told, and finds the same promise when its turn comes.
    assert waiting[0] == ["FOLDER_IN_USE"]
    answers = {which: {code for worker in working[which::2] for code in worker} for which in (0, 1)}
    kept = 0 if answers[0] == {DONE} else 1
    assert answers == {kept: {DONE}, 1 - kept: {"EQUIVOCATION"}}
    assert [set(codes) for codes in waiting[1:]] == [answers[0], answers[1]]
    journal = Journal(tmp_path, owner=OWNER)
    try:
        assert journal.counts() == (1, 0)
        assert journal.attested_at(RIVALS[0]) == RIVALS[kept].id
        promise(journal, kept)
        with pytest.raises(Problem) as refused:
            promise(journal, 1 - kept)
        assert refused.value.code == "EQUIVOCATION"
    finally:
        journal.close()
