"""What else a bundle may be about: one event, or one statement of a device."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from ledger.bundle import (
    DEVICE_DOMAIN,
    EventSubject,
    EvidenceSubject,
    GoodsSubject,
    assemble,
    read_subject,
    verify,
    write_enrolment,
)
from ledger.bundle.verify import VIDEO_NOT_PROVEN
from ledger.epcis import EVENT_DOMAIN, read_event
from ledger.errors import Problem
from ledger.evidence import NO_PREVIOUS, ReadingStatement, sign_statement
from tests.ledger.bundle.estate import (
    CAMERA,
    CAMERA_KEY,
    DAWN,
    DRONE,
    TEA,
    TRUST_ROOT,
    UNIT,
    Entry,
    Estate,
    events,
    evidence_entries,
    film,
    story,
)
from tests.ledger.refusals import refused

EVENTS = events(story())
FILMED = film(CAMERA, CAMERA_KEY, [("firing/1", TEA.normal, 3)])
READING = sign_statement(
    ReadingStatement("camera-1", 1, NO_PREVIOUS, DAWN, "urn:example:hall", TEA.normal, "weight", "30.00", "KGM"),
    CAMERA_KEY,
)
EVENT = EventSubject(read_event(EVENTS[0]).digest)
SEGMENT = EvidenceSubject(FILMED[1].digest)
ENROLMENT = (DEVICE_DOMAIN, write_enrolment(CAMERA))


@dataclass(frozen=True)
class Named:
    """A subject as its text alone, for the file of a forger."""

    normal: str


def single(subject: EventSubject | EvidenceSubject, *entries: Entry) -> Estate:
    """The parts of a bundle about one entry: the trust root, and these."""
    estate = Estate(subject=Named(subject.text)).with_entries()
    estate.entries = [estate.entries[0], *entries]
    return estate


def built(estate: Estate, subject: EventSubject | EvidenceSubject) -> bytes:
    """As `assemble` makes it, which refuses what `verify` would refuse."""
    return assemble(**{**estate.parts(), "subject": subject})


def about_event() -> bytes:
    return built(single(EVENT, (EVENT_DOMAIN, EVENTS[0])), EVENT)


def test_one_event_is_proven_by_itself() -> None:
    findings = verify(about_event(), trust_root=TRUST_ROOT)
    assert findings.subject == EVENT.text
    assert [each.step for each in findings.proven][:2] == ["events", "logged"]


def test_one_segment_is_proven_by_itself_under_its_devices_enrolment() -> None:
    raw = built(single(SEGMENT, ENROLMENT, *evidence_entries(FILMED[1:2])), SEGMENT)
    (evidence,) = [each for each in verify(raw, trust_root=TRUST_ROOT).proven if each.step == "evidence"]
    assert evidence.what.startswith("1 segments of video, 2.0 s")


def test_OV06_what_is_not_proven_of_a_video_is_that_its_camera_saw_the_scene() -> None:
    shown = built(single(SEGMENT, ENROLMENT, *evidence_entries(FILMED[1:2])), SEGMENT)
    assert VIDEO_NOT_PROVEN in verify(shown, trust_root=TRUST_ROOT).not_proven and "LOW_ASSURANCE" in VIDEO_NOT_PROVEN
    assert VIDEO_NOT_PROVEN not in verify(about_event(), trust_root=TRUST_ROOT).not_proven


def test_one_reading_is_proven_by_itself() -> None:
    subject = EvidenceSubject(READING.digest)
    raw = built(single(subject, ENROLMENT, *evidence_entries([READING])), subject)
    (evidence,) = [each for each in verify(raw, trust_root=TRUST_ROOT).proven if each.step == "evidence"]
    assert "a reading in its number 1" in evidence.what


FORGED: dict[str, tuple[Estate, str]] = {
    "the event is another one": (single(EVENT, (EVENT_DOMAIN, EVENTS[1])), "SUBJECT_UNKNOWN"),
    "there is no event": (single(EVENT), "SUBJECT_UNKNOWN"),
    "a second event stands beside it": (
        single(EVENT, *((EVENT_DOMAIN, each) for each in EVENTS[:2])),
        "SUBJECT_UNKNOWN",
    ),
    "a segment stands beside the event": (
        single(EVENT, (EVENT_DOMAIN, EVENTS[0]), *evidence_entries(FILMED[:1])),
        "SUPERFLUOUS",
    ),
    "an enrolment stands beside the event": (single(EVENT, (EVENT_DOMAIN, EVENTS[0]), ENROLMENT), "SUPERFLUOUS"),
    "the segment is another one": (single(SEGMENT, ENROLMENT, *evidence_entries(FILMED[:1])), "SUBJECT_UNKNOWN"),
    "an event stands beside the segment": (
        single(SEGMENT, ENROLMENT, *evidence_entries(FILMED[1:2]), (EVENT_DOMAIN, EVENTS[0])),
        "SUPERFLUOUS",
    ),
    "the device's enrolment is left out": (single(SEGMENT, *evidence_entries(FILMED[1:2])), "DEVICE_NOT_ENROLLED"),
    "the enrolment is another device's": (
        single(SEGMENT, (DEVICE_DOMAIN, write_enrolment(DRONE)), *evidence_entries(FILMED[1:2])),
        "SUPERFLUOUS",
    ),
    "the enrolment came after the segment": (
        single(SEGMENT, *evidence_entries(FILMED[1:2]), ENROLMENT),
        "DEVICE_NOT_ENROLLED",
    ),
    "another key signed the segment": (
        single(
            SEGMENT,
            (DEVICE_DOMAIN, write_enrolment(replace(CAMERA, public_key=DRONE.public_key))),
            *evidence_entries(FILMED[1:2]),
        ),
        "EVIDENCE_SIGNATURE",
    ),
}


@pytest.mark.parametrize("case", FORGED)
def test_a_bundle_about_one_entry_is_refused_when(case: str) -> None:
    estate, code = FORGED[case]
    with refused(code):
        verify(estate.forge(), trust_root=TRUST_ROOT)
    assert verify(about_event(), trust_root=TRUST_ROOT)


def test_a_device_that_was_not_enrolled_for_the_time_of_its_statement_proves_nothing() -> None:
    late = replace(CAMERA, valid_from=DAWN + timedelta(days=2))
    estate = single(SEGMENT, (DEVICE_DOMAIN, write_enrolment(late)), *evidence_entries(FILMED[1:2]))
    with refused("DEVICE_NOT_VALID"):
        verify(estate.forge(), trust_root=TRUST_ROOT)


@pytest.mark.parametrize(
    "text",
    [
        EVENT.text.upper(),
        EVENT.text[:-1],
        EVENT.text + "0",
        EVENT.text + "\n",
        "urn:pledgetrail:loan:" + "00" * 32,
        UNIT.normal + "/",
        "(01)06901234567892(21)0001",
    ],
)
def test_no_other_text_names_a_subject(text: str) -> None:
    with pytest.raises(Problem):
        read_subject(text)
    assert read_subject(EVENT.text) == EVENT
    assert read_subject(SEGMENT.text) == SEGMENT
    assert read_subject(UNIT.normal) == GoodsSubject(UNIT)
