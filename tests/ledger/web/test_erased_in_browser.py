"""In a real Chromium: a page of which something was erased says so, and a lie about what is left is still red."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from ledger.api.app import create_app
from ledger.capture.camera import Camera, Shot
from ledger.capture.spool import Spool
from ledger.erasure import Reason
from ledger.http.addresses import page_path
from ledger.serve import serve
from ledger.store import Ledger
from tests.browser import page
from tests.ledger.tea import (
    CAMERA,
    CAMERA_KEY,
    NOW,
    TEA,
    UNITS,
    WORKSHOP,
    Direct,
    cosign_log,
    document,
    footage,
    open_ledger,
)
from tests.ledger.web.conftest import settle, states
from tests.ledger.web.lying import Liar, about_records, publish_trust_root


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A lot with one recording of four segments, and its events."""
    opened = open_ledger(tmp_path / "ledger")
    publish_trust_root(opened)
    opened.evidence.enrol(CAMERA)
    shot = Shot("packing-1", NOW, WORKSHOP.normal, TEA.normal, "packing")
    with Spool(tmp_path / "spool") as held:
        camera = Camera(CAMERA, CAMERA_KEY, spool=held, intake=Direct(opened), clock=lambda: NOW)
        camera.film(footage("packing", seconds=8.0), shot)
    opened.events.capture_document(document(), NOW)
    yield opened
    opened.close()


def erase(ledger: Ledger, digest: bytes) -> None:
    ledger.erasures.erase(ledger.erasures.of_digest(digest), Reason.REQUEST, NOW)
    ledger.erasures.finish()


@pytest.fixture
def served(ledger: Ledger) -> Iterator[tuple[Liar, str]]:
    """The ledger after its second event and its second segment were erased."""
    segments = ledger.evidence.segments_of_lots([TEA.normal])
    assert len(segments) == 4
    erase(ledger, segments[1].signed.digest)
    erase(ledger, ledger.events.find(about=UNITS[0].normal)[1].event.digest)
    cosign_log(ledger)
    liar = Liar(create_app(ledger))
    running = serve(liar, port=0)
    yield liar, running.url + page_path(UNITS[0])
    running.stop()


def _sources(shown: Page) -> list[str]:
    found: list[str] = shown.locator("video").evaluate_all("all => all.map(each => each.src)")
    return found


def test_what_is_left_holds_and_is_never_called_whole(browser: Browser, served: tuple[Liar, str]) -> None:
    with page(browser, locale="en-GB") as (shown, complaints):
        assert settle(shown, served[1]) == "unchecked"
        shown.wait_for_selector("[data-check=video][data-state=holds]", timeout=60_000)
        assert set(states(shown).values()) == {"holds", "unchecked"}
        assert "not everything could be checked" in shown.locator("#verdict").inner_text()
        assert all(source.startswith("blob:") for source in _sources(shown))
        assert complaints == []


def test_a_lie_about_what_is_left_is_red_and_takes_the_videos_away(browser: Browser, served: tuple[Liar, str]) -> None:
    lies = {
        "another salt": about_records(lambda answer: answer["records"][3].update(salt="00" * 32)),
        "no record of the erasure": about_records(
            lambda answer: answer.update(
                records=[each for each in answer["records"] if "erasure" not in each["domain"]]
            )
        ),
    }
    for lie in lies.values():
        with served[0].telling(lie), page(browser, locale="en-GB") as (shown, complaints):
            assert settle(shown, served[1]) == "refused"
            assert "Do not rely on this page" in shown.locator("#verdict").inner_text()
            assert _sources(shown) == [""]
            assert complaints == []


STEPS_TAKEN_OUT = """document.addEventListener("readystatechange", () =>
  document.querySelectorAll("article").forEach(each => each.remove()))"""


def test_a_page_with_nothing_to_check_is_not_green(browser: Browser, served: tuple[Liar, str]) -> None:
    """A server that withholds everything, and shows no step either, has proven nothing."""
    liar, address = served
    empty = about_records(lambda answer: answer.update(records=[]))
    with liar.telling(empty), page(browser, locale="en-GB") as (shown, _):
        shown.add_init_script(STEPS_TAKEN_OUT)
        assert settle(shown, address) == "unchecked"
