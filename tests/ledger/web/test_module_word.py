"""What devices said, in the browser and in Python: believed or refused alike, findings and revocations heeded."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.bundle import write_enrolment
from ledger.canonical import canonical_json, domain_separated
from ledger.evidence import EVIDENCE_DOMAIN, Code, Device, DeviceFinding, DeviceOrder, SignedEvidence, read_envelope
from ledger.evidence.keys import SoftwareKey
from ledger.evidence.verification import verify_stretch
from tests.ledger.bundle import estate
from tests.ledger.web.javascript import Rules, big
from tests.ledger.web.parity import ONE_CALL, changed, changes, code_of

SEEN_BY = estate.DAWN + timedelta(days=1)


def _told(signed: list[SignedEvidence], device: Device) -> tuple[list[dict[str, Any]], list[dict[str, Any]], int]:
    enrolled = [{"entry": 0, "canonical": write_enrolment(device)}]
    envelopes = [{"entry": number, "canonical": each.envelope()} for number, each in enumerate(signed, start=1)]
    return envelopes, enrolled, int(SEEN_BY.timestamp() * 1000)


def _filmed(key: SoftwareKey = estate.CAMERA_KEY, **options: Any) -> list[SignedEvidence]:
    return estate.film(estate.CAMERA, key, [("r1", estate.TEA.normal, 3)], **options)


def _evidence_cases() -> dict[str, tuple[list[SignedEvidence], Device, str]]:
    honest = _filmed()
    stripped = SignedEvidence(honest[1].statement_bytes, bytes(64))
    late = _filmed(start=SEEN_BY + timedelta(hours=1))
    early = _filmed(start=estate.CAMERA.valid_from - timedelta(minutes=1))
    return {
        "honest": (honest, estate.CAMERA, ""),
        "honest excerpt": (_filmed(first=7), estate.CAMERA, ""),
        "swapped key": (_filmed(estate.DRONE_KEY), estate.CAMERA, "EVIDENCE_SIGNATURE"),
        "stripped signature": ([honest[0], stripped, honest[2]], estate.CAMERA, "EVIDENCE_SIGNATURE"),
        "another device": (honest, estate.DRONE, "DEVICE_NOT_ENROLLED"),
        "missing piece": ([honest[0], honest[2]], estate.CAMERA, "EVIDENCE_GAP"),
        "two of one number": (
            [*honest, _filmed(start=estate.DAWN + timedelta(hours=1))[2]],
            estate.CAMERA,
            "EVIDENCE_FORK",
        ),
        "another previous": ([honest[0], *_filmed(first=2)], estate.CAMERA, "EVIDENCE_PREVIOUS"),
        "recorded after it was seen": (late, estate.CAMERA, "EVIDENCE_TIME"),
        "before it was enrolled": (early, estate.CAMERA, "DEVICE_NOT_VALID"),
    }


@pytest.mark.parametrize("case", _evidence_cases())
def test_a_devices_word_is_believed_or_refused(rules: Rules, case: str) -> None:
    signed, device, code = _evidence_cases()[case]
    assert rules.codes([("evidence", *_told(signed, device))]) == [code]
    found = code_of(lambda: verify_stretch(signed, device=device, received_at=SEEN_BY))
    assert bool(found) == bool(code), found


@ONE_CALL
@given(st.lists(changes, min_size=60, max_size=100))
def test_a_changed_envelope_is_refused_alike(rules: Rules, found: list[tuple[int, int]]) -> None:
    (first, *_) = _filmed()
    envelopes = [changed(first.envelope(), change) for change in found]
    _, enrolled, seen_by = _told([first], estate.CAMERA)
    theirs = rules.codes([("evidence", [{"entry": 1, "canonical": raw}], enrolled, seen_by) for raw in envelopes])

    def ours(raw: bytes) -> str:
        return code_of(lambda: verify_stretch([read_envelope(raw)], device=estate.CAMERA, received_at=SEEN_BY))

    assert [bool(code) for code in theirs] == [bool(ours(raw)) for raw in envelopes]
    assert "" in theirs


def _finding(code: Code, sequence: int) -> dict[str, Any]:
    found = DeviceFinding(code, estate.CAMERA.id, sequence, "The ledger saw it.", SEEN_BY)
    return {"entry": 90, "canonical": found.canonical()}


def _revoked(after: timedelta, entry: int) -> dict[str, Any]:
    order = DeviceOrder("revocation", estate.CAMERA.id, estate.DAWN + after, 3, "The key was stolen.")
    return {"entry": entry, "canonical": order.canonical()}


def _answered() -> dict[str, tuple[str, list[dict[str, Any]], list[dict[str, Any]], str]]:
    """Whose word, with which findings and orders of the log beside it, and what the browser says."""
    clock, day = Code.UNTRUSTED_TIME, timedelta(days=1)
    return {
        "a wrong clock that the log noticed": (
            "recorded after it was seen",
            [_finding(clock, n) for n in (1, 2, 3)],
            [],
            "",
        ),
        "a wrong clock noticed of another number": (
            "recorded after it was seen",
            [_finding(clock, 9)],
            [],
            "EVIDENCE_TIME",
        ),
        "another finding about a wrong clock": (
            "recorded after it was seen",
            [_finding(Code.GAP, n) for n in (1, 2, 3)],
            [],
            "EVIDENCE_TIME",
        ),
        "a loss that the log noticed": ("missing piece", [_finding(Code.GAP, 3)], [], ""),
        "a loss noticed elsewhere": ("missing piece", [_finding(Code.GAP, 4)], [], "EVIDENCE_GAP"),
        "a finding about a forged signature": (
            "swapped key",
            [_finding(Code.BAD_SIGNATURE, 1)],
            [],
            "EVIDENCE_SIGNATURE",
        ),
        "revoked afterwards": ("honest", [], [_revoked(day, 50)], ""),
        "revoked before it was logged": ("honest", [], [_revoked(day, 0)], "DEVICE_REVOKED"),
        "revoked for a time before it spoke": ("honest", [], [_revoked(-day, 50)], "DEVICE_REVOKED"),
        "another device revoked": (
            "honest",
            [],
            [{"entry": 0, "canonical": _revoked(-day, 0)["canonical"].replace(b"camera-1", b"camera-2")}],
            "",
        ),
    }


@pytest.mark.parametrize("case", _answered())
def test_a_finding_answers_for_what_it_is_about_and_a_revocation_ends_a_key(rules: Rules, case: str) -> None:
    whose, findings, orders, code = _answered()[case]
    signed, device, _ = _evidence_cases()[whose]
    assert rules.codes([("evidence", *_told(signed, device), findings, orders)]) == [code]


def test_a_loss_that_the_device_stated_in_a_number_of_its_own_is_a_doubt(rules: Rules) -> None:
    """Number 3 is the statement of the loss, which is about no lot and stands on no page; its finding does."""
    around = [signed for number, signed in enumerate(_filmed(), start=1) if number != 2]
    cases = [
        ("doubts", *_told(around, estate.CAMERA), [_finding(Code.GAP, 2)]),
        ("doubts", *_told(_filmed(), estate.CAMERA), [_finding(Code.GAP, 2), _finding(Code.GAP, 9)]),
        ("doubts", *_told(_filmed(), estate.CAMERA)),
    ]
    assert rules.answers(cases) == [["", "GAP 2"], ["", "GAP 2"], ["", ""]]


def test_what_is_malformed_is_refused_by_its_own_code(rules: Rules) -> None:
    signed, device, _ = _evidence_cases()["honest"]
    envelopes, enrolled, seen_by = _told(signed, device)
    honest = json.loads(signed[0].envelope())

    def logged(value: Any) -> list[dict[str, Any]]:
        return [{"entry": 1, "canonical": canonical_json(value)}]

    def stated(**changes: Any) -> list[dict[str, Any]]:
        return logged({**honest, "statement": {**honest["statement"], **changes}})

    def enrolment(**changes: Any) -> list[dict[str, Any]]:
        return [{"entry": 0, "canonical": canonical_json({**json.loads(enrolled[0]["canonical"]), **changes})}]

    def word(envelopes: Any = envelopes, enrolled: Any = enrolled, *beside: Any) -> tuple[Any, ...]:
        return "evidence", envelopes, enrolled, seen_by, *beside

    finding = json.loads(_finding(Code.GAP, 1)["canonical"])
    cases: list[tuple[tuple[Any, ...], str]] = [
        (word(), ""),
        (word(logged([])), "ENVELOPE_FORMAT"),
        (word(logged({"statement": honest["statement"]})), "ENVELOPE_FORMAT"),
        (word(logged({**honest, "more": 1})), "ENVELOPE_FORMAT"),
        (word(logged({**honest, "signature": "00"})), "ENVELOPE_FORMAT"),
        (word(logged({**honest, "signature": honest["signature"].upper()})), "ENVELOPE_FORMAT"),
        (word(logged({**honest, "statement": None})), "EVIDENCE_FIELD"),
        (word(stated(sequence=0)), "EVIDENCE_FIELD"),
        (word(stated(sequence=1.5)), "EVIDENCE_FIELD"),
        (word(stated(device="")), "EVIDENCE_FIELD"),
        (word(stated(previous="00")), "EVIDENCE_FIELD"),
        (word(stated(lot="other")), "EVIDENCE_SIGNATURE"),
        (word(enrolled=enrolment(kind="other")), "DEVICE_FORMAT"),
        (word(enrolled=enrolment(key="zz")), "DEVICE_FORMAT"),
        (word(enrolled=enrolment(valid_from="2026")), "DEVICE_FORMAT"),
        (word(enrolled=[*enrolled, *enrolled]), "DEVICE_REPEATED"),
        (word(envelopes, enrolled, logged({**finding, "kind": "other"})), "FINDING_FORMAT"),
        (word(envelopes, enrolled, logged(None)), "FINDING_FORMAT"),
        *(
            (word(envelopes, enrolled, logged({**finding, "sequence": s})), "FINDING_FORMAT")
            for s in ("1", ["1"], True)
        ),
        (word(envelopes, enrolled, [], logged({"kind": "pardon", "device": "x"})), "DEVICE_ORDER"),
        (word(envelopes, enrolled, [], logged({"kind": "revocation", "device": "x", "at": "now"})), "DEVICE_ORDER"),
    ]
    assert rules.codes([case for case, _ in cases]) == [code for _, code in cases]


def test_a_step_bears_its_own_name_and_no_part_of_it(rules: Rules) -> None:
    (first, *_) = estate.film(estate.CAMERA, estate.CAMERA_KEY, [("non-organic/1", estate.TEA.normal, 1)])
    statement = json.loads(first.statement_bytes)
    found: dict[str, Any] = {"checkpoint": {"size": big(9)}, "envelopes": [], "events": [], "findings": [], "words": {}}
    time = "2026-04-02T06:00:02.000Z"

    def filmed(code: str) -> tuple[Any, ...]:
        shown = {"filmed": True, "entries": [1], "code": code, "heading": code, "from": statement["recorded_from"]}
        return "behind", shown, found | {"envelopes": [{"statement": statement, "entry": 1}]}

    def event(code: str, said: str) -> tuple[Any, ...]:
        shown = {"filmed": False, "entries": [1], "code": code, "heading": code, "from": time}
        value = {"type": "ObjectEvent", "bizStep": said, "eventTime": time}
        return "behind", shown, found | {"events": [{"value": value, "entry": 1}]}

    cases = [
        (filmed("non-organic"), ""),
        (filmed("organic"), "SHOWN_DIFFERS"),
        (event("shipping", "shipping"), ""),
        (event("shipping", "https://ref.gs1.org/cbv/BizStep-shipping"), ""),
        (event("shipping", "urn:example:un-shipping"), "SHOWN_DIFFERS"),
        (event("shipping", "urn:example:not:shipping"), "SHOWN_DIFFERS"),
    ]
    assert rules.codes([case for case, _ in cases]) == [code for _, code in cases]


def _restated(signed: SignedEvidence, **changes: Any) -> SignedEvidence:
    """Another statement that the camera itself signed."""
    raw = canonical_json({**json.loads(signed.statement_bytes), **changes})
    return SignedEvidence(raw, estate.CAMERA_KEY.sign(domain_separated(EVIDENCE_DOMAIN, raw)))


def test_what_a_camera_signs_that_cannot_be_is_refused_in_both(rules: Rules) -> None:
    first, second, third = _filmed()
    longer = {**json.loads(second.statement_bytes)["media"], "duration_ms": 9000}
    begins = json.loads(first.statement_bytes)["recorded_from"]
    cases: list[tuple[list[SignedEvidence], str]] = [
        ([first, second, third], ""),
        ([first, _restated(second, media=longer)], "EVIDENCE_TIME"),
        ([first, _restated(second, recorded_from=begins)], "EVIDENCE_TIME"),
        ([first, _restated(second, recorded_until=begins)], "EVIDENCE_TIME"),
        ([second, first], "EVIDENCE_REPEATED"),
        ([first, first], "EVIDENCE_FORK"),
        ([first, _restated(second, previous="00" * 32)], "EVIDENCE_PREVIOUS"),
    ]
    found = rules.codes([("evidence", *_told(signed, estate.CAMERA)) for signed, _ in cases])
    assert found == [code for _, code in cases]
    ours = [code_of(lambda s=s: verify_stretch(s, device=estate.CAMERA, received_at=SEEN_BY)) for s, _ in cases]  # type: ignore[misc]
    assert [bool(code) for code in ours] == [bool(code) for _, code in cases], ours
