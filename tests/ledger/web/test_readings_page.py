"""Readings on the consumer page: a picture and the same in words, both languages, each opening onto its evidence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from starlette.testclient import TestClient

from ledger.api.app import create_app
from ledger.evidence import Terms
from ledger.evidence.terms import Limits
from ledger.history import history_of
from ledger.history.silence import record_silences
from ledger.http.addresses import evidence_path, page_path
from ledger.intake.receive import Receiver
from ledger.serve import RunningServer, serve
from ledger.web.picture import HEIGHT, MARGIN, picture_of
from tests.browser import DESK, PHONE, page
from tests.ledger.intake.speaking import NOON, OTHER_KEY, Listening, Voice, listening, scale
from tests.ledger.tea import COSIGNERS, NOW, TEA, UNITS, WORKSHOP, cosign_log, document, name_things, whole_story
from tests.ledger.web.conftest import settle
from tests.ledger.web.lying import publish_trust_root

MINUTE = timedelta(minutes=1)
WAVE = [f"{20 + (number * 7 % 13) / 2:.1f}" for number in range(90)]


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listening]:
    with listening(tmp_path_factory.mktemp("measured"), clock=NOON + timedelta(days=1)) as found:
        book = found.ledger.evidence
        name_things(found.ledger)
        found.ledger.events.capture_document(document(), NOON + timedelta(days=365))
        found.ledger.bundle_of = lambda subject, _loan: f"bundle of {subject.text}".encode()
        book.enrol(scale("probe-1", OTHER_KEY))
        limits = {"temperature": Limits(Decimal(15), Decimal(30))}
        begins = NOON - timedelta(hours=1)
        book.agree(Terms("probe-1", begins, every_seconds=60, grace_seconds=0, place=WORKSHOP.normal, limits=limits))
        probe = Voice("probe-1", OTHER_KEY)
        for number, value in enumerate([*WAVE[:40], "33.5", *WAVE[40:]]):
            moment = NOON + (number + (30 if number > 70 else 0)) * MINUTE
            if number == 71:
                record_silences(book, "probe-1", now=moment)
            heat: dict[str, Any] = {"value": value, "quantity": "temperature", "unit": "CEL", "place": WORKSHOP.normal}
            found.hear(probe.reading(moment, subject=TEA.normal, **heat), moment)
        one = Voice()
        for number, value in enumerate(("120.0", "119.8", "119.9")):
            moment = NOON + number * 30 * MINUTE
            found.hear(one.reading(moment, subject=TEA.normal, value=value, place=WORKSHOP.normal), moment)
        for minutes, where in ((100, "31.2300,121.4700"), (160, "31.2300,121.5750")):
            moment = NOON + minutes * MINUTE
            said: dict[str, Any] = {"subject": TEA.normal, "quantity": "position", "unit": "DD", "place": None}
            found.hear(one.reading(moment, value=where, **said), moment)
        yield found


@pytest.fixture(scope="module")
def client(at: Listening) -> TestClient:
    return TestClient(create_app(at.ledger), follow_redirects=False)


@pytest.fixture(scope="module")
def server(at: Listening) -> Iterator[RunningServer]:
    running = serve(create_app(at.ledger), port=0)
    yield running
    running.stop()


def shown(client: TestClient, path: str, lang: str = "en") -> str:
    answer = client.get(path, params={"lang": lang})
    assert answer.status_code == 200, answer.text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))


WORDS = {
    "en": [
        "What sensors measured",
        "Temperature",
        "91 readings",
        "33.5 °C",
        "15 to 30 °C",
        "1 reading is outside the agreed limits.",
        "1 time the sensor was silent when it should have spoken.",
        "Where it was is kept from this page",
        "10 km",
    ],
    "zh": [
        "传感器测得的数据",
        "温度",
        "91 次读数",
        "33.5 °C",
        "1 次读数超出约定范围。",
        "传感器有 1 次该发送时没有发送。",
        "10 km",
    ],
}


@pytest.mark.parametrize("lang", WORDS)
def test_everything_that_the_picture_shows_stands_beside_it_in_words(client: TestClient, lang: str) -> None:
    text = shown(client, page_path(TEA), lang)
    assert [words for words in WORDS[lang] if words not in text] == []


def test_no_position_leaves(client: TestClient, at: Listening) -> None:
    last = at.ledger.evidence.last("scale-1")
    assert last is not None
    for path in (page_path(TEA), evidence_path(last.digest)):
        assert not re.search(r"31\.23|121\.47|121\.57", client.get(path).text), path
    assert (
        "The proof" not in shown(client, evidence_path(last.digest))
        and "/bundle" not in client.get(evidence_path(last.digest)).text
    )


def test_a_reading_opens_onto_its_evidence_and_offers_no_proof_that_is_not_there_yet(client: TestClient) -> None:
    links = re.findall(
        r'href="(/evidence/[0-9a-f]{64})\?lang=en"', client.get(page_path(TEA), params={"lang": "en"}).text
    )
    assert (
        len(links) == len(set(links)) == 3 + 3
    )  # the first (and least), the one outside, the newest; three of the scale
    told = [shown(client, link) for link in links]
    (wrong,) = [text for text in told if "33.5 °C" in text]
    assert "The value is outside what was agreed as plausible." in wrong and "A finding, entry" in wrong
    assert all("signed it" in text and "Not yet cosigned" in text for text in told)
    assert all("There will be a proof file" in text for text in told) and "/bundle" not in client.get(links[0]).text
    answer = client.get(f"/api/v1{links[0].partition('?')[0]}/bundle")
    assert answer.content.startswith(b"bundle of urn:pledgetrail:evidence:")


def test_a_reading_that_notaries_cosigned_offers_its_proof(tmp_path: Path) -> None:
    with listening(tmp_path) as at:
        at.ledger.bundle_of = lambda subject, _loan: b"bundle"
        at.ledger.log.cosigners = COSIGNERS
        said = Voice().reading(NOON)
        at.hear(said)
        client = TestClient(create_app(at.ledger))
        assert "/bundle" not in client.get(evidence_path(said.digest)).text
        cosign_log(at.ledger)
        address = f"/api/v1{evidence_path(said.digest)}/bundle"
        assert f'href="{address}"' in client.get(evidence_path(said.digest)).text
        assert client.get(address).content == b"bundle"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/evidence/" + "0" * 64, 422, "SUBJECT_UNKNOWN"),
        ("/evidence/" + "A" * 64, 422, "DIGEST_FORMAT"),
        ("/evidence/x", 422, "DIGEST_FORMAT"),
    ],
)
def test_a_page_of_no_evidence_is_a_typed_refusal_for_people(
    client: TestClient, path: str, status: int, code: str
) -> None:
    answer = client.get(path)
    assert answer.headers["content-type"].startswith("text/html") and code in answer.text
    assert answer.status_code in (404, 409, status)


def test_a_limit_that_is_exceeded_is_drawn_and_so_is_what_exceeds_it(at: Listening) -> None:
    series = next(each for each in history_of(at.ledger, TEA).readings if each.quantity == "temperature")
    drawn = picture_of(series)
    assert drawn.line.count("M") == 2  # broken where nothing was heard
    assert drawn.outside.count("M") == 1 and len(drawn.limits) == 2 and len(drawn.silent) == 1
    height = float(drawn.outside.split()[1].removesuffix("h0"))
    assert height == MARGIN < drawn.limits[1] < drawn.limits[0] <= HEIGHT - MARGIN  # above the upper limit, both seen


def test_a_picture_of_equal_values_and_of_one_is_a_picture(at: Listening) -> None:
    series = history_of(at.ledger, TEA).readings[0]
    one = replace(series, points=series.points[:1], ends=series.begins)
    for few in (one, replace(series, points=(series.points[0],) * 3, limits=None)):
        drawn = picture_of(few)
        assert drawn.line.startswith("M") and 0 < drawn.newest[1] < HEIGHT


def test_a_meter_goes_up_in_steps(at: Listening) -> None:
    series = history_of(at.ledger, TEA).readings[0]
    assert "L" in picture_of(series).line and "V" not in picture_of(series).line
    assert "V" in picture_of(replace(series, quantity="meter")).line


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_in_a_browser_nothing_overflows_complains_or_needs_a_mouse(
    browser: Browser, server: RunningServer, locale: str, size: tuple[int, int]
) -> None:
    with page(browser, locale=locale, size=size) as (opened, complaints):
        opened.goto(server.url + page_path(TEA))
        picture = opened.locator(".trend").first
        box = picture.bounding_box()
        assert box is not None and box["width"] > 250 and 60 < box["height"] < 120
        assert opened.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        assert opened.locator(".trend .line").first.evaluate("line => getComputedStyle(line).fill") == "none"
        summary = opened.locator(".series summary").first
        summary.focus()
        opened.keyboard.press("Enter")
        link = opened.locator(".told a").first
        assert link.is_visible()
        link.click()
        opened.wait_for_url("**/evidence/**")
        assert opened.locator("h1").is_visible()
        assert opened.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        assert complaints == []


def test_readings_beside_the_steps_leave_the_browser_s_own_verdict_as_it_is(browser: Browser, tmp_path: Path) -> None:
    """They are no steps of the account: neither missing from its records nor made up."""
    ledger = whole_story(tmp_path)
    root = publish_trust_root(ledger)
    ledger.evidence.enrol(replace(scale(), valid_from=NOW - timedelta(days=9), valid_until=NOW + timedelta(days=9)))
    voice = Voice()
    for value in ("120.0", "119.9"):
        signed = voice.reading(NOW - timedelta(hours=1), subject=TEA.normal, place=WORKSHOP.normal, value=value)
        Receiver(ledger.evidence, ledger.media).statement(signed.envelope(), received_at=NOW)
    cosign_log(ledger)
    running = serve(create_app(ledger), port=0)
    try:
        with page(browser, locale="en-GB") as (opened, _):
            verdict = settle(opened, running.url + page_path(UNITS[0]) + f"#root={root.fingerprint.replace(' ', '')}")
            assert verdict == "holds"
            assert opened.locator(".trend").count() == 1
    finally:
        running.stop()
        ledger.close()
