"""What the verifier's answer means: accepted, refused for a stated reason, or broken, which is neither."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.demo.proof_check import read_verdict, verify
from examples.demo.steps import VERDICTS
from relay.journey import State


def test_a_refusal_has_its_code_and_its_reason() -> None:
    verdict = read_verdict(1, "BUNDLE_CORRUPT: The file was changed: its seal differs.\n  where: unit.bundle\n")
    assert (verdict.refused, verdict.accepted) == (True, False)
    assert (verdict.code, verdict.reason) == ("BUNDLE_CORRUPT", "The file was changed: its seal differs.")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (1, ""),
        (1, "Traceback (most recent call last):\n  File x\nKeyError: 1"),
        (1, "error: no such thing"),
        (2, "USAGE: no such option"),
        (-9, "KILLED: by somebody"),
    ],
)
def test_a_verifier_that_broke_refused_nothing(status: int, said: str) -> None:
    verdict = read_verdict(status, said)
    assert not verdict.refused
    assert not verdict.accepted


def test_the_program_s_own_words_are_understood(tmp_path: Path) -> None:
    (tmp_path / "unit.bundle").write_bytes(b"PK\x03\x04 hello")
    verdict = verify(tmp_path / "unit.bundle")
    assert verdict.refused
    assert verdict.code == "BUNDLE_FORMAT"
    assert verdict.reason


def test_only_a_closed_journey_is_said_to_be_re_executed_with_the_same_result() -> None:
    assert [state for state, words in VERDICTS.items() if "same" in words] == [State.CLOSED]
    assert "differs" in VERDICTS[State.DISPUTED]
