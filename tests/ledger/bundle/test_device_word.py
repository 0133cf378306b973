"""Evidence that the ledger took with a finding, and devices that were revoked: what a bundle then says, and refuses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from ledger.bundle import verify
from ledger.bundle.device_word import belongs
from ledger.evidence import FINDING_DOMAIN, ORDER_DOMAIN, Code, DeviceFinding, DeviceOrder, SignedEvidence
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
