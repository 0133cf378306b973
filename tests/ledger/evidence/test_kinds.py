"""Readings and gaps: what sensors state, what a device states that it lost, in the same chain as segments."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from ledger.canonical import canonical_json
from ledger.evidence import (
    NO_PREVIOUS,
    Device,
    Evidence,
    GapStatement,
    ReadingStatement,
    SegmentStatement,
    SoftwareKey,
    Statement,
    read_segment,
    read_statement,
    sign_statement,
    verify_evidence,
)
from tests.ledger.evidence.test_evidence import CAMERA, CAMERA_KEY, FIRST, MEDIA, NOON, RECEIVED, SECOND
from tests.ledger.refusals import refused

READING = ReadingStatement(
    device="camera-07",
    sequence=1,
    previous=NO_PREVIOUS,
    observed_at=NOON,
    place="urn:epc:id:sgln:4012345.00001.0",
    subject="https://id.gs1.org/00/340123450000000018",
    quantity="weight",
    value="1204.50",
    unit="KGM",
)
GAP = GapStatement(
    device="camera-07",
    sequence=2,
    previous=bytes([1]) * 32,
    lost_from=NOON,
    lost_until=NOON + 9 * SECOND,
    reason="spool-full",
    unsigned=3,
    unsent=0,
)
P256_KEY = SoftwareKey(bytes([5]) * 32, "P-256")
P256_CAMERA = replace(CAMERA, public_key=P256_KEY.public_key, algorithm="P-256")


def believe(statement: Statement, previous: Evidence | None = None) -> Evidence:
    signed = sign_statement(statement, CAMERA_KEY)
    return verify_evidence(signed, device=CAMERA, previous=previous, received_at=RECEIVED)


@pytest.mark.parametrize(
    "statement", [FIRST, READING, replace(READING, place=None), GAP], ids=["segment", "reading", "moving", "gap"]
)
def test_every_kind_reads_back_as_it_was_said(statement: Statement) -> None:
    assert read_statement(statement.canonical()) == statement


def test_one_chain_holds_all_kinds() -> None:
    reading = believe(READING)
    gap = believe(replace(GAP, previous=reading.digest), reading)
    segment = believe(
        replace(
            FIRST,
            sequence=3,
            previous=gap.digest,
            recorded_from=NOON + 9 * SECOND,
            recorded_until=NOON + 11 * SECOND,
        ),
        gap,
    )
    assert segment.segment.sequence == 3
    with refused("EVIDENCE_TIME"):
        believe(replace(READING, sequence=4, previous=segment.digest, observed_at=NOON), segment)
    with refused("EVIDENCE_GAP"):
        believe(replace(READING, sequence=5, previous=segment.digest, observed_at=NOON + 20 * SECOND), segment)


def test_a_reading_or_gap_is_not_taken_for_video() -> None:
    for statement in (READING, GAP):
        with refused("EVIDENCE_KIND"):
            read_segment(statement.canonical())
    with refused("EVIDENCE_KIND"):
        _ = believe(READING).segment
    assert read_segment(FIRST.canonical()) == FIRST


@pytest.mark.parametrize("name", [*ReadingStatement.__slots__, "kind"])
def test_no_field_of_a_reading_may_be_missing(name: str) -> None:
    value = json.loads(READING.canonical())
    del value[name]
    with refused("EVIDENCE_FIELD"):
        read_statement(canonical_json(value))


@pytest.mark.parametrize("name", [*GapStatement.__slots__, "kind"])
def test_no_field_of_a_gap_may_be_missing(name: str) -> None:
    value = json.loads(GAP.canonical())
    del value[name]
    with refused("EVIDENCE_FIELD"):
        read_statement(canonical_json(value))


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "segment"},
        {"kind": "gap"},
        {"kind": "rumour"},
        {"kind": 1},
        {"extra": "1"},
        {"observed_at": "2026-03-01T23:59:60.000Z"},  # OD07: a leap second
        {"observed_at": "2026-03-01T12:00:00.000+00:00"},
        {"observed_at": 2**40},
        {"observed_at": None},
        {"sequence": True},
        {"sequence": 0},
        {"previous": "00"},
        {"place": ""},
        {"subject": " pallet"},
        {"subject": None},
        {"quantity": "worth"},
        {"quantity": "temperature"},  # in kilograms
        {"unit": "kg"},
    ],
)
def test_a_reading_with_another_field_is_refused(changes: dict[str, object]) -> None:
    with refused("EVIDENCE_FIELD"):
        read_statement(canonical_json(json.loads(READING.canonical()) | changes))


@pytest.mark.parametrize(
    "value",
    [
        *("", "1,5", "1e3", "NaN", "Infinity", "0x10", "+1", "-0", "-0.00", "01", ".5", "1.", " 1", "1 ", "٣"),
        *("1" * 16, "0.1234567890", "1_000"),
    ],
)
def test_a_value_is_a_plain_decimal(value: str) -> None:
    with refused("EVIDENCE_FIELD"):
        replace(READING, value=value)


@pytest.mark.parametrize("value", ["0", "0.00", "-12.5", "1204.50", "999999999999999.123456789"])
def test_every_digit_that_was_measured_stays(value: str) -> None:
    assert json.loads(replace(READING, value=value).canonical())["value"] == value


def test_a_position_is_a_place_on_the_earth() -> None:
    position = replace(READING, quantity="position", unit="DD", value="-31.2304,121.4737")
    assert read_statement(position.canonical()) == position
    for value in ("31.2", "90.1,0", "0,-180.5", "31.2304;121.4737", "-0,1", "1,-0.0", "NaN,0", "1,2,3"):
        with refused("EVIDENCE_FIELD"):
            replace(position, value=value)


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": "tired"},
        {"lost_until": "2026-03-01T11:59:59.999Z"},
        {"unsigned": -1},
        {"unsent": 2},  # it is number 2: only one could be before it
        {"unsent": True},
    ],
)
def test_a_gap_that_cannot_be_is_refused(changes: dict[str, object]) -> None:
    with refused("EVIDENCE_FIELD"):
        read_statement(canonical_json(json.loads(GAP.canonical()) | changes))
    assert read_statement(GAP.canonical())


@pytest.mark.parametrize("groups", [(), (bytes(32),) * 129, (bytes(31),)], ids=["none", "129", "31 bytes"])
def test_groups_are_bounded_digests(groups: tuple[bytes, ...]) -> None:
    with refused("EVIDENCE_FIELD"):
        replace(MEDIA, groups=groups)
    assert len(replace(FIRST, media=replace(MEDIA, groups=(bytes(32),) * 128)).canonical()) < 16 * 1024


class TestAlgorithms:
    """The enrolment names the algorithm; nothing in a message can."""

    @pytest.mark.parametrize("statement", [FIRST, READING, replace(GAP, sequence=1, previous=NO_PREVIOUS)])
    def test_a_p256_device_is_believed(self, statement: Statement) -> None:
        signed = sign_statement(statement, P256_KEY)
        assert verify_evidence(signed, device=P256_CAMERA, previous=None, received_at=RECEIVED).statement == statement

    def test_A01_a_high_s_twin_is_refused_and_the_digest_knows_no_signature(self) -> None:
        from tests.ledger.test_p256 import high_s

        signed = sign_statement(FIRST, P256_KEY)
        twin = replace(signed, signature=high_s(signed.signature))
        assert twin.digest == signed.digest
        with refused("EVIDENCE_SIGNATURE"):
            verify_evidence(twin, device=P256_CAMERA, previous=None, received_at=RECEIVED)

    @pytest.mark.parametrize(("device", "key"), [(CAMERA, P256_KEY), (P256_CAMERA, CAMERA_KEY)])
    def test_a_signature_of_the_other_algorithm_is_refused(self, device: Device, key: SoftwareKey) -> None:
        with refused("EVIDENCE_SIGNATURE"):
            verify_evidence(sign_statement(FIRST, key), device=device, previous=None, received_at=RECEIVED)

    def test_a_key_enrolled_under_the_other_algorithm_is_refused(self) -> None:
        with refused("KEY_LENGTH"):
            replace(CAMERA, algorithm="P-256")
        with refused("KEY_LENGTH"):
            replace(P256_CAMERA, algorithm="Ed25519")
        with refused("KEY_ALGORITHM"):
            replace(CAMERA, algorithm="none")  # type: ignore[arg-type]

    def test_no_statement_has_a_place_for_an_algorithm(self) -> None:
        with refused("EVIDENCE_FIELD"):
            read_statement(canonical_json(json.loads(FIRST.canonical()) | {"algorithm": "none"}))

    def test_a_key_is_never_shown(self) -> None:
        assert "05" not in repr(SoftwareKey(bytes([5]) * 32)) and "\\x05" not in repr(P256_KEY)


def test_a_reading_from_the_future_or_a_retired_device_is_refused() -> None:
    with refused("EVIDENCE_TIME"):
        believe(replace(READING, observed_at=RECEIVED + timedelta(minutes=3)))
    with refused("DEVICE_NOT_VALID"):
        believe(replace(READING, observed_at=CAMERA.valid_from - SECOND))
    assert isinstance(FIRST, SegmentStatement) and believe(READING)
