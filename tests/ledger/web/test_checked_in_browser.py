"""In a real Chromium: the consumer page proves itself to its reader, and turns red in front of a server that lies."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from ledger.api.app import create_app
from ledger.epcis import build
from ledger.gs1 import Identifier
from ledger.http.addresses import page_path
from ledger.serve import serve
from tests.browser import page
from tests.ledger.tea import CASE, GARDEN, LEAVES, NOW, TEA, UNITS, cosign_log, document, open_ledger
from tests.ledger.web.conftest import House, more, settle, states
from tests.ledger.web.forging import relogged
from tests.ledger.web.lying import Liar, Lie, about, about_records, publish_trust_root, trust_root_of

IN_BROWSER = ("trust", "checkpoint", "cosigned", "logged", "signed", "subject", "shown", "video")
ALARM = "rgb(161, 27, 20)"


def test_every_step_holds_and_what_plays_is_what_was_checked(browser: Browser, house: House) -> None:
    with page(browser, locale="en-GB") as (shown, complaints):
        assert settle(shown, house.page) == "holds", (states(shown), shown.locator("#verdict").inner_text())
        assert states(shown) == dict.fromkeys(IN_BROWSER, "holds") | {"anchors": "unchecked"}
        assert complaints == []


@pytest.mark.parametrize("thing", [TEA, LEAVES, CASE, UNITS[1]], ids=["lot", "upstream lot", "case", "another unit"])
def test_every_kind_of_page_proves_itself(browser: Browser, house: House, thing: Identifier) -> None:
    with page(browser, locale="en-GB") as (shown, complaints):
        verdict = settle(shown, house.url + page_path(thing))
        assert "refused" not in states(shown).values(), shown.locator("#verdict").inner_text()
        assert states(shown) | {"video": "", "anchors": ""} == dict.fromkeys(IN_BROWSER, "holds") | {
            "video": "",
            "anchors": "",
        }
        assert verdict == "holds"
        assert complaints == []


LACKING = {
    "cryptography, without https": "Object.defineProperty(globalThis, 'crypto', { value: {} })",
    "Ed25519": """
      const whole = crypto.subtle.importKey.bind(crypto.subtle);
      crypto.subtle.importKey = (form, key, algorithm, ...rest) => algorithm.name === "Ed25519"
        ? Promise.reject(new DOMException("unknown", "NotSupportedError")) : whole(form, key, algorithm, ...rest);""",
    "anything to remember with": "Object.defineProperty(globalThis, 'localStorage', { get() { throw Error(); } })",
}


@pytest.mark.parametrize("lack", LACKING)
def test_a_browser_that_lacks_something_says_so_and_accuses_nobody(browser: Browser, house: House, lack: str) -> None:
    with page(browser, locale="en-GB") as (shown, _):
        shown.add_init_script(LACKING[lack])
        verdict = settle(shown, house.page)
        assert "refused" not in states(shown).values()
        if "remember" in lack:
            assert verdict == "holds"
            assert "Not remembered" in more(shown, "trust")
        else:
            assert verdict == "unchecked"
            assert "could not check this page" in shown.locator("#verdict").inner_text()


def test_a_step_that_no_notary_has_seen_yet_is_said_to_be_unchecked(browser: Browser, tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "ledger")
    publish_trust_root(ledger)
    ledger.events.capture_document(document(), NOW)
    cosign_log(ledger)
    later = build.observation(build.Happening(NOW, GARDEN), things=[UNITS[0]])
    ledger.events.capture_document(build.document([later], created_at=NOW), NOW)
    running = serve(create_app(ledger), port=0)
    with page(browser, locale="en-GB") as (shown, complaints):
        assert settle(shown, running.url + page_path(UNITS[0])) == "unchecked"
        assert "refused" not in states(shown).values()
        told = shown.locator("article .checked").evaluate_all("all => all.map(each => each.dataset.state)")
        assert sorted(told) == ["holds"] * 4 + ["unchecked"]
        assert complaints == []
    running.stop()
    ledger.close()


PLAYED = """video => new Promise((done, failed) => {
  video.addEventListener("timeupdate", () => { if (video.currentTime > 0.2) done(video.currentSrc); });
  video.addEventListener("error", () => failed(video.error.message));
  video.play().catch(failed);
})"""


def test_what_plays_was_asked_for_once_and_is_what_was_checked(browser: Browser, house: House) -> None:
    house.liar.asked.clear()
    with page(browser, locale="en-GB") as (shown, _):
        assert settle(shown, house.page) == "holds"
        fetched = [path for path in house.liar.asked if path.startswith(("/media/", "/recordings/"))]
        for index in range(4):
            assert shown.locator("video").nth(index).evaluate(PLAYED).startswith("blob:")
        assert [path for path in house.liar.asked if path.startswith(("/media/", "/recordings/"))] == fetched
        assert not any(path.startswith("/recordings/") for path in fetched)
        assert len(fetched) == len(set(fetched))
        cids = {path.removeprefix("/media/") for path in fetched}
        filmed = house.ledger.evidence.segments_of_lots([TEA.normal])
        assert cids == {cid for segment in filmed for cid in (segment.init_cid, segment.media_cid)}


def test_another_trust_root_than_the_remembered_one_is_red_until_the_reader_takes_it_over(
    browser: Browser, house: House
) -> None:
    other = trust_root_of(house.ledger, epoch=2)
    swap = about_records(lambda answer: answer.update(trust_root=other.dump().decode()))
    with page(browser, locale="en-GB") as (shown, _):
        assert settle(shown, house.page) == "holds"
        assert shown.locator(".fingerprint").inner_text() == house.root.fingerprint
        with house.liar.telling(swap):
            assert settle(shown, house.page) == "refused"
            assert "another trust root than the one this browser remembers" in shown.locator("#verdict").inner_text()
            assert house.root.fingerprint in more(shown, "trust")
            assert shown.locator(".fingerprint").inner_text() == other.fingerprint
            shown.get_by_role("button", name="I have compared these digits").click()
            shown.wait_for_selector("body[data-verdict=holds]", timeout=60_000)
        assert settle(shown, house.page) == "refused"


def test_the_address_demands_a_trust_root_and_overrides_no_memory(browser: Browser, house: House) -> None:
    own = house.root.fingerprint.replace(" ", "")
    other = trust_root_of(house.ledger, epoch=2)
    swap = about_records(lambda answer: answer.update(trust_root=other.dump().decode()))
    for fragment, verdict in ((own, "holds"), (own.upper(), "holds"), ("0" * 32, "refused"), ("f00", "refused")):
        with page(browser, locale="en-GB") as (shown, _):
            assert settle(shown, f"{house.page}#root={fragment}") == verdict, fragment
    with page(browser, locale="en-GB") as (shown, _):
        assert settle(shown, house.page) == "holds"
        with house.liar.telling(swap):
            assert settle(shown, f"{house.page}?lang=en#root={other.fingerprint.replace(' ', '')}") == "refused"
            assert "(TRUST_ROOT_CHANGED" in more(shown, "trust")


def test_c07_a_log_that_shrinks_or_forks_between_two_visits_is_red(browser: Browser, house: House) -> None:
    def other(answer: dict[str, Any]) -> None:
        relogged(answer, house.log, lambda records: records[-1].update(salt="00" * 32))

    def shorter(answer: dict[str, Any]) -> None:
        answer["records"] = answer["records"][:5]
        relogged(answer, house.log, lambda records: None)

    with page(browser, locale="en-GB") as (shown, _):
        assert settle(shown, house.page) == "holds"
        for lie, code in ((other, "SPLIT_VIEW"), (shorter, "LOG_SHRINKS")):
            with house.liar.telling(about_records(lie)):
                assert settle(shown, house.page) == "refused"
            assert f"({code}" in more(shown, "checkpoint")
        assert settle(shown, house.page) == "holds"


def test_c07_a_log_that_grew_between_two_visits_proves_that_it_goes_on(browser: Browser, tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "ledger")
    publish_trust_root(ledger)
    ledger.events.capture_document(document(), NOW)
    cosign_log(ledger)
    liar = Liar(create_app(ledger))
    running = serve(liar, port=0)
    address = running.url + page_path(UNITS[0])
    with page(browser, locale="en-GB") as (shown, _):
        settle(shown, address)
        assert states(shown)["checkpoint"] == "holds"
        later = build.observation(build.Happening(NOW, GARDEN), things=[UNITS[0]])
        ledger.events.capture_document(build.document([later], created_at=NOW), NOW)
        cosign_log(ledger)
        with liar.telling(about_records(lambda answer: answer.update(consistency=[]))):
            assert settle(shown, address) == "refused"
            assert "(SPLIT_VIEW" in more(shown, "checkpoint")
        settle(shown, address)
        assert states(shown)["checkpoint"] == "holds"
    running.stop()
    ledger.close()


def test_without_script_the_page_says_that_nothing_was_checked_and_still_plays(browser: Browser, house: House) -> None:
    context = browser.new_context(java_script_enabled=False, locale="en-GB")
    shown = context.new_page()
    shown.goto(house.page)
    assert shown.locator("#verdict").inner_text().startswith("Not checked in your browser")
    assert set(states(shown).values()) == {"unchecked"}
    assert shown.get_by_text("This needs JavaScript").is_visible()
    sources = shown.locator("video").evaluate_all("all => all.map(video => video.getAttribute('src'))")
    assert all(source.startswith("/recordings/") for source in sources)
    context.close()


@pytest.mark.parametrize("size", [(360, 740), (1280, 800)], ids=["360", "1280"])
@pytest.mark.parametrize("locale", ["zh-CN", "en-GB"])
def test_results_move_nothing_fit_and_are_told_to_a_screen_reader(
    browser: Browser, house: House, locale: str, size: tuple[int, int]
) -> None:
    with page(browser, locale=locale, size=size) as (shown, complaints):
        assert settle(shown, house.page) == "holds"
        moved = shown.evaluate(
            "() => new Promise(done => new PerformanceObserver(seen => done("
            "seen.getEntries().reduce((sum, shift) => sum + shift.value, 0)))"
            ".observe({ type: 'layout-shift', buffered: true }) ?? setTimeout(() => done(0), 300))"
        )
        assert moved < 0.05, moved  # Core Web Vitals call 0.1 good
        assert not shown.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        assert shown.get_by_role("status").inner_text()
        labels = shown.locator("[data-check] .state").all_inner_texts()
        assert len(labels) == 9
        assert all(label.strip() for label in labels)
        assert complaints == []
        with house.liar.telling(about("/media/", _flip_last)):
            assert shown.locator("#verdict").get_attribute("aria-live") == "polite"
    with page(browser, locale=locale, size=size) as (shown, _), house.liar.telling(about("/media/", _flip_last)):
        assert settle(shown, house.page) == "refused"
        assert shown.locator("#verdict").get_attribute("aria-live") == "assertive"
        assert not shown.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        shown.keyboard.press("Tab")
        shown.keyboard.press("Tab")
        shown.keyboard.press("Tab")
        assert shown.evaluate("document.activeElement.getAttribute('href')") == "#checks"


def _flip_last(raw: bytes) -> bytes:
    return raw[:-1] + bytes([raw[-1] ^ 1])


def _flip_node(records: dict[str, Any]) -> None:
    path = records["records"][3]["path"]
    path[1] = hex(int(path[1], 16) ^ 1)[2:].zfill(64)


def _swap_event(records: dict[str, Any]) -> None:
    (event,) = (found for found in records["records"] if '"AggregationEvent"' in found["canonical"])
    event["canonical"] = event["canonical"].replace('"packing"', '"shipping"')


def _flip_cosignature(records: dict[str, Any]) -> None:
    head, _, last = records["checkpoint"].rstrip("\n").rpartition(" ")
    blob = bytearray(base64.b64decode(last))
    blob[-1] ^= 1
    records["checkpoint"] = f"{head} {base64.b64encode(blob).decode()}\n"


LIES: dict[str, tuple[Lie, str, str]] = {
    "OV01 one byte of video": (about("/media/", _flip_last), "video", "The video is not what the camera signed."),
    "one proof node": (about_records(_flip_node), "logged", "The log does not hold what this page was given."),
    "one cosignature": (about_records(_flip_cosignature), "cosigned", "The notaries' signatures do not hold."),
    "the event": (about_records(_swap_event), "logged", "The log does not hold what this page was given."),
}


@pytest.mark.parametrize("lie", LIES)
def test_the_page_turns_red_and_says_why_when_the_server_swaps(browser: Browser, house: House, lie: str) -> None:
    told, step, reason = LIES[lie]
    with page(browser, locale="en-GB") as (shown, _):
        with house.liar.telling(told):
            assert settle(shown, house.page) == "refused"
        verdict = shown.locator("#verdict")
        assert reason in verdict.inner_text()
        assert shown.locator(f"[data-check={step}] .label").inner_text().split(":")[0] in verdict.inner_text()
        assert states(shown)[step] == "refused"
        assert all(state != "refused" for name, state in states(shown).items() if name != step)
        assert shown.evaluate("getComputedStyle(document.querySelector('.bar')).backgroundColor") == ALARM
        assert shown.locator("video").evaluate_all("all => all.map(video => video.currentSrc && video.src)") == [""] * 4
    with page(browser, locale="en-GB") as (shown, _):
        assert settle(shown, house.page) == "holds"
