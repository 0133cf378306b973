"""While the store elsewhere is away: pages say so and show all else, what comes in is kept by who sends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from ledger.api.app import create_app
from ledger.history import DoubtfulStep, history_of
from ledger.http.addresses import page_path
from ledger.intake.remote_media import AWAY_SECONDS, SEEN_SECONDS, Remote, RemoteStore
from ledger.segment_body import MEDIA_TYPE
from ledger.store import Ledger
from tests.ledger.capture.estate import NOW, bodies, device
from tests.ledger.intake.s3_fake import FakeS3
from tests.ledger.intake.test_remote_media import Node
from tests.ledger.tea import NOW as NOON
from tests.ledger.tea import TEA, UNITS, document, film, open_ledger


@dataclass
class Away:
    """A store elsewhere that can go away and come back. `now`: the seconds of who asks it."""

    remote: Remote
    fake: FakeS3 | Node
    now: float = 0.0

    def go(self) -> None:
        def break_off(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
            raise httpx.ConnectError("away", request=request)

        self.fake.lie = break_off

    def come_back(self) -> None:
        self.fake.lie, self.now = None, self.now + AWAY_SECONDS


@pytest.fixture(params=["ipfs", "s3"])
def elsewhere(request: pytest.FixtureRequest) -> Away:
    fake = Node() if request.param == "ipfs" else FakeS3()
    return Away(fake.remote(), fake)


@pytest.fixture
def moved(tmp_path: Path, elsewhere: Away) -> Callable[[Ledger], Ledger]:
    """Gives a ledger the store elsewhere."""

    def move(ledger: Ledger) -> Ledger:
        ledger.media = RemoteStore(elsewhere.remote, tmp_path / "copies", clock=lambda: elsewhere.now)
        return ledger

    return move


@pytest.fixture
def told(tmp_path: Path, moved: Callable[[Ledger], Ledger]) -> Iterator[Ledger]:
    ledger = moved(open_ledger(tmp_path / "ledger"))
    film(ledger, tmp_path / "spool", ["picking"])
    ledger.events.capture_document(document(), NOON)
    yield ledger
    ledger.close()


def test_a_page_says_that_the_video_cannot_be_reached_and_shows_all_else(told: Ledger, elsewhere: Away) -> None:
    assert [step.doubts for step in history_of(told, UNITS[0]).filmed] == [()]
    elsewhere.now += SEEN_SECONDS
    elsewhere.go()
    assert [step.doubts for step in history_of(told, UNITS[0]).filmed] == [(DoubtfulStep.VIDEO_AWAY,)]
    with TestClient(create_app(told), base_url="http://127.0.0.1") as client:
        english = {"Accept": "text/html", "Accept-Language": "en"}
        page = client.get(page_path(UNITS[0]), headers=english)
        assert page.status_code == 200 and "The video cannot be reached now" in page.text
        elsewhere.come_back()
        page = client.get(page_path(UNITS[0]), headers=english)
        assert page.status_code == 200 and "The video cannot be reached now" not in page.text


def test_a_page_asks_for_an_object_once_a_minute(told: Ledger, elsewhere: Away) -> None:
    history_of(told, UNITS[0])
    before = len(elsewhere.fake.asked)
    for _ in range(3):
        history_of(told, UNITS[0])
    assert len(elsewhere.fake.asked) == before
    elsewhere.now += SEEN_SECONDS
    history_of(told, UNITS[0])
    assert len(elsewhere.fake.asked) > before


def test_video_of_which_copies_are_here_is_played_on(told: Ledger, elsewhere: Away) -> None:
    cid = told.evidence.segments_of_lots([TEA.normal])[0].media_cid
    elsewhere.go()
    with TestClient(create_app(told), base_url="http://127.0.0.1") as client:
        assert client.get(f"/media/{cid}", headers={"Range": "bytes=5-9"}).status_code == 206


def test_what_comes_in_is_refused_for_now_and_taken_once_the_store_is_back(
    tmp_path: Path, moved: Callable[[Ledger], Ledger], elsewhere: Away
) -> None:
    ledger = moved(Ledger.open(tmp_path / "ledger", origin="ledger.example/log", clock=lambda: NOW))
    ledger.evidence.enrol(device())
    raw = bodies(tmp_path / "camera")[0]
    headers = {"Content-Type": MEDIA_TYPE}
    elsewhere.go()
    with TestClient(create_app(ledger), base_url="http://127.0.0.1") as client:
        for _ in range(2):
            answer = client.post("/api/v1/evidence/segments", content=raw, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (503, "MEDIA_UNAVAILABLE")
        assert ledger.evidence.last(device().id) is None and ledger.log.size == 1  # the enrolment
        elsewhere.come_back()
        assert client.post("/api/v1/evidence/segments", content=raw, headers=headers).status_code == 201
    assert ledger.evidence.last(device().id) is not None
    ledger.close()
