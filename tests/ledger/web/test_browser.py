"""In a real Chromium: pages render in both languages, the code leads back, video plays, nothing complains."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Browser, Page

from ledger.api.app import create_app
from ledger.epcis import build
from ledger.gs1 import unit
from ledger.http.addresses import page_path
from ledger.serve import RunningServer, serve
from tests.browser import DESK, PHONE, page
from tests.ledger.chain_tale import named
from tests.ledger.tea import GARDEN, NOW, TEA_GTIN, UNITS, open_ledger

LOCALES = {"zh-CN": ("明前绿茶 100 克", "杀青"), "en-GB": ("Spring green tea, 100 g", "Pan-firing")}
PLAYED = """video => new Promise((done, failed) => {
  video.addEventListener("timeupdate", () => { if (video.currentTime > 0.2) done(video.readyState); });
  video.addEventListener("error", () => failed(video.error.message));
  setTimeout(() => failed("nothing played"), 20000);  // milliseconds, in the worst case
  video.play().catch(failed);
})"""


def _overflows(shown: Page) -> bool:
    return bool(shown.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


@pytest.mark.parametrize("locale", LOCALES)
def test_the_units_page_in_the_readers_language_with_a_code_that_leads_back(
    browser: Browser, server: RunningServer, locale: str
) -> None:
    address = server.url + page_path(UNITS[0])
    with page(browser, locale=locale) as (shown, complaints):
        shown.goto(address)
        for words in LOCALES[locale]:
            assert shown.get_by_text(words, exact=True).first.is_visible()
        code = shown.locator("[role=img]").screenshot()
        (read,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(code)))
        assert read.text == address
        assert shown.goto(read.text)
        assert shown.locator("h1").inner_text() == LOCALES[locale][0]
        assert not _overflows(shown)
        assert complaints == []


def test_the_video_of_every_step_plays(browser: Browser, server: RunningServer) -> None:
    with page(browser, locale="en-GB") as (shown, complaints):
        shown.goto(server.url + page_path(UNITS[0]))
        videos = shown.locator("video")
        assert videos.count() == 4
        for index in range(4):
            video = videos.nth(index)
            video.scroll_into_view_if_needed()
            assert video.evaluate(PLAYED) >= 2  # HAVE_CURRENT_DATA
            assert video.evaluate("video => Math.round(video.duration)") == 4
            video.evaluate("video => video.pause()")
        # A player may drop a request for bytes it no longer wants; that is no complaint.
        assert [said for said in complaints if "ERR_ABORTED" not in said] == []


def test_seeking_to_the_end_of_a_video_works(browser: Browser, server: RunningServer) -> None:
    with page(browser, locale="en-GB") as (shown, _):
        shown.goto(server.url + page_path(UNITS[0]))
        seek = (
            "video => new Promise(done => { video.addEventListener('seeked', () => done(video.currentTime));"
            " video.currentTime = 3.5; })"
        )
        assert shown.locator("video").first.evaluate(seek) == pytest.approx(3.5, abs=0.1)


@pytest.mark.parametrize("size", [(360, 780), PHONE, DESK], ids=["360", "phone", "desk"])
@pytest.mark.parametrize("locale", LOCALES)
def test_the_portal_fits_and_leads_to_a_pledge_by_keyboard_alone(
    browser: Browser, server: RunningServer, locale: str, size: tuple[int, int]
) -> None:
    with page(browser, locale=locale, size=size) as (shown, complaints):
        shown.goto(f"{server.url}/portal")
        assert not _overflows(shown)
        for _ in range(20):
            shown.keyboard.press("Tab")
            if shown.evaluate("document.activeElement.innerText") == "LN-B-0415":
                break
        assert shown.evaluate("document.activeElement.innerText") == "LN-B-0415"
        assert shown.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        shown.keyboard.press("Enter")
        shown.wait_for_url(f"**/portal/pledges/0x{named('LN-B-0415').hex()}*")
        assert shown.get_by_role("alert").is_visible()
        assert not _overflows(shown)
        assert [said for said in complaints if "ERR_ABORTED" not in said] == []


def test_pages_work_without_any_script_of_ours(browser: Browser, server: RunningServer) -> None:
    context = browser.new_context(java_script_enabled=False)
    shown = context.new_page()
    shown.goto(server.url + page_path(UNITS[0]))
    assert shown.locator("video").count() == 4
    shown.get_by_role("link", name="中文").click()
    assert shown.get_by_text("杀青").is_visible()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_that_wcag_aa_asks(browser: Browser, server: RunningServer, scheme: str) -> None:
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light", locale="en-GB")
    shown = context.new_page()
    for path in (page_path(UNITS[0]), "/portal", f"/portal/pledges/0x{named('LN-B-0415').hex()}"):
        shown.goto(server.url + path)
        measured = shown.evaluate(_CONTRASTS)
        assert len(measured) > 20
        worst = min(measured, key=lambda found: found["ratio"])
        assert worst["ratio"] >= 4.5, worst
    context.close()


# The contrast (WCAG 2.2, 1.4.3) of every text with the first opaque background behind it.
_CONTRASTS = """() => {
  const parse = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = element => {
    for (; element; element = element.parentElement) {
      const found = parse(getComputedStyle(element).backgroundColor);
      if (found.length === 3 || found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !element.checkVisibility()) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(ground(element))].sort((x, y) => y - x);
    found.push({ text: walk.currentNode.data.trim().slice(0, 40), ratio: (a + 0.05) / (b + 0.05) });
  }
  return found;
}"""


@pytest.mark.parametrize("size", [PHONE, DESK])
def test_goods_that_nobody_named_fit_the_screen(browser: Browser, tmp_path: Path, size: tuple[int, int]) -> None:
    """Whoever films a first segment has registered no name yet: the page's heading is the identifier."""
    ledger = open_ledger(tmp_path / "ledger")
    thing = unit(TEA_GTIN, "S" * 20)
    seen = build.observation(build.Happening(NOW, GARDEN), things=[thing])
    ledger.events.capture_document(build.document([seen], created_at=NOW), NOW)
    running = serve(create_app(ledger), port=0)
    try:
        with page(browser, locale="en-GB", size=size) as (shown, complaints):
            shown.goto(f"{running.url}{page_path(thing)}")
            assert thing.normal in shown.inner_text("h1")
            assert not _overflows(shown) and complaints == []
    finally:
        running.stop()
        ledger.close()
