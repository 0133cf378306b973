"""A unit's account: everything that belongs, in order, and what is missing or doubtful said and never left out."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from ledger.api.unit_routes import as_json
from ledger.capture.camera import Camera, Shot
from ledger.capture.spool import Spool
from ledger.epcis import build
from ledger.evidence import Code, DeviceFinding
from ledger.evidence.fields import write_time
from ledger.gs1 import parse, unit
from ledger.history import DoubtfulStep, EventStep, UnitHistory, history_of
from ledger.intake.media_config import MEDIA_FOLDER
from ledger.standing import Stage
from ledger.store import Ledger, Name
from ledger.store.ledger import DATABASE_FILE
from tests.ledger.refusals import refused
from tests.ledger.tea import (
    CAMERA,
    CAMERA_KEY,
    CASE,
    GARDEN,
    NOW,
    TEA,
    TEA_GTIN,
    UNITS,
    Direct,
    cosign_log,
    document,
    film,
    footage,
    name_things,
    open_ledger,
)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Picked and packed on film, documented, named; the other two steps were not filmed."""
    ledger = open_ledger(tmp_path / "ledger")
    film(ledger, tmp_path / "spool", ["picking", "packing"])
    ledger.events.capture_document(document(), NOW)
    name_things(ledger)
    return ledger


def _events(history: UnitHistory) -> list[str]:
    return [str(step.traced.event.biz_step) for step in history.steps if isinstance(step, EventStep)]


def test_a_units_account_reaches_its_lot_its_leaves_and_its_case(ledger: Ledger) -> None:
    history = history_of(ledger, UNITS[0])
    assert _events(history) == ["commissioning", "creating_class_instance", "commissioning", "packing"]
    assert [step.step for step in history.filmed] == ["picking", "packing"]
    assert [step.time for step in history.steps] == sorted(step.time for step in history.steps)
    assert history.product is not None
    assert history.product.name == Name("Spring green tea, 100 g", "明前绿茶 100 克")
    assert history.complete


def test_a_step_that_was_not_filmed_is_said_to_be_missing(ledger: Ledger) -> None:
    assert history_of(ledger, UNITS[0]).missing == ("pan-firing", "processing")


def test_the_account_of_the_lot_and_of_the_unit_show_the_same_video(ledger: Ledger) -> None:
    assert history_of(ledger, TEA).filmed == history_of(ledger, UNITS[1]).filmed


def test_only_places_with_a_public_name_are_named(ledger: Ledger) -> None:
    ledger.events.capture_document(
        build.document(
            [build.observation(build.Happening(NOW, parse("geo:30.1,120.2")), things=UNITS[:1])], created_at=NOW
        ),
        NOW,
    )
    history = history_of(ledger, UNITS[0])
    assert [step.place is None for step in history.steps] == [False] * 6 + [True]
    assert ledger.papers.place(GARDEN) is not None


def test_standing_grows_with_the_checkpoints(ledger: Ledger) -> None:
    assert {step.standing.stage for step in history_of(ledger, UNITS[0]).steps} == {Stage.LOGGED}
    cosign_log(ledger)
    assert {step.standing.stage for step in history_of(ledger, UNITS[0]).steps} == {Stage.COSIGNED}


def test_an_event_its_author_withdrew_is_shown_as_withdrawn(ledger: Ledger) -> None:
    event = build.observation(
        build.Happening(NOW, GARDEN, event_id="urn:uuid:404d95fc-9457-4a51-bd6a-0bba133845a8"), things=UNITS[:1]
    )
    wrong: build.JsonEvent = {**event, "errorDeclaration": {"declarationTime": "2026-09-21T07:59:00.000Z"}}
    ledger.events.capture_document(build.document([event], created_at=NOW), NOW)
    ledger.events.capture_document(build.document([wrong], created_at=NOW), NOW)
    steps = history_of(ledger, UNITS[0]).steps[-2:]
    assert [step.doubts for step in steps] == [(DoubtfulStep.WITHDRAWN,)] * 2


def test_video_that_is_gone_is_said_to_be_missing(ledger: Ledger, tmp_path: Path) -> None:
    (cid,) = {segment.media_cid for segment in ledger.evidence.segments_of_lots([TEA.normal])[:1]}
    (tmp_path / "ledger" / MEDIA_FOLDER / cid[-2:] / cid).unlink()
    assert [step.doubts for step in history_of(ledger, UNITS[0]).filmed] == [(DoubtfulStep.VIDEO_MISSING,), ()]


def test_an_object_that_is_not_what_was_logged_is_contradicted(ledger: Ledger, tmp_path: Path) -> None:
    """Somebody with the database in hand changes a step: the page says so, because the log's entry is another."""
    with sqlite3.connect(tmp_path / "ledger" / DATABASE_FILE) as connection:
        connection.execute(
            "UPDATE evidence SET signature = zeroblob(64)"
            " WHERE digest IN (SELECT digest FROM segment WHERE step = 'picking')"
        )
        connection.execute(
            "UPDATE event SET canonical = CAST(replace(CAST(canonical AS TEXT), '+00:00', '+09:00') AS BLOB)"
            " WHERE biz_step = 'packing'"
        )
    history = history_of(ledger, UNITS[0])
    doubted = [step for step in history.steps if DoubtfulStep.ENTRY_DIFFERS in step.doubts]
    assert len(doubted) == 2
    assert len(history.steps) == 6


def test_an_object_that_cannot_be_read_any_more_is_a_typed_refusal(ledger: Ledger, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "ledger" / DATABASE_FILE) as connection:
        connection.execute("UPDATE event SET canonical = x'00' WHERE biz_step = 'packing'")
    with refused("STORE_DAMAGED"):
        history_of(ledger, UNITS[0])


def test_a_contradiction_between_events_is_a_finding(ledger: Ledger) -> None:
    other = build.packing(
        build.Happening(NOW, GARDEN), parent=parse("urn:epc:id:sscc:952000.00000000002"), children=UNITS[:1]
    )
    ledger.events.capture_document(build.document([other], created_at=NOW), NOW)
    assert [finding.code for finding in history_of(ledger, UNITS[0]).findings] == ["TWO_PARENTS"]
    assert history_of(ledger, UNITS[1]).findings == ()


def test_nothing_is_known_of_what_was_never_seen(ledger: Ledger) -> None:
    history = history_of(ledger, unit(TEA_GTIN, "999999"))
    assert (history.known, history.steps, history.product) == (False, (), None)
    assert history_of(ledger, CASE).known


def test_OD07_a_step_filmed_with_a_wrong_clock_says_so_with_its_finding(ledger: Ledger, tmp_path: Path) -> None:
    """The camera's clock ran a day ahead: the step is shown, its time is not relied on."""
    late = open_ledger(tmp_path / "late")
    late.evidence.enrol(CAMERA)
    with Spool(tmp_path / "late-spool") as held:
        camera = Camera(CAMERA, CAMERA_KEY, spool=held, intake=Direct(late), clock=lambda: NOW + timedelta(days=2))
        camera.film(footage("packing"), Shot("p-1", NOW + timedelta(days=1), GARDEN.normal, TEA.normal, "packing"))
    (step,) = history_of(late, TEA).filmed
    assert step.doubts == (DoubtfulStep.TIME_UNTRUSTED,)
    assert [stored.finding.code for stored in step.findings] == [Code.UNTRUSTED_TIME] * 2
    shown = as_json(history_of(late, TEA))["steps"][0]  # type: ignore[index]
    assert shown["doubts"] == ["time_untrusted"] and shown["findings"][0]["code"] == "UNTRUSTED_TIME"
    assert all(step.doubts == () and step.findings == () for step in history_of(ledger, TEA).filmed)


def test_a_silence_and_a_doubted_camera_are_shown_in_their_place(ledger: Ledger) -> None:
    picking, packing = history_of(ledger, TEA).filmed
    since, until = (write_time(moment) for moment in (packing.begins - timedelta(hours=1), packing.ends))
    silent = DeviceFinding(Code.SILENCE, CAMERA.id, None, "Silent.", NOW, {"since": since, "until": until})
    cloned = DeviceFinding(Code.CLONED_KEY, CAMERA.id, 1, "Twice at one time.", NOW)
    for finding in (silent, cloned):
        ledger.evidence.record(finding)
    picking, packing = history_of(ledger, TEA).filmed
    assert picking.doubts == (DoubtfulStep.DEVICE_DOUBTED,)
    assert packing.doubts == (DoubtfulStep.PART_LOST,)
