"""An enrolment has one spelling, and says nothing of revocation."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from ledger.bundle import read_enrolment, write_enrolment
from ledger.canonical import canonical_json
from tests.ledger.bundle.estate import CAMERA, DAWN
from tests.ledger.refusals import refused

HONEST = write_enrolment(CAMERA)


def test_it_reads_back() -> None:
    assert read_enrolment(HONEST) == CAMERA


def test_a_revocation_is_not_part_of_it() -> None:
    assert write_enrolment(replace(CAMERA, revoked_at=DAWN)) == HONEST


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kind": "revocation"}, "DEVICE_FORMAT"),
        ({"device": ""}, "DEVICE_FORMAT"),
        ({"device": "x" * 257}, "DEVICE_FORMAT"),
        ({"label": "x" * 257}, "DEVICE_FORMAT"),
        ({"device": 7}, "DEVICE_FORMAT"),
        ({"key": "zz" * 32}, "DEVICE_FORMAT"),
        ({"key": CAMERA.public_key.hex().upper()}, "DEVICE_FORMAT"),
        ({"extra": "1"}, "DEVICE_FORMAT"),
        ({"key": "00" * 32}, "KEY_WEAK"),
        ({"algorithm": "P-256"}, "KEY_LENGTH"),
        ({"algorithm": "none"}, "KEY_ALGORITHM"),
        ({"key": "ab" * 31}, "KEY_LENGTH"),
        ({"valid_from": "2026-03-24"}, "EVIDENCE_FIELD"),
        ({"valid_until": "2020-01-01T00:00:00.000Z"}, "DEVICE_PERIOD"),
    ],
)
def test_another_document_is_refused(changes: dict[str, object], code: str) -> None:
    with refused(code):
        read_enrolment(canonical_json(json.loads(HONEST) | changes))
    assert read_enrolment(HONEST)


@pytest.mark.parametrize("raw", [b"", b"[]", b"no", HONEST[:-1], bytes(5000)])
def test_what_is_no_enrolment_is_refused(raw: bytes) -> None:
    with refused("DEVICE_FORMAT"):
        read_enrolment(raw)


def test_another_spelling_is_refused() -> None:
    with refused("NON_CANONICAL"):
        read_enrolment(HONEST + b" ")


def test_times_finer_than_a_millisecond_cannot_be_enrolled() -> None:
    with refused("EVIDENCE_FIELD"):
        write_enrolment(replace(CAMERA, valid_from=DAWN - timedelta(days=9, microseconds=1)))
