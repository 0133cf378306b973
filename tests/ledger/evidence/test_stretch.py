"""A stretch of a device's statements whose beginning is not at hand: believed among themselves, nothing before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ledger.evidence import SoftwareKey, sign_statement
from ledger.evidence.verification import verify_stretch
from tests.ledger.evidence.test_evidence import CAMERA, CAMERA_KEY, FIRST, NOON, OTHER_KEY, RECEIVED, SECOND
from tests.ledger.refusals import refused

LATER = replace(FIRST, sequence=41, previous=bytes([9]) * 32)


def following(statement: object = LATER, **changes: object) -> object:
    """The statement after LATER, signed or to be changed."""
    values = {
        "sequence": 42,
        "previous": sign_statement(LATER, CAMERA_KEY).digest,
        "recorded_from": NOON + 2 * SECOND,
        "recorded_until": NOON + 4 * SECOND,
    }
    return replace(statement, **{**values, **changes})  # type: ignore[type-var]


def believe(*statements: object, key: SoftwareKey = CAMERA_KEY) -> int:
    signed = [sign_statement(statement, key) for statement in statements]  # type: ignore[arg-type]
    return len(verify_stretch(signed, device=CAMERA, received_at=RECEIVED))


def test_a_stretch_from_the_middle_is_believed_in_itself() -> None:
    assert believe(LATER, following()) == 2
    assert believe(FIRST) == 1
    assert believe() == 0


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sequence": 43}, "EVIDENCE_GAP"),
        ({"sequence": 40}, "EVIDENCE_REPEATED"),
        ({"previous": bytes([8]) * 32}, "EVIDENCE_PREVIOUS"),
        ({"recorded_from": NOON}, "EVIDENCE_TIME"),
        ({"device": "camera-08"}, "DEVICE_MISMATCH"),
    ],
)
def test_the_second_must_follow_the_first(changes: dict[str, object], code: str) -> None:
    with refused(code):
        believe(LATER, following(**changes))
    assert believe(LATER, following()) == 2


def test_the_first_is_held_to_everything_but_what_went_before() -> None:
    with refused("EVIDENCE_SIGNATURE"):
        believe(LATER, key=OTHER_KEY)
    with refused("DEVICE_MISMATCH"):
        believe(replace(LATER, device="camera-08"))
    with refused("EVIDENCE_TIME"):
        believe(replace(LATER, recorded_until=NOON))
    with refused("DEVICE_REVOKED"):
        verify_stretch(
            [sign_statement(LATER, CAMERA_KEY)], device=replace(CAMERA, revoked_at=NOON), received_at=RECEIVED
        )


def test_a_device_s_number_one_follows_nothing() -> None:
    with refused("EVIDENCE_PREVIOUS"):
        believe(replace(FIRST, previous=bytes([9]) * 32))
