"""A large piece is checked chunk by chunk by the outline of its signed CID, and only what holds reaches the player."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page
from starlette.testclient import TestClient

from ledger.api.app import create_app
from ledger.capture.camera import Camera, Shot
from ledger.capture.scene import Coding, encode_scene
from ledger.capture.segments import read_recording
from ledger.capture.spool import Spool
from ledger.checkpoint import LogSigner
from ledger.cid import CHUNK_BYTES, cid_of_leaves
from ledger.http.addresses import page_path
from ledger.outline import outline_of, read_outline, verify_outline
from ledger.serve import serve
from ledger.store.ledger import KEY_FILE
from ledger.store.log_key import log_signer
from ledger.web import unit_page
from tests.browser import page
from tests.ledger.tea import (
    CAMERA,
    CAMERA_KEY,
    NOW,
    ORIGIN,
    TEA,
    UNITS,
    WORKSHOP,
    Direct,
    cosign_log,
    document,
    open_ledger,
)
from tests.ledger.web.conftest import House, more, settle, states
from tests.ledger.web.javascript import Rules
from tests.ledger.web.lying import Liar, Lie, about, publish_trust_root

SECONDS = 8.0
AGAIN = """video => new Promise((done, failed) => {
  video.addEventListener("timeupdate", () => { if (video.currentTime > 1.2 && video.currentTime < 3) done(); });
  video.addEventListener("error", () => failed(video.error.message));
  video.currentTime = 1;
  video.play().catch(failed);
})"""
TO_THE_END = """video => new Promise((done, failed) => {
  video.playbackRate = 4;
  video.addEventListener("ended", () => done(video.currentTime));
  video.addEventListener("error", () => failed(video.error.message));
  video.play().catch(failed);
})"""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A ledger whose one recording is one piece of several chunks."""
    folder = tmp_path_factory.mktemp("large")
    ledger = open_ledger(folder / "ledger")
    scene = folder / "scene.mp4"
    coding = Coding(width=1280, height=720, fps=25, key_seconds=SECONDS)
    encode_scene(scene, caption="X", started_at=NOW, seconds=SECONDS, coding=coding)
    ledger.evidence.enrol(CAMERA)
    with Spool(folder / "spool") as held, read_recording(scene, target_seconds=SECONDS) as recording:
        camera = Camera(CAMERA, CAMERA_KEY, spool=held, intake=Direct(ledger), clock=lambda: NOW)
        camera.film(recording, Shot("packing-1", NOW - timedelta(hours=4), WORKSHOP.normal, TEA.normal, "packing"))
    ledger.events.capture_document(document(), NOW)
    root = publish_trust_root(ledger)
    cosign_log(ledger)
    liar = Liar(create_app(ledger))
    running = serve(liar, port=0)
    (filmed,) = ledger.evidence.segments_of_lots([TEA.normal])
    assert ledger.media.size(filmed.media_cid) > 3 * CHUNK_BYTES, "the scene is too small to be worth chunks"
    log: LogSigner = log_signer(folder / "ledger" / KEY_FILE, ORIGIN)
    yield House(ledger, root, log, liar, running.url + page_path(UNITS[0]))
    running.stop()
    ledger.close()


@pytest.fixture(autouse=True)
def every_piece_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unit_page, "WHOLE_BYTES", 0)
    monkeypatch.setattr(unit_page, "CHUNKED_BYTES", CHUNK_BYTES)


def _piece(house: House) -> str:
    (found,) = house.ledger.evidence.segments_of_lots([TEA.normal])
    return found.media_cid


def _refusal(shown: Page) -> str:
    shown.wait_for_selector("body[data-verdict=refused]", timeout=60_000)
    assert states(shown)["video"] == "refused"
    assert shown.locator("video").evaluate("video => video.src") == ""
    return more(shown, "video")


def test_it_plays_to_the_end_and_each_byte_was_asked_for_once(browser: Browser, large: House) -> None:
    cid = _piece(large)
    large.liar.asked.clear()
    with page(browser, locale="en-GB") as (shown, complaints):
        settle(shown, large.page)
        assert shown.locator("video").evaluate(TO_THE_END) == pytest.approx(SECONDS, abs=0.3)
        shown.wait_for_selector("body[data-verdict=holds]", timeout=60_000)
        asked = [path for path in large.liar.asked if path.startswith(("/media/", "/recordings/"))]
        assert asked.count(f"/media/{cid}") == asked.count(f"/media/{cid}/outline") == 1
        assert len(asked) == 3
        assert complaints == []


def test_a_server_that_answers_a_second_time_with_other_bytes_gains_nothing(browser: Browser, large: House) -> None:
    cid, told = _piece(large), list[str]()

    def twice(path: str, body: bytes) -> bytes:
        told.append(path)
        return bytes(len(body)) if told.count(path) > 1 and path.startswith("/media/") else body

    with page(browser, locale="en-GB") as (shown, _), large.liar.telling(twice):
        settle(shown, large.page)
        shown.locator("video").evaluate(TO_THE_END)
        shown.wait_for_selector("body[data-verdict=holds]", timeout=60_000)
        shown.locator("video").evaluate(AGAIN)
        assert told.count(f"/media/{cid}") == 1
        assert shown.evaluate("document.body.dataset.verdict") == "holds"


def test_ov01_a_false_chunk_in_the_middle_never_plays(browser: Browser, large: House) -> None:
    cid, at = _piece(large), 2 * CHUNK_BYTES + 7

    def flip(body: bytes) -> bytes:
        return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :] if len(body) > at else body

    with page(browser, locale="en-GB") as (shown, _), large.liar.telling(about(f"/media/{cid}", flip)):
        shown.goto(large.page)
        assert "(VIDEO_DIFFERS" in _refusal(shown)


def about_outline(change: Callable[[bytes], bytes | None]) -> Lie:
    return lambda path, body: change(body) if path.endswith("/outline") else body


LIES: dict[str, Lie] = {
    "another digest": about_outline(lambda body: body[:-1] + bytes([body[-1] ^ 1])),
    "a digest left out": about_outline(lambda body: body[:-32]),
    "a digest more": about_outline(lambda body: body + bytes(32)),
    "another length": about_outline(lambda body: (int.from_bytes(body[:8], "big") - 1).to_bytes(8, "big") + body[8:]),
    "a byte more": lambda path, body: body + b"x" if path.startswith("/media/") and len(body) > CHUNK_BYTES else body,
    "a byte fewer": lambda path, body: body[:-1] if path.startswith("/media/") and len(body) > CHUNK_BYTES else body,
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_about_the_outline_or_the_length_is_red(browser: Browser, large: House, lie: str) -> None:
    with page(browser, locale="en-GB") as (shown, _), large.liar.telling(LIES[lie]):
        shown.goto(large.page)
        assert "(VIDEO_DIFFERS" in _refusal(shown)


def test_an_outline_that_does_not_come_is_neither_green_nor_red(browser: Browser, large: House) -> None:
    with page(browser, locale="en-GB") as (shown, _), large.liar.telling(about_outline(lambda body: None)):
        shown.goto(large.page)
        shown.wait_for_selector("[data-check=video][data-state=unchecked]", timeout=60_000)
        assert shown.evaluate("document.body.dataset.verdict") == "unchecked"


def test_the_outline_that_is_served_gives_the_content_id(large: House) -> None:
    client, cid = TestClient(create_app(large.ledger)), _piece(large)
    answer = client.get(f"/media/{cid}/outline")
    assert verify_outline(read_outline(answer.content), cid) == outline_of(large.ledger.media.chunks(cid))
    assert answer.headers["content-type"] == "application/octet-stream"
    assert client.get(f"/media/{'b' * 59}/outline").status_code == 422
    assert client.get(f"/media/{cid_of_leaves([bytes(32)], 1)}/outline").status_code == 404
    assert client.get(f"/media/{cid}/outline?more=1").status_code == 400


@pytest.mark.parametrize("leaves", [1, 2, 174, 175, 349])
def test_the_browser_names_an_object_as_python_does(rules: Rules, leaves: int) -> None:
    digests = [hashlib.sha256(bytes([number % 256])).digest() for number in range(leaves)]
    for size in ((leaves - 1) * CHUNK_BYTES + 1, leaves * CHUNK_BYTES):
        ((code, said),) = rules.answers([("cidOfLeaves", digests, size)])
        assert (code, said) == ("", cid_of_leaves(digests, size))
