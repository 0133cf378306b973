"""In a real Chromium: readings that the consumer page names are records, checked as segments are, and lies are red."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser

from ledger.api.app import create_app
from ledger.http.addresses import page_path
from ledger.intake.receive import Receiver
from ledger.serve import serve
from ledger.store.ledger import KEY_FILE
from ledger.store.log_key import log_signer
from tests.browser import page
from tests.ledger.intake.speaking import OTHER_KEY, Voice, scale
from tests.ledger.tea import NOW, ORIGIN, TEA, UNITS, cosign_log, whole_story
from tests.ledger.web.conftest import House, more, settle, states
from tests.ledger.web.forging import relogged, rewrite
from tests.ledger.web.lying import Liar, Lie, about_records, publish_trust_root

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The tea's story with a scale, a thermometer and a locator beside it."""
    folder = tmp_path_factory.mktemp("measured")
    ledger = whole_story(folder)
    root = publish_trust_root(ledger)
    period = {"valid_from": NOW - timedelta(days=9), "valid_until": NOW + timedelta(days=9)}
    for device in (scale(), scale("probe-1", OTHER_KEY)):
        ledger.evidence.enrol(replace(device, **period))  # type: ignore[arg-type]
    one, other = Voice(), Voice("probe-1", OTHER_KEY)
    heat: dict[str, Any] = {"quantity": "temperature", "unit": "CEL"}
    where: dict[str, Any] = {"quantity": "position", "unit": "DD", "place": None}
    said = [
        *(
            one.reading(NOW - number * HOUR, subject=TEA.normal, value=value)
            for number, value in ((9, "120.0"), (8, "119.9"))
        ),
        *(one.reading(NOW - number * HOUR, subject=TEA.normal, value=f"31.2,{number}", **where) for number in (7, 6)),
        *(
            other.reading(NOW - 5 * HOUR + number * HOUR / 60, subject=TEA.normal, value=f"{20 + number % 7}.5", **heat)
            for number in range(30)
        ),
    ]
    for signed in said:
        Receiver(ledger.evidence, ledger.media).statement(signed.envelope(), received_at=NOW)
    cosign_log(ledger)
    liar = Liar(create_app(ledger))
    running = serve(liar, port=0)
    log = log_signer(folder / "ledger" / KEY_FILE, ORIGIN)
    yield House(ledger, root, log, liar, running.url + page_path(UNITS[0]))
    running.stop()
    ledger.close()


def beside(shown: Any) -> list[tuple[str, str]]:
    """How each series ended, and what is said beside it."""
    told = "all => all.map(each => [each.dataset.state, each.querySelector('.more').textContent])"
    return [tuple(each) for each in shown.locator(".series .checked").evaluate_all(told)]


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_readings_are_records_with_a_result_of_their_own(browser: Browser, measured: House, locale: str) -> None:
    with page(browser, locale=locale) as (shown, complaints):
        assert settle(shown, measured.page) == "holds", shown.locator("#verdict").inner_text()
        assert states(shown)["readings"] == "holds"
        found = beside(shown)
        assert sorted(state for state, _ in found) == ["holds", "holds", "unchecked"]
        if locale == "en-GB":
            assert more(shown, "readings") == "5 readings of 2 sensors"
            (kept,) = [text for state, text in found if state == "unchecked"]
            assert kept == "Where it was is kept from this page, so nothing here can be compared."
            assert any(
                "signed by probe-1: 3. The picture and the counts were not checked." in text for _, text in found
            )
        assert not shown.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        assert complaints == []


def test_no_position_is_among_the_records(browser: Browser, measured: House) -> None:
    asked: list[str] = []
    note = about_records(lambda answer: asked.extend(each["canonical"] for each in answer["records"]))
    with page(browser, locale="en-GB") as (shown, _), measured.liar.telling(note):
        settle(shown, measured.page)
    assert sum('"temperature"' in each for each in asked) == 3
    assert not any('"position"' in each for each in asked)


def rewritten(before: str, after: str) -> Lie:
    """The page with another text in it; its records stay."""

    def change(raw: bytes) -> bytes:
        assert before.encode() in raw, before
        return raw.replace(before.encode(), after.encode())

    return lambda path, body: change(body) if path.startswith("/01/") else body


def at_record(change: Callable[[Any], None]) -> Callable[[dict[str, Any]], None]:
    """Change the first record of a temperature."""

    def found(answer: dict[str, Any]) -> None:
        rewrite(next(each for each in answer["records"] if '"temperature"' in each["canonical"]), change)

    return found


def left_out(answer: dict[str, Any]) -> None:
    answer["records"] = [each for each in answer["records"] if '"temperature"' not in each["canonical"]]


def unenrolled(answer: dict[str, Any]) -> None:
    answer["records"] = [
        each
        for each in answer["records"]
        if not ('"enrolment"' in each["canonical"] and "probe-1" in each["canonical"])
    ]


def warmer(value: Any) -> None:
    value["statement"]["value"] = "19.5"


LIES: dict[str, tuple[Lie, str, str]] = {
    "another value": (rewritten("26.5<", "25.5<"), "readings", "SHOWN_DIFFERS"),
    "another unit": (rewritten(" °C", " °F"), "readings", "SHOWN_DIFFERS"),
    "another sensor": (rewritten('data-device="probe-1"', 'data-device="scale-1"'), "readings", "SHOWN_DIFFERS"),
    "another thing measured": (rewritten(">Temperature<", ">Humidity<"), "readings", "SHOWN_DIFFERS"),
    "another lot": (rewritten(f'data-subject="{TEA.normal}"', 'data-subject="urn:x"'), "readings", "SHOWN_DIFFERS"),
    "the lowest told as the highest": (
        rewritten('data-why="least"', 'data-why="greatest"'),
        "readings",
        "SHOWN_DIFFERS",
    ),
    "no reading named": (rewritten("data-entry=", "data-nothing="), "shown", "RECORD_HIDDEN"),
    "a record of none": (about_records(left_out), "readings", "RECORD_MISSING"),
    "a reading rewritten": (about_records(at_record(warmer)), "logged", "PROOF_INVALID"),
    "a sensor that was never enrolled": (about_records(unenrolled), "signed", "DEVICE_NOT_ENROLLED"),
}


def test_the_page_is_red_where_a_reading_is_false(browser: Browser, measured: House) -> None:
    with page(browser, locale="en-GB") as (shown, _):
        for lie, (told, step, code) in LIES.items():
            with measured.liar.telling(told):
                assert settle(shown, measured.page) == "refused", (lie, states(shown))
            assert states(shown)[step] == "refused", lie
            assert f"({code}" in more(shown, step), lie
            assert "holds" not in {state for state, _ in beside(shown)}, lie
        assert settle(shown, measured.page) == "holds", "the honest page holds again"


def test_a_log_that_signs_a_reading_it_never_got_lacks_the_sensor_s_key(browser: Browser, measured: House) -> None:
    def forged(answer: dict[str, Any]) -> None:
        relogged(answer, measured.log, lambda records: at_record(warmer)({"records": records}))

    with page(browser, locale="en-GB") as (shown, _), measured.liar.telling(about_records(forged)):
        assert settle(shown, measured.page) == "refused"
        assert "(EVIDENCE_SIGNATURE" in more(shown, "signed")
