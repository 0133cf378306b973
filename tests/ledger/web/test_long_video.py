"""A long recording plays piece by piece, each checked before it reaches the player; the first false one ends it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page

from ledger.web import unit_page
from tests.browser import page
from tests.ledger.tea import TEA
from tests.ledger.web.conftest import House, more, settle, states
from tests.ledger.web.lying import Lie, about

# Plays to the end, going on whenever the player waits for the next piece.
TO_THE_END = """video => new Promise((done, failed) => {
  video.playbackRate = 4;
  video.addEventListener("ended", () => done(video.currentTime));
  video.addEventListener("error", () => failed(video.error.message));
  video.play().catch(failed);
})"""


@pytest.fixture(autouse=True)
def every_recording_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unit_page, "WHOLE_BYTES", 0)


def _second_pieces(house: House) -> list[str]:
    filmed = house.ledger.evidence.segments_of_lots([TEA.normal])
    return [segment.media_cid for number, segment in enumerate(filmed) if number % 2 == 1]


def _play_all(shown: Page) -> list[float]:
    return [shown.locator("video").nth(index).evaluate(TO_THE_END) for index in range(4)]


def test_the_first_piece_is_checked_at_once_and_the_rest_before_it_plays(browser: Browser, house: House) -> None:
    house.liar.asked.clear()
    with page(browser, locale="en-GB") as (shown, complaints):
        assert settle(shown, house.page) == "unchecked"
        assert "the rest of the video is checked as it plays" in shown.locator("#verdict").inner_text()
        assert states(shown)["video"] == "waiting"
        assert more(shown, "video").startswith("4 of 8 pieces")
        assert not {f"/media/{cid}" for cid in _second_pieces(house)} & set(house.liar.asked)
        assert _play_all(shown) == pytest.approx([4.0] * 4, abs=0.2)
        shown.wait_for_selector("body[data-verdict=holds]", timeout=60_000)
        assert states(shown)["video"] == "holds"
        fetched = [path for path in house.liar.asked if path.startswith("/media/")]
        assert len(fetched) == len(set(fetched))
        assert not any(path.startswith("/recordings/") for path in house.liar.asked)
        assert complaints == []


def test_a_false_piece_never_plays_and_turns_the_page_red_when_its_turn_comes(browser: Browser, house: House) -> None:
    spoilt = _second_pieces(house)[0]
    lie: Lie = about(spoilt, lambda body: body[:-1] + bytes([body[-1] ^ 1]))
    with page(browser, locale="en-GB") as (shown, _), house.liar.telling(lie):
        assert settle(shown, house.page) == "unchecked"
        video = shown.locator("video").first
        video.evaluate("video => { video.play(); }")
        shown.wait_for_selector("body[data-verdict=refused]", timeout=60_000)
        assert states(shown)["video"] == "refused"
        assert "(VIDEO_DIFFERS" in more(shown, "video")
        assert shown.locator("video").evaluate_all("all => all.filter(video => video.src).length") == 0
        assert video.evaluate("video => video.paused")


def test_a_false_first_piece_is_red_before_anything_plays(browser: Browser, house: House) -> None:
    with page(browser, locale="en-GB") as (shown, _), house.liar.telling(about("/media/", lambda body: body + b"x")):
        assert settle(shown, house.page) == "refused"


def test_a_piece_that_does_not_come_is_neither_green_nor_red(browser: Browser, house: House) -> None:
    lie: Lie = about(_second_pieces(house)[0], lambda body: None)
    with page(browser, locale="en-GB") as (shown, _), house.liar.telling(lie):
        assert settle(shown, house.page) == "unchecked"
        shown.locator("video").first.evaluate("video => { video.play(); }")
        shown.wait_for_selector("[data-check=video][data-state=unchecked]", timeout=60_000)
        assert shown.evaluate("document.body.dataset.verdict") == "unchecked"
        assert "not everything could be checked" in shown.locator("#verdict").inner_text()
