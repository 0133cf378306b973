"""In a real Chromium: the consumer page proves itself to its reader, and turns red in front of a server that lies."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from ledger.api.app import create_app
from ledger.bundle import TrustRoot
from ledger.http.addresses import page_path
from ledger.serve import serve
from ledger.store import Ledger
from tests.browser import chromium, page
from tests.ledger.tea import UNITS, whole_story
from tests.ledger.web.lying import Liar, Lie, about, about_records, publish_trust_root

PAGE = page_path(UNITS[0])
IN_BROWSER = ("trust", "checkpoint", "cosigned", "logged", "signed", "subject", "shown", "video")
ALARM = "rgb(161, 27, 20)"
SETTLED = "body[data-verdict]:not([data-verdict=waiting])"


@dataclass(frozen=True)
class House:
    ledger: Ledger
    root: TrustRoot
    liar: Liar
    url: str


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    ledger = whole_story(tmp_path_factory.mktemp("checked"))
    ledger.bundle_of = lambda subject, loan: f"bundle of {subject.text}{loan.hex() if loan else ''}".encode()
    root = publish_trust_root(ledger)
    liar = Liar(create_app(ledger))
    running = serve(liar, port=0)
    yield House(ledger, root, liar, running.url)
    running.stop()
    ledger.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


def settle(shown: Page, address: str) -> str:
    """Open the page, wait for its verdict and return it."""
    shown.goto(address)
    shown.wait_for_selector(SETTLED, timeout=60_000)
    return str(shown.evaluate("document.body.dataset.verdict"))


def states(shown: Page) -> dict[str, str]:
    found = shown.locator("[data-check]").evaluate_all(
        "rows => rows.map(row => [row.dataset.check, row.dataset.state])"
    )
    return dict(found)


def test_every_step_holds_and_what_plays_is_what_was_checked(browser: Browser, house: House) -> None:
    with page(browser, locale="en-GB") as (shown, complaints):
        assert settle(shown, house.url + PAGE) == "holds", (states(shown), shown.locator("#verdict").inner_text())
        assert states(shown) == dict.fromkeys(IN_BROWSER, "holds") | {"anchors": "unchecked"}
        assert complaints == []


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
    "one byte of video": (about("/media/", _flip_last), "video", "The video is not what the camera signed."),
    "one proof node": (about_records(_flip_node), "logged", "The log does not hold what this page was given."),
    "one cosignature": (about_records(_flip_cosignature), "cosigned", "The notaries' signatures do not hold."),
    "the event": (about_records(_swap_event), "logged", "The log does not hold what this page was given."),
}


@pytest.mark.parametrize("lie", LIES)
def test_the_page_turns_red_and_says_why_when_the_server_swaps(browser: Browser, house: House, lie: str) -> None:
    told, step, reason = LIES[lie]
    with page(browser, locale="en-GB") as (shown, _):
        with house.liar.telling(told):
            assert settle(shown, house.url + PAGE) == "refused"
        verdict = shown.locator("#verdict")
        assert reason in verdict.inner_text()
        assert shown.locator(f"[data-check={step}] .label").inner_text().split(":")[0] in verdict.inner_text()
        assert states(shown)[step] == "refused"
        assert all(state != "refused" for name, state in states(shown).items() if name != step)
        assert shown.evaluate("getComputedStyle(document.querySelector('.bar')).backgroundColor") == ALARM
        assert shown.locator("video").evaluate_all("all => all.map(video => video.currentSrc && video.src)") == [""] * 4
    with page(browser, locale="en-GB") as (shown, _):
        assert settle(shown, house.url + PAGE) == "holds"
