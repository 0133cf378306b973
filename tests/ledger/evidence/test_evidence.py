"""Evidence: what a camera may say, in which bytes, and when it is believed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.canonical import JsonValue, canonical_json, digest
from ledger.evidence import (
    EVIDENCE_DOMAIN,
    NO_PREVIOUS,
    Device,
    Evidence,
    Media,
    Past,
    SegmentStatement,
    SignedEvidence,
    SoftwareKey,
    Stated,
    judge_evidence,
    read_envelope,
    read_stated,
    read_statement,
    sign_statement,
    verify_evidence,
)
from ledger.evidence.statement import MAX_STATEMENT_BYTES
from tests.ledger.refusals import refused

CAMERA_KEY = SoftwareKey(bytes([5]) * 32)
OTHER_KEY = SoftwareKey(bytes([6]) * 32)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
CAMERA = Device(
    id="camera-07",
    public_key=CAMERA_KEY.public_key,
    label="Pan-firing hall, north",
    valid_from=NOON - timedelta(days=30),
    valid_until=NOON + timedelta(days=30),
)
MEDIA = Media(
    init_sha256=bytes([1]) * 32,
    sha256=bytes([2]) * 32,
    size=400_000,
    cid="bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
    codec="avc1.64001f",
    width=640,
    height=360,
    duration_ms=2000,
    groups=(bytes([3]) * 32, bytes([4]) * 32),
)
FIRST = SegmentStatement(
    device="camera-07",
    sequence=1,
    previous=NO_PREVIOUS,
    recorded_from=NOON,
    recorded_until=NOON + 2 * SECOND,
    place="urn:epc:id:sgln:4012345.00001.0",
    lot="LOT-茶-1",
    step="pan-firing",
    recording="rec-1",
    media=MEDIA,
)
RECEIVED = NOON + timedelta(minutes=1)


def believe(
    statement: SegmentStatement,
    *,
    previous: Evidence | None = None,
    device: Device = CAMERA,
    key: SoftwareKey = CAMERA_KEY,
    received_at: datetime = RECEIVED,
) -> Evidence:
    return verify_evidence(sign_statement(statement, key), device=device, previous=previous, received_at=received_at)


def after(evidence: Evidence, **changes: Any) -> SegmentStatement:
    """The honest next statement, or one that differs from it in `changes`."""
    last = evidence.segment
    honest = replace(
        last,
        sequence=last.sequence + 1,
        previous=evidence.digest,
        recorded_from=last.recorded_until,
        recorded_until=last.recorded_until + 2 * SECOND,
    )
    return replace(honest, **changes)


ACCEPTED = believe(FIRST)


def sign_bytes(raw: bytes, key: SoftwareKey = CAMERA_KEY) -> SignedEvidence:
    """A signature over any bytes, as a device with other software would make it. Built without the code under test."""
    return SignedEvidence(raw, key.sign(EVIDENCE_DOMAIN.encode() + b"\0" + raw))


def test_a_chain_of_segments_is_believed() -> None:
    evidence = ACCEPTED
    for _ in range(5):
        evidence = believe(after(evidence), previous=evidence)
    assert evidence.statement.sequence == 6


def test_the_first_statement_is_read_back_as_it_was_said() -> None:
    assert ACCEPTED.statement == FIRST
    assert ACCEPTED.digest == digest(EVIDENCE_DOMAIN, FIRST.canonical()) == ACCEPTED.signed.digest


def test_the_statement_is_canonical_json_with_every_field() -> None:
    assert json.loads(FIRST.canonical()) == {
        "kind": "segment",
        "device": "camera-07",
        "sequence": 1,
        "previous": "00" * 32,
        "recorded_from": "2026-03-01T12:00:00.000Z",
        "recorded_until": "2026-03-01T12:00:02.000Z",
        "place": "urn:epc:id:sgln:4012345.00001.0",
        "lot": "LOT-茶-1",
        "step": "pan-firing",
        "recording": "rec-1",
        "media": {
            "init_sha256": "01" * 32,
            "sha256": "02" * 32,
            "size": 400_000,
            "cid": MEDIA.cid,
            "codec": "avc1.64001f",
            "width": 640,
            "height": 360,
            "duration_ms": 2000,
            "groups": ["03" * 32, "04" * 32],
        },
    }


def test_devices_sign_domain_zero_and_statement() -> None:
    raw = FIRST.canonical()
    assert sign_statement(FIRST, CAMERA_KEY) == sign_bytes(raw)
    undomained = SignedEvidence(raw, CAMERA_KEY.sign(raw))
    with refused("EVIDENCE_SIGNATURE"):
        verify_evidence(undomained, device=CAMERA, previous=None, received_at=RECEIVED)


def test_a_bad_signature_is_refused() -> None:
    signed = ACCEPTED.signed
    flipped = bytes([signed.signature[0] ^ 1]) + signed.signature[1:]
    for wrong in (
        replace(signed, signature=flipped),
        replace(signed, signature=b""),
        replace(signed, signature=signed.signature + b"\0"),
        replace(signed, statement_bytes=signed.statement_bytes.replace(b"LOT", b"lot")),
        sign_statement(FIRST, OTHER_KEY),
    ):
        with refused("EVIDENCE_SIGNATURE"):
            verify_evidence(wrong, device=CAMERA, previous=None, received_at=RECEIVED)
    verify_evidence(signed, device=CAMERA, previous=None, received_at=RECEIVED)


def test_bytes_are_not_parsed_before_the_signature_holds() -> None:
    unsigned = SignedEvidence(b"[" * 10_000, bytes(64))
    with refused("EVIDENCE_SIGNATURE"):
        verify_evidence(unsigned, device=CAMERA, previous=None, received_at=RECEIVED)


def test_the_statement_of_another_device_is_refused() -> None:
    """Both devices hold one key here, so that only the name in the statement tells them apart."""
    twin = replace(CAMERA, id="camera-08")
    with refused("DEVICE_MISMATCH"):
        believe(FIRST, device=twin)
    with refused("EVIDENCE_SIGNATURE"):
        believe(FIRST, device=replace(CAMERA, public_key=OTHER_KEY.public_key))


def test_a_previous_of_another_device_is_wrong_use() -> None:
    with refused("DEVICE_MISMATCH"):
        believe(replace(after(ACCEPTED), device="camera-08"), previous=ACCEPTED, device=replace(CAMERA, id="camera-08"))


def test_a_missing_segment_is_seen() -> None:
    second = believe(after(ACCEPTED), previous=ACCEPTED)
    third = after(second)
    with refused("EVIDENCE_GAP"):
        believe(third, previous=ACCEPTED)
    with refused("EVIDENCE_GAP"):
        believe(third, previous=None)
    believe(third, previous=second)


def test_a_gap_hidden_by_renumbering_is_seen() -> None:
    second = believe(after(ACCEPTED), previous=ACCEPTED)
    renumbered = replace(after(second), sequence=2)
    with refused("EVIDENCE_PREVIOUS"):
        believe(renumbered, previous=ACCEPTED)


@pytest.mark.parametrize("previous", [NO_PREVIOUS, bytes([9]) * 32, ACCEPTED.segment.media.sha256])
def test_a_different_previous_digest_is_refused(previous: bytes) -> None:
    believe(after(ACCEPTED), previous=ACCEPTED)
    with refused("EVIDENCE_PREVIOUS"):
        believe(after(ACCEPTED, previous=previous), previous=ACCEPTED)


def test_a_first_statement_that_names_a_previous_is_refused() -> None:
    with refused("EVIDENCE_PREVIOUS"):
        believe(replace(FIRST, previous=ACCEPTED.digest))


def test_the_same_evidence_twice_is_refused() -> None:
    second = believe(after(ACCEPTED), previous=ACCEPTED)
    for again, previous in ((ACCEPTED, ACCEPTED), (second, second), (ACCEPTED, second)):
        with refused("EVIDENCE_REPEATED"):
            verify_evidence(again.signed, device=CAMERA, previous=previous, received_at=RECEIVED)


def test_two_statements_of_one_number_are_a_fork() -> None:
    with refused("EVIDENCE_FORK"):
        believe(replace(FIRST, lot="LOT-2"), previous=ACCEPTED)


TIMES = {
    "ends before it begins": {
        "recorded_until": NOON + timedelta(milliseconds=1900),
        "media": replace(MEDIA, duration_ms=500),
    },
    "lasts no time": {"recorded_until": NOON + 2 * SECOND, "media": replace(MEDIA, duration_ms=500)},
    "begins before the last one ends": {
        "recorded_from": NOON + timedelta(milliseconds=1999),
        "recorded_until": NOON + timedelta(milliseconds=3999),
    },
    "goes back a day": {
        "recorded_from": NOON - timedelta(days=1),
        "recorded_until": NOON - timedelta(days=1) + 2 * SECOND,
    },
    "comes from the future": {
        "recorded_from": RECEIVED + timedelta(minutes=2),
        "recorded_until": RECEIVED + timedelta(minutes=2, seconds=2),
    },
    "claims more time than its video": {"recorded_until": NOON + 8 * SECOND},
    "claims less time than its video": {"media": replace(MEDIA, duration_ms=60_000)},
}


@pytest.mark.parametrize("changes", TIMES.values(), ids=TIMES)
def test_an_impossible_time_is_refused(changes: dict[str, Any]) -> None:
    believe(after(ACCEPTED), previous=ACCEPTED)
    with refused("EVIDENCE_TIME"):
        believe(after(ACCEPTED, **changes), previous=ACCEPTED)


def test_a_pause_between_segments_and_a_clock_slightly_ahead_are_possible() -> None:
    later = NOON + timedelta(hours=5)
    paused = after(ACCEPTED, recorded_from=later, recorded_until=later + 2 * SECOND)
    believe(paused, previous=ACCEPTED, received_at=later + 2 * SECOND - timedelta(minutes=2))


@pytest.mark.parametrize(
    "device",
    [
        replace(CAMERA, valid_from=NOON + timedelta(milliseconds=1)),
        replace(CAMERA, valid_until=NOON + SECOND),
        replace(CAMERA, valid_until=NOON - SECOND),
    ],
    ids=["not valid yet", "expires during the segment", "expired"],
)
def test_a_device_outside_its_enrolment_is_refused(device: Device) -> None:
    with refused("DEVICE_NOT_VALID"):
        believe(FIRST, device=device)
    believe(FIRST, device=replace(CAMERA, valid_from=NOON, valid_until=NOON + 2 * SECOND))


def test_k04_a_revoked_device_is_refused_even_with_a_date_from_before() -> None:
    revoked = replace(CAMERA, revoked_at=RECEIVED)
    with refused("DEVICE_REVOKED"):
        believe(FIRST, device=revoked, received_at=RECEIVED)
    with refused("DEVICE_REVOKED"):
        believe(FIRST, device=revoked, received_at=RECEIVED + timedelta(days=400))
    with refused("DEVICE_REVOKED"):  # a device clock ahead of the revocation
        believe(FIRST, device=replace(CAMERA, revoked_at=NOON + SECOND), received_at=NOON)


def test_k04_what_arrived_before_the_revocation_still_verifies() -> None:
    believe(FIRST, device=replace(CAMERA, revoked_at=RECEIVED), received_at=RECEIVED - SECOND)


OTHER_SPELLINGS: dict[str, Callable[[bytes], bytes]] = {
    "extra space": lambda raw: raw.replace(b":", b": ", 1),
    "final newline": lambda raw: raw + b"\n",
    "other key order": lambda raw: json.dumps(
        dict(reversed(json.loads(raw).items())), separators=(",", ":"), ensure_ascii=False
    ).encode(),
    "escaped letters": lambda raw: json.dumps(
        json.loads(raw), separators=(",", ":"), sort_keys=True, ensure_ascii=True
    ).encode(),
    "1.0 for 1": lambda raw: raw.replace(b'"sequence":1', b'"sequence":1.0'),
    "duplicate key": lambda raw: raw.replace(b'"sequence":1', b'"sequence":1,"sequence":1'),
    "byte order mark": lambda raw: b"\xef\xbb\xbf" + raw,
}


@pytest.mark.parametrize("respell", OTHER_SPELLINGS.values(), ids=OTHER_SPELLINGS)
def test_g08_signed_bytes_of_another_spelling_are_refused(respell: Callable[[bytes], bytes]) -> None:
    raw = respell(FIRST.canonical())
    assert raw != FIRST.canonical()
    with refused("NON_CANONICAL"):
        verify_evidence(sign_bytes(raw), device=CAMERA, previous=None, received_at=RECEIVED)


def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(FIRST.canonical())
    return document


LEFT_OUT = object()
FIELDS: dict[str, tuple[str, object]] = {
    "an unknown field": ("note", "extra"),
    "an unknown media field": ("media.bitrate", 1),
    "no device": ("device", LEFT_OUT),
    "no media size": ("media.size", LEFT_OUT),
    "another kind": ("kind", "inspection"),
    "a device that is a number": ("device", 7),
    "an empty lot": ("lot", ""),
    "a lot with a newline": ("lot", "a\nb"),
    "a lot that ends in a space": ("lot", "a "),
    "a lot of 257 characters": ("lot", "a" * 257),
    "a sequence of zero": ("sequence", 0),
    "a sequence that is true": ("sequence", True),
    "a sequence that is text": ("sequence", "1"),
    "a sequence with a fraction": ("sequence", 1.5),
    "a previous in capitals": ("previous", "AB" * 32),
    "a short previous": ("previous", "00" * 31),
    "a previous with 0x": ("previous", "0x" + "00" * 31),
    "no media": ("media", None),
    "a digest that is null": ("media.sha256", None),
    "no bytes": ("media.size", 0),
    "five gigabytes": ("media.size", 5 * 1024**3),
    "a width of zero": ("media.width", 0),
    "a height of 20,000": ("media.height", 20_000),
    "a duration of a year": ("media.duration_ms", 31_536_000_000),
    "a codec with a slash": ("media.codec", "../avc1"),
    "a time without Z": ("recorded_from", "2026-03-01T12:00:00.000"),
    "a time with an offset": ("recorded_from", "2026-03-01T12:00:00.000+00:00"),
    "a time with a small z": ("recorded_from", "2026-03-01T12:00:00.000z"),
    "a time without milliseconds": ("recorded_from", "2026-03-01T12:00:00Z"),
    "a time with a space": ("recorded_from", "2026-03-01 12:00:00.000Z"),
    "a leap second": ("recorded_until", "2026-03-01T12:00:60.000Z"),
    "a thirtieth of February": ("recorded_from", "2026-02-30T12:00:00.000Z"),
    "digits that are not ASCII": ("recorded_from", "\u0662026-03-01T12:00:00.000Z"),
}


@pytest.mark.parametrize(("field", "value"), FIELDS.values(), ids=FIELDS)
def test_a_statement_with_another_field_is_refused_though_signed(field: str, value: object) -> None:
    document = _document()
    *outer, name = field.split(".")
    place = document[outer[0]] if outer else document
    if value is LEFT_OUT:
        del place[name]
    else:
        place[name] = value
    with refused("EVIDENCE_FIELD"):
        verify_evidence(sign_bytes(canonical_json(document)), device=CAMERA, previous=None, received_at=RECEIVED)


@pytest.mark.parametrize("raw", [b"[]", b"null", b'"segment"', b"{}"])
def test_a_statement_that_is_no_statement_is_refused(raw: bytes) -> None:
    with refused("EVIDENCE_FIELD"):
        read_statement(raw)


@pytest.mark.parametrize("cid", ["", "../../etc/passwd", MEDIA.cid.upper(), MEDIA.cid + "a"])
def test_a_content_id_that_is_none_is_refused(cid: str) -> None:
    with refused("CID_SYNTAX"):
        replace(MEDIA, cid=cid)


def test_an_oversized_statement_is_refused_before_its_signature_is_checked() -> None:
    padded = FIRST.canonical() + b" " * MAX_STATEMENT_BYTES
    with refused("EVIDENCE_SIZE"):
        verify_evidence(SignedEvidence(padded, bytes(64)), device=CAMERA, previous=None, received_at=RECEIVED)
    with refused("EVIDENCE_SIZE"):
        read_statement(padded)


def test_values_are_checked_when_made_as_they_are_when_read() -> None:
    for changes in (
        {"lot": ""},
        {"sequence": 0},
        {"previous": b""},
        {"recorded_from": datetime(2026, 3, 1)},  # noqa: DTZ001  (the point of the case)
        {"recorded_from": NOON + timedelta(microseconds=1)},
    ):
        with refused("EVIDENCE_FIELD"):
            replace(FIRST, **changes)
    for media_changes in ({"sha256": bytes(31)}, {"size": 0}, {"codec": ""}):
        with refused("EVIDENCE_FIELD"):
            replace(MEDIA, **media_changes)


def test_times_of_other_zones_are_written_in_utc() -> None:
    east = NOON.astimezone(timezone(timedelta(hours=8)))
    assert replace(FIRST, recorded_from=east).canonical() == FIRST.canonical()


def test_a_device_needs_a_real_key_and_a_real_period() -> None:
    with refused("KEY_WEAK"):
        replace(CAMERA, public_key=bytes(32))
    with refused("KEY_LENGTH"):
        replace(CAMERA, public_key=bytes(31))
    for changes in (
        {"valid_until": CAMERA.valid_from},
        {"valid_from": datetime(2026, 3, 1)},  # noqa: DTZ001
        {"revoked_at": datetime(2026, 3, 1)},  # noqa: DTZ001
    ):
        with refused("DEVICE_PERIOD"):
            replace(CAMERA, **changes)  # type: ignore[arg-type]


def test_a_receipt_time_without_a_zone_is_wrong_use() -> None:
    with refused("TIME_ZONE"):
        believe(FIRST, received_at=datetime(2026, 3, 1))  # noqa: DTZ001


def test_the_envelope_carries_statement_and_signature_and_loses_neither() -> None:
    signed = ACCEPTED.signed
    assert read_envelope(signed.envelope()) == signed
    assert json.loads(signed.envelope()) == {"signature": signed.signature.hex(), "statement": _document()}


def test_what_was_read_once_is_read_from_the_very_bytes_that_are_kept_and_believed_only_when_signed() -> None:
    envelope = ACCEPTED.signed.envelope()
    stated = read_stated(envelope)
    assert stated == Stated(ACCEPTED.signed) and stated.statement == FIRST

    past = Past()
    assert judge_evidence(stated, device=CAMERA, past=past, received_at=RECEIVED).evidence == ACCEPTED
    forged = Stated(replace(stated.signed, signature=bytes(64)))
    other = Stated(SignedEvidence(replace(FIRST, lot="lot-2").canonical(), stated.signed.signature))
    for doubtful in (forged, other):
        with refused("EVIDENCE_SIGNATURE"):
            judge_evidence(doubtful, device=CAMERA, past=past, received_at=RECEIVED)
    with pytest.raises(TypeError):
        Stated(stated.signed, other.statement)  # type: ignore[call-arg]
    with refused("DEVICE_MISMATCH"):
        judge_evidence(stated, device=replace(CAMERA, id="camera-08"), past=past, received_at=RECEIVED)


def _enveloped(**changes: JsonValue) -> bytes:
    envelope: dict[str, JsonValue] = json.loads(ACCEPTED.signed.envelope())
    return canonical_json({**envelope, **changes})


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "JSON_SYNTAX"),
        (b"[]", "ENVELOPE_FORMAT"),
        (b'{"statement":{}}', "ENVELOPE_FORMAT"),
        (_enveloped(more=1), "ENVELOPE_FORMAT"),
        (_enveloped(signature=None), "ENVELOPE_FORMAT"),
        (_enveloped(signature="ab" * 63), "ENVELOPE_FORMAT"),
        (_enveloped(signature="AB" * 64), "ENVELOPE_FORMAT"),
        (_enveloped(signature="zz" * 64), "ENVELOPE_FORMAT"),
        (ACCEPTED.signed.envelope() + b"\n", "NON_CANONICAL"),
        (_enveloped(statement="x" * 20_000), "JSON_SIZE"),
    ],
)
def test_an_envelope_of_another_form_is_refused(raw: bytes, code: str) -> None:
    with refused(code):
        read_envelope(raw)
    with refused(code):
        read_stated(raw)


@settings(deadline=None)
@given(st.integers(0, len(FIRST.canonical()) - 1), st.integers(1, 255))
def test_no_changed_byte_is_believed(at: int, change: int) -> None:
    changed = bytearray(FIRST.canonical())
    changed[at] ^= change
    with refused("EVIDENCE_SIGNATURE"):
        verify_evidence(
            replace(ACCEPTED.signed, statement_bytes=bytes(changed)),
            device=CAMERA,
            previous=None,
            received_at=RECEIVED,
        )
