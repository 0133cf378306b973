"""What the handbook says of copies of a ledger's folder, and of going back to one."""

from __future__ import annotations

import shutil
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from ledger.checkpoint import Checkpoint, open_checkpoint
from ledger.evidence import Code
from ledger.store.check import check_folder
from ledger.store.ledger import KEY_FILE
from ledger.witness import consider
from tests.ledger.intake.speaking import NOON, Listening, Voice, listening
from tests.ledger.refusals import refused

COPIED, SAID = 2, 5  # statements before the copy was taken, and in all


@pytest.fixture
def voice(tmp_path: Path) -> Voice:
    """A scale after all that it said; `copied/ledger` is a copy from before the last of it."""
    voice = Voice()
    with listening(tmp_path) as at:
        for _ in range(COPIED):
            say(at, voice)
    shutil.copytree(tmp_path / "ledger", tmp_path / "copied" / "ledger")
    with listening(tmp_path) as at:
        for _ in range(SAID - COPIED):
            say(at, voice)
    return voice


def say(at: Listening, voice: Voice) -> None:
    moment = NOON + timedelta(minutes=voice.number + 1)
    at.hear(voice.reading(moment), moment)


def state(at: Listening) -> Checkpoint:
    return open_checkpoint(at.ledger.log.make_checkpoint(), log_key=at.ledger.log.key)


def test_a_copy_of_a_folder_at_rest_is_whole_and_holds_the_log_s_key(tmp_path: Path, voice: Voice) -> None:
    copy = tmp_path / "copied" / "ledger"
    assert [found.code for found in check_folder(copy, lambda *_: None)] == []
    assert stat.S_IMODE((copy / KEY_FILE).stat().st_mode) == 0o600
    with listening(tmp_path / "copied") as at:
        assert at.held() == COPIED < voice.number


def test_a_device_that_said_more_than_the_copy_holds_is_told_so_and_goes_on_once_released(
    tmp_path: Path, voice: Voice
) -> None:
    moment = NOON + timedelta(hours=1)
    with listening(tmp_path / "copied") as at:
        following = voice.reading(moment)
        with refused("EVIDENCE_GAP"):
            at.hear(following, moment)
        assert at.held() == COPIED
        at.ledger.evidence.release("scale-1", moment, "went back to a copy")
        at.hear(following, moment)
        assert at.held() == SAID + 1 and Code.GAP in at.codes()


@pytest.mark.parametrize(("more", "code"), [(0, "LOG_SHRINKS"), (SAID - COPIED, "SPLIT_VIEW"), (SAID, "PROOF_INVALID")])
def test_notaries_cosign_nothing_of_a_log_that_went_back_behind_what_they_saw(
    tmp_path: Path, voice: Voice, more: int, code: str
) -> None:
    with listening(tmp_path) as at:
        seen = state(at)
    with listening(tmp_path / "copied") as at:
        for number in range(more):
            at.ledger.evidence.release("scale-1", NOON, f"went back to a copy, {number}")
        offered = state(at)
        proof = at.ledger.log.consistency(seen.size, offered.size) if offered.size > seen.size else []
    with refused(code):
        consider(seen=seen, offered=offered, old_size=seen.size, proof=proof)


def test_a_copy_that_holds_all_that_was_cosigned_goes_on_as_if_nothing_had_been(tmp_path: Path, voice: Voice) -> None:
    with listening(tmp_path / "copied") as at:
        seen = state(at)
        at.ledger.evidence.release("scale-1", NOON, "went back to a copy")
        say(at, voice)
        offered = state(at)
        proof = at.ledger.log.consistency(seen.size, offered.size)
    assert consider(seen=seen, offered=offered, old_size=seen.size, proof=proof) == offered
