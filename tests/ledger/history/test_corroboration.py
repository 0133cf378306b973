"""OV06: a camera that films a screen signs what it sees. Only an independent sensor lifts a video above that."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from ledger.api.app import create_app
from ledger.api.unit_routes import as_json
from ledger.evidence import Device, SoftwareKey, Terms
from ledger.evidence.terms import Limits, Watch
from ledger.history import history_of
from ledger.history.corroboration import assurance_of
from ledger.http.addresses import page_path
from ledger.intake.receive import Receiver
from ledger.media_signing import Authenticity, Provenance
from ledger.media_signing.archive import VideoStanding
from ledger.media_signing.assurance import Assurance
from ledger.store import Ledger
from tests.ledger.intake.speaking import Voice
from tests.ledger.tea import GARDEN, NOW, TEA, UNITS, WORKSHOP, document, film, name_things, open_ledger

PACKED = NOW - timedelta(hours=4)  # four seconds of film begin here
SECOND = timedelta(seconds=1)
KEYS = {name: SoftwareKey(bytes([seed]) * 32) for name, seed in (("scale-1", 31), ("scale-2", 32))}
TRUSTED = VideoStanding(Authenticity.AUTHENTIC, Provenance.TRUSTED, ())


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    found = open_ledger(tmp_path / "ledger")
    film(found, tmp_path / "spool", ["packing"])
    for name, key in KEYS.items():
        found.evidence.enrol(Device(name, key.public_key, "Scale", NOW - timedelta(days=9), NOW + timedelta(days=9)))
        watches, limits = {"weight": Watch(Decimal(1), 60)}, {"weight": Limits(Decimal(0), Decimal(500))}
        agreed = Terms(name, NOW - timedelta(days=9), place=WORKSHOP.normal, limits=limits, watches=watches)
        found.evidence.agree(agreed)
    return found


def weigh(ledger: Ledger, name: str = "scale-1", at: datetime = PACKED + SECOND, **changes: Any) -> None:
    said: dict[str, Any] = {"place": WORKSHOP.normal, "subject": TEA.normal, "value": "120.0"} | changes
    last = ledger.evidence.last(name)
    voice = Voice(name, KEYS[name]) if last is None else Voice(name, KEYS[name], last.statement.sequence, last.digest)
    Receiver(ledger.evidence, ledger.media).statement(voice.reading(at, **said).envelope(), received_at=NOW)


def judged(ledger: Ledger, video: VideoStanding | None = TRUSTED) -> Assurance:
    return assurance_of(ledger, ledger.evidence.segments_of_lots([TEA.normal]), video)


def test_OV06_a_signed_video_alone_is_low_assurance_and_a_scale_that_was_there_lifts_it(ledger: Ledger) -> None:
    assert judged(ledger) is Assurance.LOW_ASSURANCE
    weigh(ledger)
    assert judged(ledger) is Assurance.CORROBORATED


NO_WITNESS: dict[str, dict[str, Any]] = {
    "before the film": {"at": PACKED - SECOND},
    "after the film": {"at": PACKED + 9 * SECOND},
    "at another place": {"place": GARDEN.normal},
    "without a place": {"place": None},
    "with an impossible value": {"value": "9000"},
}


@pytest.mark.parametrize("changes", NO_WITNESS.values(), ids=NO_WITNESS)
def test_OV06_what_saw_nothing_of_it_lifts_nothing(ledger: Ledger, changes: dict[str, Any]) -> None:
    weigh(ledger, **changes)
    assert judged(ledger) is Assurance.LOW_ASSURANCE
    weigh(ledger, "scale-2")
    assert judged(ledger) is Assurance.CORROBORATED


def test_OV06_sensors_that_differ_contradict_the_video_between_them(ledger: Ledger) -> None:
    weigh(ledger)
    weigh(ledger, "scale-2", value="90.0")
    assert judged(ledger) is Assurance.CONTRADICTED


def test_OV06_a_sensor_that_only_claims_to_be_there_neither_lifts_nor_contradicts(ledger: Ledger) -> None:
    """Whoever holds the key of any one device could else bear out a video of his own, or spoil everybody else's."""
    agreed = ledger.evidence.terms("scale-2")
    assert agreed is not None
    ledger.evidence.agree(replace(agreed, place=""))
    weigh(ledger, "scale-2", value="90.0")
    assert judged(ledger) is Assurance.LOW_ASSURANCE
    weigh(ledger)
    assert judged(ledger) is Assurance.CORROBORATED
    weigh(ledger, "scale-2", at=PACKED + 2 * SECOND, value="90.0")
    assert judged(ledger) is Assurance.CORROBORATED


def test_OV06_a_sensor_that_speaks_often_hides_none_that_differs(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.store.reading_book.MAX_OBSERVED", 2)
    agreed = ledger.evidence.terms("scale-1")
    assert agreed is not None
    ledger.evidence.agree(replace(agreed, watches={}))
    for tenth in range(5):
        weigh(ledger, at=PACKED + tenth * SECOND / 10 + SECOND / 20)
    weigh(ledger, "scale-2", at=PACKED + 2 * SECOND, value="90.0")
    assert judged(ledger) is Assurance.CONTRADICTED


@pytest.mark.parametrize(
    "video",
    [
        None,
        replace(TRUSTED, authenticity=Authenticity.TAMPERED),
        replace(TRUSTED, provenance=Provenance.NO_CERTIFICATE),
    ],
    ids=["no signature inside", "changed pictures", "nobody's key"],
)
def test_OV06_a_witness_does_not_make_up_for_the_video_s_own_signature(
    ledger: Ledger, video: VideoStanding | None
) -> None:
    weigh(ledger)
    assert judged(ledger, video) is Assurance.LOW_ASSURANCE
    assert judged(ledger) is Assurance.CORROBORATED


@pytest.mark.parametrize(
    ("lang", "words"),
    [("en", "Low assurance: a camera can film a screen"), ("zh", "摄像机可能拍的是屏幕")],
)
def test_OV06_the_page_and_the_api_say_it(ledger: Ledger, lang: str, words: str) -> None:
    ledger.events.capture_document(document(), NOW)
    name_things(ledger)
    page = TestClient(create_app(ledger)).get(page_path(UNITS[0]), params={"lang": lang}).text
    assert words in page and 'data-assurance="LOW_ASSURANCE"' in page
    history = history_of(ledger, UNITS[0])
    assert [step.assurance for step in history.filmed] == [Assurance.LOW_ASSURANCE]
    steps: Any = as_json(history)["steps"]
    assert [step["assurance"] for step in steps if step["kind"] == "filmed"] == ["LOW_ASSURANCE"]
