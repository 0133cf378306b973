"""Evidence that the ledger took with a finding, and devices that were revoked: what a bundle then says, and refuses."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from ledger.bundle import DEVICE_DOMAIN, LoggedObject, load, verify, write_enrolment
from ledger.bundle.device_word import Spoken, belongs, verify_word
from ledger.evidence import (
    EVIDENCE_DOMAIN,
    FINDING_DOMAIN,
    ORDER_DOMAIN,
    Code,
    DeviceFinding,
    DeviceOrder,
    SignedEvidence,
    read_stated,
)
from ledger.evidence.findings import read_finding
from ledger.evidence.orders import read_order
from tests.ledger.bundle.estate import (
    CAMERA,
    CAMERA_KEY,
    COSIGNED_AT,
    DAWN,
    TEA,
    TRUST_ROOT,
    Entry,
    Estate,
    evidence_entries,
    film,
)
from tests.ledger.refusals import refused

FILMED = film(CAMERA, CAMERA_KEY, [("firing/1", TEA.normal, 6)])
TOO_LATE = datetime.fromtimestamp(COSIGNED_AT, DAWN.tzinfo) + timedelta(days=3)
AHEAD = film(CAMERA, CAMERA_KEY, [("firing/1", TEA.normal, 3)], start=TOO_LATE)


def finding(code: Code, sequence: int | None, device: str = "camera-1") -> Entry:
    """The log's entry of a finding."""
    found = DeviceFinding(code, device, sequence, "It is so.", DAWN)
    return (FINDING_DOMAIN, found.canonical())


def revocation(at: datetime, device: str = "camera-1", kind: Any = "revocation") -> Entry:
    """The log's entry of an order."""
    return (ORDER_DOMAIN, DeviceOrder(kind, device, at, 6, "the camera was stolen").canonical())


def with_camera(signed: Sequence[SignedEvidence], *more: Entry, before: Sequence[Entry] = ()) -> Estate:
    """The estate whose camera said this and nothing else, with these entries after it."""
    estate = Estate().with_entries()
    kept = [entry for entry in estate.entries if b'"camera-1"' not in entry[1] or entry[0].endswith("device/v1/json")]
    estate.entries = [*kept, *before, *evidence_entries(signed), *more]
    return estate


def told(estate: Estate) -> list[str]:
    """The contradictions that are told."""
    return list(verify(estate.build(), trust_root=TRUST_ROOT).contradictions)


def refuse(estate: Estate, code: str) -> None:
    with refused(code):
        verify(estate.forge(), trust_root=TRUST_ROOT)
    assert verify(with_camera(FILMED).build(), trust_root=TRUST_ROOT)


def test_OD07_a_wrong_clock_is_told_where_the_log_says_so_and_refused_where_it_does_not() -> None:
    findings = [finding(Code.UNTRUSTED_TIME, number) for number in (1, 2, 3)]
    assert told(with_camera(AHEAD, *findings)) == [
        f"UNTRUSTED_TIME: It is so. (camera-1 number {number})" for number in (1, 2, 3)
    ]
    refuse(with_camera(AHEAD), "EVIDENCE_TIME")
    refuse(with_camera(AHEAD, *findings[:2]), "EVIDENCE_TIME")


@pytest.mark.parametrize("code", [Code.GAP, Code.CHAIN_BROKEN, Code.COUNTER_ROLLBACK])
def test_a_loss_inside_a_recording_is_told_where_the_log_says_so(code: Code) -> None:
    around = (*FILMED[:2], *FILMED[4:])
    assert told(with_camera(around, finding(code, 5))) == [f"{code}: It is so. (camera-1 number 5)"]
    refuse(with_camera(around), "EVIDENCE_GAP")


def test_what_is_said_of_the_video_is_no_more_than_the_file_shows() -> None:
    """What the first of a row follows is not in the file: its signature is shown, and no link to what came before."""
    around = (*FILMED[:2], *FILMED[4:])
    several = film(
        CAMERA, CAMERA_KEY, [("firing/1", TEA.normal, 2), ("elsewhere", "lot", 1), ("packing/1", TEA.normal, 1)]
    )
    for signed, more, rows in (
        (FILMED, (), 2),  # one of the camera, one of the drone
        (around, (finding(Code.GAP, 5),), 3),
        ((*several[:2], several[3]), (), 3),
        (FILMED, (finding(Code.CHAIN_BROKEN, 2),), 3),
    ):
        (said,) = [
            step.what
            for step in verify(with_camera(signed, *more).build(), trust_root=TRUST_ROOT).proven
            if step.step == "evidence"
        ]
        assert f"each signed, in {rows} unbroken rows" in said


def test_a_loss_that_the_device_stated_in_a_number_of_its_own_is_told() -> None:
    """Number 3 is the device's own statement of the loss; it is about no lot, and only the log's finding is here."""
    around = (*FILMED[:2], *FILMED[3:])
    assert told(with_camera(around, finding(Code.GAP, 3))) == ["GAP: It is so. (camera-1 number 3)"]


def test_a_finding_answers_for_its_own_place_only() -> None:
    twice = (FILMED[0], FILMED[2], FILMED[4])
    refuse(with_camera(twice, finding(Code.GAP, 3)), "EVIDENCE_GAP")
    assert told(with_camera(twice, finding(Code.GAP, 3), finding(Code.GAP, 5)))


def test_a_finding_of_another_kind_answers_for_nothing() -> None:
    refuse(with_camera((*FILMED[:2], *FILMED[4:]), finding(Code.OUT_OF_PLACE, 5)), "EVIDENCE_GAP")
    refuse(with_camera(AHEAD, *(finding(Code.GAP, number) for number in (1, 2, 3))), "EVIDENCE_TIME")


@pytest.mark.parametrize(
    "stray",
    [finding(Code.GAP, 7), finding(Code.SILENCE, None), finding(Code.OUT_OF_PLACE, 2, "camera-2")],
    ids=["of a number that is not here", "of a time", "of another device"],
)
def test_a_finding_about_something_else_is_superfluous(stray: Entry) -> None:
    refuse(with_camera(FILMED, stray), "SUPERFLUOUS")


def test_any_finding_about_what_is_here_is_told() -> None:
    assert told(with_camera(FILMED, finding(Code.OUT_OF_PLACE, 2))) == ["OUT_OF_PLACE: It is so. (camera-1 number 2)"]


def test_a_device_revoked_later_is_told_and_what_it_said_before_still_holds() -> None:
    (sentence,) = told(with_camera(FILMED, revocation(DAWN + timedelta(hours=3))))
    assert sentence.startswith("DEVICE_REVOKED: since then, at 2026-04-02T09:00:00+00:00: the camera was stolen")


def test_OD10_what_was_logged_after_the_revocation_is_refused() -> None:
    refuse(with_camera(FILMED, before=[revocation(DAWN + timedelta(hours=3))]), "DEVICE_REVOKED")


def test_OD10_a_revocation_that_was_left_out_is_told_as_what_the_file_cannot_show() -> None:
    """No proof in the file can show what is not in it; so no sentence may be read as if one did."""
    estate = with_camera(FILMED, before=[revocation(DAWN - timedelta(days=1))])
    refuse(estate, "DEVICE_REVOKED")
    left_out = estate.forge(
        lambda whole: replace(whole, objects=tuple(each for each in whole.objects if each.domain != ORDER_DOMAIN))
    )
    found = verify(left_out, trust_root=TRUST_ROOT)
    assert any("revocations of devices" in line and "not put in here" in line for line in found.not_proven)


def test_OD10_what_speaks_of_a_time_after_the_revocation_is_refused() -> None:
    refuse(with_camera(FILMED, revocation(DAWN + timedelta(seconds=6))), "DEVICE_REVOKED")


@pytest.mark.parametrize(
    "order",
    [revocation(DAWN + timedelta(hours=3), device="camera-2"), revocation(DAWN + timedelta(hours=3), kind="release")],
    ids=["of another device", "a release"],
)
def test_another_order_is_superfluous(order: Entry) -> None:
    refuse(with_camera(FILMED, order), "SUPERFLUOUS")


def test_an_order_reads_back_and_nothing_else_does() -> None:
    order = DeviceOrder("release", "camera-1", DAWN, 6, "its spool was lost")
    assert read_order(order.canonical()) == order
    for changed in (
        order.canonical().replace(b'"release"', b'"other"'),
        order.canonical().replace(b'"after":6', b'"after":true'),
        order.canonical().replace(b'"after":6', b'"after":-1'),
        order.canonical().replace(b'"device":"camera-1",', b""),
        order.canonical().replace(b'"device":"camera-1"', b'"device":1'),
        b"[]",
    ):
        with refused("DEVICE_ORDER"):
            read_order(changed)


def test_a_finding_about_no_whole_number_is_no_finding() -> None:
    """A number that only compares like one would answer for a statement beside which nobody looks for it."""
    raw = finding(Code.GAP, 1)[1]
    assert read_finding(raw).sequence == 1
    for spelled in (b"true", b'"1"', b"[1]", b"1.5"):
        with refused("FINDING_FORMAT"):
            read_finding(raw.replace(b'"sequence":1,', b'"sequence":%s,' % spelled))


def test_the_work_grows_with_the_file_and_not_with_its_square() -> None:
    def calls(count: int) -> int:
        said = film(CAMERA, CAMERA_KEY, [("firing/1", TEA.normal, count)])
        entries = [
            (DEVICE_DOMAIN, write_enrolment(CAMERA)),
            *evidence_entries(said),
            *(finding(Code.GAP, number) for number in range(1, count + 1)),
            *(revocation(DAWN + timedelta(days=1)) for _ in range(count)),
        ]
        objects = [LoggedObject(domain, b"", raw, index, ()) for index, (domain, raw) in enumerate(entries)]
        bundle = replace(load(with_camera(FILMED).forge()), objects=tuple(objects))
        spoken = [Spoken(found, read_stated(found.canonical)) for found in bundle.of(EVIDENCE_DOMAIN)]
        made = 0

        def count_one(_frame: object, event: str, _argument: object) -> None:
            nonlocal made
            made += event == "call"

        sys.setprofile(count_one)
        try:
            word = verify_word(bundle, {"camera-1": spoken}, seen_by=DAWN + timedelta(days=2))
        finally:
            sys.setprofile(None)
        assert (len(word.evidence), word.rows) == (count, count)
        return made

    assert calls(300) < 2.2 * calls(150)


def test_which_findings_belong_to_statements() -> None:
    def of(code: Code, sequence: int | None) -> DeviceFinding:
        return DeviceFinding(code, "camera-1", sequence, "It is so.", DAWN)

    assert belongs(of(Code.IMPOSSIBLE_VALUE, 4), [2, 4])
    assert belongs(of(Code.GAP, 3), [2, 4])
    assert not belongs(of(Code.OUT_OF_PLACE, 3), [2, 4])
    assert not belongs(of(Code.GAP, 1), [2, 4])
    assert not belongs(of(Code.GAP, 5), [2, 4])
    assert not belongs(of(Code.SILENCE, None), [2, 4])
    assert not belongs(of(Code.GAP, 1), [])
