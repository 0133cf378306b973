"""A request to be enrolled proves that whoever asks holds the key, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ledger.canonical import canonical_json
from ledger.evidence import SoftwareKey
from ledger.evidence.request import EnrolmentRequest, read_request, write_request
from tests.ledger.evidence.test_evidence import CAMERA_KEY, NOON, OTHER_KEY
from tests.ledger.refusals import refused

P256_KEY = SoftwareKey(bytes([5]) * 32, "P-256")
REQUEST = EnrolmentRequest("camera-07", "Ed25519", CAMERA_KEY.public_key, "Hall, north", NOON, (b"leaf", b"maker"))
HONEST = write_request(REQUEST, CAMERA_KEY)


def test_it_reads_back_for_both_algorithms() -> None:
    assert read_request(HONEST) == REQUEST
    other = replace(REQUEST, algorithm="P-256", public_key=P256_KEY.public_key, certificates=())
    assert read_request(write_request(other, P256_KEY)) == other


def test_OD10_a_key_cannot_be_asked_for_by_whoever_does_not_hold_it() -> None:
    with refused("REQUEST_SIGNATURE"):
        read_request(write_request(REQUEST, OTHER_KEY))
    for signature in ("", "00" * 64):
        with refused("REQUEST_SIGNATURE"):
            read_request(canonical_json(json.loads(HONEST) | {"signature": signature}))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"device": "camera-08"}, "REQUEST_SIGNATURE"),
        ({"label": "Hall, south"}, "REQUEST_SIGNATURE"),
        ({"certificates": []}, "REQUEST_SIGNATURE"),
        ({"requested_at": "2026-03-01T12:00:00.001Z"}, "REQUEST_SIGNATURE"),
        ({"algorithm": "P-256"}, "KEY_LENGTH"),
        ({"algorithm": "none"}, "KEY_ALGORITHM"),
        ({"key": "00" * 32}, "KEY_WEAK"),
        ({"key": CAMERA_KEY.public_key.hex().upper()}, "NON_CANONICAL"),
        ({"kind": "enrolment"}, "EVIDENCE_FIELD"),
        ({"device": ""}, "EVIDENCE_FIELD"),
        ({"device": 7}, "EVIDENCE_FIELD"),
        ({"extra": "1"}, "EVIDENCE_FIELD"),
        ({"certificates": "00"}, "EVIDENCE_FIELD"),
        ({"certificates": 7}, "EVIDENCE_FIELD"),
        ({"certificates": [7]}, "EVIDENCE_FIELD"),
        ({"certificates": ["00"] * 9}, "EVIDENCE_FIELD"),
        ({"certificates": ["00" * 6145]}, "EVIDENCE_FIELD"),
    ],
)
def test_another_request_is_refused(changes: dict[str, object], code: str) -> None:
    value = json.loads(HONEST)
    with refused(code):
        read_request(canonical_json(value | {"request": value["request"] | changes}))
    assert read_request(HONEST)
